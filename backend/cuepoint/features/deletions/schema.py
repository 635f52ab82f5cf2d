"""GraphQL roots of deletions: a project with all that is in it, or its files alone."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.features.deletions import service
from cuepoint.features.jobs.types import Job
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import BigInt, decode_id


@strawberry.type(description="What a project holds at the moment of asking.")
class ProjectContents:
    """Counts of a deletion."""

    video_count: int = strawberry.field(description="Videos, those in the trash included.")
    upload_count: int = strawberry.field(description="Uploads that are no video.")
    clip_count: int = strawberry.field(description="Clips.")
    moment_count: int = strawberry.field(description="Moments.")
    vector_count: int = strawberry.field(description="Texts that can be found, each with its vectors.")
    job_count: int = strawberry.field(description="Jobs, those that are over included.")
    unfinished_job_count: int = strawberry.field(description="Those that wait or run: they are cancelled first.")
    file_count: int = strawberry.field(description="Files in storage.")
    size_bytes: BigInt = strawberry.field(description="Size of these files.")
    member_count: int = strawberry.field(description="People who see it.")

    @classmethod
    def from_counts(cls, counts: service.Counts) -> ProjectContents:
        """Copy the counts."""
        return cls(
            video_count=counts.videos,
            upload_count=counts.uploads,
            clip_count=counts.clips,
            moment_count=counts.moments,
            vector_count=counts.vectors,
            job_count=counts.jobs,
            unfinished_job_count=counts.unfinished_jobs,
            file_count=counts.files,
            size_bytes=BigInt(counts.size_bytes),
            member_count=counts.members,
        )


@strawberry.input(description="Which project to delete.")
class DeleteProjectInput(IdempotentInput):
    """Input of deleteProject."""

    id: strawberry.ID = strawberry.field(description="The project.")
    confirm_name: str = strawberry.field(default="", description="Its name, letter by letter; not asked of a dry run.")
    dry_run: bool = strawberry.field(default=False, description="True: only say what would go.")


@strawberry.type(description="Result of deleteProject.")
class DeleteProjectPayload(Payload):
    """Payload of deleteProject."""

    id: strawberry.ID | None = strawberry.field(
        default=None, description="The project; unless this was a dry run it answers as one that is not there."
    )
    contents: ProjectContents | None = strawberry.field(default=None, description="What goes, or would go.")
    job: Job | None = strawberry.field(
        default=None,
        description="The job that removes it; you alone and administrators see it. Null for a dry run.",
    )


@strawberry.input(description="Of which project to remove the files.")
class WipeProjectStorageInput(IdempotentInput):
    """Input of wipeProjectStorage."""

    id: strawberry.ID = strawberry.field(description="The project.")
    confirm_name: str = strawberry.field(default="", description="Its name, letter by letter; not asked of a dry run.")
    dry_run: bool = strawberry.field(default=False, description="True: only say what would go.")


@strawberry.type(description="Result of wipeProjectStorage.")
class WipeProjectStoragePayload(Payload):
    """Payload of wipeProjectStorage."""

    contents: ProjectContents | None = strawberry.field(
        default=None, description="What it holds; of this only files and uploads go, and unfinished jobs are cancelled."
    )
    job: Job | None = strawberry.field(default=None, description="The job that removes them. Null for a dry run.")


@strawberry.type
class DeletionMutation:
    """Mutations that delete projects."""

    @strawberry.mutation(
        description="Delete a project for good: its jobs are cancelled first, then everything goes. It is invisible at "
        "once. Owners only, archived or not."
    )
    @reports_errors(DeleteProjectPayload)
    async def delete_project(
        self, info: Info, input: Annotated[DeleteProjectInput, strawberry.argument(description="Which.")]
    ) -> DeleteProjectPayload:
        viewer = info.context.require_viewer()
        project_id = decode_id("Project", input.id, field=("id",))
        async with info.context.db.write() as session:
            asked = await service.delete_project(
                session, viewer, project_id, confirm_name=input.confirm_name, dry_run=input.dry_run
            )
        return DeleteProjectPayload(
            id=input.id,
            contents=ProjectContents.from_counts(asked.counts),
            job=None if asked.job is None else Job.from_row(asked.job),
        )

    @strawberry.mutation(
        description="Remove every file of a project and keep all else: transcripts, moments, metadata, search. Its "
        "jobs are cancelled first, and nothing can be made of its videos any more. Owners only."
    )
    @reports_errors(WipeProjectStoragePayload)
    async def wipe_project_storage(
        self, info: Info, input: Annotated[WipeProjectStorageInput, strawberry.argument(description="Of which.")]
    ) -> WipeProjectStoragePayload:
        """Remove the files of a project."""
        viewer = info.context.require_viewer()
        project_id = decode_id("Project", input.id, field=("id",))
        async with info.context.db.write() as session:
            asked = await service.wipe_storage(
                session, viewer, project_id, confirm_name=input.confirm_name, dry_run=input.dry_run
            )
        return WipeProjectStoragePayload(
            contents=ProjectContents.from_counts(asked.counts),
            job=None if asked.job is None else Job.from_row(asked.job),
        )
