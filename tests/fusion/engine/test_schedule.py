"""When a zone's kind holds: hours, market days, seasons."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        ("06:00-11:30, 13:30-17:00", "2026-03-14T05:00", False),  # noon
        ("06:00-11:30,13:30-17:00", "2026-03-14T06:30", True),
        ("Mar-May", "2026-05-31T16:59", True),  # its last minute
        ("Mar-May", "2026-05-31T17:00", False),
        ("Nov-Feb Sat", "2028-02-26T02:00", True),  # over the turn of the year
        ("01/11-28/02", "2028-02-29T02:00", False),
        ("15/10-31/10, 30/04 06:00-18:00", "2026-04-30T02:00", True),
        ("17/02/2026", "2026-02-17T02:00", True),
        ("17/02/2026", "2027-02-17T02:00", False),
        ("31/12/2026 22:00-06:00", "2026-12-31T20:00", True),  # the morning after
        ("2nd,last Sat 08:00-12:00", "2026-03-14T02:00", True),
        ("2nd,last Sat 08:00-12:00", "2026-03-28T02:00", True),
        ("2nd,last Sat 08:00-12:00", "2026-03-21T02:00", False),
        ("5th Sat", "2026-03-28T02:00", False),  # March 2026 has four
        ("every 6 days from 03/01/2026 05:00-13:00", "2026-03-16T02:00", True),  # 72 days later
        ("every 6 days from 03/01/2026 05:00-13:00", "2026-03-15T02:00", False),
        ("every 6 days from 03/01/2026", "2025-12-28T02:00", True),  # and before it
    ],
)
def test_hours_are_those_of_the_sector(text, when, is_open) -> None:
    at = datetime.fromisoformat(when).replace(tzinfo=UTC)
    assert Schedule.parse(text).is_open(at, HANOI) is is_open


@pytest.mark.parametrize(
    "text",
    [
        "",
        "noon",
        "Mon-Fry 06:00-18:00",
        "25:00-26:00",
        "06:00-06:00",
        "06:00",
        7,
        None,
        ";",
        "06:60-07:00",
        "31/13",
        "32/01",
        "00/05",
        "17/02/1926",
        "01/02-03/04/2026",
        "1st 06:00-18:00",
        "6th Sun",
        "every 0 days from 01/01/2026",
        "every 6 days from 30/02/2026",
        "Sat Mar-May",
    ],
)
def test_other_writing_is_refused_with_its_value(text) -> None:
    with pytest.raises(ValueError, match="schedule"):
        Schedule.parse(text)


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("30/02", ("30/02",)),
        ("29/02; 31/04 06:00-18:00", ("31/04 06:00-18:00",)),
        ("01/03-28/03 5th Sun; 01/02-29/02 5th Tue", ("01/03-28/03 5th Sun",)),
        ("every 7 days from 05/01/2026 Tue", ("every 7 days from 05/01/2026 Tue",)),
        ("every 6 days from 05/01/2026 Tue", ()),
        ("29/02/2027", ("29/02/2027",)),
        ("20/02/2030-10/03/2030 Sun", ()),
    ],
)
def test_parts_that_never_hold_are_found(text, never) -> None:
    assert Schedule.parse(text).never() == never


SEASONS = st.sampled_from(
    ["", "Mar-May ", "Nov-Feb ", "01/11-28/02 ", "29/02,30/04 ", "17/02/2030 "]
)
EVERY = st.sampled_from(["", "", "every 6 days from 03/01/2026 "])
DAYS = st.sampled_from(["", "Sat ", "Fri-Mon ", "1st,3rd Sun ", "last Tue,Thu "])
HOURS = st.sampled_from(
    ["06:00-18:00", "22:00-04:00", "18:00-22:00", "00:00-24:00", "23:30-23:00"]
)
PARTS = st.tuples(SEASONS, EVERY, DAYS, HOURS).map("".join)
SCHEDULES = st.lists(PARTS, min_size=1, max_size=3).map("; ".join).map(Schedule.parse)


@settings(max_examples=40, deadline=None)
@given(SCHEDULES, SCHEDULES, st.integers(0, 60 * 24 * 366 * 6))
def test_what_holds_at_some_time_is_found_to_hold_and_to_meet(one, other, minutes) -> None:
    at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    here, there = one.is_open(at, HANOI), other.is_open(at, HANOI)
    if here:
        assert len(one.never()) < len(one.parts)
    if here and there:
        assert one.meets(other)
    assert one.meets(other) is other.meets(one)
    assert one.meets(one) is (len(one.never()) < len(one.parts))


@given(st.lists(PARTS, min_size=2, max_size=3), st.integers(0, 60 * 24 * 366 * 6))
def test_parts_hold_each_by_itself(parts, minutes) -> None:
    at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    whole = Schedule.parse(";".join(parts)).is_open(at, HANOI)
    assert whole is any(Schedule.parse(part).is_open(at, HANOI) for part in parts)
