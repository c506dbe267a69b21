r"""Where rays meet the ground: a surface at one height, or a relief. Pure geometry.

```
        lens *-._   straight ray           the bent ray ends below the straight one: it is
              \  `-._                      followed by aiming again along the chord to the
               `.    `-._   chord          place where refraction takes it
                 `-._____`*___ ground
```
Inside, vectors are columns: arrays (3, N) of east, north, up at the lens. The Earth's curve needs
no correction: rays are followed in Earth-centred axes (DOMAIN.md 4.1).
"""

from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pymap3d

from edge.camera import BoolArray, FloatArray, Pose

# Flatter than this to the ground, refraction alone moves the hit by more than its distance.
HORIZON_DEG: Final = 0.1
# A ray through air bends down by 0.13 of the Earth's curvature: Gauss's coefficient of refraction,
# the usual mean by day (DOMAIN.md 4.1). It is left out up to 2 km, where it is worth 4 cm of
# height, and taken in whole from 3 km on; in between it grows, so that no place jumps.
REFRACTION: Final = 0.13
REFRACTION_FROM_M: Final = 2000.0
REFRACTION_WHOLE_M: Final = 3000.0

_EARTH_M: Final = 6_371_000.0
_SEMI_MAJOR_M: Final = 6378137.0
_SEMI_MINOR_M: Final = 6356752.314245179
_E2: Final = 1.0 - (_SEMI_MINOR_M / _SEMI_MAJOR_M) ** 2
_AIMS: Final = 3
_HALF_TURN: Final = 180.0


class Ground(NamedTuple):
    """Flat ground: everywhere at one height above the ellipsoid, with one sigma of it.

    Near the lens that is a plane; far away it bends down with the Earth.
    """

    alt_m: float
    sigma_m: float


class Relief(Protocol):
    """Ground with hills, such as `edge.terrain.Terrain`; hashable."""

    def __hash__(self) -> int: ...

    @property
    def sigma_m(self) -> float:
        """One sigma of its heights."""
        ...

    def first_hits(
        self, lens: Pose, rays_enu: FloatArray, /
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Follow straight unit rays (N, 3), in east, north, up at the lens.

        Returns:
            Distances (N,) to the first hits, unit surface normals (N, 3) there in the lens' axes,
            and the mask (N,) of the rays that meet ground that is known.
        """
        ...

    def alt_m_at(self, *, lat: npt.ArrayLike, lon: npt.ArrayLike) -> FloatArray:
        """Return heights (N,) above the ellipsoid at places (N,); NaN where they are unknown."""
        ...


GroundModel = Ground | Relief


class Hits(NamedTuple):
    """Where rays meet the ground, as columns; only where `ok` does a column mean anything."""

    ok: BoolArray  # (N,)
    rays: FloatArray  # (3, N) unit: from the lens straight to the hit
    slant_m: FloatArray  # (N,)
    lat: FloatArray  # (N,) degrees
    lon: FloatArray  # (N,) degrees
    alt_m: FloatArray  # (N,) above the ellipsoid
    vertical: FloatArray  # (3, N) unit, upwards at the hit
    normal: FloatArray  # (3, N) unit, of the surface at the hit
    steepness: FloatArray  # (N,) sine of the angle between ray and surface

    def at(self, index: npt.NDArray[np.intp]) -> "Hits":
        """Return only these columns."""
        return Hits(
            self.ok[index],
            self.rays[:, index],
            self.slant_m[index],
            self.lat[index],
            self.lon[index],
            self.alt_m[index],
            self.vertical[:, index],
            self.normal[:, index],
            self.steepness[index],
        )


def meet(rays: FloatArray, pose: Pose, ground: GroundModel) -> Hits:
    """Follow unit rays (3, N) from the lens to the ground, bent by the air where it matters.

    A ray that is no number, because its pixel has none, meets nothing.
    """
    known = np.isfinite(rays[0])
    if not known.all():
        rays = np.where(known, rays, np.array([[0.0], [0.0], [1.0]]))
    hits = _meet_straight(rays, pose, ground)
    far = np.flatnonzero(hits.ok & (hits.slant_m > REFRACTION_FROM_M))
    if len(far) == 0:
        return hits
    hits = hits._replace(rays=rays.copy())
    straight, slant_m = rays[:, far], hits.slant_m[far]
    for _ in range(_AIMS):
        chord = straight * slant_m
        chord[2] -= _drop_m(slant_m, straight[2])
        bent = _meet_straight(chord / np.sqrt(np.sum(chord**2, axis=0)), pose, ground)
        slant_m = np.where(bent.ok, bent.slant_m, slant_m)
        for whole, part in zip(hits, bent, strict=True):
            whole[..., far] = part
    return hits


def _drop_m(slant_m: FloatArray, rise: FloatArray) -> FloatArray:
    """Return how far (N,) refraction takes rays below their straight line.

    `rise` is the sine of their elevation. Over a level distance d that is k d^2 / 2 R.
    """
    share = (slant_m - REFRACTION_FROM_M) / (REFRACTION_WHOLE_M - REFRACTION_FROM_M)
    share = np.clip(share, 0.0, 1.0)
    smooth = share * share * (3.0 - 2.0 * share)
    drop: FloatArray = (
        smooth * REFRACTION * slant_m**2 * (1.0 - np.minimum(rise**2, 1.0)) / (2.0 * _EARTH_M)
    )
    return drop


def _meet_straight(rays: FloatArray, pose: Pose, ground: GroundModel) -> Hits:
    lens, ecef_from_enu = _lens(pose.lat, pose.lon, pose.alt_m)
    if isinstance(ground, Ground):
        slant_m, ok = _level_slant(rays, pose, ground.alt_m)
        lat, lon, _, vertical = _geodetic(rays, slant_m, lens, ecef_from_enu, pose.lon)
        normal, alt_m = vertical, np.full(len(lat), ground.alt_m)
    else:
        slant_m, normals, ok = ground.first_hits(pose, rays.T)
        slant_m = np.where(ok, slant_m, 0.0)
        normal = np.where(ok, normals.T, np.array([[0.0], [0.0], [1.0]]))
        lat, lon, alt_m, vertical = _geodetic(rays, slant_m, lens, ecef_from_enu, pose.lon)
    steepness = -np.sum(rays * normal, axis=0)
    ok = ok & (steepness > np.sin(np.radians(HORIZON_DEG)))
    steepness[~ok] = 1.0
    return Hits(ok, rays, slant_m, lat, lon, alt_m, vertical, normal, steepness)


def _level_slant(rays: FloatArray, pose: Pose, alt_m: float) -> tuple[FloatArray, BoolArray]:
    """Intersect with the surface at one height above the ellipsoid.

    For what can be seen from one place that is the ellipsoid whose axes are longer by the height,
    scaled by the hair that makes it exact below the lens: over 10 km, to 0.01 mm.
    """
    lens, ecef_from_enu = _lens(pose.lat, pose.lon, pose.alt_m)
    below, _ = _lens(pose.lat, pose.lon, alt_m)
    axes = np.array((_SEMI_MAJOR_M, _SEMI_MAJOR_M, _SEMI_MINOR_M)) + alt_m
    axes *= np.sqrt(np.sum((below / axes) ** 2))
    scaled = ecef_from_enu / axes[:, None]
    a = np.sum(rays * ((scaled.T @ scaled) @ rays), axis=0)
    half_b = (lens / axes) @ scaled @ rays
    # How far outside the lens is, without the loss of subtracting one from nearly one.
    c = float(np.sum((lens - below) * (lens + below) / axes**2))
    discriminant = half_b * half_b - a * c
    ok = (discriminant > 0.0) & (half_b < 0.0) & (c > 0.0)
    root = np.sqrt(np.where(ok, discriminant, 0.0))
    return np.where(ok, c / np.where(ok, root - half_b, 1.0), 0.0), ok


def geodetic_along(
    rays: FloatArray, slant_m: FloatArray, pose: Pose
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return lat, lon and height above the ellipsoid (N,) so far along unit rays (3, N)."""
    lat, lon, alt_m, _ = _geodetic(rays, slant_m, *_lens(pose.lat, pose.lon, pose.alt_m), pose.lon)
    return lat, lon, alt_m


def _geodetic(
    rays: FloatArray,
    slant_m: FloatArray,
    lens: FloatArray,
    ecef_from_enu: FloatArray,
    lon_deg: float,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return lat, lon, height (N,) and vertical (3, N, in the lens' axes) along rays.

    Bowring's closed form (1976): between 2 km below the ellipsoid and 20 km above it, wrong by
    less than a micrometre.
    """
    x, y, z = ecef_from_enu @ (rays * slant_m) + lens[:, None]
    p = np.sqrt(x * x + y * y)
    tangent = z * (_SEMI_MAJOR_M / _SEMI_MINOR_M)
    length = np.sqrt(tangent * tangent + p * p)
    sine, cosine = tangent / length, p / length
    up = z + (_E2 / (1.0 - _E2) * _SEMI_MINOR_M) * sine**3
    out = p - (_E2 * _SEMI_MAJOR_M) * cosine**3
    length = np.sqrt(up * up + out * out)
    sine, cosine = up / length, out / length
    alt_m = p * cosine + z * sine - _SEMI_MAJOR_M * np.sqrt(1.0 - _E2 * sine * sine)
    outwards = cosine / p
    vertical = ecef_from_enu.T @ np.stack((x * outwards, y * outwards, sine))
    lat = np.degrees(np.arctan2(up, out))
    # Counted from the lens, so that the date line is nowhere special.
    along, across = np.cos(np.radians(lon_deg)), np.sin(np.radians(lon_deg))
    lon = lon_deg + np.degrees(np.arctan2(y * along - x * across, x * along + y * across))
    return (
        lat,
        np.where(np.abs(lon) > _HALF_TURN, lon - np.copysign(2.0 * _HALF_TURN, lon), lon),
        alt_m,
        vertical,
    )


@lru_cache(maxsize=64)
def _lens(lat: float, lon: float, alt_m: float) -> tuple[FloatArray, FloatArray]:
    """Return a place (3,) and the rotation (3, 3) from its east, north, up, Earth-centred."""
    at = np.array(pymap3d.geodetic2ecef(lat, lon, alt_m), dtype=np.float64)
    phi, lam = np.radians(lat), np.radians(lon)
    east = np.array((-np.sin(lam), np.cos(lam), 0.0))
    up = np.array((np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)))
    return at, np.column_stack((east, np.cross(up, east), up))
