"""Blind hours of days add up to those of the days together."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.sector import load_sector
from fusion.situation.blind_hours import BlindHours
from fusion.situation.coverage import Coverage, lines_of
from tests.maps.ninety_days import SECTOR_FILE

LINES = list(lines_of(load_sector(SECTOR_FILE)))
Looks = list[tuple[float, float, frozenset[str]]]
LOOKS = st.lists(
    st.tuples(
        st.integers(1, 600).map(float),
        st.floats(0.0, 1.0),
        st.frozensets(st.sampled_from(["cam-01", "cam-02"])),
    ),
    max_size=6,
)


def hours_of(looks: Looks) -> BlindHours:
    """Look at lines of which a share from their beginning is unseen."""
    found = BlindHours()
    for lasted_s, share, blind in looks:
        covers = [Coverage(line, {}, ((0.0, share * line.length_m),)) for line in LINES]
        found.add(lasted_s, covers, blind)
    return found


@settings(deadline=None)
@given(LOOKS, LOOKS)
def test_two_days_joined_are_both_days(first, second) -> None:
    joined, both = hours_of(first), hours_of([*first, *second])
    joined.join(hours_of(second))
    assert abs(joined.hours - both.hours) < 1e-9
    assert {name: round(one, 6) for name, one in joined.devices().items()} == {
        name: round(one, 6) for name, one in both.devices().items()
    }
    mine, theirs = joined.blind_km_h(), both.blind_km_h()
    assert mine.keys() == theirs.keys()
    assert all(abs(mine[line] - theirs[line]) < 1e-9 for line in mine)


@settings(deadline=None)
@given(LOOKS)
def test_no_line_is_unseen_for_longer_than_the_time_that_is_known(looks) -> None:
    found = hours_of(looks)
    expected = sum(lasted_s * share for lasted_s, share, _ in looks) / 3600.0
    for line in LINES:
        length_km = line.length_m / 1000.0
        blind = found.blind_km_h().get((line.kind, line.id), 0.0)
        assert blind <= found.hours * length_km + 1e-9
        assert abs(blind - expected * length_km) < 1e-6
