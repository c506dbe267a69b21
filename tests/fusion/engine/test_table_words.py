"""A sector.toml that cannot be meant is refused with its key, its value and what may stand there."""

import msgspec
import pytest

from edge.file_words import in_words
from edge.messages import RefusedError
from fusion.rulebook import read_rules
from fusion.sector_file import SectorFile


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"zone": {"severty": "high"}}, "rules.zone.severty is an unknown key"),
        ({"zon": {}}, "rules.zon is an unknown key"),
        ({"zone": 3}, "rules.zone = 3: must be a table"),
        (
            {"crossing": {"min_probability": 1.5}},
            "rules.crossing.min_probability = 1.5: must be under 1",
        ),
        ({"budget": {"per_hour": "six"}}, "rules.budget.per_hour = 'six': must be a number"),
        (
            {"groups": {"thresholds": [5, "x"]}},
            "rules.groups.thresholds[1] = 'x': must be a whole number",
        ),
        (
            {"devices": {"silent_s": 20.0}},
            "rules.devices: together_s 30 is more than half of silent_s 20",
        ),
        (
            {"zone": {"severity": "urgent"}},
            "rules.zone.severity = 'urgent': must be one of 'low', ",
        ),
        ({"corroboration": {"zone": {"devices": 0}}}, "zone.devices = 0: must be at least 1"),
    ],
)
def test_a_rule_is_refused_with_its_key_and_value(tables, said) -> None:
    with pytest.raises(RefusedError) as caught:
        read_rules(tables, where="new.toml")
    assert str(caught.value).startswith("new.toml: rules")
    assert said in str(caught.value)
    assert "`" not in str(caught.value)  # no words of a library


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"sector": {}, "layers": {"border": "b"}}, "sector.id is missing"),
        ({"layers": {"border": "b"}}, "sector is missing"),
        ({"sector": {"id": "A B"}}, "sector.id = 'A B': must be 1 to 64 of a to z, 0 to 9 and -"),
    ],
)
def test_so_is_the_sector_itself(tables, said) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(tables, SectorFile)
    assert in_words(str(caught.value), tables, SectorFile).startswith(said)
