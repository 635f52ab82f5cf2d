"""GraphQL types of imports and of the places that are looked through."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from cuepoint.errors import ErrorCode
from cuepoint.features.imports import models, sources
from cuepoint.features.imports.loaders import (
    CaptionsOfImport,
    CaptionText,
    FileCountOfSource,
    FilesOfSource,
    ImportById,
    ImportSourceById,
)
from cuepoint.features.imports.models import ImportKind, SourceFileStatus, SourceKind
from cuepoint.features.jobs.loaders import JobById
from cuepoint.features.jobs.types import Job
from cuepoint.features.projects.types import Project, load_project
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.videos.types import Video, load_video
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.errors import UserError
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import BigInt, encode_id, seconds_or_none

describe_enum(
    ImportKind,
    {
        ImportKind.HTTP: "A URL; what it leads to is found out when it is fetched.",
        ImportKind.S3: "An object of a bucket that the operator has named.",
        ImportKind.FOLDER: "A file of a folder that the operator has named.",
        ImportKind.SITE: "A page or playlist that was read by a site's extractor.",
    },
    description="How the bytes of an import are got.",
)
describe_enum(
    SourceKind,
    {
        SourceKind.FOLDER: "A folder on the workers' machine, below one of CUEPOINT_IMPORT_ROOTS.",
        SourceKind.S3: "A prefix of one of CUEPOINT_IMPORT_BUCKETS.",
    },
    description="What kind of place an import source is.",
)
describe_enum(
    SourceFileStatus,
    {
        SourceFileStatus.WAITING: "Seen; it is taken if the next pass finds it unchanged.",
        SourceFileStatus.TAKEN: "It is a video, or was one. It is taken again only when it changes.",
        SourceFileStatus.REFUSED: "It was not taken; `error` says why. It is tried again only when it changes.",
    },
    description="What the passes of an import source made of a file.",
)


@strawberry.type(description="A chapter as the source names it.")
class ImportedChapter:
    title: str = strawberry.field(description="Its title.")
    start_seconds: float | None = strawberry.field(description="Where it begins.")
    end_seconds: float | None = strawberry.field(description="Where it ends; null where the source does not say.")


@strawberry.type(description="Subtitles that came along with a video.")
class ImportedCaption:
    """Captions of a site."""

    key: strawberry.Private[tuple[UUID, int]]
    language: str = strawberry.field(description="Language tag by the site.")
    extension: str = strawberry.field(description="Format as a file suffix: vtt, srt, ttml.")

    @strawberry.field(description="The whole file.")
    async def text(self, info: Info) -> str:
        return await info.context.loader(CaptionText).load(self.key)


@strawberry.type(description="A file that this instance fetched, or is to fetch, and what its source tells of it.")
class Import(Node):
    """An import as clients see it."""

    key: strawberry.Private[UUID]
    row: strawberry.Private[models.Import]
    id: strawberry.ID = strawberry.field(description="Global id.")
    kind: ImportKind = strawberry.field(description="How its bytes are got.")
    url: str = strawberry.field(
        description="Where from, for people to read: without what could be a secret, so that it need not open anything."
    )
    start_seconds: float | None = strawberry.field(description="Where the wanted section begins; null = the beginning.")
    end_seconds: float | None = strawberry.field(description="Where the wanted section ends; null = the end.")
    title: str | None = strawberry.field(description="What the source calls it; null until fetched, or when unknown.")
    uploader: str | None = strawberry.field(description="Who published it there; null when unknown.")
    language: str | None = strawberry.field(description="What is spoken, as a tag by the source; null when unknown.")
    extractor: str | None = strawberry.field(description="The site's extractor; null for plain files.")
    extractor_version: str | None = strawberry.field(description="Version of the extractor's library.")
    chapters: list[ImportedChapter] = strawberry.field(description="Chapters by the source, at most 500.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    fetched_at: datetime | None = strawberry.field(description="When its bytes were whole; null until then.")

    @strawberry.field(description="The video; null where it was refused, or LINK found `duplicateOf`.")
    async def video(self, info: Info) -> Video | None:
        return await load_video(info, self.row.video_id)

    @strawberry.field(description="The video that the project had of the same bytes, where LINK was asked for.")
    async def duplicate_of(self, info: Info) -> Video | None:
        """The video that there was."""
        return await load_video(info, self.row.duplicate_of_id)

    @strawberry.field(description="The job that fetches it; its status, progress and error are the import's.")
    async def job(self, info: Info) -> Job | None:
        if self.row.job_id is None:
            return None
        row = await info.context.loader(JobById).load(self.row.job_id)
        return None if row is None else Job.from_row(row)

    @strawberry.field(description="Why it was refused before there was a job: an entry of a playlist, say.")
    def error(self) -> UserError | None:
        """The refusal."""
        return _error(self.row.error_code, self.row.error_message)

    @strawberry.field(
        description="Subtitles that the source has, at most 8, made by people. Those in the language that is spoken "
        "are the first transcript of the video (`Transcript.source`)."
    )
    async def captions(self, info: Info) -> list[ImportedCaption]:
        rows = await info.context.loader(CaptionsOfImport).load(self.key)
        return [
            ImportedCaption(
                key=(row.import_id, row.position),
                language=row.language,
                extension=row.extension,
            )
            for row in rows
        ]

    @strawberry.field(description="The project it belongs to.")
    async def project(self, info: Info) -> Project | None:
        return await load_project(info, self.row.project_id)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Import | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(ImportById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.Import) -> Import:
        """Copy the columns."""
        return cls(
            key=row.id,
            row=row,
            id=encode_id("Import", row.id),
            kind=row.kind,
            url=row.shown_url,
            start_seconds=seconds_or_none(row.start_ms),
            end_seconds=seconds_or_none(row.end_ms),
            title=row.title,
            uploader=row.uploader,
            language=row.language,
            extractor=row.extractor,
            extractor_version=row.extractor_version,
            chapters=[
                ImportedChapter(
                    title=str(chapter["title"]),
                    start_seconds=seconds_or_none(chapter["start_ms"]),
                    end_seconds=seconds_or_none(chapter["end_ms"]),
                )
                for chapter in row.chapters
            ],
            created_at=row.created_at,
            fetched_at=row.fetched_at,
        )


def _error(code: str | None, message: str | None) -> UserError | None:
    if code is None:
        return None
    return UserError(code=ErrorCode(code), field=[], message=message or "", retryable=False)


@strawberry.type(description="A file that the passes of an import source have seen.")
class ImportSourceFile:
    """A file as clients see it."""

    row: strawberry.Private[models.ImportSourceFile]
    name: str = strawberry.field(description="Its path below the source.")
    size_bytes: BigInt = strawberry.field(description="Its size at the last pass that saw it change.")
    status: SourceFileStatus = strawberry.field(description="What became of it.")
    seen_at: datetime = strawberry.field(description="The pass that saw it in this state first.")

    @strawberry.field(description="The video it became; null otherwise, or when that is gone.")
    async def video(self, info: Info) -> Video | None:
        return await load_video(info, self.row.video_id)

    @strawberry.field(description="Why it was refused; null otherwise.")
    def error(self) -> UserError | None:
        """The refusal."""
        return _error(self.row.error_code, self.row.error_message)

    @classmethod
    def from_row(cls, row: models.ImportSourceFile) -> ImportSourceFile:
        """Copy the columns."""
        return cls(row=row, name=row.name, size_bytes=BigInt(row.size_bytes), status=row.status, seen_at=row.seen_at)


@strawberry.type(description="A folder or a prefix of a bucket whose new files become videos by themselves.")
class ImportSource(Node):
    """An import source as clients see it."""

    key: strawberry.Private[UUID]
    row: strawberry.Private[models.ImportSource]
    id: strawberry.ID = strawberry.field(description="Global id.")
    kind: SourceKind = strawberry.field(description="What kind of place it is.")
    path: str = strawberry.field(description="The folder, or `bucket/prefix`.")
    pattern: str = strawberry.field(description="Which files are taken: `*` within a folder, `**` across folders.")
    schedule: str = strawberry.field(description="When it is looked through: a cron expression of five fields, UTC.")
    is_enabled: bool = strawberry.field(description="False: only `runImportSource` looks through it.")
    on_duplicate: OnDuplicate = strawberry.field(description="What to do with a file that the project has already.")
    passed_at: datetime | None = strawberry.field(description="When it was last looked through to the end.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @strawberry.field(description="The files that its passes have seen, by name, with what became of each.")
    def files(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[ImportSourceFile]:
        """A page of files."""
        pages, counts = info.context.loader(FilesOfSource), info.context.loader(FileCountOfSource)
        key = (self.key, page_request(first, after))
        return Connection.from_loader(pages, key, ImportSourceFile.from_row, lambda: counts.get(self.key))

    @strawberry.field(description="The project that its files go to.")
    async def project(self, info: Info) -> Project | None:
        return await load_project(info, self.row.project_id)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> ImportSource | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(ImportSourceById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.ImportSource) -> ImportSource:
        """Copy the columns."""
        return cls(
            key=row.id,
            row=row,
            id=encode_id("ImportSource", row.id),
            kind=row.kind,
            path=sources.shown_path(row),
            pattern=row.pattern,
            schedule=row.cron,
            is_enabled=row.is_enabled,
            on_duplicate=row.on_duplicate,
            passed_at=row.passed_at,
            created_at=row.created_at,
        )
