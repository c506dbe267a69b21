"""One device on disk: `device.toml` to a checked `DeviceConfig`."""

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from edge.address import BrokerAddress
from edge.camera import Camera, Pose, PoseSigma, described_share
from edge.device_file import (
    TIME_SIGMA_S,
    CameraConfig,
    DetectorConfig,
    DeviceFile,
    EvidenceConfig,
    SigmaConfig,
    SourceConfig,
)
from edge.distortion import FISHEYE
from edge.file_words import in_words
from edge.ground import GroundModel
from edge.messages import (
    FUSION,
    RefusedError,
    SensorKind,
)
from edge.motion import NO_DRIFT, Drift
from edge.plane import GroundHomography
from edge.plane_file import plane_of
from edge.station import flown, ground_under, mounted
from edge.telemetry import Telemetry

_UNKNOWN: Final = PoseSigma(math.inf, math.inf, math.inf, math.inf, math.inf)
_HALF_TURN: Final = 180.0
_POLE_DEG: Final = 90.0
# Of the picture's sides: within it a lens must be described, or it is not the right description.
_MIDDLE: Final = 0.5
_COEFFICIENTS: Final = {"brown": (4, 5), "fisheye": (4,)}
# One or more levels of a topic: no wildcard, nothing empty.
_TOPIC_LEVELS: Final = re.compile(r"[^+#/\x00-\x1f]+(/[^+#/\x00-\x1f]+)*")


class DeviceConfigError(RefusedError):
    """A device file that cannot be used. One sentence naming file and field."""


class DeviceConfig(Struct, frozen=True, kw_only=True):
    """A device as its file says, checked and ready for use."""

    path: Path  # of the file; paths in it are relative to its folder
    device_id: str
    sector: str
    kind: SensorKind
    source: SourceConfig
    detector: DetectorConfig
    camera: Camera
    pose: Pose
    pose_sigma: PoseSigma
    time_sigma_s: float = 0.0  # of joining the flight to frames
    flight: Telemetry | None  # the pose over time; then `pose` is one of its middle
    ground: GroundModel
    # How the picture shows flat ground. Then nothing is placed by the pose, which is only what
    # this and camera.fx come to: its sigma is infinite.
    plane: GroundHomography | None = None
    alt_is_known: bool = True  # False: the height of `pose` is of that kind too
    evidence: EvidenceConfig = EvidenceConfig()
    broker_url: str
    simulated: bool  # its pictures are made up

    @property
    def base(self) -> Path:
        """The folder that paths in the file are relative to."""
        return self.path.parent

    @property
    def drift(self) -> Drift:
        """What the lens does at `pose` in one sigma of the flight's time."""
        return NO_DRIFT if self.flight is None else self.flight.middle().drift(self.time_sigma_s)

    @property
    def camera_there(self) -> Camera:
        """The camera at `pose`, zoomed as the flight's log says."""
        return self.camera if self.flight is None else self.flight.middle().camera(self.camera)

    @property
    def sigma_there(self) -> PoseSigma:
        """One sigma of `pose`, with what the log's own heights are off."""
        if self.flight is None:
            return self.pose_sigma
        return self.flight.middle().widened(self.pose_sigma)


def load_device(path: Path) -> DeviceConfig:
    """Read and check one device file.

    Raises:
        DeviceConfigError: It is missing, no TOML, or a field is wrong.
    """
    file = read_device_file(path)
    try:
        return _checked(path, file)
    except ValueError as error:
        msg = f"{path}: {error}"
        raise DeviceConfigError(msg) from error


def read_device_file(path: Path) -> DeviceFile:
    """Read the tables of a device file and check each, but not what they come to together.

    Raises:
        DeviceConfigError: It is missing, no TOML, or a field is wrong.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise DeviceConfigError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not TOML: {error}"
        raise DeviceConfigError(msg) from error
    except RecursionError as error:
        msg = f"{path}: its values are nested too deeply"
        raise DeviceConfigError(msg) from error
    try:
        _refuse_unmeasurable(tables, "$")
        _refuse_swapped(tables.get("mount"))
        file = msgspec.convert(tables, DeviceFile)
        _check_camera(file.camera)
    except msgspec.ValidationError as error:
        msg = f"{path}: {in_words(str(error), tables, DeviceFile)}"
        raise DeviceConfigError(msg) from error
    except ValueError as error:
        msg = f"{path}: {error}"
        raise DeviceConfigError(msg) from error
    return file


def _checked(path: Path, file: DeviceFile) -> DeviceConfig:
    """Check what no single field can say."""
    if file.device.id == FUSION:
        msg = f"device.id = {FUSION!r} is the name of fusion's own topics; give it another one"
        raise ValueError(msg)
    _check_source(file.source)
    _check_labels(file.detector.labels, by_name=file.source.onvif is not None)
    _check_broker("broker.url", file.broker.url)
    if file.source.onvif_broker is not None:
        _check_broker("source.onvif_broker", file.source.onvif_broker)
    mount, table = file.mount, file.ground.homography
    flight, plane, sigma = None, None, mount.sigma or SigmaConfig()
    if table is not None:
        plane, pose = plane_of(file, table)
        lens_alt_m = pose.alt_m
    elif file.source.telemetry is None:
        pose = mounted(mount)
        lens_alt_m = pose.alt_m
    else:
        flight, pose = flown(path.parent / file.source.telemetry, file.source, mount)
        lens_alt_m = math.inf  # it changes
    return DeviceConfig(
        path=path,
        device_id=file.device.id,
        sector=file.device.sector,
        kind=SensorKind(file.device.kind),
        source=file.source,
        detector=file.detector,
        camera=file.camera.camera(),
        pose=pose,
        pose_sigma=_UNKNOWN if plane else _pose_sigma(sigma),
        time_sigma_s=_time_sigma_s(sigma, flies=flight is not None),
        flight=flight,
        ground=ground_under(path.parent, file.ground, pose, lens_alt_m),
        plane=plane,
        alt_is_known=plane is None or mount.alt_m is not None or mount.alt_msl_m is not None,
        evidence=file.evidence,
        broker_url=file.broker.url,
        simulated=file.device.simulated,
    )


def _pose_sigma(sigma: SigmaConfig) -> PoseSigma:
    return PoseSigma(sigma.position_m, sigma.alt_m, sigma.yaw_deg, sigma.pitch_deg, sigma.roll_deg)


def _time_sigma_s(sigma: SigmaConfig, *, flies: bool) -> float:
    if flies:
        return TIME_SIGMA_S if sigma.time_s is None else sigma.time_s
    if sigma.time_s:
        msg = (
            f"mount.sigma.time_s = {sigma.time_s} is the error of joining source.telemetry to "
            "frames, and there is none"
        )
        raise ValueError(msg)
    return 0.0


def _check_source(source: SourceConfig) -> None:
    if source.video == "":
        msg = "source.video is empty"
        raise ValueError(msg)
    if (source.video is None) == (source.onvif is None):
        msg = "source needs either video or onvif, and not both"
        raise ValueError(msg)
    for name, level in (("onvif", source.onvif), ("onvif_module", source.onvif_module)):
        if level is not None and not _TOPIC_LEVELS.fullmatch(level):
            msg = f"source.{name} = {level!r} is no part of an MQTT topic"
            raise ValueError(msg)
    beside = (source.onvif_module, source.onvif_broker, source.onvif_home)
    if source.onvif is None and any(one is not None for one in beside):
        msg = "source.onvif_module, _broker and _home need source.onvif, the topic prefix"
        raise ValueError(msg)
    live = not isinstance(source.video, str) or "://" in source.video
    if source.telemetry is not None and live:
        msg = f"source.telemetry = {source.telemetry!r} goes with a recording, not with a live one"
        raise ValueError(msg)


def _check_camera(camera: CameraConfig) -> None:
    if (camera.fx is None) == (camera.hfov_deg is None):
        msg = "camera needs either fx or hfov_deg, and not both"
        raise ValueError(msg)
    if camera.distortion and camera.model is None:
        msg = "camera.distortion needs camera.model = 'brown' or 'fisheye'"
        raise ValueError(msg)
    wanted = _COEFFICIENTS.get(camera.model or "", (0,))
    if camera.distortion and len(camera.distortion) not in wanted:
        msg = (
            f"camera.distortion has {len(camera.distortion)} numbers, "
            f"a {camera.model} camera has {wanted[-1]}"
        )
        raise ValueError(msg)
    _check_lens(camera)


def _check_lens(config: CameraConfig) -> None:
    """Refuse a lens that does not show the middle of its own picture."""
    if config.model != FISHEYE and config.hfov_deg is not None and config.hfov_deg >= _HALF_TURN:
        msg = (
            f"camera.hfov_deg = {config.hfov_deg:g}: from {_HALF_TURN:g} degrees on a picture is "
            "a fisheye's (camera.model = 'fisheye')"
        )
        raise ValueError(msg)
    camera = config.camera()
    if math.isnan(camera.fx_px):
        msg = (
            f"camera.hfov_deg = {config.hfov_deg:g} is wider than camera.distortion = "
            f"{list(config.distortion)} can show"
        )
        raise ValueError(msg)
    share = described_share(camera, _MIDDLE)
    if share < 1.0:
        msg = (
            f"camera.distortion = {list(config.distortion)} folds the picture over within its "
            f"middle half ({1.0 - share:.1%} of that would show two places at once): it belongs "
            f"to another focal length than {camera.fx_px:.0f} px, or to another order of the "
            "coefficients"
        )
        raise ValueError(msg)


def _check_broker(field: str, url: str) -> None:
    try:
        BrokerAddress.parse(url)
    except RefusedError as error:
        msg = f"{field}: {error}"
        raise ValueError(msg) from error


def _check_labels(labels: Mapping[str, str] | None, *, by_name: bool) -> None:
    if labels is not None and not labels:
        msg = "detector.labels is empty, so it would see nothing; leave it out to see all classes"
        raise ValueError(msg)
    for number in labels or {}:
        if not by_name and not (number.isascii() and number.isdigit()):
            msg = f"detector.labels: {number!r} is not a class number"
            raise ValueError(msg)


def _refuse_swapped(mount: object) -> None:
    """Say what a latitude beyond the pole most likely is."""
    if not isinstance(mount, dict):
        return
    lat, lon = mount.get("lat"), mount.get("lon")
    if isinstance(lat, int | float) and isinstance(lon, int | float) and abs(lat) > _POLE_DEG:
        hint = "; are lat and lon swapped?" if abs(lon) <= _POLE_DEG else ""
        msg = f"mount.lat = {lat:g} is no latitude (-90 to 90){hint}"
        raise ValueError(msg)


def _refuse_unmeasurable(value: object, where: str) -> None:
    """TOML knows `nan` and `inf`; no field of a device does."""
    if isinstance(value, float) and not math.isfinite(value):
        msg = f"{value} is not a number to work with - at `{where}`"
        raise ValueError(msg)
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_unmeasurable(item, f"{where}.{key}")
    if isinstance(value, list):
        for number, item in enumerate(value):
            _refuse_unmeasurable(item, f"{where}[{number}]")
