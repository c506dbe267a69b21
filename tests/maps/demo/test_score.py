import pytest

from edge.messages import (
    Alert,
    Detection,
    DetectionsMessage,
    Direction,
    Place,
    Sensor,
    UtcTime,
)
from maps.demo.landscape import latlon_of
from maps.demo.score import DeviceScore, explained_by, quantiles
from maps.demo.walkers import Role, crossings, walkers_at

NIGHT = UtcTime.parse("2026-03-14T16:40:00.000Z")
MOMENT_S = 24.0


def said(eye, *, shift_m=0.0, leave_out=0) -> DetectionsMessage:
    """Return what a perfect device would say, its positions shifted to the north."""
    camera = eye.config.camera
    whole = [one for one in eye.seen(MOMENT_S, seed=1) if one.is_whole(camera)]
    detections = []
    for one in whole[leave_out:]:
        lat, lon = latlon_of(one.place.east_m, one.place.north_m + shift_m)
        x1, y1, x2, y2 = one.box_px
        bbox = (
            x1 / camera.width_px,
            y1 / camera.height_px,
            x2 / camera.width_px,
            y2 / camera.height_px,
        )
        detections.append(
            Detection(
                label="person", confidence=0.8, bbox=bbox, lat=lat, lon=lon, cov_m2=(1.0, 0.0, 1.0)
            )
        )
    return DetectionsMessage(
        v=1,
        message_id="m",
        sector=eye.config.sector,
        device_id=eye.config.device_id,
        captured_at=NIGHT.after(MOMENT_S),
        sensor=Sensor(kind="camera", lat=eye.config.pose.lat, lon=eye.config.pose.lon),
        detections=tuple(detections),
    )


def scored(eye, message) -> dict:
    score = DeviceScore(eye, began_at=NIGHT, seed=1)
    score.take(message)
    return score.figures()


def test_a_perfect_device_scores_perfectly(eye_of) -> None:
    eye = eye_of("cam-01")
    figures = scored(eye, said(eye))
    assert figures["people_in_view"] == 3
    assert figures["detection_rate"] == 1.0
    assert figures["position_error_p90_m"] < 0.01
    assert figures["inside_90_ellipse"] == 1.0


def test_a_missed_person_lowers_the_rate(eye_of) -> None:
    eye = eye_of("cam-01")
    assert scored(eye, said(eye, leave_out=1))["detection_rate"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(("shift_m", "share"), [(2.1, 1.0), (2.2, 0.0)])
def test_the_ellipse_ends_at_2_146_sigma(eye_of, shift_m, share) -> None:
    eye = eye_of("cam-01")
    figures = scored(eye, said(eye, shift_m=shift_m))
    assert figures["position_error_median_m"] == pytest.approx(shift_m, abs=0.01)
    assert figures["inside_90_ellipse"] == share


def test_before_anybody_came_there_is_nothing_to_say(eye_of) -> None:
    figures = DeviceScore(eye_of("cam-01"), began_at=NIGHT, seed=1).figures()
    assert figures["detection_rate"] is None
    assert figures["position_error_median_m"] is None
    assert quantiles([]) == {"p50_s": None, "p95_s": None}


def alert(one, *, later_s=3.0, direction=Direction.OUTBOUND, kind="crossing") -> Alert:
    lat, lon = latlon_of(*one.place)
    at = NIGHT.after(one.night_s + later_s)
    return Alert(
        alert_id="a",
        incident_id="i",
        sector="bien-gia-lap",
        kind=kind,
        severity="high",
        raised_at=at,
        issued_at=at,
        lat=lat,
        lon=lon,
        probability=0.97,
        direction=direction,
        headcount=3,
        headcount_min=3,
        headcount_max=3,
        track_ids=("t",),
        devices=("cam-01",),
        place=Place(),
        reasons=(),
    )


def of_role(role) -> list:
    return [one for one in crossings(0.0, 120.0, seed=1) if one.role is role]


def test_the_group_s_crossing_explains_an_alert() -> None:
    group = of_role(Role.GROUP)
    assert explained_by(alert(group[0]), began_at=NIGHT, seed=1) == group


def test_an_approach_is_explained_by_who_is_there_and_will_cross() -> None:
    group = of_role(Role.GROUP)
    there = next(
        at for walker, at in walkers_at(5.0, seed=1) if walker.walker_id == group[0].walker_id
    )
    ahead = group[0]._replace(night_s=5.0, place=there)
    early = alert(ahead, later_s=0.0, kind="approach")
    assert set(explained_by(early, began_at=NIGHT, seed=1)) == set(group)
    elsewhere = ahead._replace(place=group[0].place)
    assert (
        explained_by(alert(elsewhere, later_s=0.0, kind="approach"), began_at=NIGHT, seed=1) == []
    )


@pytest.mark.parametrize("role", [Role.TRAVELLER, Role.PATROL])
def test_an_alert_about_a_traveller_or_a_patrol_is_false(role) -> None:
    for one in of_role(role):
        assert explained_by(alert(one), began_at=NIGHT, seed=1) == []


def test_an_alert_of_the_wrong_way_time_or_kind_is_false() -> None:
    one = of_role(Role.GROUP)[0]
    for wrong in ({"direction": Direction.INBOUND}, {"later_s": 60.0}, {"kind": "loitering"}):
        assert explained_by(alert(one, **wrong), began_at=NIGHT, seed=1) == []
