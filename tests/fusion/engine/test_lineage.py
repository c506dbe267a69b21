"""Which device contributed what: nothing is lost or counted twice, in whatever order it is added."""

from hypothesis import given
from hypothesis import strategies as st

from fusion.tracking.lineage import contributions, joined, renewed, seen

SIGHTINGS = st.lists(
    st.tuples(
        st.sampled_from(["cam-1", "cam-2", "drone-1"]), st.integers(0, 99), st.integers(1, 9)
    ),
    max_size=30,
)


def lineage_of(sightings) -> tuple:
    lineage = ()
    for device, at_s, sigma_m in sightings:
        lineage = seen(lineage, device, float(at_s), float(sigma_m))
    return lineage


@given(SIGHTINGS, st.randoms(use_true_random=False))
def test_the_order_of_what_is_added_makes_no_difference(sightings, chance) -> None:
    shuffled = sightings.copy()
    chance.shuffle(shuffled)
    assert lineage_of(shuffled) == lineage_of(sightings)


@given(SIGHTINGS)
def test_it_says_what_was_seen_first_last_how_often_and_how_well_at_best(sightings) -> None:
    lineage = lineage_of(sightings)
    assert [one.device for one in lineage] == sorted({device for device, _, _ in sightings})
    for share in lineage:
        own = [(at_s, sigma_m) for device, at_s, sigma_m in sightings if device == share.device]
        times, sigmas = zip(*own, strict=True)
        assert (share.first_s, share.last_s) == (min(times), max(times))
        assert (share.detections, share.sigma_m) == (len(own), min(sigmas))


@given(SIGHTINGS, SIGHTINGS)
def test_two_tracks_that_are_one_have_seen_what_both_had(one, other) -> None:
    assert joined(lineage_of(one), lineage_of(other)) == lineage_of(one + other)


def test_an_incident_has_what_was_seen_of_its_own_people_each_as_last_known() -> None:
    early, late = lineage_of([("cam-1", 1, 5)]), lineage_of([("cam-1", 1, 5), ("cam-2", 3, 2)])
    lineages = renewed((), [("trk-1", early), ("trk-2", early), ("ours", late)])
    lineages = renewed(lineages, [("trk-1", late)])
    first, second = contributions(lineages, ("trk-1", "trk-2", "gone"))
    assert (first.device, first.detections, first.best_sigma_m) == ("cam-1", 2, 5.0)
    assert (second.device, second.detections) == ("cam-2", 1)
    assert second.first_seen_at.timestamp() == 3.0
