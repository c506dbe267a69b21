"""Who heads for the line is told of before they are there; who does not is not."""

import random
from typing import Any

import pytest

from edge.messages import AlertKind, Severity
from fusion.situation.approach import Approach, observe

TRAIL = ((0, -350), (20, -200), (0, -100), (0, 120))


@pytest.fixture
def watched(make, sector_maker, staged) -> Any:
    """Return a function: who walks, in which sector, and what is said of them."""

    def through(
        *walkers: Any, until_s: int, rules: str = "", sigma_m: float = 2.0, **eye: Any
    ) -> list:
        trails = make.collection(
            make.feature("LineString", sector_maker.line(*TRAIL), id="khe-lanh", name="Khe Lạnh")
        )
        zones = make.collection(
            make.feature("Polygon", sector_maker.square(-150, -100, 60), id="f", kind="farmland")
        )
        sector = sector_maker.load(
            trails=trails, zones=zones, rules="[rules.approach]\nenabled = true\n" + rules
        )

        def stage(state, track, at_s, sector, _) -> Any:
            state, finding = observe(state, track, at_s, sector)
            return state, () if finding is None else (finding,)

        eyes = [make.eye(sigma_m=sigma_m, fps=2.0, **eye)]
        world = make.world(walkers, eyes=eyes, until_s=until_s)
        return staged(sector, world.messages(), stage, Approach())

    return through


def along(make, *points: tuple[float, float], pace=1.2, label="person", start_s=0.0) -> Any:
    t, path = start_s, []
    for number, (x, y) in enumerate(points):
        if number:
            was = points[number - 1]
            t += ((x - was[0]) ** 2 + (y - was[1]) ** 2) ** 0.5 / pace
        path.append((t, x, y))
    return make.walker(path, label=label)


def test_on_a_trail_they_are_told_of_minutes_ahead_with_where_and_when(make, watched) -> None:
    walker = along(make, *TRAIL)
    over_s = walker.path[2][0] + 100.0 / 1.2
    found = watched(walker, until_s=int(over_s))
    first_s, first = found[0]
    assert first.kind is AlertKind.APPROACH
    assert first.outbound is True
    assert over_s - first_s >= 180.0
    assert [reason.code for reason in first.reasons] == [
        "heading_for_line", "on_trail", "predicted_exit", "eta",
    ]  # fmt: skip
    assert "khe-lanh" in first.reasons[1].text
    assert first.eta_s == pytest.approx(over_s - first_s, rel=0.25)
    assert first.towards == pytest.approx((0.0, 0.0), abs=1.0)
    assert first.severity is Severity.MEDIUM
    assert not any(one.over for _, one in found)


def test_from_abroad_it_is_an_approach_inbound(make, watched) -> None:
    found = watched(along(make, (0, 115), (0, 4)), until_s=90)
    assert {one.outbound for _, one in found} == {False}


def test_across_country_straight_to_the_line_is_told_after_a_longer_way(make, watched) -> None:
    found = watched(along(make, (150, -180), (160, -5)), until_s=140)
    first_s, first = found[0]
    assert first_s <= 60.0
    assert [reason.code for reason in first.reasons] == ["heading_for_line", "eta"]


@pytest.mark.parametrize("away_m", [6, 15, 25])
def test_who_turns_back_ends_it_as_no_threat(make, watched, away_m) -> None:
    walker = along(make, *TRAIL[:3], (0, -away_m), (0, -100), *TRAIL[1::-1])
    found = watched(walker, until_s=int(walker.path[-1][0]))
    turned_s = walker.path[3][0]
    (over_s,) = [at_s for at_s, one in found if one.over]
    assert found[-1][1].over == "no_threat"
    assert turned_s < over_s <= turned_s + 40.0
    assert not any(at_s > over_s for at_s, _ in found)


def test_who_stands_still_for_long_ends_it_too(make, watched) -> None:
    walker = along(make, *TRAIL[:3], (0, -60))
    there_s, (x, y) = walker.path[-1][0], walker.path[-1][1:]
    found = watched(make.walker([*walker.path, (there_s + 240, x, y)]), until_s=int(there_s + 240))
    assert found[-1][1].over == "no_threat"
    assert there_s + 110.0 <= found[-1][0] <= there_s + 150.0


def test_over_the_line_it_says_nothing_more(make, watched) -> None:
    walker = along(make, *TRAIL)
    found = watched(walker, until_s=int(walker.path[-1][0]))
    over_s = walker.path[2][0] + 100.0 / 1.2
    assert found[-1][0] <= over_s + 12.0
    assert not any(one.over for _, one in found)


DICE = random.Random(4)
FIELD = [(DICE.uniform(-190, -110), DICE.uniform(-140, -60)) for _ in range(14)]


@pytest.mark.parametrize(
    ("points", "how"),
    [
        pytest.param(FIELD, {"pace": 0.7}, id="works in a field"),
        pytest.param([(-150, -150), (-150, -28)], {}, id="strays over the edge of the field"),
        pytest.param([(-300, -12), (300, -14)], {}, id="goes along the line"),
        pytest.param(TRAIL[2::-1], {}, id="goes home on the trail"),
        pytest.param(TRAIL[:3], {"label": "cow"}, id="a cow"),
        pytest.param([(10, -150), (10, -151)], {"pace": 0.005}, id="stands on the trail"),
        pytest.param([(-150, -200), (150, -205)], {}, id="crosses the trail"),
    ],
)
def test_nothing_is_said_of_who_does_not_head_for_the_line(make, watched, points, how) -> None:
    assert watched(along(make, *points, **how), until_s=200) == []


def test_a_vague_place_is_no_progress(make, watched) -> None:
    """Their device's error is all in every look: 25 m, and they stand."""
    stands = make.walker([(0, 10, -150), (180, 10, -150)])
    assert watched(stands, until_s=180, sigma_m=12.0, bias_sigma_m=25.0) == []


def test_who_is_far_off_or_not_meant_by_the_rule_is_no_matter(make, watched) -> None:
    walker = along(make, *TRAIL[:3])
    assert watched(walker, until_s=200, rules="within_m = 50.0\n") == []
    assert watched(walker, until_s=200, rules='labels = ["boat"]\n') == []
