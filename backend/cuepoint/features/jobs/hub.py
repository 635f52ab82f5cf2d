"""One live subscription per API process, fanned out to whoever watches a job or a feed; Postgres fills every gap.

A watcher is registered and the channel subscribed before the log is read, so that nothing falls between. Live
messages are only a hint: to one job's watcher an event that is not the next one says that the log has to be read, to
a feed any event of its projects does. One query covers all watched jobs and feeds; hints bring it forward, and every
two seconds it is asked unasked, for what went unheard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.live.base import Live
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, DatabaseAwayError, NotFoundError
from cuepoint.features.jobs.announce import JOBS_CHANNEL
from cuepoint.features.jobs.cursors import Cursor, Position, note
from cuepoint.features.jobs.event_log import LiveRead, LoggedJob, read_forgotten, read_jobs, read_live, watermark
from cuepoint.features.jobs.feed_requests import FeedRequest
from cuepoint.features.jobs.feeds import Feed, FeedUpdate, check_rights, read_when_reachable
from cuepoint.features.jobs.models import JobEvent, JobStatus
from cuepoint.features.jobs.progress import PROGRESS, JobUpdate, LoggedEvent, decode_item
from cuepoint.features.jobs.repository import events_after
from cuepoint.features.jobs.service import hidden_jobs
from cuepoint.features.jobs.statements import DATABASE_ERRORS
from cuepoint.features.jobs.watches import Watch
from cuepoint.graphql.sources import Introduce, Source
from cuepoint.processes.endless import end, keep_going
from cuepoint.viewer import Viewer

SAFETY_SECONDS = 2.0  # worst delay of an event whose message was lost
HINT_SECONDS = 0.05  # between two reads that hints ask for; what happens meanwhile is read at once
RIGHTS_SECONDS = 2.0  # who is removed from a project is told nothing more within five seconds: two rounds of this
LOG_PAGE = 500

_log = logging.getLogger(__name__)

T = TypeVar("T")


def _to_nobody(_source: Source) -> None:
    """Nobody shares it."""


class JobHub:
    """Watches jobs for the subscriptions of one process."""

    def __init__(
        self,
        db: Database,
        live: Live,
        *,
        safety_seconds: float = SAFETY_SECONDS,
        rights_seconds: float = RIGHTS_SECONDS,
    ) -> None:
        self._db = db
        self._live = live
        self._safety_seconds = safety_seconds
        self.rights_seconds = rights_seconds  # how long a watcher's rights are believed
        self._watches: dict[UUID, set[Watch]] = {}
        self._newest: dict[UUID, tuple[JobUpdate, LoggedEvent, JobUpdate]] = {}
        self._feeds: set[Feed] = set()
        # What the reads for feeds have brought. A watermark that comes with a read holds for the reads after it.
        self._seen: Cursor | None = None
        self._next_base: datetime | None = None
        self._noted: dict[UUID, Position] = {}  # what the feeds have seen above it
        self._starting = asyncio.Lock()
        self._asked = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_listening = asyncio.Event()

    async def watch_job(
        self, job_id: UUID, after: int | None = None, *, viewer: Viewer | None = None, introduce: Introduce = _to_nobody
    ) -> AsyncGenerator[JobUpdate, None]:
        """A snapshot, then every event after number `after` exactly once and in order, with progress between.

        None begins after the snapshot. Ends after the event that makes the job final; at once if that is past.
        Raises NotFoundError, later too if `viewer` may not see the job any more, and BadInputError for an `after` that
        the job has not reached.
        """
        watch = Watch(job_id, viewer)
        self._register(watch)
        introduce(watch)
        try:
            await self._is_listening.wait()
            current = await self._snapshot(watch, after)
            yield current
            is_over = current.status.is_final and not watch.is_behind
            while not is_over and not watch.is_gone:
                events = watch.following() or (await self._logged_events(watch) if watch.is_behind else ())
                for event in events:
                    current = self._after(job_id, current, event)
                    watch.seen = event.seq
                    yield current
                # What follows the end - a retry by hand - is for whoever subscribes again.
                is_over = bool(events) and current.status.is_final
                if not is_over and watch.progress and (advanced := watch.advanced(current)) is not None:
                    current = advanced
                    yield current
                if not is_over and watch.is_quiet:
                    await watch.news_after(current)
            if watch.is_hidden:
                raise NotFoundError("job")
        finally:
            self._unregister(watch)

    async def watch_feed(
        self, request: FeedRequest, after: str | None = None, *, introduce: Introduce = _to_nobody
    ) -> AsyncGenerator[FeedUpdate, None]:
        """The jobs that match and are not final, then every event behind the cursor `after` exactly once and in order
        for each job, with progress between. None begins with the snapshot. Ends only with the rights or the process.

        Raises NotFoundError for what the viewer may not see, now or later, and BadInputError for another's cursor.
        """
        cursor = request.cursor(after)
        async with self._db.read() as session:
            feed = Feed(self._db, request, await request.scope(session), self._noted)
        introduce(feed)
        self._feeds.add(feed)
        self._start()
        try:
            await self._is_listening.wait()
            await self._begin_reads()
            async with contextlib.aclosing(feed.follow(cursor)) as updates:
                async for update in updates:
                    yield update
        finally:
            self._feeds.discard(feed)

    async def close(self) -> None:
        """Stop listening; every watcher ends."""
        tasks, self._tasks = self._tasks.values(), {}
        for watch in self._all_watches():
            watch.leave()
        for feed in self._feeds:
            feed.end()
        await end(tasks)
        self._is_listening.clear()

    async def _snapshot(self, watch: Watch, after: int | None) -> JobUpdate:
        found = await self._read(lambda session: read_jobs(session, [watch.job_id]))
        if not found:
            raise NotFoundError("job")
        snapshot = found[0].state
        # A crash of Postgres may have forgotten a claim that was told: it is made anew under the same number.
        newest = snapshot.seq + (snapshot.status is JobStatus.QUEUED)
        if after is not None and not 0 <= after <= newest:
            raise BadInputError(
                f"`after` must be the number of an event that you have seen, 0 to {snapshot.seq}.", field=("after",)
            )
        watch.seen = snapshot.seq if after is None else after
        watch.is_behind = watch.seen < snapshot.seq
        return snapshot

    def _after(self, job_id: UUID, current: JobUpdate, event: LoggedEvent) -> JobUpdate:
        """What this event makes of it. Two hundred who watch one job share the answer: making it is half of telling."""
        known = self._newest.get(job_id)
        if known is None or known[1] is not event or (known[0] is not current and known[0] != current):
            known = self._newest[job_id] = (current, event, current.after_event(event))
        return known[2]

    async def _logged_events(self, watch: Watch) -> Sequence[LoggedEvent]:
        """The events that follow what was seen, from the log."""
        watch.is_behind = False
        logged = await self._read(lambda session: events_after(session, watch.job_id, watch.seen, LOG_PAGE))
        watch.is_behind = len(logged) == LOG_PAGE
        return [_from_log(row) for row in logged]

    async def _read(self, read: Callable[[AsyncSession], Awaitable[T]]) -> T:
        return await read_when_reachable(self._db, read)

    def _register(self, watch: Watch) -> None:
        self._watches.setdefault(watch.job_id, set()).add(watch)
        self._start()

    def _unregister(self, watch: Watch) -> None:
        watches = self._watches.get(watch.job_id, set())
        watches.discard(watch)
        if not watches:
            self._watches.pop(watch.job_id, None)
            self._newest.pop(watch.job_id, None)

    def _all_watches(self) -> list[Watch]:
        return [watch for watches in self._watches.values() for watch in watches]

    def _start(self) -> None:
        for loop in (self._listen, self._read_on, self._check_rights):
            name = f"jobs:{loop.__name__}"
            if name not in self._tasks or self._tasks[name].done():
                self._tasks[name] = asyncio.create_task(keep_going(name, loop, self._safety_seconds))

    async def _begin_reads(self) -> None:
        """The reads for feeds go back to before this feed's own, so that nothing falls between the two."""
        async with self._starting:
            if self._seen is None:
                base = await self._read(watermark)
                self._seen, self._next_base = Cursor(base), base

    async def _listen(self) -> None:
        try:
            async with self._live.subscribe([JOBS_CHANNEL]) as messages:
                self._is_listening.set()
                async for _, payload in messages:
                    if self._watches or self._feeds:
                        with _ours():
                            for item in orjson.loads(payload):
                                with _ours():  # one that a newer process told must not take the others along
                                    self._deliver(item)
        finally:
            self._is_listening.set()  # nobody waits for a subscription that fails: the log is read all the same

    def _deliver(self, item: Mapping[str, Any]) -> None:
        job_id, is_progress = UUID(item["job_id"]), item["type"] == PROGRESS
        if self._feeds and not is_progress and item["project_id"] is not None:
            project_id = UUID(item["project_id"])
            if any(feed.scope.has_project(project_id) for feed in self._feeds):
                self._asked.set()
        watches = self._watches.get(job_id, ())
        if not watches and not (is_progress and self._feeds):
            return
        message = decode_item(item)
        if isinstance(message, LoggedEvent):
            for watch in watches:
                watch.put_event(message)
            return
        for watch in watches:
            watch.put_progress(message)
        for feed in self._feeds:
            feed.put_progress(job_id, message)

    async def _read_on(self) -> None:
        """Read when something was heard, and every few seconds anyway."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._safety_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._asked.wait()
            self._asked.clear()
            is_due = loop.time() >= due
            if is_due:
                due = loop.time() + self._safety_seconds
            if self._feeds or (self._watches and is_due):
                with _bridged("jobs"):  # Postgres is away: nothing happens to jobs meanwhile
                    await self._read_once(list(self._watches) if is_due else [])
            await asyncio.sleep(min(HINT_SECONDS, self._safety_seconds))

    async def _read_once(self, job_ids: Sequence[UUID]) -> None:
        """One query for everybody."""
        scopes = [feed.scope.project_ids for feed in self._feeds]
        seen = self._seen if scopes else None
        if seen is None:
            self._seen = None  # no feed: the next one begins anew
            self._noted.clear()
        projects = None if None in scopes else sorted({i for scope in scopes for i in scope or ()})
        async with self._db.read() as session:
            since = seen.base if seen is not None else await watermark(session)
            found = await read_live(session, since, projects if seen is not None else [], job_ids)
            missing = self._missing(found)
            forgotten = await read_forgotten(session, missing) if missing else frozenset[UUID]()
        if job_ids:
            self._tell_watches(set(job_ids), found)
        if seen is not None:
            self._tell_feeds(seen, found, forgotten)

    def _missing(self, found: LiveRead) -> dict[UUID, Position]:
        """What feeds have seen up to the next watermark, and this read did not bring again."""
        base = self._next_base
        passed = {job_id: seen for job_id, seen in self._noted.items() if base is not None and seen.at <= base}
        if not passed:
            return {}
        events = [(job.id, job.event) for job in found.events if job.event is not None]
        there = {(job_id, event.seq): event.at for job_id, event in events}
        return {j: seen for j, seen in passed.items() if (at := there.get((j, seen.seq))) is None or at > seen.at}

    def _tell_watches(self, asked: set[UUID], found: LiveRead) -> None:
        states = {job.id: job.state for job in found.jobs}
        for job_id in asked:
            for watch in self._watches.get(job_id, ()):
                watch.check(states.get(job_id))

    def _tell_feeds(self, seen: Cursor, found: LiveRead, forgotten: frozenset[UUID] = frozenset()) -> None:
        if found.is_too_much:
            for feed in self._feeds:
                feed.fall_behind()
        else:
            for job in _by_time(found.events):
                assert job.event is not None
                if seen.has_seen(job.id, job.event.seq, job.event.at):
                    continue
                seen.see(job.id, job.event.seq, job.event.at)
                note(self._noted, job.id, seen.positions[job.id])
                for feed in self._feeds:
                    feed.put(job)
        for job in found.jobs:
            for feed in self._feeds:
                feed.put_state(job)
        assert self._next_base is not None
        seen.advance(self._next_base)
        for feed in self._feeds:
            feed.put_watermark(seen.base, forgotten)
        for job_id in [job_id for job_id, noted in self._noted.items() if noted.at <= seen.base]:
            del self._noted[job_id]
        self._next_base = found.watermark

    async def _check_rights(self) -> None:
        while True:
            await asyncio.sleep(self.rights_seconds)
            with _bridged("the rights of feeds"):
                await check_rights(self._db, list(self._feeds))
            with _bridged("the rights of watchers"):
                await self._check_watchers()

    async def _check_watchers(self) -> None:
        """One look per distinct viewer, whatever the number of watches."""
        watched: dict[Viewer, set[Watch]] = {}
        for watch in self._all_watches():
            if watch.viewer is not None:
                watched.setdefault(watch.viewer, set()).add(watch)
        for viewer, watches in watched.items():
            async with self._db.read() as session:
                hidden = await hidden_jobs(session, viewer, {watch.job_id for watch in watches})
            for watch in watches:
                if watch.job_id in hidden:
                    watch.refuse()


@contextlib.contextmanager
def _ours() -> Iterator[None]:
    """What came on our channel and is not what we send is passed over."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError):
        _log.warning("Ignored a message on %s that is not ours", JOBS_CHANNEL)


@contextlib.contextmanager
def _bridged(what: str) -> Iterator[None]:
    """What the database refuses is asked again in the next round; of an outage the log is told elsewhere."""
    try:
        yield
    except DatabaseAwayError:
        pass
    except DATABASE_ERRORS as error:
        _log.warning("Could not read %s, again soon: %s: %s", what, type(error).__name__, error)


def _by_time(events: Sequence[LoggedJob]) -> list[LoggedJob]:
    """Events of many jobs as they happened; those of one job, which come in order, stay so."""
    keys: list[tuple[datetime, int]] = []
    latest: dict[UUID, datetime] = {}
    for job in events:
        assert job.event is not None
        latest[job.id] = max(job.event.at, latest.get(job.id, job.event.at))
        keys.append((latest[job.id], len(keys)))
    return [events[index] for _, index in sorted(keys)]


def _from_log(row: JobEvent) -> LoggedEvent:
    return LoggedEvent(row.seq, row.at, row.type, row.attempt, row.data)
