"""Crops on disk: what is kept is what was sent, for as long as an incident needs it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from edge.messages import (
    AlertKind,
    EvidenceMessage,
    Incident,
    InvalidMessageError,
    Outcome,
    Place,
    RefusedError,
    Severity,
    TrackState,
    TrackUpdate,
    UtcTime,
    encode,
)

pytest.importorskip("fusion.store")
from fusion import evidence
from fusion.events import IncidentChanged, TracksRevised, TracksUpdated
from fusion.evidence import EvidenceFolder, check_jpeg, evidence_id_of
from fusion.evidence_index import Crop
from fusion.evidence_room import EvidenceRoom
from fusion.store import Store

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
HOME = "test-sector"
DAY_S = 86_400.0


def jpeg(filling: bytes = b"", *, size: tuple[int, int] = (40, 60)) -> bytes:
    """Return the skeleton of a JPEG: start, JFIF, frame, scan, end."""
    width, height = size
    frame = bytes((8,)) + height.to_bytes(2) + width.to_bytes(2) + bytes((1, 1, 17, 0))
    return b"".join(
        [
            b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
            b"\xff\xc0" + (len(frame) + 2).to_bytes(2) + frame,
            b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + filling,
            b"\xff\xd9",
        ]
    )


def sent(name: str = "e-1", picture: bytes | None = None, **changed: object) -> EvidenceMessage:
    picture = jpeg(name.encode()) if picture is None else picture
    made = EvidenceMessage(
        v=1,
        message_id=name,
        evidence_id=name,
        device_id="cam-01",
        sector=HOME,
        captured_at=NOON,
        sha256=hashlib.sha256(picture).hexdigest(),
        jpeg=picture,
    )
    return replace(made, **changed)


@pytest.fixture
def folder(tmp_path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence", HOME)


@pytest.fixture
def store(database_url) -> Iterator[Store]:
    opened = Store.open(database_url, migrate=True)
    yield opened
    opened.close()


# -- the folder ------------------------------------------------------------------------------


def test_what_is_kept_is_what_was_sent_and_the_journal_goes_without(folder) -> None:
    message = sent()
    rest = folder.take(message)
    assert rest.jpeg == b""
    assert folder.read(message.sha256) == message.jpeg
    assert folder.size(message.sha256) == len(message.jpeg)
    path = folder.path_of(message.sha256)
    assert path.parts[-4:-1] == (HOME, message.sha256[:2], message.sha256[2:4])


def test_a_repeated_crop_is_one_file(folder) -> None:
    for _ in range(3):
        folder.take(sent())
    files = [one for one in folder._folder.rglob("*") if one.is_file()]
    assert files == [folder.path_of(sent().sha256)]


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (b"", "is no whole JPEG"),
        (b"<svg onload=alert(1)>", "is no whole JPEG"),
        (jpeg()[:-1], "is no whole JPEG"),
        (jpeg()[:20] + b"\xff\xd9", "is no whole JPEG"),
        (jpeg(size=(5000, 10)), "5000 x 10 pixels"),
        (jpeg(size=(0, 10)), "0 x 10 pixels"),
        (jpeg(b"0" * 600_000), "more than 600000"),
        (jpeg()[:2] + b"\xff\xe1\x00\x08Exif\x00\x00" + jpeg()[2:], "EXIF"),
    ],
)
def test_what_is_no_small_plain_jpeg_is_refused(folder, picture, sentence) -> None:
    with pytest.raises(InvalidMessageError, match=sentence):
        folder.take(sent(picture=picture))
    assert not folder._folder.exists()


def test_a_crop_that_is_not_the_one_its_digest_names_is_refused(folder) -> None:
    with pytest.raises(InvalidMessageError, match="is not that of its jpeg"):
        folder.take(sent(sha256="0" * 64))


@given(some.binary(max_size=200))
def test_whatever_bytes_come_they_are_judged_and_nothing_breaks(content: bytes) -> None:
    for picture in (content, b"\xff\xd8" + content + b"\xff\xd9"):
        with suppress(InvalidMessageError):
            check_jpeg(picture)


def test_a_crop_that_was_changed_on_disk_is_not_given_out(folder) -> None:
    message = sent()
    folder.take(message)
    path = folder.path_of(message.sha256)
    path.write_bytes(path.read_bytes()[:-3] + b"x\xff\xd9")
    with pytest.raises(RefusedError, match="is not what was kept"):
        folder.read(message.sha256)


def test_a_full_disk_keeps_its_rest_for_the_journal(folder, monkeypatch) -> None:
    monkeypatch.setattr(evidence, "LEAST_FREE_BYTES", 1 << 60)
    with pytest.raises(RefusedError, match="cannot be written: less than"):
        folder.take(sent())


# -- whom they show --------------------------------------------------------------------------


def line(seconds: float, *crops: str, track_id: str = "t1") -> TrackUpdate:
    return TrackUpdate(
        track_id=track_id,
        t=NOON.after(seconds),
        lat=1.2,
        lon=-12.3,
        cov_m2=(4.0, 1.0, 9.0),
        velocity_mps=(0.5, -1.25),
        label="person",
        state=TrackState.CONFIRMED,
        devices=("cam-01",),
        evidence_ids=crops,
    )


def crop(name: str, seconds: float = 0.0, sha256: str | None = None) -> Crop:
    digest = sha256 or hashlib.sha256(name.encode()).hexdigest()
    return Crop(name, "cam-01", NOON.after(seconds), digest, 7)


def incident(*track_ids: str, state: str = "new", **changed: object) -> Incident:
    made = Incident(
        incident_id="inc-1",
        sector=HOME,
        kind=AlertKind.CROSSING,
        state=state,
        severity=Severity.HIGH,
        opened_at=NOON,
        updated_at=NOON,
        headcount=1,
        headcount_min=1,
        headcount_max=1,
        lat=1.2,
        lon=-12.3,
        place=Place(),
        alert_ids=(),
        track_ids=track_ids,
        devices=("cam-01",),
    )
    return replace(made, **changed)


def names(store: Store, *track_ids: str) -> list[str]:
    return [one.evidence_id for one in store.crops_of(track_ids, sector=HOME)]


def test_the_crops_of_tracks_come_in_order_of_their_time(store) -> None:
    told = TracksUpdated((line(0.0, "b", "a"), line(1.0, "c"), line(1.0, "d", track_id="t2")))
    crops = [crop("a", 1.0), crop("b", 3.0), crop("c", 2.0), crop("d"), crop("e")]
    store.save([told], sector=HOME, crops=crops)
    assert names(store, "t1") == ["a", "c", "b"]
    assert names(store, "t1", "t2") == ["d", "a", "c", "b"]
    assert names(store, "t3") == []
    assert store.crop("c", sector=HOME) == crops[2]
    assert store.crop("c", sector="elsewhere") is None


def test_a_crop_may_come_before_or_after_its_track_and_more_than_once(store) -> None:
    for _ in range(2):
        store.save([TracksUpdated((line(0.0, "a"),))], sector=HOME)
        store.save([], sector=HOME, crops=[crop("a"), crop("b")])
        store.save([TracksUpdated((line(0.0, "b", track_id="t2"),))], sector=HOME)
    assert names(store, "t1", "t2") == ["a", "b"]


def test_of_two_crops_under_one_name_the_first_stays(store) -> None:
    store.save([], sector=HOME, crops=[crop("a")])
    store.save([], sector=HOME, crops=[crop("a", sha256="f" * 64)])
    assert store.crop("a", sector=HOME) == crop("a")


def test_what_late_data_make_void_shows_nobody(store) -> None:
    store.save([TracksUpdated((line(0.0, "a"), line(5.0, "b")))], sector=HOME)
    crops = [crop("a"), crop("b", 5.0)]
    again = [
        TracksRevised({"t1": NOON.after(3.0)}),
        TracksUpdated((line(6.0, "b", track_id="t2"),)),
        TracksRevised({"t9": NOON}),
    ]
    store.save(again, sector=HOME, crops=crops)
    assert names(store, "t1") == ["a"]
    assert names(store, "t2") == ["b"]


@pytest.fixture
def removed() -> list[str]:
    """The digests of the pictures that were deleted."""
    return []


# -- and for how long they are kept -------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "kept"),
    [
        ({"state": "new"}, True),
        ({"state": "on_scene"}, True),
        ({"state": "closed", "outcome": Outcome.BAT_GIU}, True),
        ({"state": "closed", "outcome": Outcome.DONG_VAT}, False),
        ({"state": "no_threat"}, False),
        ({"state": "withdrawn"}, False),
    ],
)
def test_an_incident_keeps_its_crops_while_it_is_open_or_came_out_true(
    store, how, kept, removed
) -> None:
    store.save(
        [TracksUpdated((line(0.0, "a"),)), IncidentChanged(incident("t1", **how))],
        sector=HOME,
        crops=[crop("a"), crop("b")],
    )
    gone = store.forget_crops(HOME, before=NOON.after(DAY_S), at_most=10, remove=removed.append)
    assert gone.looked_at == 2
    assert gone.crops == (1 if kept else 2)
    assert (store.crop("a", sector=HOME) is not None) is kept
    assert store.crop("b", sector=HOME) is None


def test_what_is_kept_is_looked_at_again_a_week_later_when_it_may_go(store, removed) -> None:
    told = [TracksUpdated((line(0.0, "a"),)), IncidentChanged(incident("t1"))]
    store.save(told, sector=HOME, crops=[crop("a")])
    assert (
        store.forget_crops(
            HOME, before=NOON.after(1.0), at_most=10, remove=removed.append
        ).looked_at
        == 1
    )
    assert (
        store.forget_crops(
            HOME, before=NOON.after(1.0), at_most=10, remove=removed.append
        ).looked_at
        == 0
    )
    closed = incident("t1", state="closed", outcome=Outcome.DONG_VAT)
    store.save([IncidentChanged(closed)], sector=HOME)
    gone = store.forget_crops(
        HOME, before=NOON.after(8 * DAY_S), at_most=10, remove=removed.append
    )
    assert (gone.crops, removed) == (1, [crop("a").sha256])
    assert names(store, "t1") == []


def test_old_crops_go_in_small_pieces_the_oldest_first(store, removed) -> None:
    store.save([], sector=HOME, crops=[crop(f"c{n}", float(n)) for n in range(5)])
    gone = store.forget_crops(HOME, before=NOON.after(DAY_S), at_most=2, remove=removed.append)
    assert (gone.looked_at, gone.crops) == (2, 2)
    assert [store.crop(f"c{n}", sector=HOME) is None for n in range(5)] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_a_picture_stays_while_any_crop_names_it(store, removed) -> None:
    same = "a" * 64
    store.save([], sector=HOME, crops=[crop("a", sha256=same), crop("b", DAY_S, sha256=same)])
    store.forget_crops(HOME, before=NOON.after(1.0), at_most=9, remove=removed.append)
    assert removed == []
    store.forget_crops(HOME, before=NOON.after(2 * DAY_S), at_most=9, remove=removed.append)
    assert removed == [same]


def test_a_room_lets_go_of_rows_and_files_and_counts_them(store, folder) -> None:
    room = EvidenceRoom(HOME, store, folder, keep_s=DAY_S)
    message = sent()
    room.note(folder.take(message))
    room.note(sent("e-2"))  # whose picture is not there
    store.save([], sector=HOME, crops=room.noted)
    room.saved()
    path = folder.path_of(message.sha256)
    os.utime(path, (0.0, 0.0))
    room.tidy(0.0, NOON.after(0.5 * DAY_S))
    assert path.exists()
    room.tidy(100.0, NOON.after(2 * DAY_S))
    assert not path.exists()
    assert store.crop(evidence_id_of(message), sector=HOME) is None
    assert (room.kept, room.lost, room.forgotten) == (1, 1, 1)


def test_a_disk_that_deletes_nothing_leaves_the_row_for_the_next_time(store, folder) -> None:
    room = EvidenceRoom(HOME, store, folder, keep_s=DAY_S)
    message = sent()
    room.note(folder.take(message))
    store.save([], sector=HOME, crops=room.noted)

    def refuse(sha256: str) -> None:
        raise PermissionError(13, f"{sha256} cannot be deleted")

    folder.remove = refuse
    room.tidy(0.0, NOON.after(2 * DAY_S))
    assert store.crop(evidence_id_of(message), sector=HOME) is not None
    assert room.forgotten == 0
    del folder.remove
    room.tidy(100.0, NOON.after(2 * DAY_S))
    assert room.forgotten == 1


def test_a_line_without_crops_is_written_as_ever() -> None:
    assert b"evidence" not in encode(line(0.0))
    assert encode(line(0.0, "a")).endswith(b',"evidence_ids":["a"]}')
