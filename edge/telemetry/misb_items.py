"""The items of MISB ST 0601 that matter here: how each maps between bytes and numbers.

Linear maps of the standard (DOMAIN.md 3.4): unsigned v range / (2^n - 1) + least, signed
v range / (2^n - 2), whose least integer says "out of range". Newer items use IMAPB (ST 1201).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CHECKSUM: Final = 1
TIME: Final = 2  # microseconds since 1970
HEADING, PITCH, ROLL = 5, 6, 7  # of the airframe
SENSOR_LAT, SENSOR_LON, SENSOR_ALT_MSL = 13, 14, 15
HFOV, VFOV = 16, 17
AZIMUTH, ELEVATION, SENSOR_ROLL = 18, 19, 20  # of the sensor, relative to the airframe
SLANT, WIDTH = 21, 22
CENTER_LAT, CENTER_LON, CENTER_ALT_MSL = 23, 24, 25
VERSION: Final = 65
SENSOR_ALT, CENTER_ALT = 75, 78  # above the ellipsoid
PITCH_FULL, ROLL_FULL = 90, 91  # of the airframe, without the narrow limits of 6 and 7
SENSOR_ALT_EXTENDED: Final = 104  # above the ellipsoid


@dataclass(frozen=True, slots=True)
class Linear:
    """A number on a straight line over all integers of `size` bytes."""

    size: int
    least: float
    most: float
    signed: bool = False

    def decode(self, raw: bytes) -> float | None:
        """Return the number; None: another size, or the item says that it is out of range."""
        if len(raw) != self.size:
            return None
        value = int.from_bytes(raw, "big", signed=self.signed)
        if self.signed:
            if value == -(1 << (8 * self.size - 1)):
                return None
            return value * (self.most - self.least) / self._steps
        return value * (self.most - self.least) / self._steps + self.least

    def encode(self, number: float) -> bytes:
        """Return the bytes of the nearest number that can be written."""
        if not self.least <= number <= self.most:
            msg = f"{number} lies outside of {self.least} to {self.most}"
            raise ValueError(msg)
        from_least = number if self.signed else number - self.least
        value = round(from_least * self._steps / (self.most - self.least))
        return value.to_bytes(self.size, "big", signed=self.signed)

    @property
    def _steps(self) -> int:
        return (1 << 8 * self.size) - (2 if self.signed else 1)


@dataclass(frozen=True, slots=True)
class Mapped:
    """A number by IMAPB (ST 1201), its size as it was written."""

    least: float
    most: float
    size: int  # of what we write
    most_size: int = 8

    def decode(self, raw: bytes) -> float | None:
        """Return the number; None: no size that may be, or a special value (NaN, infinity)."""
        if not 0 < len(raw) <= self.most_size:
            return None
        value = int.from_bytes(raw, "big")
        if value > 1 << (8 * len(raw) - 1):
            return None
        scale, offset = self._map(len(raw))
        return (value - offset) / scale + self.least

    def encode(self, number: float) -> bytes:
        """Return the bytes of the number."""
        if not self.least <= number <= self.most:
            msg = f"{number} lies outside of {self.least} to {self.most}"
            raise ValueError(msg)
        scale, offset = self._map(self.size)
        return math.floor(scale * (number - self.least) + offset).to_bytes(self.size, "big")

    def _map(self, size: int) -> tuple[float, float]:
        """Return the steps a unit, and the part of a step that makes zero come out exact."""
        scale = 2.0 ** (8 * size - 1 - math.ceil(math.log2(self.most - self.least)))
        exact = self.least * scale
        return scale, exact - math.floor(exact) if self.least < 0.0 < self.most else 0.0


ITEMS: Final[Mapping[int, Linear | Mapped]] = {
    HEADING: Linear(2, 0.0, 360.0),
    PITCH: Linear(2, -20.0, 20.0, signed=True),
    ROLL: Linear(2, -50.0, 50.0, signed=True),
    SENSOR_LAT: Linear(4, -90.0, 90.0, signed=True),
    SENSOR_LON: Linear(4, -180.0, 180.0, signed=True),
    SENSOR_ALT_MSL: Linear(2, -900.0, 19000.0),
    HFOV: Linear(2, 0.0, 180.0),
    VFOV: Linear(2, 0.0, 180.0),
    AZIMUTH: Linear(4, 0.0, 360.0),
    ELEVATION: Linear(4, -180.0, 180.0, signed=True),
    SENSOR_ROLL: Linear(4, 0.0, 360.0),
    SLANT: Linear(4, 0.0, 5_000_000.0),
    WIDTH: Linear(2, 0.0, 10_000.0),
    CENTER_LAT: Linear(4, -90.0, 90.0, signed=True),
    CENTER_LON: Linear(4, -180.0, 180.0, signed=True),
    CENTER_ALT_MSL: Linear(2, -900.0, 19000.0),
    SENSOR_ALT: Linear(2, -900.0, 19000.0),
    CENTER_ALT: Linear(2, -900.0, 19000.0),
    PITCH_FULL: Linear(4, -90.0, 90.0, signed=True),
    ROLL_FULL: Linear(4, -90.0, 90.0, signed=True),
    SENSOR_ALT_EXTENDED: Mapped(-900.0, 40_000.0, 4),
}
