"""GraphQL roots of storage: statistics, retention, protection, audits and recounts."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.db.keyset import Page
from cuepoint.features.clips.types import Clip
from cuepoint.features.jobs.types import Job
from cuepoint.features.storage import retention, service
from cuepoint.features.storage.models import FindingKind
from cuepoint.features.storage.retention import Candidate
from cuepoint.features.storage.retention_types import (
    RetentionCandidate,
    RetentionRule,
    RetentionRuleInput,
    StorageFinding,
)
from cuepoint.features.storage.types import StorageStats
from cuepoint.features.videos.types import Video
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id

_PROJECT = strawberry.argument(description="The project.")


@strawberry.input(description="How long a project shall keep what.")
class SetRetentionInput:
    """Input of setRetention."""

    project_id: strawberry.ID = strawberry.field(description="The project; you must be an OWNER there.")
    rules: list[RetentionRuleInput] = strawberry.field(
        description="All of its rules, at most one for each target; what none names is kept for ever."
    )


@strawberry.type(description="Result of setRetention.")
class SetRetentionPayload(Payload):
    """Payload of setRetention."""

    rules: list[RetentionRule] | None = strawberry.field(default=None, description="The project's rules.")


@strawberry.input(description="A video or a clip that rules of retention shall spare, or no longer.")
class SetProtectionInput:
    """Input of setProtection."""

    id: strawberry.ID = strawberry.field(description="The video, with all that was made of it, or the clip.")
    is_protected: bool = strawberry.field(description="Whether it is kept whatever the rules say.")


@strawberry.type(description="Result of setProtection.")
class SetProtectionPayload(Payload):
    """Payload of setProtection."""

    video: Video | None = strawberry.field(default=None, description="The video, if it is one.")
    clip: Clip | None = strawberry.field(default=None, description="The clip, if it is one.")


@strawberry.input(description="What an audit of storage shall do.")
class AuditStorageInput(IdempotentInput):
    """Input of auditStorage."""

    repair: bool = strawberry.field(
        default=False,
        description="Whether to remove files without a row and abandoned uploads, and rows of derived files that are "
        "gone. False: only tell.",
    )
    verify_hashes: bool = strawberry.field(
        default=False, description="Whether to read every byte and compare it with the hash it should have: slow."
    )


@strawberry.type(description="Result of auditStorage.")
class AuditStoragePayload(Payload):
    """Payload of auditStorage."""

    job: Job | None = strawberry.field(default=None, description="The audit; read `storageFindings` of it.")


@strawberry.input(description="A recount of storage.")
class RecountStorageInput(IdempotentInput):
    """Input of recountStorage."""


@strawberry.type(description="Result of recountStorage.")
class RecountStoragePayload(Payload):
    """Payload of recountStorage."""

    job: Job | None = strawberry.field(
        default=None, description="The recount; `storageFindings` of it are the counters that were off."
    )


@strawberry.type
class StorageQuery:
    """Queries of storage."""

    @strawberry.field(description="What the whole instance has in storage. Administrators only.")
    async def storage_stats(self, info: Info) -> StorageStats:
        """The instance's statistics."""
        viewer = info.context.require_viewer()
        async with info.context.db.read() as session:
            return StorageStats.from_row(await service.instance_totals(session, viewer))

    @strawberry.field(description="What an audit or a recount found, in its order. Administrators only.")
    async def storage_findings(
        self,
        info: Info,
        job_id: Annotated[strawberry.ID, strawberry.argument(description="The audit or the recount.")],
        kind: Annotated[FindingKind | None, strawberry.argument(description="Of this kind; null = all.")] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[StorageFinding]:
        """A page of findings."""
        viewer = info.context.require_viewer()
        page, job = page_request(first, after, info), decode_id("Job", job_id)
        async with info.context.db.read() as session:
            found = await service.list_findings(session, viewer, job, kind, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_findings(session, viewer, job, kind)

        return Connection.from_page(found, StorageFinding.from_row, count)

    @strawberry.field(description="How long a project keeps what; what no rule names is kept for ever.")
    async def retention_rules(self, info: Info, project_id: Annotated[strawberry.ID, _PROJECT]) -> list[RetentionRule]:
        """A project's rules."""
        viewer = info.context.require_viewer()
        async with info.context.db.read() as session:
            found = await retention.read_rules(session, viewer, decode_id("Project", project_id))
        return [RetentionRule.from_row(rule) for rule in found]

    @strawberry.field(description="What rules of retention would take if they were applied now, oldest first.")
    async def retention_preview(
        self,
        info: Info,
        project_id: Annotated[strawberry.ID, _PROJECT],
        rules: Annotated[
            list[RetentionRuleInput] | None,
            strawberry.argument(description="Rules to try; null = those that the project has."),
        ] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[RetentionCandidate]:
        """A page of candidates."""
        viewer = info.context.require_viewer()
        page, project = page_request(first, after, info), decode_id("Project", project_id)
        tried = None if rules is None else [rule.to_rule() for rule in rules]
        async with info.context.db.read() as session:
            found: Page[Candidate] = await retention.preview(session, viewer, project, tried, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await retention.count_preview(session, viewer, project, tried)

        return Connection.from_page(found, RetentionCandidate.from_row, count)


@strawberry.type
class StorageMutation:
    @strawberry.mutation(
        description="Say how long a project keeps what. The rules are applied once a day; `retentionPreview` shows "
        "what they take."
    )
    @reports_errors(SetRetentionPayload)
    async def set_retention(
        self, info: Info, input: Annotated[SetRetentionInput, strawberry.argument(description="The rules.")]
    ) -> SetRetentionPayload:
        """Set a project's rules."""
        viewer = info.context.require_viewer()
        project_id = decode_id("Project", input.project_id, field=("projectId",))
        async with info.context.db.write() as session:
            await retention.set_rules(session, viewer, project_id, [rule.to_rule() for rule in input.rules])
            found = (await retention.rules_of(session, [project_id]))[project_id]
        return SetRetentionPayload(rules=[RetentionRule.from_row(rule) for rule in found])

    @strawberry.mutation(description="Have rules of retention spare a video or a clip, or no longer.")
    @reports_errors(SetProtectionPayload)
    async def set_protection(
        self, info: Info, input: Annotated[SetProtectionInput, strawberry.argument(description="What.")]
    ) -> SetProtectionPayload:
        """Protect something."""
        viewer, wanted = info.context.require_viewer(), input.is_protected
        async with info.context.db.write() as session:
            if input.id.startswith("clip_"):
                clip_id = decode_id("Clip", input.id, field=("id",))
                clip = await retention.protect_clip(session, viewer, clip_id, is_protected=wanted)
                return SetProtectionPayload(clip=Clip.from_row(clip))
            video_id = decode_id("Video", input.id, field=("id",))
            video = await retention.protect_video(session, viewer, video_id, is_protected=wanted)
            return SetProtectionPayload(video=Video.from_row(video))

    @strawberry.mutation(description="Compare the files in storage with the rows that name them. Administrators only.")
    @reports_errors(AuditStoragePayload)
    async def audit_storage(
        self, info: Info, input: Annotated[AuditStorageInput, strawberry.argument(description="What to do.")]
    ) -> AuditStoragePayload:
        """Start an audit."""
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            job = await service.request_audit(
                session, viewer, is_repairing=input.repair, reads_hashes=input.verify_hashes
            )
            return AuditStoragePayload(job=Job.from_row(job))

    @strawberry.mutation(
        description="Put the counters of storage right, and tell how far off they were. Administrators only."
    )
    @reports_errors(RecountStoragePayload)
    async def recount_storage(
        self,
        info: Info,
        input: Annotated[RecountStorageInput, strawberry.argument(description="At most a key.")],  # noqa: ARG002  # once
    ) -> RecountStoragePayload:
        """Start a recount."""
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            return RecountStoragePayload(job=Job.from_row(await service.request_recount(session, viewer)))
