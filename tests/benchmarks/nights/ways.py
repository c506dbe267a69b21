"""Where everyone truly was, twice a second: what tracks are held against."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tests.benchmarks.scoreboard.movers import Mover

HZ: Final = 2.0


class Ways(NamedTuple):
    """The ways of M movers, one behind the other."""

    names: tuple[str, ...]
    first: npt.NDArray[np.int64]  # (M,) step, at `HZ`, at which each begins
    begins: npt.NDArray[np.int64]  # (M + 1,) where each begins in `xy_m`
    xy_m: npt.NDArray[np.float32]  # (N, 2)

    @classmethod
    def of(cls, movers: Sequence[Mover], until_s: float) -> "Ways":
        """Sample the ways of some movers."""
        first, parts = [], []
        for mover in movers:
            begins = max(0, int(np.ceil(mover.times_s[0] * HZ)))
            times_s = np.arange(begins, min(until_s, mover.times_s[-1]) * HZ) / HZ
            first.append(begins)
            parts.append(mover.at(times_s).astype(np.float32))
        begins_at = np.cumsum([0, *map(len, parts)])
        return cls(
            tuple(one.id for one in movers), np.array(first), begins_at, np.concatenate(parts)
        )

    def nearest(self, at_s: float, x_m: float, y_m: float) -> tuple[str, float] | None:
        """Return who was nearest to a point at an instant, and how far; None: nobody about."""
        at = round(at_s * HZ) - self.first
        there = np.flatnonzero((at >= 0) & (at < np.diff(self.begins)))
        if not len(there):
            return None
        points = self.xy_m[self.begins[there] + at[there]]
        gap_m = np.hypot(points[:, 0] - x_m, points[:, 1] - y_m)
        nearest = int(np.argmin(gap_m))
        return self.names[there[nearest]], float(gap_m[nearest])

    def write(self, path: Path) -> None:
        """Write them to a file."""
        np.savez(
            path, names=np.array(self.names), first=self.first, begins=self.begins, xy_m=self.xy_m
        )

    @classmethod
    def read(cls, path: Path) -> "Ways":
        """Read them from a file."""
        with np.load(path) as file:
            return cls(tuple(file["names"].tolist()), file["first"], file["begins"], file["xy_m"])
