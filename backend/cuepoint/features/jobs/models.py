"""Tables of the durable job layer: Postgres is the truth and the dispatcher (docs/decisions/0003)."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed, choice


class JobKind(Enum):
    """What a job does. `kinds.py` holds the lane, time-out and dependencies of each."""

    PROBE = "PROBE"
    AUDIO_EXTRACTION = "AUDIO_EXTRACTION"
    TRANSCRIPTION = "TRANSCRIPTION"
    SEGMENTATION = "SEGMENTATION"
    EMBEDDING = "EMBEDDING"
    MOMENT_GENERATION = "MOMENT_GENERATION"
    STORYBOARD = "STORYBOARD"
    WAVEFORM = "WAVEFORM"
    PROXY = "PROXY"
    POSTER = "POSTER"
    AUDIO_EXPORT = "AUDIO_EXPORT"
    CLIP_EXTRACTION = "CLIP_EXTRACTION"
    REEL_RENDERING = "REEL_RENDERING"
    VIDEO_DELETION = "VIDEO_DELETION"
    MAINTENANCE = "MAINTENANCE"
    PROJECT_DELETION = "PROJECT_DELETION"
    STORAGE_WIPE = "STORAGE_WIPE"
    INGEST = "INGEST"
    PLAYLIST_IMPORT = "PLAYLIST_IMPORT"
    IMPORT_PASS = "IMPORT_PASS"  # noqa: S105 (a kind)
    UPLOAD_CHECK = "UPLOAD_CHECK"
    FILE_REMOVAL = "FILE_REMOVAL"
    RETENTION = "RETENTION"
    STORAGE_AUDIT = "STORAGE_AUDIT"
    STORAGE_RECOUNT = "STORAGE_RECOUNT"


class JobStatus(Enum):
    """The states of a job; the last three are final."""

    BLOCKED = "BLOCKED"
    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether nothing happens any more unless a person retries it."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)


class CancelReason(Enum):
    """Why a job was cancelled."""

    USER = "USER"
    DEPENDENCY = "DEPENDENCY"


class WorkerState(Enum):
    """Life of a worker process."""

    LIVE = "LIVE"
    DRAINING = "DRAINING"
    GONE = "GONE"
    LOST = "LOST"


class JobEventType(Enum):
    """What happened to a job; one event per transition."""

    CREATED = "CREATED"
    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    STARTED = "STARTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ERROR = "ERROR"
    SNOOZED = "SNOOZED"
    RELEASED = "RELEASED"
    LOST = "LOST"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    CANCELLED = "CANCELLED"
    BLOCKED = "BLOCKED"
    RETRIED = "RETRIED"


_FINAL = "status in ('SUCCEEDED', 'FAILED', 'CANCELLED')"
_LIVE = "status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING')"


class Job(Keyed, Base):
    """One unit of background work. Every change of `status` goes through `transitions.py`."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            "priority between 0 and 10",
            name="priority_range",
            info={"reason": "The steps of `due` are made for 0 to 10."},
        ),
        CheckConstraint("progress >= 0 and progress <= 1", name="progress_range", info={"reason": "A share."}),
        CheckConstraint(
            "(status = 'RUNNING') = (worker_id is not null)",
            name="running_has_worker",
            info={"reason": "A running job has an owner, and only a running one."},
        ),
        CheckConstraint(
            f"({_FINAL}) = (finished_at is not null)",
            name="final_has_end",
            info={"reason": "Over means: with a time of ending, and the other way round."},
        ),
        CheckConstraint(
            "status <> 'BLOCKED' or dependencies_left > 0",
            name="blocked_waits",
            info={"reason": "Whoever waits for nothing is not blocked: a lost wake-up cannot be stored."},
        ),
        CheckConstraint(
            "status <> 'QUEUED' or due is not null",
            name="queued_has_due",
            info={"reason": "Without `due` a job would never be claimed."},
        ),
        CheckConstraint(
            "cancel_reason is distinct from 'DEPENDENCY' or status = 'CANCELLED'",
            name="dependency_cancelled",
            info={"reason": "The reason belongs to that state only."},
        ),
        Index(
            "ix_jobs_claim",
            "lane",
            "due",
            "id",
            postgresql_where=text("status = 'QUEUED'"),
            info={"reason": "A claim reads the first rows of its lane from here, in order."},
        ),
        Index(
            "ix_jobs_place",
            "project_id",
            "lane",
            "priority",
            "due",
            postgresql_where=text("status = 'QUEUED'"),
            info={"reason": "The last place of a project in a lane, for `due` of the next job."},
        ),
        Index(
            "ix_jobs_run_at",
            "run_at",
            postgresql_where=text("status = 'SCHEDULED'"),
            info={"reason": "Scheduled jobs whose time has come."},
        ),
        Index(
            "ix_jobs_worker_id",
            "worker_id",
            postgresql_where=text("status = 'RUNNING'"),
            info={"reason": "What a lost worker was running."},
        ),
        Index(
            "uq_jobs_system_key",
            "system_key",
            unique=True,
            postgresql_where=text("system_key is not null"),
            info={"reason": "A cron slot is made once, whatever the number of workers."},
        ),
        Index(
            "uq_jobs_dedupe_key",
            "dedupe_key",
            unique=True,
            postgresql_where=text(f"dedupe_key is not null and {_LIVE}"),
            info={"reason": "At most one unfinished job for a video and a kind; finished ones free the key."},
        ),
        Index(
            "ix_jobs_project_id_created_at_id",
            "project_id",
            "created_at",
            "id",
            info={"reason": "Pages of one project's jobs, by keyset."},
        ),
        Index(
            "ix_jobs_failed",
            "id",
            postgresql_where=text("status = 'FAILED'"),
            info={"reason": "Failed jobs are few and looked for among all; free until a job fails."},
        ),
        Index("ix_jobs_video_id", "video_id", info={"reason": "The jobs of a video: its status, its deletion."}),
        Index(
            "ix_jobs_batch_id",
            "batch_id",
            postgresql_where=text("batch_id is not null"),
            info={"reason": "The jobs that were created together; partial, as most have no batch."},
        ),
        {
            "comment": "Background work: truth and dispatcher in one.",
            "postgresql_with": {"fillfactor": 80, "autovacuum_vacuum_scale_factor": 0.02},
        },
    )

    kind: Mapped[JobKind] = mapped_column(choice(JobKind, "kind"), comment="Which registered task runs it.")
    lane: Mapped[str] = mapped_column(ForeignKey("lanes.name"), comment="Resource it needs: cpu, gpu, io or llm.")
    args: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}", comment="Ids and small options.")
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="5", comment="0 to 10, 10 first.")
    status: Mapped[JobStatus] = mapped_column(choice(JobStatus, "status"), comment="State; see docs/jobs.md.")
    attempt: Mapped[int] = mapped_column(server_default="0", comment="Claims so far, only grows: the fence.")
    failures: Mapped[int] = mapped_column(server_default="0", comment="Attempts that ended in an error.")
    losses: Mapped[int] = mapped_column(server_default="0", comment="Attempts whose worker was lost.")
    max_attempts: Mapped[int] = mapped_column(server_default="3", comment="Errors after which it is FAILED.")
    max_losses: Mapped[int] = mapped_column(server_default="3", comment="Lost workers after which it is FAILED.")
    run_at: Mapped[datetime | None] = mapped_column(comment="Not before; set while SCHEDULED or delayed.")
    timeout_seconds: Mapped[int] = mapped_column(comment="Longest one attempt may run.")
    worker_id: Mapped[UUID | None] = mapped_column(comment="Who runs it now; part of the fence.")
    started_at: Mapped[datetime | None] = mapped_column(comment="Start of the newest attempt.")
    finished_at: Mapped[datetime | None] = mapped_column(comment="When it became final.")
    ended_by: Mapped[UUID | None] = mapped_column(
        comment="Worker that ended the newest attempt: tells a repeated finish."
    )
    cancel_requested_at: Mapped[datetime | None] = mapped_column(comment="When a cancel was accepted.")
    cancel_reason: Mapped[CancelReason | None] = mapped_column(
        choice(CancelReason, "cancel_reason"), comment="USER, or DEPENDENCY when what it waited for did not succeed."
    )
    seq: Mapped[int] = mapped_column(server_default="0", comment="Number of its newest event; gapless from 1.")
    progress: Mapped[float] = mapped_column(server_default="0", comment="0 to 1, grows within an attempt.")
    stage: Mapped[str | None] = mapped_column(comment="What it is doing, for people.")
    processed_ms: Mapped[int | None] = mapped_column(comment="Media time done so far.")
    total_ms: Mapped[int | None] = mapped_column(comment="Media time to do.")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="A few facts of the outcome, e.g. counts.")
    error: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="Newest error: code, message, hint, retryable, detail."
    )
    error_code: Mapped[str | None] = mapped_column(comment="error.code, to filter by.")
    due: Mapped[datetime | None] = mapped_column(comment="Virtual time of its turn: priority, age and fairness in one.")
    cost: Mapped[float] = mapped_column(
        server_default="30", comment="Expected seconds, 1 to 60: its share of the lane."
    )
    created_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Who asked for it; null = the system."
    )
    project_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), comment="Who may see it, and whose share of the lane it uses."
    )
    video_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("videos.id", ondelete="SET NULL"), comment="The video it works on."
    )
    batch_id: Mapped[UUID | None] = mapped_column(comment="Jobs created together.")
    system_key: Mapped[str | None] = mapped_column(comment="Made once for ever, e.g. one cron slot.")
    dedupe_key: Mapped[str | None] = mapped_column(comment="At most one unfinished job has it.")
    dependencies_left: Mapped[int] = mapped_column(
        server_default="0", comment="Unsettled dependencies, in every state."
    )
    cancelled_by_id: Mapped[UUID | None] = mapped_column(comment="The dependency to retry when one was to blame.")
    root_id: Mapped[UUID | None] = mapped_column(comment="First job of the pipeline.")
    parent_id: Mapped[UUID | None] = mapped_column(comment="Job that created it.")
    fingerprint: Mapped[str | None] = mapped_column(
        sort_order=95, comment="Hash of what its result was made of; an equal one later needs no second run."
    )
    is_forced: Mapped[bool] = mapped_column(
        server_default="false", sort_order=96, comment="True: runs even where its result is fresh."
    )


class JobDependency(Base):
    """`job_id` waits for `dependency_id`."""

    __tablename__ = "job_dependencies"
    __table_args__ = (
        Index(
            "ix_job_dependencies_job_id",
            "job_id",
            info={"reason": "What a job waits for; the primary key answers who waits for it."},
        ),
        {"comment": "Edges of a pipeline: the whole of it is readable here."},
    )

    dependency_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, comment="What must be over first."
    )
    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, comment="What waits."
    )
    is_required: Mapped[bool] = mapped_column(
        server_default="true", comment="True: must succeed. False: must only be over."
    )


class JobEvent(Base):
    """One transition of one job, written in the statement that has its row; a trigger of `jobs` removes both."""

    __tablename__ = "job_events"
    __table_args__ = (
        Index("ix_job_events_at", "at", info={"reason": "What happened since a watermark, for feeds of many jobs."}),
        {"comment": "The log that subscriptions replay; attempts are read from it."},
    )

    job_id: Mapped[UUID] = mapped_column(
        primary_key=True,
        comment="The job. No foreign key: each insertion would look the job up that its statement has just locked.",
    )
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="1, 2, 3 ... without gaps.")
    at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="Time by the database's clock.")
    type: Mapped[JobEventType] = mapped_column(choice(JobEventType, "type"), comment="What happened.")
    attempt: Mapped[int] = mapped_column(comment="Attempt it belongs to; 0 before the first.")
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}", comment="status, worker, error, reason.")


class JobLog(Base):
    """What one attempt of a job said."""

    __tablename__ = "job_logs"
    __table_args__ = ({"comment": "What children and providers said during an attempt: the tail of it."},)

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, comment="The job."
    )
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="The attempt that said it.")
    text: Mapped[str] = mapped_column(comment="Its newest lines, without secrets; 64 KiB at most.")
    is_cut: Mapped[bool] = mapped_column(comment="Whether there were more lines before these.")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="When the newest line was stored.")


class JobSpeed(Base):
    """How long jobs of one kind take here."""

    __tablename__ = "job_speeds"
    __table_args__ = ({"comment": "How fast this instance is, by kind; written every hour by MAINTENANCE."},)

    # Text, not the enum: a kind that is dropped one day must not make old rows unreadable.
    kind: Mapped[str] = mapped_column(String(32), primary_key=True, comment="Kind of the jobs that were measured.")
    run_seconds: Mapped[float] = mapped_column(comment="Median time from start to success.")
    seconds_per_media_second: Mapped[float | None] = mapped_column(
        comment="Median of that time by the playing time of the video; null where no video had one."
    )
    samples: Mapped[int] = mapped_column(comment="How many jobs the medians are of.")
    measured_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="When they were computed.")


class Worker(Base):
    """A worker process, alive as long as it renews its lease."""

    __tablename__ = "workers"
    __table_args__ = (
        Index(
            "ix_workers_lease",
            "lease_until",
            postgresql_where=text("state in ('LIVE', 'DRAINING')"),
            info={"reason": "Leases that have run out, among the workers that are alive."},
        ),
        {"comment": "Worker processes and their leases."},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, comment="New at every start, and after having been lost.")
    lanes: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="Lanes it serves.")
    info: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}", comment="Host, pid, version, warnings.")
    state: Mapped[WorkerState] = mapped_column(choice(WorkerState, "state"), comment="LIVE, DRAINING, GONE or LOST.")
    lease_until: Mapped[datetime] = mapped_column(comment="Silent beyond this: declared lost.")
    started_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="When it registered.")


class Lane(Base):
    """A resource class that jobs queue for."""

    __tablename__ = "lanes"
    __table_args__ = (
        {"comment": "Queues by resource; rows exist before the first job.", "postgresql_with": {"fillfactor": 50}},
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="cpu, gpu, io or llm.")
    is_paused: Mapped[bool] = mapped_column(server_default="false", comment="True: nothing is claimed.")
    virtual_now: Mapped[datetime] = mapped_column(
        server_default=func.now(), comment="Virtual time that the claims of this lane have reached."
    )


class Schedule(Base):
    """A recurring job."""

    __tablename__ = "schedules"
    __table_args__ = (
        Index("ix_schedules_project_id", "project_id", info={"reason": "The end of a foreign key: they go with it."}),
        {"comment": "Cron slots; the ticker makes each once across all workers."},
    )

    name: Mapped[str] = mapped_column(primary_key=True, comment="Name, part of the system key of its jobs.")
    cron: Mapped[str] = mapped_column(comment="Five-field cron expression, UTC.")
    kind: Mapped[JobKind] = mapped_column(choice(JobKind, "kind"), comment="Kind of the job it makes.")
    args: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}", comment="Arguments of that job.")
    next_at: Mapped[datetime] = mapped_column(comment="Next slot.")
    is_enabled: Mapped[bool] = mapped_column(server_default="true", comment="False: makes no jobs.")
    project_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), comment="Whose job a slot makes; null = the system's."
    )
