"""Which device contributed what: nothing is lost or counted twice, in whatever order it comes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.tracking.lineage import Share, contributions, joined, renewed

SIGHTINGS = st.lists(
    st.tuples(st.sampled_from(["cam-1", "cam-2", "drone-1"]), st.integers(0, 99)), max_size=30
)


def lineage_of(sightings) -> tuple:
    return joined(*((Share(device, "camera", at_s, at_s, 1),) for device, at_s in sightings))


@given(SIGHTINGS, st.randoms(use_true_random=False))
def test_the_order_of_what_is_added_makes_no_difference(sightings, chance) -> None:
    shuffled = sightings.copy()
    chance.shuffle(shuffled)
    assert lineage_of(shuffled) == lineage_of(sightings)


@given(SIGHTINGS)
def test_it_says_what_was_seen_first_last_and_how_often(sightings) -> None:
    lineage = lineage_of(sightings)
    assert [one.device for one in lineage] == sorted({device for device, _ in sightings})
    for share in lineage:
        times = [at_s for device, at_s in sightings if device == share.device]
        assert (share.first_s, share.last_s) == (min(times), max(times))
        assert share.detections == len(times)


@given(SIGHTINGS, SIGHTINGS)
def test_two_tracks_that_are_one_have_seen_what_both_had(one, other) -> None:
    assert joined(lineage_of(one), lineage_of(other)) == lineage_of(one + other)


def test_an_incident_has_what_was_seen_of_its_own_people_each_as_last_known() -> None:
    early, late = lineage_of([("cam-1", 1)]), lineage_of([("cam-1", 1), ("cam-2", 3)])
    lineages = renewed((), [("trk-1", early), ("trk-2", early), ("ours", late)])
    lineages = renewed(lineages, [("trk-1", late)])
    first, second = contributions(lineages, without=("ours", "gone"))
    assert (first.device, first.detections, first.share) == ("cam-1", 2, 0.667)
    assert (second.device, second.detections, second.share) == ("cam-2", 1, 0.333)
    assert second.first_seen_at.timestamp() == 3.0


# -- in an engine ------------------------------------------------------------------------------


def world(make) -> list[dict]:
    """Two go over the line; one camera sees them at first, and another one from 20 s on."""
    walkers = [
        make.walker([(0.0, 10.0 + 2 * k, -40.0), (60.0, 10.0 + 2 * k, 32.0)]) for k in (0, 1)
    ]
    eyes = [
        make.eye("cam-1", blind=lambda t: t > 15.0),
        make.eye("cam-2", fps=2.0, blind=lambda t: t < 14.0),
    ]
    return make.world(walkers, eyes=eyes).messages()


def test_an_incident_says_what_each_device_contributed_until_it_last_changed(
    make, sector, run
) -> None:
    (incident,) = run(sector, world(make)).standing
    one, two = incident.lineage
    assert (one.device, two.device) == ("cam-1", "cam-2")
    # Two people, five times a second, for 15 s; and it was long gone when they crossed.
    assert 120 <= one.detections <= 152
    assert 60 <= two.detections <= 120
    assert one.share + two.share == pytest.approx(1.0, abs=0.002)
    assert one.last_seen_at <= make.start.after(15.0)
    assert make.start.after(14.0) <= two.first_seen_at < two.last_seen_at <= incident.updated_at


def test_who_approaches_has_a_lineage_too(make, sector_maker, run) -> None:
    sector = sector_maker.load(rules="[rules.approach]\nenabled = true\n")
    incidents = run(sector, world(make)).standing
    assert {one.kind.value for one in incidents} == {"approach", "crossing"}
    for one in incidents:
        assert set(one.devices) <= {share.device for share in one.lineage}
        assert all(share.last_seen_at <= one.updated_at for share in one.lineage)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_arrival_changes_no_contribution(make, sector, run, seed) -> None:
    lines, dice = world(make), random.Random(seed)
    expected = run(sector, lines).standing
    for line in lines:
        if dice.random() < 0.2:
            line["received_at"] = make.start.after(75.0).rfc3339()
    late = run(sector, sorted(lines, key=lambda one: one["received_at"]))
    assert [one.lineage for one in late.standing] == [one.lineage for one in expected]


def test_what_is_only_told_is_the_contribution_of_who_told_it(make, sector, run) -> None:
    lines = world(make)
    tip = lines[0] | {"topic": lines[0]["topic"].replace("cam-1", "tip-1")}
    tip["payload"] = lines[0]["payload"] | {
        "device_id": "tip-1",
        "message_id": "tip",
        "sensor": {"kind": "tip", "lat": 22.9, "lon": 105.3},
    }
    (incident,) = run(sector, [tip]).standing
    (share,) = incident.lineage
    assert (share.device, share.sensor_kind.value, share.share) == ("tip-1", "tip", 1.0)
    assert share.detections == 2
