"""What a camera says of its own picture: the events that tell that it cannot be trusted.

They are properties: each detecting service of the camera says when one begins and when it ends,
and the broker keeps the last word for whoever comes later.
"""

import logging
from typing import Final

from edge.messages import Scene

_TROUBLES: Final = {
    "VideoSource/GlobalSceneChange": Scene.MOVED,
    "VideoSource/ImageTooBlurry": Scene.BLURRED,
    "VideoSource/ImageTooDark": Scene.DARK,
}
_WORST_FIRST: Final = tuple(_TROUBLES.values())
_MOST_REPORTERS: Final = 64
_LOG = logging.getLogger(__name__)


class SceneReports:
    """The troubles that hold now."""

    def __init__(self) -> None:
        """Begin with none."""
        self.worst: Scene | None = None  # None: the camera complains of nothing
        self._by_reporter: dict[str, Scene] = {}

    def take(self, reporter: str, name: str, *, holds: bool | None) -> None:
        """Note one event.

        Args:
            reporter: Its whole MQTT topic: what one service says does not end another's trouble.
            name: Its ONVIF topic.
            holds: Whether the property holds; None: it is gone.
        """
        kind, _, _ = name.rpartition("/")
        trouble = _TROUBLES.get(kind) or _TROUBLES.get(name)
        if trouble is None:
            return
        if not holds:
            self._by_reporter.pop(reporter, None)
        elif len(self._by_reporter) < _MOST_REPORTERS:
            self._by_reporter[reporter] = trouble
        now = set(self._by_reporter.values())
        worst = next((scene for scene in _WORST_FIRST if scene in now), None)
        if worst is not self.worst:
            _LOG.warning("the camera says of its picture: %s", worst or "no complaint any more")
        self.worst = worst
