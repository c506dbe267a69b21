"""`tuanbien demo --check`: the chain proves itself without anybody watching, in three minutes."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from edge.messages import Alert, AlertKind, InvalidMessageError, RefusedError, decode_as
from maps.demo.chain import Plan, folder_for, night_offset_s, run_folder_in, running_chain
from maps.demo.night import SEED, Night, running_night
from maps.demo.run import describe, interruptible
from maps.demo.walkers import PATROL_CROSSES_S, TRAVELLER_CROSSES_S, Role, crossings
from maps.demo.world import write_world
from maps.pages import PAGES

LIMIT_S: Final = 170.0
PREPARED_WITHIN_S: Final = 60.0  # `make demo` has brought the weights before
# By then the patrol and the traveller have long been over the line, and would have alerted.
SETTLED_NIGHT_S: Final = max(PATROL_CROSSES_S, TRAVELLER_CROSSES_S) + 20.0
_HEADCOUNT_OFF: Final = 1
_LISTEN_S: Final = 0.5
_ADDRESS: Final = re.compile(r"""(?:src|href)\s*=\s*["']([^"']+)["']""")
_ELSEWHERE: Final = re.compile(r"""(?:https?:)?//[^\s"'<>)]+""")
_NAMES_NOT_LOADED: Final = ("http://www.w3.org/",)  # XML name spaces


def check(*, data: Path | None, port: int, say: Callable[[str], None]) -> int:
    """Run a night until the crossing is on the map and the others have passed; print JSON.

    Raises:
        RefusedError: What did not come.
    """
    began_s = time.monotonic()
    with interruptible(), folder_for(data) as folder:
        files = write_world(folder, broker_url="mqtt://127.0.0.1:1883")
        plan = Plan(files.sector, run_folder_in(folder), port, night_offset_s())
        with (
            running_chain(plan, say=say) as chain,
            running_night(chain, files, say=say, prepared_within_s=PREPARED_WITHIN_S) as night,
        ):
            first_alert_s = _watch(night, began_s, say)
            alerts = _alerts_on_the_api(night)
            _refuse_false_alerts(alerts, night)
            crossing = _crossing_among(alerts, night)
            scripts = check_page(chain.page_url)
            figures = night.figures() | {
                "first_alert_s": first_alert_s,
                "headcount": crossing.headcount,
                "people_crossed": _group_size(night),
                "page_scripts": scripts,
                "seconds": time.monotonic() - began_s,
            }
        print(json.dumps(_rounded(figures)))
        return 0
    msg = "interrupted before the crossing alert came"
    raise RefusedError(msg)


def _watch(night: Night, began_s: float, say: Callable[[str], None]) -> float:
    """Listen until everybody has passed; return when the first alert was served."""
    first_s: float | None = None
    while night.night_s < SETTLED_NIGHT_S or first_s is None:
        if time.monotonic() - began_s > LIMIT_S:
            missing = ", ".join(sorted(night.devices_silent)) or "none"
            msg = (
                f"no crossing alert came to {night.chain.page_url} within {LIMIT_S:.0f} s "
                f"(devices without a frame: {missing})"
            )
            raise RefusedError(msg)
        alert = night.listen(within_s=_LISTEN_S)
        if alert is not None:
            say(describe(alert, night))
            is_crossing = alert.kind is AlertKind.CROSSING
            if first_s is None and is_crossing and night.explained(alert):
                first_s = time.monotonic() - began_s
    return first_s


def _alerts_on_the_api(night: Night) -> list[Alert]:
    """Return the alerts as a client of the API gets them, newest first."""
    answer = night.observer.get("/api/v1/alerts")
    if not isinstance(answer, list):
        msg = f"{night.chain.page_url}/api/v1/alerts gave no list"
        raise RefusedError(msg)
    try:
        return [decode_as(json.dumps(one), Alert) for one in answer]
    except InvalidMessageError as error:
        msg = f"{night.chain.page_url}/api/v1/alerts: {error}"
        raise RefusedError(msg) from error


def _crossing_among(alerts: list[Alert], night: Night) -> Alert:
    """Return the first group's crossing."""
    crossings_told = [one for one in alerts if one.kind is AlertKind.CROSSING]
    if not crossings_told:
        msg = f"{night.chain.page_url}/api/v1/alerts has no crossing"
        raise RefusedError(msg)
    first, size = crossings_told[-1], _group_size(night)
    if abs(first.headcount - size) > _HEADCOUNT_OFF:
        msg = f"alert {first.alert_id}: headcount {first.headcount}, but {size} people crossed"
        raise RefusedError(msg)
    return first


def _group_size(night: Night) -> int:
    return len(night.true_crossings(until_s=SETTLED_NIGHT_S))


def _refuse_false_alerts(alerts: list[Alert], night: Night) -> None:
    """A true one is about a group, at its place and time, and has its direction: outbound."""
    for alert in alerts:
        if night.explained(alert):
            continue
        said = describe(alert, night)
        about_s = alert.raised_at.seconds_since(night.began_at)
        roles = {one.role for one in crossings(about_s - 10.0, about_s + 10.0, seed=SEED)}
        others = ", ".join(sorted(roles - {Role.GROUP})) or "nobody"
        msg = f"a false alert came: {said}; over the line about then: {others}"
        raise RefusedError(msg)


def check_page(page_url: str) -> int:
    """See that the page loads and names its own files only; return how many."""
    try:
        answer = httpx.get(f"{page_url}/", timeout=10.0)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        msg = f"{page_url}/ does not load: {error}"
        raise RefusedError(msg) from error
    for address in _ELSEWHERE.findall(answer.text):
        own = urlsplit(address).netloc == urlsplit(page_url).netloc
        if not own and not address.startswith(_NAMES_NOT_LOADED):
            msg = f"{page_url}/ names the outside address {address}"
            raise RefusedError(msg)
    try:
        open_pages = httpx.get(f"{page_url}/api/v1/me", timeout=10.0).json()["pages"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        msg = f"{page_url}/api/v1/me does not say which pages are open: {error}"
        raise RefusedError(msg) from error
    closed = {address for name, address in PAGES if name not in open_pages}  # and hidden
    own_files = [
        one
        for one in _ADDRESS.findall(answer.text)
        if one not in closed and not one.startswith(("#", "data:"))
    ]
    for name in own_files:
        status = httpx.get(httpx.URL(f"{page_url}/").join(name), timeout=10.0).status_code
        if status != httpx.codes.OK:
            msg = f"{page_url}/ names {name}, which answers {status}"
            raise RefusedError(msg)
    return len(own_files)


def _rounded(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value
