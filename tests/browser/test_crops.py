"""Crops where people look at them: an alert's card on the live map, and the incident's page."""

import hashlib
import json
import zipfile

import cv2
import numpy as np
import pytest

from edge.messages import EvidenceMessage, TrackState, TrackUpdate, UtcTime
from fusion.events import TracksUpdated
from fusion.evidence import EvidenceFolder
from fusion.evidence_index import Crop
from maps.language import words


def show(field, folder: EvidenceFolder, track_id: str = "track-1") -> Crop:
    """Keep a crop that shows a track."""
    jpeg = cv2.imencode(".jpg", np.full((90, 60, 3), 128, np.uint8))[1].tobytes()
    now = UtcTime.read_clock()
    digest = hashlib.sha256(jpeg).hexdigest()
    folder.take(
        EvidenceMessage(
            v=1,
            message_id="e",
            evidence_id="e",
            device_id="cam-01",
            sector="bien-thu",
            captured_at=now,
            sha256=digest,
            jpeg=jpeg,
        )
    )
    crop = Crop("evi-00ff", "cam-01", now, digest, len(jpeg))
    line = TrackUpdate(
        track_id=track_id,
        t=now,
        lat=1.2,
        lon=-12.302,
        cov_m2=(4.0, 1.0, 9.0),
        velocity_mps=(0.5, -1.25),
        label="person",
        state=TrackState.CONFIRMED,
        devices=("cam-01",),
        evidence_ids=(crop.evidence_id,),
    )
    field.store.save([TracksUpdated((line,))], sector="bien-thu", crops=[crop])
    return crop


def width_px(image) -> int:
    """Return a picture's own width once it has come."""
    image.scroll_into_view_if_needed()
    return image.evaluate("image => image.decode().then(() => image.naturalWidth)")


@pytest.fixture
def folder(tmp_path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence", "bien-thu")


@pytest.fixture
def url(field, serve_map, tmp_path) -> str:
    field.fusion_status()
    return serve_map("--evidence", str(tmp_path / "evidence")).url


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_picked_alert_shows_its_crops(
    field, folder, url, open_page, check_axe, language
) -> None:
    show(field, folder)
    field.alert("alert-1")
    field.alert("alert-2", track_ids=["track-2"])
    page = open_page(f"{url}?lang={language}").page
    page.locator("#alerts-list li").nth(1).wait_for()
    assert page.locator(".alert-crops img").count() == 0
    for card in page.locator("#alerts-list .alert-go").all():
        card.click()
    image = page.locator("#alerts-list .alert-crops img")
    image.wait_for()
    assert image.count() == 1
    assert width_px(image) == 60
    assert words(language)["alert.crop"] in (image.get_attribute("alt") or "")
    check_axe(page)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_an_incident_s_page_shows_them_and_saves_the_bundle(
    field, folder, url, open_page, tmp_path, language
) -> None:
    show(field, folder)
    field.alert("alert-1")
    page = open_page(f"{url}incidents/incident-of-alert-1?lang={language}").page
    assert width_px(page.locator("#crops img")) == 60
    assert "cam-01" in page.locator("#crops").inner_text()
    with page.expect_download() as saving:
        page.get_by_role("link", name=words(language)["export.save"]).click()
    saving.value.save_as(tmp_path / "saved.zip")
    with zipfile.ZipFile(tmp_path / "saved.zip") as archive:
        manifest = json.loads(archive.read("tuanbien-incident-of-alert-1/manifest.json"))
        assert "tuanbien-incident-of-alert-1/evidence/evi-00ff.jpg" in archive.namelist()
    assert manifest["simulated"] is True


def test_an_incident_without_crops_has_no_place_for_them(field, url, open_page) -> None:
    field.alert("alert-1")
    page = open_page(f"{url}incidents/incident-of-alert-1").page
    page.locator("#to-export").wait_for()
    assert page.locator("#evidence").is_hidden()
