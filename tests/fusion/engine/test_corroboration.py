"""k of n: what an alert still lacks before it is raised."""

import pytest

from edge.messages import AlertKind, RefusedError
from fusion.rulebook import CorroborationRule, read_rules
from fusion.situation.corroboration import Witnesses, lacking

LONE = Witnesses(("cam-1",), ("camera",), 1)


@pytest.mark.parametrize("kind", list(AlertKind))
def test_by_default_one_look_of_one_device_is_enough(kind) -> None:
    assert lacking(kind, LONE, CorroborationRule()) is None


@pytest.mark.parametrize(
    ("witnesses", "missing"),
    [
        (LONE, "seen by 1 of 2 devices"),
        (Witnesses(("cam-1", "cam-2"), ("camera",), 9), "seen by 1 of 2 kinds of device"),
        (Witnesses(("cam-1", "rad-1"), ("camera", "radar"), 4), "seen in 4 of 5 looks"),
        (Witnesses(("cam-1", "rad-1"), ("camera", "radar"), 5), None),
    ],
)
def test_it_says_what_is_missing(witnesses, missing) -> None:
    table = {"corroboration": {"zone": {"devices": 2, "sensor_kinds": 2, "looks": 5}}}
    rule = read_rules(table, where="sector.toml").corroboration
    assert lacking(AlertKind.ZONE, witnesses, rule) == missing
    assert lacking(AlertKind.CROSSING, witnesses, rule) is None


def test_a_rules_file_changes_one_number_and_leaves_the_others() -> None:
    own = {"corroboration": {"zone": {"devices": 2, "looks": 5}}}
    over = {"corroboration": {"zone": {"looks": 3}}}
    zone = read_rules(own, where="sector.toml", over=over).corroboration.zone
    assert (zone.devices, zone.looks) == (2, 3)


@pytest.mark.parametrize(
    ("table", "named"),
    [({"device": {"devices": 2}}, "device"), ({"zone": {"device": 2}}, "device"),
     ({"zone": {"devices": 0}}, "devices"), ({"zone": 2}, "zone")],
)  # fmt: skip
def test_what_no_rule_is_is_refused(table, named) -> None:
    with pytest.raises(RefusedError, match=rf"sector\.toml.*{named}"):
        read_rules({"corroboration": table}, where="sector.toml")
