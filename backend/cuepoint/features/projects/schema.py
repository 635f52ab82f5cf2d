"""GraphQL roots of projects and memberships."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.features.projects import service
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.projects.types import Project, ProjectMember, load_project
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.scalars import decode_id


@strawberry.input(description="A new project.")
class CreateProjectInput:
    """Input of createProject."""

    name: str = strawberry.field(description="Shown name, 1 to 200 characters.")
    description: str = strawberry.field(default="", description="Free text, up to 5000 characters.")


@strawberry.type(description="Result of createProject.")
class CreateProjectPayload(Payload):
    """Payload of createProject."""

    project: Project | None = strawberry.field(default=None, description="The new project; you are its OWNER.")


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

    @strawberry.field(description="Projects that you may see, oldest first.")
    async def projects(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[Project]:
        """A page of projects."""
        viewer = info.context.require_viewer()
        page = page_request(first, after)
        async with info.context.db.read() as session:
            found = await service.list_projects(session, viewer, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_projects(session, viewer)

        return Connection.from_page(found, Project.from_row, count)


@strawberry.type
class ProjectMutation:
    """Mutations of projects."""

    @strawberry.mutation(description="Make a project. You become its OWNER.")
    @reports_errors(CreateProjectPayload)
    async def create_project(
        self, info: Info, input: Annotated[CreateProjectInput, strawberry.argument(description="The project.")]
    ) -> CreateProjectPayload:
        """Create a project."""
        viewer = info.context.require_viewer()
        async with info.context.db.write() as session:
            project = await service.create_project(session, viewer, name=input.name, description=input.description)
            return CreateProjectPayload(project=Project.from_row(project))

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

    @strawberry.mutation(description="Take a user out of a project. Owners only; the last owner stays.")
    @reports_errors(RemoveMemberPayload)
    async def remove_member(
        self, info: Info, input: Annotated[RemoveMemberInput, strawberry.argument(description="Who.")]
    ) -> RemoveMemberPayload:
        """Remove a member."""
        viewer = info.context.require_viewer()
        project_id = decode_id("Project", input.project_id, field=("projectId",))
        user_id = decode_id("User", input.user_id, field=("userId",))
        async with info.context.db.write() as session:
            await service.remove_member(session, viewer, project_id=project_id, user_id=user_id)
        return RemoveMemberPayload(project=await load_project(info, project_id))
