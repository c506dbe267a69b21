"""The demo's own error: what the devices and fusion said against what was true."""

from collections.abc import Sequence
from statistics import median
from typing import Any, Final

import numpy as np

from edge.messages import Alert, AlertKind, CovM2, Detection, DetectionsMessage, Direction, UtcTime
from maps.demo.landscape import Point, place_of
from maps.demo.view import Eye, Seen
from maps.demo.walkers import Role, TrueCrossing, crossings, walkers_at

LEAST_HEIGHT_PX: Final = 120.0  # the detector is asked to find people from here up
_LEAST_OVERLAP: Final = 0.3  # of a box with the truth: intersection over union
_CHI2_90_2DOF: Final = 4.605170185988092  # -2 ln 0.1
_ALERT_WITHIN_S: Final = 20.0
_ALERT_WITHIN_M: Final = 15.0
_APPROACH_WITHIN_S: Final = 180.0

Box = tuple[float, float, float, float]


class DeviceScore:
    """How well one device finds people and places them."""

    def __init__(self, eye: Eye, *, began_at: UtcTime, seed: int) -> None:
        self._eye = eye
        self._began_at = began_at
        self._seed = seed
        self._in_view = 0
        self._found = 0
        self._errors_m: list[float] = []
        self._inside = 0
        self.frames = 0

    def take(self, message: DetectionsMessage) -> None:
        """Compare one frame's detections with who was there."""
        self.frames += 1
        camera = self._eye.config.camera
        night_s = message.captured_at.seconds_since(self._began_at)
        left = list(message.detections)
        for one in self._eye.seen(night_s, seed=self._seed):
            if one.height_px < LEAST_HEIGHT_PX or not one.is_whole(camera):
                continue
            self._in_view += 1
            found = _best(left, one, camera.width_px, camera.height_px)
            if found is None:
                continue
            left.remove(found)
            self._found += 1
            self._place(found, one)

    def figures(self) -> dict[str, Any]:
        """Return the figures so far; None where nobody was in view yet."""
        errors = self._errors_m
        return {
            "frames": self.frames,
            "people_in_view": self._in_view,
            "detection_rate": self._found / self._in_view if self._in_view else None,
            "position_error_median_m": median(errors) if errors else None,
            "position_error_p90_m": float(np.quantile(errors, 0.9)) if errors else None,
            "inside_90_ellipse": self._inside / len(errors) if errors else None,
        }

    def _place(self, found: Detection, one: Seen) -> None:
        said = place_of(found.lat, found.lon)
        east_m, north_m = said.east_m - one.place.east_m, said.north_m - one.place.north_m
        self._errors_m.append(float(np.hypot(east_m, north_m)))
        self._inside += _mahalanobis2(east_m, north_m, found.cov_m2) <= _CHI2_90_2DOF


def explained_by(alert: Alert, *, began_at: UtcTime, seed: int) -> list[TrueCrossing]:
    """Return the group's true crossings that this alert tells of, or tells to come; none: false.

    Only people who cross away from the gate and are no patrol should raise anything.
    """
    night_s = alert.raised_at.seconds_since(began_at)
    place = place_of(alert.lat, alert.lon)
    if alert.kind == AlertKind.CROSSING:
        around = crossings(night_s - _ALERT_WITHIN_S, night_s + _ALERT_WITHIN_S, seed=seed)
        around = [one for one in around if _gap_m(one.place, place) <= _ALERT_WITHIN_M]
    elif alert.kind == AlertKind.APPROACH:
        # Told where they are now, of what they will do.
        near = {
            walker.walker_id
            for walker, at in walkers_at(night_s, seed=seed)
            if _gap_m(at, place) <= _ALERT_WITHIN_M
        }
        around = crossings(night_s, night_s + _APPROACH_WITHIN_S, seed=seed)
        around = [one for one in around if one.walker_id in near]
    else:
        return []
    return [
        crossing
        for crossing in around
        if crossing.role is Role.GROUP
        and crossing.outbound == (alert.direction is Direction.OUTBOUND)
    ]


def quantiles(values: Sequence[float]) -> dict[str, float | None]:
    """Return the median and the 95th percentile of these seconds."""
    if not values:
        return {"p50_s": None, "p95_s": None}
    return {
        "p50_s": float(np.quantile(values, 0.5)),
        "p95_s": float(np.quantile(values, 0.95)),
    }


def _gap_m(one: Point, other: Point) -> float:
    return float(np.hypot(one.east_m - other.east_m, one.north_m - other.north_m))


def _best(
    detections: Sequence[Detection], one: Seen, width_px: int, height_px: int
) -> Detection | None:
    """Return the detection whose box overlaps the person's most, if any does enough."""
    overlaps = [
        _overlap(
            (
                detection.bbox[0] * width_px,
                detection.bbox[1] * height_px,
                detection.bbox[2] * width_px,
                detection.bbox[3] * height_px,
            ),
            one.box_px,
        )
        for detection in detections
    ]
    if not overlaps or max(overlaps) < _LEAST_OVERLAP:
        return None
    return detections[overlaps.index(max(overlaps))]


def _overlap(first: Box, second: Box) -> float:
    """Return the intersection over the union of two boxes."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0.0 or height <= 0.0:
        return 0.0
    both = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return both / (sum(areas) - both)


def _mahalanobis2(east_m: float, north_m: float, cov_m2: CovM2) -> float:
    """Return the squared distance in sigmas."""
    var_east, cov, var_north = cov_m2
    determinant = var_east * var_north - cov**2
    squared = var_north * east_m**2 - 2.0 * cov * east_m * north_m + var_east * north_m**2
    return squared / determinant
