"""Where a patrol was at any moment, and how much its receiver's errors hang together.

A receiver's error is mostly slow: metres that stay for minutes (satellites, air, trees), and a
smaller part that wanders within a minute. A thousand fixes do not average the slow part away. So
all points of one walk share one offset with the whole of the stated accuracy, and each has its
own wandering besides, `WANDER_SHARE` of it.

```
   fix ----- here ----- fix              fix              fix ---
              ^ between two fixes close   ^ never between two far apart, never beyond the last
                enough in time
```
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pymap3d

from edge.calibration.recording import Fixes
from edge.camera import BoolArray, Camera, FloatArray, Pose, PoseSigma
from edge.ground import Ground, GroundModel

Index = npt.NDArray[np.intp]

# The 68 % radius of a circular Gaussian in sigmas of one axis: sqrt(-2 ln 0.32).
R68_PER_SIGMA: Final = 1.5096
# Of a receiver's sigma, and of the ground's, what differs from point to point of one walk.
WANDER_SHARE: Final = 0.4
# After so long the wandering part has forgotten what it was.
WANDER_S: Final = 30.0
# Farther apart, the walker may have been anywhere in between.
LONGEST_GAP_S: Final = 5.0
# A vaguer fix tells a camera nothing.
VAGUEST_M: Final = 30.0
_STRIDE_S: Final = 1.0


class Known(NamedTuple):
    """What the device file says."""

    camera: Camera
    pose: Pose
    sigma: PoseSigma
    ground: GroundModel


class Track(NamedTuple):
    """The walker at some moments, in east, north, up of the device file's place."""

    points_enu_m: FloatArray  # (N, 3) on the ground
    lat: FloatArray  # (N,)
    lon: FloatArray  # (N,)
    alt_m: FloatArray  # (N,) above the ellipsoid
    velocity_mps: FloatArray  # (N, 2) east, north
    gps_sigma_m: FloatArray  # (N,) of each axis
    ok: BoolArray  # (N,) was between two fixes, on ground that is known

    def at(self, rows: Index | BoolArray) -> "Track":
        """Return only some of the moments."""
        return Track(
            self.points_enu_m[rows],
            self.lat[rows],
            self.lon[rows],
            self.alt_m[rows],
            self.velocity_mps[rows],
            self.gps_sigma_m[rows],
            self.ok[rows],
        )


def good_fixes(fixes: Fixes) -> Fixes:
    """Leave out the fixes that are too vague."""
    good = fixes.accuracy_m <= VAGUEST_M
    return Fixes(*(column[good] for column in fixes))


def track_at(fixes: Fixes, at_s: FloatArray, lens: Pose, ground: GroundModel) -> Track:
    """Return the walker at moments (N,) of the fixes' clock. Needs one fix at least."""
    after = np.searchsorted(fixes.at_s, at_s)
    last = len(fixes.at_s) - 1
    exact = fixes.at_s[np.minimum(after, last)] == at_s
    gap_s = fixes.at_s[np.minimum(after, last)] - fixes.at_s[np.maximum(after - 1, 0)]
    inside = exact | ((after > 0) & (after <= last) & (gap_s <= LONGEST_GAP_S))
    points, lat, lon, alt_m = _on_ground(fixes, at_s, lens, ground)
    ahead, *_ = _on_ground(fixes, at_s + _STRIDE_S, lens, ground)
    behind, *_ = _on_ground(fixes, at_s - _STRIDE_S, lens, ground)
    reach_s = np.clip(at_s + _STRIDE_S, *fixes.at_s[[0, -1]]) - np.clip(
        at_s - _STRIDE_S, *fixes.at_s[[0, -1]]
    )
    velocity = (ahead - behind)[:, :2] / np.maximum(reach_s, _STRIDE_S)[:, None]
    ok = inside & np.isfinite(points).all(axis=1) & np.isfinite(velocity).all(axis=1)
    sigma_m = np.interp(at_s, fixes.at_s, fixes.accuracy_m) / R68_PER_SIGMA
    return Track(points, lat, lon, alt_m, velocity, sigma_m, ok)


def _on_ground(
    fixes: Fixes, at_s: FloatArray, lens: Pose, ground: GroundModel
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return points (N, 3) of the walk, and their latitudes, longitudes and heights (N,)."""
    lat = np.interp(at_s, fixes.at_s, fixes.lat)
    lon = np.interp(at_s, fixes.at_s, fixes.lon)
    if isinstance(ground, Ground):
        alt_m = np.full(len(lat), ground.alt_m)
    else:
        alt_m = ground.alt_m_at(lat=lat, lon=lon)
    east, north, up = pymap3d.geodetic2enu(lat, lon, alt_m, lens.lat, lens.lon, lens.alt_m)
    return np.column_stack((east, north, up)), lat, lon, alt_m


def wander_sigma_m(at_s: FloatArray, sigma_m: FloatArray) -> FloatArray:
    """Return the sigma (N,) that makes points at ascending moments (N,) count as independent.

    An error that fades with exp(-t / `WANDER_S`) averages over evenly spaced points like an
    independent one that is larger by (1 + a) / (1 - a) in variance, a what is left of it from one
    point to the next. `sigma_m` is the receiver's whole.
    """
    if len(at_s) == 1:
        return WANDER_SHARE * sigma_m
    apart_s = np.diff(at_s)
    nearest_s = np.minimum(np.append(apart_s, np.inf), np.insert(apart_s, 0, np.inf))
    left = np.exp(-nearest_s / WANDER_S)
    inflated: FloatArray = WANDER_SHARE * sigma_m * np.sqrt((1.0 + left) / (1.0 - left))
    return inflated
