"""Results become GeoJSON features: longitude first, the whole error shown."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import PositionMessage, TrackUpdate, decode_as, encode
from maps.layers import CHI2_95_2DOF, ellipse_95, patrol_feature, track_feature

sigmas = st.floats(0.1, 500.0)
correlations = st.floats(-0.99, 0.99)


@st.composite
def covariances(draw: st.DrawFn) -> tuple[float, float, float]:
    east, north, rho = draw(sigmas), draw(sigmas), draw(correlations)
    return east**2, rho * east * north, north**2


@given(covariances())
def test_the_ellipse_has_the_axes_of_the_covariance(cov_m2: tuple[float, float, float]) -> None:
    var_east, cov_east_north, var_north = cov_m2
    values, vectors = np.linalg.eigh([[var_east, cov_east_north], [cov_east_north, var_north]])
    ellipse = ellipse_95(cov_m2)
    assert math.isclose(ellipse.semi_major_m, math.sqrt(CHI2_95_2DOF * values[1]), rel_tol=1e-6)
    assert math.isclose(
        ellipse.semi_minor_m,
        math.sqrt(CHI2_95_2DOF * max(values[0], 0.0)),
        rel_tol=1e-4,
        abs_tol=1e-3,
    )
    along = math.radians(ellipse.bearing_deg)
    if values[1] > 1.001 * values[0]:  # a circle has no bearing
        east, north = vectors[:, 1]
        assert abs(math.sin(along) * east + math.cos(along) * north) > 0.999


def test_95_in_100_of_the_positions_lie_inside_the_ellipse() -> None:
    cov_m2 = (25.0, -9.0, 9.0)
    ellipse = ellipse_95(cov_m2)
    draws = np.random.default_rng(7).multivariate_normal(
        [0.0, 0.0], [[cov_m2[0], cov_m2[1]], [cov_m2[1], cov_m2[2]]], 100_000
    )
    along = math.radians(ellipse.bearing_deg)
    ahead = draws @ [math.sin(along), math.cos(along)]
    aside = draws @ [math.cos(along), -math.sin(along)]
    inside = (ahead / ellipse.semi_major_m) ** 2 + (aside / ellipse.semi_minor_m) ** 2 <= 1.0
    assert abs(inside.mean() - 0.95) < 0.003


def test_an_error_towards_north_east_bears_45_degrees() -> None:
    assert math.isclose(ellipse_95((10.0, 9.0, 10.0)).bearing_deg, 45.0)
    assert math.isclose(ellipse_95((10.0, -9.0, 10.0)).bearing_deg, 135.0)
    assert math.isclose(ellipse_95((100.0, 0.0, 1.0)).bearing_deg, 90.0)
    assert math.isclose(ellipse_95((1.0, 0.0, 100.0)).bearing_deg, 0.0)


def test_a_track_is_a_point_with_longitude_first_and_its_course(say) -> None:
    _, payload = say.track(velocity_mps=[-2.0, 0.0])
    feature = track_feature(decode_as(payload, TrackUpdate))
    written = decode_as(encode(feature), dict)
    assert written["type"] == "Feature"
    assert written["geometry"] == {"type": "Point", "coordinates": [-12.3, 1.2]}
    assert written["properties"]["course_deg"] == 270.0
    assert written["properties"]["speed_mps"] == 2.0
    assert written["properties"]["t"] == "2026-03-14T12:00:00.000Z"


def test_a_patrols_68_percent_radius_is_drawn_at_95_percent(say, noon) -> None:
    _, payload = say.position()
    feature = patrol_feature(decode_as(payload, PositionMessage), heard_at=noon)
    # For a circular normal error P(r) = 1 - exp(-r^2 / 2s^2).
    sigma_m = 5.0 / math.sqrt(-2.0 * math.log(1.0 - 0.68))
    r = feature.properties["radius_95_m"]
    assert math.isclose(1.0 - math.exp(-(r**2) / (2.0 * sigma_m**2)), 0.95)
