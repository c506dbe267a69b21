import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edge.messages import RefusedError
from maps.demo.check import check_page
from maps.pages import PAGES


@contextmanager
def serving(pages: dict[str, str]) -> Iterator[str]:
    """Serve these pages, all open to who asks, on loopback; yield the address."""
    pages = {"/api/v1/me": '{"pages": ["map"]}', **pages}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write((body or "").encode())

        log_message: Callable[..., None] = lambda *_: None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_page_with_its_own_scripts_passes() -> None:
    pages = {"/": '<script src="/static/a.js"></script><a href="#x">x</a>', "/static/a.js": ""}
    with serving(pages) as page_url:
        assert check_page(page_url) == 1


def test_a_page_that_names_another_host_is_refused() -> None:
    pages = {"/": '<script src="https://cdn.example.org/leaflet.js"></script>'}
    with (
        serving(pages) as page_url,
        pytest.raises(RefusedError, match=r"names the outside address https://cdn\.example\.org"),
    ):
        check_page(page_url)


def test_a_page_that_names_a_missing_script_is_refused() -> None:
    with (
        serving({"/": '<script src="gone.js"></script>'}) as page_url,
        pytest.raises(RefusedError, match=r"names gone\.js, which answers 404"),
    ):
        check_page(page_url)


def test_a_page_that_does_not_load_is_refused() -> None:
    with serving({}) as page_url, pytest.raises(RefusedError, match="/ does not load"):
        check_page(page_url)


def test_a_page_that_is_closed_to_who_asks_is_not_followed() -> None:
    closed = dict(PAGES)["people"]
    with serving({"/": f'<a href="{closed}">Accounts</a>'}) as page_url:
        assert check_page(page_url) == 0


def test_a_server_that_does_not_say_which_pages_are_open_is_refused() -> None:
    with (
        serving({"/": "", "/api/v1/me": "welcome"}) as page_url,
        pytest.raises(RefusedError, match="/api/v1/me does not say which pages are open"),
    ):
        check_page(page_url)
