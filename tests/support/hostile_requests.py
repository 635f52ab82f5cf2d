"""Requests that mean harm, each with the status and code that it deserves; and a way to send them that costs little."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from starlette.types import ASGIApp, Message

NEW = "application/graphql-response+json"
ECHO = '{ echo(text: "x") }'


@dataclass(frozen=True)
class Hostile:
    """One request, and how it must be refused."""

    name: str
    body: bytes
    status: int = 400
    code: str = "BAD_USER_INPUT"
    headers: Mapping[str, str] = field(default_factory=dict)


def _query(text: str, **more: Any) -> bytes:
    return json.dumps({"query": text, **more}).encode()


def _doubling(levels: int) -> str:
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return f"{{ ...F0 }} {chain} fragment F{levels} on Query {{ me }}"


_VARIABLES = b'{"query": "{ me }", "variables": %s}'
_PAGE = "things(first: 100) { nodes { number %s } }"
COSTLY, DEEP = "QUERY_TOO_COSTLY", "QUERY_TOO_DEEP"
HOSTILE = [
    Hostile("invalid UTF-8", b'{"query": "\xff\xfe"}'),
    Hostile("null", b"null"),
    Hostile("a number", b"7"),
    Hostile("a string", b'"{ me }"'),
    Hostile("an array", b"[{}]"),
    Hostile("20,000 nested arrays as body", b"[" * 20_000 + b"]" * 20_000),
    Hostile("20,000 nested arrays as variables", _VARIABLES % (b"[" * 20_000 + b"]" * 20_000)),
    Hostile("variables nested 100 deep", _VARIABLES % (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}"), 400, DEEP),
    Hostile("100,000 values in variables", _query("{ me }", variables={"a": [1] * 100_000}), 400, COSTLY),
    Hostile("NaN", b'{"query": "{ me }", "variables": {"a": NaN}}'),
    Hostile("Infinity", b'{"query": "{ me }", "variables": {"a": Infinity}}'),
    Hostile("a key twice", b'{"query": "{ me }", "query": "{ baseUrl }"}'),
    Hostile("a variable twice", b'{"query": "{ me }", "variables": {"a": 1, "a" : 2}}'),
    Hostile("200 kB of commas", _query("{ me " + "," * 200_000 + "}"), 400, COSTLY),
    Hostile("200 kB in one string", _query('{ echo(text: "' + "a" * 200_000 + '") }'), 400, COSTLY),
    Hostile("200 kB of comments", _query("# a\n" * 50_000 + "{ me }"), 400, COSTLY),
    Hostile("10,000 aliases", _query("{ " + " ".join(f"a{n}: me" for n in range(10_000)) + " }"), 400, COSTLY),
    Hostile("300 aliases", _query("{ " + " ".join(f"a{n}: me" for n in range(300)) + " }"), 400, COSTLY),
    Hostile("doubling fragments", _query(_doubling(40)), 400, COSTLY),
    Hostile("300 overlapping selections", _query("{ things { nodes { " + "number " * 300 + "} } }"), 400, COSTLY),
    Hostile("overlapping objects", _query("{ things { nodes { " + "parts { label } " * 60 + "} } }"), 400, COSTLY),
    Hostile("a directive 300 times", _query("{ me " + "@include(if: true) " * 300 + "}"), 400, COSTLY),
    Hostile("nested 100 deep", _query("{ things { nodes " * 50 + "{ number }" + "} }" * 50), 400, DEEP),
    Hostile("a page of pages", _query("{ " + _PAGE % (_PAGE % "size") + " }"), 400, COSTLY),
    Hostile("a circle of fragments", _query("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }")),
    Hostile("an unknown operation", _query("query A { me }", operationName="B")),
    Hostile("no operation", _query("fragment A on Query { me }")),
    Hostile("a lone surrogate", b'{"query": "{ echo(text: \\"\\ud800\\") }"}'),
    Hostile("a null character", _query("query($t: String!) { echo(text: $t) }", variables={"t": "a\0b"})),
    Hostile("60 unknown fields", _query("{ things { nodes { " + " ".join(f"n{n}" for n in range(60)) + " } } }")),
    Hostile("a form", b"query={me}", 415, headers={"content-type": "application/x-www-form-urlencoded"}),
    Hostile("text", _query("{ me }"), 415, headers={"content-type": "text/plain"}),
    Hostile("32 MiB", b"", 413, headers={"content-length": str(32 * 1024 * 1024)}),
    Hostile("nothing acceptable", _query("{ me }"), 406, headers={"accept": "image/png"}),
    Hostile("another scheme", _query("{ me }"), 401, "UNAUTHENTICATED", {"authorization": "Basic eDp5"}),
    Hostile("a token of other bytes", _query("{ me }"), 401, "UNAUTHENTICATED", {"authorization": "Bearer \xe9"}),
]  # fmt: skip


async def _pieces(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
    else:
        async for piece in body:
            yield piece


async def send(
    app: ASGIApp,
    body: bytes | AsyncIterator[bytes],
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    query: str = "",
) -> tuple[int, bytes]:
    """Status and body of the response, without any client between."""
    given = {"host": "testserver", "content-type": "application/json", "accept": NEW, **headers}
    sent: list[Message] = []
    pieces = _pieces(body)

    async def receive() -> Message:
        piece = await anext(pieces, None)
        if piece is None:
            await asyncio.Event().wait()  # the client stays, and sends nothing more
        return {"type": "http.request", "body": piece, "more_body": not isinstance(body, bytes)}

    async def keep(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "state": {},
    }
    await app(scope, receive, keep)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def mutations(seed: int, count: int) -> list[tuple[bytes, dict[str, str], str, str]]:
    """Random requests around valid ones: body, headers, method and query string."""
    random = Random(seed)
    requests = []
    for _ in range(count):
        body = bytearray(random.choice([h.body for h in HOSTILE if len(h.body) < 5_000] + [_query(ECHO)]))
        for _ in range(random.randrange(4)):
            place = random.randrange(len(body) + 1)
            match random.randrange(4):
                case 0:
                    body[place:place] = bytes(random.randrange(256) for _ in range(random.randrange(1, 4)))
                case 1:
                    del body[place : place + random.randrange(1, 20)]
                case 2:
                    body[place:place] = body[: random.randrange(len(body) + 1)]
                case _:
                    body[place:place] = random.choice([b"null", b"{", b'"', b"\\u0000", b"1e999", b"@defer", b"..."])
        headers = {
            "content-type": random.choice(
                ["application/json", "application/json;charset=x", "text/plain", "\xff", ";;="]
            ),
            "accept": random.choice(
                ["*/*", "text/event-stream", "multipart/mixed;incrementalSpec=v0.2,*/*", ";q=x", "a/b", NEW]
            ),
            "authorization": random.choice(["", "Bearer", "Bearer x", "\xff"]),
            "last-event-id": random.choice(["", "1", "x"]),
        }
        kept = {name: headers[name] for name in random.sample(sorted(headers), random.randrange(len(headers) + 1))}
        method = random.choice(["POST", "POST", "POST", "GET", "PUT"])
        query = random.choice(
            ["", "query={me}", "query=%ff", "variables=%00", "extensions={}&query={me}", "query={me}&variables=["]
        )
        requests.append((bytes(body), kept, method, query))
    return requests
