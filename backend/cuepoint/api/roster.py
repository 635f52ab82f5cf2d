"""Who is connected for live events, over all API processes: whoever asks is answered by each of them at that moment.

Nothing is kept anywhere: no clock runs, nothing is written while nobody asks, and a process that has died, or a Redis
that has lost everything, leaves no trace of connections that are gone. A question goes out on a channel of the
installation, each process answers with its part of the page, and Redis says how many have heard it. A process that
Redis does not reach, or that does not answer within WAIT_SECONDS, is left out; without Redis the answer is what this
process knows.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import hmac
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from uuid import UUID

from pydantic import TypeAdapter

from cuepoint.adapters.bundle import Adapters
from cuepoint.api.streams import Stream, Streams, Transport
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.graphql.positions import subscribed
from cuepoint.processes.endless import end, keep_going

WAIT_SECONDS = 1.0  # an event loop that is busy for longer is a fault of its own; usual answers take milliseconds
AGAIN_SECONDS = 1.0
MAX_NAME = 100  # characters of what a client calls its operation
# Installations may share a Redis, whose channels all of its databases have in common.
_PURPOSE = b"cuepoint channel of connections 1"


@dataclass(frozen=True)
class ApiProcess:
    """A process that serves the API."""

    id: UUID
    host: str
    pid: int
    version: str
    started_at: datetime


@dataclass(frozen=True)
class Subscription:
    """One that runs on a connection. `name` is the field that it asks, `operation_name` the client's own."""

    name: str
    operation_name: str | None
    started_at: datetime
    lag_seconds: float


@dataclass(frozen=True)
class Client:
    """Who is connected. Nothing in it is secret: no credential, no variables, no address."""

    id: UUID
    user_id: UUID | None
    api_key_id: UUID | None
    transport: Transport
    started_at: datetime
    subscriptions: list[Subscription]


@dataclass(frozen=True)
class Question:
    """So many connections behind that one."""

    id: UUID
    first: int
    after: UUID | None


@dataclass(frozen=True)
class Answer:
    """What one process says: the first of its connections behind the one asked for, and how many it has in all."""

    process: ApiProcess
    clients: list[Client]
    total: int


_QUESTION = TypeAdapter(Question)
_ANSWER = TypeAdapter(Answer)


class Roster:
    """The connections of this process, told to whoever asks, and those of all others."""

    def __init__(
        self, streams: Streams, adapters: Adapters, settings: Settings, *, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self.process = ApiProcess(uuid7(), socket.gethostname(), os.getpid(), version("cuepoint"), datetime.now(UTC))
        self._streams = streams
        self._adapters = adapters
        self._wait_seconds = wait_seconds
        self._channel = f"cp:connections:{hmac.digest(settings.signing_key(), _PURPOSE, hashlib.sha256).hex()}"
        self._listening: asyncio.Task[None] | None = None
        streams.opened = self.listen

    def listen(self) -> None:
        """From the first connection on, or the first question, every question is answered."""
        if self._listening is None:
            listening = keep_going("connections:_answer_all", self._answer_all, AGAIN_SECONDS)
            self._listening = asyncio.create_task(listening)

    async def close(self) -> None:
        """Answer no more."""
        if self._listening is not None:
            await end([self._listening])

    async def ask(self, first: int, after: UUID | None = None) -> list[Answer]:
        """What each process says, this one included."""
        self.listen()
        question = Question(uuid7(), first, after)
        live, found = self._adapters.live, dict[UUID, Answer]()
        async with live.subscribe([f"{self._channel}:{question.id}"]) as messages:
            heard = await live.publish([(self._channel, _QUESTION.dump_json(question))])
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait_seconds):
                    while len(found) < heard:
                        _, payload = await anext(messages)
                        with suppress(ValueError):  # of a newer version, which tells it in another way
                            answer = _ANSWER.validate_json(payload)
                            found[answer.process.id] = answer
        found[self.process.id] = self._answer(question)
        return list(found.values())

    async def _answer_all(self) -> None:
        live = self._adapters.live
        async with live.subscribe([self._channel]) as messages:
            async for _, payload in messages:
                with suppress(ValueError):
                    question = _QUESTION.validate_json(payload)
                    await live.publish([(f"{self._channel}:{question.id}", _ANSWER.dump_json(self._answer(question)))])

    def _answer(self, question: Question) -> Answer:
        opened = self._streams.open
        behind = (stream for stream in opened if question.after is None or stream.id > question.after)
        shown = heapq.nsmallest(question.first, behind, key=lambda stream: stream.id)
        return Answer(self.process, [_client_of(stream) for stream in shown], len(opened))


def _client_of(stream: Stream) -> Client:
    viewer = stream.viewer
    user_id = viewer.user_id if viewer is not None and viewer.share is None else None
    key_id = None if viewer is None else viewer.api_key_id
    return Client(stream.id, user_id, key_id, stream.transport, stream.started_at, _subscriptions_of(stream))


def _subscriptions_of(stream: Stream) -> list[Subscription]:
    found = []
    for operation in stream.operations:
        following = operation.following
        if following is None:
            continue
        names = subscribed(following.operation.query, following.operation.operation_name)
        if names is not None:
            name, own = names
            lag = round(following.lag_seconds, 3)
            found.append(Subscription(name, own and own[:MAX_NAME], following.started_at, lag))
    return found
