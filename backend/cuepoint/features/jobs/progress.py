"""Progress as a value: the update that watchers get, the message that travels, and the estimate of the time left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import orjson

from cuepoint.features.jobs.models import JobEventType, JobStatus

# Before this much of the work and this many seconds a speed is noise: no estimate rather than a guess.
MIN_DONE = 0.02
MIN_SECONDS = 1.0
PROGRESS = "PROGRESS"


class UpdateType(Enum):
    """What an update is."""

    SNAPSHOT = "SNAPSHOT"
    EVENT = "EVENT"
    PROGRESS = "PROGRESS"


@dataclass(frozen=True)
class LoggedEvent:
    """One event of the log, as stored or as it travels."""

    seq: int
    at: datetime
    type: JobEventType
    attempt: int
    data: dict[str, Any]

    @property
    def status(self) -> JobStatus:
        """Status of the job after this event."""
        return JobStatus(self.data["status"])


@dataclass(frozen=True)
class JobUpdate:
    """What a watcher sees: the state of the job after event `seq`, and the event itself if this update brings one.

    `event` is set on EVENT updates only. Media times are milliseconds.
    """

    type: UpdateType
    job_id: UUID
    seq: int
    at: datetime
    status: JobStatus
    attempt: int
    progress: float
    stage: str | None = None
    processed_ms: int | None = None
    total_ms: int | None = None
    eta_seconds: float | None = None
    event: LoggedEvent | None = None

    def after_event(self, event: LoggedEvent) -> JobUpdate:
        """The update that this event brings to whoever has seen this one."""
        following = replace(
            self,
            type=UpdateType.EVENT,
            seq=event.seq,
            at=event.at,
            status=event.status,
            attempt=event.attempt,
            eta_seconds=None,
            event=event,
        )
        if event.type is JobEventType.STARTED:
            return replace(following, progress=0.0, stage=None, processed_ms=None, total_ms=None)
        if event.type is JobEventType.SUCCEEDED:
            return replace(following, progress=1.0)
        return following

    def after_progress(self, message: ProgressMessage) -> JobUpdate | None:
        """The update that this progress brings; None if it is of another attempt, or not ahead."""
        if message.attempt != self.attempt or self.status is not JobStatus.RUNNING or message.progress < self.progress:
            return None
        return replace(
            self,
            type=UpdateType.PROGRESS,
            at=message.at,
            progress=message.progress,
            stage=message.stage,
            processed_ms=message.processed_ms,
            total_ms=message.total_ms,
            eta_seconds=message.eta_seconds,
            event=None,
        )


@dataclass(frozen=True)
class ProgressMessage:
    """How far an attempt is, as it travels beside the events."""

    attempt: int
    at: datetime
    progress: float
    stage: str | None
    processed_ms: int | None
    total_ms: int | None
    eta_seconds: float | None

    def encode(self, job_id: UUID) -> bytes:
        """As JSON."""
        return orjson.dumps({"type": PROGRESS, "job_id": job_id, **self.__dict__})


def decode_message(payload: bytes) -> LoggedEvent | ProgressMessage:
    """An event or a progress message. Raises ValueError, KeyError or TypeError on anything else."""
    message = orjson.loads(payload)
    at = datetime.fromisoformat(message["at"])
    if message["type"] == PROGRESS:
        return ProgressMessage(
            message["attempt"],
            at,
            message["progress"],
            message["stage"],
            message["processed_ms"],
            message["total_ms"],
            message["eta_seconds"],
        )
    return LoggedEvent(message["seq"], at, JobEventType(message["type"]), message["attempt"], message["data"])


def eta_seconds(progress: float, elapsed_seconds: float, *, base: float = 0.0) -> float | None:
    """Seconds left at the speed of this attempt: from `base` to `progress` (0 to 1) took `elapsed_seconds`.

    None while too little is done to tell.
    """
    if progress - base < MIN_DONE or elapsed_seconds < MIN_SECONDS:
        return None
    return round(elapsed_seconds * (1.0 - progress) / (progress - base), 1)
