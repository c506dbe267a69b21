"""`tuanbien edge calibrate --homography`, but for its printing."""

from pathlib import Path
from typing import Any, Final

from edge.calibration.fitted_file import tables_of, write_fitted
from edge.calibration.homography import fit_homography
from edge.calibration.horizon import horizon_of_plane
from edge.calibration.landmarks import EXACT_PLACES, read_landmarks, taken_to_be_exact
from edge.calibration.picture import draw, read_frame, refuse_outputs, write_picture
from edge.calibration.refusals import CalibrationError
from edge.calibration.report import plane_summary
from edge.config import read_device_file
from edge.plane import GroundHomography
from edge.plane_file import table_of

# What of [mount] stays: beside a homography there is no attitude, and nothing to be unsure of.
_PLACE: Final = ("lat", "lon", "alt_m", "alt_msl_m")


def calibrate_plane(  # noqa: PLR0913 - what came in and what goes out
    device: Path,
    landmarks: Path,
    *,
    sigma_px: float,
    survey_sigma_m: float = 0.0,
    out: Path | None = None,
    frame: Path | None = None,
    picture: Path | None = None,
) -> dict[str, Any]:
    """Fit flat ground's homography, write what was asked for, and return the report.

    Of the device file only the camera and the place of [mount] count: its height, its angles and
    [ground] may be missing.

    Raises:
        RefusedError: Anything is wrong with what came in, or nothing trustworthy comes of it.
    """
    file = read_device_file(device)
    if file.source.telemetry is not None:
        msg = f"{device}: source.telemetry moves the camera, and a homography is of one place"
        raise CalibrationError(msg)
    lat, lon = file.mount.lat, file.mount.lon
    if lat is None or lon is None:
        msg = f"{device}: mount.{'lat' if lat is None else 'lon'} is missing"
        raise CalibrationError(msg)
    refuse_outputs(out, picture)
    camera = file.camera.camera()
    seen = read_landmarks(landmarks, camera, sigma_px=sigma_px)
    image = None if frame is None else read_frame(frame, camera)
    try:
        fit = fit_homography(camera, seen, lat=lat, lon=lon, survey_sigma_m=survey_sigma_m)
    except CalibrationError as error:
        msg = f"{landmarks}: {error}"
        raise CalibrationError(msg) from error
    said = {"device": file.device.id} | plane_summary(camera, fit, seen)
    if taken_to_be_exact(seen, survey_sigma_m):
        said["warnings"].append(EXACT_PLACES)
    if out is not None:
        write_fitted(out, _tables(device, fit.ground), origin=device)
    if image is not None and picture is not None:
        line = horizon_of_plane(camera, fit.ground)
        write_picture(picture, draw(image, camera, said["residuals"], line))
    return said


def _tables(device: Path, ground: GroundHomography) -> dict[str, Any]:
    """Return the device file's tables with the homography in the place of pose and ground."""
    tables = tables_of(device)
    mount = {key: value for key, value in tables["mount"].items() if key in _PLACE}
    return tables | {"mount": mount, "ground": table_of(ground)}
