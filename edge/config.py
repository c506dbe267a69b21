"""One device on disk: `device.toml` to a checked `DeviceConfig`."""

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from edge.address import BrokerAddress
from edge.camera import Camera, Pose, PoseSigma
from edge.geoid import undulation_m
from edge.ground import Ground, GroundModel
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
from edge.telemetry import Mounting, Telemetry, read_telemetry

Pixels = Annotated[int, Meta(ge=16, le=32768)]
Height = Annotated[float, Meta(ge=-1000.0, le=100_000.0)]
PixelSigma = Annotated[float, Meta(ge=0.1, le=10_000.0)]
FieldOfView = Annotated[float, Meta(gt=0.0, lt=180.0)]
Yaw = Annotated[float, Meta(ge=-360.0, le=360.0)]
Pitch = Annotated[float, Meta(ge=-90.0, le=90.0)]
Roll = Annotated[float, Meta(ge=-180.0, le=180.0)]
Seconds = Annotated[float, Meta(ge=-1e6, le=1e6)]
TileCount = Annotated[int, Meta(ge=1, le=16)]

_COEFFICIENTS: Final = {"brown": (4, 5), "fisheye": (4,)}
# One or more levels of a topic: no wildcard, nothing empty.
_TOPIC_LEVELS: Final = re.compile(r"[^+#/\x00-\x1f]+(/[^+#/\x00-\x1f]+)*")
# One sigma of the ground's height where the file says none: of a survey, of an elevation model.
_FLAT_SIGMA_M: Final = 2.0
_DEM_SIGMA_M: Final = 5.0
# Nobody mounts a camera so far askew on its gimbal: it is a pose in the wrong place.
_MOST_OFFSET_DEG: Final = 30.0


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
    """Where its pictures come from, or what an ONVIF camera found in them: one of the two."""

    video: str | Annotated[int, Meta(ge=0, le=99)] | None = None
    onvif: str | None = None  # topic prefix of a camera that sends metadata over MQTT
    onvif_module: str | None = None  # of its analytics modules, only this one
    onvif_broker: str | None = None  # where it sends; None: to [broker] url
    telemetry: Annotated[str, Meta(min_length=1)] | None = None  # a drone's flight log
    telemetry_offset_s: Seconds = 0.0  # into the log, where the video begins
    fps: Annotated[float, Meta(gt=0.0, le=240.0)] | None = None  # of a folder of pictures


class DetectorConfig(_Table, frozen=True, kw_only=True):
    """What finds people and vehicles in a picture."""

    model: Annotated[str, Meta(min_length=1)] = "yolov8n.pt"
    labels: dict[str, Annotated[str, Meta(min_length=1, max_length=64)]] | None = None
    confidence: Fraction = 0.25
    pixel_sigma: PixelSigma = 3.0  # px, one sigma of the ground-contact point
    imgsz: Annotated[int, Meta(ge=32, le=4096)] = 640  # longer side of what the model sees, px
    tiles: Literal["auto"] | tuple[TileCount, TileCount] = (1, 1)  # columns, rows
    tile_overlap: Annotated[float, Meta(ge=0.1, le=0.5)] = 0.2  # of neighbours, share of a tile
    invert: bool = False  # the model sees the negative: people paler than the ground turn dark
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


class GimbalConfig(_Table, frozen=True, kw_only=True):
    """Absolute angles at which a drone's camera was locked, where its log has none."""

    yaw_deg: Yaw
    pitch_deg: Pitch
    roll_deg: Roll = 0.0


class MountConfig(_Table, frozen=True, kw_only=True):
    """Where the lens is and where it looks; beside telemetry, what to add to that."""

    lat: Lat | None = None  # None: the telemetry says it
    lon: Lon | None = None
    alt_m: Height | None = None
    alt_msl_m: Height | None = None
    yaw_deg: Yaw = 0.0
    pitch_deg: Pitch = 0.0
    roll_deg: Roll = 0.0
    gimbal: GimbalConfig | None = None
    takeoff_alt_m: Height | None = None  # with the log's heights above the take-off
    takeoff_alt_msl_m: Height | None = None
    sigma: SigmaConfig = SigmaConfig()


class GroundConfig(_Table, frozen=True, kw_only=True):
    """The ground it looks at."""

    alt_m: Height | None = None
    alt_msl_m: Height | None = None  # one height: this, the one above, or the model below
    dem: Annotated[str, Meta(min_length=1)] | None = None
    dem_heights: Literal["msl", "ellipsoid"] | None = None  # what the model counts them from
    sigma_m: NotNegative | None = None


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
    flight: Telemetry | None  # the pose over time; then `pose` is one of its middle
    ground: GroundModel
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
    _check_labels(file.detector.labels, by_name=file.source.onvif is not None)
    _check_broker("broker.url", file.broker.url)
    if file.source.onvif_broker is not None:
        _check_broker("source.onvif_broker", file.source.onvif_broker)
    mount = file.mount
    if file.source.telemetry is None:
        flight, pose = None, _mounted(mount)
        lens_alt_m = pose.alt_m
    else:
        flight, pose = _flown(path.parent / file.source.telemetry, file.source, mount)
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
        pose_sigma=PoseSigma(*msgspec.structs.astuple(mount.sigma)),
        flight=flight,
        ground=_ground(path.parent, file.ground, pose, lens_alt_m),
        broker_url=file.broker.url,
    )


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
    if source.onvif is None and (source.onvif_module or source.onvif_broker):
        msg = "source.onvif_module and source.onvif_broker need source.onvif, the topic prefix"
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


def _mounted(mount: MountConfig) -> Pose:
    """Return the pose of what stands still."""
    if mount.lat is None or mount.lon is None:
        msg = f"mount.{'lat' if mount.lat is None else 'lon'} is missing"
        raise ValueError(msg)
    for field in ("gimbal", "takeoff_alt_m", "takeoff_alt_msl_m"):
        if getattr(mount, field) is not None:
            msg = f"mount.{field} adds to source.telemetry, and there is none"
            raise ValueError(msg)
    place = Pose(mount.lat, mount.lon, 0.0, mount.yaw_deg, mount.pitch_deg, mount.roll_deg)
    return place._replace(alt_m=_ellipsoidal("mount", mount.alt_m, mount.alt_msl_m, place))


def _flown(path: Path, source: SourceConfig, mount: MountConfig) -> tuple[Telemetry, Pose]:
    """Read what was flown; return it and the pose that `check` and `locate` stand at.

    The place and height of [mount] mean nothing then: the log says where the lens was.
    """
    offset_deg = mount.yaw_deg, mount.pitch_deg, mount.roll_deg
    for name, part_deg in zip(("yaw_deg", "pitch_deg", "roll_deg"), offset_deg, strict=True):
        if abs(part_deg) > _MOST_OFFSET_DEG:
            msg = (
                f"mount.{name} = {part_deg} would turn the camera on its gimbal, because "
                f"source.telemetry gives the pose; more than {_MOST_OFFSET_DEG:g} is no offset "
                "(mount.gimbal is for angles that a log lacks)"
            )
            raise ValueError(msg)
    try:
        log = read_telemetry(path)
        place = log.middle_pose()
    except RefusedError as error:
        msg = f"source.telemetry: {error}"
        raise ValueError(msg) from error
    takeoff_alt_m, fixed = None, mount.gimbal
    if mount.takeoff_alt_m is not None or mount.takeoff_alt_msl_m is not None:
        takeoff_alt_m = _ellipsoidal(
            "mount.takeoff", mount.takeoff_alt_m, mount.takeoff_alt_msl_m, place
        )
    flight = log.mounted(
        Mounting(
            offset_deg=offset_deg,
            fixed_deg=None if fixed is None else (fixed.yaw_deg, fixed.pitch_deg, fixed.roll_deg),
            takeoff_alt_m=takeoff_alt_m,
            begins_s=source.telemetry_offset_s,
        )
    )
    return flight, flight.middle_pose()


def _ground(base: Path, ground: GroundConfig, lens: Pose, lens_alt_m: float) -> GroundModel:
    """Open the elevation model or level the ground; the lens must be above it."""
    if ground.dem is None:
        if ground.dem_heights is not None:
            msg = "ground.dem_heights says what ground.dem counts from, and there is no ground.dem"
            raise ValueError(msg)
        alt_m = _ellipsoidal("ground", ground.alt_m, ground.alt_msl_m, lens)
        if lens_alt_m <= alt_m:
            msg = f"mount.alt_m = {lens_alt_m} is not above ground.alt_m = {alt_m}"
            raise ValueError(msg)
        return Ground(alt_m, _FLAT_SIGMA_M if ground.sigma_m is None else ground.sigma_m)
    if ground.alt_m is not None or ground.alt_msl_m is not None:
        msg = "ground needs one height: alt_m, alt_msl_m or dem"
        raise ValueError(msg)
    from edge.terrain import Terrain  # noqa: PLC0415 - heavy, and flat ground does without

    try:
        terrain = Terrain.open(
            base / ground.dem,
            sigma_m=_DEM_SIGMA_M if ground.sigma_m is None else ground.sigma_m,
            heights=ground.dem_heights or "msl",
        )
        under_m = float(terrain.alt_m_at(lat=[lens.lat], lon=[lens.lon])[0])
    except RefusedError as error:
        msg = f"ground.dem: {error}"
        raise ValueError(msg) from error
    if math.isnan(under_m):
        msg = (
            f"ground.dem = {ground.dem!r} has no height at latitude {lens.lat}, "
            f"longitude {lens.lon}, where the lens is"
        )
        raise ValueError(msg)
    if lens_alt_m <= under_m:
        msg = (
            f"the lens at {lens_alt_m:.2f} m above the ellipsoid is not above the ground, which "
            f"ground.dem = {ground.dem!r} puts at {under_m:.2f} m there"
        )
        raise ValueError(msg)
    return terrain


def _ellipsoidal(table: str, alt_m: float | None, alt_msl_m: float | None, lens: Pose) -> float:
    """Return the height above the ellipsoid; the geoid is taken under the lens."""
    if alt_m is not None and alt_msl_m is not None:
        msg = f"{table} needs one height: alt_m or alt_msl_m, and not both"
        raise ValueError(msg)
    if alt_m is not None:
        return alt_m
    if alt_msl_m is None:
        msg = f"{table}.alt_m is missing"
        raise ValueError(msg)
    try:
        return alt_msl_m + float(undulation_m(lat=lens.lat, lon=lens.lon))
    except RefusedError as error:
        msg = f"{table}.alt_msl_m = {alt_msl_m}: {error}"
        raise ValueError(msg) from error


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
