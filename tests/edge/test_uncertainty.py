"""The error of a place: the published table, and Monte Carlo as the judge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.accuracy import ce90_m, sigmas_m
from edge.camera import BoolArray, Camera, FloatArray, Pose, PoseSigma, rays_enu
from edge.georeference import Ground, Places, place_many
from edge.ground import Hits, meet
from edge.sweep import GRAZING_DEG, in_step
from edge.uncertainty import first_order, sources, tilts
from tests.benchmarks.bench_geometry import sigma_ratios, truths_inside
from tests.edge.test_ground import Slope

CAMERA = Camera(1920, 1080, 1600.0, 1600.0, 959.5, 539.5, None, ())
GROUND = Ground(alt_m=1000.0, sigma_m=4.0)
SIGMA = PoseSigma(position_m=2.5, alt_m=3.0, yaw_deg=0.5, pitch_deg=0.5, roll_deg=0.0)
CENTRE = np.array([[959.5, 539.5]])
# DOMAIN.md 4.3, all of it first order: depression, sigma along, sigma across, CE90.
TABLE = [
    (90, 2.7, 2.5, 5.6),
    (60, 4.1, 2.6, 7.4),
    (45, 6.0, 2.7, 10.3),
    (30, 10.0, 3.1, 16.7),
    (20, 16.7, 3.9, 27.8),
    (15, 24.7, 4.7, 40.9),
    (10, 45.5, 6.6, 75.2),
    (7, 82.9, 9.1, 136.6),
    (5, 152.2, 12.5, 250.6),
    (3, 402.5, 20.6, 662.0),
]


def looking(depression_deg: float, yaw_deg: float = 0.0) -> Pose:
    return Pose(22.5, 104.0, 1120.0, yaw_deg, -depression_deg, 0.0)


def seen(pose: Pose, pixels: FloatArray = CENTRE, sigma: PoseSigma = SIGMA) -> Places:
    return place_many(pixels, CAMERA, pose, sigma, GROUND, pixel_sigma_px=3.0)


def upper(matrix: FloatArray) -> tuple[float, float, float]:
    return float(matrix[0, 0]), float(matrix[0, 1]), float(matrix[1, 1])


@pytest.mark.parametrize(("depression", "along_m", "across_m", "ce90"), TABLE)
def test_the_published_table_of_first_order_errors(
    depression: float, along_m: float, across_m: float, ce90: float
) -> None:
    """The table is on a plane; far out the Earth's curve adds up to 1.1 %."""
    pose = looking(depression)
    rays = rays_enu(CENTRE, CAMERA, pose).T
    hits = meet(rays, pose, GROUND)
    turned = tilts(CENTRE, rays, CAMERA, pose, np.array([3.0]))
    total, _ = first_order(hits, turned, sources(pose, SIGMA, GROUND.sigma_m))
    covariance = (float(total[0, 0]), float(total[1, 0]), float(total[2, 0]))
    far = 0.012 if depression < 10 else 0.002
    assert sigmas_m(covariance) == pytest.approx((along_m, across_m), abs=0.06, rel=far)
    assert ce90_m(covariance) == pytest.approx(ce90, abs=0.06, rel=far)


@pytest.mark.parametrize(("depression", "along_m", "across_m", "ce90"), TABLE)
def test_what_is_claimed_is_the_table_and_more_where_the_tail_begins(
    depression: float, along_m: float, across_m: float, ce90: float
) -> None:
    found = seen(looking(depression))
    more = {10: 1.02, 7: 1.03, 5: 1.06, 3: 1.18}.get(int(depression), 1.002)
    claimed_m = sigmas_m(upper(found.cov_m2[0]))
    assert along_m - 0.06 <= claimed_m[0] <= along_m * more + 0.06
    assert claimed_m[1] == pytest.approx(across_m, rel=0.06, abs=0.06)
    assert ce90 * 0.99 <= ce90_m(upper(found.cov_m2[0])) <= ce90 * more + 0.06
    assert found.grazing[0] == (depression < GRAZING_DEG + 0.1)  # the Earth falls away a little


@pytest.mark.parametrize("depression", [70.0, 45.0, 30.0, 20.0])
def test_monte_carlo_agrees_within_5_percent_at_20_degrees_and_more(depression: float) -> None:
    ratios = sigma_ratios(depression, np.random.default_rng(20260314))
    assert ratios == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("depression", [15.0, 10.0, 7.0, 5.0, 3.0])
@pytest.mark.parametrize("pitch_sigma_deg", [0.2, 0.5, 1.0])
def test_monte_carlo_agrees_within_10_percent_down_to_3_degrees(
    depression: float, pitch_sigma_deg: float
) -> None:
    """At 3 degrees one degree of error reaches the horizon at three sigma: the tail is cut."""
    sigma = PoseSigma(2.5, 3.0, 0.7, pitch_sigma_deg, 0.3)
    ratios = sigma_ratios(depression, np.random.default_rng(5), sigma)
    assert ratios == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
def test_nine_truths_of_ten_lie_in_the_claimed_ellipse() -> None:
    """People before cameras that are not where the survey thinks; the benchmark has more."""
    shares = truths_inside(np.random.default_rng(11), mounts=150, people=20)
    assert shares.clear_people > 1500
    assert 0.88 <= shares.clear <= 0.92
    assert 0.86 <= shares.grazing <= 0.95, "a hundred or so of them"


@settings(max_examples=60)
@given(
    pitch=st.floats(-90.0, -1.0),
    roll=st.floats(-180.0, 180.0),
    sigma_deg=st.floats(0.0, 20.0),
    ground_sigma_m=st.floats(0.0, 20.0),
)
def test_every_error_is_finite_and_its_shared_part_no_greater(
    pitch: float, roll: float, sigma_deg: float, ground_sigma_m: float
) -> None:
    pixels = np.array([[0.0, 0.0], [959.5, 539.5], [1919.0, 1079.0]])
    pose = Pose(22.5, 104.0, 1120.0, 77.0, pitch, roll)
    sigma = PoseSigma(1.0, 1.0, sigma_deg, sigma_deg, sigma_deg)
    ground = GROUND._replace(sigma_m=ground_sigma_m)
    found = place_many(pixels, CAMERA, pose, sigma, ground, pixel_sigma_px=3.0)
    whole, shared = found.cov_m2[found.ok], found.cov_bias_m2[found.ok]
    assert np.isfinite(whole).all()
    scale = np.trace(whole, axis1=1, axis2=2)
    assert (np.linalg.eigvalsh(shared)[:, 0] > -1e-9 * scale).all()
    assert (np.linalg.eigvalsh(whole - shared)[:, 0] > -1e-9 * scale).all()


def test_without_any_error_none_is_claimed_near_or_far() -> None:
    for depression in (60.0, 3.0):
        exact = PoseSigma(0.0, 0.0, 0.0, 0.0, 0.0)
        ground = Ground(1000.0, 0.0)
        found = place_many(CENTRE, CAMERA, looking(depression), exact, ground, pixel_sigma_px=1e-9)
        assert ce90_m(upper(found.cov_m2[0])) < 1e-3


@pytest.mark.parametrize("model", ["brown", "fisheye"])
def test_a_lens_that_bends_nothing_errs_as_a_pinhole(model: str) -> None:
    bent = CAMERA._replace(model=model, distortion=(1e-9, 0.0, 0.0, 0.0))
    pinhole, through = (
        place_many(CENTRE, camera, looking(35.0), SIGMA, GROUND, pixel_sigma_px=20.0)
        for camera in (CAMERA, bent)
    )
    assert through.cov_m2 == pytest.approx(pinhole.cov_m2, rel=2e-4)


@pytest.mark.parametrize("normal", [(0.0, -0.3, 1.0), (0.4, 0.1, 1.0), (0.0, 0.15, 1.0)])
def test_monte_carlo_agrees_on_slopes(normal: tuple[float, float, float]) -> None:
    """The hit slides along the slope, and the model's height error acts upright."""
    slope, pose = Slope(120.0, np.array(normal)), looking(25.0, yaw_deg=30.0)
    sigma = PoseSigma(1.0, 1.5, 0.4, 0.4, 0.0)
    found = place_many(CENTRE, CAMERA, pose, sigma, slope, pixel_sigma_px=0.1)
    off = np.random.default_rng(2).standard_normal((6, 100_000))
    yaw, down = np.radians([[30.0], [25.0]] + 0.4 * off[:2])
    rays = np.stack((np.sin(yaw) * np.cos(down), np.cos(yaw) * np.cos(down), -np.sin(down)))
    lens = off[2:5] * np.array([[1.0], [1.0], [1.5]])
    raised = np.array([[0.0], [0.0], [1.0]]) * (off[5] * slope.sigma_m - 120.0)
    along = slope.normal @ (raised - lens) / (slope.normal @ rays)
    drawn = np.sqrt(np.linalg.eigvalsh(np.cov((lens + rays * along)[:2])))
    claimed = np.sqrt(np.linalg.eigvalsh(found.cov_m2[0]))
    assert claimed == pytest.approx(drawn, rel=0.05)


class Ridge:
    """A wall 200 m to the north, as high as 60 m below the lens; behind it the plain again."""

    sigma_m = 0.5

    def first_hits(
        self, lens: Pose, rays_enu: FloatArray, /
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        del lens
        at_wall_m = rays_enu[:, 2] / rays_enu[:, 1] * 200.0
        wall = (at_wall_m > -120.0) & (at_wall_m < -60.0)
        slant_m = np.where(wall, 200.0 / rays_enu[:, 1], -120.0 / rays_enu[:, 2])
        normal = np.where(wall[:, None], (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
        return slant_m, normal, rays_enu[:, 2] < 0.0


def test_just_over_a_ridge_is_far_behind_it() -> None:
    """At the wall's top edge half of the error looks past it, 200 m farther."""
    top_deg = float(np.degrees(np.arctan2(60.0, 200.0)))
    sigma = PoseSigma(0.1, 0.1, 0.3, 0.3, 0.3)
    edge, middle = (
        place_many(CENTRE, CAMERA, looking(down), sigma, Ridge(), pixel_sigma_px=1.0)
        for down in (top_deg + 0.05, top_deg + 5.0)
    )
    assert edge.slant_m[0] < middle.slant_m[0] < 220.0, "nominally, both are the wall"
    assert sigmas_m(upper(middle.cov_m2[0]))[0] < 5.0
    assert sigmas_m(upper(edge.cov_m2[0]))[0] > 80.0


@given(
    parts=st.lists(st.floats(0.1, 50.0), min_size=4, max_size=4),
    stretch=st.floats(0.5, 3.0),
)
def test_a_part_stays_a_part_when_the_whole_is_stretched(
    parts: list[float], stretch: float
) -> None:
    east, north, more_east, more_north = parts
    part = np.array([[east], [0.3 * np.sqrt(east * north)], [north]])
    whole = part + np.array([[more_east], [0.0], [more_north]])
    wide = whole * np.array([[stretch], [0.0], [1.0]])
    kept = in_step(part, whole, wide)[:, 0]
    rest = wide[:, 0] - kept
    for var_east, cov, var_north in (kept, rest):
        assert var_east >= 0.0
        assert var_east * var_north - cov**2 >= -1e-6


def test_hits_keep_their_columns_together() -> None:
    pixels = np.array([[100.0, 1000.0], [900.0, 600.0], [1500.0, 900.0]])
    hits = meet(rays_enu(pixels, CAMERA, looking(30.0)).T, looking(30.0), GROUND)
    last = hits.at(np.array([2]))
    assert isinstance(last, Hits)
    assert last.lat[0] == hits.lat[2]
    assert last.rays[:, 0].tolist() == hits.rays[:, 2].tolist()
