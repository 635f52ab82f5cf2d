"""Running jobs again by hand, as they were or with other options. What for is in `bulk.py` for many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import BadInputError, CuepointError, ErrorCode
from cuepoint.features.jobs.announce import Change, announce
from cuepoint.features.jobs.creation import NEVER_REFUSED
from cuepoint.features.jobs.effective import ARGUMENTS, NO_OPTIONS, SOURCES, Effective, JobOptions, OptionSource
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.jobs.repository import live_by_key, load_job
from cuepoint.features.jobs.service import editable_job
from cuepoint.features.jobs.statements import InSession, to_json
from cuepoint.features.jobs.transitions import retry
from cuepoint.features.quotas import service as quotas
from cuepoint.viewer import Viewer

RETRYABLE = (JobStatus.FAILED, JobStatus.CANCELLED)
LONGEST_TIMEOUT_SECONDS = 7 * 86_400  # a week: whoever needs more has another problem


@dataclass(frozen=True)
class Changes:
    """What a retry changes of a job; None leaves it as it is."""

    options: JobOptions = NO_OPTIONS
    timeout_seconds: int | None = None

    def check(self) -> None:
        """Raises BadInputError."""
        self.options.check(("options",))
        if self.timeout_seconds is not None and not 1 <= self.timeout_seconds <= LONGEST_TIMEOUT_SECONDS:
            raise BadInputError(
                f"The time-out must lie between 1 and {LONGEST_TIMEOUT_SECONDS} seconds.", field=("timeoutSeconds",)
            )

    def arguments(self, kind: JobKind, args: Mapping[str, Any]) -> dict[str, Any] | None:
        """The job's new arguments; None: the old ones. Raises BadInputError for an option that is not its kind's."""
        given = self.options.to_json()
        names = {option: name for name, option in ARGUMENTS.get(kind, {}).items()}
        foreign = sorted(set(given) - set(names) - {"priority"})
        if foreign:
            raise BadInputError(f"{kind.value} has no option {', '.join(map(_shown, foreign))}.", field=("options",))
        if not set(given) - {"priority"}:
            return None
        said = dict.fromkeys(given, OptionSource.CALL)
        new = Effective(self.options, said).arguments(kind)
        merged = {**args, **new, SOURCES: {**args.get(SOURCES, {}), **new[SOURCES]}}
        JobOptions(**{option: merged.get(name) for option, name in names.items()}).check(("options",))
        return merged

    def to_json(self) -> dict[str, Any]:
        """As the event says it."""
        given: dict[str, Any] = {_camel(name): value for name, value in self.options.to_json().items()}
        if self.timeout_seconds is not None:
            given["timeoutSeconds"] = self.timeout_seconds
        return given


def _shown(option: str) -> str:
    """The option as `JobOptionsInput` names it."""
    return _camel(option).replace("MinMs", "MinDuration").replace("MaxMs", "MaxDuration")


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


AS_IT_WAS = Changes()


async def retry_job(session: AsyncSession, viewer: Viewer, id: UUID, changes: Changes = AS_IT_WAS) -> tuple[Job, bool]:
    """Run a failed or cancelled job again, with what was cancelled because of it; True if that changed anything. One
    that waits, runs or has succeeded stays as it is, so that a retry may be sent twice.

    What changes stands in its RETRIED event. Raises BadInputError, and CuepointError NOT_RETRYABLE (changes for a job
    that has not failed, or its video is being deleted), DEPENDENCY_FAILED (retry what it requires first) or
    DUPLICATE_JOB (an unfinished job does the same).
    """
    changes.check()
    job = await editable_job(session, viewer, id)
    await hold_videos(session, [job])
    args = changes.arguments(job.kind, job.args)
    if job.status in RETRYABLE:
        await _apply(session, id, changes, args)
    done = await retry(InSession(session), id)
    now = await load_job(session, id) or job
    if not done and now.status not in RETRYABLE and not changes.to_json():
        return now, False
    if not done:
        raise await _why_not(session, now)
    await check_quotas(session, {change.job_id for change in done})
    announce(session, await _recorded(session, id, done, changes.to_json()))
    return now, True


async def check_quotas(session: AsyncSession, ids: Collection[UUID]) -> None:
    """There is room for all of these, which were brought back. Raises QuotaExceededError; then none of them may be."""
    facts = select(Job.kind, Job.project_id, Job.created_by_id).distinct()
    counted = facts.where(Job.id.in_(ids), Job.kind.not_in(NEVER_REFUSED))
    found = (await session.execute(counted)).all()
    await quotas.hold(session, [(project_id, user_id) for _, project_id, user_id in found])
    for kind, project_id, user_id in found:
        await quotas.check_job(session, kind.value, project_id=project_id, user_id=user_id)


async def hold_videos(session: AsyncSession, jobs: Collection[Job]) -> None:
    """The videos of these jobs are not deleted before the transaction ends. Raises CuepointError NOT_RETRYABLE."""
    if await deleted_videos(session, jobs):
        raise CuepointError(
            ErrorCode.NOT_RETRYABLE, "The video of this job is being deleted; there is nothing left to work on."
        )


# Videos are a later feature: hence SQL. The lock order is that of their deletion: videos before jobs.
_HOLD = text("select id, deleted_at from videos where id = any(:ids) order by id for share")


async def deleted_videos(session: AsyncSession, jobs: Collection[Job]) -> set[UUID]:
    """Those of the jobs' videos that are being deleted; the others cannot be before the transaction ends."""
    ids = sorted({job.video_id for job in jobs if job.video_id is not None and job.kind is not JobKind.VIDEO_DELETION})
    if not ids:
        return set()
    rows = (await session.execute(_HOLD, {"ids": ids})).all()
    return set(ids) - {UUID(int=row.id.int) for row in rows if row.deleted_at is None}


_APPLY = text("""
update jobs set priority = coalesce(:priority, priority), timeout_seconds = coalesce(:timeout, timeout_seconds),
  args = coalesce(cast(cast(:args as text) as jsonb), args)
where id = :id and status in ('FAILED', 'CANCELLED')
""")


async def _apply(session: AsyncSession, id: UUID, changes: Changes, args: dict[str, Any] | None) -> None:
    values = {"id": id, "priority": changes.options.priority, "timeout": changes.timeout_seconds, "args": to_json(args)}
    if any(value is not None for name, value in values.items() if name != "id"):
        await session.execute(_APPLY, values)


_RECORD = text("""
update job_events set data = data || cast(cast(:data as text) as jsonb)
where job_id = :id and seq = :seq
""")


async def _recorded(
    session: AsyncSession, id: UUID, done: tuple[Change, ...], changed: dict[str, Any]
) -> tuple[Change, ...]:
    """The same transitions; the job's own event, which nobody has seen yet, says what was changed."""
    if not changed:
        return done
    data = {"changes": changed}
    own = next(change for change in done if change.job_id == id)
    await session.execute(_RECORD, {"id": id, "seq": own.seq, "data": to_json(data)})
    return tuple(replace(c, data=c.data | data) if c is own else c for c in done)


async def _why_not(session: AsyncSession, job: Job) -> CuepointError:
    if job.status not in RETRYABLE:
        return CuepointError(
            ErrorCode.NOT_RETRYABLE,
            f"Only a job that failed or was cancelled can be retried otherwise; this one is {job.status.value}.",
        )
    if job.dedupe_key is not None and await live_by_key(session, [job.dedupe_key]):
        return CuepointError(ErrorCode.DUPLICATE_JOB, "An unfinished job does the same work already.")
    return CuepointError(
        ErrorCode.DEPENDENCY_FAILED,
        "A job that this one requires failed or was cancelled. Retry that one: it brings this one back.",
    )
