"""What the body of a job gets, and the registry of bodies: `@task(JobKind.X) async def x(ctx: TaskContext)`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.config import Settings
from cuepoint.db.session import Database, after_commit
from cuepoint.features.jobs.announce import effects_of
from cuepoint.features.jobs.claims import Fence, Held, attempt_state, hold, succeed
from cuepoint.features.jobs.kinds import SPECS
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.statements import DATABASE_ERRORS, InSession, is_outage
from cuepoint.features.quotas import service as quotas
from cuepoint.processes.metering import current_meter

if TYPE_CHECKING:  # the ports as one value; its module builds them all, which a test of a task need not load
    from cuepoint.adapters.bundle import Adapters

OUTAGE_PAUSE_SECONDS = 0.5  # between two tries while Postgres is away


class JobCancelled(Exception):  # noqa: N818 - the name that tasks catch, if they have something to put away
    """Someone asked for this job to stop, or its worker is stopping: put things away and leave."""


class FenceLost(Exception):  # noqa: N818
    """The job belongs to another attempt by now: nothing of this one may be written."""


class FinishInterrupted(Exception):  # noqa: N818
    """Postgres went away in the middle of the results; nothing was written, the job is still ours."""


class JobControl(Protocol):
    """What the worker offers a running attempt."""

    def report(self, fraction: float, stage: str | None, processed_ms: int | None, total_ms: int | None) -> None:
        """Note progress; raises JobCancelled when the attempt has to stop."""
        ...

    def say(self, line: str) -> None:
        """A line for the job's log."""
        ...

    def ended(self) -> None:
        """The attempt has ended well inside the task: the worker has nothing left to write."""
        ...

    def temp_dir(self) -> Path:
        """The directory of this attempt, made at the first call."""
        ...


@dataclass(frozen=True)
class TaskContext:
    """One attempt of one job: who it is, what it may use, and how it ends."""

    job_id: UUID
    attempt: int
    worker_id: UUID
    kind: JobKind
    project_id: UUID | None
    video_id: UUID | None
    args: Mapping[str, Any]
    adapters: Adapters
    db: Database
    settings: Settings
    control: JobControl

    @property
    def temp_dir(self) -> Path:
        """A directory of this attempt alone, removed when it ends, however it ends."""
        return self.control.temp_dir()

    def report(
        self,
        fraction: float,
        stage: str | None = None,
        *,
        processed_ms: int | None = None,
        total_ms: int | None = None,
    ) -> None:
        """Say how far the work is (0 to 1), what it is doing, and the media time done and to do.

        Cheap: call it as often as you like. Raises JobCancelled when the job has to stop.
        """
        self.control.report(fraction, stage, processed_ms, total_ms)

    def say(self, line: str) -> None:
        """A line for `Job.logs`, which whoever sees the job may read; secrets are taken out of it.

        What children write to stderr and providers answer is there without it.
        """
        self.control.say(line)

    @asynccontextmanager
    async def save(self) -> AsyncIterator[AsyncSession]:
        """A transaction for what must be seen before the end. Nobody can take the job while it is open.

        Raises FenceLost or JobCancelled; nothing is written then.
        """
        async with self._held() as session:
            yield session

    @asynccontextmanager
    async def finish(self, *, result: dict[str, Any] | None = None) -> AsyncIterator[AsyncSession]:
        """The transaction in which the results and the state SUCCEEDED commit together, or not at all.

        It begins once Postgres can be reached, however long that takes: finished work is not thrown away. Raises
        FenceLost or JobCancelled, and FinishInterrupted when the connection broke before the commit.
        """
        is_body_over = False
        try:
            async with self._held() as session:
                yield session
                is_body_over = True
                changes = await succeed(InSession(session), [(self._fence, result)])
                if not changes:
                    raise FenceLost
                for effect in effects_of(changes):
                    after_commit(session, effect)
        except DATABASE_ERRORS as error:
            is_foreign = isinstance(error, OSError) and not is_body_over  # a file of the caller's, say
            if is_foreign or not is_outage(error):
                raise
            await self._check_committed()
        self.control.ended()

    @property
    def _fence(self) -> Fence:
        return Fence(self.job_id, self.attempt, self.worker_id)

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[AsyncSession]:
        async with AsyncExitStack() as stack:
            video_id = self.video_id if SPECS[self.kind].is_in_pipeline else None
            session, held = await _enter_when_reachable(stack, self.db.write, self._fence, video_id)
            if held is Held.LOST:
                raise FenceLost
            if held is Held.CANCELLED:
                raise JobCancelled
            yield session
            meter = current_meter()
            if meter is not None:
                await quotas.settle(session, meter, self.job_id)

    async def _check_committed(self) -> None:
        """After a broken connection: returns if the commit had gone through; raises if nothing was written."""
        while True:
            try:
                async with self.db.read() as session:
                    state = await attempt_state(InSession(session), self._fence)
            except DATABASE_ERRORS as error:
                if not is_outage(error):
                    raise
                await asyncio.sleep(OUTAGE_PAUSE_SECONDS)
                continue
            if state.is_mine:
                raise FinishInterrupted
            if not state.has_succeeded:
                raise FenceLost
            return


# Videos are a later feature: hence SQL. Steps of the pipeline change their video, and whoever starts one locks that
# before the jobs that it joins: in the other order both wait for each other, and the attempt may be lost.
_HOLD_VIDEO = text("select from videos where id = :id for no key update")


async def _enter_when_reachable(
    stack: AsyncExitStack,
    write: Callable[[], AbstractAsyncContextManager[AsyncSession]],
    fence: Fence,
    video_id: UUID | None,
) -> tuple[AsyncSession, Held]:
    """A transaction that holds the video, if there is one, and the job. Tries for as long as Postgres is away."""
    while True:
        attempt = AsyncExitStack()
        try:
            session = await attempt.enter_async_context(write())
            if video_id is not None:
                await session.execute(_HOLD_VIDEO, {"id": video_id})
            held = await hold(InSession(session), fence)
        except DATABASE_ERRORS as error:
            await attempt.__aexit__(type(error), error, error.__traceback__)
            if not is_outage(error):
                raise
            await asyncio.sleep(OUTAGE_PAUSE_SECONDS)
            continue
        stack.push_async_exit(attempt)
        return session, held


TaskBody = Callable[[TaskContext], Awaitable[dict[str, Any] | None]]
Body = TypeVar("Body", bound=TaskBody)

_bodies: dict[JobKind, list[TaskBody]] = {}


def task(kind: JobKind) -> Callable[[Body], Body]:
    """Register the body of a job kind. It returns a result, or ends through `ctx.finish`; it replaces what an
    earlier attempt left, it never appends."""

    def register(body: Body) -> Body:
        _bodies.setdefault(kind, []).append(body)
        return body

    return register


def registered_bodies() -> Mapping[JobKind, tuple[TaskBody, ...]]:
    """Every body registered so far, by kind. The worker refuses kinds that have none or two."""
    return {kind: tuple(bodies) for kind, bodies in _bodies.items()}
