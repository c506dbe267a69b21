"""DJI flight logs in subtitles (`.SRT`), every dialect that we met and some we did not.

Three families, by what a cue holds:

- bracketed: `[latitude: 53.4] [longitude: 6.5] [rel_alt: 5.4 abs_alt: 61.2] [gb_yaw: -162.8 …]`,
  with misspelt keys (`longtitude`) and blanks before the colon;
- old: `GPS(149.0251,-20.2533,16) BAROMETER:1.9`, longitude first; the third number counts
  satellites;
- Phantom 4 RTK: `GPS (-58.85, -34.24, 15), … H 85.80m, … G.PRY (-24.4°, 0.0°, 110.4°)`.

`abs_alt` counts from the sea by the air's pressure on a day that nobody told the drone of: off by
tens of metres, and by 125 in a flight we have. `rel_alt`, `BAROMETER`, `Hb` and `H` count from the
take-off. What plain `altitude` counts from differs between models, so it is not used.
`dzoom_ratio` is the digital zoom, 1 or 10000 for none; another `focal_len` is another lens. Their
clock is local time of a zone that nobody wrote down: it becomes an instant only if the caller
knows the zone.
"""

import re
from collections import Counter
from datetime import datetime, tzinfo
from typing import Final

from edge.messages import UtcTime
from edge.telemetry.samples import Sample, angle, height, position

NO_TELEMETRY: Final = "cues without a whole position, height or angle"
NO_TIMES: Final = "cues whose times cannot be read"

# One sigma of `abs_alt`: where only that gives the height, a position is as unsure as it.
ABS_ALT_SIGMA_M: Final = 50.0

_TIMES = re.compile(
    r"^[ \t]*(\d{1,3}):(\d{1,2}):(\d{1,2})[,.:](\d{1,3})[ \t]*-->[ \t]*\d{1,3}:\d{1,2}:\d{1,2}.*$",
    re.MULTILINE | re.ASCII,
)
_ARROW = re.compile(r"^.*-->.*$", re.MULTILINE)
_TAG = re.compile(r"<[^<>]{0,200}>")
_NUMBER: Final = r"([-+]?\d{1,9}(?:\.\d{0,15})?)"
# Something must follow a number: one that a file's end cut short is no number.
# Bounded, and only where a word begins: a megabyte of letters took minutes.
_PAIR = re.compile(
    rf"(?<![A-Za-z_])([A-Za-z_]{{1,40}})\s{{0,8}}:\s{{0,8}}{_NUMBER}(?=[^\d.])", re.ASCII
)
_GPS = re.compile(rf"\bGPS\s*\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*(?:,[^()]*)?\)", re.ASCII)
_GIMBAL = re.compile(
    rf"G\.PRY\s*\(\s*{_NUMBER}[^\d,()]*,\s*{_NUMBER}[^\d,()]*,\s*{_NUMBER}[^\d,()]*\)", re.ASCII
)
_H = re.compile(rf"(?:^|[,\s])H\s+{_NUMBER}\s*m\b", re.ASCII)
_CLOCK = re.compile(
    r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})[ T](\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,3}))?",
    re.ASCII,
)

_LAT: Final = ("latitude", "latitute", "lattitude", "lat")
_LON: Final = ("longitude", "longtitude", "longitute", "long", "lon", "lng")
_ABS: Final = ("abs_alt",)
_REL: Final = ("rel_alt", "barometer", "hb")
_DIGITAL_ZOOM: Final = ("dzoom_ratio", "dzoom")
_FOCAL: Final = ("focal_len",)
# Models from before write ten thousandths.
_WHOLE_ZOOM: Final = 10_000.0
_YAW: Final = ("gb_yaw", "gimbal_yaw")
_PITCH: Final = ("gb_pitch", "gimbal_pitch")
_ROLL: Final = ("gb_roll", "gimbal_roll")


def read_srt(text: str, skipped: Counter[str], *, zone: tzinfo | None = None) -> list[Sample]:
    """Read the cues of a subtitle file; what is broken is counted in `skipped`.

    Args:
        text: The whole file.
        skipped: Gets a count by reason.
        zone: Of the drone's clock; None: unknown, so that samples have no instant.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    times = list(_TIMES.finditer(text))
    skipped[NO_TIMES] += len(_ARROW.findall(text)) - len(times)
    samples = []
    for number, found in enumerate(times):
        end = times[number + 1].start() if number + 1 < len(times) else len(text)
        sample = _sample(found, _TAG.sub(" ", text[found.end() : end]), zone)
        if sample is None:
            skipped[NO_TELEMETRY] += 1
        else:
            samples.append(sample)
    return samples


def _sample(times: re.Match[str], body: str, zone: tzinfo | None) -> Sample | None:
    hours, minutes, seconds, fraction = times.groups()
    values: dict[str, float] = {}
    for key, number in _PAIR.findall(body):
        values.setdefault(key.lower(), float(number))
    lat, lon = position(_first(values, _LAT), _first(values, _LON))
    gps = _GPS.search(body)
    if lat is None and gps is not None:
        lat, lon = position(float(gps[2]), float(gps[1]))
    above = _H.search(body)
    rel_alt_m = _first(values, _REL) if above is None else float(above[1])
    pitch_deg, roll_deg, yaw_deg = (_first(values, names) for names in (_PITCH, _ROLL, _YAW))
    gimbal = _GIMBAL.search(body)
    if gimbal is not None:
        pitch_deg, roll_deg, yaw_deg = (float(part) for part in gimbal.groups())
    alt_msl_m = _first(values, _ABS)
    if lat is None and gimbal is None and not values.keys() & {*_LAT, *_ABS, *_REL, *_YAW}:
        return None
    clock_s, captured_at = _clock(body, zone)
    return Sample(
        media_time_s=int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}"),
        captured_at=captured_at,
        clock_s=clock_s,
        lat=lat,
        lon=lon,
        alt_msl_m=height(alt_msl_m),
        rel_alt_m=height(rel_alt_m),
        yaw_deg=angle(yaw_deg),
        pitch_deg=angle(pitch_deg),
        roll_deg=angle(roll_deg),
        alt_sigma_m=ABS_ALT_SIGMA_M,
        zoom=_zoom(_first(values, _DIGITAL_ZOOM)),
        focal=_first(values, _FOCAL),
    )


def _zoom(ratio: float | None) -> float | None:
    """Return by how much the picture is enlarged; None: the log does not say."""
    if ratio is None or ratio <= 0.0:
        return None
    return ratio / _WHOLE_ZOOM if ratio >= _WHOLE_ZOOM / 10.0 else ratio


def _first(values: dict[str, float], names: tuple[str, ...]) -> float | None:
    return next((values[name] for name in names if name in values), None)


def _clock(body: str, zone: tzinfo | None) -> tuple[float | None, UtcTime | None]:
    """Return the drone's clock, seconds of an unknown zero, and the instant if `zone` is known."""
    found = _CLOCK.search(body)
    if found is None:
        return None, None
    *whole, fraction = found.groups()
    micros = int((fraction or "0").ljust(3, "0")) * 1000
    try:
        year, month, day, hour, minute, second = (int(part) for part in whole)
        local = datetime(year, month, day, hour, minute, second, micros)  # noqa: DTZ001 - nobody wrote its zone
        clock_s = (local - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001 - as above
        captured_at = None if zone is None else UtcTime.of(local.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        return None, None
    return clock_s, captured_at
