"""Every open WebSocket and event stream of this process: counted per caller and in all, and ended from outside.

Two things end a stream that its client would keep: the process stops, or the credential it was opened with was revoked
or has expired. The second is asked for all streams in one statement, every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

from cuepoint.api.fanout import Following
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.outages import DATABASE_ERRORS, is_outage
from cuepoint.errors import RateLimitedError
from cuepoint.viewer import Viewer

logger = logging.getLogger(__name__)

# A revoked credential closes its streams within five seconds: two rounds of this, and the statement's own time.
CHECK_SECONDS = 2.0
RETRY_SECONDS = 10.0

StillValid = Callable[[Collection[Viewer]], Awaitable[Collection[Viewer]]]


class Transport(Enum):
    """How a client is connected."""

    WEBSOCKET = "WEBSOCKET"
    EVENT_STREAM = "EVENT_STREAM"
    MULTIPART = "MULTIPART"


class Ending(Enum):
    """Why a stream ends although its client did not end it."""

    STOPPING = "STOPPING"
    REVOKED = "REVOKED"


class Stream:
    """One open connection."""

    def __init__(self, streams: Streams, address: str, transport: Transport) -> None:
        self._streams = streams
        self._address = address
        self._timer: asyncio.Timeout | None = None
        self.id = uuid7()
        self.started_at = datetime.now(UTC)
        self.transport = transport
        self.viewer: Viewer | None = None
        self.ending: Ending | None = None
        self.operations: list[LiveOperation] = []

    @property
    def caller(self) -> UUID | str:
        """Whom it counts for."""
        return self.caller_with(self.viewer)

    def caller_with(self, viewer: Viewer | None) -> UUID | str:
        """Whom it would count for: the user, or the address of whoever brought no credential, or came by a link."""
        return viewer.user_id if viewer is not None and viewer.share is None else self._address

    @asynccontextmanager
    async def until_ended(self, seconds: float | None = None) -> AsyncIterator[asyncio.Timeout]:
        """The block ends with TimeoutError as soon as the stream must end, or after so many seconds."""
        async with asyncio.timeout(seconds) as timer:
            self._timer = timer
            self._hurry()
            try:
                yield timer
            finally:
                self._timer = None

    def end(self, ending: Ending) -> None:
        """The stream must end; the first reason counts."""
        if self.ending is None:
            self.ending = ending
            self._hurry()

    def _hurry(self) -> None:
        if self._timer is not None and self.ending is not None and not self._timer.expired():
            self._timer.reschedule(asyncio.get_running_loop().time())

    def belongs_to(self, viewer: Viewer | None) -> None:
        """From now on it counts for this viewer. Raises RateLimitedError for one who has too many."""
        self._streams.move(self, viewer)

    def operation(self) -> LiveOperation:
        """One live operation on it. To enter it raises RateLimitedError for a caller who has too many."""
        return LiveOperation(self, self._streams)


class LiveOperation:
    """What runs on a connection inside the block, and counts for its caller."""

    __slots__ = ("_caller", "_stream", "_streams", "following")

    def __init__(self, stream: Stream, streams: Streams) -> None:
        self._stream = stream
        self._streams = streams
        self._caller = stream.caller
        self.following: Following | None = None  # None: an answer in pieces, or it has not begun

    def __enter__(self) -> LiveOperation:
        self._streams.begin(self._caller)
        self._stream.operations.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.operations.remove(self)
        self._streams.finish(self._caller)


class Streams:
    """The open streams of one process. `opened` is called with each new one."""

    def __init__(self, settings: Settings, still_valid: StillValid, *, check_seconds: float = CHECK_SECONDS) -> None:
        self._settings = settings
        self._still_valid = still_valid
        self._check_seconds = check_seconds
        self.opened: Callable[[], None] = _nobody_minds
        self._open: set[Stream] = set()
        self._of_caller: Counter[UUID | str] = Counter()
        self._operations: Counter[UUID | str] = Counter()
        self._checking: asyncio.Task[None] | None = None
        self._is_stopping = False

    @contextmanager
    def connection(
        self, address: str, viewer: Viewer | None = None, transport: Transport = Transport.WEBSOCKET
    ) -> Iterator[Stream]:
        """A stream that is open inside the block. Raises RateLimitedError when there are too many already."""
        stream = Stream(self, address, transport)
        stream.viewer = viewer
        if len(self._open) >= self._settings.connections_max:
            raise _too_many(f"This process serves {self._settings.connections_max} connections, which is all it may.")
        self._require_place(stream.caller)
        self._open.add(stream)
        self._of_caller[stream.caller] += 1
        if self._is_stopping:
            stream.end(Ending.STOPPING)
        try:
            self._watch()
            self.opened()
            yield stream
        finally:
            self._open.discard(stream)
            _decrement(self._of_caller, stream.caller)

    @property
    def open(self) -> Collection[Stream]:
        """Those that are open now, in no order."""
        return self._open

    def move(self, stream: Stream, viewer: Viewer | None) -> None:
        """The stream counts for this viewer. Raises RateLimitedError for one who has too many."""
        caller = stream.caller_with(viewer)
        if caller != stream.caller:
            self._require_place(caller)
            _decrement(self._of_caller, stream.caller)
            self._of_caller[caller] += 1
        stream.viewer = viewer
        self._watch()

    def begin(self, caller: UUID | str) -> None:
        """Count a live operation. Raises RateLimitedError for a caller who has too many."""
        limit = self._settings.subscriptions_per_user
        if self._operations[caller] >= limit:
            raise _too_many(f"You have {limit} live operations already, which is all you may; complete some.")
        self._operations[caller] += 1

    def finish(self, caller: UUID | str) -> None:
        """A live operation is over."""
        _decrement(self._operations, caller)

    async def close(self) -> None:
        """Stop checking credentials; streams that are still open end."""
        self.end_all()
        task, self._checking = self._checking, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def end_all(self) -> None:
        """The process stops: every stream ends now, and so does each that is opened after."""
        self._is_stopping = True
        for stream in list(self._open):
            stream.end(Ending.STOPPING)

    def _require_place(self, caller: UUID | str) -> None:
        limit = self._settings.connections_per_user
        if self._of_caller[caller] >= limit:
            raise _too_many(f"You have {limit} connections already, which is all you may; close some.")

    def _watch(self) -> None:
        if self._checking is None and any(stream.viewer for stream in self._open):
            self._checking = asyncio.create_task(self._check())

    async def _check(self) -> None:
        """As long as a stream with a credential is open."""
        try:
            while viewers := {stream.viewer for stream in self._open if stream.viewer is not None}:
                await asyncio.sleep(self._check_seconds)
                try:
                    valid = await self._still_valid(viewers)
                except DATABASE_ERRORS as error:
                    if not is_outage(error):
                        logger.warning("The credentials of open streams could not be checked", exc_info=True)
                    continue
                for stream in list(self._open):
                    if stream.viewer in viewers and stream.viewer not in valid:
                        stream.end(Ending.REVOKED)
        finally:
            self._checking = None


def _nobody_minds() -> None:
    """Nobody wants to know."""


def _decrement(counter: Counter[UUID | str], key: UUID | str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


def _too_many(message: str) -> RateLimitedError:
    return RateLimitedError(message, retry_after_seconds=RETRY_SECONDS)
