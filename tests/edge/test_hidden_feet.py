"""People cut off by the picture's lower edge: placed where they may be, never surely elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from edge.camera import Pose, enu_from_camera, pixels_from_enu
from edge.config import DeviceConfig, load_device
from edge.detector import Detection
from edge.frames import Frame, Image
from edge.hidden_feet import hidden_below_px
from edge.messages import Detection as Sent
from edge.messages import UtcTime
from edge.pipeline import Pipeline

DRAWS: Final = 400
NINETY_FIVE: Final = 5.991  # chi-square of two dimensions
LENS_M: Final = 6.0
M_PER_DEG: Final = 111_000.0  # good enough for telling 8 m from 11 m


class Sees:
    """A detector that sees what it is told to."""

    boxes: list[Detection]

    def detect(self, image: Image) -> list[Detection]:
        del image
        return list(self.boxes)


@pytest.fixture
def low_mast(write_device: Callable[..., Path]) -> DeviceConfig:
    """A camera 6 m up, looking 12 degrees down: its picture begins 10.4 m away."""
    return load_device(
        write_device(
            ("alt_m = 1008.0", f"alt_m = {1000.0 + LENS_M}"),
            ("fx = 700.0\nfy = 700.0", "fx = 886.0\nfy = 886.0"),
            ("pitch_deg = -25.0", "pitch_deg = -12.0"),
            ("yaw_deg = 30.0", "yaw_deg = 0.0"),
            ("sigma_m = 1.0", "sigma_m = 0.3"),
            ("alt_m = 0.5, yaw", "alt_m = 0.2, yaw"),
        )
    )


def box_of(
    device: DeviceConfig, pose: Pose, at_m: tuple[float, float], height_m: float, label: str
) -> tuple[Detection, float]:
    """Return the box of somebody standing at (east, north) of the lens, and the part seen."""
    east_m, north_m = at_m
    ends = np.array([[east_m, north_m, -LENS_M], [east_m, north_m, height_m - LENS_M]])
    (foot, head), _ = pixels_from_enu(ends, device.camera, pose)
    width_px = 0.35 * (foot[1] - head[1])
    centre, bottom = head[0] + 0.5, min(foot[1] + 0.5, 576.0)
    seen = (bottom - head[1] - 0.5) / (foot[1] - head[1])
    x1, x2 = centre - width_px / 2.0, centre + width_px / 2.0
    return Detection((x1, head[1] + 0.5, x2, bottom), label, 0.8, 1), float(seen)


def sent(device: DeviceConfig, boxes: list[Detection], noon: UtcTime) -> tuple[Sent, ...]:
    detector = Sees()
    detector.boxes = boxes
    frame = Frame(np.zeros((576, 768, 3), dtype=np.uint8), noon)
    return Pipeline(device, detector, boot_id="b").message(frame).detections


def sigmas_off(found: Sent, at_m: tuple[float, float], cov: tuple[float, float, float]) -> float:
    """Return the squared Mahalanobis distance of the truth."""
    off = np.array(
        [
            (found.lon - 104.0) * M_PER_DEG * np.cos(np.radians(22.5)) - at_m[0],
            (found.lat - 22.5) * 110_750.0 - at_m[1],
        ]
    )
    matrix = np.array([[cov[0], cov[1]], [cov[1], cov[2]]])
    return float(off @ np.linalg.solve(matrix, off))


@pytest.mark.parametrize("away_m", [7.75, 8.0, 8.5, 9.0, 9.5, 10.0, 10.3, 11.0])
def test_the_claimed_ellipse_holds_whoever_is_cut_by_the_lower_edge(
    low_mast: DeviceConfig, noon: UtcTime, away_m: float
) -> None:
    """From 20 to 100 % seen; it was 10.4 m for everybody from 8 to 11 m, and called sure."""
    random, held = np.random.default_rng(7), 0
    sigma = low_mast.pose_sigma
    for _ in range(DRAWS):
        pose = low_mast.pose._replace(
            yaw_deg=random.normal(0.0, sigma.yaw_deg),
            pitch_deg=random.normal(-12.0, sigma.pitch_deg),
            roll_deg=random.normal(0.0, sigma.roll_deg),
        )
        at_m = (random.uniform(-1.0, 1.0), away_m)
        box, seen = box_of(low_mast, pose, at_m, random.normal(1.65, 0.12), "person")
        if not 0.1 < seen <= 1.0:
            held += 1  # this draw shows nearly nothing of the person
            continue
        (found,) = sent(low_mast, [box], noon)
        held += sigmas_off(found, at_m, found.cov_m2) < NINETY_FIVE
    assert held / DRAWS > 0.93


@pytest.mark.parametrize("label", ["person", "car"])
@pytest.mark.parametrize("away_m", [8.0, 9.0, 10.0])
def test_what_hides_below_the_edge_does_not_average_out(
    low_mast: DeviceConfig, noon: UtcTime, away_m: float, label: str
) -> None:
    """A filter averages what is random; the shared part alone must hold a constant error."""
    box, seen = box_of(low_mast, low_mast.pose, (0.5, away_m), 1.75, label)
    assert seen < 1.0
    (found,) = sent(low_mast, [box], noon)
    assert found.truncated
    assert found.cov_bias_m2 is not None
    assert sigmas_off(found, (0.5, away_m), found.cov_bias_m2) < NINETY_FIVE


def test_somebody_whose_head_is_seen_is_placed_by_it(
    low_mast: DeviceConfig, noon: UtcTime
) -> None:
    """Three people at 8, 9 and 10 m are not all at the edge, 10.4 m away."""
    where = [8.0, 9.0, 10.0]
    boxes = [box_of(low_mast, low_mast.pose, (0.0, away_m), 1.65, "person")[0] for away_m in where]
    north = sorted((found.lat - 22.5) * 110_750.0 for found in sent(low_mast, boxes, noon))
    assert north == pytest.approx(where, abs=0.1)


def test_nobody_is_placed_beyond_the_edge_that_cuts_them(
    low_mast: DeviceConfig, noon: UtcTime
) -> None:
    """A tall person's head alone would say 11.5 m, where the feet would be in the picture."""
    box, seen = box_of(low_mast, low_mast.pose, (0.0, 10.3), 2.0, "person")
    assert seen < 1.0
    (found,) = sent(low_mast, [box], noon)
    assert (found.lat - 22.5) * 110_750.0 == pytest.approx(10.4, abs=0.1)


def test_a_box_from_edge_to_edge_may_be_anywhere_up_to_the_lens(
    low_mast: DeviceConfig, noon: UtcTime
) -> None:
    """No head, no height: all that is known is that the feet are nearer than the edge."""
    (found,) = sent(low_mast, [Detection((300.0, 0.0, 500.0, 576.0), "person", 0.8, 1)], noon)
    assert found.cov_bias_m2 is not None
    for away_m in (0.5, 5.0, 10.0):
        off = sigmas_off(found, (0.02 * away_m, away_m), found.cov_bias_m2)
        assert off < NINETY_FIVE


def test_the_helper_of_these_tests_looks_north(low_mast: DeviceConfig) -> None:
    assert enu_from_camera(low_mast.pose)[:, 2] == pytest.approx((0.0, 0.978, -0.208), abs=1e-3)


def test_who_stands_behind_another_may_stand_nearer_than_it_looks() -> None:
    """The second box ends 30 px above the bottom of the first, within it; the third is apart."""
    boxes = np.array(
        [[100.0, 100.0, 160.0, 300.0], [110.0, 90.0, 150.0, 270.0], [400.0, 90.0, 440.0, 270.0]]
    )
    assert hidden_below_px(boxes) == pytest.approx((0.0, 30.0, 0.0))


def test_no_boxes_hide_nothing() -> None:
    assert hidden_below_px(np.empty((0, 4))).shape == (0,)


def test_an_occluded_box_is_placed_with_a_longer_error_than_one_in_the_open(
    low_mast: DeviceConfig, noon: UtcTime
) -> None:
    behind, _ = box_of(low_mast, low_mast.pose, (0.0, 20.0), 1.65, "car")
    before, _ = box_of(low_mast, low_mast.pose, (0.0, 17.0), 1.65, "car")
    (alone,) = sent(low_mast, [behind], noon)
    occluded = min(
        sent(low_mast, [behind, before], noon), key=lambda found: abs(found.lat - alone.lat)
    )
    assert occluded.lat == alone.lat
    assert occluded.cov_m2[2] > 2.0 * alone.cov_m2[2]
    assert occluded.cov_bias_m2 is not None
    assert alone.cov_bias_m2 is not None
    # Fifty pictures of it are no surer: what hides the feet hides them in all of them.
    longer = np.subtract(occluded.cov_m2, alone.cov_m2)
    assert np.subtract(occluded.cov_bias_m2, alone.cov_bias_m2) == pytest.approx(longer)
    assert (
        occluded.lat - 3.0 * np.sqrt(occluded.cov_bias_m2[2]) / M_PER_DEG < 22.5 + 17.0 / M_PER_DEG
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_what_a_side_of_the_picture_cuts_may_be_wider_than_it_looks(
    low_mast: DeviceConfig, noon: UtcTime, side: str
) -> None:
    """Of a lorry that drives in, the middle of what is seen is metres from its own."""
    x1, x2 = (0.0, 200.0) if side == "left" else (568.0, 768.0)
    (cut,) = sent(low_mast, [Detection((x1, 250.0, x2, 400.0), "truck", 0.8, 1)], noon)
    inside = Detection(
        (x1 + (20.0 if side == "left" else -20.0), 250.0, x2, 400.0), "truck", 0.8, 1
    )
    (whole,) = sent(low_mast, [inside._replace(bbox_px=(100.0, 250.0, 300.0, 400.0))], noon)
    assert cut.cov_bias_m2 is not None
    metres_seen = (cut.cov_m2[0] - whole.cov_m2[0]) ** 0.5
    assert metres_seen == pytest.approx(100.0 / 886.0 * 16.0, rel=0.5), "half of what is seen"
