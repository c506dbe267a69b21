"""Detections placed in the sector's plane, with their errors: a message becomes a `Look`."""

from typing import Final

from edge.messages import DetectionsMessage, SensorKind
from fusion.local_frame import CovM2, LocalFrame, turned
from fusion.tracking.fixes import NO_BIAS, Fix, Look, kind_of
from fusion.tracking.plates import normalised
from fusion.tracking.registration import ray_of
from fusion.tracking.track import crop_id

_BIAS_SHARES: Final[tuple[float, ...]] = (0.95, 0.5)  # the rest stays random
_FLOOR_M2: Final = 0.2**2  # nobody stands still to the decimetre: feet, gait, box edges
_PACE_MPS: Final = {"person": 1.4, "animal": 1.4}
_VEHICLE_PACE_MPS: Final = 15.0


def look_of(
    message: DetectionsMessage,
    frame: LocalFrame,
    *,
    at_s: float,
    sigma_t_s: float,
    max_sigma_m: float,
) -> Look:
    """Place a message's detections in the plane.

    Args:
        message: One frame of one device.
        frame: The plane.
        at_s: When it was captured, by true time.
        sigma_t_s: Error of that, 1 sigma; shared by all of the device, like its bias.
        max_sigma_m: Vaguer detections are left out.
    """
    fixes = []
    eye = frame.to_metres(lat=message.sensor.lat, lon=message.sensor.lon)
    for ordinal, seen in enumerate(message.detections):
        if max(seen.cov_m2[0], seen.cov_m2[2]) > max_sigma_m**2:
            continue
        x_m, y_m = frame.to_metres(lat=seen.lat, lon=seen.lon)
        if not frame.holds(x_m, y_m):
            continue
        cos, sin = frame.turn(lat=seen.lat, lon=seen.lon)
        cov = turned(seen.cov_m2, cos, sin)
        cov = (cov[0] + _FLOOR_M2, cov[1], cov[2] + _FLOOR_M2)
        random, bias = cov, NO_BIAS
        if seen.cov_bias_m2 is not None:
            random, bias = _split(cov, turned(seen.cov_bias_m2, cos, sin))
        # Where the clock is doubted, nothing is learnt of the mount, nor from it.
        ray = None if sigma_t_s else ray_of(*eye, x_m, y_m, bias)
        kind = kind_of(seen.label)
        if sigma_t_s:
            cov = with_time_error(cov, sigma_t_s, kind)
            bias = with_time_error(bias, sigma_t_s, kind)
        hint = None if seen.track_id is None else f"{message.boot_id}/{seen.track_id}"
        fixes.append(
            Fix(
                x_m=x_m,
                y_m=y_m,
                cov=cov,
                random=random,
                bias=bias,
                label=seen.label,
                kind=kind,
                confidence=seen.confidence,
                device_track=hint,
                ordinal=ordinal,
                ray=ray,
                plate=normalised(seen.plate) if kind == "vehicle" else None,
                evidence_id=(
                    None
                    if seen.evidence_id is None
                    else crop_id(message.device_id, seen.evidence_id)
                ),
            )
        )
    return Look(
        at_s=at_s,
        device=message.device_id,
        message_id=message.message_id,
        fixes=tuple(fixes),
        untracked=len(message.detections) - len(fixes),
        simulated=message.simulated,
        sensor_kind=message.sensor.kind.value,
        smoothed=message.sensor.smoothed or message.sensor.kind is SensorKind.RADAR,
    )


def with_time_error(cov: CovM2, sigma_t_s: float, kind: str) -> CovM2:
    """Return a covariance that allows for where someone went meanwhile: (v * sigma_t)² each way.

    DOMAIN.md 8.1: an error of 1 s is 1.4 m of a walker and 15 m of a car.
    """
    if sigma_t_s == 0.0:
        return cov
    way_m2 = (_PACE_MPS.get(kind, _VEHICLE_PACE_MPS) * sigma_t_s) ** 2
    return (cov[0] + way_m2, cov[1], cov[2] + way_m2)


def _split(cov: CovM2, bias: CovM2) -> tuple[CovM2, CovM2]:
    """Take the bias out of the full error, as far as a covariance remains."""
    if bias[1] ** 2 > bias[0] * bias[2]:
        return cov, NO_BIAS
    for share in _BIAS_SHARES:
        xx, xy, yy = cov[0] - share * bias[0], cov[1] - share * bias[1], cov[2] - share * bias[2]
        if xx > 0.0 and yy > 0.0 and xy * xy < xx * yy:
            return (xx, xy, yy), (share * bias[0], share * bias[1], share * bias[2])
    return cov, NO_BIAS
