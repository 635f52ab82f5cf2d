"""GraphQL roots of projects and memberships."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.features.projects import service
from cuepoint.features.projects.loaders import COUNTS_OF_PROJECT
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.projects.service import ProjectOrder
from cuepoint.features.projects.types import Project, ProjectMember, load_project
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.errors import Payload, UserError, found_or_none, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id

describe_enum(
    ProjectOrder,
    {
        ProjectOrder.CREATED_ASC: "The oldest first.",
        ProjectOrder.CREATED_DESC: "The newest first.",
        ProjectOrder.NAME_ASC: "By name, whatever its case.",
        ProjectOrder.UPDATED_DESC: "The last changed first.",
    },
    description="Order of a list of projects.",
)


@strawberry.input(description="A new project.")
class CreateProjectInput(IdempotentInput):
    """Input of createProject."""

    name: str = strawberry.field(description="Shown name, 1 to 200 characters.")
    description: str = strawberry.field(default="", description="Free text, up to 5000 characters.")


@strawberry.type(description="Result of createProject.")
class CreateProjectPayload(Payload):
    """Payload of createProject."""

    project: Project | None = strawberry.field(default=None, description="The new project; you are its OWNER.")


@strawberry.input(name="ProjectFilterInput", description="Which projects to list. Conditions are joined by and.")
class ProjectFilter:
    text: str | None = strawberry.field(default=None, description="Whose name holds this, whatever its case.")
    is_archived: bool | None = strawberry.field(
        default=None, description="True: archived ones only; false: those in use only; null: both."
    )
    and_: list[ProjectFilter] | None = strawberry.field(
        default=None, name="and", description="Which all of these let through too; 3 levels deep at most."
    )
    or_: list[ProjectFilter] | None = strawberry.field(
        default=None, name="or", description="Which one of these lets through."
    )
    not_: ProjectFilter | None = strawberry.field(
        default=None, name="not", description="Which this one does not let through."
    )

    def to_service(self) -> service.ProjectFilter:
        """As the service takes it."""
        return service.ProjectFilter(
            text=self.text,
            is_archived=self.is_archived,
            all_of=[one.to_service() for one in self.and_ or ()],
            any_of=[one.to_service() for one in self.or_ or ()],
            none_of=None if self.not_ is None else self.not_.to_service(),
        )


@strawberry.input(description="Changes of a project. What is left out, or null, stays.")
class UpdateProjectInput:
    """Input of updateProject."""

    id: strawberry.ID = strawberry.field(description="The project.")
    version: int = strawberry.field(description="`Project.version` as you saw it.")
    name: str | None = strawberry.field(default=None, description="New name, 1 to 200 characters.")
    description: str | None = strawberry.field(default=None, description="New text, up to 5000 characters.")


@strawberry.type(description="Result of updateProject.")
class UpdateProjectPayload(Payload):
    """Payload of updateProject."""

    project: Project | None = strawberry.field(
        default=None, description="The project as it is now, also beside VERSION_CONFLICT."
    )


@strawberry.input(description="Which project to archive.")
class ArchiveProjectInput:
    """Input of archiveProject."""

    id: strawberry.ID = strawberry.field(description="The project.")


@strawberry.type(description="Result of archiveProject.")
class ArchiveProjectPayload(Payload):
    """Payload of archiveProject."""

    project: Project | None = strawberry.field(default=None, description="The project, archived.")


@strawberry.input(description="Which project to bring back.")
class UnarchiveProjectInput:
    """Input of unarchiveProject."""

    id: strawberry.ID = strawberry.field(description="The project.")


@strawberry.type(description="Result of unarchiveProject.")
class UnarchiveProjectPayload(Payload):
    """Payload of unarchiveProject."""

    project: Project | None = strawberry.field(default=None, description="The project, in use.")


@strawberry.input(description="A new member, or a new role of one.")
class AddMemberInput:
    """Input of addMember."""

    project_id: strawberry.ID = strawberry.field(description="The project.")
    email: str = strawberry.field(description="E-mail address of an existing user.")
    role: ProjectRole = strawberry.field(description="The role.")


@strawberry.type(description="Result of addMember.")
class AddMemberPayload(Payload):
    """Payload of addMember."""

    member: ProjectMember | None = strawberry.field(default=None, description="The membership.")
    project: Project | None = strawberry.field(default=None, description="The project.")


@strawberry.input(description="A new role of a member.")
class UpdateMemberInput:
    """Input of updateMember."""

    project_id: strawberry.ID = strawberry.field(description="The project.")
    user_id: strawberry.ID = strawberry.field(description="The member.")
    role: ProjectRole = strawberry.field(description="The new role.")


@strawberry.type(description="Result of updateMember.")
class UpdateMemberPayload(Payload):
    """Payload of updateMember."""

    member: ProjectMember | None = strawberry.field(default=None, description="The membership.")
    project: Project | None = strawberry.field(default=None, description="The project; null if you left it.")


@strawberry.input(description="Who is to leave a project.")
class RemoveMemberInput:
    """Input of removeMember."""

    project_id: strawberry.ID = strawberry.field(description="The project.")
    user_id: strawberry.ID = strawberry.field(description="The member.")


@strawberry.type(description="Result of removeMember.")
class RemoveMemberPayload(Payload):
    """Payload of removeMember."""

    project: Project | None = strawberry.field(default=None, description="The project without the member.")


@strawberry.type
class ProjectQuery:
    """Queries of projects."""

    @strawberry.field(description="A project that you may see; null otherwise.")
    async def project(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The project.")]
    ) -> Project | None:
        """One project."""

        async def find() -> Project | None:
            info.context.require_viewer()
            return await load_project(info, decode_id("Project", id))

        return await found_or_none(find())

    @strawberry.field(description="Projects that you may see.")
    async def projects(
        self,
        info: Info,
        filter: Annotated[ProjectFilter | None, strawberry.argument(description="Which; null = all.")] = None,
        order_by: Annotated[ProjectOrder, strawberry.argument(description="In what order.")] = ProjectOrder.CREATED_ASC,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[Project]:
        """A page of projects."""
        viewer = info.context.require_viewer()
        page = page_request(first, after, info, counts=COUNTS_OF_PROJECT)
        wanted = (filter or ProjectFilter()).to_service()
        async with info.context.db.read() as session:
            found = await service.list_projects(session, viewer, page, wanted, order_by)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_projects(session, viewer, wanted)

        return Connection.from_page(found, Project.from_row, count)


@strawberry.type
class ProjectMutation:
    @strawberry.mutation(description="Make a project. You become its OWNER.")
    @reports_errors(CreateProjectPayload)
    async def create_project(
        self, info: Info, input: Annotated[CreateProjectInput, strawberry.argument(description="The project.")]
    ) -> CreateProjectPayload:
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            project = await service.create_project(session, viewer, name=input.name, description=input.description)
            return CreateProjectPayload(project=Project.from_row(project))

    @strawberry.mutation(description="Change a project, unless somebody else did since you read it. Owners only.")
    @reports_errors(UpdateProjectPayload)
    async def update_project(
        self, info: Info, input: Annotated[UpdateProjectInput, strawberry.argument(description="The changes.")]
    ) -> UpdateProjectPayload:
        """Change a project."""
        viewer = info.context.require_viewer()
        project_id = decode_id("Project", input.id, field=("id",))
        async with info.context.db.write() as session:
            changed = await service.update_project(
                session,
                viewer,
                project_id,
                version=input.version,
                name=input.name,
                description=input.description,
            )
        project = Project.from_row(changed.project)
        if changed.is_conflict:
            conflict = service.version_conflict("project", changed.project.version)
            return UpdateProjectPayload(project=project, errors=[UserError.from_error(conflict)])
        return UpdateProjectPayload(project=project)

    @strawberry.mutation(
        description="Let a project be read only. Jobs that wait or run go on; nothing new can be started. Owners only."
    )
    @reports_errors(ArchiveProjectPayload)
    async def archive_project(
        self, info: Info, input: Annotated[ArchiveProjectInput, strawberry.argument(description="Which.")]
    ) -> ArchiveProjectPayload:
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            row = await service.archive_project(session, viewer, decode_id("Project", input.id, field=("id",)))
        return ArchiveProjectPayload(project=Project.from_row(row))

    @strawberry.mutation(description="Take an archived project into use again. Owners only.")
    @reports_errors(UnarchiveProjectPayload)
    async def unarchive_project(
        self, info: Info, input: Annotated[UnarchiveProjectInput, strawberry.argument(description="Which.")]
    ) -> UnarchiveProjectPayload:
        """Bring a project back."""
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            row = await service.unarchive_project(session, viewer, decode_id("Project", input.id, field=("id",)))
        return UnarchiveProjectPayload(project=Project.from_row(row))

    @strawberry.mutation(description="Give a user a role in a project, new or changed. Owners only.")
    @reports_errors(AddMemberPayload)
    async def add_member(
        self, info: Info, input: Annotated[AddMemberInput, strawberry.argument(description="Who and what.")]
    ) -> AddMemberPayload:
        """Add or change a member."""
        viewer = info.context.require_viewer()
        project_id = decode_id("Project", input.project_id, field=("projectId",))
        async with info.context.db.write() as session:
            row = await service.add_member(session, viewer, project_id=project_id, email=input.email, role=input.role)
            member = ProjectMember.from_row(row)
        return AddMemberPayload(member=member, project=await load_project(info, project_id))

    @strawberry.mutation(description="Give a member another role. Owners only; the last owner stays one.")
    @reports_errors(UpdateMemberPayload)
    async def update_member(
        self, info: Info, input: Annotated[UpdateMemberInput, strawberry.argument(description="Who and what.")]
    ) -> UpdateMemberPayload:
        """Change a member's role."""
        viewer = info.context.require_viewer()
        project_id = decode_id("Project", input.project_id, field=("projectId",))
        user_id = decode_id("User", input.user_id, field=("userId",))
        async with info.context.db.write() as session:
            row = await service.update_member(session, viewer, project_id=project_id, user_id=user_id, role=input.role)
            member = ProjectMember.from_row(row)
        return UpdateMemberPayload(member=member, project=await load_project(info, project_id))

    @strawberry.mutation(description="Take a user out of a project. Owners only; the last owner stays.")
    @reports_errors(RemoveMemberPayload)
    async def remove_member(
        self, info: Info, input: Annotated[RemoveMemberInput, strawberry.argument(description="Who.")]
    ) -> RemoveMemberPayload:
        viewer = info.context.require_viewer()
        project_id = decode_id("Project", input.project_id, field=("projectId",))
        user_id = decode_id("User", input.user_id, field=("userId",))
        async with info.context.db.write() as session:
            await service.remove_member(session, viewer, project_id=project_id, user_id=user_id)
        return RemoveMemberPayload(project=await load_project(info, project_id))
