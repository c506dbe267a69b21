"""What lies under the map in a real browser: tiles, relief, holes; and nothing from outside."""

import http.server
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pmtiles.tile import TileType

from maps.base_map.check import tile_of
from tests.maps.tile_files import Shape, mvt, png, write_heights, write_mbtiles, write_pmtiles

pytestmark = pytest.mark.slow
LAT, LON = 1.2, -12.3  # in the sector
SQUARE = [(0, 0), (4096, 0), (4096, 4096), (0, 4096)]
GROUND = {
    "water": [
        Shape("polygon", [(0, 0), (2048, 0), (2048, 4096), (0, 4096)], {"kind": "lake"}),
    ],
    "roads": [Shape("line", [(2100, 0), (3900, 4096)], {"kind": "major_road"})],
    "places": [Shape("point", [(3000, 2048)], {"kind": "locality", "name:vi": "Bản Thử"})],
}
LINES_OF_OTHERS = {
    "boundaries": [Shape("line", [(0, 0), (4096, 4096)], {"kind": "country", "disputed": "true"})],
    "boundary": [Shape("line", [(0, 4096), (4096, 0)], {"admin_level": "2", "disputed": "1"})],
    "places": [Shape("point", [(2048, 2048)], {"kind": "country", "name": "Nước Khác"})],
}
TWO_FRAMES = "() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 400))"
COUNT = """(canvases) => {
  const colours = {};
  for (const canvas of canvases) {
    if (canvas.width === 0) continue;
    const copy = document.createElement("canvas");
    Object.assign(copy, { width: canvas.width, height: canvas.height });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 0) continue;
      const key = data.slice(i, i + 4).join(",");
      colours[key] = (colours[key] ?? 0) + 1;
    }
  }
  return colours;
}"""


def around(zoom: int, data: bytes, reach: int = 3) -> dict[tuple[int, int, int], bytes]:
    """Return one and the same tile for all places about the sector."""
    x, y = tile_of(zoom, lat=LAT, lon=LON)
    span = range(-reach, reach + 1)
    return {(zoom, x + right, y + down): data for right in span for down in span}


def hills(path: Path) -> Path:
    """Write a cone of 300 m in the middle of the sector, cells of 10 m, and a hole in the west."""
    cell_deg = 10.0 / 111_320.0
    east, north = np.meshgrid(np.arange(-300, 300) * 10.0, np.arange(300, -300, -1) * 10.0)
    heights_m = 1000.0 - 0.3 * np.hypot(east, north)
    heights_m[:, :60] = -32768.0
    corner = Affine(cell_deg, 0, LON - 300 * cell_deg, 0, -cell_deg, LAT + 300 * cell_deg)
    return write_heights(path, heights_m, transform=corner)


def settle(page, layer: str, least: int = 1) -> dict[tuple[int, ...], int]:
    """Wait until a layer has painted; return how many pixels it has of each colour (RGBA)."""
    canvases = page.locator(f".leaflet-base-{layer}-pane canvas.leaflet-tile-loaded")
    canvases.first.wait_for(state="attached")
    for _ in range(100):
        colours = canvases.evaluate_all(COUNT)
        if sum(colours.values()) >= least:
            break
        page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
    return {tuple(map(int, colour.split(","))): count for colour, count in colours.items()}


def test_pictures_lie_under_the_map_and_are_enlarged(serve_map, open_page, tmp_path) -> None:
    path = write_mbtiles(
        tmp_path / "nen.mbtiles",
        around(14, png((20, 160, 60))),
        format="png",
        attribution="<b>Bản đồ</b> của <a href='//x'>Cục Thử</a>",
    )
    page = open_page(serve_map("--base-map", str(path)).url).page
    colours = settle(page, "tiles")
    assert colours[20, 160, 60, 255] > 200_000
    source = page.locator(".base-map-source")
    assert source.inner_text() == "Nguồn nền bản đồ: Bản đồ của Cục Thử"
    assert page.locator(".base-map-note").is_hidden()


def test_vector_tiles_are_drawn_in_the_colours_of_day_and_night(
    serve_map, open_page, tmp_path
) -> None:
    path = write_pmtiles(
        tmp_path / "nen.pmtiles",
        around(14, mvt(GROUND)),
        tile_type=TileType.MVT,
        metadata={"attribution": "\N{COPYRIGHT SIGN} OpenStreetMap"},
    )
    page = open_page(serve_map("--base-map", str(path)).url + "?lang=en").page
    night = settle(page, "tiles")
    assert max(night.values()) > 20_000  # the lake
    page.locator("#theme").click()
    page.locator('html[data-theme="day"]').wait_for()
    page.evaluate(TWO_FRAMES)
    day = settle(page, "tiles", least=20_000)
    brightest = [sum(max(colours, key=colours.__getitem__)[:3]) for colours in (night, day)]
    assert brightest[1] > brightest[0] + 200  # the lake, by day and by night
    source = page.locator(".base-map-source").inner_text()
    assert source == "Base map: \N{COPYRIGHT SIGN} OpenStreetMap"


def test_no_boundary_and_no_country_of_the_tiles_is_drawn(serve_map, open_page, tmp_path) -> None:
    """Tiles from abroad carry disputed lines; the border is the user's own."""
    path = write_pmtiles(
        tmp_path / "nen.pmtiles", around(14, mvt(LINES_OF_OTHERS)), tile_type=TileType.MVT
    )
    page = open_page(serve_map("--base-map", str(path)).url).page
    page.locator(".leaflet-base-tiles-pane canvas.leaflet-tile-loaded").nth(3).wait_for(
        state="attached"
    )
    page.evaluate(TWO_FRAMES)
    assert settle(page, "tiles") == {}


def test_openmaptiles_are_drawn_too(serve_map, open_page, tmp_path) -> None:
    layers = {
        "water": [Shape("polygon", SQUARE, {"class": "lake"})],
        "transportation": [Shape("line", [(0, 0), (4096, 4096)], {"class": "primary"})],
    }
    path = write_mbtiles(tmp_path / "nen.mbtiles", around(14, mvt(layers)), format="pbf")
    page = open_page(serve_map("--base-map", str(path)).url).page
    assert sum(settle(page, "tiles", least=200_000).values()) >= 200_000


def test_relief_lies_under_the_map_and_its_holes_are_clear(serve_map, open_page, tmp_path) -> None:
    page = open_page(serve_map("--elevation", str(hills(tmp_path / "doi.tif"))).url).page
    colours = settle(page, "hillshade", least=100_000)
    light = sum(count for (grey, *_), count in colours.items() if grey == 255)
    shade = sum(count for (grey, *_), count in colours.items() if grey == 0)
    assert light > 10_000
    assert shade > 10_000
    assert page.locator(".base-map-source").is_hidden()
    page.locator("#switch summary").click()
    page.get_by_label("Bóng đồi và đường bình độ").uncheck()
    page.locator(".leaflet-base-hillshade-pane canvas").first.wait_for(state="detached")


def test_where_the_file_has_nothing_the_page_says_so(serve_map, open_page, tmp_path) -> None:
    x, y = tile_of(14, lat=50.0, lon=50.0)
    path = write_mbtiles(tmp_path / "nen.mbtiles", {(14, x, y): png((1, 2, 3))}, format="png")
    page = open_page(serve_map("--base-map", str(path)).url).page
    note = page.locator(".base-map-note")
    note.wait_for()
    assert note.inner_text() == "Không có nền bản đồ ở đây"
    hole = page.locator('canvas[data-hole="yes"]').first
    assert "repeating-linear-gradient" in hole.evaluate(
        "(tile) => getComputedStyle(tile).backgroundImage"
    )
    assert page.locator(".graticule").count() > 0
    page.locator("#switch summary").click()
    page.get_by_label("Nền bản đồ", exact=True).uncheck()
    note.wait_for(state="hidden")


def test_a_map_without_base_map_asks_for_no_tile(live_map, open_page) -> None:
    watched = open_page(live_map.url)
    asked = []
    watched.page.on("request", lambda request: asked.append(request.url))
    watched.page.reload()
    watched.page.locator(".graticule").first.wait_for(state="attached")
    watched.page.locator("#switch-list li").first.wait_for(state="attached")
    assert not [url for url in asked if "/tiles/" in url or "protomaps" in url]
    assert watched.page.locator(".base-map-box").count() == 0


def test_online_tiles_are_named_and_their_silence_is_told(serve_map, open_page) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        host = f"127.0.0.1:{nobody.getsockname()[1]}"
    options = ("--online-tiles", f"http://{host}/{{z}}/{{x}}/{{y}}.png")
    page = open_page(serve_map(*options, "--online-attribution", "Nhà đo đạc").url).page
    note = page.locator(".base-map-note")
    note.wait_for()
    assert note.inner_text() == f"{host} không trả lời: không có nền trực tuyến"
    source = page.locator(".base-map-source").inner_text()
    assert source == f"Nguồn nền bản đồ: Nền trực tuyến ({host}), Nhà đo đạc"
    assert page.locator(".graticule").count() > 0


def test_online_tiles_are_shown_where_they_are_configured(serve_map, open_page) -> None:
    class Tiles(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            self.wfile.write(png((20, 160, 60)))

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tiles) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{{z}}/{{x}}/{{y}}.png"
        options = ("--online-tiles", url, "--online-attribution", "Nhà đo đạc")
        page = open_page(serve_map(*options).url).page
        page.locator(".leaflet-base-online-pane img.leaflet-tile-loaded").first.wait_for()
        assert page.locator(".base-map-note").is_hidden()
        page.close()
        server.shutdown()
