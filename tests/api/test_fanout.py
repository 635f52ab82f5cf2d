"""Subscriptions that tell the same: executed once, told to all, and nobody held up or left out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import orjson
import pytest
from strawberry.types.graphql import OperationType

from cuepoint.api.fanout import MAX_WAITING, Fanout, Frame
from cuepoint.api.graphql_request import GraphQLRequest
from cuepoint.graphql.context import Context, Process
from cuepoint.graphql.sources import Standing
from cuepoint.viewer import Share, Viewer

TEXT = "subscription ($topic: ID!, $after: Int) { ticks(topic: $topic, after: $after) }"
ANY = frozenset(OperationType)
SOMEONE = Viewer(user_id=UUID(int=1), is_admin=False, api_key_id=UUID(int=2))


@dataclass(eq=False)
class Reading:
    """One execution: it tells the number so far, then every number that follows."""

    ticks: Ticks
    seen: int
    bound: int | None = None  # it has heard of nothing behind it yet
    standing: Standing | None = None
    behind_since: float | None = None
    has_left: bool = False

    @property
    def heard(self) -> int:
        """The newest number it knows of."""
        return self.ticks.last if self.bound is None else self.bound

    def leave(self) -> None:
        """Tell nothing more."""
        self.has_left = True
        self.ticks.stir()


@dataclass
class Ticks:
    """A topic that numbers its events, read as a resolver would; what it yields are bodies."""

    last: int = 0
    bound: int | None = None  # of who begins now
    fault: Exception | None = None
    is_over: bool = False
    executed: int = 0
    open: list[Reading] = field(default_factory=list)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def stir(self) -> None:
        """Something is new."""
        self.stirred.set()
        self.stirred = asyncio.Event()

    def tick(self, count: int = 1) -> None:
        """Events."""
        self.last += count
        self.stir()

    async def stream(
        self, operation: GraphQLRequest, context: Context, _allowed: Iterable[OperationType]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """What the gateway's `stream` is."""
        after = context.last_event if context.last_event is not None else (operation.variables or {}).get("after")
        reading = Reading(self, self.last if after is None else cast(int, after), self.bound)
        self.open.append(reading)
        context.introduce(reading)
        try:
            if not context.goes_on:
                context.event = None if after is not None else self.last
                yield {"data": {"snapshot": self.last}}
            while not reading.has_left and not self.is_over:
                while reading.seen < reading.heard:
                    reading.seen += 1
                    self.executed += 1
                    context.event = reading.seen
                    context.replaces = "progress" if operation.operation_name == "Progress" else None
                    yield {"data": {"tick": reading.seen}}
                if self.fault is not None:
                    raise self.fault
                reading.standing = Standing(reading.seen)
                await self.stirred.wait()
                reading.standing = None
        finally:
            self.open.remove(reading)


class Reader:
    """Takes what it is told, as fast as `may_take` lets it."""

    def __init__(
        self,
        fanout: Fanout,
        *,
        text: str = TEXT,
        topic: str = "a",
        after: int | None = None,
        viewer: Viewer | None = SOMEONE,
        name: str | None = None,
    ) -> None:
        context = Context(cast(Process, None), viewer=viewer)
        operation = GraphQLRequest(text, {"topic": topic, "after": after}, name)
        self.told: list[dict[str, int]] = []
        self.frames: list[Frame] = []
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.following = fanout.follow(operation, context, ANY)
        self.task = asyncio.create_task(self._read())

    @property
    def ticks(self) -> list[int]:
        """The numbers of the events."""
        return [body["tick"] for body in self.told if "tick" in body]

    async def _read(self) -> None:
        async with aclosing(self.following) as frames:
            async for frame in frames:
                self.frames.append(frame)
                self.told.append(orjson.loads(frame.body)["data"])
                await self.may_take.wait()

    async def stop(self) -> None:
        """Hang up."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - looks at what other tasks have done
            await asyncio.sleep(0.001)


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
async def fanout(ticks: Ticks) -> AsyncIterator[Fanout]:
    made = Fanout(ticks.stream, match_seconds=0.002)
    yield made
    await made.close()


async def readers_of_one_line(fanout: Fanout, ticks: Ticks, count: int = 3, **values: Any) -> list[Reader]:
    readers = [Reader(fanout, **values) for _ in range(count)]
    await until(lambda: all(reader.told for reader in readers) and len(ticks.open) == 1)
    return readers


class TestSharing:
    async def test_equal_subscriptions_are_executed_and_encoded_once(self, fanout: Fanout, ticks: Ticks) -> None:
        readers = await readers_of_one_line(fanout, ticks)

        ticks.tick(3)
        await until(lambda: all(len(reader.ticks) == 3 for reader in readers))

        assert [reader.ticks for reader in readers] == [[1, 2, 3]] * 3
        assert ticks.executed == 3
        assert all(first is second for first, second in zip(readers[0].frames[1:], readers[1].frames[1:], strict=True))
        for reader in readers:
            await reader.stop()

    async def test_one_alone_is_executed_once(self, fanout: Fanout, ticks: Ticks) -> None:
        reader = Reader(fanout)
        await until(lambda: reader.told)
        ticks.tick(2)
        await until(lambda: len(reader.ticks) == 2)

        assert (ticks.executed, len(ticks.open)) == (2, 1)
        await reader.stop()

    async def test_who_joins_gets_the_present_then_every_event_once(self, fanout: Fanout, ticks: Ticks) -> None:
        first = await readers_of_one_line(fanout, ticks, 2)
        ticks.tick(4)
        await until(lambda: all(len(reader.ticks) == 4 for reader in first))
        late = Reader(fanout)
        await until(lambda: late.told and len(ticks.open) == 1)
        ticks.tick()
        await until(lambda: late.ticks and all(len(reader.ticks) == 5 for reader in first))

        assert late.told == [{"snapshot": 4}, {"tick": 5}]
        for reader in (*first, late):
            await reader.stop()

    async def test_who_resumes_is_told_what_it_missed_and_then_with_the_others(
        self, fanout: Fanout, ticks: Ticks
    ) -> None:
        ticks.tick(6)
        readers = [Reader(fanout, after=after) for after in (None, 2, 5)]
        await until(lambda: all(reader.told for reader in readers) and len(ticks.open) == 1)
        before = ticks.executed
        ticks.tick()
        await until(lambda: all(reader.ticks[-1:] == [7] for reader in readers))

        assert [reader.ticks for reader in readers] == [[7], [3, 4, 5, 6, 7], [6, 7]]
        assert ticks.executed - before == 1
        for reader in readers:
            await reader.stop()

    async def test_who_stands_elsewhere_stays_alone_until_it_has_caught_up(self, fanout: Fanout, ticks: Ticks) -> None:
        first = await readers_of_one_line(fanout, ticks, 2)
        ticks.tick(4)
        ticks.bound = 2
        late = Reader(fanout, after=0)
        await until(lambda: late.ticks == [1, 2] and ticks.open[-1].standing is not None)
        await asyncio.sleep(0.02)  # ten looks for equals
        executions = len(ticks.open)
        ticks.open[-1].bound = None
        ticks.tick()
        await until(lambda: all(reader.ticks[-1:] == [5] for reader in (late, *first)) and len(ticks.open) == 1)

        assert executions == 2
        assert late.ticks == [1, 2, 3, 4, 5]
        for reader in (late, *first):
            await reader.stop()

    @pytest.mark.parametrize(
        "other",
        [
            {"topic": "b"},
            {"text": TEXT.replace("{ ", "{  ")},
            {"viewer": None},
            {"viewer": Viewer(user_id=UUID(int=1), is_admin=False, api_key_id=UUID(int=3))},
            {"viewer": Viewer(user_id=UUID(int=1), is_admin=False, project_ids=frozenset({UUID(int=9)}))},
            {
                "viewer": Viewer(
                    user_id=UUID(int=1),
                    is_admin=False,
                    share=Share(UUID(int=4), UUID(int=5), None, may_download=False),
                )
            },
        ],
        ids=["variables", "text", "nobody", "key", "projects", "link"],
    )
    async def test_whatever_differs_is_executed_apart(
        self, fanout: Fanout, ticks: Ticks, other: dict[str, Any]
    ) -> None:
        readers = [Reader(fanout), Reader(fanout, **other)]
        await until(lambda: all(reader.told for reader in readers))
        ticks.tick()
        await until(lambda: all(reader.ticks for reader in readers))

        assert (ticks.executed, len(ticks.open)) == (2, 2)
        for reader in readers:
            await reader.stop()

    async def test_a_position_that_is_used_twice_is_a_variable_like_others(self, fanout: Fanout, ticks: Ticks) -> None:
        text = "subscription ($after: Int) { ticks(after: $after, behind: $after) }"
        readers = [Reader(fanout, text=text, after=after) for after in (0, None)]
        await until(lambda: all(reader.told for reader in readers))
        ticks.tick()
        await until(lambda: all(reader.ticks for reader in readers))

        assert ticks.executed == 2
        for reader in readers:
            await reader.stop()


class TestSlowReaders:
    async def test_they_drop_out_delay_nobody_and_miss_nothing(self, fanout: Fanout, ticks: Ticks) -> None:
        slow, *quick = await readers_of_one_line(fanout, ticks)
        slow.may_take.clear()
        for _ in range(3 * MAX_WAITING):
            ticks.tick()
            await until(lambda: all(reader.ticks[-1:] == [ticks.last] for reader in quick))
        while_stalled, executed = len(slow.told), ticks.executed
        slow.may_take.set()
        await until(lambda: slow.ticks[-1:] == [ticks.last])

        assert while_stalled == 2
        assert executed == 3 * MAX_WAITING
        assert slow.ticks == quick[0].ticks == list(range(1, 3 * MAX_WAITING + 1))
        await until(lambda: len(ticks.open) == 1)  # it has come back
        for reader in (slow, *quick):
            await reader.stop()

    async def test_of_progress_they_get_the_newest(self, fanout: Fanout, ticks: Ticks) -> None:
        text = TEXT.replace("subscription", "subscription Progress")
        slow, quick = await readers_of_one_line(fanout, ticks, 2, text=text, name="Progress")
        slow.may_take.clear()
        for _ in range(3 * MAX_WAITING):
            ticks.tick()
            await until(lambda: quick.ticks[-1:] == [ticks.last])
        slow.may_take.set()
        await until(lambda: slow.ticks[-1:] == [ticks.last])

        assert slow.ticks == [1, 3 * MAX_WAITING]
        assert ticks.executed == 3 * MAX_WAITING
        for reader in (slow, quick):
            await reader.stop()


class TestLag:
    async def test_of_who_is_told_with_others_is_the_age_of_what_it_has_not_taken(
        self, fanout: Fanout, ticks: Ticks
    ) -> None:
        slow, quick = await readers_of_one_line(fanout, ticks, 2)
        before = [reader.following.lag_seconds for reader in (slow, quick)]
        slow.may_take.clear()
        ticks.tick()
        await until(lambda: slow.following.lag_seconds > 0.02)
        ticks.tick()
        await until(lambda: quick.ticks == [1, 2])
        while_stalled = [slow.following.lag_seconds, quick.following.lag_seconds]
        slow.may_take.set()
        await until(lambda: slow.ticks == [1, 2])

        assert (before, while_stalled[1], slow.following.lag_seconds) == ([0.0, 0.0], 0.0, 0.0)
        assert while_stalled[0] > 0.02
        for reader in (slow, quick):
            await reader.stop()

    async def test_of_who_is_alone_is_what_its_source_says(self, fanout: Fanout, ticks: Ticks) -> None:
        alone = Reader(fanout)
        await until(lambda: alone.told)
        [reading] = ticks.open
        reading.behind_since = time.monotonic() - 60
        behind = alone.following.lag_seconds
        reading.behind_since = None

        assert 60 <= behind < 70
        assert alone.following.lag_seconds == 0.0
        await alone.stop()


class TestEnds:
    async def test_the_last_reader_ends_the_line(self, fanout: Fanout, ticks: Ticks) -> None:
        for reader in await readers_of_one_line(fanout, ticks):
            await reader.stop()
        await until(lambda: not ticks.open)

        assert (fanout._lines, fanout._alone) == ({}, {})

    @pytest.mark.parametrize("steps", range(12))
    async def test_who_comes_while_a_line_is_stopped_goes_on(self, fanout: Fanout, ticks: Ticks, steps: int) -> None:
        first = await readers_of_one_line(fanout, ticks, 2)
        late = Reader(fanout)
        for _ in range(steps):
            await asyncio.sleep(0)
        for reader in first:
            reader.task.cancel()
        await asyncio.gather(*[reader.task for reader in first], return_exceptions=True)
        await until(lambda: late.told and len(ticks.open) == 1)
        ticks.tick()
        await until(lambda: late.ticks or late.task.done())

        assert (late.ticks, late.task.done()) == ([1], False)
        await late.stop()

    async def test_a_line_that_is_stopped_takes_nobody_in_and_lets_its_readers_go_on(
        self, fanout: Fanout, ticks: Ticks
    ) -> None:
        readers = await readers_of_one_line(fanout, ticks, 2)
        [line] = fanout._lines.values()
        line.stop()
        standing = line.standing
        await until(lambda: not fanout._lines)
        ticks.tick()
        await until(lambda: all(reader.ticks or reader.task.done() for reader in readers))

        assert standing is None
        assert [reader.ticks for reader in readers] == [[1], [1]]
        for reader in readers:
            await reader.stop()

    async def test_the_end_is_everybodys(self, fanout: Fanout, ticks: Ticks) -> None:
        readers = await readers_of_one_line(fanout, ticks)
        ticks.is_over = True
        ticks.tick(0)
        await asyncio.wait_for(asyncio.gather(*[reader.task for reader in readers]), 5)

        assert [reader.told for reader in readers] == [[{"snapshot": 0}]] * 3

    async def test_so_is_a_fault(self, fanout: Fanout, ticks: Ticks) -> None:
        readers = await readers_of_one_line(fanout, ticks)
        ticks.fault = RuntimeError("a bug")
        ticks.tick()
        for reader in readers:
            with pytest.raises(RuntimeError, match="a bug"):
                await reader.task

        assert [reader.ticks for reader in readers] == [[1]] * 3
