"""One job from start to end: runs the registered task, and decides from how it ended what becomes of the job."""

from __future__ import annotations

import asyncio
import errno
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cuepoint.adapters.bundle import Adapters
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.features.jobs.claims import Outcome
from cuepoint.features.jobs.context import FenceLost, FinishInterrupted, JobCancelled, TaskBody, TaskContext
from cuepoint.features.jobs.freshness import reused_result
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.statements import DATABASE_ERRORS, is_outage
from cuepoint.features.quotas import service as quotas
from cuepoint.processes.listening import listening
from cuepoint.processes.metering import metering
from cuepoint.worker.attempt import Attempt, Attempts, StopReason
from cuepoint.worker.finisher import Finisher
from cuepoint.worker.log_writer import LogWriter

BACKOFF_MOST_SECONDS = 600.0  # a person who mends the cause should not wait longer for the next attempt
DEFAULT_SNOOZE_SECONDS = 30.0
OUTAGE_DELAY_SECONDS = 1.0
DETAIL_CHARACTERS = 2000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """What becomes of the job; `outcome` None: it succeeded with `result`, or there is nothing to write."""

    outcome: Outcome | None
    delay_seconds: float = 0.0
    error: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    is_written: bool = False


class Runner:
    """Runs attempts with the tasks of this process."""

    def __init__(
        self,
        *,
        bodies: Mapping[JobKind, TaskBody],
        adapters: Adapters,
        db: Database,
        settings: Settings,
        attempts: Attempts,
        finisher: Finisher,
        logs: LogWriter,
    ) -> None:
        self._bodies = bodies
        self._adapters = adapters
        self._db = db
        self._settings = settings
        self._attempts = attempts
        self._finisher = finisher
        self._logs = logs

    async def run(self, attempt: Attempt) -> None:
        """Run one attempt. Afterwards its end is committed, or handed over to be, and its directory is gone.

        A cancellation of the caller means that the process stops: the job is released.
        """
        try:
            ending = await self._ended(attempt)
        finally:
            if attempt.has_temp_dir:
                await asyncio.to_thread(attempt.remove_temp_dir)
        try:
            await self._settle(attempt)
            await self._logs.finish(attempt)
        finally:  # whatever fails here changes nothing of what becomes of the job
            await self._hand_over(attempt, ending)

    async def _ended(self, attempt: Attempt) -> Ending:
        """How the body has ended. It runs in the task of the caller: one of its own would be a tenth of what an empty
        job costs. A stop cancels that task only while the body has it."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        # After its time it is told to stop; the lease thread ends the process if it does not listen.
        timer = loop.call_later(attempt.claimed.timeout_seconds, attempt.stop, StopReason.TIMEOUT)
        error: BaseException | None = None
        result: dict[str, Any] | None = None
        try:
            if attempt.begin(task):
                result = await self._body(attempt)
        except (Exception, asyncio.CancelledError) as raised:
            error = raised
        finally:
            attempt.is_over = True
            timer.cancel()
        if attempt.stop_reason is None and error is not None and task.cancelling():
            attempt.stop_reason = StopReason.RELEASED  # it was not us who cancelled it
        return self._ending(attempt, error, result)

    async def _hand_over(self, attempt: Attempt, ending: Ending) -> None:
        if ending.is_written:
            self._attempts.remove(attempt)
        elif ending.outcome is None:
            await self._finisher.succeed(attempt, ending.result)
        else:
            await self._finisher.end(attempt, ending.outcome, delay_seconds=ending.delay_seconds, error=ending.error)

    async def _body(self, attempt: Attempt) -> dict[str, Any] | None:
        claimed = attempt.claimed
        context = TaskContext(
            job_id=claimed.fence.job_id,
            attempt=claimed.fence.attempt,
            worker_id=claimed.fence.worker_id,
            kind=JobKind(claimed.kind),
            project_id=claimed.project_id,
            video_id=claimed.video_id,
            args=claimed.args,
            adapters=self._adapters,
            db=self._db,
            settings=self._settings,
            control=attempt,
        )
        with listening(attempt.log.write), metering(attempt.meter):
            reused = await reused_result(context)
            if reused is not None:
                return reused
            return await self._bodies[context.kind](context)

    async def _settle(self, attempt: Attempt) -> None:
        """What the attempt took of paid models and did not save along counts too, however it ended."""
        while attempt.meter.is_running:
            try:
                async with self._db.write() as session:
                    await quotas.settle(session, attempt.meter, attempt.fence.job_id)
            except DATABASE_ERRORS as error:
                if not is_outage(error):
                    _log.exception("The tokens of job %s were not counted", attempt.fence.job_id)
                    return
                await asyncio.sleep(OUTAGE_DELAY_SECONDS)

    def _ending(self, attempt: Attempt, error: BaseException | None, result: dict[str, Any] | None) -> Ending:
        if attempt.has_finished or attempt.stop_reason is StopReason.LOST:
            if error is not None and attempt.stop_reason is None:
                _log.error("Job %s failed after its end", attempt.fence.job_id, exc_info=error)
            return Ending(None, is_written=True)
        if error is None and attempt.has_begun:
            return Ending(None, result=result)
        if isinstance(error, FenceLost):
            return Ending(None, is_written=True)
        if attempt.stop_reason is not None or error is None:
            return self._stopped(attempt)
        return self._failed(attempt, error)

    def _stopped(self, attempt: Attempt) -> Ending:
        if attempt.stop_reason is StopReason.TIMEOUT:
            seconds = attempt.claimed.timeout_seconds
            return Ending(
                Outcome.ERROR,
                self._backoff(attempt),
                _error(ErrorCode.JOB_TIMEOUT, f"The attempt took longer than its {seconds} s.", retryable=True),
            )
        return Ending(Outcome.RELEASE if attempt.stop_reason is StopReason.RELEASED else Outcome.STOPPED)

    def _failed(self, attempt: Attempt, error: BaseException) -> Ending:
        """By HOUSE rule: a refusal is final, a third party's failure says itself whether to try again, the rest is a
        bug of ours - its stack is logged, its message stays inside."""
        if isinstance(error, JobCancelled):
            return Ending(Outcome.STOPPED)
        if isinstance(error, CuepointError):
            return Ending(
                Outcome.PERMANENT,
                error=_error(error.code, error.message, hint=error.hint, retryable=error.retryable),
            )
        if isinstance(error, AdapterError):
            return self._adapter_failed(attempt, error)
        if isinstance(error, FinishInterrupted) or _is_database_outage(error):
            return Ending(Outcome.RELEASE, OUTAGE_DELAY_SECONDS)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            full = _error(ErrorCode.INSUFFICIENT_STORAGE, "The disk of the worker is full.", retryable=True)
            return Ending(Outcome.ERROR, self._backoff(attempt), full)
        _log.error("Job %s failed", attempt.fence.job_id, exc_info=error, extra={"job_id": str(attempt.fence.job_id)})
        masked = _error(
            ErrorCode.INTERNAL,
            "An internal error; the worker's log has its stack under the id of this job.",
            retryable=True,
        )
        return Ending(Outcome.ERROR, self._backoff(attempt), masked)

    def _adapter_failed(self, attempt: Attempt, error: AdapterError) -> Ending:
        stored = _error(error.code, error.message, retryable=error.retryable, detail=error.detail)
        if not error.retryable:
            return Ending(Outcome.PERMANENT, error=stored)
        if error.retry_after_seconds is not None or error.code is ErrorCode.PROVIDER_RATE_LIMITED:
            return Ending(Outcome.SNOOZE, error.retry_after_seconds or DEFAULT_SNOOZE_SECONDS, stored)
        return Ending(Outcome.ERROR, self._backoff(attempt), stored)

    def _backoff(self, attempt: Attempt) -> float:
        """Seconds before the next attempt: doubles with each failure, jittered so that many do not return at once."""
        exponent = min(attempt.claimed.failures, 30)
        seconds = min(BACKOFF_MOST_SECONDS, self._settings.retry_base_seconds * 2.0**exponent)
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def _error(
    code: ErrorCode, message: str, *, retryable: bool, hint: str | None = None, detail: str | None = None
) -> dict[str, Any]:
    return {
        "code": code.value,
        "message": message,
        "hint": hint,
        "retryable": retryable,
        "detail": detail[-DETAIL_CHARACTERS:] if detail else None,
    }


def _is_database_outage(error: BaseException) -> bool:
    """Bare socket errors come from connecting to Postgres: adapters wrap their own."""
    is_bare = isinstance(error, OSError) and not isinstance(error, ConnectionError)
    return isinstance(error, DATABASE_ERRORS) and not is_bare and is_outage(error)
