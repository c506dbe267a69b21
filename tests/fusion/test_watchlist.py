"""The watchlist: who may be on it, and what a plate that was read may be."""

import csv
import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import RefusedError, UtcTime
from fusion.tracking.plates import canonical
from fusion.watchlist import register
from fusion.watchlist.plates import CAR, MILITARY, MOTORCYCLE, as_near, cost, score, shapes_of
from fusion.watchlist.register import COLUMNS, Watchlist, read_watchlist

NOW_S = UtcTime.parse("2026-03-14T17:00:00.000Z").timestamp()
ROW = {
    "entry_id": "W-1",
    "category": "vehicle_of_interest",
    "plate": "51A-123.45",
    "purpose": "điều tra",
    "legal_basis": "QĐ 12/2026",
    "requested_by": "Nguyễn Văn An",
    "approved_by": "Trần Thị Bình",
    "valid_from": "2026-01-01",
    "expires_at": "2026-12-31T17:00:00Z",
}

plates = st.from_regex(r"[2-9][0-9][A-H][0-9]{5}", fullmatch=True)


def written(path: Path, *rows: dict[str, Any], columns: Any = COLUMNS) -> Path:
    text = io.StringIO()
    table = csv.DictWriter(text, columns, extrasaction="ignore")
    table.writeheader()
    table.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


@pytest.fixture
def listed(tmp_path) -> Any:
    def read(*rows: dict[str, Any], **options: Any) -> Watchlist:
        return read_watchlist(written(tmp_path / "list.csv", *rows, **options))

    return read


def test_a_whole_row_is_an_entry_of_which_only_what_is_matched_is_kept(listed) -> None:
    watchlist = listed(ROW | {"full_name": "Người Nào Đó", "born": "1980"})
    (entry,) = watchlist.entries
    assert (entry.entry_id, entry.plate, watchlist.refused) == ("W-1", "51A12345", ())
    assert "Người" not in repr(vars(watchlist))
    assert "điều tra" not in repr(vars(watchlist))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"purpose": ""}, "purpose is missing"),
        ({"legal_basis": "  "}, "legal_basis is missing"),
        ({"requested_by": ""}, "requested_by is missing"),
        ({"approved_by": ""}, "approved_by is missing"),
        ({"approved_by": "nguyễn  văn AN"}, "approved_by .*two people"),
        ({"expires_at": ""}, "expires_at is missing"),
        ({"expires_at": "31/12/2026"}, "expires_at '31/12/2026'"),
        ({"expires_at": "2026-02-30"}, "expires_at '2026-02-30'"),
        ({"valid_from": "2027-01-01"}, "expires_at .* not after valid_from"),
        ({"category": "intruder"}, "category 'intruder'"),
        ({"entry_id": ""}, "entry_id is missing"),
        ({"entry_id": "x" * 129}, "entry_id is longer"),
        ({"plate": ""}, "plate is missing"),
        ({"plate": "51A"}, "plate '51A'"),
    ],
)
def test_a_row_without_what_the_law_asks_for_is_refused_and_the_others_stand(
    listed, changed, field
) -> None:
    watchlist = listed(ROW | changed, ROW | {"entry_id": "W-2"})
    assert [one.entry_id for one in watchlist.entries] == ["W-2"]
    (sentence,) = watchlist.refused
    assert "list.csv: line 2: " in sentence
    assert re.search(field, sentence)


def test_an_id_that_was_used_before_is_refused_with_its_line(listed) -> None:
    (sentence,) = listed(ROW, ROW | {"plate": "29B11111"}).refused
    assert sentence.endswith("list.csv: line 3: entry_id 'W-1' was used before")


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        (tuple(name for name in COLUMNS if name != "legal_basis"), "'legal_basis' is missing"),
        ((*COLUMNS, "ethnicity"), "'ethnicity' is unknown"),
        ((*COLUMNS, "plate"), "'plate' stands twice"),
    ],
)
def test_other_columns_are_refused_with_the_file(listed, columns, named) -> None:
    with pytest.raises(RefusedError, match=rf"list\.csv: line 1: column {named}"):
        listed(ROW, columns=columns)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b'entry_id,"cat\negory', "is not CSV|missing"),
        (b"", "missing"),
        (b"entry_id;category;plate\nW-1;wanted;29A12345\n", "divided by semicolons"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, why) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=rf"bad\.csv.*({why})"):
        read_watchlist(path)
    with pytest.raises(RefusedError, match=r"nowhere\.csv: cannot be read"):
        read_watchlist(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("51A12345", CAR), ("51A1234", CAR), ("29LD12345", CAR), ("29B112345", MOTORCYCLE),
        ("29ĐA12345", MOTORCYCLE), ("QB1234", MILITARY), ("80123NG45", "diplomatic"),
        ("2AB1234", "foreign"), ("ກຂ1234", "foreign"), ("10A12345", "foreign"),
        ("51I12345", "foreign"),
    ],
)  # fmt: skip
def test_plates_have_shapes_and_foreign_ones_are_no_error(text, shape) -> None:
    assert shape in shapes_of(text)


@pytest.mark.parametrize(
    ("read", "true", "nats"),
    [
        ("51A-1Z3.45", "51A-123.45", 0.1),  # a letter where a digit stands
        ("5IA12345", "51A12345", 0.1),
        ("29D8l234", "29D81234", 0.1),
        ("29D8123", "29081234", 1.1),
        ("51A12845", "51A12345", 0.35),  # another plate that may exist
        ("51C12345", "51G12345", 0.35),
        ("29MD12345", "29MĐ12345", 0.1),
        ("51A1345", "51A12345", 1.0),
        ("51A92345", "51A12345", 1.5),
        ("51A12345", "51A12345", 0.0),
    ],
)
def test_a_mistake_costs_what_it_is_likely(read, true, nats) -> None:
    assert cost(canonical(read), canonical(true)) == pytest.approx(nats)


@given(one=plates, other=plates, third=plates)
def test_cost_is_a_distance(one, other, third) -> None:
    assert cost(one, one) == 0.0
    assert cost(one, other) == pytest.approx(cost(other, one))
    assert cost(one, third) <= cost(one, other) + cost(other, third) + 1e-6
    if one != other:
        assert cost(one, other) >= 0.1


@given(plate=plates, confidence=st.floats(0.5, 1.0), reads=st.integers(1, 10))
def test_the_surer_the_reading_the_higher_the_score_up_to_one(plate, confidence, reads) -> None:
    known = ((plate, confidence * reads),)
    assert score(known, plate) == pytest.approx(min(1.0, confidence * reads))
    misread = plate[:-1] + str((int(plate[-1]) + 3) % 10)
    assert score(((misread, confidence * reads),), plate) < score(known, plate)
    assert score((*known, (misread, 1.0)), plate) < 1.0


def test_a_plate_hits_its_entry_by_look_alikes_and_says_how_sure(listed) -> None:
    watchlist = listed(ROW)
    (exact,) = watchlist.hits((("51A12345", 0.9),), NOW_S, min_score=0.6)
    assert (exact.lead.entry_id, exact.lead.score) == ("W-1", 0.9)
    assert exact.lead.agrees == ("plate",)
    (alike,) = watchlist.hits((("5IA1Z345", 0.9),), NOW_S, min_score=0.6)
    assert alike.read == "5IA1Z345"  # as read, not put right
    assert alike.lead.score == pytest.approx(0.9 * 2.718281828**-0.2, abs=1e-4)
    (other,) = watchlist.hits((("51A12845", 1.0),), NOW_S, min_score=0.6)
    assert other.lead.expected_false_hits > exact.lead.expected_false_hits > 0.0
    assert watchlist.hits((("51A92345", 1.0),), NOW_S, min_score=0.6) == ()
    assert watchlist.hits((("51A12345", 0.5),), NOW_S, min_score=0.6) == ()


def test_a_part_of_a_plate_is_a_lead_only_where_little_is_asked_and_says_so(listed) -> None:
    (hit,) = listed(ROW).hits((("51A1345", 2.0),), NOW_S, min_score=0.3)
    assert hit.is_partial
    assert hit.lead.expected_false_hits > 5e-5


@pytest.mark.parametrize(
    ("at", "hits"),
    [
        ("2025-12-31T23:59:59.999Z", 0),
        ("2026-01-01T00:00:00.000Z", 1),
        ("2026-12-31T16:59:59.999Z", 1),
        ("2026-12-31T17:00:00.000Z", 0),
    ],
)
def test_an_entry_matches_from_its_first_instant_and_never_from_its_last(listed, at, hits) -> None:
    found = listed(ROW).hits((("51A12345", 1.0),), UtcTime.parse(at).timestamp(), min_score=0.6)
    assert len(found) == hits


@pytest.mark.parametrize("category", ["wanted", "missing", "possible_victim"])
def test_people_who_are_looked_for_are_not_matched_by_a_vehicle(listed, category) -> None:
    watchlist = listed(ROW | {"category": category})
    assert not watchlist
    assert watchlist.hits((("51A12345", 1.0),), NOW_S, min_score=0.1) == ()


def test_a_vehicle_of_another_kind_counts_against_it(listed) -> None:
    watchlist = listed(ROW | {"plate": "29B1-123.45"})
    reading = (("29B112345", 1.0),)
    (bike,) = watchlist.hits(reading, NOW_S, label="motorcycle", min_score=0.6)
    (truck,) = watchlist.hits(reading, NOW_S, label="truck", min_score=0.6)
    assert (bike.lead.score, bike.lead.agrees) == (1.0, ("plate", "vehicle"))
    assert (truck.lead.score, truck.lead.disagrees) == (0.7, ("vehicle",))
    said = listed(ROW | {"vehicle": "Truck"}, columns=(*COLUMNS, "vehicle"))
    (hit,) = said.hits((("51A12345", 1.0),), NOW_S, label="car", min_score=0.6)
    assert hit.lead.disagrees == ("vehicle",)


def test_false_hits_grow_with_the_list_and_with_the_mistakes_allowed() -> None:
    """DOMAIN.md 6.1: some 16 neighbours of a plate by one character that looks alike."""
    assert as_near("51A12345", 0.0) == 1.0
    assert 5.0 <= as_near("51A12345", 0.35) <= 40.0
    assert as_near("51A12345", 1.0) > 150.0


@given(st.lists(plates, min_size=1, max_size=20, unique=True), st.integers(0, 7), st.data())
def test_the_index_finds_what_comparing_with_every_entry_finds(listed_plates, at, data) -> None:
    rows = [
        ROW | {"entry_id": f"W-{number}", "plate": plate}
        for number, plate in enumerate(listed_plates)
    ]
    watchlist = Watchlist([_entry_of(row) for row in rows])
    true = data.draw(st.sampled_from(listed_plates))
    read = true[:at] + data.draw(st.sampled_from("0123456789OIZASGB")) + true[at + 1 :]
    found = {hit.entry.plate for hit in watchlist.hits(((read, 1.0),), NOW_S, min_score=0.2)}
    near = {plate for plate in listed_plates if math.exp(-cost(read, plate)) >= 0.2}
    one_off = {
        plate for plate in near if sum(a != b for a, b in zip(read, plate, strict=True)) < 2
    }
    assert true in one_off <= found <= near


def _entry_of(row: dict[str, Any]) -> Any:
    return register._entry({name: row.get(name, "") for name in COLUMNS})


def tuanbien(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge.command", *words], check=False, capture_output=True, text=True
    )


def test_match_prints_leads_one_a_line_and_says_what_was_refused(tmp_path) -> None:
    path = written(tmp_path / "list.csv", ROW, ROW | {"entry_id": "W-2", "purpose": ""})
    match = ("watchlist", "match", "--file", str(path), "--at", "2026-03-14T17:00:00Z")
    done = tuanbien(*match, "--plate", "5IA-123.45")
    (lead,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert set(lead) == {"entry_id", "score", "agrees", "disagrees", "expected_false_hits"}
    assert (lead["entry_id"], lead["score"]) == ("W-1", pytest.approx(0.9048))
    assert "line 3: purpose is missing" in done.stderr
    nothing = tuanbien(*match, "--plate", "29B-999.99")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    failed = tuanbien("watchlist", "match", "--plate", "..", "--file", str(path))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "'..'" in failed.stderr
