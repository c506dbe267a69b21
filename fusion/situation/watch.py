"""What is known of a track and the line: what `fusion.situation.crossing` goes on from."""

from typing import NamedTuple

from msgspec import Struct

from fusion.local_frame import Metres


class Evidence(NamedTuple):
    """A track's distance to the line at one moment."""

    at_s: float
    distance_m: float
    random_m2: float
    bias_m2: float
    device: str


class Watch(Struct, frozen=True):
    """What is known of one track and the line."""

    home: bool | None = None  # the side it was surely on; None: never sure
    doubt: float = 1.0  # the smallest probability so far of having been on the other side
    window: tuple[Evidence, ...] = ()
    looks: int = 0
    support_s: float | None = None  # since when every detection supports a crossing
    support: int = 0
    last: Metres | None = None
    last_m: float = 0.0
    last_s: float = 0.0
    over: Metres | None = None  # where it last came over the line ...
    over_s: float = 0.0  # ... and when
    count: int = 0  # crossings so far
