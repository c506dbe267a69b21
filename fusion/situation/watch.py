"""What is known of a track and the line: what `fusion.situation.crossing` goes on from."""

from typing import NamedTuple

from msgspec import Struct

from fusion.local_frame import Metres


class Evidence(NamedTuple):
    """A track's distance to the line at one moment."""

    at_s: float
    distance_m: float  # positive at home
    random_m2: float
    bias_m2: float
    device: str
    line_m2: float = 0.0  # error of the line itself
    half_m: float = 0.0  # from the line to the edge of the strip or of the river

    @property
    def error_m2(self) -> float:
        """Return the variance of the distance."""
        return self.random_m2 + self.bias_m2 + self.line_m2


class Watch(Struct, frozen=True):
    """What is known of one track and the line."""

    home: bool | None = None  # the side it was surely on; None: never sure
    surest: Evidence | None = None  # when that was surest
    window: tuple[Evidence, ...] = ()
    looks: int = 0
    support_s: float | None = None  # since when detections support a crossing, none against it
    support: int = 0
    last: Metres | None = None
    last_m: float = 0.0
    last_s: float = 0.0
    over: Metres | None = None  # where it last came over the line ...
    over_s: float = 0.0  # ... and when ...
    unseen_s: float = 0.0  # ... and how long nobody looked just then
    count: int = 0  # crossings so far


def passed(
    start: Metres, start_s: float, end: Metres, end_s: float, share: float
) -> tuple[Metres, float]:
    """Return where and when a straight way is, a share of it gone."""
    (x0, y0), (x1, y1) = start, end
    at = Metres(x0 + share * (x1 - x0), y0 + share * (y1 - y0))
    return at, start_s + share * (end_s - start_s)
