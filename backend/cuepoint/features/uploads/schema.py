"""GraphQL roots of uploads. The bytes themselves go over tus (api/uploads.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from cuepoint.errors import BadInputError
from cuepoint.features.uploads import parts, service
from cuepoint.features.uploads.duplicates import OnDuplicate, duplicate_refused
from cuepoint.features.uploads.edges import VIDEO_OF_CONTENT
from cuepoint.features.uploads.models import UploadProtocol
from cuepoint.features.uploads.types import Upload
from cuepoint.graphql.back_edges import converter
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, UserError, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import BigInt, decode_id

if TYPE_CHECKING:
    from cuepoint.features.videos.types import Video


@strawberry.input(description="A file that is about to be sent.")
class CreateUploadInput(IdempotentInput):
    """Input of createUpload."""

    project_id: strawberry.ID = strawberry.field(description="Where it goes; you must be an EDITOR there.")
    filename: str = strawberry.field(description="Name of the file, 1 to 255 characters; only shown.")
    size_bytes: BigInt = strawberry.field(description="Its size, 1 or more.")
    sha256: str | None = strawberry.field(
        default=None,
        description="SHA-256 of the file, lower-case hexadecimal: checked at the end, and an upload of yours with "
        "the same hash in the project that has not become a video is continued instead of begun anew. It finds what "
        "the project has before a byte is sent, as far as the SHA-256 of that is known: see `Video.sha256`.",
    )
    content_type: str | None = strawberry.field(
        default=None,
        description="Its MIME type as far as you know it, such as a browser's `File.type`; null or empty = unknown. "
        "What is surely no media (text/plain, application/pdf) is refused before a byte is sent: UNSUPPORTED_MEDIA. "
        "Else it changes nothing, even if it is wrong: what a file is, is found in its bytes, and told by "
        "`Video.contentType`.",
    )
    protocol: UploadProtocol = strawberry.field(
        default=UploadProtocol.TUS,
        description="TUS, or S3_MULTIPART where the instance's storage is an object store that clients reach.",
    )
    on_duplicate: OnDuplicate = strawberry.field(
        default=OnDuplicate.KEEP,
        description="What to do if the project has a video with this `sha256` already, before a byte is sent. One "
        "whose `sha256` is null is found only when the bytes are here, by `onDuplicate` of `registerVideo`.",
    )


@strawberry.type(description="Result of createUpload.")
class CreateUploadPayload(Payload):
    """Payload of createUpload."""

    upload: Upload | None = strawberry.field(
        default=None,
        description="The upload; send the bytes to its `url`. Null where LINK found the video: nothing is to be sent.",
    )
    duplicate_of: Annotated[Video, strawberry.lazy("cuepoint.features.videos.types")] | None = strawberry.field(
        default=None, description="The video that the project has of this very file, as far as `sha256` tells."
    )


@strawberry.type
class UploadQuery:
    """Queries of uploads."""

    @strawberry.field(description="An upload of a project that you may see; null otherwise.")
    async def upload(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The upload.")]
    ) -> Upload | None:
        """One upload."""

        async def find() -> Upload:
            viewer = info.context.require_viewer()
            async with info.context.db.read() as session:
                return Upload.from_row(await service.get_upload(session, viewer, decode_id("Upload", id)))

        return await found_or_none(find())


@strawberry.type
class UploadMutation:
    @strawberry.mutation(description="Announce a file. Then send its bytes to `upload.url`, and register the video.")
    @reports_errors(CreateUploadPayload)
    async def create_upload(
        self, info: Info, input: Annotated[CreateUploadInput, strawberry.argument(description="The file.")]
    ) -> CreateUploadPayload:
        viewer, settings = info.context.require_viewer(), info.context.settings
        project_id = decode_id("Project", input.project_id, field=("projectId",))
        duplicate = None
        if input.sha256 is not None:
            async with info.context.db.read() as session:
                await service.check_new_upload(
                    session,
                    viewer,
                    settings,
                    project_id=project_id,
                    filename=input.filename,
                    size_bytes=input.size_bytes,
                    sha256=input.sha256,
                    content_type=input.content_type,
                )
            row = await info.context.back_edge(VIDEO_OF_CONTENT).load((project_id, input.sha256))
            duplicate = converter(info, "Video")(row)
        if duplicate is not None and input.on_duplicate is OnDuplicate.LINK:
            return CreateUploadPayload(duplicate_of=duplicate)
        if duplicate is not None and input.on_duplicate is OnDuplicate.REJECT:
            return CreateUploadPayload(errors=[UserError.from_error(duplicate_refused())], duplicate_of=duplicate)
        part_bytes = _part_bytes(info, input)
        async with info.context.db.write() as session:
            upload = await service.create_upload(
                session,
                viewer,
                settings,
                project_id=project_id,
                filename=input.filename,
                size_bytes=input.size_bytes,
                sha256=input.sha256,
                content_type=input.content_type,
                part_bytes=part_bytes,
            )
            return CreateUploadPayload(upload=Upload.from_row(upload), duplicate_of=duplicate)


def _part_bytes(info: Info, input: CreateUploadInput) -> int | None:
    if input.protocol is UploadProtocol.FETCH:
        raise BadInputError("FETCH is for `ingestUrl`; send by TUS or S3_MULTIPART.", field=("protocol",))
    if input.protocol is UploadProtocol.TUS:
        return None
    return parts.part_bytes_for(info.context.adapters.storage, max(1, input.size_bytes))
