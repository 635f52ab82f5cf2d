"""Statistics of jobs, from their rows and events: how many, how well, how long they waited and ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Float, Text, and_, case, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import BadInputError
from cuepoint.features.jobs.attempts import ENDINGS
from cuepoint.features.jobs.models import Job, JobEvent, JobEventType, JobStatus
from cuepoint.features.jobs.repository import JobFilter
from cuepoint.features.jobs.service import visible_jobs
from cuepoint.viewer import Viewer

MAX_DAYS = 366
MAX_HOURLY_DAYS = 31  # 744 rows
MAX_GROUPS = 1000
# Counts are of all jobs; times are read from the events of a sample. All 394,000 jobs of a range took 3.4 s.
TIMED_JOBS = 20_000  # over all groups
TIMED_OF_A_GROUP = 100  # at least, if it has as many


class JobGrouping(Enum):
    """What the rows of statistics stand for."""

    ALL = "ALL"
    KIND = "KIND"
    LANE = "LANE"
    PROJECT = "PROJECT"
    ERROR_CODE = "ERROR_CODE"
    DAY = "DAY"
    HOUR = "HOUR"


@dataclass(frozen=True)
class JobStatistics:
    """Figures of one group. Seconds are None where nothing was measured."""

    key: str
    counts: Mapping[JobStatus, int]
    retries: int
    wait_seconds: tuple[float | None, float | None]
    run_seconds: tuple[float | None, float | None]
    media_per_second: float | None

    @property
    def total(self) -> int:
        """All jobs of the group."""
        return sum(self.counts.values())

    @property
    def success_rate(self) -> float | None:
        """Of those that succeeded or failed, the share that succeeded."""
        over = self.counts[JobStatus.SUCCEEDED] + self.counts[JobStatus.FAILED]
        return self.counts[JobStatus.SUCCEEDED] / over if over else None


async def job_statistics(
    session: AsyncSession, viewer: Viewer, wanted: JobFilter, grouping: JobGrouping, *, timed_jobs: int = TIMED_JOBS
) -> Sequence[JobStatistics]:
    """Figures of the visible jobs that were created in the filter's range of time, which must have both ends.

    Waits and runs are those of `timed_jobs` jobs at most, chosen by the random part of their ids, as many of each
    group. Raises BadInputError for a range that is empty or too long.
    """
    if wanted.created_from is None or wanted.created_before is None:
        raise ValueError("statistics need a range of time")
    _check(wanted.created_from, wanted.created_before, grouping)
    jobs = (
        visible_jobs(viewer, wanted)
        .with_only_columns(Job.id, Job.status, Job.attempt, Job.total_ms, _key(grouping).label("key"))
        .cte("wanted_jobs")
    )
    counted = (
        select(
            jobs.c.key,
            *[func.count().filter(jobs.c.status == status).label(status.value) for status in JobStatus],
            func.coalesce(func.sum(func.greatest(jobs.c.attempt - 1, 0)), 0).label("retries"),
            func.count().label("total"),
        )
        .group_by(jobs.c.key)
        .cte("counted")
    )
    timed = _times(_sample(jobs, counted, timed_jobs))
    statement = (
        select(counted, timed)
        .outerjoin_from(counted, timed, timed.c.timed_key == counted.c.key)
        .order_by(counted.c.key)
        .limit(MAX_GROUPS)
    )
    return [_statistics(row) for row in (await session.execute(statement)).mappings()]


def _check(start: datetime, end: datetime, grouping: JobGrouping) -> None:
    days = MAX_HOURLY_DAYS if grouping is JobGrouping.HOUR else MAX_DAYS
    if not timedelta(0) < end - start <= timedelta(days=days):
        raise BadInputError(f"The range must be longer than nothing and at most {days} days.", field=("range",))


def _key(grouping: JobGrouping) -> ColumnElement[str]:
    """What a job is counted under; times are UTC."""
    created = func.timezone("UTC", Job.created_at)
    keys: dict[JobGrouping, ColumnElement[str]] = {
        JobGrouping.ALL: literal("ALL"),
        JobGrouping.KIND: cast(Job.kind, Text),
        JobGrouping.LANE: cast(Job.lane, Text),
        JobGrouping.PROJECT: func.coalesce(func.replace(cast(Job.project_id, Text), "-", ""), ""),
        JobGrouping.ERROR_CODE: func.coalesce(Job.error_code, ""),
        JobGrouping.DAY: func.to_char(created, "YYYY-MM-DD"),
        JobGrouping.HOUR: func.to_char(created, 'YYYY-MM-DD"T"HH24":00Z"'),
    }
    return keys[grouping]


def _sample(jobs: Any, counted: Any, timed_jobs: int) -> Any:
    """Of each group as many jobs as its share of `timed_jobs` allows, all of a small one."""
    groups = select(func.count()).select_from(counted).scalar_subquery()
    of_each = func.greatest(TIMED_OF_A_GROUP, timed_jobs / func.greatest(groups, 1))
    octets = func.uuid_send(jobs.c.id)  # the last ones of a UUIDv7 are random
    drawn = func.get_byte(octets, 14) * 256 + func.get_byte(octets, 15)
    return (
        select(jobs.c.id, jobs.c.total_ms, jobs.c.key)
        .join_from(jobs, counted, counted.c.key == jobs.c.key)
        .where(drawn < 65536.0 * of_each / counted.c.total)
        .cte("sampled")
    )


def _times(jobs: Any) -> Any:
    """Waits and runs by key. The event before STARTED is the one that queued the job; an end has its start's number."""
    started = case((JobEvent.type == JobEventType.STARTED, JobEvent.at))
    events = (
        select(
            jobs.c.key,
            jobs.c.total_ms,
            JobEvent.type,
            JobEvent.at,
            func.lag(JobEvent.at).over(partition_by=JobEvent.job_id, order_by=JobEvent.seq).label("before"),
            func.max(started).over(partition_by=(JobEvent.job_id, JobEvent.attempt)).label("started"),
            func.row_number()
            .over(partition_by=(JobEvent.job_id, JobEvent.attempt, JobEvent.type.in_(ENDINGS)), order_by=JobEvent.seq)
            .label("nth"),
        )
        .join_from(jobs, JobEvent, JobEvent.job_id == jobs.c.id)
        .cte("events")
    )
    is_start = events.c.type == JobEventType.STARTED
    is_good = and_(events.c.type == JobEventType.SUCCEEDED, events.c.nth == 1)
    wait = cast(func.extract("epoch", events.c.at - events.c.before), Float)
    run = cast(func.extract("epoch", events.c.at - events.c.started), Float)

    def percentile(share: float, value: Any, condition: Any) -> Any:
        return func.percentile_cont(share).within_group(value).filter(condition)

    with_media = and_(is_good, events.c.total_ms > 0)
    wall = func.nullif(func.sum(run).filter(with_media), 0)
    return (
        select(
            events.c.key.label("timed_key"),
            percentile(0.5, wait, is_start).label("wait_p50"),
            percentile(0.95, wait, is_start).label("wait_p95"),
            percentile(0.5, run, is_good).label("run_p50"),
            percentile(0.95, run, is_good).label("run_p95"),
            (cast(func.sum(events.c.total_ms).filter(with_media), Float) / 1000 / wall).label("media_per_second"),
        )
        .group_by(events.c.key)
        .cte("timed")
    )


def _statistics(row: Mapping[Any, Any]) -> JobStatistics:
    return JobStatistics(
        row["key"],
        {status: row[status.value] for status in JobStatus},
        row["retries"],
        (row["wait_p50"], row["wait_p95"]),
        (row["run_p50"], row["run_p95"]),
        row["media_per_second"],
    )
