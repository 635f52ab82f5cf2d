"""Use cases of import sources: folders and prefixes of buckets whose new files become videos."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from uuid import UUID

from croniter import CroniterError, croniter  # type: ignore[import-untyped]
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.fetch.base import Fetcher
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.imports.models import ImportSource, SourceKind
from cuepoint.features.imports.patterns import compile_pattern
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import Job, JobKind, Schedule
from cuepoint.features.presets.service import effective_options
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.viewer import Viewer

MAX_PATH = 1024
_RANDOM = re.compile(r"\br\b", re.IGNORECASE)  # what croniter takes for a field is another time at each look


@dataclass(frozen=True)
class NewSource:
    """What a source shall be. `path` is absolute for a FOLDER, `bucket/prefix` for S3."""

    project_id: UUID
    kind: SourceKind
    path: str
    pattern: str
    schedule: str
    is_enabled: bool
    on_duplicate: OnDuplicate
    preset_id: UUID | None = None


async def create_source(session: AsyncSession, viewer: Viewer, fetcher: Fetcher, wanted: NewSource) -> ImportSource:
    """The source exists, and its schedule makes a pass at each slot."""
    await access.require(session, viewer, wanted.project_id, ProjectRole.EDITOR)
    compile_pattern(wanted.pattern)
    if wanted.preset_id is not None:
        await effective_options(session, wanted.project_id, preset_id=wanted.preset_id)
    source = ImportSource(
        id=uuid7(),
        project_id=wanted.project_id,
        created_by_id=viewer.user_id,
        kind=wanted.kind,
        address=_address(fetcher, wanted.kind, wanted.path),
        pattern=wanted.pattern,
        cron=check_cron(wanted.schedule),
        is_enabled=wanted.is_enabled,
        on_duplicate=wanted.on_duplicate,
        preset_id=wanted.preset_id,
    )
    session.add(source)
    await session.flush()
    await session.refresh(source)
    session.add(
        Schedule(
            name=schedule_name(source.id),
            cron=source.cron,
            kind=JobKind.IMPORT_PASS,
            args={"source_id": str(source.id)},
            next_at=_next_slot(source.cron),
            is_enabled=source.is_enabled,
            project_id=source.project_id,
        )
    )
    await session.flush()
    await _note(session, viewer, AuditAction.CREATED, source, after=_told(source))
    return source


def _told(source: ImportSource) -> dict[str, object]:
    """What the log may know of a source."""
    return {
        "path": shown_path(source),
        "pattern": source.pattern,
        "schedule": source.cron,
        "isEnabled": source.is_enabled,
    }


async def _note(
    session: AsyncSession,
    viewer: Viewer,
    action: AuditAction,
    source: ImportSource,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    node = ("ImportSource", source.id)
    await audit.record(session, viewer, action, *node, project_id=source.project_id, before=before, after=after)


def schedule_name(source_id: UUID) -> str:
    """The name of a source's schedule."""
    return f"import-source:{source_id}"


def _address(fetcher: Fetcher, kind: SourceKind, path: str) -> str:
    if not 1 <= len(path) <= MAX_PATH or "\x00" in path:
        raise BadInputError(f"The path must have 1 to {MAX_PATH} characters.", field=("path",))
    return fetcher.place(path if kind is SourceKind.FOLDER else f"s3://{path.removeprefix('s3://')}")


def check_cron(schedule: str) -> str:
    """The cron expression, with single blanks. Raises BadInputError, also for one that never comes (0 0 31 4 *)."""
    cron = " ".join(schedule.split())
    try:
        is_one = len(cron.split()) == 5 and not _RANDOM.search(cron) and bool(_next_slot(cron))
    except CroniterError:
        is_one = False
    if not is_one:
        raise BadInputError(
            "The schedule must be a cron expression of five fields in UTC, such as `*/5 * * * *`.", field=("schedule",)
        )
    return cron


def _next_slot(cron: str) -> datetime:
    slot: datetime = croniter(cron, datetime.now(UTC)).get_next(datetime)
    return slot


async def get_source(
    session: AsyncSession, viewer: Viewer, source_id: UUID, role: ProjectRole = ProjectRole.VIEWER
) -> ImportSource:
    """The source, if the viewer has that role in its project."""
    source = await session.get(ImportSource, source_id)
    project_id = None if source is None else source.project_id
    await access.require(session, viewer, project_id, role, noun="importsource")
    assert source is not None  # without a project nobody passes
    return source


async def update_source(
    session: AsyncSession,
    viewer: Viewer,
    source_id: UUID,
    *,
    pattern: str | None,
    schedule: str | None,
    is_enabled: bool | None,
) -> ImportSource:
    """What is named has changed; from now on the one who changed it is the one in whose name files are taken."""
    source = await get_source(session, viewer, source_id, ProjectRole.EDITOR)
    before = _told(source)
    if pattern is not None:
        compile_pattern(pattern)
        source.pattern = pattern
    if schedule is not None:
        source.cron = check_cron(schedule)
    if is_enabled is not None:
        source.is_enabled = is_enabled
    source.created_by_id = viewer.user_id
    await session.flush()
    await session.execute(
        update(Schedule)
        .where(Schedule.name == schedule_name(source_id))
        .values(cron=source.cron, next_at=_next_slot(source.cron), is_enabled=source.is_enabled)
    )
    await _note(session, viewer, AuditAction.UPDATED, source, before=before, after=_told(source))
    return source


async def delete_source(session: AsyncSession, viewer: Viewer, source_id: UUID) -> None:
    """The source and its schedule are gone; its videos stay, and so do the files that they came from."""
    source = await get_source(session, viewer, source_id, ProjectRole.EDITOR)
    await session.execute(delete(Schedule).where(Schedule.name == schedule_name(source_id)))
    await session.delete(source)
    await session.flush()
    await _note(session, viewer, AuditAction.DELETED, source, before=_told(source))


async def run_source(session: AsyncSession, viewer: Viewer, source_id: UUID) -> Job:
    """A pass now; one that is under way is joined."""
    source = await get_source(session, viewer, source_id, ProjectRole.EDITOR)
    await _note(session, viewer, AuditAction.STARTED, source)
    return await jobs.enqueue(
        session,
        JobKind.IMPORT_PASS,
        project_id=source.project_id,
        created_by_id=viewer.user_id,
        args={"source_id": str(source_id)},
        dedupe_key=f"schedule:{schedule_name(source_id)}",
    )


def _visible(viewer: Viewer, project_id: UUID | None) -> Select[ImportSource]:
    statement = select(ImportSource).where(ImportSource.project_id.in_(access.visible_projects(viewer)))
    return statement if project_id is None else statement.where(ImportSource.project_id == project_id)


async def list_sources(
    session: AsyncSession, viewer: Viewer, page: PageRequest, project_id: UUID | None
) -> Page[ImportSource]:
    """Sources that the viewer may see, oldest first."""
    keys = [(ImportSource.created_at, datetime), (ImportSource.id, UUID)]
    return await fetch_page(session, _visible(viewer, project_id), keys, page)


async def count_sources(session: AsyncSession, viewer: Viewer, project_id: UUID | None) -> int:
    """How many sources that list holds."""
    return await session.scalar(select(func.count()).select_from(_visible(viewer, project_id).subquery())) or 0


def shown_path(source: ImportSource) -> str:
    """The path as it was given."""
    if source.kind is SourceKind.S3:
        return source.address.removeprefix("s3://")
    return str(PurePosixPath(source.address.removeprefix("file://")))
