"""Who crossed: evidence on both sides, one event a way, silence for those who walk along."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import RefusedError
from fusion.situation.crossing import belief
from fusion.situation.watch import Evidence, Watch


@pytest.mark.parametrize(
    ("bias_m2", "device", "expected"),
    [
        (0.0, "cam-1", 0.911963),
        (18.0, "cam-1", 0.910468),  # correlation 0.5
        (28.8, "cam-1", 0.910443),  # 0.8
        (28.8, "cam-2", 0.911963),  # two devices share no bias
    ],
)
def test_what_is_believed_of_both_sides_is_the_vector_of_the_domain(
    bias_m2, device, expected
) -> None:
    """12 m at home, then 9 m beyond, each with 6 m of error (DOMAIN.md 5.4)."""
    before = Evidence(0.0, 12.0, 36.0 - bias_m2, bias_m2, "cam-1")
    now = Evidence(1.0, -9.0, 36.0 - bias_m2, bias_m2, device)
    assert belief(Watch(home=True, surest=before), now) == pytest.approx(expected, abs=1e-6)


def crossing_north(make, *, at_s=20.0, east_m=10.0, speed=1.2, until_s=60.0) -> object:
    return make.walker([(0.0, east_m, -at_s * speed), (until_s, east_m, (until_s - at_s) * speed)])


def test_someone_walks_abroad(make, sector, run) -> None:
    outcome = run(sector, make.world([crossing_north(make)]).messages())
    (alert,) = outcome.alerts
    (incident,) = outcome.standing
    assert alert.direction == "outbound"
    assert alert.severity == "high"
    assert alert.probability >= 0.95
    assert 0.0 <= alert.raised_at.seconds_since(make.start) - 20.0 <= 4.0
    assert 0.0 <= alert.issued_at.seconds_since(alert.raised_at) <= 1.0
    assert abs(alert.place.chainage_m - 2010.0) <= 3.0
    assert (alert.headcount, incident.headcount) == (1, 1)
    assert alert.incident_id == incident.incident_id
    assert incident.alert_ids == (alert.alert_id,)
    assert alert.reasons[0].code == "crossed_line"
    assert not alert.simulated


def test_someone_walks_home(make, sector, run) -> None:
    walker = make.walker([(0, 0, 25), (50, 0, -35)])
    (alert,) = run(sector, make.world([walker]).messages()).alerts
    assert (alert.direction, alert.severity) == ("inbound", "medium")


def test_a_simulated_walker_raises_a_simulated_alert(make, sector, run) -> None:
    world = make.world([crossing_north(make)], simulated=True)
    assert [alert.simulated for alert in run(sector, world.messages()).alerts] == [True]


def test_someone_first_seen_beyond_did_not_cross(make, sector, run) -> None:
    walker = make.walker([(0, 0, 4), (50, 0, 60)])
    assert run(sector, make.world([walker]).messages()).alerts == []


def test_a_return_is_a_second_event(make, sector, run) -> None:
    walker = make.walker([(0, 0, -24), (40, 0, 24), (80, 0, -24)])
    outcome = run(sector, make.world([walker], until_s=80).messages())
    assert [alert.direction for alert in outcome.alerts] == ["outbound", "inbound"]
    assert len({alert.incident_id for alert in outcome.alerts}) == 2


@pytest.mark.parametrize("seed", range(4))
def test_turning_back_before_the_line_is_no_crossing(make, sector, run, seed) -> None:
    walker = make.walker([(0, 0, -30), (20, 0, -6), (40, 0, -30)])
    assert run(sector, make.world([walker], seed=seed).messages()).alerts == []


@pytest.mark.slow
@pytest.mark.parametrize("sigmas", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("share_of_bias", [0.0, 1.0])
def test_walking_along_the_line_is_no_crossing(make, sector, run, sigmas, share_of_bias) -> None:
    """DOMAIN.md 5.4: verify false alarms with a walker parallel to the line at 0.5 to 3 sigma."""
    eye = make.eye(sigma_m=3.0, fps=2.0, bias_sigma_m=3.0 * share_of_bias)
    away_m = -3.0 * sigmas
    walker = make.walker([(0, -600, away_m), (500, 600, away_m), (1000, -600, away_m)])
    world = make.world([walker], eyes=[eye], until_s=1000, seed=int(sigmas * 10))
    outcome = run(sector, world.messages())
    assert outcome.engine.counts.tracks >= 1
    assert outcome.alerts == []


def test_two_cameras_that_disagree_by_their_bias_make_no_crossing(make, sector, run) -> None:
    walker = make.walker([(0, -60, -2), (120, 60, -2)])
    eyes = [
        make.eye("cam-1", sigma_m=0.5, bias_m=(0, -4), bias_sigma_m=4, sees=lambda x, _: x < 5),
        make.eye("cam-2", sigma_m=0.5, bias_m=(0, 5), bias_sigma_m=4, sees=lambda x, _: x > -5),
    ]
    assert run(sector, make.world([walker], eyes=eyes, until_s=120).messages()).alerts == []


@pytest.mark.parametrize("label", ["car", "cow"])
def test_only_people_cross_unless_the_rules_say_otherwise(make, sector_maker, run, label) -> None:
    walker = make.walker([(0, 10, -24), (60, 10, 48)], label=label)
    messages = make.world([walker]).messages()
    assert run(sector_maker.load(), messages).alerts == []
    rules = f'[rules.crossing]\nlabels = ["person", "{label}"]\n'
    assert len(run(sector_maker.load(rules=rules), messages).alerts) == 1


@pytest.mark.parametrize("kink_m", [-30.0, 30.0])
def test_crossing_at_a_kink_is_one_crossing(make, sector_maker, run, kink_m) -> None:
    line = sector_maker.line((-300, 0), (0, kink_m), (300, 0))
    border = make.collection(make.feature("LineString", line, home_side="right"))
    walker = make.walker([(0, 0, kink_m - 24), (60, 0, kink_m + 48)])
    outcome = run(sector_maker.load(border=border), make.world([walker]).messages())
    assert [alert.direction for alert in outcome.alerts] == ["outbound"]


def test_walking_round_a_kink_at_home_is_no_crossing(make, sector_maker, run) -> None:
    line = sector_maker.line((-300, -300), (0, 0), (300, -300))
    border = make.collection(make.feature("LineString", line, home_side="left"))
    walker = make.walker([(0, -60, -45), (60, 0, 12), (120, 60, -45)])
    world = make.world([walker], until_s=120)
    assert run(sector_maker.load(border=border), world.messages()).alerts == []


def test_going_round_the_end_of_the_line_is_no_crossing(make, sector_maker, run) -> None:
    line = sector_maker.line((-300, 0), (0, 0))
    border = make.collection(make.feature("LineString", line, home_side="right"))
    walker = make.walker([(0, -20, -20), (30, 15, -20), (60, 15, 20), (90, -20, 20)])
    world = make.world([walker], until_s=90)
    assert run(sector_maker.load(border=border), world.messages()).alerts == []


def test_drawing_the_line_the_other_way_changes_nothing(make, sector_maker, run) -> None:
    points = [(-500, -20), (0, 0), (400, 30)]
    messages = make.world([crossing_north(make)]).messages()
    said = []
    for order, home in ((1, "right"), (-1, "left")):
        line = sector_maker.line(*points[::order])
        border = make.collection(make.feature("LineString", line, home_side=home))
        (alert,) = run(sector_maker.load(border=border), messages).alerts
        said.append((alert.incident_id, alert.direction, alert.raised_at, alert.headcount))
        said[-1] += (round(alert.probability, 3),)
    assert said[0] == said[1]


def test_turning_the_home_side_turns_the_direction(make, sector_maker, run) -> None:
    line = sector_maker.line((-500, 0), (500, 0))
    border = make.collection(make.feature("LineString", line, home_side="left"))
    messages = make.world([crossing_north(make)]).messages()
    (alert,) = run(sector_maker.load(border=border), messages).alerts
    assert alert.direction == "inbound"


@settings(max_examples=8, deadline=None)
@given(lat=st.floats(-60, 60), lon=st.floats(-170, 170))
def test_the_same_scene_anywhere_on_earth_is_decided_alike(
    make, run, tmp_path_factory, lat, lon
) -> None:
    from fusion.sector import load_sector  # noqa: PLC0415 - beside the scene it loads

    folder = tmp_path_factory.mktemp("anywhere")
    world = make.world([make.walker([(0, 10, -24), (40, 10, 24)])], until_s=40, lat=lat, lon=lon)
    path = make.sector_at(folder, lat, lon)
    (alert,) = run(load_sector(path), world.messages()).alerts
    assert alert.probability == pytest.approx(0.9868, abs=1e-3)
    assert alert.raised_at.seconds_since(make.start) == pytest.approx(22.4)


def line_of(make, sector_maker, **properties: object) -> object:
    line = sector_maker.line((-500, 0), (500, 0))
    return make.collection(make.feature("LineString", line, home_side="right", **properties))


def test_an_undemarcated_line_is_told_of_once_its_whole_strip_was_passed(
    make, sector_maker, run
) -> None:
    border = line_of(make, sector_maker, status="undemarcated", strip_m=12.0)
    messages = make.world([crossing_north(make)]).messages()
    (alert,) = run(sector_maker.load(border=border), messages).alerts
    assert ("line_undemarcated", 24.0) in [(one.code, one.value) for one in alert.reasons]
    assert 30.0 < alert.raised_at.seconds_since(make.start) < 34.0


def test_without_a_width_the_strip_follows_from_the_error_of_the_line(make, sector_maker) -> None:
    border = line_of(make, sector_maker, status="undemarcated", sigma_m=5.0)
    assert sector_maker.load(border=border).border.pieces[0].half_m == pytest.approx(10.0)


def test_staying_in_the_strip_is_no_crossing(make, sector_maker, run) -> None:
    border = line_of(make, sector_maker, status="undemarcated", strip_m=12.0)
    walker = make.walker([(0, 0, -40), (40, 0, 8), (100, 40, 8)])
    messages = make.world([walker], until_s=100).messages()
    assert run(sector_maker.load(border=border), messages).alerts == []


def test_a_river_is_crossed_from_bank_to_bank(make, sector_maker, run) -> None:
    border = line_of(make, sector_maker, status="river", river_width_m=30.0)
    over = make.walker([(0, -60, -40), (60, -60, 40)])
    swims_back = make.walker([(0, 60, -40), (40, 60, 10), (80, 60, -40)])
    messages = make.world([over, swims_back], until_s=80).messages()
    (alert,) = run(sector_maker.load(border=border), messages).alerts
    assert ("line_river", 30.0) in [(one.code, one.value) for one in alert.reasons]
    assert alert.headcount == 1


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"strip_m": 5.0}, "strip_m is for status undemarcated, and its status is demarcated"),
        ({"status": "undemarcated", "river_width_m": 5.0}, "river_width_m is for status river"),
        ({"status": "river", "river_width_m": 0}, "river_width_m 0 is not a number above 0"),
        ({"status": "undemarcated", "strip_m": "wide"}, "strip_m 'wide' is not a number"),
    ],
)
def test_a_width_that_cannot_be_is_refused(make, sector_maker, properties, sentence) -> None:
    with pytest.raises(RefusedError, match=sentence):
        sector_maker.load(border=line_of(make, sector_maker, **properties))


@pytest.mark.parametrize("gap_s", [8.0, 13.0])
def test_who_came_over_while_nobody_looked_is_inferred(make, sector, run, gap_s) -> None:
    eye = make.eye(blind=lambda t: abs(t - 20.0) <= gap_s / 2.0)
    (alert,) = run(sector, make.world([crossing_north(make)], eyes=[eye]).messages()).alerts
    (unseen_s,) = [one.value for one in alert.reasons if one.code == "inferred_in_gap"]
    assert unseen_s == pytest.approx(gap_s, abs=1.0)
    assert abs(alert.place.chainage_m - 2010.0) <= 3.0
    (watched,) = run(sector, make.world([crossing_north(make)]).messages()).alerts
    assert "inferred_in_gap" not in [one.code for one in watched.reasons]


@pytest.mark.parametrize("confidence", [0.3, 0.6])
def test_what_flickers_beyond_the_line_is_not_who_walked_along_it(
    make, sector, run, confidence
) -> None:
    """Two false detections 1.5 s apart, 12 s after he was lost, brought a walker over the line."""
    along = make.walker([(0, -30, -20), (30, 0, -20)])  # and out of view
    flickers = make.walker([(42, 15, 5), (60, 16, 5)])
    eye, shown = make.eye(), {42.0, 43.4, 43.8, 47.0}
    messages = make.world([along, flickers], eyes=[eye], until_s=60).messages()
    for number, line in enumerate(messages):
        seen = line["payload"]["detections"]
        if number / eye.fps > 31.0:
            seen[:] = seen if any(abs(number / eye.fps - t) < 0.01 for t in shown) else []
            for one in seen:
                one["confidence"] = confidence
    assert sum(bool(line["payload"]["detections"]) for line in messages[160:]) >= 3
    assert [alert.kind for alert in run(sector, messages).alerts] == []
