"""Who called, as trusted proxies tell it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from cuepoint.api.addresses import TrustedProxies

PROXY = "10.0.0.1"


async def caller(forwarded: str, *trusted: str) -> str:
    """The client that a request by the proxy seems to come from."""
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["client"][0])

    headers = [(b"x-forwarded-for", forwarded.encode())]
    scope: dict[str, Any] = {"type": "http", "client": (PROXY, 1), "scheme": "http", "headers": headers}
    unused: Any = None
    await TrustedProxies(app, trusted or ("10.0.0.0/8",))(scope, unused, unused)
    return seen[0]


class TestForwardedFor:
    @pytest.mark.parametrize(
        ("forwarded", "client"),
        [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:51001", "203.0.113.9"),
            ("2001:DB8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("198.51.100.1, 203.0.113.9:51001, 10.0.0.2:80", "203.0.113.9"),
            ("10.0.0.3, 10.0.0.2:80", "10.0.0.3"),
        ],
        ids=["v4", "v4-port", "v6", "v6-brackets", "v6-port", "chain", "proxies-only"],
    )
    async def test_an_address_is_one_place_whatever_its_port(self, forwarded: str, client: str) -> None:
        assert await caller(forwarded) == client

    @pytest.mark.parametrize("entry", ["unknown", "_hidden:7", "203.0.113.999", "[10.0.0.1", "1:2"])
    async def test_what_is_no_address_is_nobody_and_hides_nothing_before_it(self, entry: str) -> None:
        assert await caller(entry) == PROXY
        assert await caller(f"6.6.6.6, {entry}") == PROXY
        assert await caller(f"6.6.6.6, {entry}, 10.0.0.2") == "10.0.0.2"

    async def test_where_all_are_trusted_the_first_address_called(self) -> None:
        assert await caller("203.0.113.9:1, unknown, 198.51.100.1", "*") == "203.0.113.9"
