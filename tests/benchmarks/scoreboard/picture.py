"""What a tracker says of a scene, whoever it is: its tracks' records, and its picture at 2 Hz."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tests.benchmarks.scoreboard.sector import FloatArray

HOLD_S: Final = 2.0  # a record stands so long, moving on at its velocity, if no other follows

CovM2 = tuple[float, float, float]


class Record(NamedTuple):
    """Where a tracker says a track is."""

    track: str
    at_s: float  # since the scene began
    x_m: float
    y_m: float
    vx_mps: float
    vy_mps: float
    cov_m2: CovM2 | None  # (xx, xy, yy); None: it does not say
    label: str
    ends: bool = False


class Estimate(NamedTuple):
    """Where a track is at one instant of the truth."""

    track: str
    x_m: float
    y_m: float
    cov_m2: CovM2 | None


Picture = list[list[Estimate]]  # people only, one list an instant


def pictured(records: Iterable[Record], times_s: FloatArray, *, label: str = "person") -> Picture:
    """Return where the tracks of a label are at some instants; each stands for its last record."""
    picture: Picture = [[] for _ in times_s]
    by_track: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_track[record.track].append(record)
    step_s = float(times_s[1] - times_s[0])
    for name in sorted(by_track):
        ordered = sorted(by_track[name], key=lambda one: (one.at_s, one.ends))
        for index, record in enumerate(ordered):
            if record.ends or record.label != label:
                continue
            until_s = record.at_s + HOLD_S
            if index + 1 < len(ordered):
                until_s = min(until_s, ordered[index + 1].at_s)
            instant = max(0, -int(-(record.at_s - times_s[0]) // step_s))
            while instant < len(times_s) and times_s[instant] < until_s:
                gone_s = float(times_s[instant]) - record.at_s
                picture[instant].append(
                    Estimate(
                        name,
                        record.x_m + gone_s * record.vx_mps,
                        record.y_m + gone_s * record.vy_mps,
                        record.cov_m2,
                    )
                )
                instant += 1
    return picture


def leading(labels: Sequence[str]) -> str:
    """Return the most frequent label; of several, the first in the alphabet."""
    return min(Counter(labels).items(), key=lambda one: (-one[1], one[0]))[0]
