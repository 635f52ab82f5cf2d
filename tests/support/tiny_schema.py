"""A small schema over Cuepoint's own GraphQL floor: what is tested is the floor and the web layer, not the features."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import strawberry

from cuepoint.db.keyset import Page
from cuepoint.errors import AdapterError, BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.graphql.config import build_schema
from cuepoint.graphql.connections import Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.loaders import Loader, LoaderKey
from cuepoint.graphql.scalars import BigInt, MediaTime, decode_id, encode_id, seconds

SECRET = "postgres://user:hunter2@db"


@dataclass
class Script:
    """What a test prepares and looks at afterwards; a service of the process."""

    batches: list[list[int]] = field(default_factory=list)
    counts: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class NameByNumber(Loader[int, str | None]):
    """Names of even numbers; odd ones have none."""

    async def fetch(self, keys: Sequence[int]) -> Mapping[int, str]:
        """Note the batch."""
        self.context.service(Script).batches.append(list(keys))
        return {key: f"n{key}" for key in keys if key % 2 == 0}


COUNT_OF_THING: LoaderKey[int, int] = LoaderKey("things.count")


class CountByNumber(Loader[int, int]):
    """Ten times the number; 0 for others than 1."""

    async def fetch(self, keys: Sequence[int]) -> Mapping[int, int]:
        """Only 1 has a count."""
        return {key: 10 for key in keys if key == 1}

    def default(self, key: int) -> int:
        """None is no count."""
        return 0


@strawberry.type(description="A thing.")
class Thing:
    """A thing."""

    number: int
    size: BigInt

    @strawberry.field(description="Id.")
    def id(self) -> strawberry.ID:
        """Global id."""
        return encode_id("Thing", UUID(int=self.number))

    @strawberry.field(description="Name.")
    async def name(self, info: Info) -> str | None:
        """By loader."""
        return await info.context.loader(NameByNumber).load(self.number)

    @strawberry.field(description="Count.")
    async def count(self, info: Info) -> int:
        """By back edge."""
        return await info.context.back_edge(COUNT_OF_THING).load(self.number)

    @strawberry.field(description="Things of this thing.")
    async def things(self, info: Info, first: int = 25, after: str | None = None) -> Connection[Thing]:
        """Nested lists."""
        return _things(info, first, after)

    @strawberry.field(description="Short list.")
    def parts(self) -> list[Part]:
        """No paging."""
        return [Part(label="a")]


@strawberry.type(description="A part.")
class Part:
    """A part."""

    label: str


def _things(info: Info, first: int, after: str | None) -> Connection[Thing]:
    page = page_request(first, after)
    numbers = list(range(1, min(page.first, 3) + 1))

    async def count() -> int:
        info.context.service(Script).counts += 1
        return 3

    rows = Page(numbers, [str(n) for n in numbers], page.first < 3, after is not None)
    return Connection.from_page(rows, lambda n: Thing(number=n, size=BigInt(n * 2**40)), count)


@strawberry.input(description="Input.")
class MakeThingInput:
    """Input of makeThing."""

    name: str
    at: MediaTime = MediaTime(0)


@strawberry.type(description="Payload.")
class MakeThingPayload(Payload):
    """Payload of makeThing."""

    thing: Thing | None = None
    at_seconds: float | None = None


@strawberry.input(description="Search.")
class FindInput:
    """Input of find."""

    text: str
    first: int = 10


@strawberry.type(description="What was found.")
class Found:
    """A result with a plain list, as long as the input's `first`."""

    hits: list[Thing]


FAILURES: dict[str, Exception] = {
    "bad": BadInputError("The name is bad.", field=("name",)),
    "hint": CuepointError(ErrorCode.NOT_READY, "Not yet.", retryable=True, hint="Wait."),
    "outage": AdapterError(ErrorCode.STORAGE_UNAVAILABLE, "The disk is away.", retryable=True),
    "forbidden": ForbiddenError("You may not."),
    "bug": RuntimeError(SECRET),
}


@strawberry.type(description="Query.")
class Query:
    """Query root."""

    @strawberry.field(description="Who asks.")
    def me(self, info: Info) -> str | None:
        """The viewer's id."""
        return str(info.context.require_viewer().user_id)

    @strawberry.field(description="Things.")
    async def things(self, info: Info, first: int = 25, after: str | None = None) -> Connection[Thing]:
        """A list."""
        return _things(info, first, after)

    @strawberry.field(description="A thing.")
    async def thing(self, info: Info, id: strawberry.ID) -> Thing | None:
        """Even things exist."""

        async def find() -> Thing:
            number = decode_id("Thing", id).int
            if number % 2:
                raise NotFoundError("thing")
            return Thing(number=number, size=BigInt(1))

        return await found_or_none(find())

    @strawberry.field(description="Finds.")
    def find(self, input: FindInput) -> Found:
        """One thing, whatever is asked."""
        return Found(hits=[Thing(number=2, size=BigInt(len(input.text)))])

    @strawberry.field(description="Fails.")
    def fail(self, how: str) -> str | None:
        """Raises."""
        raise FAILURES[how]

    @strawberry.field(description="Repeats.")
    def echo(self, text: str) -> str:
        """The text."""
        return text

    @strawberry.field(description="Milliseconds of a media time.")
    def milliseconds(self, at: MediaTime) -> int:
        """As parsed."""
        return int(at)

    @strawberry.field(description="Address.")
    def base_url(self, info: Info) -> str:
        """Of this caller."""
        return info.context.base_url


@strawberry.type(description="Mutation.")
class Mutation:
    """Mutation root."""

    @strawberry.mutation(description="Make.")
    @reports_errors(MakeThingPayload)
    async def make_thing(self, info: Info, input: MakeThingInput) -> MakeThingPayload:
        """Names may be failures."""
        if input.name in FAILURES:
            raise FAILURES[input.name]
        return MakeThingPayload(thing=Thing(number=2, size=BigInt(1)), at_seconds=seconds(input.at))


@strawberry.type(description="Subscription.")
class Subscription:
    """Subscription root."""

    @strawberry.subscription(description="Counts down.")
    async def countdown(self, start: int) -> AsyncIterator[int]:
        """From `start` to 1."""
        for number in range(start, 0, -1):
            yield number

    @strawberry.subscription(description="Things, the same twice.")
    async def same_thing_twice(self) -> AsyncIterator[Thing]:
        """For the loaders."""
        yield Thing(number=2, size=BigInt(1))
        yield Thing(number=2, size=BigInt(1))

    @strawberry.subscription(description="One event, then silence until told to go on.")
    async def hang(self, info: Info) -> AsyncIterator[int]:
        """Notes its end."""
        script = info.context.service(Script)
        try:
            yield 1
            await script.go_on.wait()
            yield 2
        finally:
            script.ended.set()

    @strawberry.subscription(description="For viewers.")
    async def mine(self, info: Info) -> AsyncIterator[str]:
        """Needs a viewer."""
        yield str(info.context.require_viewer().user_id)

    @strawberry.subscription(description="A snapshot 0, then the numbers behind `after` up to 3 as events.")
    async def numbered(self, info: Info, after: int | None = None) -> AsyncIterator[int]:
        """Can be resumed."""
        yield 0
        for number in range((info.context.resumed_after(after) or 0) + 1, 4):
            info.context.event = number
            yield number

    @strawberry.subscription(description="As much as its client takes.")
    async def flood(self, info: Info) -> AsyncIterator[str]:
        """Without end; counted."""
        while True:
            info.context.service(Script).counts += 1
            yield "x" * 65_536

    @strawberry.subscription(description="Fails after one event.")
    async def break_off(self) -> AsyncIterator[int]:
        """A bug in a stream."""
        yield 1
        raise RuntimeError(SECRET)


BINDINGS: dict[LoaderKey[Any, Any], type[Loader[Any, Any]]] = {COUNT_OF_THING: CountByNumber}

schema = build_schema(Query, Mutation, Subscription)
