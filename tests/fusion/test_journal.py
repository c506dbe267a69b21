"""The journal: what it took is on the disk, in order, and replay can read it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import InvalidMessageError, RefusedError, UtcTime

pytest.importorskip("fusion.journal")
from fusion.journal import Journal, Recorded, parse_line, recording_line

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
TOPIC = "tuanbien/v1/test-sector/cam-01/detections"


def message(number, *, at=None) -> Recorded:
    payload = json.dumps({"n": number}).encode()
    return Recorded(at or NOON.after(number), TOPIC, payload)


@pytest.fixture
def open_journal(tmp_path) -> Iterator[Callable[..., Journal]]:
    """Return a function that opens the journal of the test, closing the one before."""
    journals = []

    def reopen(**options: int) -> Journal:
        while journals:
            journals.pop().close()
        journals.append(Journal.open(tmp_path / "journal", sector="test-sector", **options))
        return journals[-1]

    yield reopen
    while journals:
        journals.pop().close()


def numbers(journal, *, since=None, after=None) -> list[int]:
    return [
        json.loads(recorded.payload)["n"] for recorded, _ in journal.read(since=since, after=after)
    ]


def only_segment(tmp_path) -> Path:
    (segment,) = (tmp_path / "journal").glob("journal-*.jsonl")
    return segment


# -- the line --------------------------------------------------------------------------------

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=json_values, indent=st.none() | st.integers(0, 3), ascii_only=st.booleans())
def test_any_json_payload_comes_back_with_the_same_meaning(value, indent, ascii_only) -> None:
    payload = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(
        errors="surrogatepass"
    )
    line = recording_line(Recorded(NOON, TOPIC, payload))
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    read = parse_line(line)
    assert (read.received_at, read.topic) == (NOON, TOPIC)
    try:
        payload.decode()
    except UnicodeDecodeError:
        return
    assert json.loads(read.payload) == value


@given(payload=st.binary())
def test_any_bytes_at_all_make_one_line_of_json(payload) -> None:
    line = recording_line(Recorded(NOON, TOPIC, payload))
    assert line.count(b"\n") == 1
    assert json.loads(line)["topic"] == TOPIC


def test_a_payload_on_one_line_is_kept_to_the_byte() -> None:
    payload = b'{"lat":22.950130000,"n":1e2, "x":"\\u00e1"}'
    assert parse_line(recording_line(Recorded(NOON, TOPIC, payload))).payload == payload


@given(line=st.binary())
def test_a_line_that_is_none_is_refused_and_nothing_worse(line) -> None:
    with pytest.raises(InvalidMessageError):
        parse_line(line)


# -- append and read -------------------------------------------------------------------------


def test_what_was_appended_is_read_back_in_order_of_arrival(open_journal) -> None:
    journal = open_journal()
    journal.append([message(1), message(2)])
    journal.append([message(3, at=NOON)])  # the clock was set back
    assert numbers(journal) == [1, 2, 3]
    assert numbers(open_journal()) == [1, 2, 3]


def test_the_end_of_an_append_is_the_position_of_its_last_message(open_journal) -> None:
    journal = open_journal()
    assert journal.end is None
    end = journal.append([message(1), message(2)])
    positions = [position for _, position in journal.read()]
    assert positions == sorted(positions)
    assert positions[-1] == end == journal.end == open_journal().end
    assert journal.holds(end)


def test_reading_begins_at_a_time_or_behind_a_position_whichever_is_earlier(open_journal) -> None:
    journal = open_journal(segment_max_bytes=1)  # each append begins a segment
    ends = [journal.append([message(number)]) for number in range(10)]
    assert numbers(journal, since=NOON.after(6)) == [6, 7, 8, 9]
    assert numbers(journal, after=ends[3]) == [4, 5, 6, 7, 8, 9]
    assert numbers(journal, since=NOON.after(6), after=ends[3]) == [4, 5, 6, 7, 8, 9]
    assert numbers(journal, since=NOON.after(2), after=ends[3]) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert numbers(journal, since=NOON.after(99)) == []


def test_a_segment_ends_with_the_utc_day_and_the_next_start_goes_on_in_the_last(
    open_journal, tmp_path
) -> None:
    journal = open_journal()
    midnight = UtcTime.parse("2026-03-15T00:00:00.000Z")
    journal.append([message(1, at=midnight.after(-0.001))])
    journal.append([message(2, at=midnight)])
    journal = open_journal()
    journal.append([message(3, at=midnight.after(1))])
    assert sorted(path.name for path in (tmp_path / "journal").glob("*.jsonl")) == [
        "journal-00000001-20260314T235959Z.jsonl",
        "journal-00000002-20260315T000000Z.jsonl",
    ]
    assert numbers(journal) == [1, 2, 3]
    assert journal.last_received_at == midnight.after(1)


def test_a_disk_that_refuses_leaves_the_journal_as_it_was(open_journal, monkeypatch) -> None:
    journal = open_journal()
    journal.append([message(1)])

    def full(_file) -> Never:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.append([message(2)])
    assert numbers(journal) == [1]
    journal.append([message(3)])
    assert numbers(open_journal()) == [1, 3]


# -- after a crash ---------------------------------------------------------------------------


@settings(max_examples=40)
@given(cut=st.integers(1, 200))
def test_whatever_part_of_the_last_line_a_crash_left_is_taken_off(tmp_path_factory, cut) -> None:
    folder = tmp_path_factory.mktemp("cut")
    journal = Journal.open(folder, sector="test-sector")
    keep = journal.append([message(1)])
    end = journal.append([message(2)])
    journal.close()
    segment = folder / keep.segment
    with segment.open("r+b") as file:
        file.truncate(max(end.offset - cut, keep.offset))
    journal = Journal.open(folder, sector="test-sector")
    assert journal.cut_bytes == max(0, end.offset - cut - keep.offset)
    journal.append([message(3)])
    assert numbers(journal) == [1, 3]
    journal.close()


def test_a_line_that_the_disk_spoilt_is_left_out_and_told(open_journal, tmp_path, caplog) -> None:
    open_journal().append([message(1), message(2), message(3)])
    segment = only_segment(tmp_path)
    segment.write_bytes(segment.read_bytes().replace(b'{"n": 2}', b'{"n"\x00 2}'))
    assert numbers(open_journal()) == [1, 3]
    assert "no recording line" in caplog.text


def test_a_journal_of_nothing_but_half_a_line_begins_anew(open_journal, tmp_path) -> None:
    open_journal().append([message(1)])
    only_segment(tmp_path).write_bytes(b'{"received_at"')
    journal = open_journal()
    assert journal.last_received_at is None
    journal.append([message(2)])
    assert numbers(open_journal()) == [2]


# -- what is old -----------------------------------------------------------------------------


def names(folder) -> list[str]:
    return sorted(path.name.split("-")[1] + path.suffix for path in folder.glob("journal-*"))


def test_whole_old_segments_are_removed_with_their_sums_and_the_rest_stays(
    open_journal, tmp_path
) -> None:
    journal = open_journal(segment_max_bytes=1)
    for number in range(5):
        journal.append([message(number, at=NOON.after(number * 60.0))])
    gone = journal.forget(before_segment=99, older_than=NOON.after(130.0))
    assert gone == [f"journal-0000000{n}-20260314T120{n - 1}00Z.jsonl" for n in (1, 2)]
    assert names(tmp_path / "journal") == sorted(
        f"0000000{n}{suffix}" for n in (3, 4, 5) for suffix in (".jsonl", ".sums")
    )
    assert numbers(journal) == [2, 3, 4]


def test_what_a_recovery_would_read_is_not_removed_however_old(open_journal) -> None:
    journal = open_journal(segment_max_bytes=1)
    for number in range(5):
        journal.append([message(number)])
    assert len(journal.forget(before_segment=3, older_than=NOON.after(9e9))) == 2
    assert numbers(journal) == [2, 3, 4]
    assert len(journal.forget(before_segment=99, older_than=NOON.after(9e9))) == 2
    assert numbers(journal) == [4]  # the one that is being written


def test_a_clock_that_was_set_back_does_not_make_what_is_new_old(open_journal) -> None:
    journal = open_journal(segment_max_bytes=1)
    journal.append([message(1, at=NOON)])
    journal.append([message(2, at=NOON.after(-86_400.0))])
    journal.append([message(3, at=NOON.after(-86_399.0))])
    assert journal.forget(before_segment=99, older_than=NOON.after(-3600.0)) == []


def test_nothing_but_the_tail_is_looked_at(open_journal, tmp_path, caplog) -> None:
    journal = open_journal()
    ends = [journal.append([message(number)]) for number in range(4)]
    only_segment(tmp_path).write_bytes(
        b"x" * ends[1].offset + only_segment(tmp_path).read_bytes()[ends[1].offset :]
    )
    assert numbers(journal, after=ends[1]) == [2, 3]
    assert numbers(journal, after=ends[3]) == []
    assert caplog.text == ""


def test_a_position_behind_the_end_is_none_of_this_journal(open_journal) -> None:
    journal = open_journal()
    end = journal.append([message(1)])
    assert journal.holds(end)
    assert not journal.holds(end._replace(offset=end.offset + 1))
    assert not journal.holds(end._replace(segment="journal-00000009-20260314T120000Z.jsonl"))


# -- who may open it -------------------------------------------------------------------------


def test_a_second_process_is_refused(open_journal, tmp_path) -> None:
    open_journal()
    code = (
        "import sys; from pathlib import Path; from fusion.journal import Journal\n"
        "Journal.open(Path(sys.argv[1]), sector='test-sector')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "journal"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "belongs to another fusion process that is running" in done.stderr


def test_another_sectors_journal_is_refused(tmp_path) -> None:
    journal = Journal.open(tmp_path, sector="test-sector")
    journal.append([message(1)])
    journal.close()
    with pytest.raises(RefusedError, match="is of sector 'test-sector', not of 'elsewhere'"):
        Journal.open(tmp_path, sector="elsewhere")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RefusedError, match=r"cannot write the journal .*file/journal: Not a dir"):
        Journal.open(tmp_path / "file" / "journal", sector="test-sector")
