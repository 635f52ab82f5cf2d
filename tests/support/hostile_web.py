"""A web server with every trick that an importer meets, and a network that notes where connections go.

Each path is one behaviour. `Network` stands between the fetcher and the machine: it maps made-up public addresses to
the server's port, and remembers every address that anyone tried to connect to.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpcore2

PUBLIC = "93.184.216.34"  # example.com's, which nobody reaches from a test
OTHER_PUBLIC = "151.101.1.69"
FILE = bytes(range(256)) * 1024  # 256 KiB
ETAG = '"one"'
BOMB = gzip.compress(bytes(1_000_000))

Writer = asyncio.StreamWriter


@dataclass
class Request:
    """What a client asked."""

    path: str
    headers: dict[str, str]


@dataclass
class HostileWeb:
    """The server. `file` and `etag` are what /file sends; `break_after` cuts its answers there, as often as
    `breaks` says, or stops there without an end, as often as `holds` says. With `ignores_if_range` it sends the end of
    whatever it has now."""

    port: int = 0
    file: bytes = FILE
    etag: str | None = ETAG
    breaks: int = 0
    holds: int = 0
    ignores_if_range: bool = False
    break_after: int = 100_000
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[Request] = field(default_factory=list)
    documents: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """A URL of this server."""
        return f"http://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [request.path for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """One connection, one request."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
            request = Request(lines[0].split(" ")[1], {name.lower(): value for name, value in headers.items()})
            self.requests.append(request)
            self.reached.set()
            path, _, argument = request.path.partition("?")
            if path in self.documents:
                content_type, body = self.documents[path]
                await answer(writer, 200, body, {"Content-Type": content_type})
            else:
                handler = HANDLERS.get(path.strip("/").split("/")[0], _status)
                await handler(self, writer, request, argument or path.rsplit("/", 1)[-1])
        writer.close()


Handler = Callable[[HostileWeb, Writer, Request, str], Awaitable[None]]


async def answer(
    writer: Writer, status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, length: int | None = -1
) -> None:
    """An HTTP/1.1 answer; `length` is the declared one (-1: the true one, None: none)."""
    lines = [f"HTTP/1.1 {status} Answer", "Connection: close"]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length < 0 else length}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    await writer.drain()


async def _status(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    """/status/451 and so on; anything else is not there."""
    status = int(argument) if argument.isdigit() else 404
    await answer(writer, status, b"no", {"Retry-After": "7"} if status == 429 else None)


async def _bot_wall(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    await answer(writer, 403, b"prove it", {"CF-Mitigated": "challenge"})


async def _file(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    """A file with an ETag and ranges, which breaks off now and then."""
    start, status, headers = 0, 200, {"Content-Type": "video/mp4", **({"ETag": web.etag} if web.etag else {})}
    asked = request.headers.get("range")
    if asked and web.etag and (web.ignores_if_range or request.headers.get("if-range") == web.etag):
        start, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
        headers["Content-Range"] = f"bytes {start}-{len(web.file) - 1}/{len(web.file)}"
    body = web.file[start:]
    if web.holds:
        web.holds -= 1
        await answer(writer, status, body[: web.break_after], headers, length=len(body))
        await web.hold.wait()
        return
    if web.breaks:
        web.breaks -= 1
        await answer(writer, status, body[: web.break_after], headers, length=len(body))
        return
    await answer(writer, status, body, headers)


async def _held(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    """Half of the file, and the rest once the test says so."""
    half = len(web.file) // 2
    await answer(writer, 200, web.file[:half], {"ETag": web.etag or '""'}, length=len(web.file))
    await web.hold.wait()
    writer.write(web.file[half:])
    await writer.drain()


async def _redirect(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    await answer(writer, 302, b"", {"Location": argument})


async def _loop(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    await answer(writer, 302, b"", {"Location": f"/loop/{int(argument) + 1}"})


async def _trickle(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    """A byte now and then, for ever."""
    await answer(writer, 200, b"\x00" * 4096, length=10**6)
    while not writer.is_closing():
        writer.write(b"\x00")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _slow_headers(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-Wait: more\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _endless(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    """Neither a length nor an end."""
    await answer(writer, 200, b"", length=None)
    while not writer.is_closing():
        writer.write(b"\x01" * 65_536)
        await writer.drain()


async def _silent(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    await web.hold.wait()


async def _says_more(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    await answer(writer, 200, web.file, {}, length=len(web.file) + 1000)


async def _says_less(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    await answer(writer, 200, web.file, {}, length=1000)


async def _bomb(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    await answer(writer, 200, BOMB, {"Content-Encoding": "gzip"})


async def _wrong_range(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    """A partial answer of another part than was asked for."""
    await answer(writer, 206, web.file[:10], {"Content-Range": f"bytes 0-9/{len(web.file)}", "ETag": ETAG})


async def _named(web: HostileWeb, writer: Writer, request: Request, argument: str) -> None:
    name = "attachment; filename=\"plain.mp4\"; filename*=UTF-8''..%2F..%2Fetc%2F%E2%82%AC%0Afilm.mp4"
    await answer(writer, 200, web.file, {"Content-Disposition": name, "Content-Type": "video/mp4"})


HANDLERS: dict[str, Handler] = {
    "file": _file,
    "held": _held,
    "redirect": _redirect,
    "loop": _loop,
    "trickle": _trickle,
    "slow-headers": _slow_headers,
    "endless": _endless,
    "silent": _silent,
    "says-more": _says_more,
    "says-less": _says_less,
    "bomb": _bomb,
    "wrong-range": _wrong_range,
    "named": _named,
    "bot-wall": _bot_wall,
}


@asynccontextmanager
async def hostile_web(**values: object) -> AsyncIterator[HostileWeb]:
    """The server on a loopback port."""
    web = HostileWeb(**values)  # type: ignore[arg-type]
    server = await asyncio.start_server(web.serve, "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        web.hold.set()
        server.close()


class Network(httpcore2.AsyncNetworkBackend):
    """Connects made-up public addresses to the server; remembers every address, and the names that TLS asked for."""

    def __init__(self, web: HostileWeb, public: Iterable[str] = (PUBLIC, OTHER_PUBLIC)) -> None:
        self.connected: list[tuple[str, int]] = []
        self.tls_names: list[str | None] = []
        self._web = web
        self._public = frozenset(public)
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection; to the server where the address is one of the made-up ones."""
        self.connected.append((host, port))
        if host not in self._public:
            raise httpcore2.ConnectError("nobody is there")
        if port == 443:
            return _TlsWatcher(self.tls_names)
        return await self._inner.connect_tcp("127.0.0.1", self._web.port, timeout, local_address, socket_options)


class _TlsWatcher(httpcore2.AsyncNetworkStream):
    """A stream on which TLS begins, and no more."""

    def __init__(self, names: list[str | None]) -> None:
        self._names = names

    async def start_tls(
        self, ssl_context: object, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        self._names.append(server_hostname)
        raise httpcore2.ConnectError("no TLS here")

    async def aclose(self) -> None:
        return


class Names:
    """A resolver: each name has a list of answers, one for each time that it is asked; the last one stays."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(found) for name, found in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses now."""
        self.asked.append(host)
        if host not in self._answers:
            raise OSError("no such name")
        answers = self._answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]
