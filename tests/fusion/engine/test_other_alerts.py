"""Alerts that are no crossing, as people read them: one each, whatever the order of arrival."""

import random
from typing import Any

import pytest

from edge.messages import AlertKind
from fusion.sector import load_sector
from fusion.watchlist.register import COLUMNS

LOITERING = "[rules.loitering]\nfor_s = 30.0\n"


def told(make, at, *, second, sigma_m=60.0, name="1", label="person") -> dict[str, Any]:
    """A villager's word about a place."""
    eye = make.eye("thon-1", fps=1.0, sigma_m=0.001, detect=1.0)
    world = make.world([make.walker([(0, *at), (1, *at)], label=label)], eyes=[eye], until_s=1)
    (line,) = world.messages()
    (seen,) = line["payload"]["detections"]
    seen |= {"cov_m2": [sigma_m**2, 0.0, sigma_m**2], "confidence": 0.5}
    captured = make.start.after(second).rfc3339()
    line["payload"] |= {"captured_at": captured, "message_id": f"tip-{name}"}
    line["payload"]["sensor"] |= {"kind": "tip"}
    line["received_at"] = make.start.after(second + 0.1).rfc3339()
    return line


def in_order(*lines: Any) -> list[Any]:
    return sorted(lines, key=lambda line: line["received_at"])


def waiting(make, at=(0, -80), *, until_s=60) -> Any:
    return make.walker([(0, *at), (until_s, *at)])


def test_words_alone_are_one_low_alert_and_no_track_however_many(make, sector, run) -> None:
    words = [told(make, (5 * k, -3.0 + 2 * k), second=2 * k, name=str(k)) for k in range(8)]
    outcome = run(sector, words)
    (alert,), (incident,) = outcome.alerts, outcome.standing
    assert (alert.kind, alert.severity, alert.track_ids) == (AlertKind.TIP, "low", ())
    assert incident.devices == ("thon-1",)
    assert outcome.lines == []
    assert outcome.engine.counts.tracks == 0


def test_a_vague_word_is_counted_and_no_alert(make, sector, run) -> None:
    outcome = run(sector, [told(make, (0, -80), second=1, sigma_m=900.0)])
    assert (outcome.alerts, outcome.engine.counts.untracked) == ([], 1)


@pytest.mark.parametrize(("second", "severity"), [(5, "medium"), (50, "medium"), (None, "low")])
def test_a_word_before_or_after_makes_what_a_camera_saw_more_urgent(
    make, sector_maker, run, second, severity
) -> None:
    sector = sector_maker.load(rules=LOITERING)
    lines = make.world([waiting(make)], until_s=60).messages()
    if second is not None:
        lines.append(told(make, (40, -120), second=second))
    outcome = run(sector, in_order(*lines))
    (loitering,) = [one for one in outcome.standing if one.kind is AlertKind.LOITERING]
    assert loitering.severity == severity
    (alert,) = [one for one in outcome.alerts if one.kind is AlertKind.LOITERING]
    agrees = [reason.code for reason in alert.reasons if reason.code == "tip_agrees"]
    assert agrees == (["tip_agrees"] if second == 5 else [])


def test_a_word_about_who_crossed_makes_the_crossing_more_urgent(make, sector, run) -> None:
    crosser = make.walker([(0, 10, -40), (60, 10, 32)])
    lines = make.world([crosser], until_s=60).messages()
    outcome = run(sector, in_order(*lines, told(make, (40, -60), second=5)))
    (crossing,) = [one for one in outcome.standing if one.kind is AlertKind.CROSSING]
    assert crossing.severity == "critical"
    assert len([one for one in outcome.alerts if one.kind is AlertKind.CROSSING]) == 1


@pytest.mark.parametrize("seed", range(2))
def test_within_the_horizon_the_order_of_arrival_changes_none_of_these(
    make, sector_maker, run, seed
) -> None:
    zone = make.feature(
        "Polygon", sector_maker.square(60, -80, 15), id="kho", name="Kho", kind="restricted"
    )
    sector = sector_maker.load(rules=LOITERING, zones=make.collection(zone))
    people = [waiting(make), make.walker([(0, 20, -80), (60, 92, -80)])]
    eyes = [make.eye("cam-1", fps=2.0), make.eye("cam-2", fps=2.0, phase_s=0.07)]
    lines = make.world(people, eyes=eyes, until_s=60).messages()
    lines += [told(make, (30, -60), second=30), told(make, (800, -300), second=12, name="far")]

    def facts(outcome) -> Any:
        return sorted(
            (one.incident_id, one.kind, one.severity, one.opened_at, one.track_ids, one.devices)
            for one in outcome.standing
        )

    in_time = facts(run(sector, in_order(*lines)))
    assert {fact[1] for fact in in_time} >= {"tip", "loitering", "zone"}
    dice = random.Random(seed)
    late = []
    for line in lines:
        moved = dict(line)
        is_late = line["payload"]["device_id"] != "cam-1" or dice.random() < 0.1
        if is_late:
            captured = make.start.parse(line["payload"]["captured_at"])
            moved["received_at"] = captured.after(dice.uniform(1.0, 200.0)).rfc3339()
            moved["payload"] = line["payload"] | {"sent_at": moved["received_at"]}
        late.append(moved)
    assert facts(run(sector, in_order(*late))) == in_time


def test_a_plate_on_the_list_is_one_alert_with_its_lead_though_tracks_change(
    make, sector_maker, run
) -> None:
    path = sector_maker.write()
    row = {
        "entry_id": "W-1", "category": "organiser", "plate": "29A-123.45", "purpose": "p",
        "legal_basis": "b", "requested_by": "An", "approved_by": "Bình",
        "expires_at": "2027-01-01",
    }  # fmt: skip
    listed = path.with_name("list.csv")
    listed.write_text(
        ",".join(COLUMNS) + "\n" + ",".join(row.get(name, "") for name in COLUMNS) + "\n"
    )
    sector = load_sector(path, watchlist_file=listed)
    truck = make.walker([(0, -300, -160), (75, 300, -160)], label="truck")
    eye = make.eye(blind=lambda t: 30.0 < t < 60.0)  # two tracks of one vehicle
    lines = make.world([truck], eyes=[eye], until_s=75).messages()
    for line in lines:
        for seen in line["payload"]["detections"]:
            seen["plate"] = {"text": "29A-I23.45", "confidence": 0.8}
    (alert,) = run(sector, lines).alerts
    assert (alert.kind, alert.lead.entry_id) == (AlertKind.WATCHLIST, "W-1")
    assert alert.lead.agrees[0] == "plate_but_for_mistakes"


def test_a_drop_off_is_over_when_the_vehicle_has_gone_though_its_people_stay(
    make, sector_maker, run
) -> None:
    trail = make.feature("LineString", sector_maker.line((0, -280), (0, -30)), id="khe")
    sector = sector_maker.load(trails=make.collection(trail))
    drives = [(0, -80, -300), (10, 0, -300), (30, 0, -300), (42, 100, -300), (70, 330, -300)]
    people = [make.walker([(14 + k, 2.0 * k, -297), (90, 2.0 * k, -290)]) for k in range(3)]
    world = make.world([make.walker(drives, label="car"), *people], until_s=90)
    outcome = run(sector, world.messages())
    (alert,) = [one for one in outcome.alerts if one.kind is AlertKind.RENDEZVOUS]
    assert alert.reasons[0].code == "drop_off"
    incident = outcome.incidents[alert.incident_id]
    assert len(incident.track_ids) == 4
    # The people of its reason, and not the vehicle.
    assert (incident.headcount, incident.headcount_max) == (3, 3)
    assert make.start.after(45) < incident.ended_at < make.start.after(75)


def test_a_farmer_who_strays_over_the_edge_of_the_field_stays_on_record_only(
    make, sector_maker, run
) -> None:
    field = make.feature(
        "Polygon", sector_maker.square(0, -80, 20), id="ruong", name="Ruộng", kind="farmland"
    )
    sector = sector_maker.load(rules=LOITERING, zones=make.collection(field))
    strays = make.walker([(0, 12, -80), (50, 14, -80), (70, 24, -80), (110, 24, -80)])
    outcome = run(sector, make.world([strays], until_s=110).messages())
    assert [one.kind for one in outcome.alerts] == []


def test_who_comes_back_long_after_is_told_of_again(make, sector_maker, run) -> None:
    """The track outlived what was known of its first stay: its second one had the same name."""
    zone = make.feature("Polygon", sector_maker.square(0, -150, 30), id="z", kind="restricted")
    sector = sector_maker.load(
        zones=make.collection(zone), rules="[rules.time]\nhorizon_s = 60.0\n"
    )
    walker = make.walker([
        (0, 0, -250), (80, 0, -150), (140, 0, -150), (220, 0, -250), (1000, 0, -250),
        (1080, 0, -150), (1140, 0, -150),
    ])  # fmt: skip
    world = make.world([walker], eyes=[make.eye(sigma_m=1.0, fps=1.0)], until_s=1140)
    outcome = run(sector, world.messages())
    first, second = outcome.alerts
    assert first.track_ids == second.track_ids
    assert first.alert_id != second.alert_id
    assert set(outcome.incidents) == {first.incident_id, second.incident_id}
    assert outcome.incidents[first.incident_id].opened_at < make.start.after(140)
