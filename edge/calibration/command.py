"""`tuanbien edge calibrate`, but for its printing."""

from pathlib import Path
from typing import Any, Final, NamedTuple

from edge.calibration.fit import Calibration, calibrate
from edge.calibration.fitted_file import refuse_existing, tables_of, write_fitted
from edge.calibration.homography import fit_homography
from edge.calibration.landmarks import read_landmarks
from edge.calibration.picture import draw, read_frame, write_picture
from edge.calibration.refusals import CalibrationError
from edge.calibration.report import plane_summary, summary
from edge.config import DeviceConfig, load_device

SIGMA_PX: Final = 2.0
_WITH_FOCAL: Final = {"auto": None, "fixed": False, "free": True}
FOCAL: Final = tuple(_WITH_FOCAL)


class Wish(NamedTuple):
    """What the technician asked for."""

    device: Path
    landmarks: Path
    out: Path | None = None
    frame: Path | None = None
    picture: Path | None = None
    sigma_px: float = SIGMA_PX
    focal: str = "auto"  # auto: from 6 landmarks on | fixed | free
    with_k1: bool = False
    homography: bool = False


def run(wish: Wish) -> dict[str, Any]:
    """Calibrate, write what was asked for, and return the report.

    Raises:
        RefusedError: Anything is wrong with what came in, or nothing trustworthy comes of it.
    """
    config = load_device(wish.device)
    if config.source.telemetry is not None:
        msg = f"{wish.device}: source.telemetry gives the pose, so there is none to calibrate"
        raise CalibrationError(msg)
    for path in (wish.out, wish.picture):
        if path is not None:
            refuse_existing(path)
    landmarks = read_landmarks(wish.landmarks, config.camera, sigma_px=wish.sigma_px)
    frame = None if wish.frame is None else read_frame(wish.frame, config.camera)
    said: dict[str, Any] = {"device": config.device_id}
    try:
        if wish.homography:
            plane = fit_homography(config.camera, config.pose, landmarks)
            said |= plane_summary(config.camera, plane, landmarks)
        else:
            done = calibrate(
                config.camera,
                config.pose,
                config.pose_sigma,
                landmarks,
                with_focal=_WITH_FOCAL[wish.focal],
                with_k1=wish.with_k1,
            )
            said |= summary(done)
            if wish.out is not None:
                write_fitted(wish.out, _fitted_tables(config, done, said), origin=wish.device)
    except CalibrationError as error:
        msg = f"{wish.landmarks}: {error}"
        raise CalibrationError(msg) from error
    if frame is not None and wish.picture is not None:
        write_picture(wish.picture, draw(frame, config.camera, said["residuals"]))
    return said


def _fitted_tables(
    config: DeviceConfig, done: Calibration, said: dict[str, Any]
) -> dict[str, Any]:
    """Return the device file's tables with the fitted camera, mount and sigmas."""
    tables = tables_of(config.path)
    camera = {
        key: value
        for key, value in tables["camera"].items()
        if key not in {"hfov_deg", "fx", "fy"}
    }
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
