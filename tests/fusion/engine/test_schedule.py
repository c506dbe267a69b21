"""When a crossing point is open."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from fusion.situation.schedule import Schedule

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")


@pytest.mark.parametrize(
    ("text", "when", "is_open"),
    [
        ("06:00-18:00", "2026-03-13T23:00", True),  # 06:00 on the spot
        ("06:00-18:00", "2026-03-13T22:59", False),
        ("06:00-18:00", "2026-03-14T11:00", False),  # 18:00: closed
        ("Sat-Sun 08:00-12:00", "2026-03-14T02:00", True),  # a Saturday
        ("Sat-Sun 08:00-12:00", "2026-03-13T02:00", False),
        ("Fri-Mon 08:00-12:00", "2026-03-15T02:00", True),  # over the end of the week
        ("Mon 06:00-07:00; Sat 09:00-10:00", "2026-03-14T02:30", True),
        ("Sat 22:00-02:00", "2026-03-14T18:00", True),  # Sunday 01:00, begun on Saturday
        ("Sat 22:00-02:00", "2026-03-13T18:00", False),  # Saturday 01:00
        ("00:00-24:00", "2026-03-14T16:59", True),
    ],
)
def test_hours_are_those_of_the_sector(text, when, is_open) -> None:
    at = datetime.fromisoformat(when).replace(tzinfo=UTC)
    assert Schedule.parse(text).is_open(at, HANOI) is is_open


@pytest.mark.parametrize(
    "text",
    ["", "noon", "Mon-Fry 06:00-18:00", "25:00-26:00", "06:00-06:00", "06:00", 7, None, ";"],
)
def test_other_writing_is_refused_with_its_value(text) -> None:
    with pytest.raises(ValueError, match="schedule"):
        Schedule.parse(text)
