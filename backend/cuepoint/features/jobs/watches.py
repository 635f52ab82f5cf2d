"""What waits for one watcher of a job, between the hub that hears of it and the watcher's own task."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass, field
from uuid import UUID

from cuepoint.features.jobs.models import JobStatus
from cuepoint.features.jobs.progress import JobUpdate, LoggedEvent, ProgressMessage
from cuepoint.graphql.sources import Standing
from cuepoint.viewer import Viewer

MAX_WAITING = 256  # events kept for one slow watcher; beyond it they are read from the log again


@dataclass(eq=False)  # a watch is itself, not its values: it lies in sets
class Watch:
    """What waits for one watcher: every event, and the newest progress only."""

    job_id: UUID
    viewer: Viewer | None = None  # whose rights are looked at again and again; None: nobody's
    seen: int = 0
    rests_at: JobUpdate | None = None  # what was told last, while its reader waits for news
    events: deque[LoggedEvent] = field(default_factory=deque)
    progress: ProgressMessage | None = None
    is_behind: bool = False
    is_gone: bool = False
    is_hidden: bool = False
    has_news: bool = False
    behind_since: float | None = field(default_factory=time.monotonic)
    _waiter: asyncio.Future[None] | None = None  # an asyncio.Event costs a third of what telling one watcher does

    @property
    def standing(self) -> Standing | None:
        """Where its reader stands; None while there is something to tell, and once it is gone."""
        if self.rests_at is None or self.is_gone or self.has_news:
            return None
        return Standing(self.seen, self.rests_at.shown)

    def news_after(self, told: JobUpdate) -> Awaitable[None]:
        """Done once there may be something to tell; nothing may wait to be told."""
        self.rests_at, self.behind_since = told, None
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    @property
    def is_quiet(self) -> bool:
        """Whether everything that came was told."""
        return not (self.has_news or self.is_behind or self.events)

    def wake(self) -> None:
        """There may be something to tell."""
        self.has_news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def put_event(self, event: LoggedEvent) -> None:
        """A live event."""
        if len(self.events) < MAX_WAITING:
            self.events.append(event)
        else:
            self.events.clear()
            self.is_behind = True
        self.wake()

    def put_progress(self, message: ProgressMessage) -> None:
        """Live progress; the newest wins."""
        self.progress = message
        self.wake()

    def following(self) -> list[LoggedEvent]:
        """The live events that follow what was seen. Where one is missing between them, the watch is behind."""
        self.rests_at, self.has_news = None, False
        self.behind_since = self.behind_since or time.monotonic()
        ready: list[LoggedEvent] = []
        expected = self.seen + 1
        while self.events:
            event = self.events.popleft()
            if event.seq == expected:
                ready.append(event)
                expected += 1
            elif event.seq > expected:
                self.is_behind = True
        return ready

    def advanced(self, current: JobUpdate) -> JobUpdate | None:
        """What the newest progress makes of it; None where that shows nothing else."""
        progress, self.progress = self.progress, None
        advanced = current.after_progress(progress) if progress is not None else None
        return advanced if advanced is not None and advanced.shown != current.shown else None

    def leave(self) -> None:
        """Tell nothing more."""
        self.is_gone = True
        self.wake()

    def refuse(self) -> None:
        """The viewer may not see the job any more."""
        self.is_hidden = True
        self.leave()

    def check(self, snapshot: JobUpdate | None) -> None:
        """What the safety query found; None: the job is not there any more."""
        if snapshot is None:
            self.is_gone = True
        elif snapshot.status.is_final and snapshot.seq <= self.seen:
            # A crash of Postgres forgot a claim that was told, and the job ended before it was claimed anew.
            self.seen, self.is_behind = snapshot.seq - 1, True
        elif snapshot.seq > max([self.seen, *(event.seq for event in self.events)]):
            self.is_behind = True
        elif snapshot.status is JobStatus.RUNNING and self.progress is None:
            self.progress = snapshot.as_progress
        else:
            return
        self.wake()
