"""Use cases of presets and settings: keep them, and find out what holds for a call.

A preset belongs to a project, whose editors keep it, or to the instance, whose administrators do: such a one can be
named in every project.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.jobs.effective import NO_OPTIONS, Effective, JobOptions, OptionSource, resolve
from cuepoint.features.presets.models import Preset
from cuepoint.features.projects import access
from cuepoint.features.projects import service as projects
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.projects.service import Changed
from cuepoint.features.users.inputs import clean_name
from cuepoint.features.users.rights import require_account
from cuepoint.viewer import Viewer

MAX_NAME = 100  # characters; so that a cursor of a list by name stays short


async def effective_options(
    session: AsyncSession,
    project_id: UUID,
    call: JobOptions = NO_OPTIONS,
    preset_id: UUID | None = None,
    *,
    field: tuple[str, ...] = ("options",),
) -> Effective:
    """What holds for a call in this project; the caller has checked that the viewer may start jobs in it.

    Raises NotFoundError for a preset of another project (the instance's are everybody's), BadInputError for options
    that do not fit together; `field` is where the call's options stand.
    """
    call.check(field)
    is_here = (Preset.project_id == Project.id) | Preset.project_id.is_(None)
    is_named = is_here & (Preset.id == preset_id)
    statement = select(Project.settings, Preset.id, Preset.options).outerjoin(Preset, is_named)
    row = (await session.execute(statement.where(Project.id == project_id))).one_or_none()
    if row is None:
        raise NotFoundError("project")
    settings, found, options = row
    if preset_id is not None and found is None:
        raise NotFoundError("preset", field=("presetId",))
    return resolve(
        [
            (OptionSource.PROJECT, JobOptions.from_json(settings)),
            (OptionSource.PRESET, JobOptions.from_json(options or {})),
            (OptionSource.CALL, call),
        ]
    )


async def update_settings(
    session: AsyncSession, viewer: Viewer, project_id: UUID, *, version: int, options: JobOptions
) -> Changed:
    """The project's settings are these, all of them, if its version is the one that is named. Owners only."""
    options.check(("options",))
    return await projects.update_project(session, viewer, project_id, version=version, settings=options.to_json())


def _taken() -> CuepointError:
    return CuepointError(ErrorCode.NAME_TAKEN, "There is a preset of this name already.", field=("name",))


async def create_preset(
    session: AsyncSession, viewer: Viewer, *, project_id: UUID | None, name: str, options: JobOptions
) -> Preset:
    """A new preset of the project, for editors; of the instance where none is named, for administrators.

    Raises NAME_TAKEN.
    """
    if project_id is None:
        access.require_admin(viewer)
    else:
        await access.require(session, viewer, project_id, ProjectRole.EDITOR)
    options.check(("options",))
    statement = (
        insert(Preset)
        .values(id=uuid7(), project_id=project_id, name=clean_name(name, most=MAX_NAME), options=options.to_json())
        .on_conflict_do_nothing()
        .returning(Preset)
    )
    created: Preset | None = (await session.execute(statement)).scalar_one_or_none()
    if created is None:
        raise _taken()
    await _note(session, viewer, AuditAction.CREATED, created, after=_told(created))
    return created


def _told(preset: Preset) -> dict[str, Any]:
    """What the log may know of a preset."""
    return {"name": preset.name, "options": preset.options}


async def _note(
    session: AsyncSession,
    viewer: Viewer,
    action: AuditAction,
    preset: Preset,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    node = (action, "Preset", preset.id)
    await audit.record(session, viewer, *node, project_id=preset.project_id, before=before, after=after)


@dataclass(frozen=True)
class ChangedPreset:
    """A preset as it is now. `is_conflict`: somebody else was quicker, and nothing was changed."""

    preset: Preset
    is_conflict: bool


async def update_preset(
    session: AsyncSession,
    viewer: Viewer,
    preset_id: UUID,
    *,
    version: int,
    name: str | None = None,
    options: JobOptions | None = None,
) -> ChangedPreset:
    """The preset has these values, if its version is the one that is named; the next one where something changes.
    Editors. Raises NAME_TAKEN."""
    preset = await get_preset(session, viewer, preset_id, ProjectRole.EDITOR)
    before = _told(preset)
    values: dict[str, Any] = {}
    if name is not None:
        values["name"] = clean_name(name, most=MAX_NAME)
    if options is not None:
        options.check(("options",))
        values["options"] = options.to_json()
    if preset.version != version:
        return ChangedPreset(preset, is_conflict=True)
    if before | values != before:
        preset.version += 1
        for key, value in values.items():
            setattr(preset, key, value)
        try:
            await session.flush()
        except IntegrityError:
            raise _taken() from None
        await _note(session, viewer, AuditAction.UPDATED, preset, before=before, after=_told(preset))
    return ChangedPreset(preset, is_conflict=False)


async def delete_preset(session: AsyncSession, viewer: Viewer, preset_id: UUID) -> None:
    """The preset is gone; jobs that were started by it keep what it said. Editors."""
    preset = await get_preset(session, viewer, preset_id, ProjectRole.EDITOR)
    await session.execute(delete(Preset).where(Preset.id == preset_id))
    await _note(session, viewer, AuditAction.DELETED, preset, before=_told(preset))


async def get_preset(
    session: AsyncSession, viewer: Viewer, preset_id: UUID, role: ProjectRole = ProjectRole.VIEWER
) -> Preset:
    """The preset, if the viewer has that role in its project; one of the instance everybody with an account may see,
    and administrators change."""
    preset = await session.get(Preset, preset_id, with_for_update=None if role is ProjectRole.VIEWER else True)
    is_shared = preset is not None and preset.project_id is None and viewer.share is None
    if not is_shared:
        await access.require(session, viewer, None if preset is None else preset.project_id, role, noun="preset")
    elif role is not ProjectRole.VIEWER:
        access.require_admin(viewer)
    assert preset is not None  # without a project nobody passes
    return preset


async def presets_by_id(session: AsyncSession, viewer: Viewer, preset_ids: Sequence[UUID]) -> Mapping[UUID, Preset]:
    """Those of the presets that the viewer may see."""
    visible = _visible(viewer)
    return {row.id: row for row in await session.scalars(select(Preset).where(Preset.id.in_(preset_ids), visible))}


def _visible(viewer: Viewer) -> ColumnElement[bool]:
    theirs = Preset.project_id.in_(access.visible_projects(viewer))
    return theirs if viewer.share is not None else theirs | Preset.project_id.is_(None)


async def list_presets(
    session: AsyncSession, viewer: Viewer, project_id: UUID | None, page: PageRequest
) -> Page[Preset]:
    """The project's presets by name, or the instance's where none is named."""
    if project_id is None:
        require_account(viewer)
    else:
        await access.require(session, viewer, project_id, ProjectRole.VIEWER)
    statement = select(Preset).where(Preset.project_id.is_not_distinct_from(project_id))
    return await fetch_page(session, statement, [(Preset.name, str)], page)


async def count_presets(session: AsyncSession, project_id: UUID | None) -> int:
    """How many presets that list holds; for callers that may see it."""
    mine = Preset.project_id.is_not_distinct_from(project_id)
    statement = select(func.count()).select_from(Preset).where(mine)
    return (await session.execute(statement)).scalar_one()
