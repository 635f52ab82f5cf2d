"""GraphQL types of jobs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from cuepoint.features.jobs import effective, models
from cuepoint.features.jobs.effective_types import EffectiveOption
from cuepoint.features.jobs.event_types import JobAttempt, JobError, JobEvent, JobLog
from cuepoint.features.jobs.freshness import SKIPPED
from cuepoint.features.jobs.kinds import SPECS
from cuepoint.features.jobs.loaders import (
    AttemptsOfJob,
    DependenciesOfJob,
    EventsOfJob,
    HealthOfLane,
    JobById,
    LogsOfJob,
    SecondsLeftOfJob,
)
from cuepoint.features.jobs.models import CancelReason, JobKind, JobStatus
from cuepoint.features.jobs.progress import JobUpdate, UpdateType
from cuepoint.features.jobs.waiting import Wait, WaitCode, wait_of
from cuepoint.features.projects.types import Project, load_project
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import encode_id, seconds_or_none

describe_enum(
    JobKind,
    {
        JobKind.PROBE: "Reads what the file holds, and takes a poster.",
        JobKind.AUDIO_EXTRACTION: "Extracts the sound for speech recognition.",
        JobKind.TRANSCRIPTION: "Recognises what is said.",
        JobKind.SEGMENTATION: "Cuts the transcript into passages.",
        JobKind.EMBEDDING: "Makes the passages findable by meaning.",
        JobKind.MOMENT_GENERATION: "Finds the moments worth watching.",
        JobKind.CLIP_EXTRACTION: "Cuts a clip out of the original.",
        JobKind.REEL_RENDERING: "Joins pieces of videos into one file.",
        JobKind.STORYBOARD: "Makes the storyboard, and finds where the screen is black or stands still.",
        JobKind.WAVEFORM: "Draws the waveform, and finds silences.",
        JobKind.PROXY: "Makes a copy that browsers play, where they do not play the original.",
        JobKind.POSTER: "Takes the poster from a moment of one's choice.",
        JobKind.AUDIO_EXPORT: "Writes a sound track as a file.",
        JobKind.VIDEO_DELETION: "Removes a deleted video's files and rows.",
        JobKind.MAINTENANCE: "Tidies up; made by the system on a schedule.",
        JobKind.PROJECT_DELETION: "Removes a deleted project with all that is in it; belongs to whoever asked for it.",
        JobKind.STORAGE_WIPE: "Removes the files of a project and keeps all else.",
        JobKind.INGEST: "Fetches the file of a video from its address.",
        JobKind.PLAYLIST_IMPORT: "Reads a playlist and makes its videos.",
        JobKind.IMPORT_PASS: "Looks through a source for new files.",
        JobKind.UPLOAD_CHECK: "Reads an upload that came in parts, and knows its hash.",
        JobKind.FILE_REMOVAL: "Removes files whose rows are gone; made by the system on a schedule.",
        JobKind.RETENTION: "Removes what the rules of the projects say may go; made by the system on a schedule.",
        JobKind.STORAGE_AUDIT: "Compares the files in storage with the rows that name them.",
        JobKind.STORAGE_RECOUNT: "Puts the counters of storage right.",
    },
    description="What a job does.",
)
describe_enum(
    CancelReason,
    {
        CancelReason.USER: "Someone asked for it.",
        CancelReason.DEPENDENCY: "A job that it required failed or was cancelled; a retry of that one revives it.",
    },
    description="Why a job was cancelled.",
)
describe_enum(
    UpdateType,
    {
        UpdateType.SNAPSHOT: "The state at the moment of subscribing; always first.",
        UpdateType.EVENT: "A change of state; each comes exactly once and in order.",
        UpdateType.PROGRESS: "The newest progress; earlier ones may be left out.",
    },
    name="JobUpdateType",
    description="What an update of a job is.",
)


describe_enum(
    WaitCode,
    {
        WaitCode.DEPENDENCY: "Other jobs have to end first: see `jobs`.",
        WaitCode.DELAY: "Its time has not come: see `until`.",
        WaitCode.BACK_OFF: "An attempt failed or was put off; the next one begins at `until`.",
        WaitCode.QUOTA: "A limit was reached, of a provider or of a quota; it goes on at `until`.",
        WaitCode.PAUSED_QUEUE: "Its queue is paused until an administrator resumes it.",
        WaitCode.NO_WORKER: "No live worker serves its queue, or none that does knows its kind.",
        WaitCode.TURN: "All slots are taken; jobs before it go first.",
    },
    name="JobWaitCode",
    description="What a job waits for.",
)


@strawberry.type(description="Why a job does not run.")
class JobWaitReason:
    """The answer to the question why nothing happens."""

    row: strawberry.Private[models.Job]
    code: WaitCode = strawberry.field(description="What it waits for.")
    message: str = strawberry.field(description="The same in English, for people.")
    until: datetime | None = strawberry.field(description="When it goes on by itself; null where nobody knows.")

    @strawberry.field(description="The unfinished jobs that it waits for, as far as you may see them.")
    async def jobs(self, info: Info) -> list[Job]:
        """Its unfinished dependencies."""
        if self.code is not WaitCode.DEPENDENCY:
            return []
        edges = await info.context.loader(DependenciesOfJob).load(self.row.id)
        rows = await info.context.loader(JobById).load_many([edge.dependency_id for edge in edges])
        return [Job.from_row(row) for row in rows if row is not None and not row.status.is_final]

    @classmethod
    def from_wait(cls, row: models.Job, wait: Wait) -> JobWaitReason:
        """Copy the answer."""
        return cls(row=row, code=wait.code, message=wait.message, until=wait.until)


@strawberry.type(description="A job that another one waits for.")
class JobDependency:
    job: Job = strawberry.field(description="What must be over first.")
    is_required: bool = strawberry.field(description="Whether it must succeed; otherwise it must only be over.")


@strawberry.type(description="A piece of background work.")
class Job(Node):
    """A job as clients see it."""

    key: strawberry.Private[UUID]
    row: strawberry.Private[models.Job]
    id: strawberry.ID = strawberry.field(description="Global id.")
    kind: JobKind = strawberry.field(description="What it does.")
    title: str = strawberry.field(description="What it does, in a few words for people.")
    status: JobStatus = strawberry.field(description="State.")
    lane: str = strawberry.field(description="Resource it queues for: cpu, gpu, io or llm.")
    priority: int = strawberry.field(description="0 to 10; 10 goes first.")
    attempt: int = strawberry.field(description="Attempts so far.")
    max_attempts: int = strawberry.field(description="Errors after which it is FAILED.")
    seq: int = strawberry.field(description="Number of its newest event: pass it as `after` to jobProgress.")
    progress: float = strawberry.field(description="0 to 1; grows within an attempt.")
    stage: str | None = strawberry.field(description="What it is doing, for people.")
    processed_seconds: float | None = strawberry.field(description="Media time done.")
    total_seconds: float | None = strawberry.field(description="Media time to do.")
    cancel_reason: CancelReason | None = strawberry.field(description="Why it was cancelled, or is being cancelled.")
    error: JobError | None = strawberry.field(description="Newest error; null once it has succeeded.")
    result: JSON | None = strawberry.field(description="A few facts of the outcome, such as counts.")
    video_id: strawberry.ID | None = strawberry.field(description="The video it works on.")
    batch_id: strawberry.ID | None = strawberry.field(description="The batch it was created in.")
    created_by_id: strawberry.ID | None = strawberry.field(description="The user who asked for it; null = the system.")
    created_at: datetime = strawberry.field(description="When it was accepted.")
    run_at: datetime | None = strawberry.field(description="When it begins at the earliest; null = at once.")
    started_at: datetime | None = strawberry.field(description="Start of the newest attempt.")
    finished_at: datetime | None = strawberry.field(description="When it became final.")
    cancel_requested_at: datetime | None = strawberry.field(description="When a cancel was accepted.")

    @strawberry.field(
        description="Time left of a running job: at its own speed once that shows, until then at the speed that this "
        "instance has had with its kind; null rather than a guess."
    )
    async def eta_seconds(self, info: Info) -> float | None:
        """Seconds left."""
        return await info.context.loader(SecondsLeftOfJob).load(self.row)

    @strawberry.field(description="What happened to it so far, oldest first.")
    def events(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[JobEvent]:
        """A page of its log."""
        pages, key = info.context.loader(EventsOfJob), (self.key, page_request(first, after))
        return Connection.from_loader(pages, key, JobEvent.from_row, lambda: self.row.seq)  # numbers have no gaps

    @strawberry.field(description="Whether it succeeded without running, as the result of an earlier job is fresh.")
    def is_skipped(self) -> bool:
        """Whether it was skipped."""
        return bool((self.row.result or {}).get(SKIPPED, False))

    @strawberry.field(description="Its attempts, oldest first; the newest hundred at most.")
    async def attempts(self, info: Info) -> list[JobAttempt]:
        return [JobAttempt.from_row(row) for row in await info.context.loader(AttemptsOfJob).load(self.key)]

    @strawberry.field(
        description="What was said during its attempts, oldest first: 64 KiB in all, older attempts go first. "
        "Readable while it runs, a second late."
    )
    async def logs(self, info: Info) -> list[JobLog]:
        return [JobLog.from_row(row) for row in await info.context.loader(LogsOfJob).load(self.key)]

    @strawberry.field(description="Options that it works with, and who said so; empty for kinds that have none.")
    def effective_options(self) -> list[EffectiveOption]:
        return [EffectiveOption.from_option(one) for one in effective.effective_options(self.kind, self.row.args)]

    @strawberry.field(description="Why it does not run; null for a job that runs or is over.")
    async def wait_reason(self, info: Info) -> JobWaitReason | None:
        """Why it waits."""
        if self.row.status.is_final or self.row.status is JobStatus.RUNNING:
            return None
        wait = wait_of(self.row, await info.context.loader(HealthOfLane).load(self.row.lane))
        return None if wait is None else JobWaitReason.from_wait(self.row, wait)

    @strawberry.field(description="The jobs that it waits for, or waited for.")
    async def dependencies(self, info: Info) -> list[JobDependency]:
        edges = await info.context.loader(DependenciesOfJob).load(self.key)
        rows = await info.context.loader(JobById).load_many([edge.dependency_id for edge in edges])
        return [
            JobDependency(job=Job.from_row(row), is_required=edge.is_required)
            for edge, row in zip(edges, rows, strict=True)
            if row is not None
        ]

    @strawberry.field(description="The job to retry when this one was cancelled because of a dependency.")
    async def cancelled_by(self, info: Info) -> Job | None:
        """The dependency to blame."""
        if self.row.cancelled_by_id is None:
            return None
        row = await info.context.loader(JobById).load(self.row.cancelled_by_id)
        return None if row is None else Job.from_row(row)

    @strawberry.field(description="The project it belongs to; null for the system's own jobs.")
    async def project(self, info: Info) -> Project | None:
        return None if self.row.project_id is None else await load_project(info, self.row.project_id)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Job | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(JobById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.Job) -> Job:
        """Copy the columns."""
        return cls(
            key=row.id,
            row=row,
            id=encode_id("Job", row.id),
            kind=row.kind,
            title=SPECS[row.kind].title,
            status=row.status,
            lane=row.lane,
            priority=row.priority,
            attempt=row.attempt,
            max_attempts=row.max_attempts,
            seq=row.seq,
            progress=row.progress,
            stage=row.stage,
            processed_seconds=seconds_or_none(row.processed_ms),
            total_seconds=seconds_or_none(row.total_ms),
            cancel_reason=row.cancel_reason,
            error=JobError.from_json(row.error),
            result=None if row.result is None else JSON(row.result),
            video_id=None if row.video_id is None else encode_id("Video", row.video_id),
            batch_id=None if row.batch_id is None else encode_id("Batch", row.batch_id),
            created_by_id=None if row.created_by_id is None else encode_id("User", row.created_by_id),
            created_at=row.created_at,
            run_at=row.run_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            cancel_requested_at=row.cancel_requested_at,
        )


@strawberry.type(description="What a subscriber of a job learns: its state after event `seq`.")
class JobProgress:
    """An update as clients see it."""

    key: strawberry.Private[UUID]
    type: UpdateType = strawberry.field(description="Whether this is the snapshot, a change of state, or progress.")
    seq: int = strawberry.field(description="Number of the newest event: pass it as `after` to go on from here.")
    at: datetime = strawberry.field(description="When this was so.")
    status: JobStatus = strawberry.field(description="State of the job.")
    attempt: int = strawberry.field(description="Attempts so far.")
    progress: float = strawberry.field(description="0 to 1; grows within an attempt.")
    stage: str | None = strawberry.field(description="What it is doing, for people.")
    processed_seconds: float | None = strawberry.field(description="Media time done.")
    total_seconds: float | None = strawberry.field(description="Media time to do.")
    eta_seconds: float | None = strawberry.field(description="Time left at its own speed; null rather than a guess.")
    event: JobEvent | None = strawberry.field(description="The change of state; null on snapshots and progress.")

    @strawberry.field(description="The whole job as it is now.")
    async def job(self, info: Info) -> Job | None:
        row = await info.context.loader(JobById).load(self.key)
        return None if row is None else Job.from_row(row)

    @classmethod
    def from_update(cls, update: JobUpdate) -> JobProgress:
        """Copy an update."""
        return cls(
            key=update.job_id,
            type=update.type,
            seq=update.seq,
            at=update.at,
            status=update.status,
            attempt=update.attempt,
            progress=update.progress,
            stage=update.stage,
            processed_seconds=seconds_or_none(update.processed_ms),
            total_seconds=seconds_or_none(update.total_ms),
            eta_seconds=update.eta_seconds,
            event=None if update.event is None else JobEvent.from_row(update.event),
        )
