"""GraphQL roots of presets and of the settings of projects."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.features.jobs.option_types import JobOptionsInput
from cuepoint.features.presets import service
from cuepoint.features.presets.loaders import PresetById
from cuepoint.features.presets.types import Preset
from cuepoint.features.projects.service import version_conflict
from cuepoint.features.projects.types import Project
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, UserError, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id


@strawberry.input(description="New settings of a project, all of them: what is left out is unset.")
class UpdateProjectSettingsInput:
    """Input of updateProjectSettings."""

    project_id: strawberry.ID = strawberry.field(description="The project.")
    version: int = strawberry.field(description="`Project.version` as you saw it.")
    options: JobOptionsInput = strawberry.field(description="Defaults of its jobs.")


@strawberry.type(description="Result of updateProjectSettings.")
class UpdateProjectSettingsPayload(Payload):
    """Payload of updateProjectSettings."""

    project: Project | None = strawberry.field(
        default=None, description="The project as it is now, also beside VERSION_CONFLICT."
    )


@strawberry.input(description="A new preset.")
class CreatePresetInput(IdempotentInput):
    """Input of createPreset."""

    project_id: strawberry.ID | None = strawberry.field(
        default=None, description="The project; null = the instance, for every project. Administrators only."
    )
    name: str = strawberry.field(description="1 to 100 characters, unique in the project, or in the instance.")
    options: JobOptionsInput = strawberry.field(description="What it says.")


@strawberry.type(description="Result of createPreset.")
class CreatePresetPayload(Payload):
    """Payload of createPreset."""

    preset: Preset | None = strawberry.field(default=None, description="The new preset.")


@strawberry.input(description="Changes of a preset. What is left out, or null, stays.")
class UpdatePresetInput:
    """Input of updatePreset."""

    id: strawberry.ID = strawberry.field(description="The preset.")
    version: int = strawberry.field(description="`Preset.version` as you saw it.")
    name: str | None = strawberry.field(default=None, description="New name.")
    options: JobOptionsInput | None = strawberry.field(default=None, description="New options, all of them.")


@strawberry.type(description="Result of updatePreset.")
class UpdatePresetPayload(Payload):
    """Payload of updatePreset."""

    preset: Preset | None = strawberry.field(
        default=None, description="The preset as it is now, also beside VERSION_CONFLICT."
    )


@strawberry.input(description="Which preset to delete.")
class DeletePresetInput:
    """Input of deletePreset."""

    id: strawberry.ID = strawberry.field(description="The preset.")


@strawberry.type(description="Result of deletePreset.")
class DeletePresetPayload(Payload):
    """Payload of deletePreset."""

    id: strawberry.ID | None = strawberry.field(default=None, description="The preset that is gone.")


@strawberry.type
class PresetQuery:
    """Queries of presets."""

    @strawberry.field(description="A preset that you may see; null otherwise.")
    async def preset(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The preset.")]
    ) -> Preset | None:
        """One preset."""

        async def find() -> Preset | None:
            info.context.require_viewer()
            row = await info.context.loader(PresetById).load(decode_id("Preset", id))
            return None if row is None else Preset.from_row(row)

        return await found_or_none(find())

    @strawberry.field(
        description="Presets of a project, or of the instance where none is named, by name; NOT_FOUND for a project "
        "that you may not see."
    )
    async def presets(
        self,
        info: Info,
        project_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The project; null = the instance's.")
        ] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[Preset]:
        """A page of presets."""
        viewer = info.context.require_viewer()
        page = page_request(first, after, info)
        key = None if project_id is None else decode_id("Project", project_id, field=("projectId",))
        async with info.context.db.read() as session:
            found = await service.list_presets(session, viewer, key, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_presets(session, key)

        return Connection.from_page(found, Preset.from_row, count)


@strawberry.type
class PresetMutation:
    """Mutations of presets and settings."""

    @strawberry.mutation(
        description="Say once what all jobs of a project are to do, where neither the call nor its preset says "
        "otherwise. Owners only."
    )
    @reports_errors(UpdateProjectSettingsPayload)
    async def update_project_settings(
        self, info: Info, input: Annotated[UpdateProjectSettingsInput, strawberry.argument(description="What.")]
    ) -> UpdateProjectSettingsPayload:
        """Change the settings of a project."""
        viewer = info.context.require_viewer()
        project_id = decode_id("Project", input.project_id, field=("projectId",))
        async with info.context.db.write() as session:
            changed = await service.update_settings(
                session, viewer, project_id, version=input.version, options=input.options.to_service()
            )
        project = Project.from_row(changed.project)
        if changed.is_conflict:
            conflict = version_conflict("project", changed.project.version)
            return UpdateProjectSettingsPayload(project=project, errors=[UserError.from_error(conflict)])
        return UpdateProjectSettingsPayload(project=project)

    @strawberry.mutation(description="Keep options of jobs under a name. Editors; of the instance administrators.")
    @reports_errors(CreatePresetPayload)
    async def create_preset(
        self, info: Info, input: Annotated[CreatePresetInput, strawberry.argument(description="The preset.")]
    ) -> CreatePresetPayload:
        viewer, given = info.context.require_viewer(), input.project_id
        project_id = None if given is None else decode_id("Project", given, field=("projectId",))
        async with info.context.db.write() as session:
            row = await service.create_preset(
                session, viewer, project_id=project_id, name=input.name, options=input.options.to_service()
            )
        return CreatePresetPayload(preset=Preset.from_row(row))

    @strawberry.mutation(
        description="Change a preset, unless somebody else did since you read it. Editors; of the instance "
        "administrators."
    )
    @reports_errors(UpdatePresetPayload)
    async def update_preset(
        self, info: Info, input: Annotated[UpdatePresetInput, strawberry.argument(description="The changes.")]
    ) -> UpdatePresetPayload:
        """Change a preset."""
        viewer = info.context.require_viewer()
        preset_id = decode_id("Preset", input.id, field=("id",))
        options = None if input.options is None else input.options.to_service()
        async with info.context.db.write() as session:
            changed = await service.update_preset(
                session, viewer, preset_id, version=input.version, name=input.name, options=options
            )
        preset = Preset.from_row(changed.preset)
        if changed.is_conflict:
            conflict = version_conflict("preset", changed.preset.version)
            return UpdatePresetPayload(preset=preset, errors=[UserError.from_error(conflict)])
        return UpdatePresetPayload(preset=preset)

    @strawberry.mutation(
        description="Delete a preset; jobs that it was used for keep what it said. Editors; of the instance "
        "administrators."
    )
    @reports_errors(DeletePresetPayload)
    async def delete_preset(
        self, info: Info, input: Annotated[DeletePresetInput, strawberry.argument(description="Which.")]
    ) -> DeletePresetPayload:
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            await service.delete_preset(session, viewer, decode_id("Preset", input.id, field=("id",)))
        return DeletePresetPayload(id=input.id)
