"""Subscriptions that tell the same are executed and written as JSON once, whatever the number of their readers.

A reader begins alone: what it is told first depends on when it came. As soon as it stands where others stand who asked
for the same (text, variables, viewer) it joins their line, which executes each event once. One that takes too little
for too long leaves the line and goes on alone behind what it has: it holds nobody up, and its memory is bounded. The
viewer is a part of what must be equal, so that a line is told what each of its readers may see, and no more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import orjson
from strawberry.types.graphql import OperationType

from cuepoint.api.graphql_request import GraphQLRequest
from cuepoint.graphql.context import Context
from cuepoint.graphql.positions import position_variable
from cuepoint.graphql.sources import Standing
from cuepoint.viewer import Viewer

MATCH_SECONDS = 0.1  # between two looks for readers who stand at the same place
MAX_WAITING = 64  # frames of one reader; all readers of a line share their texts

Bodies: TypeAlias = AsyncGenerator[dict[str, Any], None]
Stream: TypeAlias = Callable[[GraphQLRequest, Context, Iterable[OperationType]], Bodies]
Key: TypeAlias = tuple[str, str | None, bytes, Viewer | None, str]


@dataclass(frozen=True, slots=True)
class Frame:
    """One result as JSON, and where its reader stands behind it."""

    body: str
    event: int | str | None = None
    replaces: Hashable | None = None  # progress: a newer frame of the same takes its place
    refusal: str | None = None  # errors of an operation that did not run, as JSON
    ready_at: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, body: dict[str, Any], context: Context) -> Frame:
        """Encode a result that the operation has just yielded."""
        refusal = None if "data" in body else _json(body["errors"])
        return cls(_json(body), context.event, context.replaces, refusal)


class Following:
    """The results of one operation, to be read once, and how far its client is."""

    __slots__ = ("_frames", "_reader", "operation", "started_at")

    def __init__(self, operation: GraphQLRequest, reader: _Reader, frames: AsyncGenerator[Frame, None]) -> None:
        self.operation = operation
        self.started_at = datetime.now(UTC)
        self._reader = reader
        self._frames = frames

    def __aiter__(self) -> AsyncGenerator[Frame, None]:
        return self._frames

    async def aclose(self) -> None:
        """There will be no more."""
        await self._frames.aclose()

    @property
    def lag_seconds(self) -> float:
        """For how long there has been something ready for the client that it has not taken; 0: it has everything.

        What the buffers of its socket hold counts as taken.
        """
        since = self._reader.behind_since
        return 0.0 if since is None else max(0.0, time.monotonic() - since)


class Fanout:
    """The subscriptions of one process."""

    def __init__(self, stream: Stream, *, match_seconds: float = MATCH_SECONDS) -> None:
        self._stream = stream
        self._match_seconds = match_seconds
        self._alone: dict[Key, set[_Reader]] = {}
        self._lines: dict[Key, _Line] = {}
        self._refused: set[Key] = set()  # what came to its end before anybody had joined: they stay alone
        self._matching: asyncio.Task[None] | None = None

    def follow(self, operation: GraphQLRequest, context: Context, allowed: Iterable[OperationType]) -> Following:
        """The results of any operation. Those of a subscription may come from one that tells the same."""
        reader = _Reader(context)
        return Following(operation, reader, self._frames(reader, operation, allowed))

    async def _frames(
        self, reader: _Reader, operation: GraphQLRequest, allowed: Iterable[OperationType]
    ) -> AsyncGenerator[Frame, None]:
        frame: Frame | None  # one name for both: a reader at rest holds no frame of its own
        try:
            while True:
                async with aclosing(self._follow_alone(reader, operation, allowed)) as frames:
                    async for frame in frames:
                        reader.sending_since = frame.ready_at
                        yield frame
                        reader.sending_since = None
                if reader.line is None:
                    return
                frame = None
                while (frame := await reader.take()) is not None:
                    reader.sending_since = frame.ready_at
                    yield frame
                    reader.sending_since = None
                if reader.line is not None:  # the line has come to its end
                    return
                reader.context = reader.context.continued(reader.position)
        finally:
            reader.leave()

    async def close(self) -> None:
        """Stop looking for equals; lines end with their readers."""
        task, self._matching = self._matching, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow_alone(
        self, reader: _Reader, operation: GraphQLRequest, allowed: Iterable[OperationType]
    ) -> AsyncGenerator[Frame, None]:
        """Ends when the operation does, or when the reader has joined a line."""
        context, key = reader.context, None
        try:
            async with aclosing(self._stream(operation, context, allowed)) as bodies:
                async for body in bodies:
                    yield Frame.of(body, context)
                    if key is None and context.source is not None:
                        key = _key(operation, context)
                        self._offer(key, reader, operation)
        finally:
            if key is not None:
                self._withdraw(key, reader)

    def _offer(self, key: Key, reader: _Reader, operation: GraphQLRequest) -> None:
        reader.operation = operation
        waiting = self._alone.setdefault(key, set())
        waiting.add(reader)
        if key in self._lines:  # most stand where the others do as soon as they wait for more
            asyncio.get_running_loop().call_soon(self._bring_together, key)
        if self._matching is None and self._may_share(key, len(waiting)):
            self._matching = asyncio.create_task(self._match())

    def _withdraw(self, key: Key, reader: _Reader) -> None:
        waiting = self._alone.get(key, set())
        waiting.discard(reader)
        if waiting:
            return
        self._alone.pop(key, None)
        self._refused.discard(key)
        line = self._lines.get(key)
        if line is not None and not line.readers:
            line.stop()

    async def _match(self) -> None:
        """As long as somebody is alone who need not be."""
        try:
            while keys := [key for key, readers in self._alone.items() if self._may_share(key, len(readers))]:
                for key in keys:
                    self._bring_together(key)
                await asyncio.sleep(self._match_seconds)
        finally:
            self._matching = None

    def _may_share(self, key: Key, count: int) -> bool:
        return key in self._lines or (count > 1 and key not in self._refused)

    def _bring_together(self, key: Key) -> None:
        line = self._lines.get(key)
        readers = list(self._alone.get(key, ()))
        if line is None:
            for reader in readers[:1]:
                self._begin_line(key, reader)
            return
        standing = line.standing
        for reader in readers if standing is not None else ():
            if reader.standing == standing:
                line.take_in(reader)
                self._withdraw(key, reader)

    def _begin_line(self, key: Key, first: _Reader) -> None:
        """Execute once more what `first` asks for, from where it stands. It joins like all others."""
        assert first.operation is not None
        assert first.context.source is not None
        standing = first.context.source.standing
        if standing is None:
            return
        context = first.context.continued(standing.position)
        line = self._lines[key] = _Line(context)
        task = asyncio.create_task(self._tell(line, first.operation, context))
        line.cancel = task.cancel
        task.add_done_callback(lambda done: self._ended(key, line, done))

    async def _tell(self, line: _Line, operation: GraphQLRequest, context: Context) -> None:
        async with aclosing(self._stream(operation, context, frozenset({OperationType.SUBSCRIPTION}))) as bodies:
            async for body in bodies:
                line.put(Frame.of(body, context))
                await asyncio.sleep(0)  # readers write what they have before there is more

    def _ended(self, key: Key, line: _Line, task: asyncio.Task[None]) -> None:
        """What went wrong is raised by each reader, as if it had been alone."""
        del self._lines[key]
        if task.cancelled():  # told to stop, which is no end of what it tells
            line.dissolve()
            return
        if not line.readers and key in self._alone:
            self._refused.add(key)
        line.end(task.exception())


class _Reader:
    """Who is told: alone, or with a line."""

    __slots__ = (
        "_count",
        "_failure",
        "_is_over",
        "_waiting",
        "_wake",
        "context",
        "line",
        "operation",
        "position",
        "sending_since",
    )

    def __init__(self, context: Context) -> None:
        self.context = context
        self.operation: GraphQLRequest | None = None
        self.line: _Line | None = None
        self.position: int | str = 0
        self.sending_since: float | None = None  # when the frame was ready that its client is to take
        self._waiting: dict[Hashable, Frame] = {}
        self._wake: asyncio.Future[None] | None = None  # an Event for each of them would take a KiB more
        self._is_over = False
        self._failure: BaseException | None = None
        self._count = 0

    @property
    def standing(self) -> Standing | None:
        """Where it stands; None while there is something to tell."""
        return None if self.context.source is None else self.context.source.standing

    @property
    def behind_since(self) -> float | None:
        """Since when there has been something that its client has not taken; None: it has everything.

        Of a line's frames they take one after the other; alone, the source knows what else there is.
        """
        return self.sending_since if self.context.source is None else self.context.source.behind_since

    def join(self, line: _Line, position: int | str) -> None:
        """From here on it is told with the line."""
        source, self.context.source = self.context.source, None
        assert source is not None
        self.line, self.position = line, position
        source.leave()

    def leave(self) -> None:
        """It is gone."""
        if self.line is not None:
            self.line.let_go(self)

    def put(self, frame: Frame) -> bool:
        """Whether there was room. Of progress only the newest stays."""
        if frame.replaces is not None:
            self._waiting.pop(frame.replaces, None)
        if len(self._waiting) >= MAX_WAITING:
            return False
        self._count += 1
        self._waiting[self._count if frame.replaces is None else frame.replaces] = frame
        if frame.event is not None:
            self.position = frame.event
        self._awake()
        return True

    def drop_out(self) -> None:
        """What it has is all that the line tells it: it was too slow, or the line was stopped."""
        self.line = None
        self._awake()

    def end(self, failure: BaseException | None) -> None:
        """The line has come to its end."""
        self._is_over, self._failure = True, failure
        self._awake()

    async def take(self) -> Frame | None:
        """The next frame; None when the line has come to its end, or the reader has dropped out."""
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            if self._is_over or self.line is None:
                return None
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._waiting.pop(next(iter(self._waiting)))

    def _awake(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class _Line:
    """Readers who are told the same."""

    def __init__(self, context: Context) -> None:
        self.readers: set[_Reader] = set()
        self.cancel: Callable[[], object] = _nothing
        self._context = context
        self._is_stopping = False

    @property
    def standing(self) -> Standing | None:
        """Where its readers stand; None while there is something to tell, and once nobody may join any more."""
        return None if self._is_stopping or self._context.source is None else self._context.source.standing

    def stop(self) -> None:
        """Nobody is told by it."""
        self._is_stopping = True
        self.cancel()

    def take_in(self, reader: _Reader) -> None:
        """A reader who stands at the same place."""
        standing = self.standing
        assert standing is not None
        self.readers.add(reader)
        reader.join(self, standing.position)

    def let_go(self, reader: _Reader) -> None:
        """A reader is gone; without readers the line ends."""
        self.readers.discard(reader)
        if not self.readers:
            self.stop()

    def put(self, frame: Frame) -> None:
        """Tell all of them."""
        for reader in [reader for reader in self.readers if not reader.put(frame)]:
            reader.drop_out()
            self.let_go(reader)

    def dissolve(self) -> None:
        """There is more to tell, but not by this line: its readers go on alone."""
        for reader in self.readers:
            reader.drop_out()

    def end(self, failure: BaseException | None) -> None:
        """There is nothing more to tell."""
        for reader in self.readers:
            reader.end(failure)


def _nothing() -> None:
    """Nothing runs yet."""


def _key(operation: GraphQLRequest, context: Context) -> Key:
    """What must be equal of those who are told the same. Where each of them began need not be."""
    position = position_variable(operation.query, operation.operation_name)
    variables = {name: value for name, value in (operation.variables or {}).items() if name != position}
    shown = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
    return operation.query, operation.operation_name, shown, context.viewer, context.base_url


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
