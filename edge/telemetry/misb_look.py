r"""Where a MISB packet looks: its angles made absolute, and held against its own frame centre.

The standard gives the sensor's angles relative to the airframe, so the airframe's and the
sensor's rotations are composed. Real streams exist whose "relative" angles are absolute already.
A packet that names its own frame centre settles it, because the direction from the sensor to that
centre owes nothing to the angles: the reading that fits most packets of the file is taken and
said, and a packet that its reading contradicts gives no pose.

```
  sensor o----- aside ------.
          \  ) depression   | cos(depression) = aside / slant (item 21); without a slant range
     slant  \               |                  it is from the heights of sensor and centre
              \             |
                o frame centre
```
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pymap3d

from edge.camera import BoolArray, FloatArray
from edge.telemetry import misb_items as item
from edge.telemetry.attitude import rotations, turned
from edge.telemetry.klv import Numbers

ABSOLUTE_NOTE: Final = (
    "its sensor angles are absolute, not relative to the airframe as ST 0601 says: "
    "so its own frame centres show"
)

# Further off its own frame centre a packet's angles are not believed.
MOST_ASTRAY_DEG: Final = 5.0
# So far a slant range may be off: at a grazing look that is worth degrees, at the nadir nothing.
_SLANT_SHARE: Final = 0.01
# Heights are written in steps of 0.3 m; a slant range agrees with them to this and half a percent.
_AGREE_M: Final = 1.0
_AGREE_SHARE: Final = 0.005


class Looks(NamedTuple):
    """Where the packets of one file look."""

    angles_deg: FloatArray  # (N, 3) yaw, pitch, roll, absolute; NaN where one is missing
    contradicts: BoolArray  # (N,) the packet's own frame centre lies elsewhere
    notes: tuple[str, ...]


class _Centre(NamedTuple):
    """The frame centre from the sensor, in every packet (N,); NaN where it is not said."""

    bearing_deg: FloatArray
    lowest_deg: FloatArray  # elevation, the error of a slant range allowed for
    highest_deg: FloatArray


def looks(numbers: Sequence[Numbers]) -> Looks:
    """Make the angles of packets absolute, deciding once for all what they are relative to."""
    sensor = _columns(numbers, (item.AZIMUTH,), (item.ELEVATION,), (item.SENSOR_ROLL,))
    carrier = _columns(
        numbers, (item.HEADING,), (item.PITCH_FULL, item.PITCH), (item.ROLL_FULL, item.ROLL)
    )
    relative, absolute = turned(carrier, sensor), turned(np.zeros_like(sensor), sensor)
    centre = _centre(numbers)
    relative_off, absolute_off = _astray_deg(centre, relative), _astray_deg(centre, absolute)
    known = ~np.isnan(relative_off) & ~np.isnan(absolute_off)
    fits_absolute = int(np.sum(absolute_off[known] <= MOST_ASTRAY_DEG))
    fits_relative = int(np.sum(relative_off[known] <= MOST_ASTRAY_DEG))
    is_absolute = fits_absolute > max(fits_relative, int(np.sum(known)) / 2)
    angles, off = (absolute, absolute_off) if is_absolute else (relative, relative_off)
    notes = ((ABSOLUTE_NOTE,) if is_absolute else ()) + _height_note(numbers)
    return Looks(angles, off > MOST_ASTRAY_DEG, notes)


def _columns(numbers: Sequence[Numbers], *tags: tuple[int, ...]) -> FloatArray:
    """Return the first known of some items in every packet (N, tags), NaN where none is."""
    return np.array(
        [
            [next((row[tag] for tag in same if tag in row), np.nan) for same in tags]
            for row in numbers
        ],
        dtype=np.float64,
    ).reshape(len(numbers), len(tags))


def _above_m(numbers: Sequence[Numbers]) -> FloatArray:
    """Return the sensor's height above its stated frame centre (N,), both from the same zero."""
    msl_m, centre_msl_m, alt_m, centre_alt_m = _columns(
        numbers,
        (item.SENSOR_ALT_MSL,),
        (item.CENTER_ALT_MSL,),
        (item.SENSOR_ALT_EXTENDED, item.SENSOR_ALT),
        (item.CENTER_ALT,),
    ).T
    above_m: FloatArray = alt_m - centre_alt_m
    return np.where(np.isnan(above_m), msl_m - centre_msl_m, above_m)


def _slant_m(numbers: Sequence[Numbers]) -> FloatArray:
    slant_m = _columns(numbers, (item.SLANT,))[:, 0]
    return np.where(slant_m > 0.0, slant_m, np.nan)


def _to_centre_m(numbers: Sequence[Numbers], above_m: FloatArray) -> FloatArray:
    """Return the way (N, 3) east, north, up from sensor to a frame centre so far below it."""
    lat, lon, centre_lat, centre_lon = _columns(
        numbers, (item.SENSOR_LAT,), (item.SENSOR_LON,), (item.CENTER_LAT,), (item.CENTER_LON,)
    ).T
    zero = np.zeros_like(lat)
    return np.column_stack(pymap3d.geodetic2enu(centre_lat, centre_lon, -above_m, lat, lon, zero))


def _centre(numbers: Sequence[Numbers]) -> _Centre:
    above_m, slant_m = _above_m(numbers), _slant_m(numbers)
    east_m, north_m, up_m = _to_centre_m(numbers, np.nan_to_num(above_m)).T
    aside_m = np.hypot(east_m, north_m)
    stated_deg = np.degrees(np.arctan2(up_m, aside_m))
    # Without slant range and heights any elevation will do, and only the bearing is held.
    lowest = np.where(np.isnan(above_m), -90.0, stated_deg)
    highest = np.where(np.isnan(above_m), 90.0, stated_deg)
    ranged = ~np.isnan(slant_m)
    for share, bound in ((1.0 + _SLANT_SHARE, lowest), (1.0 - _SLANT_SHARE, highest)):
        cosine = np.minimum(aside_m[ranged] / (slant_m[ranged] * share), 1.0)
        bound[ranged] = -np.degrees(np.arccos(cosine))
    return _Centre(np.degrees(np.arctan2(east_m, north_m)), lowest, highest)


def _astray_deg(centre: _Centre, angles_deg: FloatArray) -> FloatArray:
    """Return how far each look (N, 3) is off its own frame centre (N,), NaN where none is said."""
    elevation = np.clip(angles_deg[:, 1], centre.lowest_deg, centre.highest_deg)
    towards = np.column_stack((centre.bearing_deg, elevation, np.zeros_like(elevation)))
    # Ahead is the first axis of a rotation.
    ahead, wanted = rotations(angles_deg)[:, :, 0], rotations(towards)[:, :, 0]
    across = np.linalg.norm(np.cross(ahead, wanted), axis=1)
    off: FloatArray = np.degrees(np.arctan2(across, np.sum(ahead * wanted, axis=1)))
    return off


def _height_note(numbers: Sequence[Numbers]) -> tuple[str, ...]:
    """Say where stated frame centres lie elsewhere than a slant range away from the sensor."""
    above_m, slant_m = _above_m(numbers), _slant_m(numbers)
    range_m = np.linalg.norm(_to_centre_m(numbers, above_m), axis=1)
    off_m = np.abs(range_m - slant_m)
    wrong = off_m > _AGREE_M + _AGREE_SHARE * slant_m
    if not wrong.any():
        return ()
    worst = int(np.nanargmax(np.where(wrong, off_m, np.nan)))
    note = (
        f"in {int(np.sum(wrong))} packets the stated frame centre and the slant range disagree, "
        f"by up to {off_m[worst]:.0f} m of {slant_m[worst]:.0f} m: its latitude, longitude or "
        "alt_m is wrong, or the range"
    )
    return (note,)
