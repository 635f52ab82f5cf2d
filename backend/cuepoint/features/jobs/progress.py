"""Progress as a value: the update that watchers get, the message that travels, and the estimate of the time left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from cuepoint.features.jobs.models import JobEventType, JobStatus

# Evidence of a speed: one of them at least. Before, models load and caches fill, and the estimate of a job of 2 s was
# 58 s: no estimate rather than a guess.
ENOUGH_DONE = 0.1
ENOUGH_SECONDS = 2.0
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

    @property
    def shown(self) -> tuple[float, str | None, int | None]:
        """What a further PROGRESS update must change to be worth telling."""
        return self.progress, self.stage, self.processed_ms

    @property
    def as_progress(self) -> ProgressMessage:
        """The progress in it, as if its message had come."""
        return ProgressMessage(
            self.attempt, self.at, self.progress, self.stage, self.processed_ms, self.total_ms, self.eta_seconds
        )

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

    def item(self, job_id: UUID) -> dict[str, Any]:
        """As it travels."""
        return {"type": PROGRESS, "job_id": job_id, **self.__dict__}


def decode_item(message: Mapping[str, Any]) -> LoggedEvent | ProgressMessage:
    """An event or progress, as it came. Raises ValueError, KeyError or TypeError on anything else."""
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


class Pace:
    """The speed of one attempt, by the media time that it has processed since it first said so; without media time by
    its fraction. What an earlier attempt did, and the time before the first report, do not count."""

    def __init__(self) -> None:
        self._media: _Track | None = None
        self._share: _Track | None = None

    def note(self, now: float, fraction: float, processed_ms: int | None, total_ms: int | None) -> None:
        """A report at `now` seconds, by any clock that does not go back."""
        if self._share is None:
            self._share = _Track(now, fraction)
        self._share.done = max(self._share.done, fraction)
        if not processed_ms or not total_ms:
            return
        done = min(1.0, processed_ms / total_ms)
        if self._media is None:
            self._media = _Track(now, done)
        self._media.done = max(self._media.done, done)

    def eta_seconds(self, now: float) -> float | None:
        """Seconds left; None while too little is done to tell."""
        track = self._media or self._share
        return None if track is None else eta_seconds(track.done, now - track.since, base=track.base)


class _Track:
    """A measure from 0 to 1, and where it stood at first."""

    def __init__(self, since: float, base: float) -> None:
        self.since = since
        self.base = base
        self.done = base


def eta_seconds(progress: float, elapsed_seconds: float, *, base: float = 0.0) -> float | None:
    """Seconds left at the speed of this attempt: from `base` to `progress` (0 to 1) took `elapsed_seconds`.

    None while there is too little evidence: a tenth of the work or two seconds of it, and any progress at all.
    """
    done = progress - base
    if done <= 0.0 or (done < ENOUGH_DONE and elapsed_seconds < ENOUGH_SECONDS):
        return None
    return round(elapsed_seconds * (1.0 - progress) / done, 1)


def eta_from_start(progress: float, elapsed_seconds: float) -> float | None:
    """Seconds left by what is stored of a first attempt. Its start-up is part of the time: a tenth must be done."""
    return eta_seconds(progress, elapsed_seconds) if progress >= ENOUGH_DONE else None
