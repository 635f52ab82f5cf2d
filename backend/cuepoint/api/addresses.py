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
# A forwarded address with what some proxies add: RFC 7239 writes IPv6 in brackets, and allows a port behind either.
_FORWARDED = re.compile(r"\[(?P<v6>[^\]]+)\](?::\d+)?|(?P<v4>[\d.]+)(?::\d+)?", re.ASCII)
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
        caller = self._caller(",".join(headers.getlist("x-forwarded-for")))
        if caller is not None:
            scope["client"] = (caller, 0)
        host = headers.get("x-forwarded-host", "").split(",")[-1].strip()
        if _HOST.fullmatch(host):
            kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [*kept, (b"host", host.encode("latin-1"))]

    def _caller(self, forwarded: str) -> str | None:
        """The last address that is no proxy of ours, else the first: those before it are the caller's own claim, and so
        is what stands before something that is no address."""
        caller = None
        for entry in filter(None, (part.strip() for part in reversed(forwarded.split(",")))):
            address = _address(entry)
            is_trusted = self._is_trusted(address or entry)
            caller = address or caller
            if not is_trusted:
                break
        return caller


def _address(entry: str) -> str | None:
    """The IP address of an entry of X-Forwarded-For, in its one spelling; None for anything else."""
    found = _FORWARDED.fullmatch(entry)
    try:
        return str(ipaddress.ip_address((found["v6"] or found["v4"]) if found else entry))
    except ValueError:
        return None


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
