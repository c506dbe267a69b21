"""The grid of tracks: whoever lies in a fix's gate is found, however it moves meanwhile."""

import math

from hypothesis import given
from hypothesis import strategies as st

from fusion.tracking.motion import Motion, mahalanobis, plus, predicted
from fusion.tracking.nearby import Nearby
from fusion.tracking.track import Track
from fusion.tracking.ways import Ahead
from fusion.trodden import REACH_M

GATE = 13.8155

spread = st.floats(0.2, 150.0)
leaning = st.floats(-0.9, 0.9)


def covariance(sigma_x, sigma_y, rho) -> tuple[float, float, float]:
    return sigma_x**2, rho * sigma_x * sigma_y, sigma_y**2


@st.composite
def motions(draw) -> Motion:
    place, speed = st.floats(-500.0, 500.0), st.floats(-15.0, 15.0)
    a = covariance(draw(spread), draw(spread), draw(leaning))
    v = draw(st.floats(0.1, 10.0))
    # Position and velocity correlated along each axis, never beyond what a covariance allows.
    b0, b3 = (0.7 * draw(leaning) * math.sqrt(a[i]) * v for i in (0, 2))
    return Motion(
        draw(place),
        draw(place),
        draw(speed),
        draw(speed),
        a,
        (b0, 0, 0, b3),
        (v * v, 0, v * v),
    )


@st.composite
def tracks(draw) -> Track:
    motion, way_m = draw(motions()), st.floats(-60.0, 60.0)
    onward = draw(motions())._replace(x_m=motion.x_m + draw(way_m), y_m=motion.y_m + draw(way_m))
    return Track(
        id=f"trk-{draw(st.integers(0, 10**9))}",
        born_s=0.0,
        seen_s=0.0,
        motion=motion,
        ahead=draw(st.none() | st.just(Ahead(0.0, onward))),
        bias=covariance(draw(st.floats(0.0, 20.0)), draw(st.floats(0.0, 20.0)), draw(leaning)),
        votes=(),
        label="person",
        kind="person",
        sightings=(),
        hits=1,
        confirmed=False,
        line_s=-math.inf,
        simulated=False,
    )


@given(
    known=st.lists(tracks(), min_size=1, max_size=6, unique_by=lambda track: track.id),
    fix=st.tuples(st.floats(-600.0, 600.0), st.floats(-600.0, 600.0)),
    cov=st.builds(covariance, spread, spread, leaning),
    put_s=st.floats(0.0, 10.0),
    later_s=st.floats(0.0, 2.0),
)
def test_whoever_lies_in_the_gate_is_found(known, fix, cov, put_s, later_s) -> None:
    grid = Nearby(GATE)
    for track in known:
        grid.put(track, put_s, 0.3)
    found = grid.about(*fix, cov[0], cov[2])
    for track in known:
        start = track.motion if track.ahead is None else track.ahead.motion
        motion = predicted(start, put_s + later_s, 0.3)
        d2, det = mahalanobis(motion, *fix, plus(cov, track.bias))
        reach_m = [REACH_M + math.sqrt(GATE * variance) for variance in (cov[0], cov[2])]
        here = (track.motion.x_m, track.motion.y_m)
        if any(abs(to - at) > most for to, at, most in zip(fix, here, reach_m, strict=True)):
            continue
        if det > 0.0 and 0.0 <= d2 <= GATE:
            assert track.id in found


@given(known=st.lists(tracks(), max_size=6, unique_by=lambda track: track.id), moved=tracks())
def test_what_was_moved_and_dropped_leaves_nothing_behind(known, moved) -> None:
    grid = Nearby(GATE)
    for track in known:
        grid.put(track, 0.0, 0.3)
        grid.put(Track(**as_dict(track) | {"motion": moved.motion, "ahead": None}), 1.0, 0.3)
    for track in known:
        grid.drop(track.id)
    assert not grid.about(0.0, 0.0, 1e6, 1e6)
    assert not grid._cells


def as_dict(track: Track) -> dict:
    return {name: getattr(track, name) for name in track.__struct_fields__}


def test_a_track_far_away_is_not_asked() -> None:
    near, far = (
        Track(
            id=name, born_s=0.0, seen_s=0.0, bias=(0, 0, 0), votes=(), label="person",
            kind="person", sightings=(), hits=1, confirmed=True, line_s=0.0, simulated=False,
            motion=Motion(x_m, 0.0, 1.0, 0.0, (1, 0, 1), (0, 0, 0, 0), (1, 0, 1)),
        )
        for name, x_m in (("near", 5.0), ("far", 500.0))
    )  # fmt: skip
    grid = Nearby(GATE)
    grid.put(near, 0.0, 0.3)
    grid.put(far, 0.0, 0.3)
    assert list(grid.about(0.0, 0.0, 1.0, 1.0)) == ["near"]
