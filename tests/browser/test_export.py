"""An exported incident opens from a stick: no server, no request, and no name of it runs."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from edge.messages import Alert, Incident, TrackState, TrackUpdate, UtcTime, decode_as, encode
from fusion.evidence_index import Crop
from fusion.sector import load_sector
from maps import assets
from maps.export.bundle import Made, write_bundle
from maps.export.matter import Matter
from maps.language import words
from maps.people.roles import Person, Role

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
SECTOR = Path(__file__).parents[1] / "maps" / "sector" / "sector.toml"
LAN = Person("a-1", "Hạ sĩ Lan", Role.DUTY_OFFICER)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def matter(name: str = "") -> Matter:
    """An incident with a way and crops; with a name, that stands wherever one can."""
    alert = {
        "v": 1,
        "alert_id": "alert-1",
        "incident_id": "incident-1",
        "sector": "bien-thu",
        "kind": "crossing",
        "severity": "high",
        "raised_at": NOON,
        "issued_at": NOON,
        "lat": 1.2002,
        "lon": -12.302,
        "probability": 0.97,
        "direction": "outbound",
        "headcount": 3,
        "headcount_min": 2,
        "headcount_max": 4,
        "track_ids": ["track-1"],
        "devices": ["cam-01"],
        "place": {
            "trail_id": name or "trail-1",
            "marker": name or "234",
            "marker_distance_m": 120.0,
        },
        "reasons": [{"code": "crossed_line", "text": "crossed", "value": 0.97}],
    }
    incident = {
        **{key: alert[key] for key in ("incident_id", "sector", "kind", "severity", "lat", "lon")},
        **{
            key: alert[key] for key in ("direction", "headcount", "headcount_min", "headcount_max")
        },
        **{key: alert[key] for key in ("track_ids", "devices", "place")},
        "state": "new",
        "opened_at": NOON,
        "updated_at": NOON,
        "alert_ids": ["alert-1"],
    }
    way = [
        TrackUpdate(
            track_id=name or "track-1",
            t=NOON.after(float(second)),
            lat=1.1992 + second * 1e-5,
            lon=-12.302 + second * 2e-6,
            cov_m2=(4.0, 1.0, 9.0),
            velocity_mps=(0.5, 1.25),
            label=name or "person",
            state=TrackState.CONFIRMED,
            devices=("cam-01",),
        )
        for second in range(120)
    ]
    return Matter(
        sector=load_sector(SECTOR),
        incident=decode_as(encode(incident), Incident),
        alerts=[decode_as(encode(alert), Alert)],
        deeds=[],
        held_back=[],
        related=[],
        ways={name or "track-1": way},
        has_all_lines=True,
        crops=[crop(number, name) for number in range(3)],
        crops_missing=[],
    )


def crop(number: int, name: str) -> tuple[Crop, bytes]:
    picture = np.full((160, 120, 3), 60 + 40 * number, np.uint8)
    cv2.rectangle(picture, (45, 40), (75, 130), (200, 220, 240), -1)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    digest = hashlib.sha256(jpeg).hexdigest()
    at = NOON.after(float(number))
    return Crop(f"evi-{number}", name or "cam-01", at, digest, len(jpeg)), jpeg


@pytest.fixture
def stick(tmp_path) -> Callable[[Matter], str]:
    """Return a function that unpacks an export and gives the address of its page."""
    assets.bring()

    def unpack(what: Matter, language: str = "vi") -> str:
        write_bundle(tmp_path / "a.zip", what, Made(LAN, NOON), language=language)
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            archive.extractall(tmp_path / "stick")
        (folder,) = (tmp_path / "stick").iterdir()
        return (folder / "incident.html").as_uri()

    return unpack


def visible(page: Any) -> str:
    return page.locator("body").inner_text()


@pytest.mark.parametrize("viewport", [(1366, 768), (390, 844)])
def test_the_page_opens_from_a_file_in_both_languages(
    stick, open_page, check_axe, viewport
) -> None:
    address = stick(matter())
    watched = open_page(address, viewport={"width": viewport[0], "height": viewport[1]})
    page, asked = watched.page, []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_selector("#map canvas")
    assert [one for one in asked if not one.startswith(("data:", address))] == []
    for language, other in (("vi", "en"), ("en", "vi")):
        page.get_by_label(words(language)["export.language"]).check()
        assert page.locator("html").get_attribute("lang") == language
        said = visible(page)
        for key in ("export.lead", "case.timeline", "export.check", "kind.crossing"):
            assert words(language)[key] in said
        assert words(other)["export.lead"] not in said
        check_axe(page)
    loaded = page.eval_on_selector_all(".crops img", "all => all.map((one) => one.naturalWidth)")
    assert loaded == [120, 120, 120]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_it_opens_in_the_language_it_was_asked_for(stick, open_page) -> None:
    page = open_page(stick(matter(), "en")).page
    assert words("en")["export.lead"] in visible(page)


def test_the_map_shows_who_was_where_and_names_it_as_text(stick, open_page) -> None:
    page = open_page(stick(matter(HOSTILE))).page
    page.wait_for_selector("#map canvas")
    box = page.locator("#map").bounding_box()
    said = "document.querySelector('.leaflet-popup-content')?.innerText ?? ''"
    found = False
    # The way goes through the middle aslant, and is a few pixels wide.
    for down in range(20, int(box["height"]) - 20, 5):
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + down)
        found = "<img" in page.evaluate(said)  # at once: the next click closes it
        if found:
            break
    assert found
    assert page.locator("img[src=x]").count() == 0
    assert HOSTILE in visible(page)


def test_an_exercise_is_marked(stick, open_page) -> None:
    simulated = matter()
    simulated = simulated._replace(incident=replace(simulated.incident, simulated=True))
    page = open_page(stick(simulated)).page
    assert words("vi")["badge.simulated"] in page.locator(".simulated").inner_text()
