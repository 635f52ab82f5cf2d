"""Feeds of many jobs: one reader's place in the log, and what is told from there.

The hub hands every feed the events that it read from the log; a feed that is behind - new, resumed, too slow, or with
more changes than a cursor holds - reads the log itself. Both ways may bring the same event: the cursor decides what
is new, so that each event is told exactly once and those of one job in order.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import partial
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError
from cuepoint.features.jobs.cursors import Cursor, Position, Round, note
from cuepoint.features.jobs.event_log import (
    PAGE,
    SLACK_SECONDS,
    LoggedJob,
    Scope,
    database_now,
    read_forgotten,
    read_page,
    read_states,
    watermark,
)
from cuepoint.features.jobs.feed_requests import FeedRequest
from cuepoint.features.jobs.models import JobEventType, JobKind, JobStatus
from cuepoint.features.jobs.progress import JobUpdate, ProgressMessage
from cuepoint.features.jobs.statements import DATABASE_ERRORS, is_outage
from cuepoint.graphql.sources import Standing
from cuepoint.viewer import Viewer

MAX_WAITING = 256  # events kept for one slow reader; beyond it they are read from the log again
POSITION_SECONDS = 60.0  # a quiet feed tells its cursor so often: whoever resumes has little to read again
OUTAGE_PAUSE_SECONDS = 0.5  # between two tries while Postgres is away
_FIRST = UUID(int=0)

T = TypeVar("T")


class VideoResult(Enum):
    """What a job that succeeded has brought a video."""

    MEDIA = "MEDIA"
    AUDIO = "AUDIO"
    TRANSCRIPT = "TRANSCRIPT"
    PASSAGES = "PASSAGES"
    SEARCH = "SEARCH"
    MOMENTS = "MOMENTS"
    CLIP = "CLIP"
    STORYBOARD = "STORYBOARD"
    WAVEFORM = "WAVEFORM"
    PROXY = "PROXY"
    POSTER = "POSTER"
    AUDIO_FILE = "AUDIO_FILE"


RESULTS: Mapping[JobKind, VideoResult] = {
    JobKind.PROBE: VideoResult.MEDIA,
    JobKind.AUDIO_EXTRACTION: VideoResult.AUDIO,
    JobKind.TRANSCRIPTION: VideoResult.TRANSCRIPT,
    JobKind.SEGMENTATION: VideoResult.PASSAGES,
    JobKind.EMBEDDING: VideoResult.SEARCH,
    JobKind.MOMENT_GENERATION: VideoResult.MOMENTS,
    JobKind.CLIP_EXTRACTION: VideoResult.CLIP,
    JobKind.STORYBOARD: VideoResult.STORYBOARD,
    JobKind.WAVEFORM: VideoResult.WAVEFORM,
    JobKind.PROXY: VideoResult.PROXY,
    JobKind.POSTER: VideoResult.POSTER,
    JobKind.AUDIO_EXPORT: VideoResult.AUDIO_FILE,
}


@dataclass(frozen=True)
class FeedUpdate:
    """What a reader learns, and the cursor to go on behind it. Without a job it is the cursor alone."""

    cursor: str
    job: LoggedJob | None = None
    update: JobUpdate | None = None

    @property
    def result(self) -> VideoResult | None:
        """What there is now because of this event."""
        if self.job is None or self.update is None or self.update.event is None:
            return None
        return RESULTS.get(self.job.kind) if self.update.status is JobStatus.SUCCEEDED else None


@dataclass(frozen=True)
class _Watermark:
    at: datetime
    forgotten: frozenset[UUID]


class Feed:
    """One reader's place. The hub calls `put...`, the reader's task `follow`; `noted` tells the hub what it saw."""

    def __init__(
        self, db: Database, request: FeedRequest, scope: Scope, noted: dict[UUID, Position] | None = None
    ) -> None:
        self.request = request
        self.scope = scope
        self._db = db
        self._noted = {} if noted is None else noted
        self._waiting: deque[LoggedJob | _Watermark] = deque()
        self._progress: dict[UUID, ProgressMessage] = {}
        self._running: dict[UUID, tuple[LoggedJob, JobUpdate]] = {}
        self._wake = asyncio.Event()
        self._is_behind = True
        self._is_closed = False
        self._ending: CuepointError | None = None
        self._cursor: Cursor | None = None  # while it waits for news
        self.behind_since: float | None = time.monotonic()

    @property
    def standing(self) -> Standing | None:
        """Where its reader stands; None while there is something to tell."""
        if self._cursor is None or self._wake.is_set():
            return None
        while self._waiting:  # only watermarks: anything else would have woken it
            item = self._waiting.popleft()
            assert isinstance(item, _Watermark)
            self._cursor.advance(item.at, item.forgotten)
        ordered = replace(self._cursor, positions=dict(sorted(self._cursor.positions.items())))
        shown = sorted((job_id, update.shown) for job_id, (_, update) in self._running.items())
        return Standing(ordered.encode(self.request.name), tuple(shown))

    def leave(self) -> None:
        """Tell nothing more."""
        self.end()

    def put(self, job: LoggedJob) -> None:
        """An event from the log."""
        if self._is_behind or not self.scope.contains(job):
            return
        if len(self._waiting) >= MAX_WAITING:
            self.fall_behind()
            return
        self._waiting.append(job)
        self._wake.set()

    def put_watermark(self, at: datetime, forgotten: frozenset[UUID] = frozenset()) -> None:
        """Every event up to then has been put, or was there before this feed. A crash forgot claims of some jobs."""
        if self._is_behind:
            return
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, _Watermark):
            self._waiting.pop()
            forgotten |= last.forgotten
        self._waiting.append(_Watermark(at, forgotten))

    def put_progress(self, job_id: UUID, message: ProgressMessage) -> None:
        """Progress of a job; the newest wins."""
        if job_id in self._running:
            self._progress[job_id] = message
            self._wake.set()

    def put_state(self, job: LoggedJob) -> None:
        """The job as it is: progress whose message was lost."""
        if job.id not in self._progress and job.state.status is JobStatus.RUNNING:
            self.put_progress(job.id, job.state.as_progress)

    def fall_behind(self) -> None:
        """Events may have been missed: read the log."""
        self._waiting.clear()
        self._is_behind = True
        self._wake.set()

    def see_scope(self, scope: Scope) -> None:
        """The viewer may see these jobs from now on."""
        if scope != self.scope:
            self.scope = scope
            self.fall_behind()

    def end(self, error: CuepointError | None = None) -> None:
        """Tell nothing more."""
        self._ending = error
        self._is_closed = True
        self._wake.set()

    async def follow(self, cursor: Cursor | None) -> AsyncGenerator[FeedUpdate, None]:
        """The jobs that are not final, then everything behind the cursor, then what happens, until the feed ends.

        Raises BadInputError for a cursor from the future, and what ended the feed.
        """
        start = await self._begin(cursor)
        async for update in self._snapshot(start, is_fresh=cursor is None):
            yield update
        told = ""
        is_due = True
        while not self._is_closed:
            self._wake.clear()
            async for update in self._catch_up(start):
                yield update
            for update in self._take(start):
                yield update
            text = start.encode(self.request.name)
            if is_due and text != told and not self._is_closed:
                yield FeedUpdate(text)
                told = text
            self._cursor, self.behind_since = start, None
            is_due = not await self._is_woken()
            self._cursor, self.behind_since = None, time.monotonic()
        if self._ending is not None:
            raise self._ending

    async def _begin(self, cursor: Cursor | None) -> Cursor:
        if cursor is None:
            return Cursor(await self._read(watermark))
        newest = max(cursor.base, cursor.round.until if cursor.round is not None else cursor.base)
        if newest > await self._read(database_now):
            raise BadInputError("`after` is a cursor from the future.", field=("after",))
        return cursor

    async def _snapshot(self, cursor: Cursor, *, is_fresh: bool) -> AsyncGenerator[FeedUpdate, None]:
        """The jobs as they are. For a new reader that is where their events begin."""
        since, key = cursor.base, _FIRST
        while True:
            page = await self._read(partial(read_states, scope=self.scope, since=since, after=key))
            for job in page:
                assert job.event is not None
                if is_fresh and job.event.at > since and cursor.has_room_for(job.id):
                    self._note(cursor, job)
                if self.request.matches(job) and not (is_fresh and job.finished_at is not None):
                    yield self._tell(cursor, job, job.state)
            if len(page) < PAGE or self._is_closed:
                return
            key = page[-1].id

    async def _catch_up(self, cursor: Cursor) -> AsyncGenerator[FeedUpdate, None]:
        """Read the log until the hub brings whatever follows."""
        while self._is_behind and not self._is_closed:
            self._waiting.clear()
            self._is_behind = False  # from here on the hub keeps what is not in the log yet
            for job_id, seen in cursor.positions.items():
                note(self._noted, job_id, seen)  # it may have been seen elsewhere
            if cursor.round is None:
                until = await self._read(watermark)
                cursor.round = Round(until, _FIRST, 0) if until > cursor.base else None
            async for update in self._go_round(cursor):
                yield update
            async for update in self._read_above(cursor):
                yield update
            if self._is_behind:  # the vector is full: the watermark has to move on first
                await asyncio.sleep(SLACK_SECONDS / 2)

    async def _go_round(self, cursor: Cursor) -> AsyncGenerator[FeedUpdate, None]:
        """Everything up to the second watermark, which then is the first."""
        while cursor.round is not None and not self._is_closed:
            done = cursor.round
            key = (done.job_id, done.seq)
            page = await self._read(partial(read_page, scope=self.scope, since=cursor.base, until=done.until, key=key))
            for job in page:
                assert job.event is not None
                if _has_seen(cursor, job):
                    continue
                cursor.round = Round(done.until, job.id, job.event.seq)
                if job.event.at > done.until:
                    self._note(cursor, job)
                if self.request.matches(job):
                    yield self._tell_event(cursor, job)
            if len(page) == PAGE:
                last = page[-1].event
                assert last is not None
                cursor.round = Round(done.until, page[-1].id, last.seq)
            elif not self._is_closed:
                passed = {j: seen for j, seen in cursor.positions.items() if cursor.base < seen.at <= done.until}
                forgotten = await self._read(partial(read_forgotten, seen=passed)) if passed else ()
                cursor.round = None
                cursor.advance(done.until, forgotten)

    async def _read_above(self, cursor: Cursor) -> AsyncGenerator[FeedUpdate, None]:
        """What is above the watermark, as far as the vector has room."""
        key = (_FIRST, 0)
        while not self._is_closed:
            page = await self._read(partial(read_page, scope=self.scope, since=cursor.base, until=None, key=key))
            for job in page:
                assert job.event is not None
                key = (job.id, job.event.seq)
                for update in self._see(cursor, job):
                    yield update
                if self._is_behind:
                    return
            if len(page) < PAGE:
                return

    def _take(self, cursor: Cursor) -> Iterator[FeedUpdate]:
        """What the hub has put."""
        while self._waiting and not self._is_closed:
            item = self._waiting.popleft()
            if isinstance(item, _Watermark):
                cursor.advance(item.at, item.forgotten)
            else:
                yield from self._see(cursor, item)
        for job_id in [] if self._is_closed else list(self._progress):
            message, (job, current) = self._progress.pop(job_id), self._running[job_id]
            advanced = current.after_progress(message)
            if advanced is not None and advanced.shown != current.shown:
                yield self._tell(cursor, job, advanced)

    def _see(self, cursor: Cursor, job: LoggedJob) -> Iterator[FeedUpdate]:
        """An event, unless it was told before."""
        if _has_seen(cursor, job) or not self.request.matches(job):
            return
        if not cursor.has_room_for(job.id):
            self.fall_behind()
            return
        self._note(cursor, job)
        yield self._tell_event(cursor, job)

    def _note(self, cursor: Cursor, job: LoggedJob) -> None:
        assert job.event is not None
        cursor.see(job.id, job.event.seq, job.event.at)
        note(self._noted, job.id, cursor.positions[job.id])

    def _tell_event(self, cursor: Cursor, job: LoggedJob) -> FeedUpdate:
        event = job.event
        assert event is not None
        _, current = self._running.get(job.id, (job, job.state))
        if event.attempt != current.attempt:
            current = replace(current, progress=0.0, stage=None, processed_ms=None, total_ms=None)
        return self._tell(cursor, job, current.after_event(event))

    def _tell(self, cursor: Cursor, job: LoggedJob, update: JobUpdate) -> FeedUpdate:
        if update.status is JobStatus.RUNNING:
            self._running[job.id] = (job, update)
        else:
            self._running.pop(job.id, None)
            self._progress.pop(job.id, None)
        return FeedUpdate(cursor.encode(self.request.name), job, update)

    async def _is_woken(self) -> bool:
        """Wait for something to tell; False when it is time to tell the cursor alone."""
        try:
            async with asyncio.timeout(POSITION_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _read(self, read: Callable[[AsyncSession], Awaitable[T]]) -> T:
        return await read_when_reachable(self._db, read)


def _has_seen(cursor: Cursor, job: LoggedJob) -> bool:
    event = job.event
    assert event is not None
    return cursor.has_seen(job.id, event.seq, event.at, is_claim=event.type is JobEventType.STARTED)


async def read_when_reachable(db: Database, read: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """The result of a read, however long Postgres is away."""
    while True:
        try:
            async with db.read() as session:
                return await read(session)
        except DATABASE_ERRORS as error:
            if not is_outage(error):
                raise
        await asyncio.sleep(OUTAGE_PAUSE_SECONDS)


async def check_rights(db: Database, feeds: Iterable[Feed]) -> None:
    """Each feed shows what its viewer may see now; one whose project or video is not theirs any more ends.

    One look per distinct request, whatever the number of feeds.
    """
    scopes: dict[tuple[Viewer, UUID | None, UUID | None], Scope | CuepointError] = {}
    async with db.read() as session:
        for feed in feeds:
            request = feed.request
            key = (request.viewer, request.filter.project_id, request.filter.video_id)
            if key not in scopes:
                try:
                    scopes[key] = await request.scope(session)
                except CuepointError as error:
                    scopes[key] = error
            found = scopes[key]
            if isinstance(found, Scope):
                feed.see_scope(found)
            else:
                feed.end(found)
