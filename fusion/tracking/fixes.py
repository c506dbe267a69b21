"""What the tracker is fed: one `Look` a frame, with a `Fix` for each detection.

A fix keeps its error in two parts: `random`, new in every frame, which a filter may average down,
and `bias`, shared by all detections of a device for now (mount, compass), which it may not.
"""

from typing import Final, NamedTuple

from fusion.local_frame import CovM2

NO_BIAS: Final[CovM2] = (0.0, 0.0, 0.0)


_KINDS: Final = {
    "person": "person",
    **dict.fromkeys(
        ("car", "truck", "bus", "van", "motorcycle", "motorbike", "bicycle", "boat", "train"),
        "vehicle",
    ),
    **dict.fromkeys(
        ("animal", "dog", "cat", "cow", "buffalo", "horse", "sheep", "goat", "pig", "bird"),
        "animal",
    ),
    **dict.fromkeys(("elephant", "bear", "zebra", "giraffe"), "animal"),
}


_LIVING: Final = frozenset({"person", "animal"})  # detectors take one for the other


def kind_of(label: str) -> str:
    """Return what moves alike: person, animal, vehicle, or the label itself."""
    return _KINDS.get(label, label)


def may_be_one(kind: str, other: str) -> bool:
    """Tell whether two kinds can be the same thing, mistaken in some frames."""
    return kind == other or (kind in _LIVING and other in _LIVING)


class Ray(NamedTuple):
    """From a device to a fix on the ground, and how far its bias may shift it."""

    u_x: float  # unit vector
    u_y: float
    along_m: float  # 1 sigma
    across_m: float


class Sighted(NamedTuple):
    """A fix as measured, before any correction."""

    x_m: float
    y_m: float
    random: CovM2
    ray: Ray


class Fix(NamedTuple):
    """One detection on the ground."""

    x_m: float
    y_m: float
    cov: CovM2  # full error
    random: CovM2
    bias: CovM2
    label: str
    kind: str  # what moves alike: person, animal, vehicle, or the label itself
    confidence: float
    device_track: str | None  # the device's own track, with its boot: a hint
    ordinal: int  # in the message
    ray: Ray | None  # from the device; None where no bias is declared
    plate: tuple[str, float] | None = None  # of a vehicle, as compared, and its confidence
    evidence_id: str | None = None  # of the crop that shows it

    @property
    def sighted(self) -> Sighted | None:
        """Return what tells how far the device is off, if anything."""
        return None if self.ray is None else Sighted(self.x_m, self.y_m, self.random, self.ray)


class Look(NamedTuple):
    """What one device saw in one frame; no fixes: it looked and saw nothing."""

    at_s: float  # captured_at, seconds since 1970
    device: str
    message_id: str
    fixes: tuple[Fix, ...]
    untracked: int  # detections left out: too vague to track, or nowhere near the sector
    simulated: bool
    sensor_kind: str = "camera"  # or thermal, drone, radar, tip
    smoothed: bool = False  # by the device: its errors hang together from frame to frame
