"""Who stays near the line for minutes; not who walks along it, nor who lives farther off."""

import random
from typing import Any

import pytest

from edge.messages import AlertKind
from fusion.situation.loitering import Lingering, observe

RULES = "[rules.loitering]\nfor_s = 60.0\n"


def said(staged, sector, world) -> list:
    def stage(state, track, at_s, sector, _) -> Any:
        state, finding = observe(state, track, at_s, sector)
        return state, () if finding is None else (finding,)

    return staged(sector, world.messages(), stage, Lingering())


def pottering(make, at, *, until_s, about_m=4.0, seed=1, label="person") -> Any:
    """Somebody who waits: a few steps to and fro."""
    dice, (east_m, north_m) = random.Random(seed), at
    return make.walker(
        [
            (
                t,
                east_m + dice.uniform(-about_m, about_m),
                north_m + dice.uniform(-about_m, about_m),
            )
            for t in range(0, until_s + 1, 10)
        ],
        label=label,
    )


@pytest.mark.parametrize("sigma_m", [1.0, 4.0])
def test_whoever_stays_near_the_line_is_said_after_the_time_and_over_when_gone(
    make, sector_maker, staged, sigma_m
) -> None:
    sector = sector_maker.load(rules=RULES)
    waits = pottering(make, (0, -80), until_s=90)
    leaves = make.walker([*waits.path, (120, 60, -90)])
    world = make.world([leaves], eyes=[make.eye(sigma_m=sigma_m)], until_s=120)
    found = said(staged, sector, world)
    (begun_s, begun), (over_s, over) = found[0], found[-1]
    assert begun.kind is AlertKind.LOITERING
    assert [reason.code for reason in begun.reasons] == ["stays", "near_line"]
    assert begun.reasons[1].value == pytest.approx(80.0, abs=10.0)
    assert 60.0 <= begun_s <= 64.0
    assert over.over == "left"
    assert 95.0 <= over_s <= 118.0
    assert not any(finding.over for _, finding in found[:-1])


@pytest.mark.parametrize("sigma_m", [1.0, 6.0])
def test_whoever_walks_along_the_line_however_slowly_does_not_stay(
    make, sector_maker, staged, sigma_m
) -> None:
    sector = sector_maker.load(rules="[rules.loitering]\nfor_s = 120.0\n")
    walks = [make.walker([(0, -150, -30 * k), (300, -150 + v * 300, -30 * k)])
             for k, v in enumerate((1.0, 0.6), 1)]  # fmt: skip
    world = make.world(walks, eyes=[make.eye(sigma_m=sigma_m, fps=2.0)], until_s=300)
    assert said(staged, sector, world) == []


def test_far_from_the_line_abroad_and_cattle_are_no_matter_unless_a_rule_says_so(
    make, sector_maker, staged
) -> None:
    still = [
        pottering(make, (0, -200), until_s=100),
        pottering(make, (50, 60), until_s=100, seed=2),
        pottering(make, (100, -60), until_s=100, seed=3, label="cow"),
    ]
    world = make.world(still, until_s=100)
    assert said(staged, sector_maker.load(rules=RULES), world) == []
    abroad = sector_maker.load(rules=RULES + "abroad = true\n")
    (first, *_) = [finding for _, finding in said(staged, abroad, world)]
    assert first.reasons[1].value < 0.0


def test_somebody_whose_place_is_hardly_known_is_not_said_to_stay(
    make, sector_maker, staged
) -> None:
    sector = sector_maker.load(rules=RULES)
    eye = make.eye(sigma_m=2.0, bias_sigma_m=20.0)
    world = make.world([pottering(make, (0, -80), until_s=100)], eyes=[eye], until_s=100)
    assert said(staged, sector, world) == []


def test_two_stays_at_two_places_are_each_too_short(make, sector_maker, staged) -> None:
    sector = sector_maker.load(rules=RULES)
    here, there = pottering(make, (0, -80), until_s=40), pottering(make, (60, -80), until_s=40)
    path = [*here.path, *((t + 80, x, y) for t, x, y in there.path)]
    assert said(staged, sector, make.world([make.walker(path)], until_s=120)) == []


def test_whoever_strays_from_where_they_stay_still_stays_there(make, sector_maker, staged) -> None:
    """A farmer at the edge of a field: it is the place of the stay that the field explains."""
    sector = sector_maker.load(rules=RULES)
    waits = pottering(make, (0, -80), until_s=70, about_m=1.0)
    strays = make.walker([*waits.path, (90, 20, -80), (120, 20, -80)])
    found = said(staged, sector, make.world([strays], until_s=120))
    places = {finding.at for _, finding in found}
    (at,) = places
    assert at.x_m == pytest.approx(0.0, abs=2.0)
    assert found[-1][0] > 118.0
