"""Who calls: bearer tokens of HTTP requests and WebSocket connections, and the origins that may open a socket."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from math import inf
from urllib.parse import urlsplit
from uuid import UUID

from starlette.datastructures import Headers

from cuepoint.adapters.storage.signed_urls import UrlSigner
from cuepoint.api import visitors
from cuepoint.db.session import Database
from cuepoint.errors import UnauthenticatedError
from cuepoint.features.shares.visits import visitors_of
from cuepoint.features.users import service as users
from cuepoint.viewer import Viewer

NOTE_USE_SECONDS = 60.0
# For so long an API key is not looked up again. What this process itself changes meanwhile counts at once; a key that
# is revoked by another process is refused after that time, within the 5 s in which open subscriptions end as well; one
# that expires, at once.
KNOWN_SECONDS = 2.0
MAX_KNOWN = 10_000
_UNKNOWN: tuple[Viewer | None, float, int] = (None, 0.0, 0)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization` value; None without one. Raises UnauthenticatedError for another scheme.

    `Bearer ` with nothing behind it counts as no token: GraphiQL offers it as a form to fill in.
    """
    if authorization is None or not authorization.strip():
        return None
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError("Only `Authorization: Bearer <token>` is understood.")
    return token.strip() or None


class Authenticator:
    """Turns tokens into viewers and notes, once a minute for each key, that it was used."""

    def __init__(
        self, db: Database, signer: UrlSigner | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Without a signer nobody comes by a share link."""
        self._db = db
        self._signer = signer
        self._clock = clock
        self._noted: dict[UUID, float] = {}
        self._known: OrderedDict[str, tuple[Viewer, float, int]] = OrderedDict()

    async def viewer(self, authorization: str | None, address: str = "") -> Viewer | None:
        """The viewer of an `Authorization` value; None without a token. Raises UnauthenticatedError for a wrong one.

        `address` is where it comes from, to be noted with the use of an API key."""
        token = bearer_token(authorization)
        if token is None:
            return None
        if not token.isascii() or "\0" in token:
            raise UnauthenticatedError("The token is malformed. Make a new one with `cuepoint token`.")
        viewer = await self._viewer_of(token)
        await self._note_use(viewer, address)
        return viewer

    async def _viewer_of(self, token: str) -> Viewer:
        digest, now, writes = users.hash_secret(token), self._clock(), self._db.writes
        viewer, until, writes_then = self._known.get(digest, _UNKNOWN)
        if viewer is not None and now < until and writes == writes_then:
            return viewer
        async with self._db.read() as session:
            if self._signer is not None and token.startswith(visitors.MARK):
                return await visitors.viewer_of_visit(session, self._signer, token)
            viewer = await users.authenticate(session, token)
        if token.startswith(users.MARK):
            self._known[digest] = (viewer, now + min(KNOWN_SECONDS, _seconds_left(viewer)), writes)
            self._known.move_to_end(digest)
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return viewer

    async def required_viewer(self, authorization: str | None, address: str = "") -> Viewer:
        """Like `viewer`, but a token there must be."""
        viewer = await self.viewer(authorization, address)
        if viewer is None:
            raise UnauthenticatedError("This needs a credential: send the header `Authorization: Bearer <token>`.")
        return viewer

    async def still_valid(self, viewers: Collection[Viewer]) -> Collection[Viewer]:
        """Those of the viewers whose credential would be accepted now."""
        links = [viewer.share.link_id for viewer in viewers if viewer.share is not None]
        async with self._db.read() as session:
            valid = set(await users.still_valid(session, viewers))
            if links:
                valid |= set((await visitors_of(session, links)).values()) & set(viewers)
        return valid

    async def _note_use(self, viewer: Viewer, address: str) -> None:
        now = self._clock()
        key = viewer.api_key_id
        if key is None or now - self._noted.get(key, -NOTE_USE_SECONDS) < NOTE_USE_SECONDS:
            return
        self._noted[key] = now
        async with self._db.write() as session:
            await users.note_use(session, viewer, address)


def _seconds_left(viewer: Viewer) -> float:
    """Until the viewer's key expires."""
    return inf if viewer.expires_at is None else (viewer.expires_at - datetime.now(UTC)).total_seconds()


def is_origin_allowed(headers: Headers, allowed: Collection[str]) -> bool:
    """Whether a page of this Origin may open a WebSocket: its own origin, or a listed one.

    Browsers do not apply CORS to WebSockets. Callers that send no Origin are no browsers.
    """
    origin = headers.get("origin")
    if origin is None:
        return True
    if normal_origin(origin) in {normal_origin(one) for one in allowed}:
        return True
    return _same_host(origin, headers.get("host", ""))


def normal_origin(origin: str) -> str:
    """An origin as browsers write it: lower case, without the default port."""
    try:
        parts = urlsplit(origin.strip().lower())
        port = parts.port
    except ValueError:
        return origin
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    shown = "" if port is None or port == _DEFAULT_PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def _same_host(origin: str, host: str) -> bool:
    """Scheme aside: TLS may end at a proxy."""
    try:
        page, here = urlsplit(origin.lower()), urlsplit(f"//{host.lower()}")
        default = _DEFAULT_PORTS.get(page.scheme)
        ports_agree = (page.port or default) == (here.port or default)
    except ValueError:
        return False
    return bool(page.hostname) and page.hostname == here.hostname and ports_agree
