"""Files of web servers: one request at a time, redirects followed by hand, every connection guarded.

httpcore is used without httpx on top: its network backend is the place where the checked address is connected to, and
what httpx would add (proxies of the environment, cookies, decoders of compressed bodies) must not happen here. Nothing
that could identify this server or its users is ever sent, so a redirect to another host has nothing to leak.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cuepoint.adapters.fetch import answers
from cuepoint.adapters.fetch.addresses import AddressPolicy
from cuepoint.adapters.fetch.base import Opened
from cuepoint.adapters.fetch.urls import SourceUrl, join_url, parse_url
from cuepoint.errors import AdapterError, CuepointError, ErrorCode

if TYPE_CHECKING:
    import httpcore2

    from cuepoint.adapters.fetch.guard import GuardedBackend, Resolver

REDIRECTS = (301, 302, 303, 307, 308)
SNIFF_BYTES = 2048  # of the beginning, to tell a page from media
USER_AGENT = "Cuepoint"


@dataclass(frozen=True)
class HttpLimits:
    """Bounds for a foreign server. `window_seconds`: over so long the average must reach `min_bytes_per_second`, and
    never is a single byte waited for longer."""

    max_bytes: int
    connect_seconds: float = 10.0
    answer_seconds: float = 30.0
    window_seconds: float = 30.0
    min_bytes_per_second: int = 1024
    total_seconds: float = 6 * 3600.0
    max_redirects: int = 5


class HttpSource:
    """Opens http(s) URLs. `resolver` and `network` are how names and addresses are reached."""

    def __init__(
        self,
        policy: AddressPolicy,
        limits: HttpLimits,
        *,
        resolver: Resolver | None = None,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._policy = policy
        self._limits = limits
        self._resolver = resolver
        self._network = network

    def check(self, address: str) -> str:
        """See `Fetcher.check`."""
        url = parse_url(address)
        self._policy.check_host(url.host, url.port)
        return url.shown

    @asynccontextmanager
    async def open(self, address: str, *, start: int = 0, validator: str | None = None) -> AsyncGenerator[Opened]:
        """See `Fetcher.open`. Every connection of one call is closed at its end."""
        import httpcore2

        backend = self._backend()
        deadline = time.monotonic() + self._limits.total_seconds
        async with (
            httpcore2.AsyncConnectionPool(network_backend=backend, max_keepalive_connections=0) as pool,
            contextlib.AsyncExitStack() as stack,
        ):
            url, response, headers = await self._final(pool, stack, parse_url(address), start, validator)
            if response.status == 206 and answers.validator_of(headers) not in (None, validator):
                await stack.aclose()  # a server that ignores If-Range: the rest of another version
                start = 0
                url, response, headers = await self._final(pool, stack, parse_url(address), start, None)
            yield await self._opened(url, response, headers, start, deadline)

    def _backend(self) -> GuardedBackend:
        from cuepoint.adapters.fetch.guard import GuardedBackend, resolve

        return GuardedBackend(self._policy, self._resolver or resolve, self._network)

    async def _final(
        self,
        pool: httpcore2.AsyncConnectionPool,
        stack: contextlib.AsyncExitStack,
        url: SourceUrl,
        start: int,
        validator: str | None,
    ) -> tuple[SourceUrl, httpcore2.Response, Mapping[str, str]]:
        """The answer behind all redirects."""
        for _ in range(self._limits.max_redirects + 1):
            response = await stack.enter_async_context(self._asked(pool, url, start, validator))
            headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in reversed(response.headers)}
            if response.status not in REDIRECTS:
                return url, response, headers
            await stack.aclose()
            if "location" not in headers:
                break
            url = join_url(url, headers["location"])
        raise answers.source_error(
            ErrorCode.SOURCE_UNAVAILABLE,
            f"The source redirects more than {self._limits.max_redirects} times, or nowhere.",
        )

    @asynccontextmanager
    async def _asked(
        self, pool: httpcore2.AsyncConnectionPool, url: SourceUrl, start: int, validator: str | None
    ) -> AsyncGenerator[httpcore2.Response]:
        import httpcore2

        host = url.origin.partition("://")[2]
        headers = [("Host", host), ("User-Agent", USER_AGENT), ("Accept", "*/*"), ("Accept-Encoding", "identity")]
        if start and validator is not None:
            headers += [("Range", f"bytes={start}-"), ("If-Range", validator)]
        limits = self._limits
        waits = {"connect": limits.connect_seconds, "read": limits.window_seconds, "write": limits.connect_seconds}
        request = httpcore2.Request(
            "GET",
            httpcore2.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
            headers=[(name.encode(), value.encode("latin-1")) for name, value in headers],
            extensions={"timeout": waits},
        )
        with _told():
            async with asyncio.timeout(limits.answer_seconds):  # headers may trickle too
                response = await pool.handle_async_request(request)
        try:
            yield response
        finally:
            await response.aclose()

    async def _opened(
        self, url: SourceUrl, response: httpcore2.Response, headers: Mapping[str, str], start: int, deadline: float
    ) -> Opened:
        begins, size = self._placed(response.status, headers, start)
        if size is not None and size > self._limits.max_bytes:
            raise answers.too_large(self._limits.max_bytes)
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise answers.source_error(
                ErrorCode.SOURCE_UNAVAILABLE, "The source sends the file compressed although it was told not to."
            )
        pieces = self._pieces(response, begins, deadline)
        beginning = await _beginning(pieces) if begins == 0 else b""
        content_type = headers.get("content-type")
        return Opened(
            start=begins,
            size_bytes=size,
            validator=answers.validator_of(headers),
            filename=answers.filename_of(headers) or url.filename,
            content_type=content_type,
            is_page=begins == 0 and answers.is_page(content_type, beginning),
            stream=_joined(beginning, pieces),
        )

    def _placed(self, status: int, headers: Mapping[str, str], start: int) -> tuple[int, int | None]:
        """Where the body begins in the file, and the size of the whole file."""
        if status == 200:
            return 0, answers.content_length(headers)
        if status == 206:
            found = answers.content_range(headers)
            if found is None or found[0] != start:
                raise answers.source_error(
                    ErrorCode.SOURCE_UNAVAILABLE, "The source sent another part of the file than was asked for."
                )
            return found
        if status == 416:  # the file has become shorter: from the beginning, then
            raise answers.source_error(
                ErrorCode.SOURCE_UNAVAILABLE, "The source has changed while it was fetched.", retryable=True
            )
        raise answers.refusal(status, headers)

    async def _pieces(self, response: httpcore2.Response, position: int, deadline: float) -> AsyncGenerator[bytes]:
        """The body, as long as it keeps to the limits."""
        limits = self._limits
        began, in_window = time.monotonic(), 0
        with _told():
            async with aclosing(_body(response)) as body:
                async for piece in body:
                    position += len(piece)
                    in_window += len(piece)
                    if position > limits.max_bytes:
                        raise answers.too_large(limits.max_bytes)
                    now = time.monotonic()
                    if now >= deadline:
                        raise _too_slow(f"took longer than {limits.total_seconds:.0f} s")
                    if now - began >= limits.window_seconds:
                        if in_window < limits.min_bytes_per_second * (now - began):
                            raise _too_slow(f"sends less than {limits.min_bytes_per_second} bytes a second")
                        began, in_window = now, 0
                    yield piece


async def _body(response: httpcore2.Response) -> AsyncGenerator[bytes]:
    async for piece in response.aiter_stream():
        yield piece


async def _beginning(pieces: AsyncIterator[bytes]) -> bytes:
    found = b""
    async for piece in pieces:
        found += piece
        if len(found) >= SNIFF_BYTES:
            break
    return found


async def _joined(beginning: bytes, pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(pieces):
        if beginning:
            yield beginning
        async for piece in pieces:
            yield piece


def _too_slow(how: str) -> AdapterError:
    return answers.source_error(ErrorCode.SOURCE_TIMEOUT, f"The source {how}.", retryable=True)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Errors of the network become ours."""
    import httpcore2

    try:
        yield
    except (CuepointError, AdapterError):
        raise
    except (TimeoutError, httpcore2.TimeoutException) as error:
        raise _too_slow("did not answer in time, or stopped sending") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
        text = str(error) or type(error).__name__
        raise answers.source_error(
            ErrorCode.SOURCE_UNAVAILABLE, f"The source cannot be reached, or broke off: {text}.", retryable=True
        ) from error
