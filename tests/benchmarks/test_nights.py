"""The nights and their scoring: they must be right before they may judge the engine."""

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.benchmarks.nights import negatives, night
from tests.benchmarks.nights.__main__ import run
from tests.benchmarks.nights.cameras import posted
from tests.benchmarks.nights.ground import Ground, grown
from tests.benchmarks.nights.matters import matters_of
from tests.benchmarks.nights.night import Ingredients, Night
from tests.benchmarks.nights.people import Cast, People
from tests.benchmarks.nights.pictures import pictures
from tests.benchmarks.nights.scoring import outcome, scored
from tests.benchmarks.nights.truth import GroupTruth, Matter, Passage, Sight, Truth, passages
from tests.benchmarks.nights.visits import visitors, with_zone
from tests.benchmarks.nights.ways import HZ, Ways
from tests.benchmarks.scoreboard.devices import Bias, Eye, Sigma
from tests.benchmarks.scoreboard.movers import Mover
from tests.benchmarks.scoreboard.sector import FRAME, Land
from tests.benchmarks.scoreboard.sightings import BEGAN_AT, Look
from tests.benchmarks.scoreboard.sightings import Sight as Sees

FLAT = Ground(((-500.0, 0.0), (500.0, 0.0)), Land((), (), ()), np.zeros((2, 2)), None)
SHORT = Ingredients(
    Cast(
        groups=3, turn_backs=1, guides=0.0, stragglers=0.0, farmers=1, animals=1, patrols=1,
        walkers=1, vehicles=1, full_s=160.0,
    ),
    trails=2, woods=0, fields=1, cameras=5,
)  # fmt: skip


def eye(at_m: tuple[float, float], aim_m: tuple[float, float]) -> Eye:
    stand = np.array([at_m])
    bias = Bias(0.0, 0.0, 0.0, 0.0, 0.0)
    return Eye(
        "cam-01", "camera", np.zeros(1), stand, 10.0, aim_m, 60.0, 150.0, 2.0, Sigma(), bias
    )


def straight(*points: tuple[float, float, float], name: str = "group-00-0") -> Mover:
    """Someone who is at `(s, x, y)`, straight in between."""
    ways = np.array(points)
    return Mover(name, "person", "person", ways[:, 0], ways[:, 1:])


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        night.make(tmp_path / name, SHORT, seed=seed, until_s=20.0)
    one, again, other = (tmp_path / name / "messages.jsonl" for name in ("one", "again", "other"))
    assert one.read_bytes() == again.read_bytes() != other.read_bytes()
    assert night.loaded("a", tmp_path / "one").truth == night.loaded("b", tmp_path / "again").truth


def test_home_lies_to_the_south_of_the_line() -> None:
    home_m = FLAT.home_m(np.array([(0.0, -7.0), (3.0, 4.0), (600.0, -1.0)]))
    assert home_m[:2].tolist() == [7.0, -4.0]
    chance = np.random.default_rng(3)
    ground = grown(chance, trails=3, woods=2, fields=2, gate=True)
    for trail in ground.land.trails:
        assert abs(ground.home_m(np.array([ground.exit_of(trail)]))[0]) < 0.5


def test_who_comes_over_the_line_is_seen_on_both_sides_or_not() -> None:
    """1 m/s over the line at 50 s, before a camera that looks at both sides until it is blind."""
    mover = straight((0.0, 0.0, -50.0), (100.0, 0.0, 50.0))
    watching = eye((0.0, -80.0), (0.0, 0.0))
    awake, blind = np.arange(0.0, 100.0, 0.5), np.arange(0.0, 51.0, 0.5)
    one, *none = passages(mover, FLAT, Sight((watching,), {"cam-01": awake}))
    assert (none, one.at_s, one.outbound, one.observable) == ([], pytest.approx(50.0), True, True)
    assert not passages(mover, FLAT, Sight((watching,), {"cam-01": blind}))[0].observable
    home = straight((0.0, 0.0, 50.0), (100.0, 0.0, -50.0))
    away = Sight((eye((0.0, -80.0), (0.0, -180.0)),), {"cam-01": awake})
    assert not passages(home, FLAT, away)[0].outbound
    assert not passages(home, FLAT, away)[0].observable


def test_whoever_dawdles_on_the_line_crosses_once() -> None:
    mover = straight((0, 0, -20), (20, 0, 0.4), (30, 0, -0.4), (40, 0, 0.4), (60, 0, 20))
    nobody = Sight((), {})
    assert [round(one.at_s) for one in passages(mover, FLAT, nobody)] == [35]
    back = straight((0, 0, -20), (20, 0, 5), (40, 0, -20))
    assert [one.outbound for one in passages(back, FLAT, nobody)] == [True, False]


def two_groups() -> Night:
    """A group of two over the line at 50 and 52 s, 60 m beside it one that turns back; a farmer."""
    movers = [
        straight((0, 0, -50), (120, 0, 70)),
        straight((0, 0, -52), (120, 0, 68), name="group-00-1"),
        straight((0, 60, -70), (60, 60, -10), (120, 60, -70), name="group-01-0"),
        straight((0, 200, -30), (120, 200, -30), name="farmer-0"),
    ]
    crossed = tuple(
        Passage(f"group-00-{number}", 50.0 + 2 * number, 0.0, 0.0, True, True)
        for number in range(2)
    )
    groups = (
        GroupTruth("group-00", (), 2, crossed, -40.0, -70.0),
        GroupTruth("group-01", ("turn_back",), 1, (), 5.0, 10.0),
    )
    return Night("two", Path(), Truth(120.0, groups, (), 0.0), Ways.of(movers, 120.0))


def told(
    folder: Path,
    one: Night,
    *alerts: tuple[str, str, float, int],
    states: dict[str, str] | None = None,
) -> dict[str, object]:
    """Write replay's files: each alert `(kind, track, s, headcount)`, a track named as its mover."""
    lines: dict[str, list[dict[str, object]]] = {
        "tracks": [], "alerts": [], "incidents": [], "suppressed": [],
    }  # fmt: skip
    for name, begins, ends in zip(
        one.ways.names, one.ways.begins, one.ways.begins[1:], strict=False
    ):
        for step, (x_m, y_m) in enumerate(one.ways.xy_m[begins:ends].tolist()):
            lat, lon = FRAME.to_wgs84(x_m, y_m)
            t = BEGAN_AT.after(step / HZ).rfc3339()
            line = {"track_id": name, "t": t, "lat": lat, "lon": lon, "state": "confirmed"}
            lines["tracks"].append(line)
    for number, (kind, track, at_s, headcount) in enumerate(alerts):
        fact = {
            "incident_id": f"inc-{number}", "alert_id": f"alr-{number}", "kind": kind, "lat": 1.2,
            "lon": -12.3, "direction": "outbound", "headcount": headcount, "probability": 1.0,
            "headcount_min": 1, "headcount_max": headcount, "track_ids": [track],
            "devices": [], "raised_at": BEGAN_AT.after(at_s).rfc3339(),
        }  # fmt: skip
        lines["alerts"].append(fact)
        lines["incidents"].append(
            fact | {"state": (states or {}).get(track, "new"), "alert_ids": [f"alr-{number}"]}
        )
    for name, records in lines.items():
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(text)
    figures, _ = scored(outcome(one, folder))
    return figures


def test_one_alert_at_the_right_time_scores_perfectly(tmp_path: Path) -> None:
    approach, crossing = ("approach", "group-00-0", -15.0, 2), ("crossing", "group-00-0", 53.0, 2)
    back = ("approach", "group-01-0", 40.0, 1)
    figures = told(
        tmp_path, two_groups(), approach, crossing, back, states={"group-01-0": "no_threat"}
    )
    assert figures["recall"] == figures["precision"] == figures["direction right"] == 1.0
    assert (figures["repeats"], figures["headcount exact"]) == (0, 1.0)
    assert figures["delay s, median"] == 3.0
    assert figures["approach: warned"] == 1.0
    assert figures["approach: lead s, median"] == 65.0
    assert figures["turned back: approach ended as no_threat"] == 1.0
    assert figures["turned back: without a crossing alert"] == 1.0
    assert figures["alerts of no group"] == {}


def test_a_repeat_a_false_alert_and_a_wrong_count_are_told_apart(tmp_path: Path) -> None:
    figures = told(
        tmp_path,
        two_groups(),
        ("crossing", "group-00-0", 49.0, 1),
        ("crossing", "group-00-1", 60.0, 1),
        ("crossing", "farmer-0", 70.0, 1),
        ("crossing", "group-01-0", 61.0, 1),
    )
    assert (figures["recall"], figures["precision"]) == (1.0, 0.5)
    assert (figures["repeats"], figures["told before the line"]) == (1, 1)
    assert (figures["headcount exact"], figures["headcount error, mean"]) == (0.0, 1.0)
    assert figures["turned back: without a crossing alert"] == 0.0
    assert figures["alerts of no group"] == {"crossing of farmer": 1}


def test_what_was_withdrawn_is_missed(tmp_path: Path) -> None:
    crossing = ("crossing", "group-00-0", 53.0, 2)
    figures = told(tmp_path, two_groups(), crossing, states={"group-00-0": "withdrawn"})
    assert (figures["recall"], figures["withdrawn"]) == (0.0, 1)


def test_a_stay_that_was_told_and_one_that_was_not_are_told_apart(tmp_path: Path) -> None:
    seen, unseen = (
        Matter(kind, about, 20.0, 60.0, expected=True)
        for kind, about in (("loitering", ("farmer-0",)), ("zone", ("group-00", "farmer-0")))
    )
    some = two_groups()
    some = some._replace(truth=replace(some.truth, matters=(seen, unseen)))
    figures = told(
        tmp_path,
        some,
        ("loitering", "farmer-0", 50.0, 1),
        ("loitering", "group-01-0", 50.0, 1),
        ("zone", "group-00-1", 110.0, 1),
        ("zone", "group-00-1", 121.0, 1),
    )
    assert (figures["loitering: told"], figures["loitering: false alerts"]) == (1.0, 1)
    assert (figures["zone: told"], figures["zone: false alerts"]) == (1.0, 1)
    assert (figures["rendezvous: to be told"], figures["rendezvous: told"]) == (0, None)


def test_who_stays_meets_a_vehicle_or_enters_the_zone_asks_for_an_alert() -> None:
    """In each of three nights; who walks through the zone is in it too, whoever it is."""
    for seed in range(3):
        chance = np.random.default_rng(seed)
        ground = with_zone(chance, grown(chance, trails=4, woods=0, fields=0, gate=False))
        visiting = tuple(visitors(chance, ground, 1_800.0))
        eyes = tuple(posted(chance, ground, 8))
        awake = {one.name: np.arange(0.0, 1_800.0, 0.5) for one in eyes}
        assert ground.zone is not None
        way = (ground.zone.x_m, ground.zone.y_m)
        passing = straight((0, way[0] - 40, way[1]), (80, way[0] + 40, way[1]), name="walker-0-0")
        found = list(matters_of(People((), (passing,), visiting), ground, Sight(eyes, awake)))
        about = [(one.kind, one.about[0]) for one in found]
        assert sorted(about) == [
            ("loitering", "stayer"),
            ("rendezvous", "meeting"),
            ("zone", "intruder"),
            ("zone", "walker-0-0"),
        ]
        assert sum(one.expected for one in found) >= 3


def test_a_short_night_is_told_as_it_was(tmp_path: Path) -> None:
    """Two groups cross and one turns back, among a farmer, cattle, a patrol and travellers."""
    night.make(tmp_path, SHORT, seed=44, until_s=160.0)
    made = night.loaded("short", tmp_path)
    assert [group.observable for group in made.truth.groups].count(True) >= 1
    figures, faults = run(made, out=tmp_path)
    assert figures["recall"] == figures["precision"] == 1.0, faults
    assert figures["turned back: without a crossing alert"] == 1.0, faults


def test_of_empty_hours_little_is_sent_and_of_whoever_is_in_view_everything() -> None:
    mover = straight((300.0, 0.0, -50.0), (340.0, 0.0, 20.0))
    watching, far = eye((0.0, -80.0), (0.0, 0.0)), straight((0.0, 400.0, 0.0), (900.0, 400.0, 1.0))
    sight = Sees(detect_near=1.0, detect_far=1.0, clutter=0.0)

    def sent(empty_clutter: float | None) -> list[Look]:
        chance = np.random.default_rng(5)
        return list(
            pictures(
                chance, watching, [far, mover], FLAT, sight, 900.0, empty_clutter=empty_clutter
            )
        )

    every, few = sent(None), sent(0.05)
    assert len(every) == 1800
    assert 80 <= len(few) < 500
    assert len({look.message.message_id for look in few}) == len(few)
    seen = sum(mover.id in look.truly for look in every)
    assert sum(mover.id in look.truly for look in few) == pytest.approx(seen, abs=1)
    clutter = [look for look in few if None in look.truly]
    assert 40 <= sum(look.truly.count(None) for look in clutter) <= 130
    assert all(not 295.0 <= look.captured_s <= 370.0 for look in clutter)


def test_a_quiet_day_raises_no_alert_but_of_who_was_on_the_way_to_the_line() -> None:
    day = negatives.lived(negatives.TUNING_SEED + 4, until_s=160.0)
    assert day.km == pytest.approx(1.16)
    assert 0.2 < day.watched_km < day.km
    assert set(day.alerts) <= {"approach of turn-back"}, day.faults


def test_none_in_sixty_km_days_bounds_the_rate_by_three_by_them() -> None:
    assert negatives._at_most(0, 60.0) == pytest.approx(3.0 / 60.0, abs=1e-3)
    assert negatives._at_most(1, 1.0) == pytest.approx(4.744, abs=1e-3)
