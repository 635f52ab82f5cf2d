"""GraphQL roots of imports: by URL, and from playlists."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.features.imports import playlists, service
from cuepoint.features.imports.types import Import
from cuepoint.features.jobs.option_types import JobOptionsInput
from cuepoint.features.jobs.types import Job
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.videos.schema import how_to_start
from cuepoint.features.videos.types import Video
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import URL, MediaTime, decode_id, encode_id


@strawberry.input(description="A file elsewhere that shall be a video.")
class IngestUrlInput(IdempotentInput):
    """Input of ingestUrl."""

    project_id: strawberry.ID = strawberry.field(description="Where it goes; you must be an EDITOR there.")
    url: URL = strawberry.field(
        description="http:// or https:// of a public host, without user name and password; or s3://bucket/key of a "
        "bucket that the operator allows. The page of a video works where the operator has installed `cuepoint[sites]`."
    )
    title: str | None = strawberry.field(default=None, description="Shown name; null = what the source says.")
    start: MediaTime | None = strawberry.field(
        default=None, description="Where the wanted section begins; null = at the beginning."
    )
    end: MediaTime | None = strawberry.field(default=None, description="Where it ends; null = at the end.")
    auto_start: bool = strawberry.field(default=True, description="Whether the pipeline follows by itself.")
    preset_id: strawberry.ID | None = strawberry.field(
        default=None, description="Options of the jobs that are started, before those of the project."
    )
    options: JobOptionsInput | None = strawberry.field(default=None, description="Options that go before all others.")
    on_duplicate: OnDuplicate = strawberry.field(
        default=OnDuplicate.KEEP,
        description="What to do if the project has a video of these very bytes, which is known once they are here. "
        "LINK deletes the new video and names the other one in `Import.duplicateOf`; REJECT fails the job.",
    )


@strawberry.type(description="Result of ingestUrl.")
class IngestUrlPayload(Payload):
    """Payload of ingestUrl."""

    video: Video | None = strawberry.field(default=None, description="The video: UPLOADING until its bytes are here.")
    jobs: list[Job] = strawberry.field(
        default_factory=list, description="The INGEST job, then the pipeline, which waits for it."
    )
    source: Import | None = strawberry.field(default=None, description="What is known of the source.")


@strawberry.input(description="A playlist or channel whose videos shall be imported.")
class IngestPlaylistInput(IdempotentInput):
    """Input of ingestPlaylist."""

    project_id: strawberry.ID = strawberry.field(description="Where they go; you must be an EDITOR there.")
    url: URL = strawberry.field(description="Address of the playlist, http:// or https://.")
    limit: int = strawberry.field(
        default=playlists.DEFAULT_ENTRIES, description="How many of its entries, from the first: 1 to 500."
    )
    auto_start: bool = strawberry.field(default=True, description="Whether the pipelines follow by themselves.")
    preset_id: strawberry.ID | None = strawberry.field(
        default=None, description="Options of the jobs that are started, before those of the project."
    )
    on_duplicate: OnDuplicate = strawberry.field(
        default=OnDuplicate.LINK, description="As for ingestUrl, for each entry."
    )


@strawberry.type(description="Result of ingestPlaylist.")
class IngestPlaylistPayload(Payload):
    """Payload of ingestPlaylist."""

    job: Job | None = strawberry.field(default=None, description="The job that reads the playlist.")
    batch_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The batch of all its jobs, for `batch` and `cancelBatch`; `imports(batchId:)` lists what became "
        "of each entry.",
    )


@strawberry.type
class ImportQuery:
    """Queries of imports."""

    @strawberry.field(description="Imports that you may see, newest first.")
    async def imports(
        self,
        info: Info,
        project_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of this project; null = of all.")
        ] = None,
        batch_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Entries of this playlist or pass; null = all.")
        ] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[Import]:
        """A page of imports."""
        viewer, page = info.context.require_viewer(), page_request(first, after, info)
        project = None if project_id is None else decode_id("Project", project_id)
        batch = None if batch_id is None else decode_id("Batch", batch_id)
        async with info.context.db.read() as session:
            found = await service.list_imports(session, viewer, page, project_id=project, batch_id=batch)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_imports(session, viewer, project_id=project, batch_id=batch)

        return Connection.from_page(found, Import.from_row, count)


@strawberry.type
class ImportMutation:
    @strawberry.mutation(
        description="Fetch a file by its URL. The video is there at once; a job brings its bytes, the pipeline follows."
    )
    @reports_errors(IngestUrlPayload)
    async def ingest_url(
        self, info: Info, input: Annotated[IngestUrlInput, strawberry.argument(description="What to fetch.")]
    ) -> IngestUrlPayload:
        """Import by URL."""
        viewer, context = info.context.require_viewer(), info.context
        project_id = decode_id("Project", input.project_id, field=("projectId",))
        wish = service.wish_of(
            context.adapters.fetcher,
            input.url,
            title=input.title,
            start_ms=input.start,
            end_ms=input.end,
            auto_start=input.auto_start,
            on_duplicate=input.on_duplicate,
            how=how_to_start(input.options, input.preset_id),
        )
        async with context.db.write() as session:
            made = await service.ingest_url(session, viewer, context.settings, project_id, wish)
            return IngestUrlPayload(
                video=Video.from_row(made.expected.video),
                jobs=[Job.from_row(job) for job in made.expected.jobs],
                source=Import.from_row(made.row),
            )

    @strawberry.mutation(
        description="Import the first entries of a playlist, each for itself. The operator must have `cuepoint[sites]`."
    )
    @reports_errors(IngestPlaylistPayload)
    async def ingest_playlist(
        self, info: Info, input: Annotated[IngestPlaylistInput, strawberry.argument(description="Which playlist.")]
    ) -> IngestPlaylistPayload:
        """Import a playlist."""
        viewer, context = info.context.require_viewer(), info.context
        project_id = decode_id("Project", input.project_id, field=("projectId",))
        async with context.db.write() as session:
            job = await playlists.ingest_playlist(
                session,
                viewer,
                context.adapters.fetcher,
                project_id,
                input.url,
                limit=input.limit,
                auto_start=input.auto_start,
                on_duplicate=input.on_duplicate,
                preset_id=how_to_start(None, input.preset_id).preset_id,
            )
            batch_id = None if job.batch_id is None else encode_id("Batch", job.batch_id)
            return IngestPlaylistPayload(job=Job.from_row(job), batch_id=batch_id)
