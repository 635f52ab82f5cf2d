"""Why a job does not run, as people ask. Pure: what it takes is read by loaders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from cuepoint.errors import ErrorCode
from cuepoint.features.jobs.models import Job, JobStatus


class WaitCode(Enum):
    """What a job waits for."""

    DEPENDENCY = "DEPENDENCY"
    DELAY = "DELAY"
    BACK_OFF = "BACK_OFF"
    QUOTA = "QUOTA"
    PAUSED_QUEUE = "PAUSED_QUEUE"
    NO_WORKER = "NO_WORKER"
    TURN = "TURN"


# What a job was told that goes on by itself once there is room again: a limit was reached, nothing is broken.
_LIMITS = frozenset({ErrorCode.PROVIDER_RATE_LIMITED.value, ErrorCode.QUOTA_EXCEEDED.value})


@dataclass(frozen=True)
class LaneHealth:
    """Whether a lane is paused, and the kinds of jobs that each live worker of it knows (None: it does not say)."""

    is_paused: bool
    known: Sequence[Sequence[str] | None]


@dataclass(frozen=True)
class Wait:
    """The answer; `until` where the time is known."""

    code: WaitCode
    message: str
    until: datetime | None = None


def wait_of(job: Job, lane: LaneHealth) -> Wait | None:
    """Why the job waits; None for one that runs or is over."""
    if job.status is JobStatus.BLOCKED:
        return Wait(WaitCode.DEPENDENCY, f"It waits for {_jobs(job.dependencies_left)} to end.")
    if job.status is JobStatus.SCHEDULED and job.run_at is not None:
        when = job.run_at.strftime("%H:%M:%S UTC on %Y-%m-%d")
        if job.error_code in _LIMITS and job.error is not None:
            return Wait(WaitCode.QUOTA, f"{job.error['message']} It goes on at {when}.", job.run_at)
        if job.attempt > 0:
            return Wait(WaitCode.BACK_OFF, f"Attempt {job.attempt + 1} begins at {when}.", job.run_at)
        return Wait(WaitCode.DELAY, f"It begins at {when}.", job.run_at)
    if job.status is not JobStatus.QUEUED:
        return None
    if lane.is_paused:
        return Wait(WaitCode.PAUSED_QUEUE, f"The queue {job.lane} is paused; an administrator can resume it.")
    if not lane.known:
        return Wait(
            WaitCode.NO_WORKER, f"No live worker serves the queue {job.lane}; start one with `cuepoint worker`."
        )
    if not any(kinds is None or job.kind.value in kinds for kinds in lane.known):
        return Wait(
            WaitCode.NO_WORKER,
            f"No live worker of the queue {job.lane} knows {job.kind.value}: all are of an older version. Update one.",
        )
    return Wait(WaitCode.TURN, f"It is queued; the slots of the queue {job.lane} are taken by jobs before it.")


def _jobs(count: int) -> str:
    return "a job" if count == 1 else f"{count} jobs"
