"""Starting the pipeline of a video, or parts of it, while an earlier start may still be under way.

Every stage waits for the nearest stages before it that are made in this call or still unfinished. An unfinished job of
the same stage is joined if that is also what it waits for, or can be made to: a job that has not started takes up the
further dependencies. One that runs works on what was there before; then a next one is created, which waits for its end
(however that is) and for its own stages to succeed, under a second key that later calls join in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import BadInputError, CuepointError, ErrorCode
from cuepoint.features.jobs.announce import announce
from cuepoint.features.jobs.creation import create_job
from cuepoint.features.jobs.joining import wait_for_more
from cuepoint.features.jobs.kinds import PIPELINE, SPECS, dedupe_key
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.repository import live_jobs_by_key, load_job, requirements_of
from cuepoint.features.jobs.statements import InSession

NEXT = ":next"  # the second key of a stage: of the job that waits for the one that runs
MAX_TURNS = 5  # of finding, joining or creating a stage that others start and end at the same moment


async def start_pipeline(
    session: AsyncSession,
    *,
    project_id: UUID,
    video_id: UUID,
    created_by_id: UUID | None,
    kinds: Sequence[JobKind] | None = None,
    priority: int = 5,
    media_ms: int | None = None,
    batch_id: UUID | None = None,
    arguments: Mapping[JobKind, dict[str, Any]] | None = None,
    force: bool = False,
) -> list[Job]:
    """Create the jobs of a pipeline with their dependencies, read from `after` in kinds.py, in pipeline order.

    What is under way is joined, unless it has begun on what this call makes anew; what is not asked for but still
    runs is waited for. None asks for the whole pipeline. `arguments` are those of new jobs, by kind.
    With `force` steps run even where their result is fresh, but for one that is joined while it runs. Raises
    BadInputError for a kind that is not part of it.
    """
    if kinds is not None and set(kinds) - set(PIPELINE):
        raise BadInputError("Only the kinds of the pipeline can be started this way.", field=("kinds",))
    wanted = PIPELINE if kinds is None else tuple(kind for kind in PIPELINE if kind in kinds)
    values = {
        "project_id": project_id,
        "video_id": video_id,
        "created_by_id": created_by_id,
        "priority": priority,
        "media_ms": media_ms,
        "batch_id": batch_id,
    }
    start = _Start(session, video_id, values, arguments or {}, force=force)
    await start.look()
    for kind in wanted:
        start.made[kind] = await start.stage(kind)
        await start.mark_forced(kind)
    return list(start.made.values())


@dataclass
class _Start:
    """One call of `start_pipeline`: what it has made or joined so far, and what was unfinished before."""

    session: AsyncSession
    video_id: UUID
    values: dict[str, Any]
    arguments: Mapping[JobKind, dict[str, Any]]
    force: bool = False
    made: dict[JobKind, Job] = field(default_factory=dict)
    live: dict[JobKind, list[Job]] = field(default_factory=dict)

    async def look(self) -> None:
        """The unfinished jobs of each stage, oldest first: the second waits for the end of the first."""
        kinds = (*PIPELINE, JobKind.INGEST)  # whatever is started waits for the bytes
        keys = {dedupe_key(self.video_id, kind) + suffix: kind for kind in kinds for suffix in ("", NEXT)}
        found: dict[JobKind, list[Job]] = defaultdict(list)
        for job in await live_jobs_by_key(self.session, list(keys)):
            found[keys[job.dedupe_key or ""]].append(job)
        self.live = dict(found)

    async def mark_forced(self, kind: JobKind) -> None:
        """The job of this stage runs whatever its fingerprint says, if that was asked for."""
        if self.force:
            marked = update(Job).where(Job.id == self.made[kind].id, Job.status != JobStatus.RUNNING)
            await self.session.execute(marked.values(is_forced=True))

    async def stage(self, kind: JobKind) -> Job:
        """The job of this stage: joined or new."""
        for _ in range(MAX_TURNS):
            needed = {self._newest(before).id: not SPECS[before].is_optional for before in self._nearest(kind)}
            for job in reversed(self.live.get(kind, [])):
                if await self._joins(job, needed):
                    return await load_job(self.session, job.id) or job
            created, is_new = await self._create(kind, needed)
            if is_new:
                return created
            await self.look()  # someone else was quicker
        raise CuepointError(
            ErrorCode.DUPLICATE_JOB, "Others start the same work at this very moment; try it again.", retryable=True
        )

    async def _joins(self, job: Job, needed: Mapping[UUID, bool]) -> bool:
        known = await requirements_of(self.session, job.id)
        missing = {one: is_required for one, is_required in needed.items() if one not in known}
        if not missing:
            return True
        if job.status is JobStatus.RUNNING:
            return False
        changes = await wait_for_more(InSession(self.session), job.id, missing)
        announce(self.session, changes or ())
        return changes is not None

    async def _create(self, kind: JobKind, needed: Mapping[UUID, bool]) -> tuple[Job, bool]:
        before = self.live.get(kind, [])
        key = dedupe_key(self.video_id, kind)
        first = next(iter(self.made.values()), None)
        return await create_job(
            self.session,
            kind,
            depends_on=sorted(needed.items()) + [(job.id, False) for job in before],
            dedupe_key=key + NEXT if any(job.dedupe_key == key for job in before) else key,
            root_id=first.id if first is not None else None,
            args=self.arguments.get(kind),
            **self.values,
        )

    def _newest(self, kind: JobKind) -> Job:
        return self.made[kind] if kind in self.made else self.live[kind][-1]

    def _nearest(self, kind: JobKind) -> set[JobKind]:
        """The nearest stages before `kind` that exist in this pipeline or are unfinished for this video."""
        found: set[JobKind] = set()
        for before in SPECS[kind].after:
            is_there = before in self.made or bool(self.live.get(before))
            found |= {before} if is_there else set()
            if not is_there or SPECS[before].is_optional:  # an optional one says nothing of what it required itself
                found |= self._nearest(before)
        return found
