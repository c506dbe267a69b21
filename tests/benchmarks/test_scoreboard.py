"""The scoreboard's own measures and scenes: it must be right before it may judge anyone."""

import json
import math

import numpy as np
import pytest

from tests.benchmarks.scoreboard import ours, peer_process, peers, scenes
from tests.benchmarks.scoreboard.devices import drones, masts, placed
from tests.benchmarks.scoreboard.innovations import nis
from tests.benchmarks.scoreboard.metrics import (
    Instant,
    gospa,
    idf1,
    nees,
    score,
    squared,
    switches,
)
from tests.benchmarks.scoreboard.picture import Record, pictured

ONE, TWO = [(0.0, 0.0)], [(0.0, 0.0), (10.0, 0.0)]


def points(*xy_m: tuple[float, float]) -> np.ndarray:
    return np.array(xy_m, dtype=float).reshape(-1, 2)


def instant(people: str, tracks: str, *gaps_m: tuple[float, ...]) -> Instant:
    """One person or track a letter; one tuple of gaps a person."""
    gap_m = np.array(gaps_m, dtype=float).reshape(len(people), len(tracks))
    return Instant([ord(one) for one in people], list(tracks), gap_m)


def test_gospa_of_the_domain_notes() -> None:
    result = gospa(points(*TWO), points((1.0, 0.0)), cut_m=5.0)
    assert result.distance_m == pytest.approx(3.674235, abs=1e-6)
    assert (result.localisation, result.missed, result.false) == (1.0, 12.5, 0.0)


def test_gospa_is_symmetric_and_counts_what_has_no_partner() -> None:
    there = gospa(points(*TWO), points((1.0, 0.0)), cut_m=5.0)
    back = gospa(points((1.0, 0.0)), points(*TWO), cut_m=5.0)
    assert back.distance_m == there.distance_m
    assert back.false == there.missed
    assert gospa(points(), points()).distance_m == 0.0
    assert gospa(points(*ONE), points()).distance_m == pytest.approx(15.0 / math.sqrt(2.0))


def test_beyond_the_cut_two_points_are_one_missed_and_one_false() -> None:
    result = gospa(points(*ONE), points((15.0, 0.0)))
    assert (result.pairs, result.distance_m) == ((), 15.0)


def test_idf1_gives_each_person_one_track_for_good() -> None:
    """Ten instants; the track changes after six: the six count, the rest is wrong twice."""
    halves = [instant("a", "x", (1.0,))] * 6 + [instant("a", "y", (1.0,))] * 4
    assert idf1(halves) == pytest.approx(0.6)
    assert switches(halves) == 1


def test_a_gap_makes_a_switch_only_under_another_name() -> None:
    seen, gone = instant("a", "x", (1.0,)), instant("a", "")
    assert switches([seen, gone, seen]) == 0
    assert switches([seen, gone, instant("a", "y", (1.0,))]) == 1
    assert idf1([seen, gone, seen]) == pytest.approx(0.8)


def test_a_person_keeps_their_track_while_it_is_near_enough() -> None:
    """`y` came nearer, but `x` is still within ten metres; beyond them `y` takes over."""
    first = instant("a", "x", (1.0,))
    near, far = instant("a", "xy", (9.0, 1.0)), instant("a", "xy", (10.5, 1.0))
    assert switches([first, near]) == 0
    assert switches([first, near, far]) == 1


def test_two_who_exchange_their_tracks_are_two_switches() -> None:
    straight = instant("ab", "xy", (1.0, 12.0), (12.0, 1.0))
    crossed = instant("ab", "xy", (12.0, 1.0), (1.0, 12.0))
    assert switches([straight, crossed]) == 2
    assert idf1([straight, straight, crossed]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("seed", "expected_idf1", "expected_switches"),
    [
        (0, 0.42038216560509556, 27),
        (1, 0.5116279069767442, 15),
        (2, 0.23529411764705882, 0),
        (7, 0.37668161434977576, 44),
        (23, 0.6428571428571429, 3),
    ],
)
def test_as_motmetrics_has_it(seed: int, expected_idf1: float, expected_switches: int) -> None:
    """What py-motmetrics 1.4.0 gave on the same random instants (of 60, all agreed)."""
    chance = np.random.default_rng(seed)
    length, people, tracks = chance.integers(5, 40), chance.integers(1, 5), chance.integers(1, 6)
    run = []
    for _ in range(length):
        there = [one for one in range(people) if chance.random() < 0.85]
        said = [f"t{one}" for one in range(tracks) if chance.random() < 0.8]
        gap_m = np.round(chance.uniform(0, 20, (len(there), len(said))), 2)
        run.append(Instant(there, said, gap_m))
    assert idf1(run) == pytest.approx(expected_idf1, abs=1e-9)
    assert switches(run) == expected_switches


def test_nees_counts_a_track_on_the_person_it_is_on_the_longest() -> None:
    errors = {("x", 1): [2.0, 2.0, 2.0], ("x", 2): [90.0], ("y", 2): [4.0] * 3}
    mean, low, high = nees(errors, devices=6)
    assert mean == 3.0
    # chi² with 4 degrees of freedom, halved: two tracks of the same length are two draws
    assert (low, high) == (pytest.approx(0.2422, abs=1e-3), pytest.approx(5.5716, abs=1e-3))
    assert math.isnan(nees({}, devices=6).mean)


def test_tracks_that_share_one_device_are_one_draw() -> None:
    """All of them are off by its bias: a hundred tracks tell no more of it than one."""
    tracks = {(f"t{number}", number): [2.0] for number in range(100)}
    assert nees(tracks, devices=1).high == pytest.approx(7.378, abs=1e-3)


def test_an_error_is_measured_by_its_covariance() -> None:
    assert squared(np.array([3.0, 4.0]), (1.0, 0.0, 1.0)) == 25.0
    assert squared(np.array([2.0, 0.0]), (4.0, 0.0, 1.0)) == 1.0


def test_a_record_stands_two_seconds_and_moves_on() -> None:
    times_s = np.arange(0.0, 5.0, 0.5)
    record = Record("x", 1.0, 10.0, 0.0, 2.0, 0.0, (1.0, 0.0, 1.0), "person")
    picture = pictured([record], times_s)
    assert [len(said) for said in picture] == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0]
    assert picture[4][0].x_m == 12.0
    ended = record._replace(at_s=1.7, ends=True)
    assert [len(said) for said in pictured([record, ended], times_s)].count(1) == 2
    assert not any(pictured([record._replace(label="cow")], times_s))


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again, other = (scenes.unseen(seed, until_s=10.0) for seed in (11, 11, 12))
    assert [line.encoded() for line in first.lines] == [line.encoded() for line in again.lines]
    assert np.array_equal(first.truth.xy_m, again.truth.xy_m, equal_nan=True)
    assert [line.encoded() for line in first.lines] != [line.encoded() for line in other.lines]


def test_devices_are_as_far_off_as_they_declare() -> None:
    """The squared error by the declared covariance, over many devices, is chi² with 2."""
    lengths2 = []
    for seed in range(150):
        chance = np.random.default_rng(seed)
        for eye in (*masts(chance, 3, reach_m=250.0), *drones(chance, 1, 100.0)):
            range_m = chance.uniform(eye.height_m, eye.range_m, 30)
            angle = chance.uniform(0.0, 2.0 * np.pi, 30)
            around = np.column_stack((range_m * np.sin(angle), range_m * np.cos(angle)))
            truth = eye.stands(np.zeros(1)) + around
            said = placed(chance, eye, truth, np.zeros(30))
            for off_m, cov in zip(said.xy_m - truth, said.cov_m2, strict=True):
                if np.isfinite(off_m).all():
                    lengths2.append(squared(off_m, tuple(cov.tolist())))
    assert np.mean(lengths2) == pytest.approx(2.0, abs=0.2)
    assert np.mean(np.array(lengths2) < 4.6052) == pytest.approx(0.90, abs=0.025)


def test_a_scene_has_what_it_is_meant_to_have() -> None:
    """Clutter, copies, links that hold messages back, people; and truth in order of event time."""
    scene = scenes.scene("trails", until_s=60.0)
    true_ids = [who for look in scene.looks for who in look.truly]
    assert 0.0 < true_ids.count(None) / len(true_ids) < 0.1
    arrived = [json.loads(line.payload) for line in scene.lines]
    assert len(arrived) > len({(one.get("device_id"), one["message_id"]) for one in arrived})
    captured = [one["captured_at"] for one in arrived]
    assert captured != sorted(captured)
    assert [look.captured_s for look in scene.looks] == sorted(
        look.captured_s for look in scene.looks
    )
    assert scene.truth.kinds.count("person") >= 2


def test_a_short_scene_through_our_engine_gives_a_sane_picture() -> None:
    """Far better than to say nothing, and not so good as to have read the truth."""
    scene = scenes.scene("fields", until_s=30.0)
    times_s = scene.truth.times_s
    good = score(pictured(ours.tracked(scene).records, times_s), scene.truth)
    nothing = score(pictured([], times_s), scene.truth)
    assert 0.5 < good.gospa_m < nothing.gospa_m
    assert 0.4 < good.idf1 <= 1.0
    assert nothing.idf1 == 0.0
    assert nothing.tracks == 0
    assert good.nees.mean > 0.1


def test_innovations_are_no_larger_than_the_tracker_expects() -> None:
    scene = scenes.scene("fields", until_s=30.0)
    found = nis(scene)
    assert set(found) <= {"camera", "drone"}
    assert all(0.0 < one.mean < 2.5 for one in found.values())


def test_the_truth_itself_would_score_perfectly() -> None:
    scene = scenes.scene("fields", until_s=30.0)
    truth = scene.truth
    records = [
        Record(f"{person}", float(at_s), *truth.xy_m[person, step].tolist(), 0.0, 0.0, None, kind)
        for person, kind in enumerate(truth.kinds)
        for step, at_s in enumerate(truth.times_s)
        if truth.covered[person, step] and np.isfinite(truth.xy_m[person, step, 0])
    ]
    # What has gone out of all views is not said any longer.
    records += [
        Record(f"{person}", float(at_s), 0.0, 0.0, 0.0, 0.0, None, kind, ends=True)
        for person, kind in enumerate(truth.kinds)
        for step, at_s in enumerate(truth.times_s)
        if not (truth.covered[person, step] and np.isfinite(truth.xy_m[person, step, 0]))
    ]
    perfect = score(pictured(records, truth.times_s), truth)
    assert (perfect.gospa_m, perfect.idf1, perfect.switches) == (0.0, 1.0, 0)


@pytest.mark.skipif(not peer_process.PYTHON.exists(), reason="no .venv-peers (make .venv-peers)")
def test_a_peer_reads_a_scene_and_tells_its_tracks() -> None:
    scene = scenes.scene("fields", until_s=10.0)
    run = peer_process.tracked(scene, "norfair", settings=("points=2",))
    assert run.name.startswith("norfair ")
    assert run.seconds > 0.0
    assert {record.label for record in run.records} >= {"person"}
    assert all(0.0 <= record.at_s <= 10.0 for record in run.records)


def test_a_peer_is_set_by_words() -> None:
    setting = peers.set_by(["noise=0.1", "points=8"])
    assert (setting.noise, setting.points) == (0.1, 8)
    with pytest.raises(AttributeError):
        peers.set_by(["nose=0.1"])
