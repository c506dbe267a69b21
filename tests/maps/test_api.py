"""The HTTP interface as CONTRACT.md has it, and the door in front of it."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from functools import partial

import httpx
import jsonschema
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from maps import app as app_module
from maps import assets
from maps.app import create_app

GEOJSON = {"Accept": "application/geo+json"}


@pytest.fixture
def app(sector, feed) -> FastAPI:
    assets.bring()
    return create_app(sector=sector, feed=feed)


@pytest.fixture
def get(app: FastAPI) -> Callable[..., httpx.Response]:
    def ask(path: str, *, host: str = "localhost:8000", **options: object) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                return await client.get(path, **options)

        return asyncio.run(once())

    return ask


@pytest.fixture
def full(feed, say) -> None:
    """A sector in which something of every kind has happened."""
    feed.take(*say.track())
    feed.take(*say.status())
    feed.take(*say.position())
    feed.take(*say.fusion())
    alert = say.alert()
    feed.stream.publish(feed.picture.take_incidents([say.incident(alert)]))
    feed.stream.publish(feed.picture.take_alerts([alert]))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("tracks", "track_id"),
        ("alerts", "alert_id"),
        ("incidents", "incident_id"),
        ("devices", "device_id"),
        ("patrols", "unit_id"),
    ],
)
@pytest.mark.usefixtures("full")
def test_every_list_is_json_and_on_demand_geojson(get, path, name) -> None:
    plain = get(f"/api/v1/{path}")
    assert plain.headers["content-type"] == "application/json"
    (item,) = plain.json()
    layer = get(f"/api/v1/{path}", headers=GEOJSON)
    assert layer.headers["content-type"] == "application/geo+json"
    (feature,) = layer.json()["features"]
    assert layer.json()["type"] == "FeatureCollection"
    assert feature["id"] == feature["properties"][name] == item[name]
    lon, lat = feature["geometry"]["coordinates"]
    assert (round(lon), round(lat)) == (-12, 1)
    assert item.items() <= feature["properties"].items()


@pytest.mark.usefixtures("full")
def test_the_lists_keep_the_schemas_that_the_documentation_shows(get) -> None:
    description = get("/openapi.json").json()
    for path in ("tracks", "alerts", "incidents", "devices", "patrols"):
        answers = description["paths"][f"/api/v1/{path}"]["get"]["responses"]["200"]["content"]
        schema = answers["application/json"]["schema"] | {"components": description["components"]}
        jsonschema.validate(get(f"/api/v1/{path}").json(), schema)


@pytest.mark.parametrize("limit", ["0", "501", "x"])
def test_a_wrong_limit_is_refused(get, limit) -> None:
    assert get(f"/api/v1/alerts?limit={limit}").status_code == 422


def test_alerts_can_be_limited(get, feed, say, noon) -> None:
    feed.picture.take_alerts([say.alert(f"alert-{n}", noon.after(n)) for n in range(5)])
    latest = [alert["alert_id"] for alert in get("/api/v1/alerts?limit=2").json()]
    assert latest == ["alert-4", "alert-3"]


@pytest.mark.usefixtures("full")
def test_the_snapshot_names_the_last_event_that_is_in_it(get, feed) -> None:
    snapshot = get("/api/v1/snapshot").json()
    assert snapshot["event_id"] == feed.stream.last_id
    assert {name: len(snapshot[name]["features"]) for name in ("tracks", "alerts", "devices")} == {
        "tracks": 1,
        "alerts": 1,
        "devices": 1,
    }


def test_the_sector_is_served_with_its_layers_as_they_were_read(get, sector) -> None:
    answer = get("/api/v1/sector").json()
    assert answer["name"] == "Biển Thử"
    assert answer["timezone"] == "Asia/Ho_Chi_Minh"
    assert answer["layers"] == sector.layers


def test_health_says_what_is_missing_and_no_password(get) -> None:
    answer = get("/healthz")
    assert answer.status_code == 503
    broker, store = answer.json()["reasons"]
    assert broker == "broker mqtt://127.0.0.1:1 is not connected"
    assert store.startswith("store:")


def test_health_tells_how_fusion_is_and_does_not_fail_for_it(get, feed, say, noon) -> None:
    """A container is restarted when it is not healthy: the map's restart mends no fusion."""
    status = get("/healthz").status_code
    assert get("/healthz").json()["fusion"] == "never heard"
    feed.take(*say.fusion())
    told = []
    for later_s in (15, 16):
        feed.clock = partial(noon.after, later_s)
        answer = get("/healthz")
        told.append(answer.json()["fusion"])
    assert told == ["online", f"silent since {noon.rfc3339()}"]
    assert answer.status_code == status
    assert len(answer.json()["reasons"]) == 2  # broker and store, as without it
    feed.take(*say.fusion(online=False))
    assert get("/healthz").json()["fusion"] == f"offline since {noon.after(16).rfc3339()}"


@pytest.mark.usefixtures("full")
def test_metrics_can_be_read_by_prometheus(get, feed) -> None:
    feed.take("tuanbien/v1/bien-thu/fusion/tracks", b"not json")
    families = text_string_to_metric_families(get("/metrics").text)
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }
    assert values["tuanbien_maps_alerts",] == 1
    assert values["tuanbien_maps_viewers",] == 0
    assert values["tuanbien_maps_messages_rejected_total",] == 1
    assert values["tuanbien_maps_messages_total", "tracks"] == 1
    assert values["tuanbien_maps_devices", "ok"] == 1
    assert values["tuanbien_maps_fusion_status_age_seconds",] == 0
    assert values["tuanbien_maps_broker_connected",] == 0


def test_what_fusion_refuses_of_a_device_is_told_for_it(get, feed, say) -> None:
    feed.take(*say.status("cam-01"))
    feed.take(*say.status("cam-02"))
    refused, offsets_s = {"cam-02": {"flood": 7, "jump": 1}}, {"cam-02": -3600.0}
    feed.take(*say.fusion(refused_by=refused, clock_offsets_s=offsets_s))
    good, bad = get("/api/v1/devices").json()
    assert "refused" not in good
    assert (bad["refused"], bad["clock_corrected_s"]) == (refused["cam-02"], -3600.0)
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(get("/metrics").text)
        for sample in family.samples
    }
    assert values["tuanbien_fusion_refused_total", "cam-02", "flood"] == 7
    assert values["tuanbien_fusion_clock_offset_seconds", "cam-02"] == -3600.0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000"])
def test_it_answers_to_loopback_names(get, host) -> None:
    assert get("/", host=host).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.0.2.7:8000"])
def test_it_answers_to_no_other_name(get, host) -> None:
    """A web page elsewhere could point a name of its own at us (DNS rebinding)."""
    assert get("/api/v1/alerts", host=host).status_code == 400


@pytest.mark.parametrize(
    "path", ["/", "/?lang=en", "/docs", "/api/v1/alerts", "/static/live.js", "/no"]
)
def test_every_answer_tells_the_browser_to_stay_home(get, path) -> None:
    headers = get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert "//" not in headers["content-security-policy"].replace("sha256-", "") or all(
        source.startswith("'") for source in policy["script-src"].split()
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    kept = headers.get("set-cookie", "")
    assert kept.startswith("lang=en; HttpOnly;") if "lang=" in path else not kept


def test_a_place_is_written_in_the_grids_of_the_maps_that_guards_carry(get) -> None:
    answer = get("/api/v1/coordinates?lat=22.95013&lon=105.31611")
    assert answer.json()["mgrs"] == "48Q WL 32407 38034"
    assert answer.json()["vn2000"].startswith("X 2538141 Y 532211 (VN-2000, 105")
    assert get("/api/v1/coordinates?lat=91&lon=105").status_code == 422


@pytest.mark.parametrize("path", ["/", "/?lang=en", "/docs"])
def test_every_inline_block_is_allowed_by_its_digest_and_nothing_comes_from_outside(
    get, path
) -> None:
    answer = get(path)
    policy = answer.headers["content-security-policy"]
    blocks = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", answer.text, re.DOTALL)
    for block in blocks:
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    addresses = re.findall(r"""(?:src|href)=["']?([^"'\s>]+)""", answer.text)
    assert addresses
    assert all(re.match(r"/(?!/)|\?lang=|#", address) for address in addresses)


def test_every_file_that_a_page_names_is_served(get) -> None:
    for page in ("/", "/docs"):
        for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', get(page).text):
            assert get(address).status_code == 200, address


def test_a_sectors_name_is_text_on_the_page(sector, feed) -> None:
    hostile = "{{ 7*7 }}<script>alert(1)</script>"
    renamed = app_module.Sector(
        **{name: getattr(sector, name) for name in sector.__slots__} | {"name": hostile}
    )
    app = create_app(sector=renamed, feed=feed)

    async def ask() -> str:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/")).text

    page = asyncio.run(ask())
    assert "<script>alert(1)" not in page
    assert "{{ 7*7 }}&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("query", "language"), [("", "vi"), ("?lang=en", "en"), ("?lang=fr", "vi")]
)
def test_the_page_speaks_vietnamese_unless_asked(get, query, language) -> None:
    assert f'<html lang="{language}">' in get(f"/{query}").text


def test_too_many_viewers_are_turned_away(get, monkeypatch) -> None:
    monkeypatch.setattr("maps.api.MAX_VIEWERS", 0)
    assert get("/api/v1/stream").status_code == 503
