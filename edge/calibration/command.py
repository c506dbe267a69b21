"""`tuanbien edge calibrate`, but for its printing."""

from pathlib import Path
from typing import Any, Final, NamedTuple

from edge.calibration.fit import NAMES, Calibration, calibrate
from edge.calibration.fitted_file import tables_of, write_fitted
from edge.calibration.horizon import horizon_of_pose
from edge.calibration.landmarks import Landmarks, read_landmarks
from edge.calibration.learnt import lesson_summary
from edge.calibration.model import LOG_FOCAL
from edge.calibration.picture import draw, read_frame, refuse_outputs, write_picture
from edge.calibration.plane_fit import calibrate_plane
from edge.calibration.recording import open_recording, read_recording
from edge.calibration.refusals import CalibrationError
from edge.calibration.report import summary
from edge.calibration.walk import Known
from edge.calibration.walk_fit import learn
from edge.camera import Camera, Pose
from edge.config import DeviceConfig, load_device

SIGMA_PX: Final = 2.0
_WITH_FOCAL: Final = {"auto": None, "fixed": False, "free": True}
FOCAL: Final = tuple(_WITH_FOCAL)


class Wish(NamedTuple):
    """What the technician asked for."""

    device: Path
    landmarks: Path | None = None  # this or the next, or both
    walk: Path | None = None
    unit: str | None = None  # whose walk; None: the only one's
    out: Path | None = None
    frame: Path | None = None
    picture: Path | None = None
    sigma_px: float = SIGMA_PX
    survey_sigma_m: float = 0.0  # of what all landmarks are off alike
    focal: str = "auto"  # auto: fit, of a walk from 6 landmarks on | fixed | free
    with_k1: bool = False
    homography: bool = False


def run(wish: Wish) -> dict[str, Any]:
    """Calibrate, write what was asked for, and return the report.

    Raises:
        RefusedError: Anything is wrong with what came in, or nothing trustworthy comes of it.
    """
    if wish.homography and wish.landmarks is not None:
        return calibrate_plane(
            wish.device,
            wish.landmarks,
            sigma_px=wish.sigma_px,
            survey_sigma_m=wish.survey_sigma_m,
            out=wish.out,
            frame=wish.frame,
            picture=wish.picture,
        )
    config = load_device(wish.device)
    if config.plane is not None:
        msg = f"{wish.device}: ground.homography leaves no pose to begin with; fit the file before"
        raise CalibrationError(msg)
    if config.source.telemetry is not None:
        msg = f"{wish.device}: source.telemetry gives the pose, so there is none to calibrate"
        raise CalibrationError(msg)
    refuse_outputs(wish.out, wish.picture)
    frame = None if wish.frame is None else read_frame(wish.frame, config.camera)
    try:
        said = {"device": config.device_id} | _said(wish, config)
    except CalibrationError as error:
        msg = f"{wish.walk or wish.landmarks}: {error}"
        raise CalibrationError(msg) from error
    if frame is not None and wish.picture is not None:
        line = horizon_of_pose(
            _fitted_camera(config.camera, said), Pose(**said["pose"]), said["height_m"]
        )
        write_picture(wish.picture, draw(frame, config.camera, said["residuals"], line))
    return said


def _said(wish: Wish, config: DeviceConfig) -> dict[str, Any]:
    """Fit what was asked for, write the device file if asked for, and return the report."""
    landmarks = None
    if wish.landmarks is not None:
        landmarks = read_landmarks(wish.landmarks, config.camera, sigma_px=wish.sigma_px)
    if wish.walk is not None:
        return _walked(wish, wish.walk, config, landmarks)
    if landmarks is None:
        msg = f"{wish.device}: neither landmarks nor a walk is given"
        raise CalibrationError(msg)
    done = calibrate(
        config.camera,
        config.pose,
        config.pose_sigma,
        landmarks,
        with_focal=_WITH_FOCAL[wish.focal],
        with_k1=wish.with_k1,
        survey_sigma_m=wish.survey_sigma_m,
    )
    said = summary(done)
    if wish.out is not None:
        write_fitted(wish.out, _fitted_tables(config, done, said), origin=wish.device)
    return said


def _walked(
    wish: Wish, walk: Path, config: DeviceConfig, landmarks: Landmarks | None
) -> dict[str, Any]:
    """Learn from a walk, and write what was learnt if that is asked for."""
    known = Known(config.camera, config.pose, config.pose_sigma, config.ground)
    recording = read_recording(
        open_recording(walk),
        device_id=config.device_id,
        sector=config.sector,
        camera=config.camera,
        pixel_sigma_px=config.detector.pixel_sigma,
        unit_id=wish.unit,
    )
    lesson = learn(
        known,
        recording,
        landmarks,
        with_focal=_WITH_FOCAL[wish.focal],
        survey_sigma_m=wish.survey_sigma_m,
    )
    said = lesson_summary(lesson, known, recording)
    if wish.out is not None:
        tables = _fitted_tables(config, lesson.done, said)
        if "ground" in said:
            kept = {k: v for k, v in tables["ground"].items() if k != "alt_msl_m"}
            tables["ground"] = kept | said["ground"]
        write_fitted(wish.out, tables, origin=wish.device)
    return said


def _fitted_camera(camera: Camera, said: dict[str, Any]) -> Camera:
    fitted = said["camera"]
    return camera._replace(
        fx_px=fitted["fx"],
        fy_px=fitted["fy"],
        model=fitted["model"],
        distortion=tuple(fitted["distortion"]),
    )


def _fitted_tables(
    config: DeviceConfig, done: Calibration, said: dict[str, Any]
) -> dict[str, Any]:
    """Return the device file's tables with the fitted camera, mount and sigmas."""
    tables = tables_of(config.path)
    replaced = {"hfov_deg", "fx", "fy"}
    if NAMES[LOG_FOCAL] in done.names:
        # What was guessed of the focal length is over; what is left of it, `device_sigma` covers.
        replaced.add("sigma")
    camera = {key: value for key, value in tables["camera"].items() if key not in replaced}
    if done.camera == config.camera:
        camera = tables["camera"]
    else:
        camera |= {key: said["camera"][key] for key in ("fx", "fy")}
        if done.camera.model is not None:
            camera |= {key: said["camera"][key] for key in ("model", "distortion")}
    mount = {key: value for key, value in tables["mount"].items() if key != "alt_msl_m"}
    return tables | {
        "camera": camera,
        "mount": mount
        | said["pose"]
        | {"sigma": tables["mount"].get("sigma", {}) | said["device_sigma"]},
    }
