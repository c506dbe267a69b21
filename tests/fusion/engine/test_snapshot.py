"""A snapshot of an engine: what is restored from it goes on to the letter as the engine would."""

import collections
import os
import pickle
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import UtcTime
from fusion.engine import Engine
from fusion.sector import Sector, load_sector
from fusion.snapshot import (
    UnfitSnapshotError,
    dumped,
    fingerprint_of,
    loaded,
    packed,
    unpacked,
)

BEGAN_AT = UtcTime.parse("2026-03-14T17:00:00Z")


@pytest.fixture
def sector(sector_file) -> Sector:
    return load_sector(sector_file)


@pytest.fixture
def arrivals(walk) -> list:
    """Three walkers, a quarter of their messages late by up to some seconds."""
    chance, found = random.Random(4), []
    for number in range(3):
        for message in walk(
            name=f"w{number}",
            device=f"cam-{number:02d}",
            begin=BEGAN_AT.after(4.0 * number),
            lon=-12.3 + 0.001 * number,
        ):
            late_s = chance.uniform(1.0, 6.0) if chance.random() < 0.25 else 0.1
            found.append((message.captured_at.after(late_s), message))
    return sorted(found, key=lambda one: one[0])


def told(engine, arrivals) -> list:
    return [event for at, message in arrivals for event in engine.step(message, received_at=at)]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.35, 0.5, 0.8, 1.0])
def test_a_restored_engine_says_what_the_other_would_have_said(sector, arrivals, share) -> None:
    cut = int(share * len(arrivals))
    engine = Engine(sector)
    told(engine, arrivals[:cut])
    again = Engine.restored(sector, engine.snapshot())
    assert again.counts == engine.counts
    assert told(again, arrivals[cut:]) == told(engine, arrivals[cut:])
    assert again.flush() == engine.flush()
    assert again.counts == engine.counts


def test_a_snapshot_leaves_the_sector_outside(sector, arrivals, sector_file) -> None:
    engine = Engine(sector)
    told(engine, arrivals)
    snapshot = engine.snapshot()
    for word in (b"LocalFrame", b"Border", b"Sector", b"TrackingRule", b"Transformer"):
        assert word not in snapshot
    other = load_sector(sector_file)
    assert Engine.restored(other, snapshot)._sector is other


def test_taking_a_snapshot_changes_nothing(sector, arrivals) -> None:
    engine = Engine(sector)
    told(engine, arrivals[:20])
    assert engine.snapshot() == engine.snapshot()
    undisturbed = Engine(sector)
    told(undisturbed, arrivals[:20])
    assert told(engine, arrivals[20:]) == told(undisturbed, arrivals[20:])


class Evil:
    def __reduce__(self) -> tuple:
        return os.system, ("false",)


@pytest.mark.parametrize(
    "state",
    [Evil(), {"deep": [Evil()]}, pytest.fail, random.Random(1), collections.ChainMap()],
    ids=["a command", "a command deep inside", "a test's function", "a stranger", "another"],
)
def test_only_classes_of_the_engine_are_made(sector, state) -> None:
    with pytest.raises(UnfitSnapshotError, match="none of the engine's classes"):
        loaded(pickle.dumps(state, protocol=5), sector)


def test_a_function_of_ours_is_not_called(sector) -> None:
    body = b"cfusion.sector\nload_sector\n(V/etc/passwd\ntR."
    with pytest.raises(UnfitSnapshotError, match=r"names fusion\.sector\.load_sector"):
        loaded(body, sector)


def test_something_else_than_an_engine_is_refused(sector) -> None:
    with pytest.raises(UnfitSnapshotError, match="of a dict, not of an engine"):
        Engine.restored(sector, dumped({}, sector))


@given(body=st.binary())
@settings(max_examples=50)
def test_any_bytes_at_all_are_refused_and_nothing_worse(body) -> None:
    with pytest.raises(UnfitSnapshotError):
        unpacked(body, code="c", sector="s")


# -- the file ---------------------------------------------------------------------------------

CONTENT = packed(b"body\nof it", code="c", sector="s", segment="journal-1", offset=7)


def test_what_was_packed_is_unpacked() -> None:
    header, body = unpacked(CONTENT, code="c", sector="s")
    assert (header.segment, header.offset, body) == ("journal-1", 7, b"body\nof it")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (CONTENT.replace(b"body", b"bodi"), "not what was written"),
        (CONTENT[:-1], "9 bytes of 10"),
        (CONTENT + b"\n", "11 bytes of 10"),
        (CONTENT.replace(b'"format":1', b'"format":2'), "of format 2, not 1"),
        (CONTENT.replace(b'"code":"c"', b'"code":"d"'), "another version of the program"),
        (
            CONTENT.replace(b'"sector":"s"', b'"sector":"t"'),
            "rules, layers or watchlist have changed",
        ),
        (b"", "header cannot be read"),
        (CONTENT[:20], "header cannot be read"),
    ],
)
def test_a_snapshot_that_is_not_what_was_written_here_is_refused(content, why) -> None:
    with pytest.raises(UnfitSnapshotError, match=why):
        unpacked(content, code="c", sector="s")


@pytest.mark.parametrize("bit", range(0, 8 * len(CONTENT), 5))
def test_no_flipped_bit_goes_unseen(bit) -> None:
    spoilt = bytearray(CONTENT)
    spoilt[bit // 8] ^= 1 << bit % 8
    try:
        header, body = unpacked(bytes(spoilt), code="c", sector="s")
    except UnfitSnapshotError:
        return
    # The place in the journal is held against the journal itself.
    assert body == b"body\nof it"
    assert (header.segment, header.offset) != ("journal-1", 7)


def test_another_rule_or_layer_is_another_sector(sector_file) -> None:
    before = fingerprint_of(load_sector(sector_file))
    assert fingerprint_of(load_sector(sector_file)) == before
    text = sector_file.read_text()
    sector_file.write_text(text + "[rules.time]\nhorizon_s = 600.0\n")
    assert fingerprint_of(load_sector(sector_file)) != before
    sector_file.write_text(text)
    border = sector_file.with_name("border.geojson")
    border.write_text(border.read_text().replace("-12.31", "-12.32"))
    assert fingerprint_of(load_sector(sector_file)) != before
