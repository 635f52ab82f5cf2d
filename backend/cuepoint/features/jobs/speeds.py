"""How long jobs take on this instance, measured every hour, and what follows for those that run.

A guess is none: a kind with fewer than a handful of measured jobs has no speed, and whatever needs it answers null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.features.jobs.kinds import SPECS
from cuepoint.features.jobs.models import Job, JobKind, JobSpeed, JobStatus
from cuepoint.features.jobs.progress import eta_from_start

MIN_SAMPLES = 5  # fewer say more about chance than about the machine
MAX_SAMPLES = 200  # the newest of each kind: a machine that was replaced is forgotten soon
MAX_DAYS = 30

# Videos are a later feature: hence SQL. A later attempt may have resumed in the middle; a skipped step did nothing.
_MEASURE = text("""
with timed as (
  select j.kind, extract(epoch from j.finished_at - j.started_at)::float8 as run, v.duration_ms / 1000.0 as media,
    row_number() over (partition by j.kind order by j.finished_at desc) as nth
  from jobs j left join videos v on v.id = j.video_id
  where j.status = 'SUCCEEDED' and j.attempt = 1 and j.result ->> 'skipped' is null
    and j.result ->> 'reason' is null
    and j.finished_at > job_now() - make_interval(days => :days)
), found as (
  select kind, percentile_cont(0.5) within group (order by run) as run_seconds,
    percentile_cont(0.5) within group (order by run / media) filter (where media > 0) as per_media,
    count(*)::integer as samples
  from timed where nth <= :most group by kind having count(*) >= :least
), gone as (
  delete from job_speeds where kind not in (select kind from found)
)
insert into job_speeds (kind, run_seconds, seconds_per_media_second, samples, measured_at)
select kind, run_seconds, per_media, samples, job_now() from found
on conflict (kind) do update set run_seconds = excluded.run_seconds,
  seconds_per_media_second = excluded.seconds_per_media_second, samples = excluded.samples,
  measured_at = excluded.measured_at
""")


async def measure_speeds(session: AsyncSession) -> int:
    """The speeds are those of the newest jobs that ended well at their first attempt; of how many kinds."""
    await session.execute(_MEASURE, {"days": MAX_DAYS, "most": MAX_SAMPLES, "least": MIN_SAMPLES})
    return len((await session.scalars(select(JobSpeed.kind))).all())


@dataclass(frozen=True)
class Speed:
    """Medians of one kind. Jobs that work through the media take as much longer as these are longer."""

    run_seconds: float
    seconds_per_media_second: float | None

    def seconds(self, kind: JobKind, media_ms: int | None) -> float | None:
        """How long a job is expected to run; None where that depends on media of unknown length."""
        if not _follows_media(kind):
            return self.run_seconds
        if media_ms is None or self.seconds_per_media_second is None:
            return None
        return self.seconds_per_media_second * media_ms / 1000


def _follows_media(kind: JobKind) -> bool:
    spec = SPECS[kind]
    return spec.is_in_pipeline and spec.timeout_per_media_second > 0


Speeds = Mapping[JobKind, Speed]


async def read_speeds(session: AsyncSession) -> dict[JobKind, Speed]:
    """All speeds that were measured."""
    known = {kind.value: kind for kind in JobKind}
    rows = await session.scalars(select(JobSpeed))
    return {known[row.kind]: Speed(row.run_seconds, row.seconds_per_media_second) for row in rows if row.kind in known}


_LENGTHS = text("select id, duration_ms from videos where id = any(:ids)")


async def media_lengths(session: AsyncSession, video_ids: Iterable[UUID]) -> dict[UUID, int | None]:
    """Playing times of videos in milliseconds."""
    rows = await session.execute(_LENGTHS, {"ids": list(video_ids)})
    return {UUID(int=row.id.int): row.duration_ms for row in rows}


def seconds_left(job: Job, speeds: Speeds, media_ms: int | None, elapsed_seconds: float) -> float | None:
    """What is left of a first attempt by the speed measured; None where it is not known, or was believed too long."""
    speed = speeds.get(job.kind)
    if speed is None or job.status is not JobStatus.RUNNING or job.attempt != 1:
        return None
    expected = speed.seconds(job.kind, media_ms)
    if expected is None or elapsed_seconds >= expected:
        return None
    return round(expected - elapsed_seconds, 1)


async def seconds_left_of(session: AsyncSession, running: Sequence[Job]) -> dict[Job, float | None]:
    """What is left of running jobs: by their own speed where that shows, else by the speed measured of their kind."""
    speeds = await read_speeds(session)
    lengths = await media_lengths(session, {job.video_id for job in running if job.video_id is not None})
    now = datetime.now(UTC)
    found: dict[Job, float | None] = {}
    for job in running:
        elapsed = 0.0 if job.started_at is None else (now - job.started_at).total_seconds()
        own = eta_from_start(job.progress, elapsed) if job.attempt == 1 else None
        media_ms = lengths.get(job.video_id) if job.video_id is not None else None
        found[job] = own if own is not None else seconds_left(job, speeds, media_ms, elapsed)
    return found


@dataclass(frozen=True)
class PipelineState:
    """How far the newest jobs of a video are together, and the seconds that they still need, where that is known."""

    progress: float
    eta_seconds: float | None


def pipeline_state(
    jobs: Iterable[Job], speeds: Speeds, media_ms: int | None, running_left: Mapping[UUID, float | None]
) -> PipelineState | None:
    """Progress weighted by expected time: measured where it was, else by the share of the lane that a kind costs.

    `running_left` are the seconds left of running jobs. The time left counts what runs and what waits; None if it is
    not known of one of them. None instead of a state where nothing belongs to a pipeline.
    """
    done = whole = 0.0
    left: float | None = 0.0
    for job in jobs:
        spec = SPECS[job.kind]
        if not spec.is_in_pipeline:
            continue
        speed = speeds.get(job.kind)
        expected = None if speed is None else speed.seconds(job.kind, media_ms)
        weight = max(0.1, spec.cost_seconds if expected is None else expected)
        whole += weight
        done += weight * (1.0 if job.status.is_final else job.progress if job.status is JobStatus.RUNNING else 0.0)
        if not job.status.is_final:
            more = running_left.get(job.id) if job.status is JobStatus.RUNNING else expected
            left = None if left is None or more is None else left + more
    if not whole:
        return None
    return PipelineState(round(done / whole, 4), None if left is None else round(left, 1))
