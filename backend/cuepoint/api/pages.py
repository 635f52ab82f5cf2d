"""The player page `/v/<id>`: one page of plain files, signed in by a cookie that opens the public API and nothing else.

The cookie is HttpOnly and SameSite=Strict, and counts only for a POST of JSON that the browser itself says comes from a
page of this very origin: another site can neither read it, nor send it, nor make the page send it. A code or link that
somebody put into the page's address replaces nobody's session unasked: by `dryRun` the page learns whom it would sign
in and who is signed in now, and puts the question.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from cuepoint.api.auth import is_origin_allowed
from cuepoint.api.errors import HttpError, response_of
from cuepoint.api.gateway import Gateway, address_of
from cuepoint.api.graphql_request import decode_json, read_body
from cuepoint.api.visitors import visitor_token
from cuepoint.config import Settings
from cuepoint.errors import CuepointError, ErrorCode, UnauthenticatedError
from cuepoint.features.shares import service as shares
from cuepoint.features.users import page_sessions
from cuepoint.features.users.models import User
from cuepoint.graphql.scalars import encode_id

STATIC = Path(__file__).parent / "static" / "page"
COOKIE = "cuepoint_page"
SESSION_PATH = "/page/session"
MAX_BODY_BYTES = 4096
_SHAPE = (
    'The body must be {"code": "..."}, or {"share": "..."} with a "password" if the link has one; '
    '"dryRun": true only asks who that is.'
)


async def serve_page(gateway: Gateway, _request: Request) -> Response:
    """The page, for whoever asks: it holds nothing but code. Links in it are relative, for a path of a proxy."""
    headers = {
        "Content-Security-Policy": policy(gateway.process.settings),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return HTMLResponse((STATIC / "index.html").read_text(encoding="utf-8"), headers=headers)


def policy(settings: Settings) -> str:
    """Everything from this origin, as files; pictures and films also from where signed URLs may lead."""
    others = {origin for url in (settings.public_url, settings.s3_public_endpoint) if (origin := _origin(url))}
    media = " ".join(["'self'", *sorted(others)])
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {media}; media-src {media}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _origin(url: str | None) -> str | None:
    parts = urlsplit(url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else None


async def serve_session(gateway: Gateway, request: Request) -> Response:
    """POST {"code"} or {"share", "password"} signs this browser in, with "dryRun" it tells whom; DELETE signs out."""
    try:
        return await _session(gateway, request)
    except (HttpError, CuepointError) as error:
        return response_of(error, headers={"Cache-Control": "no-store"})


async def _session(gateway: Gateway, request: Request) -> Response:
    if request.method not in ("POST", "DELETE"):
        raise HttpError(405, "A browser signs in with POST and out with DELETE.", headers={"Allow": "POST, DELETE"})
    if not is_own_page(request.headers):
        raise HttpError(403, "Only the page itself may do this.", code=ErrorCode.FORBIDDEN)
    if request.method == "DELETE":
        async with gateway.process.db.write() as session:
            await page_sessions.end_page_session(session, request.cookies.get(COOKIE, ""))
        response = Response(status_code=204, headers={"Cache-Control": "no-store"})
        response.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="strict", secure=_is_tls(request))
        return response
    await gateway.admit(None, request.scope)  # guesses count as operations of the address
    credential, is_question = await _credential(request)
    if is_question:
        return await _answer(gateway, request, credential)
    token, expires_at = await _token(gateway, credential, address_of(request.scope))
    response = JSONResponse({"expiresAt": expires_at.isoformat()}, headers={"Cache-Control": "no-store"})
    response.set_cookie(
        COOKIE,
        token,
        expires=expires_at,
        path=_path(request),
        httponly=True,
        samesite="strict",
        secure=_is_tls(request),
    )
    return response


async def _answer(gateway: Gateway, request: Request, credential: dict[str, str]) -> Response:
    """Whom the code would sign in, null for a link; and who is signed in now, null for nobody and for visitors."""
    async with gateway.process.db.read() as session:
        code = credential.get("code")
        wanted = None if code is None else await page_sessions.whose_code(session, code)
        current = await page_sessions.whose_session(session, request.cookies.get(COOKIE, ""))
    return JSONResponse({"user": _shown(wanted), "current": _shown(current)}, headers={"Cache-Control": "no-store"})


def _shown(user: User | None) -> dict[str, str] | None:
    return None if user is None else {"id": encode_id("User", user.id), "name": user.name, "email": user.email}


async def _token(gateway: Gateway, credential: dict[str, str], address: str) -> tuple[str, datetime]:
    """What the cookie shall hold, and how long. Raises what the service says of a wrong code, link or password."""
    process = gateway.process
    if "share" in credential:
        viewer = await shares.open_link(process.db, credential["share"], credential.get("password"), address=address)
        assert viewer.share is not None
        return visitor_token(process.adapters.signer, viewer.share.link_id)
    async with process.db.write() as session:
        return await page_sessions.exchange_page_code(session, credential["code"])


async def _credential(request: Request) -> tuple[dict[str, str], bool]:
    """What the body holds, and whether it is only a question."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HttpError(415, "The body must be application/json.")
    body = decode_json(await read_body(request, MAX_BODY_BYTES), "The body")
    known = {"code", "share", "password", "dryRun"}
    if not isinstance(body, dict) or not set(body) <= known or ("code" in body) is ("share" in body):
        raise HttpError(400, _SHAPE)
    is_question = body.pop("dryRun", False)
    if not isinstance(is_question, bool):
        raise HttpError(400, _SHAPE)
    if not all(isinstance(value, str) for value in body.values()):
        raise HttpError(400, _SHAPE)
    if not all(body[name].isascii() for name in ("code", "share") if name in body):
        raise HttpError(400, _SHAPE)
    return body, is_question


def page_authorization(request: Request) -> str | None:
    """What stands for the `Authorization` header where the page asks: the token of its cookie, else None."""
    token = request.cookies.get(COOKIE)
    if not token or request.method != "POST" or not is_own_page(request.headers):
        return None
    if not token.isascii():
        raise UnauthenticatedError("The cookie is malformed; sign in again.")
    return f"Bearer {token}"


def is_own_page(headers: Headers) -> bool:
    """Whether the browser says that a page of this origin asks. Browsers send Origin with every POST and DELETE."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    return headers.get("origin") is not None and is_origin_allowed(headers, ())


def _path(request: Request) -> str:
    return f"{request.scope.get('root_path', '').rstrip('/')}/"


def _is_tls(request: Request) -> bool:
    return bool(request.scope.get("scheme") == "https")
