"""GraphQL roots of import sources: folders and buckets that are looked through on a schedule."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.features.imports import sources
from cuepoint.features.imports.loaders import COUNTS_OF_SOURCE
from cuepoint.features.imports.models import SourceKind
from cuepoint.features.imports.types import ImportSource
from cuepoint.features.jobs.types import Job
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.videos.schema import how_to_start
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id

DEFAULT_SCHEDULE = "*/5 * * * *"


@strawberry.input(description="A place whose new files shall become videos by themselves.")
class CreateImportSourceInput(IdempotentInput):
    """Input of createImportSource."""

    project_id: strawberry.ID = strawberry.field(description="Where they go; you must be an EDITOR there, and stay it.")
    kind: SourceKind = strawberry.field(description="What kind of place it is.")
    path: str = strawberry.field(description="Absolute path of the folder as the workers see it, or `bucket/prefix`.")
    pattern: str = strawberry.field(
        default="**", description="Which files: `*` within a folder, `**` across, `?` a character; case is ignored."
    )
    schedule: str = strawberry.field(
        default=DEFAULT_SCHEDULE,
        description="When to look: a cron expression of five fields, UTC. A file is taken when two passes in a row "
        "find it unchanged.",
    )
    is_enabled: bool = strawberry.field(default=True, description="False: only `runImportSource` looks through it.")
    preset_id: strawberry.ID | None = strawberry.field(
        default=None, description="Options of the jobs that are started, before those of the project."
    )
    on_duplicate: OnDuplicate = strawberry.field(
        default=OnDuplicate.LINK, description="What to do with a file that the project has already."
    )


@strawberry.type(description="Result of createImportSource.")
class CreateImportSourcePayload(Payload):
    """Payload of createImportSource."""

    import_source: ImportSource | None = strawberry.field(default=None, description="The source.")


@strawberry.input(description="What to change of an import source; what is left out stays.")
class UpdateImportSourceInput:
    """Input of updateImportSource."""

    id: strawberry.ID = strawberry.field(description="The source.")
    pattern: str | None = strawberry.field(default=None, description="Which files; null = as it is.")
    schedule: str | None = strawberry.field(default=None, description="When to look; null = as it is.")
    is_enabled: bool | None = strawberry.field(default=None, description="Whether by schedule; null = as it is.")


@strawberry.type(description="Result of updateImportSource.")
class UpdateImportSourcePayload(Payload):
    """Payload of updateImportSource."""

    import_source: ImportSource | None = strawberry.field(
        default=None, description="The source; from now on its files are taken in your name."
    )


@strawberry.input(description="Which import source to delete.")
class DeleteImportSourceInput:
    """Input of deleteImportSource."""

    id: strawberry.ID = strawberry.field(description="The source.")


@strawberry.type(description="Result of deleteImportSource.")
class DeleteImportSourcePayload(Payload):
    """Payload of deleteImportSource."""

    id: strawberry.ID | None = strawberry.field(
        default=None, description="The source; its videos stay, and so do the files that they came from."
    )


@strawberry.input(description="Which import source to look through.")
class RunImportSourceInput(IdempotentInput):
    """Input of runImportSource."""

    id: strawberry.ID = strawberry.field(description="The source.")


@strawberry.type(description="Result of runImportSource.")
class RunImportSourcePayload(Payload):
    """Payload of runImportSource."""

    job: Job | None = strawberry.field(default=None, description="The pass; one that is under way is joined.")


@strawberry.type
class ImportSourceQuery:
    """Queries of import sources."""

    @strawberry.field(description="An import source that you may see; null otherwise.")
    async def import_source(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The source.")]
    ) -> ImportSource | None:
        """One source."""
        info.context.require_viewer()

        async def find() -> ImportSource | None:
            return await ImportSource.find(info, decode_id("ImportSource", id))

        return await found_or_none(find())

    @strawberry.field(description="Import sources that you may see, oldest first.")
    async def import_sources(
        self,
        info: Info,
        project_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of this project; null = of all.")
        ] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[ImportSource]:
        """A page of sources."""
        viewer, page = info.context.require_viewer(), page_request(first, after, info, counts=COUNTS_OF_SOURCE)
        project = None if project_id is None else decode_id("Project", project_id)
        async with info.context.db.read() as session:
            found = await sources.list_sources(session, viewer, page, project)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await sources.count_sources(session, viewer, project)

        return Connection.from_page(found, ImportSource.from_row, count)


@strawberry.type
class ImportSourceMutation:
    @strawberry.mutation(description="Make a place whose new files become videos by themselves.")
    @reports_errors(CreateImportSourcePayload)
    async def create_import_source(
        self, info: Info, input: Annotated[CreateImportSourceInput, strawberry.argument(description="The place.")]
    ) -> CreateImportSourcePayload:
        viewer = info.context.require_viewer()
        wanted = sources.NewSource(
            project_id=decode_id("Project", input.project_id, field=("projectId",)),
            kind=input.kind,
            path=input.path,
            pattern=input.pattern,
            schedule=input.schedule,
            is_enabled=input.is_enabled,
            on_duplicate=input.on_duplicate,
            preset_id=how_to_start(None, input.preset_id).preset_id,
        )
        async with info.context.db.write() as session:
            source = await sources.create_source(session, viewer, info.context.adapters.fetcher, wanted)
            return CreateImportSourcePayload(import_source=ImportSource.from_row(source))

    @strawberry.mutation(description="Change pattern or schedule of an import source, or switch it off and on.")
    @reports_errors(UpdateImportSourcePayload)
    async def update_import_source(
        self, info: Info, input: Annotated[UpdateImportSourceInput, strawberry.argument(description="What to change.")]
    ) -> UpdateImportSourcePayload:
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            source = await sources.update_source(
                session,
                viewer,
                decode_id("ImportSource", input.id, field=("id",)),
                pattern=input.pattern,
                schedule=input.schedule,
                is_enabled=input.is_enabled,
            )
            return UpdateImportSourcePayload(import_source=ImportSource.from_row(source))

    @strawberry.mutation(description="Delete an import source. What it has brought stays.")
    @reports_errors(DeleteImportSourcePayload)
    async def delete_import_source(
        self, info: Info, input: Annotated[DeleteImportSourceInput, strawberry.argument(description="Which.")]
    ) -> DeleteImportSourcePayload:
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            await sources.delete_source(session, viewer, decode_id("ImportSource", input.id, field=("id",)))
        return DeleteImportSourcePayload(id=input.id)

    @strawberry.mutation(description="Look through an import source now.")
    @reports_errors(RunImportSourcePayload)
    async def run_import_source(
        self, info: Info, input: Annotated[RunImportSourceInput, strawberry.argument(description="Which.")]
    ) -> RunImportSourcePayload:
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            job = await sources.run_source(session, viewer, decode_id("ImportSource", input.id, field=("id",)))
            return RunImportSourcePayload(job=Job.from_row(job))
