"""Requests that mean harm, each with the status and code that it deserves; and a way to send them that costs little."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from starlette.types import ASGIApp, Message

from cuepoint.graphql.scalars import encode_id

NEW = "application/graphql-response+json"
SMALL = "{ serverInfo { version } }"


@dataclass(frozen=True)
class Hostile:
    """One request to the product's schema, and how it must be refused."""

    name: str
    body: bytes
    status: int = 400
    code: str = "BAD_USER_INPUT"
    headers: Mapping[str, str] = field(default_factory=dict)


def _query(text: str, **more: Any) -> bytes:
    return json.dumps({"query": text, **more}).encode()


def _many(number: int, unit: str) -> str:
    """The unit so often, with its number for each `#`."""
    return " ".join(unit.replace("#", str(n)) for n in range(number))


def _doubling(levels: int) -> str:
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return f"{{ ...F0 }} {chain} fragment F{levels} on Query {{ serverInfo {{ version }} }}"


def _each_with_each(number: int) -> str:
    """Fragments that all stand in one place, and all but the last in all of those before."""
    spreads = [f"...F{n}" for n in range(number)]
    chain = " ".join(f"fragment F{n} on Query {{ {' '.join(spreads[n + 1 :])} }}" for n in range(number))
    return f"{{ {' '.join(spreads)} serverInf }} {chain}"


def _shared(operations: int, fragments: int) -> str:
    asked = _many(operations, "query Q#($first: Int = #) { ...F0 }")
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(fragments - 1))
    return f"{asked} {chain} fragment F{fragments - 1} on Query {{ projects(first: $first) {{ totalCount }} }}"


def _of_video(selections: str) -> bytes:
    return _query(f'{{ video(id: "x") {{ {selections} }} }}')


def _keys(number: int) -> dict[str, int]:
    return {f"titel{n}": n for n in range(number)}


def _keyframes(number: int) -> dict[str, Any]:
    frames: list[dict[str, Any]] = [{"at": n, "x": 0.5, "y": 0.5} for n in range(number - 1)]
    return {"videoId": "x", "output": {"keyframes": [*frames, {"at": 1, "x": "wrong"}]}}


COSTLY, DEEP = "QUERY_TOO_COSTLY", "QUERY_TOO_DEEP"
_VARIABLES = b'{"query": "{ serverInfo { version } }", "variables": %s}'
_NESTED = b"[" * 20_000 + b"]" * 20_000
_PAGE = "projects(first: 100) { nodes { id %s } }"
_PAGES = "videos(first: 100) { nodes { id title jobs(first: 100) { nodes { id title } } } }"
_NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
_UPDATE = "mutation($input: UpdateVideoInput!) { updateVideo(input: $input) { video { id } } }"
_CLIP = "mutation($input: CreateClipInput!) { createClip(input: $input) { clip { id } } }"
_CREATE = (
    "mutation { createClips(input: {%sitems: [" + _many(135, '{videoId: "x" start: 1 end: 2 title: "x"}') + "%s]})"
)
_CREATE += " { clips { id } } }"
_LONG = _many(
    18,
    'a#: video(id: "x") { id project { id name } clips(first: 1) { totalCount edges { node { id title } } } '
    "moments(first: 1) { totalCount edges { node { id title } } } jobs(first: 1) { totalCount nodes { id } } }",
)

_BODIES = [
    Hostile("nothing", b""),
    Hostile("invalid UTF-8", b'{"query": "\xff\xfe"}'),
    Hostile("null", b"null"),
    Hostile("a number", b"7"),
    Hostile("a string", b'"{ me { id } }"'),
    Hostile("an array", b"[{}]"),
    Hostile("NaN", b"NaN"),
    Hostile("20,000 nested arrays", _NESTED),
    Hostile("a key twice", b'{"query": "{ me { id } }", "query": "{ health { ready } }"}'),
    Hostile("a lone surrogate", b'{"query": "{ video(id: \\"\\ud800\\") { id } }"}'),
    Hostile("a form", b"query={me}", 415, headers={"content-type": "application/x-www-form-urlencoded"}),
    Hostile("text", _query(SMALL), 415, headers={"content-type": "text/plain"}),
    Hostile("32 MiB", b"", 413, headers={"content-length": str(32 * 1024 * 1024)}),
    Hostile("nothing acceptable", _query(SMALL), 406, headers={"accept": "image/png"}),
    Hostile("another scheme", _query(SMALL), 401, "UNAUTHENTICATED", {"authorization": "Basic eDp5"}),
    Hostile("a token of other bytes", _query(SMALL), 401, "UNAUTHENTICATED", {"authorization": "Bearer \xe9"}),
]
_VALUES = [
    Hostile("variables: invalid UTF-8", _VARIABLES % b'{"a": "\xff\xfe"}'),
    Hostile("variables: null for one that must be", _query(_NODES, variables=None)),
    Hostile("variables: a number", _VARIABLES % b"7"),
    Hostile("variables: a string", _VARIABLES % b'"{}"'),
    Hostile("variables: an array", _VARIABLES % b"[{}]"),
    Hostile("variables: 20,000 nested arrays", _VARIABLES % _NESTED),
    Hostile("variables: nested 100 deep", _VARIABLES % (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}"), 400, DEEP),
    Hostile("variables: 100,000 values", _query(SMALL, variables={"a": [1] * 100_000}), 400, COSTLY),
    Hostile("variables: 20,000 values", _query(SMALL, variables={"a": [1] * 20_000}), 400, COSTLY),
    Hostile("variables: NaN", _VARIABLES % b'{"a": NaN}'),
    Hostile("variables: Infinity", _VARIABLES % b'{"a": Infinity}'),
    Hostile("variables: one twice", _VARIABLES % b'{"a": 1, "a" : 2}'),
    Hostile("variables: a null character", _query(_NODES, variables={"ids": ["a\0b"]})),
    Hostile("variables: 19,000 ids", _query(_NODES, variables={"ids": ["x"] * 19_000}), 400, COSTLY),
    Hostile("variables: 2,490 wrong ids", _query(_NODES, variables={"ids": [{}] * 2_490})),
    Hostile("variables: 2,490 ids, the last one wrong", _query(_NODES, variables={"ids": ["x"] * 2_489 + [{}]})),
    Hostile("variables: 600 keyframes, the last one wrong", _query(_CLIP, variables={"input": _keyframes(600)})),
    Hostile("variables: 2,490 wrong keys", _query(_UPDATE, variables={"input": _keys(2_490)})),
    Hostile("variables: 19,000 values of metadata", _query(_UPDATE, variables={"input": {"metadata": ["x"] * 19_000}})),
    Hostile("variables: of another type", _query(_UPDATE, variables={"input": {"id": 1.5, "version": "x", "tags": 7}})),
]  # fmt: skip
_LIMITS = [
    Hostile("200 kB of commas", _query("{ me " + "," * 200_000 + "}"), 400, COSTLY),
    Hostile("200 kB in one string", _query('{ video(id: "' + "a" * 200_000 + '") { id } }'), 400, COSTLY),
    Hostile("200 kB of comments", _query("# a\n" * 50_000 + SMALL), 400, COSTLY),
    Hostile("10,000 aliases", _query("{ " + _many(10_000, "a#: serverInfo { version }") + " }"), 400, COSTLY),
    Hostile("300 aliases", _query("{ " + _many(300, "a#: serverInfo { version }") + " }"), 400, COSTLY),
    Hostile("doubling fragments", _query(_doubling(40)), 400, COSTLY),
    Hostile("640 fragments without fields", _query("{ " + "... {} " * 640 + "serverInf }"), 400, COSTLY),
    Hostile("300 overlapping selections", _of_video("title " * 300), 400, COSTLY),
    Hostile("overlapping objects", _of_video("project { name } " * 60), 400, COSTLY),
    Hostile("a directive 300 times", _of_video("id " + "@include(if: true) " * 300), 400, COSTLY),
    Hostile("nested 100 deep", _query("{ projects { nodes " * 50 + "{ id }" + "} }" * 50), 400, DEEP),
    Hostile("32,000 lines", _query("{" + "\n" * 32_000 + _many(10, "serverInf#") + "}"), 400, COSTLY),
    Hostile("32,000 lines in a string", _query('{ video(id: """' + "\n" * 32_000 + '""") { tite } }'), 400, COSTLY),
    Hostile("50 operations with 49 fragments", _query(_shared(50, 49), operationName="Q1"), 400, COSTLY),
    Hostile("a page of pages", _query("{ " + _PAGE % _PAGES + " }"), 400, COSTLY),
]
WRONG = [
    Hostile("a circle of fragments", _query("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }")),
    Hostile("an unknown operation", _query("query A { me { id } }", operationName="B")),
    Hostile("no operation", _query("fragment A on Query { me { id } }")),
    Hostile("no end", _query("{ " + _LONG)),
    Hostile("aliases of different fields", _of_video(_many(15, "a#: id a#: title"))),
    Hostile("a directive 40 times", _of_video("id " + "@include(if: true) " * 40)),
    Hostile("40 unknown directives", _of_video("id " + _many(40, "@includes#"))),
    Hostile("misspelt mutations", _query("mutation { " + _many(20, "deleteProjec#(input: {}) { id }") + " }")),
    Hostile("misspelt queries", _query("{ " + _many(20, "trashedVideo#") + " }")),
    Hostile("misspelt fields", _of_video(_many(60, "durationSecond#"))),
    Hostile("misspelt arguments", _of_video("clips(" + _many(60, "firs#: 1") + ") { totalCount }")),
    Hostile("misspelt types", _query('{ node(id: "x") { ' + _many(40, "... on Vide# { id }") + " } }")),
    Hostile("misspelt types of variables", _query("query(" + _many(250, "$a#: UpdateVideoInpu#") + ") { me { id } }")),
    Hostile("misspelt values", _query("{ jobs(filter: {status: [" + _many(60, "SUCCEEDE#") + "]}) { totalCount } }")),
    Hostile("misspelt input fields", _query("{ jobs(filter: {" + _many(400, "statu#: QUEUED") + "}) { totalCount } }")),
    Hostile("misspelt fragments", _of_video(_many(100, "...Vide#"))),
    Hostile("unused fragments", _query(SMALL + _many(99, "fragment F# on Query { serverInfo { version } }"))),
    Hostile("fields without selections", _query("{ " + _many(20, "projects") + " }")),
    Hostile("unused variables", _query("query(" + _many(280, "$a#: Int! = 1") + ") { me { id } }")),
    Hostile("undefined variables", _of_video(_many(30, "a#: clips(first: $a#) { totalCount }"))),
    Hostile("1,980 wrong literals", _query("{ nodes(ids: [" + "1.5 " * 1_980 + "]) { id } }")),
    Hostile("1,980 literals, the last one wrong", _query('{ nodes(ids: [' + '"x" ' * 1_980 + "1.5]) { id } }")),
    Hostile(
        "1,970 enum values, the last one wrong",
        _query("{ jobs(filter: {status: [" + "QUEUED " * 1_970 + "X]}) { totalCount } }"),
    ),
    Hostile(
        "1,900 default values, the last one wrong",
        _query("query($a: [ID!] = [" + '"x" ' * 1_900 + "1.5]) { nodes(ids: $a) { id } }"),
    ),
    Hostile("900 undefined variables", _query("{ nodes(ids: [" + _many(900, "$a#") + "]) { id } }")),
    Hostile(
        "150 variables",
        _query("query(" + _many(150, "$a#: ID!") + ") { nodes(ids: [" + _many(150, "$a#") + "]) { id } serverInf }"),
    ),
    Hostile("600 arguments", _query("{ nodes(" + _many(600, "ids: 1") + ") { id } }")),
    Hostile("135 objects, the last one wrong", _query(_CREATE % ("", " {videId: 1}"))),
    Hostile("300 fragments without fields", _query("{ " + "... {} " * 300 + "serverInf }")),
    Hostile("190 fragments in each other", _query("{ " + "... on Query { " * 190 + "serverInf " + "} " * 190 + "}")),
    Hostile(
        "98 fragments in one place",
        _query("{ " + _many(98, "...F#") + " serverInf } " + _many(98, "fragment F# on Query {}")),
    ),
    Hostile("fragments, each with each", _query(_each_with_each(24))),
    Hostile("16,000 escapes, the last one wrong", _query('{ video(id: "' + "\\n" * 16_000 + '\\q") { id } }')),
    Hostile("6,500 escapes with braces", _query('{ video(id: "' + "\\u{0}" * 6_500 + '") { id } }')),
    Hostile("32,000 digits", _query("{ projects(first: " + "1" * 32_000 + ") { totalCount } }")),
    Hostile("a name of 32,000 letters", _query("{ " + "a" * 32_000 + " }")),
    Hostile("1,980 literals without an end", _query("{ nodes(ids: [" + '"x" ' * 1_980)),
    Hostile("1,200 tokens, the first one wrong", _query("{ serverInf " + _LONG + " }")),
    Hostile("1,200 tokens, the last one wrong", _query("{ " + _LONG + " serverInf }")),
]  # fmt: skip
# graphql-core prints all of the value.
_PRINTED = [
    Hostile("135 objects beside a wrong field", _query(_CREATE % ("itens: 1 ", ""))),
    Hostile("1,980 literals for one", _query("{ projects(first: [" + "1 " * 1_980 + "]) { totalCount } }")),
]
HOSTILE = [*_BODIES, *_VALUES, *_LIMITS, *WRONG, *_PRINTED]


PAGE = "query ($first: Int!, $after: String) { projects(first: $first, after: $after) { pageInfo { endCursor } } }"
ONE = "query ($id: ID!) { project(id: $id) { name } }"
VIDEOS = "{ videos(first: 1) { pageInfo { endCursor } } }"


def wrong_pages(cursor: str, foreign: str) -> dict[str, dict[str, Any]]:
    """Variables of `PAGE`: a cursor of its own is spoilt, one of another list is not its own."""
    sizes = {f"first {size}": {"first": size} for size in (0, -1, 101, 2**31)}
    cursors = {"a forged cursor": "forged", "a truncated cursor": cursor[:-4], "a foreign cursor": foreign}
    return sizes | {name: {"first": 1, "after": after} for name, after in cursors.items()}


def wrong_ids(mine: UUID, theirs: UUID) -> dict[str, dict[str, Any]]:
    """Variables of `ONE`: ids of no project that the viewer may see."""
    key = encode_id("Project", mine)
    ids = {
        "a forged id": "forged",
        "a truncated id": key[:-1],
        "a foreign id": encode_id("Project", theirs),
        "an id of another kind": encode_id("Video", mine),
    }
    return {name: {"id": value} for name, value in ids.items()}


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
        body = bytearray(random.choice([h.body for h in HOSTILE if len(h.body) < 5_000] + [_query(SMALL)]))
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
            [
                "",
                "query={me{id}}",
                "query=%ff",
                "variables=%00",
                "extensions={}&query={me{id}}",
                "query={me{id}}&variables=[",
            ]
        )
        requests.append((bytes(body), kept, method, query))
    return requests
