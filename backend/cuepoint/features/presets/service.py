"""Use cases of presets and settings: keep them, and find out what holds for a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs.effective import NO_OPTIONS, Effective, JobOptions, OptionSource, resolve
from cuepoint.features.presets.models import Preset
from cuepoint.features.projects import access
from cuepoint.features.projects import service as projects
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.projects.service import Changed
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

    Raises NotFoundError for a preset of another project, BadInputError for options that do not fit together; `field`
    is where the call's options stand.
    """
    call.check(field)
    is_named = (Preset.project_id == Project.id) & (Preset.id == preset_id)
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


def _clean_name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not 1 <= len(cleaned) <= MAX_NAME or "\x00" in cleaned:
        raise BadInputError(f"The name must have 1 to {MAX_NAME} characters.", field=("name",))
    return cleaned


def _taken() -> CuepointError:
    return CuepointError(ErrorCode.NAME_TAKEN, "The project has a preset of this name already.", field=("name",))


async def create_preset(
    session: AsyncSession, viewer: Viewer, *, project_id: UUID, name: str, options: JobOptions
) -> Preset:
    """A new preset of the project; editors. Raises NAME_TAKEN."""
    await access.require(session, viewer, project_id, ProjectRole.EDITOR)
    options.check(("options",))
    statement = (
        insert(Preset)
        .values(id=uuid7(), project_id=project_id, name=_clean_name(name), options=options.to_json())
        .on_conflict_do_nothing()
        .returning(Preset)
    )
    created: Preset | None = (await session.execute(statement)).scalar_one_or_none()
    if created is None:
        raise _taken()
    return created


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
    """The preset has these values, if its version is the one that is named; editors. Raises NAME_TAKEN."""
    await get_preset(session, viewer, preset_id, ProjectRole.EDITOR)
    values: dict[str, Any] = {}
    if name is not None:
        values["name"] = _clean_name(name)
    if options is not None:
        options.check(("options",))
        values["options"] = options.to_json()
    statement = update(Preset).where(Preset.id == preset_id, Preset.version == version)
    changing = statement.values(**values, version=Preset.version + 1).returning(Preset)
    try:
        changed = await session.scalar(changing, execution_options={"populate_existing": True})
    except IntegrityError:
        raise _taken() from None
    if changed is not None:
        return ChangedPreset(changed, is_conflict=False)
    current = await session.get(Preset, preset_id, populate_existing=True)
    if current is None:
        raise NotFoundError("preset")
    return ChangedPreset(current, is_conflict=True)


async def delete_preset(session: AsyncSession, viewer: Viewer, preset_id: UUID) -> None:
    """The preset is gone; jobs that were started by it keep what it said. Editors."""
    await get_preset(session, viewer, preset_id, ProjectRole.EDITOR)
    await session.execute(delete(Preset).where(Preset.id == preset_id))


async def get_preset(
    session: AsyncSession, viewer: Viewer, preset_id: UUID, role: ProjectRole = ProjectRole.VIEWER
) -> Preset:
    """The preset, if the viewer has that role in its project."""
    preset = await session.get(Preset, preset_id)
    await access.require(session, viewer, None if preset is None else preset.project_id, role, noun="preset")
    if preset is None:
        raise NotFoundError("preset")
    return preset


async def presets_by_id(session: AsyncSession, viewer: Viewer, preset_ids: Sequence[UUID]) -> Mapping[UUID, Preset]:
    """Those of the presets that the viewer may see."""
    visible = Preset.project_id.in_(access.visible_projects(viewer))
    return {row.id: row for row in await session.scalars(select(Preset).where(Preset.id.in_(preset_ids), visible))}


async def list_presets(session: AsyncSession, viewer: Viewer, project_id: UUID, page: PageRequest) -> Page[Preset]:
    """The project's presets by name."""
    await access.require(session, viewer, project_id, ProjectRole.VIEWER)
    statement = select(Preset).where(Preset.project_id == project_id)
    return await fetch_page(session, statement, [(Preset.name, str)], page)


async def count_presets(session: AsyncSession, project_id: UUID) -> int:
    """How many presets the project has; for callers that may see it."""
    statement = select(func.count()).select_from(Preset).where(Preset.project_id == project_id)
    return (await session.execute(statement)).scalar_one()
