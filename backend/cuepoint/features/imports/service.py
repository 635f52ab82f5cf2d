"""Use cases of imports: a wish becomes a video without bytes and the jobs that bring and work on them, at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.fetch.base import Fetcher
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError, CuepointError, NotFoundError
from cuepoint.features.imports.models import Import, ImportCaption, ImportKind
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads import fetching
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.videos.intake import Expected, expect_video
from cuepoint.features.videos.service import AS_SAID, StartOptions
from cuepoint.viewer import Viewer

MAX_TITLE = 300
MAX_NAME = 255


@dataclass(frozen=True)
class Wish:
    """What shall be fetched. `start_ms` and `end_ms` bound the section that is wanted; `name` is the file's, as far
    as it is known before."""

    address: str
    shown: str
    kind: ImportKind
    name: str
    title: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    auto_start: bool = True
    on_duplicate: OnDuplicate = OnDuplicate.KEEP
    how: StartOptions = AS_SAID
    import_id: UUID | None = None


@dataclass(frozen=True)
class Imported:
    """An import, and the video and jobs that it became."""

    row: Import
    expected: Expected


def wish_of(
    fetcher: Fetcher,
    url: str,
    *,
    title: str | None = None,
    start_ms: int | None = None,
    end_ms: int | None = None,
    auto_start: bool = True,
    on_duplicate: OnDuplicate = OnDuplicate.KEEP,
    how: StartOptions = AS_SAID,
) -> Wish:
    """The wish for a URL of a client. Raises URL_FORBIDDEN as far as the text tells, and BadInputError."""
    address = url.strip()
    shown = fetcher.check(address)
    named = None if title is None else " ".join(title.split())
    if named is not None and (not 1 <= len(named) <= MAX_TITLE or "\x00" in named):
        raise BadInputError(f"The title must have 1 to {MAX_TITLE} characters.", field=("title",))
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        raise BadInputError("The section must end after it begins.", field=("end",))
    return Wish(
        address=address,
        shown=shown,
        kind=ImportKind.S3 if address.startswith("s3://") else ImportKind.HTTP,
        name=_name_of(shown),
        title=named,
        start_ms=start_ms or None,
        end_ms=end_ms,
        auto_start=auto_start,
        on_duplicate=on_duplicate,
        how=how,
    )


def _name_of(shown: str) -> str:
    path, _, host = shown.removesuffix("?…").partition("://")[2].partition("/")[::-1]
    last = path.rstrip("/").rsplit("/", 1)[-1]
    plain = "".join(character for character in (last or host) if character.isprintable())
    return plain[:MAX_NAME] or "video"


async def ingest_url(
    session: AsyncSession, viewer: Viewer, settings: Settings, project_id: UUID, wish: Wish
) -> Imported:
    """A video that waits for its bytes, the job that fetches them, and the pipeline behind it."""
    await access.require(session, viewer, project_id, ProjectRole.EDITOR)
    return await create_import(session, settings, project_id, viewer.user_id, wish)


async def create_import(
    session: AsyncSession, settings: Settings, project_id: UUID, created_by_id: UUID | None, wish: Wish
) -> Imported:
    """The same for whoever has checked the rights."""
    upload = await fetching.open_upload(
        session, settings, project_id=project_id, created_by_id=created_by_id, filename=wish.name
    )
    row = _row(project_id, created_by_id, wish)
    expected = await expect_video(
        session,
        upload,
        title=wish.title or wish.name,
        args={"import_id": str(row.id)},
        auto_start=wish.auto_start,
        how=wish.how,
    )
    row.video_id, row.job_id = expected.video.id, expected.jobs[0].id
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return Imported(row, expected)


async def note_refusal(
    session: AsyncSession, project_id: UUID, created_by_id: UUID | None, wish: Wish, error: CuepointError
) -> Import:
    """An entry that was refused before there was a job, for the list of a batch."""
    row = _row(project_id, created_by_id, wish)
    row.error_code, row.error_message = error.code.value, error.message
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return row


def _row(project_id: UUID, created_by_id: UUID | None, wish: Wish) -> Import:
    return Import(
        id=wish.import_id or uuid7(),
        project_id=project_id,
        created_by_id=created_by_id,
        batch_id=wish.how.batch_id,
        kind=wish.kind,
        address=wish.address,
        shown_url=wish.shown,
        start_ms=wish.start_ms,
        end_ms=wish.end_ms,
        on_duplicate=wish.on_duplicate,
    )


def _visible(viewer: Viewer, project_id: UUID | None, batch_id: UUID | None) -> Select[Import]:
    statement = select(Import).where(Import.project_id.in_(access.visible_projects(viewer)))
    if project_id is not None:
        statement = statement.where(Import.project_id == project_id)
    return statement if batch_id is None else statement.where(Import.batch_id == batch_id)


async def list_imports(
    session: AsyncSession, viewer: Viewer, page: PageRequest, *, project_id: UUID | None, batch_id: UUID | None
) -> Page[Import]:
    """Imports that the viewer may see, newest first."""
    keys = [(Import.created_at, datetime), (Import.id, UUID)]
    return await fetch_page(session, _visible(viewer, project_id, batch_id), keys, page, descending=True)


async def count_imports(
    session: AsyncSession, viewer: Viewer, *, project_id: UUID | None, batch_id: UUID | None
) -> int:
    """How many imports that list holds."""
    statement = _visible(viewer, project_id, batch_id)
    return await session.scalar(select(func.count()).select_from(statement.subquery())) or 0


async def import_row(session: AsyncSession, import_id: UUID) -> Import:
    """The row for background work. Raises NotFoundError when its video was deleted meanwhile."""
    row = await session.get(Import, import_id, populate_existing=True)
    if row is None or row.video_id is None:
        raise NotFoundError("import")
    return row


async def record_source(session: AsyncSession, row: Import, captions: Sequence[ImportCaption]) -> None:
    """What the source tells of its file is kept; captions replace those of an earlier attempt."""
    stored = await session.get_one(Import, row.id)
    stored.title, stored.uploader, stored.chapters = row.title, row.uploader, row.chapters
    stored.language = row.language
    stored.kind, stored.extractor, stored.extractor_version = row.kind, row.extractor, row.extractor_version
    await session.execute(delete(ImportCaption).where(ImportCaption.import_id == row.id))
    session.add_all(captions)
    await session.flush()


async def record_fetched(session: AsyncSession, row: Import, duplicate_of_id: UUID | None) -> None:
    """The bytes are here, or were here before; what could be a secret of the address is forgotten."""
    stored = await session.get_one(Import, row.id)
    stored.fetched_at = datetime.now(UTC)
    stored.address = row.shown_url
    stored.validator = None
    if duplicate_of_id is not None:  # its own video is on its way out, and would take this row along
        stored.video_id, stored.duplicate_of_id = None, duplicate_of_id
    await session.flush()
