"""Connections of the fetcher: the name is resolved once, every address is checked, and the checked one is connected to.

There is no second look-up that could answer otherwise (DNS rebinding): the connection is made to the address itself,
while TLS and the Host header keep the name. All addresses must pass, not only the first: a name that also leads inside
is nobody's honest mistake.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpcore2

from cuepoint.adapters.fetch.addresses import AddressPolicy
from cuepoint.adapters.fetch.urls import is_literal

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
MAX_ADDRESSES = 8  # tried one after the other


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name by the system, in its order. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens TCP connections for httpcore. Raises CuepointError URL_FORBIDDEN, before any connection is made."""

    def __init__(
        self,
        policy: AddressPolicy,
        resolver: Resolver = resolve,
        inner: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._inner = inner or httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to the first address of the host that takes one."""
        self._policy.check_host(host, port)
        try:
            addresses = [host] if is_literal(host) else await self._resolver(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"the name {host} has no address") from error
        for address in addresses:
            self._policy.check_address(host, address, port)
        failure: Exception = httpcore2.ConnectError(f"the name {host} has no address")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure
