"""A flight log as lines for people and programs: the keys of the contract, null where unknown."""

from collections.abc import Iterator
from typing import Any, Final

from edge.telemetry import MISB, Sample, Telemetry

KEYS: Final = (
    "media_time_s",
    "captured_at",
    "lat",
    "lon",
    "alt_m",
    "yaw_deg",
    "pitch_deg",
    "roll_deg",
    "hfov_deg",
    "quality",
)


def lines(log: Telemetry) -> Iterator[dict[str, Any]]:
    """Yield one object a sample; those of MISB also tell slant range and frame centre."""
    for sample in log.samples:
        line = {key: getattr(sample, key) for key in KEYS}
        line["captured_at"] = None if sample.captured_at is None else sample.captured_at.rfc3339()
        line["quality"] = sample.quality.value
        if log.format == MISB:
            line |= {"slant_m": sample.slant_m, "frame_center": _frame_center(sample)}
        yield line


def _frame_center(sample: Sample) -> dict[str, float | None] | None:
    center = sample.frame_center
    return (
        None if center is None else {"lat": center.lat, "lon": center.lon, "alt_m": center.alt_m}
    )
