"""The two addresses of a log-in elsewhere: there, and back."""

import hmac
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from edge.messages import RefusedError
from maps.pages import TEMPLATES, content_security_policy
from maps.people.accounts import Account, Changer, NewAccount
from maps.people.book import digest_of
from maps.people.door import address_of, log_in_of
from maps.people.gate import OIDC, OIDC_BACK, local_path
from maps.people.log_in import LogIn, Refusal
from maps.people.login_pages import keep, login_form, refused
from maps.people.oidc import WITHIN_S, Known, NoRoleError, Oidc
from maps.people.record import note

Said = Annotated[str, Query(max_length=4096)]
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": content_security_policy(),
    "Referrer-Policy": "no-referrer",
}

router = APIRouter(include_in_schema=False)


@router.get(OIDC)
async def there(
    request: Request, following: Annotated[str | None, Query(alias="next")] = None
) -> Response:
    """Send somebody to their provider."""
    log_in, oidc = _required(request)
    scheme = "https" if log_in.is_https else "http"
    try:
        address, state = await oidc.begin(
            following=local_path(following),
            redirect_uri=f"{scheme}://{request.url.netloc}{OIDC_BACK}",
            address=address_of(request),
            now=log_in.clock(),
        )
    except RefusedError as error:
        return _no(request, str(error))
    answer = RedirectResponse(address, HTTPStatus.SEE_OTHER, headers=_HEADERS)
    # Lax: the way back begins on the provider's page, where no `strict` cookie is sent.
    answer.set_cookie(
        log_in.cookie("oidc"),
        digest_of(state),
        max_age=int(WITHIN_S),
        path="/",
        secure=log_in.is_https,
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(OIDC_BACK)
async def back(request: Request, state: Said = "", code: Said = "", error: Said = "") -> Response:
    """Let in who comes back, if this browser is the one that was sent there."""
    log_in, oidc = _required(request)
    sent = request.cookies.get(log_in.cookie("oidc"), "")
    if not hmac.compare_digest(sent.encode(), digest_of(state).encode()):
        return _no(request, "the state is not the one of this browser")
    if error or not code:
        return _no(request, f"the provider says {error!r}")
    try:
        known, following = await oidc.finish(state=state, code=code, now=log_in.clock())
        account = await log_in.ask(partial(_account_of, log_in, known, oidc))
        entry = await log_in.ask(
            partial(
                log_in.let_in,
                account,
                address=address_of(request),
                browser=request.cookies.get(log_in.cookie("browser")),
                old_session=request.cookies.get(log_in.cookie("session")),
            )
        )
    except NoRoleError as refusal:
        return _no(request, str(refusal), why="no_role")
    except RefusedError as refusal:
        return _no(request, str(refusal))
    if isinstance(entry, Refusal):
        return refused(request, entry, following="/")
    # No redirect: a browser that follows one from the provider's page sends no `strict` cookie.
    html = TEMPLATES.get_template("going_on.html").render(following=following)
    answer = HTMLResponse(html, headers=_HEADERS)
    keep(answer, log_in, entry)
    answer.delete_cookie(
        log_in.cookie("oidc"), secure=log_in.is_https, httponly=True, samesite="lax"
    )
    return answer


def _account_of(log_in: LogIn, known: Known, oidc: Oidc) -> Account:
    """Return their account, as the provider has it now; made at the first log-in.

    Raises:
        RefusedError: The name is another account's: nobody takes one over by a name.
    """
    by = Changer(who=f"log-in at {known.subject.split()[0]}", address="the provider")
    accounts = log_in.accounts
    found = accounts.of_subject(known.subject)
    if found is None:
        new = NewAccount(known.account, known.shown_name, known.role, known.unit, oidc.sectors)
        accounts.make(new, by=by, now=log_in.clock(), subject=known.subject)
    else:
        unit = known.unit if oidc.says_unit else found.unit
        if (found.role, found.unit) != (known.role, unit):
            accounts.give_role_and_unit(found.account, known.role, unit, by=by)
    made = accounts.of_subject(known.subject)
    if made is None:
        msg = f"account {known.account!r} is gone"
        raise RefusedError(msg)
    return made


def _no(request: Request, reason: str, *, why: str = "oidc") -> Response:
    note("log-in elsewhere refused", reason=reason, address=address_of(request))
    return login_form(request, following="/", why=why, status=HTTPStatus.FORBIDDEN)


def _required(request: Request) -> tuple[LogIn, Oidc]:
    log_in, oidc = log_in_of(request), getattr(request.app.state, "oidc", None)
    if log_in is None or not isinstance(oidc, Oidc):
        raise HTTPException(404, "this server knows no other place to log in")
    return log_in, oidc
