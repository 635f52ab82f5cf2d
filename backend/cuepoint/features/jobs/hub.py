"""One live subscription per API process, fanned out to whoever watches a job; Postgres fills every gap.

A watcher is registered and the channel subscribed before the log is read, so that nothing falls between. Live
messages are only a hint: an event that is not the next one sends the watcher to the log, and a safety query asks
every two seconds whether a watched job has gone on unheard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cuepoint.adapters.live.base import Live
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, NotFoundError
from cuepoint.features.jobs.announce import job_channel
from cuepoint.features.jobs.models import JobEvent, JobStatus
from cuepoint.features.jobs.progress import (
    JobUpdate,
    LoggedEvent,
    ProgressMessage,
    UpdateType,
    decode_message,
    eta_seconds,
)
from cuepoint.features.jobs.repository import events_after
from cuepoint.features.jobs.statements import DATABASE_ERRORS, InSession

SAFETY_SECONDS = 2.0  # worst delay of an event whose message was lost
MAX_WAITING = 256  # events kept for one slow watcher; beyond it they are read from the log again
LOG_PAGE = 500
CANCEL_AGAIN_SECONDS = 0.2
_CHANNEL_PREFIX = job_channel(UUID(int=0)).removesuffix(str(UUID(int=0)))

_log = logging.getLogger(__name__)

_SNAPSHOT = """
select id, seq, status, attempt, progress, stage, processed_ms, total_ms, job_now() as at,
  extract(epoch from job_now() - started_at)::float8 as elapsed
from jobs where id = any ($1::uuid[])
"""


@dataclass(eq=False)  # a watch is itself, not its values: it lies in sets
class _Watch:
    """What waits for one watcher: every event, and the newest progress only."""

    job_id: UUID
    seen: int = 0
    events: deque[LoggedEvent] = field(default_factory=deque)
    progress: ProgressMessage | None = None
    is_behind: bool = False
    is_gone: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, message: LoggedEvent | ProgressMessage) -> None:
        """A live message."""
        if isinstance(message, ProgressMessage):
            self.progress = message
        elif len(self.events) < MAX_WAITING:
            self.events.append(message)
        else:
            self.events.clear()
            self.is_behind = True
        self.wake.set()

    def check(self, snapshot: JobUpdate | None) -> None:
        """What the safety query found; None: the job is not there any more."""
        if snapshot is None:
            self.is_gone = True
        elif snapshot.seq > max([self.seen, *(event.seq for event in self.events)]):
            self.is_behind = True
        elif snapshot.status is JobStatus.RUNNING and self.progress is None:
            self.progress = ProgressMessage(
                snapshot.attempt,
                snapshot.at,
                snapshot.progress,
                snapshot.stage,
                snapshot.processed_ms,
                snapshot.total_ms,
                snapshot.eta_seconds,
            )
        else:
            return
        self.wake.set()


class JobHub:
    """Watches jobs for the subscriptions of one process."""

    def __init__(self, db: Database, live: Live, *, safety_seconds: float = SAFETY_SECONDS) -> None:
        self._db = db
        self._live = live
        self._safety_seconds = safety_seconds
        self._watches: dict[UUID, set[_Watch]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_listening = asyncio.Event()

    async def watch_job(self, job_id: UUID, after: int | None = None) -> AsyncGenerator[JobUpdate, None]:
        """A snapshot, then every event after number `after` exactly once and in order, with progress between.

        None begins after the snapshot. Ends after the event that makes the job final; at once if that is past.
        Raises NotFoundError, and BadInputError for an `after` that the job has not reached.
        """
        watch = _Watch(job_id)
        self._register(watch)
        try:
            await self._is_listening.wait()
            async with contextlib.aclosing(self._follow(watch, after)) as updates:
                async for update in updates:
                    yield update
        finally:
            self._unregister(watch)

    async def close(self) -> None:
        """Stop listening; every watcher ends."""
        pending, self._tasks = set(self._tasks), []
        for watch in [w for watches in self._watches.values() for w in watches]:
            watch.is_gone = True
            watch.wake.set()
        while pending:  # once is not enough: Python 3.11's wait_for may swallow it inside a library
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
        self._is_listening.clear()

    async def _follow(self, watch: _Watch, after: int | None) -> AsyncGenerator[JobUpdate, None]:
        snapshot = (await self._snapshots([watch.job_id])).get(watch.job_id)
        if snapshot is None:
            raise NotFoundError("job")
        if after is not None and not 0 <= after <= snapshot.seq:
            raise BadInputError(
                f"`after` must be the number of an event that you have seen, 0 to {snapshot.seq}.", field=("after",)
            )
        watch.seen = snapshot.seq if after is None else after
        watch.is_behind = watch.seen < snapshot.seq
        yield snapshot
        current = snapshot
        if snapshot.status.is_final and not watch.is_behind:
            return
        while not watch.is_gone:
            is_final = False
            for event in await self._next_events(watch):
                current = current.after_event(event)
                watch.seen = event.seq
                yield current
                is_final = event.status.is_final
            if is_final:  # what follows the end - a retry by hand - is for whoever subscribes again
                return
            progress, watch.progress = watch.progress, None
            advanced = current.after_progress(progress) if progress is not None else None
            if advanced is not None and _shown(advanced) != _shown(current):
                current = advanced
                yield current
            if not watch.events and not watch.is_behind:
                await watch.wake.wait()
                watch.wake.clear()

    async def _next_events(self, watch: _Watch) -> Sequence[LoggedEvent]:
        """The events that follow what was seen: those that came live if they do, else from the log."""
        ready: list[LoggedEvent] = []
        expected = watch.seen + 1
        while watch.events:
            event = watch.events.popleft()
            if event.seq == expected:
                ready.append(event)
                expected += 1
            elif event.seq > expected:
                watch.is_behind = True
        if not watch.is_behind:
            return ready
        watch.is_behind = False
        async with self._db.read() as session:
            logged = await events_after(session, watch.job_id, watch.seen, LOG_PAGE)
        watch.is_behind = len(logged) == LOG_PAGE
        return [_from_log(row) for row in logged]

    def _register(self, watch: _Watch) -> None:
        self._watches.setdefault(watch.job_id, set()).add(watch)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._check())]

    def _unregister(self, watch: _Watch) -> None:
        watches = self._watches.get(watch.job_id, set())
        watches.discard(watch)
        if not watches:
            self._watches.pop(watch.job_id, None)

    async def _listen(self) -> None:
        async with self._live.subscribe([f"{_CHANNEL_PREFIX}*"]) as messages:
            self._is_listening.set()
            async for channel, payload in messages:
                self._deliver(channel, payload)

    def _deliver(self, channel: str, payload: bytes) -> None:
        try:
            watches = self._watches.get(UUID(channel.removeprefix(_CHANNEL_PREFIX)))
            message = decode_message(payload) if watches else None
        except (ValueError, KeyError, TypeError):
            _log.warning("Ignored a message on %s that is not ours", channel)
            return
        if watches and message is not None:
            for watch in watches:
                watch.put(message)

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(self._safety_seconds)
            if not self._watches:
                continue
            with contextlib.suppress(*DATABASE_ERRORS):  # Postgres is away: nothing happens to jobs meanwhile
                found = await self._snapshots(list(self._watches))
                for job_id, watches in list(self._watches.items()):
                    for watch in watches:
                        watch.check(found.get(job_id))

    async def _snapshots(self, job_ids: Sequence[UUID]) -> dict[UUID, JobUpdate]:
        async with self._db.read() as session:
            rows = await InSession(session).fetch(_SNAPSHOT, list(job_ids))
        return {update.job_id: update for update in map(_from_snapshot, rows)}


def _shown(update: JobUpdate) -> tuple[float, str | None, int | None]:
    return update.progress, update.stage, update.processed_ms


def _from_snapshot(row: Any) -> JobUpdate:
    status = JobStatus(row["status"])
    # A later attempt may have resumed in the middle: its speed is not known from here.
    is_first = status is JobStatus.RUNNING and row["attempt"] == 1
    return JobUpdate(
        type=UpdateType.SNAPSHOT,
        job_id=UUID(int=row["id"].int),
        seq=row["seq"],
        at=row["at"],
        status=status,
        attempt=row["attempt"],
        progress=row["progress"],
        stage=row["stage"],
        processed_ms=row["processed_ms"],
        total_ms=row["total_ms"],
        eta_seconds=eta_seconds(row["progress"], row["elapsed"]) if is_first else None,
    )


def _from_log(row: JobEvent) -> LoggedEvent:
    return LoggedEvent(row.seq, row.at, row.type, row.attempt, row.data)
