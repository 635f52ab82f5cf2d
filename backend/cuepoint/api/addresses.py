"""Who really called, and by which address: X-Forwarded-* headers, believed from trusted proxies only."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cuepoint.config import Settings

SCHEMES = {"http": "ws", "https": "wss"}
# RFC 3986 reg-name or IP literal with an optional port; what else stands in `Host` never gets into a URL.
_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)


class TrustedProxies:
    """Middleware: for a caller that is a trusted proxy, takes client, scheme and host from what it forwards."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        self.app = app
        self._names = frozenset(trusted)
        self._networks = [n for n in map(_network, trusted) if n is not None]
        self._is_trusted = lru_cache(10_000)(self._is_one_of_ours)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite the scope, then go on."""
        client = scope.get("client")
        if scope["type"] != "lifespan" and client is not None and self._is_trusted(client[0]):
            self._rewrite(scope)
        await self.app(scope, receive, send)

    def _is_one_of_ours(self, host: str) -> bool:
        if "*" in self._names or host in self._names:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _rewrite(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        scheme = headers.get("x-forwarded-proto", "").split(",")[-1].strip().lower()
        if scheme in SCHEMES:
            scope["scheme"] = SCHEMES[scheme] if scope["type"] == "websocket" else scheme
        # The last entry that is no proxy of ours: those before it are the caller's own claim.
        callers = [c.strip() for c in ",".join(headers.getlist("x-forwarded-for")).split(",") if c.strip()]
        stranger = next((c for c in reversed(callers) if not self._is_trusted(c)), callers[0] if callers else None)
        if stranger is not None:
            scope["client"] = (stranger, 0)
        host = headers.get("x-forwarded-host", "").split(",")[-1].strip()
        if _HOST.fullmatch(host):
            kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [*kept, (b"host", host.encode("latin-1"))]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def base_url(settings: Settings, scope: Scope) -> str:
    """The URL, without a trailing slash, by which this caller reaches us: CUEPOINT_PUBLIC_URL, else its Host."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "http"), scope.get("scheme", "http"))
    host = Headers(scope=scope).get("host", "")
    if not _HOST.fullmatch(host):
        host = f"{settings.host}:{settings.port}"
    return f"{scheme}://{host}{scope.get('root_path', '').rstrip('/')}"
