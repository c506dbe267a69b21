"""`tuanbien fusion journal verify`: what is not as it was written is found, and where."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.command import main
from edge.messages import RefusedError, UtcTime

pytest.importorskip("fusion.journal")
from fusion.checksums import SUFFIX, read_sums
from fusion.journal import Journal, Recorded, segments_in
from fusion.journal_check import Findings, check_journal

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
TOPIC = "tuanbien/v1/test-sector/cam-01/detections"
BATCHES = 6


def message(number) -> Recorded:
    payload = json.dumps({"n": number, "text": "an ordinary text"}).encode()
    return Recorded(NOON.after(number), TOPIC, payload)


def written(folder, *, segment_max_bytes=400, batches=BATCHES) -> Path:
    """A journal of two messages a block and three segments."""
    journal = Journal.open(folder, sector="test-sector", segment_max_bytes=segment_max_bytes)
    for number in range(batches):
        journal.append([message(2 * number), message(2 * number + 1)])
    journal.close()
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = written(tmp_path / "journal")
    assert len(segments_in(folder)) == 3
    return folder


def spoil(path: Path, at: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def the_one(found: Findings) -> tuple[str, int | None, str]:
    (trouble,) = found.troubles
    return trouble.file, trouble.offset, trouble.what


# -- as written --------------------------------------------------------------------------------


def test_a_journal_that_is_as_written_has_no_trouble(folder) -> None:
    found = check_journal(folder)
    assert found.troubles == []
    assert (found.segments, found.lines, found.unsummed) == (3, 2 * BATCHES, 0)
    assert found.size == sum(path.stat().st_size for path in segments_in(folder))
    assert (found.first_received_at, found.last_received_at) == (NOON, NOON.after(11))
    assert not found.in_use


def test_the_segments_are_recording_lines_and_nothing_else(folder) -> None:
    for segment in segments_in(folder):
        for line in segment.read_bytes().splitlines():
            assert set(json.loads(line)) == {"received_at", "topic", "payload"}


def test_it_may_be_checked_while_fusion_writes_it(tmp_path) -> None:
    journal = Journal.open(tmp_path, sector="test-sector")
    end = journal.append([message(1)])
    with (tmp_path / end.segment).open("ab") as segment:
        segment.write(b'{"received_at":')  # just being written
    found = check_journal(tmp_path)
    assert found.in_use
    assert (found.troubles, found.lines) == ([], 1)
    journal.close()


def test_a_start_after_a_kill_makes_up_for_the_sums_that_are_missing(folder) -> None:
    """Killed between the message and its sum; or the sum itself was half written."""
    last = segments_in(folder)[-1]
    sums = last.with_suffix(SUFFIX)
    whole = sums.read_bytes()
    for cut in (1, 40, len(whole) - 70, len(whole)):
        sums.write_bytes(whole[:-cut])
        journal = Journal.open(folder, sector="test-sector", segment_max_bytes=10_000)
        journal.append([message(90)])
        journal.close()
        found = check_journal(folder)
        assert (found.troubles, found.unsummed) == ([], 0)


def test_half_a_line_that_a_crash_left_is_told_and_then_cut_off_with_its_sums(folder) -> None:
    last = segments_in(folder)[-1]
    size = last.stat().st_size
    last.write_bytes(last.read_bytes()[:-5])
    begin = last.read_bytes().rfind(b"\n") + 1
    troubles = {(one.file, one.offset) for one in check_journal(folder).troubles}
    assert (last.name, begin) in troubles
    Journal.open(folder, sector="test-sector").close()
    found = check_journal(folder)
    assert (found.troubles, found.lines, found.unsummed) == ([], 2 * BATCHES - 1, 0)
    assert last.stat().st_size < size


def test_a_journal_of_an_older_version_has_no_sums_and_no_trouble(folder) -> None:
    for sums in folder.glob(f"*{SUFFIX}"):
        sums.unlink()
    found = check_journal(folder)
    assert (found.troubles, found.unsummed) == ([], found.size)
    journal = Journal.open(folder, sector="test-sector", segment_max_bytes=1)
    journal.append([message(99)])
    journal.close()
    first, second, *_ = segments_in(folder)
    found = check_journal(folder)
    assert found.troubles == []
    assert found.unsummed == first.stat().st_size + second.stat().st_size


def test_what_retention_removed_is_not_missing(folder) -> None:
    journal = Journal.open(folder, sector="test-sector")
    assert len(journal.forget(before_segment=3, older_than=NOON.after(9e9))) == 2
    journal.close()
    assert check_journal(folder).troubles == []


# -- damage ------------------------------------------------------------------------------------


def test_a_flipped_bit_inside_a_text_is_found_with_file_and_byte(folder) -> None:
    segment = segments_in(folder)[1]
    at = segment.read_bytes().rfind(b"ordinary")
    spoil(segment, at)
    json.loads(segment.read_bytes().splitlines()[-1])  # no parser sees it
    file, begin, what = the_one(check_journal(folder))
    end = int(what.split()[3])
    assert file == segment.name
    assert begin <= at < end
    assert what == f"up to byte {end} it is not what was written"
    assert (begin, end) in {
        (a.offset, b.offset)
        for a, b in zip(read_sums(segment), read_sums(segment)[1:], strict=False)
    }


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_flipped_bit_of_a_segment_goes_unseen(tmp_path_factory, seed) -> None:
    chance = random.Random(seed)
    folder = written(tmp_path_factory.mktemp("bit"), batches=4)
    segment = chance.choice(segments_in(folder))
    at = chance.randrange(segment.stat().st_size)
    spoil(segment, at, chance.randrange(8))
    troubles = check_journal(folder).troubles
    assert {one.file for one in troubles} == {segment.name}
    assert any("not what was written" in one.what for one in troubles)
    assert min(one.offset for one in troubles) <= at


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_spoilt_sum_is_found(folder, which) -> None:
    segment = segments_in(folder)[which]
    spoil(segment.with_suffix(SUFFIX), 90)
    assert {one.file for one in check_journal(folder).troubles} <= {
        path.name for path in segments_in(folder)[which : which + 2]
    }
    assert check_journal(folder).troubles != []


def test_a_line_that_no_parser_reads_is_told_with_its_byte(folder) -> None:
    segment = segments_in(folder)[0]
    begin = segment.read_bytes().find(b"\n") + 1
    spoil(segment, begin)
    troubles = check_journal(folder).troubles
    assert any(one.offset == begin and "no recording line" in one.what for one in troubles)
    assert check_journal(folder).lines == 2 * BATCHES - 1


def test_a_missing_segment_is_found_by_its_number(folder) -> None:
    first, second, third = segments_in(folder)
    second.unlink()
    second.with_suffix(SUFFIX).unlink()
    troubles = [str(one) for one in check_journal(folder).troubles]
    assert troubles[0] == f"{third.name}: follows {first.name}: number 2 is missing"
    assert "does not follow what stands before it" in troubles[1]


def test_a_segment_of_another_journal_is_found(folder, tmp_path) -> None:
    other = written(tmp_path / "other", batches=BATCHES - 2)
    journal = Journal.open(other, sector="test-sector", segment_max_bytes=400)
    journal.append([message(70), message(71)])
    journal.close()
    mine, others = segments_in(folder)[1], segments_in(other)[1]
    shutil.copy(others, mine)
    shutil.copy(others.with_suffix(SUFFIX), mine.with_suffix(SUFFIX))
    spoil(mine, 3)
    assert mine.name in {one.file for one in check_journal(folder).troubles}


def test_a_closed_segment_whose_end_was_cut_off_is_found(folder) -> None:
    segment = segments_in(folder)[0]
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-1]))
    file, _, what = the_one(check_journal(folder))
    assert file == segment.name
    assert "not what was written" in what


# -- the command -------------------------------------------------------------------------------


def test_verify_prints_what_there_is(folder, capsys) -> None:
    assert main(["fusion", "journal", "verify", str(folder)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["lines"], said["troubles"]) == (2 * BATCHES, [])
    assert said["first_received_at"] == "2026-03-14T12:00:00.000Z"


def test_verify_fails_with_one_sentence_that_names_file_and_byte(folder, capsys) -> None:
    segment = segments_in(folder)[1]
    spoil(segment, segment.read_bytes().rfind(b"ordinary"))
    assert main(["fusion", "journal", "verify", str(folder)]) == 1
    out, err = capsys.readouterr()
    ((trouble,), sentence) = json.loads(out)["troubles"], err.strip()
    assert sentence.count("\n") == 0
    assert f"{segment.name} at byte {trouble['offset']}: up to byte" in sentence


def test_a_folder_without_a_journal_is_refused(tmp_path) -> None:
    with pytest.raises(RefusedError, match="holds no journal"):
        check_journal(tmp_path)
    with pytest.raises(RefusedError, match=r"cannot read the journal .*: No such file"):
        check_journal(tmp_path / "nowhere")


def test_a_disk_that_takes_no_sums_loses_no_message(tmp_path, monkeypatch) -> None:
    journal = Journal.open(tmp_path, sector="test-sector", segment_max_bytes=400)
    journal.append([message(0)])
    write, sums = os.write, journal._sums._file

    def full(file, block) -> int:
        if file == sums:
            raise OSError(28, "No space left on device")
        return write(file, block)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        journal.append([message(1)])
    assert check_journal(tmp_path).unsummed > 0
    journal.append([message(2)])
    assert check_journal(tmp_path).unsummed == 0
    journal.close()
    assert check_journal(tmp_path).troubles == []
