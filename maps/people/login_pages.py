"""Log-in, log-out and change of password: forms that work before any script runs.

These pages are made anew for each request, since they carry a token. That of the log-in belongs to
a cookie of its own (there is no session yet), the others' to the session.
"""

import hmac
import secrets
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from edge.messages import RefusedError
from maps.language import LANGUAGES, chosen, words
from maps.pages import TEMPLATES, content_security_policy
from maps.people.attempts import change_of
from maps.people.door import Asking, address_of, log_in_of, session_of
from maps.people.gate import LOGIN, LOGOUT, PASSWORD, local_path
from maps.people.log_in import Entry, LogIn, Refusal, Why
from maps.people.passwords import SHORTEST, complaint_about
from maps.people.record import note
from maps.people.sessions import csrf_token

MOST_BYTES: Final = 8192
_KNOWN_FOR_S: Final = 90 * 86_400
_POLICY: Final = content_security_policy().replace("form-action 'none'", "form-action 'self'")
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with no-referrer a form is sent with the origin `null`
}
_STATUS: Final = {Why.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS}
_SAID_BY_ADDRESS: Final = frozenset({Why.SECTOR.value, "ended", "oidc", "no_role"})

router = APIRouter(include_in_schema=False)


@router.get(LOGIN)
async def login_page(
    request: Request,
    following: Annotated[str | None, Query(alias="next")] = None,
    why: str | None = None,
) -> Response:
    """The form to log in with."""
    _required(request)
    said = why if why in _SAID_BY_ADDRESS else None
    return login_form(request, following=local_path(following), why=said)


@router.post(LOGIN)
async def login(request: Request) -> Response:
    """Let somebody in, or show the form again with the reason."""
    log_in = _required(request)
    form = await _form(request)
    following = local_path(form.get("next"))
    before = request.cookies.get(log_in.cookie("before"))
    if before is None or not _same(form.get("csrf", ""), csrf_token(before)):
        return login_form(
            request, following=following, why="old_page", status=HTTPStatus.FORBIDDEN
        )
    try:
        outcome = await log_in.try_in_turn(
            partial(
                log_in.enter,
                form.get("account", ""),
                form.get("password", ""),
                address=address_of(request),
                browser=request.cookies.get(log_in.cookie("browser")),
                old_session=request.cookies.get(log_in.cookie("session")),
            )
        )
    except RefusedError as error:
        note("log-in impossible", reason=error, address=address_of(request))
        away = HTTPStatus.SERVICE_UNAVAILABLE
        return login_form(request, following=following, why="away", status=away)
    if isinstance(outcome, Refusal):
        return refused(request, outcome, following=following)
    answer = RedirectResponse(following, HTTPStatus.SEE_OTHER, headers=_HEADERS)
    keep(answer, log_in, outcome)
    return answer


@router.post(LOGOUT)
async def logout(request: Request, _: Asking) -> Response:
    """End the session of this browser."""
    log_in, session = _required(request), session_of(request)
    form = await _form(request)
    token = request.headers.get("x-csrf-token") or form.get("csrf", "")
    if session is None or not _same(token, request.state.csrf):
        raise HTTPException(403, "the token is not that of the session")
    await log_in.ask(partial(log_in.sessions.end, session.digest))
    note("logged out", account=session.account, address=address_of(request))
    answer = RedirectResponse(LOGIN, HTTPStatus.SEE_OTHER, headers=_HEADERS)
    answer.headers["Clear-Site-Data"] = '"cache"'
    answer.delete_cookie(
        log_in.cookie("session"), secure=log_in.is_https, httponly=True, samesite="strict"
    )
    return answer


@router.get(PASSWORD)
async def password_page(request: Request, _: Asking) -> Response:
    """The form to change one's password with."""
    return _password_form(request)


@router.post(PASSWORD)
async def change_password(request: Request, person: Asking) -> Response:
    """Change the password of whoever is here; every other session of theirs ends."""
    log_in = _required(request)
    form = await _form(request)
    if not _same(form.get("csrf", ""), request.state.csrf):
        raise HTTPException(403, "the token is not that of the session")
    why = await log_in.try_in_turn(partial(_why_not, log_in, person.id, form, address_of(request)))
    if why is not None:
        return _password_form(request, why=why, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    entry = await log_in.try_in_turn(partial(_renew, log_in, person.id, form["new"], request))
    if isinstance(entry, Refusal):
        return refused(request, entry, following="/")
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER, headers=_HEADERS)
    keep(answer, log_in, entry)
    return answer


def login_form(
    request: Request,
    *,
    following: str,
    why: str | None = None,
    wait_s: float = 0.0,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    """Answer with the form to log in with; `why` it is shown again is a word under `login`."""
    log_in = _required(request)
    before = request.cookies.get(log_in.cookie("before")) or secrets.token_urlsafe(32)
    answer = _page(
        request,
        "login.html",
        status=status,
        why=why,
        minutes=max(1, -int(-wait_s // 60)),
        following=following,
        csrf=csrf_token(before),
        oidc=getattr(request.app.state, "oidc", None),
    )
    _set(answer, log_in, "before", before)
    return answer


def refused(request: Request, refusal: Refusal, *, following: str) -> Response:
    """Answer with the form and why somebody was not let in."""
    status = _STATUS.get(refusal.why, HTTPStatus.FORBIDDEN)
    answer = login_form(
        request, following=following, why=refusal.why.value, wait_s=refusal.wait_s, status=status
    )
    if refusal.wait_s:
        answer.headers["Retry-After"] = str(int(refusal.wait_s) + 1)
    return answer


def keep(answer: Response, log_in: LogIn, entry: Entry) -> None:
    """Let the browser keep what it was given at the log-in."""
    _set(answer, log_in, "session", entry.session_id)
    _set(answer, log_in, "browser", entry.browser, max_age_s=_KNOWN_FOR_S)
    answer.delete_cookie(
        log_in.cookie("before"), secure=log_in.is_https, httponly=True, samesite="strict"
    )


def _set(
    answer: Response, log_in: LogIn, what: str, value: str, *, max_age_s: int | None = None
) -> None:
    answer.set_cookie(
        log_in.cookie(what),
        value,
        max_age=max_age_s,
        path="/",
        secure=log_in.is_https,
        httponly=True,
        samesite="strict",
    )


def _password_form(
    request: Request, *, why: str | None = None, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    session = session_of(request)
    if session is None:
        raise HTTPException(404, "this server runs without a log-in: there are no passwords")
    return _page(
        request,
        "password.html",
        status=status,
        why=why,
        session=session,
        csrf=request.state.csrf,
        shortest=SHORTEST,
    )


def _page(request: Request, template: str, *, status: HTTPStatus, **values: object) -> Response:
    asked = request.query_params.get("lang")
    language = chosen(asked or request.cookies.get("lang"))
    html = TEMPLATES.get_template(template).render(
        language=language,
        languages=LANGUAGES,
        words=words(language),
        sector_name=request.app.state.sector.name,
        **values,
    )
    answer = HTMLResponse(html, status, headers=_HEADERS)
    if asked == language:
        answer.set_cookie("lang", language, max_age=31_536_000, samesite="strict", httponly=True)
    return answer


def _why_not(log_in: LogIn, account: str, form: dict[str, str], address: str) -> str | None:
    """Return why a password is not changed, a word under `password`; None: it may be."""
    if form.get("new", "") != form.get("again", ""):
        return "differs"
    if complaint := complaint_about(form.get("new", ""), account=account):
        return complaint
    if form.get("new") == form.get("password"):
        return "same"
    # Somebody at an open page must not guess on.
    now = log_in.clock()
    attempt = log_in.attempts.begin(
        change_of(account), address=f"change {address}", browser=None, now=now
    )
    if attempt.wait_s is not None:
        return "too_many"
    found = log_in.accounts.find(account)
    kept = None if found is None else found.password_hash
    if not log_in.passwords.fits(kept, form.get("password", "")):
        note("change of password refused", account=account, why="wrong", address=address)
        return "wrong"
    log_in.attempts.forgive(attempt)
    return None


def _renew(log_in: LogIn, account: str, password: str, request: Request) -> Entry | Refusal:
    address = address_of(request)
    log_in.accounts.set_own_password(account, password, address=address, now=log_in.clock())
    found = log_in.accounts.find(account)
    if found is None:
        return Refusal(Why.WRONG)
    browser = request.cookies.get(log_in.cookie("browser"))
    return log_in.let_in(found, address=address, browser=browser, old_session=None)


async def _form(request: Request) -> dict[str, str]:
    """Read a short form.

    Raises:
        HTTPException: 413, 422: it is too long or no form.
    """
    body = await request.body()
    if len(body) > MOST_BYTES:
        raise HTTPException(413, f"the form is longer than {MOST_BYTES} bytes")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10))
    except ValueError as error:
        raise HTTPException(422, "the body is no form in UTF-8") from error


def _required(request: Request) -> LogIn:
    log_in = log_in_of(request)
    if log_in is None:
        raise HTTPException(404, "this server runs without a log-in")
    return log_in


def _same(sent: str, wanted: str) -> bool:
    return hmac.compare_digest(sent.encode(), wanted.encode())
