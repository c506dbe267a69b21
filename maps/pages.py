"""Pages as text, each with the policy that a browser must hold it to.

A page's shell is rendered once for each language; what it shows comes as JSON and is put into it
as text.
"""

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Final, NamedTuple

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from edge.messages import RefusedError
from maps.language import LANGUAGES, chosen, words, words_under

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(),
)


# The bar's, in its order: name and address.
PAGES: Final = (
    ("map", "/"),
    ("incidents", "/incidents"),
    ("playback", "/playback"),
    ("shift", "/shift"),
    ("figures", "/figures"),
    ("people", "/people"),
)
_IN_EVERY_SCRIPT: Final = frozenset({"age", "compass", "person", "place", "role", "trail", "unit"})
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that change nothing
_A_YEAR_S: Final = 31_536_000


class Page(NamedTuple):
    """A page and its Content-Security-Policy."""

    html: str
    policy: str


def sealed(html: str) -> Page:
    """Return a page with the policy that allows our own files and its own inline blocks.

    The blocks never change after rendering, so their digests name them (CSP level 2).

    Raises:
        RefusedError: The page would load an address outside its server.
    """
    blocks = _InlineBlocks()
    blocks.feed(html)
    blocks.close()
    if blocks.outside:
        msg = f"a page would load {blocks.outside[0]}, which is not ours"
        raise RefusedError(msg)
    policy = content_security_policy(scripts=blocks.scripts, styles=blocks.styles)
    return Page(html=html, policy=policy)


def render_page(
    template: str, *, page: str, sector_name: str, heads: Collection[str] = ()
) -> dict[str, Page]:
    """Render a page of text, by language.

    Args:
        template: Its file; extends `page.html`.
        page: Its name, one of `PAGES` or `page.NAME` among the words.
        sector_name: For the bar.
        heads: Of the keys of the words that its scripts say.
    """
    return {
        language: sealed(
            TEMPLATES.get_template(template).render(
                page=page,
                pages=PAGES,
                sector_name=sector_name,
                language=language,
                languages=LANGUAGES,
                words=words(language),
                script_words=script_words(language, heads),
            )
        )
        for language in LANGUAGES
    }


def script_words(language: str, heads: Collection[str]) -> dict[str, str]:
    """Return the words that a page's scripts may say: of these heads, and what all pages say."""
    return words_under(language, _IN_EVERY_SCRIPT.union(heads))


def answer(shells: Mapping[str, Page], request: Request) -> HTMLResponse:
    """Answer with a page in the language asked for now, else the one asked for last."""
    asked = request.query_params.get("lang")
    language = chosen(asked or request.cookies.get("lang"))
    page = shells[language]
    headers = {"Content-Security-Policy": page.policy, "Cache-Control": "no-cache"}
    response = HTMLResponse(page.html, headers=headers)
    if asked == language:
        response.set_cookie("lang", language, max_age=_A_YEAR_S, samesite="strict", httponly=True)
    return response


def is_page(request: Request) -> bool:
    """Tell whether a person waits for a page, and no script for data."""
    wants = "text/html" in request.headers.get("accept", "")
    return wants and request.method in SAFE and not request.url.path.startswith("/api/")


def render_docs() -> Page:
    """Render the page of the HTTP interface (Swagger UI from our own files)."""
    return sealed(TEMPLATES.get_template("docs.html").render())


def content_security_policy(*, scripts: Sequence[str] = (), styles: Sequence[str] = ()) -> str:
    """Return a policy that allows our own files and these inline blocks, nothing else."""
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *map(_digest, scripts)]),
            " ".join(["style-src 'self'", *map(_digest, styles)]),
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _digest(block: str) -> str:
    digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
    return f"'sha256-{digest}'"


class _InlineBlocks(HTMLParser):
    """Collects what a page runs inline and what it loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.outside: list[str] = []
        self._into: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get("src") or (given.get("href") if tag == "link" else None) or ""
        if "//" in address:
            self.outside.append(address)
        runs = given.get("type") != "application/json"
        blocks = {"script": self.scripts, "style": self.styles}.get(tag)
        if blocks is not None and runs and not given.get("src"):
            blocks.append("")
            self._into = blocks

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._into = None
