"""The crops of a running service: noted until the store has them, let go of when they are old."""

import logging
import math
from typing import Final

from edge.messages import EvidenceMessage, UtcTime
from fusion.evidence import EvidenceFolder, evidence_id_of
from fusion.evidence_index import Crop
from fusion.store import Store, StoreUnavailableError

_AT_ONCE: Final = 100  # crops that are looked at: some ms
_EVERY_S: Final = 60.0
_MORE_S: Final = 2.0  # while there is more that is too old
_log = logging.getLogger(__name__)


class EvidenceRoom:
    """What a service does with crops besides taking them in."""

    def __init__(
        self, sector_id: str, store: Store, folder: EvidenceFolder, *, keep_s: float
    ) -> None:
        """Keep what no incident needs for `keep_s`."""
        self.noted: list[Crop] = []  # that the store does not have
        self.kept = 0
        self.lost = 0
        self.forgotten = 0
        self._sector_id = sector_id
        self._store = store
        self._folder = folder
        self._keep_s = keep_s
        self._due_s = -math.inf

    def note(self, message: EvidenceMessage) -> None:
        """Take down a crop whose picture is in the folder."""
        size_bytes = self._folder.size(message.sha256)
        if size_bytes is None:  # the journal tells of one that was deleted since
            self.lost += 1
            return
        self.noted.append(
            Crop(
                evidence_id_of(message),
                message.device_id,
                message.captured_at,
                message.sha256,
                size_bytes,
            )
        )

    def saved(self) -> None:
        """The store has what was noted."""
        self.kept += len(self.noted)
        self.noted = []

    def tidy(self, now_s: float, now: UtcTime) -> None:
        """Let go of a little of what has been kept for long enough."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + _EVERY_S
        try:
            gone = self._store.forget_crops(
                self._sector_id,
                before=now.after(-self._keep_s),
                at_most=_AT_ONCE,
                remove=self._folder.remove,
            )
        except (StoreUnavailableError, OSError) as error:
            _log.warning("evidence: nothing is deleted now: %s", error)
            return
        self.forgotten += gone.crops
        if gone.looked_at == _AT_ONCE:
            self._due_s = now_s + _MORE_S
