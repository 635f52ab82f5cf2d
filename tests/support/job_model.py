"""The job layer as plain Python: what docs/jobs.md promises, written a second time and without SQL.

`Model` is compared with the tables after every step. It is an oracle where it can be: the number of unsettled
dependencies is counted from the states each time, never kept; times are exact, as tests set the clock of the database.
One freedom stays to the database: the order in which the jobs that one statement queues get their places. `place` is
told what came out and holds it against the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

DEAD = ("FAILED", "CANCELLED")
FINAL = ("SUCCEEDED", *DEAD)
STEP = timedelta(minutes=5)  # what a step of priority is worth
LATEST = datetime.max.replace(tzinfo=UTC)

Token = tuple[UUID, int, UUID]  # job, attempt, worker


@dataclass(frozen=True)
class Event:
    """One row of the log."""

    job_id: UUID
    seq: int
    at: datetime
    type: str
    attempt: int
    data: Mapping[str, Any]


@dataclass
class ModelJob:
    """One row of `jobs`; `edges` are its dependencies: is it required?"""

    id: UUID
    created_at: datetime
    lane: str = "io"
    project_id: UUID | None = None
    priority: int = 5
    cost: float = 30.0
    max_attempts: int = 3
    max_losses: int = 3
    timeout_seconds: int = 100
    dedupe_key: str | None = None
    system_key: str | None = None
    run_at: datetime | None = None
    edges: dict[UUID, bool] = field(default_factory=dict)
    status: str = "QUEUED"
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    worker_id: UUID | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    ended_by: UUID | None = None
    cancel_requested_at: datetime | None = None
    cancel_reason: str | None = None
    cancelled_by_id: UUID | None = None
    progress: float = 0.0
    stage: str | None = None
    processed_ms: int | None = None
    total_ms: int | None = None
    result: Any = None
    error: Any = None
    error_code: str | None = None
    due: datetime | None = None
    events: list[Event] = field(default_factory=list)

    @property
    def seq(self) -> int:
        return len(self.events)

    @property
    def is_live(self) -> bool:
        return self.status not in FINAL

    def clear(self) -> None:
        """What a retry forgets; the attempt stays."""
        self.failures = self.losses = 0
        self.finished_at = self.ended_by = self.cancel_requested_at = None
        self.cancel_reason = self.cancelled_by_id = self.error = self.error_code = self.result = self.due = None
        self.forget_progress()

    def forget_progress(self) -> None:
        self.progress, self.stage, self.processed_ms, self.total_ms = 0.0, None, None, None


@dataclass
class ModelLane:
    virtual_now: datetime
    is_paused: bool = False


@dataclass
class ModelWorker:
    lease_until: datetime
    state: str = "LIVE"

    @property
    def is_alive(self) -> bool:
        return self.state in ("LIVE", "DRAINING")


class Model:
    """All rows, and the transitions. `log` are the events of the transition under way."""

    def __init__(self, now: datetime, lanes: Sequence[str]) -> None:
        self.now = now
        self.lanes = {name: ModelLane(now) for name in lanes}
        self.workers: dict[UUID, ModelWorker] = {}
        self.jobs: dict[UUID, ModelJob] = {}
        self.log: list[Event] = []
        self.passed_over: set[UUID] = set()  # not revived because a live job had their key
        self._placing: list[list[ModelJob]] = []

    def begin(self) -> None:
        self.log = []
        self._placing = []

    def left(self, job: ModelJob) -> int:
        """Unsettled dependencies: required ones that have not succeeded, optional ones that are not over."""
        settled = {True: ("SUCCEEDED",), False: FINAL}
        return sum(self.jobs[i].status not in settled[is_required] for i, is_required in job.edges.items())

    def dead_requirements(self, job: ModelJob) -> list[UUID]:
        return sorted(i for i, is_required in job.edges.items() if is_required and self.jobs[i].status in DEAD)

    def holders(self, dedupe_key: str | None) -> list[ModelJob]:
        """Live jobs with the key."""
        return [j for j in self.jobs.values() if dedupe_key and j.dedupe_key == dedupe_key and j.is_live]

    def running(self) -> list[ModelJob]:
        return [j for j in self.jobs.values() if j.status == "RUNNING"]

    def holds(self, token: Token) -> ModelJob | None:
        """The running job that this token may touch."""
        job = self.jobs.get(token[0])
        is_mine = job is not None and (job.status, job.attempt, job.worker_id) == ("RUNNING", token[1], token[2])
        return job if is_mine else None

    # --- places ---

    def place(self, found: Mapping[UUID, datetime | None]) -> None:
        """Give the jobs that were queued their places, those of one statement in the order that `found` shows."""
        for level in self._placing:
            for job in sorted(level, key=lambda j: found.get(j.id) or LATEST):
                job.due = self.next_place(job)
        self._placing = []

    def next_place(self, job: ModelJob) -> datetime:
        step = job.priority * STEP
        share = (job.project_id, job.lane, job.priority)
        ends = [
            (j.due, j.due + timedelta(seconds=j.cost) + step)
            for j in self.jobs.values()
            if j.status == "QUEUED" and j.due is not None and (j.project_id, j.lane, j.priority) == share
        ]
        last = max(ends)[1] if ends else self.lanes[job.lane].virtual_now
        return max(self.lanes[job.lane].virtual_now, last) - step

    # --- transitions ---

    def existing(self, job: ModelJob) -> list[UUID]:
        """The oldest jobs that have the key of a new one; none: it is created."""
        by_system = [j for j in self.jobs.values() if job.system_key and j.system_key == job.system_key]
        by_dedupe = self.holders(job.dedupe_key)
        if not by_system and (not by_dedupe or self._first_status(job) == "CANCELLED"):
            return []
        both = by_system + by_dedupe
        oldest = min(j.created_at for j in both)
        return [j.id for j in both if j.created_at == oldest]

    def _first_status(self, job: ModelJob) -> str:
        if self.dead_requirements(job):
            return "CANCELLED"
        if self.left(job):
            return "BLOCKED"
        return "SCHEDULED" if job.run_at is not None and job.run_at > self.now else "QUEUED"

    def create(self, job: ModelJob) -> None:
        job.status = self._first_status(job)
        because: dict[str, Any] = {}
        if job.status == "CANCELLED":
            job.cancel_reason, job.finished_at = "DEPENDENCY", self.now
            job.cancelled_by_id = self.dead_requirements(job)[0]
            because = {"reason": "DEPENDENCY", "cancelled_by_id": str(job.cancelled_by_id)}
        self.jobs[job.id] = job
        if job.status == "QUEUED":
            self._placing.append([job])
        self._add(job, "CREATED", kind="PROBE", priority=job.priority, **because)

    def promote(self) -> None:
        scheduled = [j for j in self.jobs.values() if j.status == "SCHEDULED"]
        due = [j for j in scheduled if j.run_at is not None and j.run_at <= self.now]
        for job in due:
            job.status = "QUEUED"
            self._add(job, "QUEUED", reason="DUE")
        self._placing.append([j for j in due if j.due is None])

    def claim(self, lane_name: str, worker_id: UUID, limit: int) -> list[tuple[UUID, int]]:
        """(job, attempt) pairs in the order of their turn."""
        lane, worker = self.lanes[lane_name], self.workers.get(worker_id)
        if lane.is_paused or worker is None or worker.state != "LIVE":
            return []
        queued = [j for j in self.jobs.values() if j.status == "QUEUED" and j.lane == lane_name]
        taken = sorted(queued, key=lambda j: (j.due, j.id))[:limit]
        for job in taken:
            job.status, job.worker_id, job.started_at = "RUNNING", worker_id, self.now
            job.attempt += 1
            job.run_at = job.ended_by = None
            job.forget_progress()
            self._add(job, "STARTED", worker_id=str(worker_id))
            assert job.due is not None
            end = job.due + job.priority * STEP + timedelta(seconds=job.cost)
            lane.virtual_now = max(lane.virtual_now, end)
        return [(j.id, j.attempt) for j in taken]

    def progress(self, token: Token, fraction: float, stage: str | None, processed_ms: int | None) -> list[UUID]:
        """The job, if its cancel was asked."""
        job = self.holds(token)
        if job is None:
            return []
        job.progress = max(job.progress, fraction)
        job.stage = stage or job.stage
        job.processed_ms = processed_ms if processed_ms is not None else job.processed_ms
        return [job.id] if job.cancel_requested_at else []

    def succeed(self, items: Iterable[tuple[Token, Any]]) -> None:
        ended = []
        for token, result in items:
            job = self.holds(token)
            if job is None or job.cancel_requested_at:
                continue
            job.status, job.result, job.progress, job.finished_at = "SUCCEEDED", result, 1.0, self.now
            job.ended_by, job.worker_id = job.worker_id, None
            job.error = job.error_code = None
            self._add(job, "SUCCEEDED", worker_id=str(job.ended_by))
            ended.append(job.id)
        self._free([j for j in self._dependents(ended) if j.status == "BLOCKED" and self.left(j) == 0])

    def end_attempt(self, token: Token, outcome: str, delay_seconds: float, error: Any) -> None:
        job = self.holds(token)
        if job is None:
            return
        counts = outcome in ("ERROR", "PERMANENT")
        job.failures += counts
        if job.cancel_requested_at or outcome == "STOPPED":
            job.status = "CANCELLED"
            job.cancel_reason = "USER"
        elif outcome == "PERMANENT" or (outcome == "ERROR" and job.failures >= job.max_attempts):
            job.status = "FAILED"
        else:
            job.status = "SCHEDULED" if delay_seconds > 0 else "QUEUED"
        job.ended_by, job.worker_id = job.worker_id, None
        job.run_at = self.now + timedelta(seconds=delay_seconds) if job.status == "SCHEDULED" else None
        if error is not None:
            job.error, job.error_code = error, error["code"]
        names = {"SNOOZE": "SNOOZED", "RELEASE": "RELEASED"}
        said: dict[str, Any] = {"worker_id": str(job.ended_by)}
        if job.run_at is not None:
            said["run_at"] = job.run_at
        if error is not None:
            said["error"] = error
        self._end(job, names.get(outcome, "ERROR"), **said)
        self._cascade([job.id] if job.status in DEAD else [])

    def lost(self, stop_seconds: float, lease_seconds: float, error: Any) -> None:
        for worker in self.workers.values():
            if worker.is_alive and worker.lease_until < self.now:
                worker.state = "LOST"
        dead = []
        for job in self.running():
            reason = self._why_lost(job, stop_seconds, lease_seconds)
            if reason is None:
                continue
            lost_id = str(job.worker_id)
            job.losses += 1
            if job.cancel_requested_at:
                job.status = "CANCELLED"
            else:
                job.status = "FAILED" if job.losses >= job.max_losses else "QUEUED"
            job.worker_id = job.ended_by = None
            job.error, job.error_code = error, error["code"]
            self._end(job, "LOST", worker_id=lost_id, reason=reason, losses=job.losses, error=error)
            dead += [job.id] if job.status in DEAD else []
        self._cascade(dead)

    def _why_lost(self, job: ModelJob, stop_seconds: float, lease_seconds: float) -> str | None:
        assert job.worker_id is not None
        assert job.started_at is not None
        worker = self.workers.get(job.worker_id)
        end = job.started_at + timedelta(seconds=job.timeout_seconds + lease_seconds)
        if worker is None or not worker.is_alive:
            return "LEASE"
        asked = job.cancel_requested_at
        if (asked is not None and asked + timedelta(seconds=stop_seconds) < self.now) or end < self.now:
            return "CANCEL_IGNORED" if asked else "TIMEOUT"
        return None

    def cancel(self, ids: Sequence[UUID]) -> None:
        jobs = [self.jobs[i] for i in sorted(set(ids)) if i in self.jobs]
        kept = [j for j in jobs if j.status == "CANCELLED" and j.cancel_reason == "DEPENDENCY"]
        ended = []
        for job in [j for j in jobs if j.is_live and not j.cancel_requested_at]:
            job.cancel_requested_at, job.cancel_reason = self.now, "USER"
            if job.status == "RUNNING":
                self._add(job, "CANCEL_REQUESTED", reason="USER")
                continue
            job.status = "CANCELLED"
            self._end(job, "CANCELLED", reason="USER")
            ended.append(job.id)
        self._cascade(ended)
        for job in kept:
            job.cancel_requested_at, job.cancel_reason, job.cancelled_by_id = self.now, "USER", None
            self._add(job, "CANCELLED", reason="USER")

    def retry(self, job_id: UUID) -> None:
        job = self.jobs[job_id]
        if job.status not in DEAD or self.dead_requirements(job) or self.holders(job.dedupe_key):
            return
        job.clear()
        self.passed_over.discard(job_id)
        job.run_at = None
        job.status = "BLOCKED" if self.left(job) else "QUEUED"
        if job.status == "QUEUED":
            self._placing.append([job])
        self._add(job, "RETRIED")
        ids = [job_id]
        while ids:
            ids = self._revive(ids)

    def _revive(self, ids: Sequence[UUID]) -> list[UUID]:
        """Those that come back because `ids` live again, one level of edges."""
        waiting = [j for j in self._dependents(ids) if any(j.edges.get(i) for i in ids)]
        could = [j for j in waiting if j.cancel_reason == "DEPENDENCY" and not self.dead_requirements(j)]
        newest: dict[str | UUID, ModelJob] = {}
        for job in sorted(could, key=lambda j: (j.created_at, j.id)):
            if not self.holders(job.dedupe_key):
                newest[job.dedupe_key or job.id] = job
        back = list(newest.values())
        self.passed_over |= {j.id for j in could} - {j.id for j in back}
        for job in back:
            job.clear()
            self.passed_over.discard(job.id)
            job.status = "BLOCKED"
            self._add(job, "BLOCKED", reason="REVIVED")
        return [j.id for j in back]

    def _cascade(self, ids: Sequence[UUID]) -> None:
        """What requires `ids`, which are dead, is cancelled, level by level; what only wants them may go on."""
        while ids:
            waiting = [j for j in self._dependents(ids) if j.status == "BLOCKED"]
            causes = {j.id: min((i for i in ids if j.edges.get(i)), default=None) for j in waiting}
            free = [j for j in waiting if causes[j.id] is None and self.left(j) == 0]
            bad = [j for j in waiting if causes[j.id] is not None]
            self._free(free)
            for job in bad:
                job.status, job.cancel_reason, job.cancelled_by_id = "CANCELLED", "DEPENDENCY", causes[job.id]
                self._end(job, "CANCELLED", reason="DEPENDENCY", cancelled_by_id=str(causes[job.id]))
            ids = [j.id for j in bad]

    def _free(self, jobs: Sequence[ModelJob]) -> None:
        for job in jobs:
            job.status = "SCHEDULED" if job.run_at is not None and job.run_at > self.now else "QUEUED"
            self._add(job, job.status, reason="UNBLOCKED")
        self._placing.append([j for j in jobs if j.status == "QUEUED"])

    def _dependents(self, ids: Sequence[UUID]) -> list[ModelJob]:
        return [j for j in self.jobs.values() if any(i in j.edges for i in ids)]

    def _end(self, job: ModelJob, name: str, **data: Any) -> None:
        """An event that a final state names itself."""
        if job.status in FINAL:
            job.finished_at = self.now
        self._add(job, job.status if job.status in FINAL else name, **data)

    def _add(self, job: ModelJob, type: str, **data: Any) -> None:
        event = Event(job.id, job.seq + 1, self.now, type, job.attempt, {"status": job.status, **data})
        job.events.append(event)
        self.log.append(event)
