"""A vehicle whose plate may be on the watchlist: one lead while it holds, none after its end."""

from typing import Any

import pytest

from edge.messages import AlertKind, RefusedError
from fusion.sector import load_sector
from fusion.snapshot import fingerprint_of
from fusion.watchlist.leads import Leads, observe
from fusion.watchlist.register import COLUMNS

ROW = {
    "entry_id": "W-1", "category": "organiser", "plate": "29A-123.45", "purpose": "p",
    "legal_basis": "b", "requested_by": "An", "approved_by": "Bình", "expires_at": "2027-01-01",
}  # fmt: skip


@pytest.fixture
def listing(sector_maker) -> Any:
    def load(rules: str = "", /, **changed: str) -> Any:
        path = sector_maker.write(rules=rules)
        listed = path.with_name("list.csv")
        row = ROW | changed
        listed.write_text(
            ",".join(COLUMNS) + "\n" + ",".join(row.get(name, "") for name in COLUMNS) + "\n"
        )
        return load_sector(path, watchlist_file=listed)

    return load


def said(make, staged, sector, *texts: str, confidence: float = 0.9, label: str = "truck") -> list:
    """A truck passes; its plate is read now so, now so."""
    truck = make.walker([(0, -100, -60), (30, 140, -60)], label=label)
    lines = make.world([truck], until_s=30).messages()
    for number, line in enumerate(lines):
        for seen in line["payload"]["detections"]:
            text = texts[number % len(texts)]
            seen["plate"] = {"text": text, "confidence": confidence}
    found = staged(sector, lines, lambda s, t, a, sec, _: observe(s, t, a, sec), Leads())
    return [finding for _, finding in found]


@pytest.mark.parametrize("texts", [("29A12345",), ("29A-I2345", "29A12345", "Z9A12345")])
def test_a_wanted_plate_is_a_lead_of_its_entry_for_as_long_as_it_is_seen(
    make, staged, listing, texts
) -> None:
    found = said(make, staged, listing(), *texts)
    assert len(found) > 20
    assert {(one.kind, one.subject, one.over) for one in found} == {
        (AlertKind.WATCHLIST, "W-1", "")
    }
    last = found[-1]
    assert last.lead.score == last.probability > 0.9
    assert [reason.code for reason in last.reasons] == ["plate_may_match"]
    assert "organiser" in last.reasons[0].text


def test_another_plate_a_vague_reading_and_a_person_are_none(make, staged, listing) -> None:
    sector = listing()
    assert said(make, staged, sector, "29A92845") == []
    assert said(make, staged, sector, "29A12345", confidence=0.4) == []
    assert said(make, staged, sector, "29A12345", label="person") == []
    assert said(make, staged, sector, "30F55555", "30F55555", "30F55555", "29A12345") == []


def test_before_it_is_valid_and_after_its_end_an_entry_is_none_by_event_time(
    make, staged, listing
) -> None:
    """The scene begins at 17:00:00; the entry ends 10 s later, or begins then."""
    ends = said(make, staged, listing(expires_at="2026-03-14T17:00:10Z"), "29A12345")
    assert 5 <= len(ends) <= 11
    assert [one.over for one in ends if one.over] == ["no_match"]
    begins = said(make, staged, listing(valid_from="2026-03-14T17:00:10Z"), "29A12345")
    assert 18 <= len(begins) <= 21
    assert said(make, staged, listing(expires_at="2026-03-14T17:00:00Z"), "29A12345") == []


def test_a_part_of_a_plate_is_low_and_says_that_it_is_a_part(make, staged, listing) -> None:
    sector = listing("[rules.watchlist]\nmin_score = 0.3\n")
    (*_, last) = said(make, staged, sector, "29A1345")
    assert last.severity == "low"
    assert [reason.code for reason in last.reasons] == ["plate_may_match", "partial_plate"]


def test_another_watchlist_makes_a_snapshot_unfit(listing) -> None:
    assert fingerprint_of(listing()) == fingerprint_of(listing())
    assert fingerprint_of(listing()) != fingerprint_of(listing(plate="29A-123.46"))


def test_refused_rows_are_warnings_of_the_sector_and_a_file_that_is_none_is_refused(
    listing, tmp_path
) -> None:
    (warning,) = listing(purpose="").warnings
    assert "list.csv: line 2: purpose is missing" in warning
    sector_file = tmp_path / "sector" / "sector.toml"
    with pytest.raises(RefusedError, match=r"nowhere\.csv: cannot be read"):
        load_sector(sector_file, watchlist_file=tmp_path / "nowhere.csv")
