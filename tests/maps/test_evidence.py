"""Crops over HTTP: which an incident has, who may see them, and that they are what was kept."""

import asyncio
import hashlib
from collections.abc import Callable

import httpx
import pytest

from edge.messages import EvidenceMessage, TrackState, TrackUpdate, UtcTime
from fusion.events import AlertIssued, IncidentChanged, TracksUpdated
from fusion.evidence import EvidenceFolder, evidence_id_of
from fusion.evidence_index import Crop
from fusion.store import Store
from maps import assets
from maps.app import create_app
from maps.people.door import person_of
from maps.people.roles import Person, Role

LAN = Person("a-1", "Hạ sĩ Lan", Role.DUTY_OFFICER)
POLICE = Person("a-2", "Công an", Role.PARTNER, "cong-an-tinh")
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xc0\x00\x0b\x08\x00\x28\x00\x3c\x01\x01\x11\x00"
    b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9"
)


@pytest.fixture
def folder(tmp_path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence", "bien-thu")


@pytest.fixture
def keep(feed, tmp_path, say, folder, noon) -> Callable[..., str]:
    """Keep an incident whose track a crop shows; return the crop's name."""
    store = Store.open(f"sqlite:///{tmp_path / 'tuanbien.db'}", migrate=True)
    feed._open_store = lambda: store

    def once(name: str = "alert-1", *, track: str = "track-1", **changed: object) -> str:
        message = crop_message(name, noon)
        folder.take(message)
        crop = Crop(evidence_id_of(message), "cam-01", noon, message.sha256, len(JPEG))
        line = TrackUpdate(
            track_id=track,
            t=noon,
            lat=1.2,
            lon=-12.3,
            cov_m2=(4.0, 1.0, 9.0),
            velocity_mps=(0.5, -1.25),
            label="person",
            state=TrackState.CONFIRMED,
            devices=("cam-01",),
            evidence_ids=(crop.evidence_id,),
        )
        alert = say.alert(name)
        incident = say.incident(alert, track_ids=[track], **changed)
        events = [TracksUpdated((line,)), AlertIssued(alert), IncidentChanged(incident)]
        store.save(events, sector="bien-thu", crops=[crop])
        return crop.evidence_id

    yield once
    store.close()


def crop_message(name: str, at: UtcTime) -> EvidenceMessage:
    return EvidenceMessage(
        v=1,
        message_id=name,
        evidence_id=name,
        device_id="cam-01",
        sector="bien-thu",
        captured_at=at,
        sha256=hashlib.sha256(JPEG).hexdigest(),
        jpeg=JPEG,
    )


@pytest.fixture
def ask(sector, feed, tmp_path) -> Callable[..., httpx.Response]:
    assets.bring()
    app = create_app(sector=sector, feed=feed, evidence=tmp_path / "evidence")

    def once(path: str, person: Person = LAN) -> httpx.Response:
        app.dependency_overrides[person_of] = lambda: person

        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.get(path)

        return asyncio.run(request())

    return once


def test_an_incident_tells_its_crops_and_each_is_a_picture(ask, keep, noon) -> None:
    name = keep()
    (one,) = ask("/api/v1/incidents/incident-of-alert-1/evidence").json()["evidence"]
    assert one == {
        "evidence_id": name,
        "device_id": "cam-01",
        "captured_at": noon.rfc3339(),
        "sha256": hashlib.sha256(JPEG).hexdigest(),
        "size_bytes": len(JPEG),
        "url": f"/api/v1/evidence/{name}",
    }
    picture = ask(one["url"])
    assert picture.content == JPEG
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert picture.headers["content-disposition"] == f'inline; filename="{name}.jpg"'
    assert picture.headers["cache-control"].startswith("private")
    page = ask("/api/v1/incidents/incident-of-alert-1").json()
    assert page["evidence"] == [one]


def test_an_incident_without_crops_has_none(ask, keep) -> None:
    keep()
    keep("alert-2", track="track-2")
    assert len(ask("/api/v1/incidents/incident-of-alert-1/evidence").json()["evidence"]) == 1
    assert ask("/api/v1/incidents/incident-of-nobody/evidence").status_code == 404


def test_a_partner_sees_the_crops_of_its_own_incidents_only(ask, keep) -> None:
    own = keep("alert-1", assigned_to="cong-an-tinh")
    other = keep("alert-2", track="track-2")
    assert ask(f"/api/v1/evidence/{own}", POLICE).status_code == 200
    assert ask(f"/api/v1/evidence/{other}", POLICE).status_code == 404
    assert ask("/api/v1/incidents/incident-of-alert-1/evidence", POLICE).status_code == 200
    assert ask("/api/v1/incidents/incident-of-alert-2/evidence", POLICE).status_code == 404


@pytest.mark.parametrize("name", ["evi-0000", "..%2f..%2fetc%2fpasswd", "evi-", "x"])
def test_what_is_no_crop_is_none(ask, keep, name) -> None:
    keep()
    assert ask(f"/api/v1/evidence/{name}").status_code in {404, 422}


def test_a_picture_that_was_changed_or_deleted_is_not_shown(ask, keep, folder) -> None:
    name = keep()
    path = folder.path_of(hashlib.sha256(JPEG).hexdigest())
    path.write_bytes(b"another")
    assert ask(f"/api/v1/evidence/{name}").status_code == 503
    path.unlink()
    assert ask(f"/api/v1/evidence/{name}").status_code == 404
