"""How good a picture is, people only: GOSPA, IDF1, id switches, NEES.

A person counts while some device's view covers where they are, woods or not. Elsewhere nobody can
know, so an estimate that lies on someone out of all views is neither right nor wrong.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from tests.benchmarks.scoreboard.picture import CovM2, Estimate, Picture
from tests.benchmarks.scoreboard.scenes import Truth
from tests.benchmarks.scoreboard.sector import FloatArray

CUT_M: Final = 15.0  # GOSPA's c; p = 2, alpha = 2
IDENTITY_CAP_M: Final = 10.0  # nobody farther off is matched for IDF1 and switches
_FORBIDDEN_M: Final = 1e6


class Gospa(NamedTuple):
    """One instant's GOSPA (DOMAIN.md 5.3) and the parts of its square, m²."""

    distance_m: float
    localisation: float
    missed: float
    false: float
    pairs: tuple[tuple[int, int], ...]  # (truth, estimate)


class Instant(NamedTuple):
    """Who is where and what is said to be where, at one instant."""

    people: Sequence[int]
    tracks: Sequence[str]
    gap_m: FloatArray  # (people, tracks)


class Banded(NamedTuple):
    """The mean of squared lengths, and where it lies in 95 of 100 cases if all is right."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """Write it as a cell of the table."""
        return (
            "" if math.isnan(self.mean) else f"{self.mean:.2f} ({self.low:.2f} to {self.high:.2f})"
        )


class Score(NamedTuple):
    """How good a picture of a whole scene is."""

    gospa_m: float  # mean over the instants
    localisation: float  # means of the parts of its square, m²
    missed: float
    false: float
    idf1: float
    switches: int
    nees: Banded  # nan: the tracker gives no covariance
    tracks: int


def gospa(truth_m: FloatArray, said_m: FloatArray, *, cut_m: float = CUT_M) -> Gospa:
    """Return GOSPA (p = 2, alpha = 2) of points (M, 2) and (N, 2)."""
    gap2 = ((truth_m[:, None, :] - said_m[None, :, :]) ** 2).sum(axis=2)
    rows, columns = linear_sum_assignment(np.minimum(gap2, cut_m**2))
    pairs = [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if gap2[row, column] < cut_m**2
    ]
    localisation = float(sum(gap2[pair] for pair in pairs))
    missed = 0.5 * cut_m**2 * (len(truth_m) - len(pairs))
    false = 0.5 * cut_m**2 * (len(said_m) - len(pairs))
    distance_m = math.sqrt(localisation + missed + false)
    return Gospa(distance_m, localisation, missed, false, tuple(pairs))


def idf1(instants: Sequence[Instant], *, cap_m: float = IDENTITY_CAP_M) -> float:
    """Return IDF1 (Ristani et al. 2016): each person has one track for good, as well as can be.

    nan where there was nobody and nothing was said.
    """
    together: Counter[tuple[int, str]] = Counter()
    wanted = said = 0
    for now in instants:
        wanted, said = wanted + len(now.people), said + len(now.tracks)
        near = np.argwhere(now.gap_m <= cap_m).tolist()
        together.update((now.people[row], now.tracks[column]) for row, column in near)
    if wanted + said == 0:
        return math.nan
    people = {person: row for row, person in enumerate(sorted({key[0] for key in together}))}
    tracks = {track: column for column, track in enumerate(sorted({key[1] for key in together}))}
    shared = np.zeros((len(people), len(tracks)))
    for (person, track), count in together.items():
        shared[people[person], tracks[track]] = count
    right = float(shared[linear_sum_assignment(shared, maximize=True)].sum())
    return 2.0 * right / (wanted + said)


def switches(instants: Sequence[Instant], *, cap_m: float = IDENTITY_CAP_M) -> int:
    """Return how often a person comes under another track than before (CLEAR-MOT, 2008).

    A person stays with their track while it is near enough, even if another is nearer; who is
    without one gets what lies nearest overall. After a gap, another track is a switch too.
    """
    track_of: dict[int, str] = {}
    count = 0
    for now in instants:
        free_rows = list(range(len(now.people)))
        columns = {track: column for column, track in enumerate(now.tracks)}
        for row, person in enumerate(now.people):
            column = columns.get(track_of.get(person, ""))
            if column is not None and now.gap_m[row, column] <= cap_m:
                free_rows.remove(row)
                del columns[now.tracks[column]]
        free_columns = list(columns.values())
        gap_m = now.gap_m[np.ix_(free_rows, free_columns)]
        cost_m = np.where(gap_m <= cap_m, gap_m, _FORBIDDEN_M)
        for i, j in zip(*linear_sum_assignment(cost_m), strict=True):
            if cost_m[i, j] < _FORBIDDEN_M:
                person, track = now.people[free_rows[i]], now.tracks[free_columns[j]]
                count += track_of.get(person, track) != track
                track_of[person] = track
    return count


def nees(errors: Mapping[tuple[str, int], Sequence[float]], *, devices: int) -> Banded:
    """Return the mean of squared Mahalanobis errors by `(track, person)`, and its 95 % band.

    A track counts while it is on the person it is on the longest.
    """
    longest: dict[str, Sequence[float]] = {}
    for (track, _), values in sorted(errors.items()):
        if len(values) > len(longest.get(track, ())):
            longest[track] = values
    return banded(longest.values(), at_most=devices)


def banded(runs: Iterable[Sequence[float]], *, at_most: int) -> Banded:
    """Return the mean of squared lengths in 2 dimensions, and its 95 % band.

    The lengths of one run hang together, so the band takes each run as one draw of chi² with 2
    degrees of freedom, and as many draws as unequal runs are worth (Kish): (Σn)² / Σn². All runs
    share the biases of the devices, so there are no more draws than devices.
    """
    kept = [values for values in runs if values]
    if not kept:
        return Banded(math.nan, math.nan, math.nan)
    lengths = np.array([len(values) for values in kept], dtype=np.float64)
    draws = min(float(at_most), float(lengths.sum() ** 2 / (lengths**2).sum()))
    low, high = (float(chi2.ppf(share, 2.0 * draws)) / draws for share in (0.025, 0.975))
    return Banded(float(np.mean(np.concatenate(kept))), low, high)


def squared(off_m: FloatArray, cov_m2: CovM2) -> float:
    """Return the squared Mahalanobis length of an error (2,)."""
    xx, xy, yy = cov_m2
    x, y = off_m.tolist()
    return float((yy * x * x - 2.0 * xy * x * y + xx * y * y) / (xx * yy - xy * xy))


def score(picture: Picture, truth: Truth) -> Score:
    """Compare a picture with the truth."""
    people = [index for index, kind in enumerate(truth.kinds) if kind == "person"]
    where, covered = truth.xy_m[people], truth.covered[people]
    sums = np.zeros(4)
    instants: list[Instant] = []
    errors: dict[tuple[str, int], list[float]] = {}
    for instant, said in enumerate(picture):
        about = np.flatnonzero(np.isfinite(where[:, instant, 0]))
        counts = covered[about, instant]
        points = where[about, instant]
        kept = _judged(points, counts, said)
        there, said_m, ids = points[counts], _points(kept), about[counts].tolist()
        now = gospa(there, said_m)
        sums += (now.distance_m, now.localisation, now.missed, now.false)
        gap_m = np.hypot(*(there[:, None, :] - said_m[None, :, :]).transpose(2, 0, 1))
        instants.append(Instant(ids, [one.track for one in kept], gap_m))
        for row, column in now.pairs:
            one = kept[column]
            if one.cov_m2 is not None:
                length2 = squared(said_m[column] - there[row], one.cov_m2)
                errors.setdefault((one.track, ids[row]), []).append(length2)
    mean = sums / max(1, len(instants))
    return Score(
        gospa_m=float(mean[0]),
        localisation=float(mean[1]),
        missed=float(mean[2]),
        false=float(mean[3]),
        idf1=idf1(instants),
        switches=switches(instants),
        nees=nees(errors, devices=truth.devices),
        tracks=len({track for now in instants for track in now.tracks}),
    )


def _judged(points: FloatArray, counts: np.ndarray, said: list[Estimate]) -> list[Estimate]:
    """Leave out the estimates that lie on people out of all views."""
    pairs = gospa(points, _points(said)).pairs
    idle = {column for row, column in pairs if not counts[row]}
    return [one for index, one in enumerate(said) if index not in idle]


def _points(said: list[Estimate]) -> FloatArray:
    return np.array([(one.x_m, one.y_m) for one in said], dtype=np.float64).reshape(-1, 2)
