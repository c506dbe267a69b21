"""Logging in at a provider of OpenID Connect, with a real browser that goes there and back."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from edge.messages import UtcTime
from tests.maps.people.test_oidc import Provider, write_file

pytestmark = pytest.mark.slow


class AtOnce(Provider):
    """Sends whoever comes straight back: as somebody who is logged in there already."""

    def _handler(provider) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the request
        class Handler(super()._handler()):  # type: ignore[misc]
            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                if not self.path.startswith("/authorise?"):
                    super().do_GET()
                    return
                self.send_response(302)
                self.send_header("location", provider.authorise(provider.issuer + self.path))
                self.end_headers()

        return Handler


@pytest.fixture
def provider() -> Iterator[AtOnce]:
    made = AtOnce()
    made.now_s = int(UtcTime.read_clock().timestamp())
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def file(provider, tmp_path) -> Path:
    return write_file(tmp_path, provider)


def test_a_duty_officer_logs_in_elsewhere_and_out_again(
    serve_map, open_page, check_axe, file
) -> None:
    served = serve_map("--oidc", str(file), log_in=True)
    page = open_page(f"{served.url}incidents").page
    page.get_by_role("link", name="SSO Biên phòng").wait_for()
    check_axe(page)
    page.get_by_role("link", name="SSO Biên phòng").click()
    page.wait_for_url("**/incidents")  # where they had wanted to go
    menu = page.locator("#person summary")
    menu.get_by_text("Nguyễn Văn An").wait_for()
    menu.click()
    page.locator("#person button").click()
    page.wait_for_url("**/login")


def test_whoever_has_no_role_there_is_told_so(serve_map, open_page, provider, file) -> None:
    provider.user["groups"] = ["everybody"]
    served = serve_map("--oidc", str(file), log_in=True)
    watched = open_page(f"{served.url}login")
    watched.page.get_by_role("link", name="SSO Biên phòng").click()
    watched.page.get_by_text("không cấp vai trò").wait_for()
    watched.forgive("status of 403")
