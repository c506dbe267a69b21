"""Nothing comes from outside: assets are pinned, complete or refused; Folium is held to them."""

import json
from pathlib import Path

import folium
import pytest
from branca.element import Figure
from folium.elements import JSCSSMixin

from edge.messages import RefusedError
from maps import assets
from maps.live_map import NotCarried, folium_classes, render_live_map, take_offline
from maps.pages import sealed

LOCK = assets.HERE / "package-lock.json"


def fake_npm(folder: Path) -> None:
    """What npm leaves behind, as far as we use it."""
    for source in assets.FILES:
        path = folder / "node_modules" / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {source}")


def no_npm(_: Path) -> None:
    pytest.fail("npm was run although there was nothing to do")


def test_assets_are_brought_once(tmp_path) -> None:
    vendor = tmp_path / "static" / "vendor"
    assert not assets.is_complete(vendor)
    assert assets.bring(vendor, run_npm=fake_npm)
    assert (vendor / "leaflet" / "leaflet.js").read_text() == "content of leaflet/dist/leaflet.js"
    assert not assets.bring(vendor, run_npm=no_npm)
    assert [path.name for path in vendor.parent.iterdir()] == ["vendor"]


def test_a_missing_file_or_another_lock_brings_them_again(tmp_path) -> None:
    vendor = tmp_path / "vendor"
    assets.bring(vendor, run_npm=fake_npm)
    (vendor / "leaflet" / "leaflet.css").unlink()
    assert assets.bring(vendor, run_npm=fake_npm)
    (vendor / assets.STAMP).write_text("of another lock file")
    assert assets.bring(vendor, run_npm=fake_npm)
    assert assets.is_complete(vendor)


def test_a_failed_run_leaves_what_was_there(tmp_path) -> None:
    vendor = tmp_path / "vendor"
    assets.bring(vendor, run_npm=fake_npm)
    (vendor / assets.STAMP).write_text("old")

    def half_npm(folder: Path) -> None:
        fake_npm(folder)
        (folder / "node_modules" / "leaflet" / "dist" / "leaflet.css").unlink()

    with pytest.raises(RefusedError, match=r"leaflet\.css"):
        assets.bring(vendor, run_npm=half_npm)
    assert (vendor / assets.STAMP).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["vendor"]


def test_without_assets_the_sentence_says_what_to_run(tmp_path) -> None:
    with pytest.raises(RefusedError, match="make assets"):
        assets.require(tmp_path)


def test_npm_says_what_it_could_not_do(tmp_path) -> None:
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(RefusedError, match="npm could not bring"):
        assets.npm_ci(tmp_path)  # no lock file there: npm refuses before it asks anybody


def test_every_package_is_pinned_by_digest_and_names_no_server() -> None:
    lock = json.loads(LOCK.read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
    assert "://" not in LOCK.read_text()
    wanted = json.loads((assets.HERE / "package.json").read_text())["dependencies"]
    assert lock["packages"][""]["dependencies"] == wanted
    assert all(version[0].isdigit() for version in wanted.values())


def test_every_folium_class_loads_our_files_or_refuses() -> None:
    take_offline()
    classes = folium_classes()
    assert {folium.Map, folium.plugins.Fullscreen, folium.plugins.MarkerCluster} <= set(classes)
    for one in classes:
        for addresses in (one.default_js, one.default_css):
            if isinstance(addresses, NotCarried):
                with pytest.raises(RefusedError, match="is not among the web assets"):
                    list(addresses)
                continue
            loaded = [address for _, address in addresses]
            assert all(address.startswith("/static/vendor/") for address in loaded), one


def test_a_folium_plug_in_that_we_do_not_carry_is_refused_on_the_page() -> None:
    take_offline()
    live_map = folium.Map(tiles=None)
    folium.plugins.Fullscreen().add_to(live_map)
    with pytest.raises(RefusedError, match=r"Fullscreen.*maps/package\.json"):
        live_map.get_root().render()


def test_a_class_that_is_not_foliums_own_is_caught_by_the_page_itself() -> None:
    class Late(JSCSSMixin):
        default_js = [("late", "https://cdn.example/late.js")]  # noqa: RUF012 - as folium does

    figure = Figure()
    figure.add_child(Late())
    with pytest.raises(RefusedError, match=r"cdn\.example"):
        sealed(figure.render())


def test_the_rendered_page_is_the_same_every_time() -> None:
    first = render_live_map("Biển Thử", language="vi", home=(1.2, -12.3))
    assert render_live_map("Biển Thử", language="vi", home=(1.2, -12.3)) == first


def test_every_vendored_file_that_folium_needs_is_brought() -> None:
    take_offline()
    names = [address for _, address in [*folium.Map.default_js, *folium.Map.default_css]]
    assert {name.removeprefix("/static/vendor/") for name in names} <= set(assets.FILES.values())
