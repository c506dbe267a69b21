"""The tables of a `device.toml`: their keys, units, ranges and defaults."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from edge.camera import FITTED_SIGMA, HFOV_SIGMA, Camera, focal_px
from edge.distortion import FISHEYE
from edge.messages import Fraction, Lat, Lon, Name

Pixels = Annotated[int, Meta(ge=16, le=32768)]
Height = Annotated[float, Meta(ge=-1000.0, le=100_000.0)]
FocalLength = Annotated[float, Meta(ge=1.0, le=1e7)]
PrincipalPoint = Annotated[float, Meta(ge=-1e6, le=1e6)]
MetresSigma = Annotated[float, Meta(ge=0.0, le=1e5)]
DegreesSigma = Annotated[float, Meta(ge=0.0, le=360.0)]
SecondsSigma = Annotated[float, Meta(ge=0.0, le=1e4)]
PixelSigma = Annotated[float, Meta(ge=0.1, le=10_000.0)]
FieldOfView = Annotated[float, Meta(gt=0.0, lt=360.0)]
Coefficient = Annotated[float, Meta(ge=-1e6, le=1e6)]
Yaw = Annotated[float, Meta(ge=-360.0, le=360.0)]
Pitch = Annotated[float, Meta(ge=-90.0, le=90.0)]
Roll = Annotated[float, Meta(ge=-180.0, le=180.0)]
Seconds = Annotated[float, Meta(ge=-1e6, le=1e6)]
_N = Annotated[float, Meta(ge=-1e15, le=1e15)]
TileCount = Annotated[int, Meta(ge=1, le=16)]

# One sigma of the time at which a frame is looked up in its log, where the file says none: a
# receiver's place is 0.1 to 0.2 s old when it is written down, a gimbal's angle one picture.
TIME_SIGMA_S: Final = 0.1


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table: an unknown key is a typing error, never ignored."""


class Device(Table, frozen=True, kw_only=True):
    """Who it is."""

    id: Name
    sector: Name
    kind: Literal["camera", "thermal", "drone"] = "camera"
    simulated: bool = False  # its pictures are made up: every message says so


class SourceConfig(Table, frozen=True, kw_only=True):
    """Where its pictures come from, or what an ONVIF camera found in them: one of the two."""

    video: str | Annotated[int, Meta(ge=0, le=99)] | None = None
    onvif: str | None = None  # topic prefix of a camera that sends metadata over MQTT
    onvif_module: str | None = None  # of its analytics modules, only this one
    onvif_home: tuple[float, float, float] | None = None  # pan, tilt, zoom that [mount] is true of
    onvif_broker: str | None = None  # where it sends; None: to [broker] url
    telemetry: Annotated[str, Meta(min_length=1)] | None = None  # a drone's flight log
    telemetry_offset_s: Seconds = 0.0  # into the log, where the video begins
    fps: Annotated[float, Meta(gt=0.0, le=240.0)] | None = None  # of a folder of pictures


class DetectorConfig(Table, frozen=True, kw_only=True):
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


class CameraSigmaConfig(Table, frozen=True, kw_only=True):
    """One sigma of the camera's inside."""

    focal: Annotated[float, Meta(ge=0.0, le=0.5)]  # as a share of the focal length


class CameraConfig(Table, frozen=True, kw_only=True):
    """The inside of the camera."""

    width: Pixels
    height: Pixels
    fx: FocalLength | None = None
    fy: FocalLength | None = None
    hfov_deg: FieldOfView | None = None
    cx: PrincipalPoint | None = None
    cy: PrincipalPoint | None = None
    model: Literal["brown", "fisheye"] | None = None
    distortion: tuple[Coefficient, ...] = ()
    sigma: CameraSigmaConfig | None = None  # None: by whether the focal length was fitted

    def camera(self) -> Camera:
        """Fill in what was left out: square pixels, the principal point in the middle.

        Without coefficients a fisheye is the ideal one, and Brown's a pinhole. The focal length
        is NaN where the model shows no such field of view.
        """
        model, distortion = self.model, self.distortion
        if not distortion:
            model, distortion = (FISHEYE, (0.0,) * 4) if model == FISHEYE else (None, ())
        camera = Camera(
            width_px=self.width,
            height_px=self.height,
            fx_px=self.fx or 1.0,
            fy_px=self.fy or 1.0,
            cx_px=(self.width - 1) / 2.0 if self.cx is None else self.cx,
            cy_px=(self.height - 1) / 2.0 if self.cy is None else self.cy,
            model=model,
            distortion=distortion,
            focal_sigma=HFOV_SIGMA if self.fx is None else FITTED_SIGMA,
        )
        fx_px = focal_px(camera, self.hfov_deg or 0.0) if self.fx is None else self.fx
        return camera._replace(
            fx_px=fx_px,
            fy_px=fx_px if self.fy is None else self.fy,
            focal_sigma=camera.focal_sigma if self.sigma is None else self.sigma.focal,
        )


class SigmaConfig(Table, frozen=True, kw_only=True):
    """One sigma of the mount. What is left out is what a hurried survey leaves."""

    position_m: MetresSigma = 3.0
    alt_m: MetresSigma = 3.0
    yaw_deg: DegreesSigma = 2.0
    pitch_deg: DegreesSigma = 1.0
    roll_deg: DegreesSigma = 1.0
    time_s: SecondsSigma | None = None  # of joining telemetry to frames; None: TIME_SIGMA_S


class GimbalConfig(Table, frozen=True, kw_only=True):
    """Absolute angles at which a drone's camera was locked, where its log has none."""

    yaw_deg: Yaw
    pitch_deg: Pitch
    roll_deg: Roll = 0.0


class MountConfig(Table, frozen=True, kw_only=True):
    """Where the lens is and where it looks; beside telemetry, what to add to that."""

    lat: Lat | None = None  # None: the telemetry says it
    lon: Lon | None = None
    alt_m: Height | None = None
    alt_msl_m: Height | None = None
    yaw_deg: Yaw | None = None  # None: 0, and beside ground.homography nobody asks
    pitch_deg: Pitch | None = None
    roll_deg: Roll | None = None
    gimbal: GimbalConfig | None = None
    takeoff_alt_m: Height | None = None  # with the log's heights above the take-off
    takeoff_alt_msl_m: Height | None = None
    sigma: SigmaConfig | None = None  # None: that of a hurried survey

    @property
    def angles_deg(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll."""
        return self.yaw_deg or 0.0, self.pitch_deg or 0.0, self.roll_deg or 0.0


class HomographyConfig(Table, frozen=True, kw_only=True):
    """How the picture shows flat ground, where the pose of the camera is unknown."""

    lat: Lat  # of the place that metres count from
    lon: Lon
    matrix: tuple[_N, _N, _N, _N, _N, _N, _N, _N, _N]  # row by row
    covariance: Annotated[tuple[_N, ...], Meta(min_length=45, max_length=45)]  # upper triangle


class GroundConfig(Table, frozen=True, kw_only=True):
    """The ground it looks at."""

    alt_m: Height | None = None
    alt_msl_m: Height | None = None  # one height: this, the one above, or the model below
    dem: Annotated[str, Meta(min_length=1)] | None = None
    dem_heights: Literal["msl", "ellipsoid"] | None = None  # what the model counts them from
    sigma_m: MetresSigma | None = None
    homography: HomographyConfig | None = None


class EvidenceConfig(Table, frozen=True, kw_only=True):
    """The crops of what it detects (`edge.evidence`)."""

    on: bool = True
    margin: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.3  # each side, share of the longer side
    quality: Annotated[int, Meta(ge=30, le=95)] = 80  # of the JPEG
    most_per_min: Annotated[int, Meta(ge=1, le=120)] = 20


class BrokerConfig(Table, frozen=True, kw_only=True):
    """Where its messages go."""

    url: str = "mqtt://127.0.0.1:1883"


class DeviceFile(Table, frozen=True, kw_only=True):
    """The whole of `device.toml`."""

    device: Device
    source: SourceConfig
    detector: DetectorConfig = DetectorConfig()
    camera: CameraConfig
    mount: MountConfig
    ground: GroundConfig
    evidence: EvidenceConfig = EvidenceConfig()
    broker: BrokerConfig = BrokerConfig()
