"""A file of tiles is read as it is, handed on untouched, and nothing in it harms the map."""

import asyncio
import gzip
import json
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pmtiles.tile import Compression, TileType
from prometheus_client.parser import text_string_to_metric_families

from edge.command import main
from maps import assets
from maps.app import create_app
from maps.base_map.archive import BaseMapError, open_archive
from maps.base_map.check import tile_of
from maps.base_map.online import online_tiles
from maps.base_map.served import BaseMap
from maps.base_map.tile import (
    MOST_PLAIN_BYTES,
    DamagedTileError,
    picture_tile,
    vector_tile,
)
from maps.people.door import person_of
from maps.people.roles import Person, Role
from tests.maps.tile_files import Shape, mvt, png, write_mbtiles, write_pmtiles

RED, BLUE = png((200, 0, 0)), png((0, 0, 200))
LAKE = mvt({"water": [Shape("polygon", [(0, 0), (4096, 0), (4096, 4096)], {"kind": "lake"})]})
TILES = {(0, 0, 0): RED, (1, 1, 0): BLUE}


@pytest.fixture
def ask(sector, feed) -> Callable[..., list[httpx.Response]]:
    """Return a function that asks a server with this base map."""
    assets.bring()

    def from_server(base_map: BaseMap, *paths: str, **options: object) -> list[httpx.Response]:
        async def each() -> list[httpx.Response]:
            app = create_app(sector=sector, feed=feed, base_map=base_map)
            transport = httpx.ASGITransport(app)
            url = "http://localhost:8000"
            async with httpx.AsyncClient(transport=transport, base_url=url) as client:
                return [await client.get(path, **options) for path in paths]

        try:
            return asyncio.run(each())
        finally:
            base_map.close()

    return from_server


@pytest.fixture
def mbtiles(tmp_path) -> Path:
    return write_mbtiles(
        tmp_path / "nen.mbtiles",
        TILES,
        format="png",
        bounds="-12.4,1.1,-12.2,1.3",
        attribution='<a href="https://osm.org">&copy; OpenStreetMap</a>',
    )


def test_the_same_tiles_are_read_from_both_formats(mbtiles, tmp_path) -> None:
    """MBTiles counts rows from the south, PMTiles and addresses from the north."""
    for path in (mbtiles, write_pmtiles(tmp_path / "nen.pmtiles", TILES)):
        archive = open_archive(path)
        assert archive.tile(0, 0, 0) == RED
        assert archive.tile(1, 1, 0) == BLUE
        assert archive.tile(1, 1, 1) is None
        assert archive.tile(7, 3, 3) is None
        assert archive.count() == 2
        assert archive.description.kind == "raster"
        assert (archive.description.min_zoom, archive.description.max_zoom) == (0, 1)
        archive.close()


def test_pmtiles_with_directories_under_directories_gives_every_tile(tmp_path) -> None:
    made = Random(7)
    tiles = {
        (7, x, y): made.randbytes(made.randrange(1, 900)) for x in range(128) for y in range(128)
    }
    archive = open_archive(write_pmtiles(tmp_path / "many.pmtiles", tiles))
    assert archive._header["leaf_directory_length"] > 0
    assert all(archive.tile(*zxy) == data for zxy, data in tiles.items())
    archive.close()


def test_whose_tiles_they_are_is_told_as_plain_text(mbtiles) -> None:
    archive = open_archive(mbtiles)
    assert archive.description.attribution == "\N{COPYRIGHT SIGN} OpenStreetMap"
    archive.close()


def test_another_file_has_another_edition(mbtiles) -> None:
    editions = set()
    for stamp_ns in (1, 2):
        os.utime(mbtiles, ns=(stamp_ns, stamp_ns))
        archive = open_archive(mbtiles)
        editions.add(archive.description.edition)
        archive.close()
    assert len(editions) == 2


def test_a_tile_comes_with_its_type_and_may_be_kept_for_ever(ask, mbtiles) -> None:
    base_map = BaseMap(tiles=mbtiles)
    address = base_map.describe()["tiles"]["url"].format(z=1, x=1, y=0)
    tile, other, hole = ask(base_map, address, "/tiles/1/1/0?edition=old", "/tiles/1/0/0")
    assert tile.content == BLUE
    assert tile.headers["content-type"] == "image/png"
    assert tile.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert other.headers["cache-control"] == "no-cache"
    assert (hole.status_code, hole.content) == (204, b"")


def test_a_packed_vector_tile_is_handed_on_as_it_lies(ask, tmp_path) -> None:
    path = write_pmtiles(tmp_path / "v.pmtiles", {(0, 0, 0): LAKE}, tile_type=TileType.MVT)
    base_map = BaseMap(tiles=path)
    (tile,) = ask(base_map, "/tiles/0/0/0")
    assert tile.headers["content-encoding"] == "gzip"
    assert tile.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert tile.content == LAKE  # unpacked by the client
    assert vector_tile(LAKE).encoding is None


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tiles/1/2/0", 404),
        ("/tiles/0/0/1", 404),
        ("/tiles/-1/0/0", 422),
        ("/tiles/31/0/0", 422),
        ("/tiles/1/-1/0", 422),
        ("/tiles/1/99999999999999999999/0", 422),
        ("/tiles/1/0/..%2f..%2fetc%2fpasswd", 404),
        ("/tiles/1/0/1.5", 422),
        ("/hillshade/3/8/0", 404),
        ("/hillshade/2/1/1", 204),  # there is no elevation model
    ],
)
def test_a_hostile_address_finds_nothing(ask, mbtiles, path, status) -> None:
    (answer,) = ask(BaseMap(tiles=mbtiles), path)
    assert answer.status_code == status


def test_a_damaged_tile_is_a_hole_and_counted(ask, tmp_path, caplog) -> None:
    tiles = {
        (0, 0, 0): RED,
        (1, 0, 0): b"<html>no picture",
        (1, 1, 0): png((0, 0, 0), size=2200),  # a bomb: few bytes, many pixels
        (1, 1, 1): RED[:20],
    }
    base_map = BaseMap(tiles=write_mbtiles(tmp_path / "d.mbtiles", tiles, format="png"))
    paths = [f"/tiles/{z}/{x}/{y}" for z, x, y in tiles]
    *answers, metrics = ask(base_map, *paths, "/tiles/1/0/1", "/metrics")
    assert [answer.status_code for answer in answers] == [200, 204, 204, 204, 204]
    assert base_map.answers == {
        ("tiles", "given"): 1,
        ("tiles", "damaged"): 3,
        ("tiles", "missing"): 1,
    }
    assert "2200 x 2200 pixels" in caplog.text
    families = {family.name: family for family in text_string_to_metric_families(metrics.text)}
    told = {
        sample.labels["answer"]: sample.value for sample in families["tuanbien_maps_tiles"].samples
    }
    assert told == {"given": 1, "damaged": 3, "missing": 1}


def test_a_bomb_of_a_vector_tile_never_reaches_a_browser() -> None:
    with pytest.raises(DamagedTileError, match="when it is unpacked"):
        vector_tile(gzip.compress(bytes(MOST_PLAIN_BYTES + 1)))
    with pytest.raises(DamagedTileError, match="breaks off"):
        vector_tile(gzip.compress(LAKE)[:-9])


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_at_all_are_an_error_of_ours(data) -> None:
    for read in (picture_tile, vector_tile):
        for sent in (data, RED[:12] + data, b"\x1f\x8b" + data, b"RIFFxxxxWEBP" + data):
            with suppress(DamagedTileError):
                assert read(sent).data == sent


def refusal(path) -> str:
    with pytest.raises(BaseMapError) as refused:
        open_archive(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path) -> None:
    path = tmp_path / "x.mbtiles"
    assert "No such file" in refusal(path)
    path.write_bytes(b"%PDF-1.7 something else")
    assert "neither MBTiles nor PMTiles" in refusal(path)
    path.write_bytes(b"SQLite format 3\x00" + bytes(200))
    assert "is no MBTiles" in refusal(path)
    path.unlink()
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE notes (text)")
    file.close()
    assert "no such table: metadata" in refusal(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"format": "tiff"}, "format 'tiff', must be one of png"),
        ({"format": "png", "minzoom": "one"}, "zooms 'one' to '1' are no whole numbers"),
        ({"format": "png", "maxzoom": "99"}, "zooms 0 to 99, must be within 0 to 24"),
        ({"format": "png", "bounds": "1,2,3"}, "bounds '1,2,3', must be four numbers"),
        ({"format": "png", "bounds": "1,2,nan,4"}, "are no place on the Earth"),
        ({"format": "png", "bounds": "10,0,-10,1"}, "are no place on the Earth"),
    ],
)
def test_mbtiles_that_say_what_cannot_be_are_refused(tmp_path, changed, said) -> None:
    assert said in refusal(write_mbtiles(tmp_path / "x.mbtiles", TILES, **changed))


def test_mbtiles_without_tiles_are_refused(tmp_path) -> None:
    assert "holds no tiles" in refusal(write_mbtiles(tmp_path / "x.mbtiles", {}))


def test_mbtiles_are_never_written_to(mbtiles) -> None:
    mbtiles.chmod(0o444)
    archive = open_archive(mbtiles)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        archive._connection.execute("DELETE FROM tiles")
    archive.close()


def test_a_view_that_never_ends_is_given_up(tmp_path) -> None:
    path = write_mbtiles(tmp_path / "x.mbtiles", TILES, format="png")
    with sqlite3.connect(path) as file:
        file.execute("ALTER TABLE tiles RENAME TO held")
        file.execute(
            """CREATE VIEW tiles AS SELECT * FROM held UNION ALL
            SELECT 3, n, 0, x'00' FROM (
              WITH RECURSIVE c(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c)"""
        )
    file.close()
    archive = open_archive(path)
    with pytest.raises(DamagedTileError, match="interrupted"):
        archive.tile(3, 0, 7)
    archive.close()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"tile_type": TileType.AVIF}, "its tiles are AVIF, must be one of MVT, PNG"),
        ({"tile_compression": Compression.ZSTD}, "tile_compression is ZSTD, must be NONE or GZIP"),
        ({"max_lat_e7": -900_000_000}, "are no place on the Earth"),
    ],
)
def test_pmtiles_that_no_page_can_show_are_refused(tmp_path, header, said) -> None:
    assert said in refusal(write_pmtiles(tmp_path / "x.pmtiles", TILES, **header))


def test_pmtiles_that_break_off_are_refused_or_have_a_hole(tmp_path) -> None:
    path = write_pmtiles(tmp_path / "x.pmtiles", TILES)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    archive = open_archive(path)
    assert archive.tile(0, 0, 0) == RED
    with pytest.raises(DamagedTileError, match="breaks off"):
        archive.tile(1, 1, 0)
    archive.close()
    for length in (7, 60, 126, 130):
        path.write_bytes(whole[:length])
        assert refusal(path)
    path.write_bytes(whole[:7] + b"\x02" + whole[8:])
    assert "another version, must be 3" in refusal(path)


def test_a_flipped_byte_of_pmtiles_is_never_an_error_of_ours(tmp_path) -> None:
    path = write_pmtiles(tmp_path / "x.pmtiles", TILES)
    whole = path.read_bytes()

    @settings(deadline=None)
    @given(st.integers(0, len(whole) - 1), st.integers(0, 255))
    def flip(place: int, value: int) -> None:
        path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        with suppress(BaseMapError), closing(open_archive(path)) as archive:
            for zxy in TILES:
                with suppress(DamagedTileError):
                    archive.tile(*zxy)

    flip()


def test_the_check_says_what_a_file_holds(mbtiles, sector_file, tmp_path, capsys) -> None:
    assert main(["maps", "base-map", "check", str(mbtiles), "--sector", str(sector_file)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["format"] == "mbtiles"
    assert told["kind"] == "raster"
    assert told["tiles"] == 2
    assert told["bounds"] == [-12.4, 1.1, -12.2, 1.3]
    assert told["attribution"] == "\N{COPYRIGHT SIGN} OpenStreetMap"
    assert told["covers_sector"] is False  # tile 1/0/0 is missing, whatever the bounds say
    assert told["border_tiles"] == {"given": 0, "missing": 1, "damaged": 0}
    covering = {(9, *tile_of(9, lat=1.2, lon=-12.3)): RED}
    path = write_mbtiles(tmp_path / "c.mbtiles", covering, format="png")
    assert main(["maps", "base-map", "check", str(path), "--sector", str(sector_file)]) == 0
    assert json.loads(capsys.readouterr().out)["covers_sector"] is True


def test_the_check_refuses_in_one_sentence(tmp_path, capsys) -> None:
    assert main(["maps", "base-map", "check", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_who_may_not_see_the_picture_sees_no_ground_either(sector, feed, mbtiles) -> None:
    assets.bring()
    app = create_app(sector=sector, feed=feed, base_map=BaseMap(tiles=mbtiles))
    app.dependency_overrides[person_of] = lambda: Person("ca", "Công an", Role.PARTNER, "ca-tinh")

    async def each() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            paths = ("/api/v1/base-map", "/tiles/0/0/0", "/hillshade/0/0/0")
            return [(await client.get(path)).status_code for path in paths]

    assert asyncio.run(each()) == [403, 403, 403]
    app.state.base_map.close()


def test_nothing_comes_from_outside_unless_it_is_configured(ask) -> None:
    described, page = ask(BaseMap(), "/api/v1/base-map", "/")
    assert described.json() == {"tiles": None, "hillshade": None, "online": None}
    assert "http" not in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("url", "directive"),
    [
        ("https://tiles.example:8443/{z}/{x}/{y}.png?key=1", "img-src 'self' data:"),
        ("https://tiles.example:8443/{z}/{x}/{y}.pbf", "connect-src 'self'"),
    ],
)
def test_one_host_is_let_in_if_it_is_configured(ask, url, directive) -> None:
    base_map = BaseMap(online=online_tiles(url, "\N{COPYRIGHT SIGN} Nhà đo đạc"))
    described, page = ask(base_map, "/api/v1/base-map", "/")
    policy = page.headers["content-security-policy"]
    assert f"{directive} https://tiles.example:8443;" in policy
    assert policy.count("https:") == 1
    assert described.json()["online"]["host"] == "tiles.example:8443"
    assert described.json()["online"]["attribution"] == "\N{COPYRIGHT SIGN} Nhà đo đạc"


@pytest.mark.parametrize(
    ("url", "attribution", "said"),
    [
        ("https://a.example/{z}/{x}.png", "A", "has no {y}"),
        ("ftp://a.example/{z}/{x}/{y}", "A", "must be http"),
        ("https://me:pw@a.example/{z}/{x}/{y}", "A", "must be http"),
        ("https://*/{z}/{x}/{y}", "A", "must be http"),
        ("https://a.example;script-src *//{z}/{x}/{y}", "A", "must be http"),
        ("https://a.example/{z}/{x}/{y}", " ", "--online-attribution must name"),
        ("https://a.example/{z}/{x}/{y}", None, "--online-attribution must name"),
        (None, "A", "needs --online-tiles"),
    ],
)
def test_a_wrong_online_address_is_refused(url, attribution, said) -> None:
    with pytest.raises(BaseMapError, match=re.escape(said)):
        online_tiles(url, attribution)
