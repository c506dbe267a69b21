"""Attitudes: angles to rotations and back, one turned by another, one between two.

R = Rz(yaw) Ry(pitch) Rx(roll) turns forward-right-down of the camera (or gimbal, or airframe)
into north-east-down (DOMAIN.md 4.1). Angles are rows (N, 3) of yaw, pitch, roll in degrees.
"""

from typing import Final

import numpy as np

from edge.camera import FloatArray

# So near to straight up or down yaw and roll are the same turn: all of it is called yaw.
_LEVEL_SHARE: Final = 1e-9


def rotations(angles_deg: FloatArray) -> FloatArray:
    """Return the rotations (N, 3, 3) of angles (N, 3)."""
    yaw, pitch, roll = np.radians(np.asarray(angles_deg, dtype=np.float64)).reshape(-1, 3).T
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    rows: FloatArray = np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )
    return rows.transpose(2, 0, 1)


def angles(turns: FloatArray) -> FloatArray:
    """Return the angles (N, 3) of rotations (N, 3, 3): yaw 0-360, pitch +-90, roll +-180."""
    turns = np.asarray(turns, dtype=np.float64).reshape(-1, 3, 3)
    level = np.hypot(turns[:, 0, 0], turns[:, 1, 0])
    upright = level < _LEVEL_SHARE
    yaw = np.where(
        upright,
        np.arctan2(-turns[:, 0, 1], turns[:, 1, 1]),
        np.arctan2(turns[:, 1, 0], turns[:, 0, 0]),
    )
    pitch = np.arctan2(-turns[:, 2, 0], level)
    roll = np.where(upright, 0.0, np.arctan2(turns[:, 2, 1], turns[:, 2, 2]))
    found: FloatArray = np.degrees(np.column_stack((yaw % (2.0 * np.pi), pitch, roll)))
    return found


def turned(carrier_deg: FloatArray, relative_deg: FloatArray) -> FloatArray:
    """Return the absolute angles (N, 3) of what is turned by `relative_deg` on its carrier."""
    return angles(rotations(carrier_deg) @ rotations(relative_deg))


def angles_from_quaternion(w: float, x: float, y: float, z: float) -> FloatArray:
    """Return the angles (1, 3) of a unit quaternion."""
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return angles(turn[None])


def between(first_deg: FloatArray, second_deg: FloatArray, share: float) -> FloatArray:
    """Return the angles (3,) a share of the way from one attitude (3,) to another, the short way.

    Every attitude has two names: (yaw, pitch, roll) and (yaw + 180, 180 - pitch, roll + 180). A
    gimbal that swings through straight down changes from one to the other, so the name of the
    second that is nearer to the first is taken.
    """
    first = np.asarray(first_deg, dtype=np.float64)
    second = np.asarray(second_deg, dtype=np.float64)
    other = np.array((second[0] + 180.0, 180.0 - second[1], second[2] + 180.0))
    way, other_way = short_way(second - first), short_way(other - first)
    if np.abs(other_way).sum() < np.abs(way).sum():
        way = other_way
    mixed: FloatArray = angles(rotations(first + share * way))[0]
    return mixed


def short_way(turn_deg: FloatArray) -> FloatArray:
    """Return turns as -180 to 180 degrees."""
    way: FloatArray = (np.asarray(turn_deg, dtype=np.float64) + 180.0) % 360.0 - 180.0
    return way
