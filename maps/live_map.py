"""The Folium page: a shell rendered once, filled by the browser from JSON and events.

The one file that knows Folium. Folium points at four CDNs; `take_offline` turns every address of
every Folium class to our own files, once, and makes a class refuse whose files we do not carry.
"""

import re
import sys
from collections.abc import Collection, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final, Never

from edge.messages import RefusedError
from maps.language import LANGUAGES, words
from maps.pages import PAGES, TEMPLATES, Page, script_words, sealed

# Where pandas is installed (for something else: we need none) Folium imports it, 33 MB for tables
# that we never give it. A None stands for "there is no such module".
_PANDAS: Final = sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]

import folium  # noqa: E402
from branca.element import Figure  # noqa: E402
from folium.elements import JSCSSMixin  # noqa: E402

if _PANDAS is None:
    del sys.modules["pandas"]

_STATIC: Final = Path(__file__).parent / "static"
VENDOR_URL: Final = "/static/vendor"
# Folium's addresses and the files of ours that stand in.
VENDORED: Final = {
    "https://cdn.jsdelivr.net/npm/leaflet@1.9.3/dist/leaflet.js": "leaflet/leaflet.js",
    "https://cdn.jsdelivr.net/npm/leaflet@1.9.3/dist/leaflet.css": "leaflet/leaflet.css",
}
# Of the words that the page's scripts say.
_HEADS: Final = (
    *("alert", "alerts", "app", "approach", "badge", "bar", "border", "clock", "direction"),
    *("field", "filter", "health", "incident", "keys", "kind", "label", "layer", "layers"),
    *("lead", "map", "marker", "measure", "outcome", "overdue", "patrol", "reason", "scene"),
    *("search", "sensor", "severity", "sound", "state", "track", "zone"),
)
# Folium forbids a phone to enlarge the page: whoever sees badly must be able to. Ours allows it.
_FIXED_ZOOM: Final = re.compile(r'<meta name="viewport"[^>]*user-scalable=no[^>]*>')
MAP_NAME: Final = "map_live"  # Folium's variable in the page; `static/live.js` takes it from there


class _Shell(Figure):
    """Our page around Folium's map.

    Folium runs whatever text it is given as a template, so names and words stay out of its hands.
    """

    def __init__(
        self, sector_name: str, *, language: str, template: str, heads: Collection[str]
    ) -> None:
        super().__init__()
        self._template = TEMPLATES.get_template(template)
        self.sector_name = sector_name
        self.language = language
        self.languages = LANGUAGES
        self.pages = PAGES
        self.words = words(language)
        self.script_words = script_words(language, (*_HEADS, *heads))
        # Named at once: else the browser learns of each only from the one that imports it.
        self.modules = [
            f"/static/{folder}/{path.name}"
            for folder in ("live", "page")
            for path in sorted((_STATIC / folder).glob("*.js"))
            if path.name != "theme.js"  # no module: it runs before the page is painted
        ]


class NotCarried(list[tuple[str, str]]):
    """A Folium class's addresses that we have no files for: reading them is refused."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__()
        self._sentence = (
            f"folium's {name} loads {address}, which is not among the web assets: "
            "add its package to maps/package.json and its files to maps/assets.py"
        )

    def __iter__(self) -> Iterator[Never]:
        raise RefusedError(self._sentence)


@cache
def take_offline() -> None:
    """Make every Folium class load our files or refuse. Does its work once."""
    import_module("folium.plugins")  # so that its classes are known
    # The map itself asks for jQuery, Bootstrap and icon fonts too; our page uses none of them.
    folium.Map.default_js = [("leaflet", f"{VENDOR_URL}/leaflet/leaflet.js")]
    folium.Map.default_css = [("leaflet_css", f"{VENDOR_URL}/leaflet/leaflet.css")]
    for asking in folium_classes():
        for field in ("default_js", "default_css"):
            setattr(asking, field, _carried(asking.__name__, getattr(asking, field)))


def folium_classes() -> list[type[JSCSSMixin]]:
    """Return every Folium class that loads files, `folium.Map` among them."""
    found: list[type[JSCSSMixin]] = []
    open_ends = [JSCSSMixin]
    while open_ends:
        for child in open_ends.pop().__subclasses__():
            found.append(child)
            open_ends.append(child)
    return found


def _carried(name: str, addresses: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if isinstance(addresses, NotCarried):
        return addresses  # inherited from a class that was here before
    carried = []
    for key, address in addresses:
        if address.startswith(VENDOR_URL):
            carried.append((key, address))
        elif address in VENDORED:
            carried.append((key, f"{VENDOR_URL}/{VENDORED[address]}"))
        else:
            return NotCarried(name, address)
    return carried


def render_live_map(
    sector_name: str,
    *,
    language: str,
    home: tuple[float, float],
    template: str = "live.html",
    heads: Collection[str] = (),
) -> Page:
    """Render the shell of the live map, or of another page that is a map, in one language.

    Args:
        sector_name: For the page's title.
        language: One of `LANGUAGES`.
        home: `(lat, lon)` to show until the page has fitted the sector's layers.
        template: Of the page around the map.
        heads: Of the keys of the words that its scripts say besides those of the live map.

    Raises:
        RefusedError: Folium wants a file that we do not carry.
    """
    take_offline()
    shell = _Shell(sector_name, language=language, template=template, heads=heads)
    live_map = folium.Map(
        location=home,
        zoom_start=15,
        tiles=None,
        prefer_canvas=True,
        zoom_control=False,  # the page adds its own, in its language
        attribution_control=False,
        min_zoom=4,
        max_zoom=22,
        zoom_snap=0.25,
        wheel_px_per_zoom_level=120,
    )
    live_map._id = MAP_NAME.removeprefix("map_")  # noqa: SLF001 - else a random name
    shell.add_child(live_map)
    return sealed(_FIXED_ZOOM.sub("", shell.render()))
