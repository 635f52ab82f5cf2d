"""GraphQL types of what lies in storage."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from cuepoint.db.keyset import PageRequest
from cuepoint.errors import BadInputError
from cuepoint.features.files import models
from cuepoint.features.files.models import FileArea
from cuepoint.features.projects.types import Project, load_project
from cuepoint.features.storage.loaders import LargestFilesOfProject, ReclaimableOfProject
from cuepoint.features.storage.statistics import (
    Portion,
    Reclaimable,
    StorageTotals,
    largest_files,
    largest_projects,
    reclaimable_of,
)
from cuepoint.features.videos.types import Video, load_video
from cuepoint.graphql.connections import MAX_FIRST
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import BigInt

describe_enum(
    FileArea,
    {
        FileArea.UPLOADS: "Originals.",
        FileArea.PROCESSED: "What processing made: proxies, waveforms and the like.",
        FileArea.THUMBNAILS: "Pictures: posters, storyboards.",
        FileArea.EXPORTS: "Clips and other files to take away.",
        FileArea.AUDIO: "Sound taken from videos.",
        FileArea.MUSIC: "Music and sound effects.",
        FileArea.TEMP: "What lives as long as a job.",
    },
    description="What a stored file is for; each is a directory of its project.",
)

Count = Annotated[int, strawberry.argument(description="How many, 1 to 100.")]
DEFAULT_COUNT = 10


@strawberry.type(description="What is stored of one kind.")
class StorageOfKind:
    """A kind's part."""

    kind: FileArea = strawberry.field(description="What the files are for.")
    file_count: BigInt = strawberry.field(description="Files.")
    size_bytes: BigInt = strawberry.field(description="Their bytes.")


@strawberry.type(description="What is stored since one month.")
class StorageOfMonth:
    """A month's part."""

    month: str = strawberry.field(description="The month in which they came, UTC, as 2026-11.")
    file_count: BigInt = strawberry.field(description="Files that came then and are still there.")
    size_bytes: BigInt = strawberry.field(description="Their bytes.")


@strawberry.type(description="What one project has in storage.")
class StorageOfProject:
    """A project's part."""

    project_key: strawberry.Private[UUID]
    file_count: BigInt = strawberry.field(description="Files.")
    size_bytes: BigInt = strawberry.field(description="Their bytes.")

    @strawberry.field(description="The project; null if it is being deleted.")
    async def project(self, info: Info) -> Project | None:
        return await load_project(info, self.project_key)


@strawberry.type(description="A file in storage.")
class StoredFile:
    """A stored file as clients see it."""

    video_key: strawberry.Private[UUID | None]
    name: str = strawberry.field(description="Its name in storage, made of a title and of the hash of its bytes.")
    kind: FileArea = strawberry.field(description="What it is for.")
    size_bytes: BigInt = strawberry.field(description="Its size.")
    created_at: datetime = strawberry.field(description="When it came.")

    @strawberry.field(description="The video that it is, or was made of; null without one, or if that is deleted.")
    async def video(self, info: Info) -> Video | None:
        return await load_video(info, self.video_key)

    @classmethod
    def from_row(cls, row: models.StoredFile) -> StoredFile:
        """Copy the columns."""
        return cls(
            video_key=row.video_id,
            name=row.key.rpartition("/")[2],
            kind=row.area,
            size_bytes=BigInt(row.size_bytes),
            created_at=row.created_at,
        )


@strawberry.type(description="Bytes that come back by themselves.")
class ReclaimableStorage:
    """What is going to be free."""

    size_bytes: BigInt = strawberry.field(description="All of it.")
    trash_bytes: BigInt = strawberry.field(description="Of deleted videos, when they cannot be restored any more.")
    removal_bytes: BigInt = strawberry.field(description="Of files that are about to be removed.")
    upload_bytes: BigInt = strawberry.field(description="Of uploads that are no video yet, if they never become one.")

    @classmethod
    def from_row(cls, row: Reclaimable) -> ReclaimableStorage:
        """Copy the figures."""
        return cls(
            size_bytes=BigInt(row.trash_bytes + row.removal_bytes + row.upload_bytes),
            trash_bytes=BigInt(row.trash_bytes),
            removal_bytes=BigInt(row.removal_bytes),
            upload_bytes=BigInt(row.upload_bytes),
        )


def _checked(first: int) -> int:
    if not 1 <= first <= MAX_FIRST:
        raise BadInputError(f"`first` must be between 1 and {MAX_FIRST}, not {first}.", field=("first",))
    return first


@strawberry.type(description="What lies in storage, by counters that change with each file.")
class StorageStats:
    """Statistics of a project, or of the instance."""

    project_key: strawberry.Private[UUID | None]
    file_count: BigInt = strawberry.field(description="Files.")
    total_bytes: BigInt = strawberry.field(description="Their bytes, with those of deleted videos in the trash.")
    by_kind: list[StorageOfKind] = strawberry.field(description="The same by what the files are for.")
    by_month: list[StorageOfMonth] = strawberry.field(description="The same by the month in which they came.")

    @strawberry.field(description="The largest files, the first one largest.")
    async def largest(self, info: Info, first: Count = DEFAULT_COUNT) -> list[StoredFile]:
        """The largest files."""
        if self.project_key is not None:
            page = PageRequest(_checked(first))
            found = await info.context.loader(LargestFilesOfProject).load((self.project_key, page))
            return [StoredFile.from_row(row) for row in found.rows]
        async with info.context.db.read() as session:
            return [StoredFile.from_row(row) for row in await largest_files(session, _checked(first))]

    @strawberry.field(description="What is going to be free by itself.")
    async def reclaimable(self, info: Info) -> ReclaimableStorage:
        """What comes back."""
        if self.project_key is not None:
            return ReclaimableStorage.from_row(await info.context.loader(ReclaimableOfProject).load(self.project_key))
        async with info.context.db.read() as session:
            return ReclaimableStorage.from_row((await reclaimable_of(session, None))[None])

    @strawberry.field(description="The projects that hold most; empty for the statistics of one project.")
    async def by_project(self, info: Info, first: Count = DEFAULT_COUNT) -> list[StorageOfProject]:
        """The largest projects."""
        if self.project_key is not None:
            return []
        async with info.context.db.read() as session:
            found = await largest_projects(session, _checked(first))
        return [StorageOfProject(project_key=key, **_figures(part)) for key, part in found]

    @classmethod
    def from_row(cls, row: StorageTotals) -> StorageStats:
        """Copy the totals."""
        return cls(
            project_key=row.project_id,
            file_count=BigInt(row.total.files),
            total_bytes=BigInt(row.total.size_bytes),
            by_kind=[
                StorageOfKind(kind=area, **_figures(row.by_area[area])) for area in FileArea if area in row.by_area
            ],
            by_month=[
                StorageOfMonth(month=f"{month:%Y-%m}", **_figures(row.by_month[month]))
                for month in sorted(row.by_month)
            ],
        )


def _figures(part: Portion) -> dict[str, BigInt]:
    return {"file_count": BigInt(part.files), "size_bytes": BigInt(part.size_bytes)}
