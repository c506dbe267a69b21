"""One device on disk: `device.toml` to a checked `DeviceConfig`."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from edge.address import BrokerAddress
from edge.camera import Camera, Pose, PoseSigma
from edge.georeference import Ground
from edge.messages import (
    FUSION,
    Fraction,
    Lat,
    Lon,
    Name,
    NotNegative,
    Positive,
    RefusedError,
    SensorKind,
)

Pixels = Annotated[int, Meta(ge=16, le=32768)]
Height = Annotated[float, Meta(ge=-1000.0, le=100_000.0)]
PixelSigma = Annotated[float, Meta(ge=0.1, le=10_000.0)]
FieldOfView = Annotated[float, Meta(gt=0.0, lt=180.0)]
Yaw = Annotated[float, Meta(ge=-360.0, le=360.0)]
Pitch = Annotated[float, Meta(ge=-90.0, le=90.0)]
Roll = Annotated[float, Meta(ge=-180.0, le=180.0)]

_COEFFICIENTS: Final = {"brown": (4, 5), "fisheye": (4,)}
_ELLIPSOIDAL: Final = (
    "is a height above sea level, which needs a geoid that this version does not carry; "
    "give the height above the WGS 84 ellipsoid as alt_m"
)


class DeviceConfigError(RefusedError):
    """A device file that cannot be used. One sentence naming file and field."""


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table: an unknown key is a typing error, never ignored."""


class Device(_Table, frozen=True, kw_only=True):
    """Who it is."""

    id: Name
    sector: Name
    kind: Literal["camera", "thermal", "drone"] = "camera"


class SourceConfig(_Table, frozen=True, kw_only=True):
    """Where its pictures come from."""

    video: str | Annotated[int, Meta(ge=0, le=99)]
    telemetry: str | None = None
    fps: Annotated[float, Meta(gt=0.0, le=240.0)] | None = None  # of a folder of pictures


class DetectorConfig(_Table, frozen=True, kw_only=True):
    """What finds people and vehicles in a picture."""

    model: Annotated[str, Meta(min_length=1)] = "yolov8n.pt"
    labels: dict[str, Annotated[str, Meta(min_length=1, max_length=64)]] | None = None
    confidence: Fraction = 0.25
    pixel_sigma: PixelSigma = 3.0  # px, one sigma of the ground-contact point
    imgsz: Annotated[int, Meta(ge=32, le=4096)] = 640  # longer side of what the model sees, px
    tracker: Literal["bytetrack", "botsort", "ocsort"] = "bytetrack"
    backend: Literal["auto", "torch", "openvino"] = "auto"

    @property
    def label_by_class(self) -> dict[int, str] | None:
        """Labels by class number, or None: all of them under the model's own names."""
        if self.labels is None:
            return None
        return {int(number): label for number, label in self.labels.items()}


class CameraConfig(_Table, frozen=True, kw_only=True):
    """The inside of the camera."""

    width: Pixels
    height: Pixels
    fx: Positive | None = None
    fy: Positive | None = None
    hfov_deg: FieldOfView | None = None
    cx: float | None = None
    cy: float | None = None
    model: Literal["brown", "fisheye"] | None = None
    distortion: tuple[float, ...] = ()

    def camera(self) -> Camera:
        """Fill in what was left out: square pixels, the principal point in the middle."""
        fx_px = self.fx
        if fx_px is None:
            half = math.radians((self.hfov_deg or 0.0) / 2.0)
            fx_px = self.width / 2.0 / math.tan(half)
        return Camera(
            width_px=self.width,
            height_px=self.height,
            fx_px=fx_px,
            fy_px=fx_px if self.fy is None else self.fy,
            cx_px=(self.width - 1) / 2.0 if self.cx is None else self.cx,
            cy_px=(self.height - 1) / 2.0 if self.cy is None else self.cy,
            model=self.model if self.distortion else None,
            distortion=self.distortion,
        )


class SigmaConfig(_Table, frozen=True, kw_only=True):
    """One sigma of the mount. What is left out is what a hurried survey leaves."""

    position_m: NotNegative = 3.0
    alt_m: NotNegative = 3.0
    yaw_deg: NotNegative = 2.0
    pitch_deg: NotNegative = 1.0
    roll_deg: NotNegative = 1.0


class MountConfig(_Table, frozen=True, kw_only=True):
    """Where the lens is and where it looks."""

    lat: Lat
    lon: Lon
    alt_m: Height | None = None
    alt_msl_m: float | None = None
    yaw_deg: Yaw = 0.0
    pitch_deg: Pitch = 0.0
    roll_deg: Roll = 0.0
    sigma: SigmaConfig = SigmaConfig()


class GroundConfig(_Table, frozen=True, kw_only=True):
    """The ground it looks at."""

    alt_m: Height | None = None
    alt_msl_m: float | None = None
    dem: str | None = None
    sigma_m: NotNegative = 2.0


class BrokerConfig(_Table, frozen=True, kw_only=True):
    """Where its messages go."""

    url: str = "mqtt://127.0.0.1:1883"


class _File(_Table, frozen=True, kw_only=True):
    """The whole of `device.toml`."""

    device: Device
    source: SourceConfig
    detector: DetectorConfig = DetectorConfig()
    camera: CameraConfig
    mount: MountConfig
    ground: GroundConfig
    broker: BrokerConfig = BrokerConfig()


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
    ground: Ground
    broker_url: str

    @property
    def base(self) -> Path:
        """The folder that paths in the file are relative to."""
        return self.path.parent


def load_device(path: Path) -> DeviceConfig:
    """Read and check one device file.

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
    try:
        _refuse_unmeasurable(tables, "$")
        file = msgspec.convert(tables, _File)
        return _checked(path, file)
    except (ValueError, msgspec.ValidationError) as error:
        msg = f"{path}: {error}"
        raise DeviceConfigError(msg) from error


def _checked(path: Path, file: _File) -> DeviceConfig:
    """Check what no single field can say."""
    if file.device.id == FUSION:
        msg = f"device.id = {FUSION!r} is the name of fusion's own topics; give it another one"
        raise ValueError(msg)
    _check_source(file.source)
    _check_camera(file.camera)
    _check_labels(file.detector.labels)
    _check_broker(file.broker.url)
    alt_m = _ellipsoidal("mount", file.mount.alt_m, file.mount.alt_msl_m)
    if file.ground.dem is not None:
        msg = (
            f"ground.dem = {file.ground.dem!r}: elevation models are not read by this version; "
            "give the ground's height above the ellipsoid as ground.alt_m"
        )
        raise ValueError(msg)
    ground_alt_m = _ellipsoidal("ground", file.ground.alt_m, file.ground.alt_msl_m)
    if alt_m <= ground_alt_m:
        msg = f"mount.alt_m = {alt_m} is not above ground.alt_m = {ground_alt_m}"
        raise ValueError(msg)
    mount = file.mount
    return DeviceConfig(
        path=path,
        device_id=file.device.id,
        sector=file.device.sector,
        kind=SensorKind(file.device.kind),
        source=file.source,
        detector=file.detector,
        camera=file.camera.camera(),
        pose=Pose(mount.lat, mount.lon, alt_m, mount.yaw_deg, mount.pitch_deg, mount.roll_deg),
        pose_sigma=PoseSigma(*msgspec.structs.astuple(mount.sigma)),
        ground=Ground(alt_m=ground_alt_m, sigma_m=file.ground.sigma_m),
        broker_url=file.broker.url,
    )


def _check_source(source: SourceConfig) -> None:
    if source.video == "":
        msg = "source.video is empty"
        raise ValueError(msg)
    if source.telemetry is not None:
        msg = (
            f"source.telemetry = {source.telemetry!r}: telemetry is not read by this version; "
            "give the pose of a hovering drone in [mount]"
        )
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


def _check_broker(url: str) -> None:
    try:
        BrokerAddress.parse(url)
    except RefusedError as error:
        msg = f"broker.url: {error}"
        raise ValueError(msg) from error


def _check_labels(labels: Mapping[str, str] | None) -> None:
    if labels is not None and not labels:
        msg = "detector.labels is empty, so it would see nothing; leave it out to see all classes"
        raise ValueError(msg)
    for number in labels or {}:
        if not (number.isascii() and number.isdigit()):
            msg = f"detector.labels: {number!r} is not a class number"
            raise ValueError(msg)


def _ellipsoidal(table: str, alt_m: float | None, alt_msl_m: float | None) -> float:
    if alt_msl_m is not None:
        msg = f"{table}.alt_msl_m = {alt_msl_m} {_ELLIPSOIDAL}"
        raise ValueError(msg)
    if alt_m is None:
        msg = f"{table}.alt_m is missing"
        raise ValueError(msg)
    return alt_m


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
