"""GraphQL types of uploads."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from cuepoint.adapters.storage.base import SignedPart
from cuepoint.features.projects.types import Project, load_project
from cuepoint.features.uploads import models
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.uploads.loaders import UploadById
from cuepoint.features.uploads.models import UploadProtocol, UploadStatus
from cuepoint.features.uploads.progress import UploadState
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import URL, BigInt, encode_id

describe_enum(
    UploadStatus,
    {
        UploadStatus.WAITING: "No byte has arrived yet.",
        UploadStatus.RECEIVING: "Some bytes are stored; go on at `offsetBytes`.",
        UploadStatus.COMPLETE: "Whole: register it as a video.",
        UploadStatus.ABORTED: "Given up; its bytes are gone.",
        UploadStatus.EXPIRED: "Not finished in time; its bytes are gone.",
    },
    description="State of an upload.",
)

describe_enum(
    UploadProtocol,
    {
        UploadProtocol.TUS: "Over tus 1.0 to `url`: resumable, one piece after the other.",
        UploadProtocol.S3_MULTIPART: "In parts to the object store itself, several at a time: sign them with "
        "`signUploadParts`, PUT each, then `completeUpload`.",
        UploadProtocol.FETCH: "This instance fetches it; see the video's `source`.",
    },
    description="How the bytes of an upload come.",
)

describe_enum(
    OnDuplicate,
    {
        OnDuplicate.LINK: "Answer with the video that there is, and drop the bytes.",
        OnDuplicate.REJECT: "Refuse with DUPLICATE_VIDEO; the video that there is comes along.",
        OnDuplicate.KEEP: "Take the file all the same; the video that there is comes along.",
    },
    description="What to do with a file that the project has as a video already: one with the same hash.",
)


@strawberry.type(description="A file on its way in, over the tus 1.0 protocol beside GraphQL.")
class Upload(Node):
    """An upload as clients see it."""

    key: strawberry.Private[UUID]
    project_key: strawberry.Private[UUID]
    id: strawberry.ID = strawberry.field(description="Global id.")
    filename: str = strawberry.field(description="Name given by the client.")
    protocol: UploadProtocol = strawberry.field(description="How its bytes come.")
    part_size_bytes: BigInt | None = strawberry.field(
        description="Size of each part but the last, for S3_MULTIPART; null for others."
    )
    part_count: int | None = strawberry.field(description="How many parts there are, for S3_MULTIPART.")
    size_bytes: BigInt | None = strawberry.field(
        description="Declared size; null while a tus client that deferred it (`Upload-Defer-Length`) has not told it."
    )
    offset_bytes: BigInt = strawberry.field(description="Bytes that are safely stored: where to go on.")
    status: UploadStatus = strawberry.field(description="State.")
    content_hash: str | None = strawberry.field(
        description="BLAKE3 of the whole file, lower-case hexadecimal, as `b3sum` tells it; null until it is whole."
    )
    sha256: str | None = strawberry.field(
        description="SHA-256 of the file: as it was declared, which is checked at the end; else known only where a job "
        "has read the bytes."
    )
    created_at: datetime = strawberry.field(description="When it was created.")
    expires_at: datetime = strawberry.field(description="Until when it must be whole and registered as a video.")

    @strawberry.field(
        description="tus 1.0 URL, for the protocol TUS. Send bytes with `PATCH`, `Upload-Offset` and your bearer "
        "token; ask with `HEAD`."
    )
    def url(self, info: Info) -> URL:
        """Where the bytes go."""
        return f"{info.context.base_url}/uploads/{self.id}"

    @strawberry.field(description="The project it belongs to.")
    async def project(self, info: Info) -> Project | None:
        return await load_project(info, self.project_key)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Upload | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(UploadById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.Upload) -> Upload:
        """Copy the columns."""
        return cls(
            key=row.id,
            project_key=row.project_id,
            id=encode_id("Upload", row.id),
            filename=row.filename,
            protocol=row.protocol,
            part_size_bytes=None if row.part_bytes is None else BigInt(row.part_bytes),
            part_count=None if row.part_bytes is None else -(-(row.size_bytes or 0) // row.part_bytes),
            size_bytes=None if row.size_bytes is None else BigInt(row.size_bytes),
            offset_bytes=BigInt(row.offset_bytes),
            status=row.status,
            content_hash=row.content_hash,
            sha256=row.declared_sha256,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


@strawberry.type(description="How far an upload is.")
class UploadProgress:
    """A state of an upload."""

    upload: Upload = strawberry.field(description="The upload as it was when it last changed for good.")
    received_bytes: BigInt = strawberry.field(
        description="Bytes that have arrived; those behind `offsetBytes` are not safe yet. Parts that go to the store "
        "itself count when `completeUpload` has seen them."
    )
    is_final: bool = strawberry.field(description="Whether this was the last update.")

    @classmethod
    def from_state(cls, state: UploadState) -> UploadProgress:
        """Copy the state."""
        return cls(
            upload=Upload.from_row(state.upload),
            received_bytes=BigInt(state.received_bytes),
            is_final=state.is_final,
        )


@strawberry.type(description="Where one part of an upload is sent to.")
class UploadPart:
    """A signed part."""

    number: int = strawberry.field(description="Its number, from 1.")
    size_bytes: BigInt = strawberry.field(description="Its exact size.")
    url: URL = strawberry.field(
        description="Send the bytes by PUT, without any header of yours, in `serverInfo`'s signed URL lifetime; again "
        "replaces them."
    )

    @classmethod
    def from_signed(cls, part: SignedPart) -> UploadPart:
        """Copy the part."""
        return cls(number=part.number, size_bytes=BigInt(part.size_bytes), url=part.url)
