"""Pages as text, each with the policy that a browser must hold it to."""

import base64
import hashlib
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, select_autoescape

from edge.messages import RefusedError

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(),
)


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
