"""One claimed job while this process has it: its progress, its stop, its directory; and all of them together."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.features.jobs.claims import Claimed, Fence, Progress
from cuepoint.features.jobs.context import JobCancelled
from cuepoint.features.jobs.progress import Pace, ProgressMessage
from cuepoint.processes.metering import Meter
from cuepoint.worker.job_log import AttemptLog

FULL_DISK_SECONDS = 60.0  # until a job looks again whether there is room for it


class StopReason(Enum):
    """Why an attempt has to stop."""

    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    RELEASED = "RELEASED"
    LOST = "LOST"


class Attempt:
    """The control of a running task. `report` may be called from any thread, the rest from the loop."""

    def __init__(
        self, claimed: Claimed, temp_root: Path, log: AttemptLog | None = None, *, min_free_bytes: int = 0
    ) -> None:
        self.claimed = claimed
        self._min_free_bytes = min_free_bytes
        self.log = log or AttemptLog()
        self.meter = Meter()
        self.stop_reason: StopReason | None = None
        self.stop_asked_at: float | None = None
        self.is_over = False  # the body has returned: nothing is left to be stopped
        self.has_finished = False  # the task has ended the job itself
        self.has_temp_dir = False
        self.started = self.slot_since = time.monotonic()
        self._body: asyncio.Task[Any] | None = None
        self._temp_root = temp_root
        self._fraction = 0.0
        self._stage: str | None = None
        self._processed_ms: int | None = None
        self._total_ms: int | None = None
        self._pace = Pace()
        self._is_missed = False
        self._version = 0
        self._published = 0
        self._stored = 0

    @property
    def fence(self) -> Fence:
        """The right to touch the job."""
        return self.claimed.fence

    @property
    def _directory(self) -> Path:
        return self._temp_root / str(self.fence.job_id) / str(self.fence.attempt)

    @property
    def deadline(self) -> float:
        """Monotonic time at which the attempt has run too long."""
        return self.started + self.claimed.timeout_seconds

    def report(self, fraction: float, stage: str | None, processed_ms: int | None, total_ms: int | None) -> None:
        """Note progress; a writer sends it on. Raises JobCancelled when the attempt has to stop."""
        if self.stop_reason is not None:
            raise JobCancelled
        self._fraction = min(1.0, max(self._fraction, fraction))
        self._stage = stage if stage is not None else self._stage
        self._processed_ms = processed_ms if processed_ms is not None else self._processed_ms
        self._total_ms = total_ms if total_ms is not None else self._total_ms
        self._pace.note(time.monotonic(), self._fraction, self._processed_ms, self._total_ms)
        self._version += 1

    def say(self, line: str) -> None:
        """A line for the job's log."""
        self.log.write(f"{line}\n".encode(errors="replace"))

    def ended(self) -> None:
        """The task has ended the job inside its own transaction."""
        self.has_finished = True

    def temp_dir(self) -> Path:
        """The directory of this attempt, made at the first call.

        Raises AdapterError INSUFFICIENT_STORAGE where its disk is almost full: the job waits until there is room.
        """
        self.has_temp_dir = True
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(self._directory).free
        if free < self._min_free_bytes:
            raise AdapterError(
                ErrorCode.INSUFFICIENT_STORAGE,
                f"The disk of the worker has {free:,} bytes free; {self._min_free_bytes:,} are kept free "
                "(CUEPOINT_MIN_FREE_BYTES). Free some space: the job goes on by itself.",
                retryable=True,
                retry_after_seconds=FULL_DISK_SECONDS,
            )
        return self._directory

    def remove_temp_dir(self) -> None:
        """The directory is gone; that of the job too unless another attempt's lies in it."""
        shutil.rmtree(self._directory, ignore_errors=True)
        remove_if_empty(self._directory.parent)

    @property
    def has_begun(self) -> bool:
        """Whether its body was started."""
        return self._body is not None

    def begin(self, body: asyncio.Task[Any]) -> bool:
        """Whether the body may run in this task: not when it was told to stop before."""
        if self.stop_reason is not None:
            return False
        self._body = body
        return True

    def stop(self, reason: StopReason) -> None:
        """Ask the body to stop. The first reason stands, but one that was lost has nothing to say any more."""
        if self.is_over:
            return
        if self.stop_reason is None:
            self.stop_reason = reason
            self.stop_asked_at = time.monotonic()
            if self._body is not None:
                self._body.cancel()
        elif reason is StopReason.LOST:
            self.stop_reason = reason

    def is_missed_again(self) -> bool:
        """Whether this is the second time that Postgres knows nothing of it. The first may be its own end, whose
        commit the lease saw before we did."""
        was_missed, self._is_missed = self._is_missed, True
        return was_missed

    def take_message(self) -> dict[str, Any] | None:
        """Progress that was not published yet."""
        if self._published == self._version:
            return None
        self._published = self._version
        return ProgressMessage(
            attempt=self.fence.attempt,
            at=datetime.now(UTC),
            progress=self._fraction,
            stage=self._stage,
            processed_ms=self._processed_ms,
            total_ms=self._total_ms,
            eta_seconds=self._pace.eta_seconds(time.monotonic()),
        ).item(self.fence.job_id)

    def take_progress(self) -> Progress | None:
        """Progress that was not stored yet."""
        if self._stored == self._version:
            return None
        self._stored = self._version
        return Progress(self.fence, self._fraction, self._stage, self._processed_ms, self._total_ms)

    def put_back(self) -> None:
        """What was taken could not be stored."""
        self._stored = -1


def remove_if_empty(directory: Path) -> None:
    """Remove a directory unless something lies in it."""
    try:
        directory.rmdir()
    except OSError:  # another attempt's directory is in it
        return


class Attempts:
    """Every job that this process holds. The lease thread reads it too: `all` copies in one step."""

    def __init__(self) -> None:
        self._held: dict[UUID, Attempt] = {}

    def add(self, attempt: Attempt) -> None:
        """It is ours from now on."""
        self._held[attempt.fence.job_id] = attempt

    def remove(self, attempt: Attempt) -> None:
        """It has ended, or was lost."""
        if self._held.get(attempt.fence.job_id) is attempt:
            del self._held[attempt.fence.job_id]

    def all(self) -> list[Attempt]:
        """All of them now."""
        return list(self._held.values())

    def get(self, job_id: UUID) -> Attempt | None:
        """The attempt of this job."""
        return self._held.get(job_id)

    def stop(self, job_ids: Iterable[UUID], reason: StopReason) -> None:
        """Stop these."""
        for job_id in job_ids:
            attempt = self._held.get(job_id)
            if attempt is not None:
                attempt.stop(reason)

    def stop_all(self, reason: StopReason) -> None:
        """Stop every one."""
        for attempt in self.all():
            attempt.stop(reason)
