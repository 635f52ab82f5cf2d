"""GraphQL roots of administration: the audit log, and deleteUser."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from cuepoint.errors import NotFoundError
from cuepoint.features.administration import service
from cuepoint.features.administration.service import AuditFilter
from cuepoint.features.administration.types import AuditEvent
from cuepoint.features.audit.models import AuditAction
from cuepoint.features.jobs.types import Job
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id, encode_id

_GLOBAL_ID = re.compile(r"([a-z]+)_([0-9a-f]{32})", re.ASCII)


@strawberry.input(description="Which events are listed; what is left out does not narrow.")
class AuditFilterInput:
    """Filter of auditEvents."""

    project_id: strawberry.ID | None = strawberry.field(
        default=None, description="Of this project, which you must own."
    )
    actor_id: strawberry.ID | None = strawberry.field(default=None, description="Done by this user.")
    action: AuditAction | None = strawberry.field(default=None, description="What was done.")
    node_type: str | None = strawberry.field(
        default=None, description="Done to objects of this GraphQL type, such as `Video`."
    )
    node_id: strawberry.ID | None = strawberry.field(
        default=None, description="Done to the object of this global id, which may be gone."
    )
    created_from: datetime | None = strawberry.field(default=None, description="Done then or later.")
    created_before: datetime | None = strawberry.field(default=None, description="Done before then.")
    and_: list[AuditFilterInput] | None = strawberry.field(
        default=None, name="and", description="Which all of these let through too; 3 levels deep at most."
    )
    or_: list[AuditFilterInput] | None = strawberry.field(
        default=None, name="or", description="Which one of these lets through."
    )
    not_: AuditFilterInput | None = strawberry.field(
        default=None, name="not", description="Which this one does not let through."
    )

    def to_filter(self) -> AuditFilter:
        """What the service takes. Raises NotFoundError for ids of other types."""
        project, actor = self.project_id, self.actor_id
        return AuditFilter(
            project_id=None if project is None else decode_id("Project", project, field=("filter", "projectId")),
            actor_id=None if actor is None else decode_id("User", actor, field=("filter", "actorId")),
            action=self.action,
            node_type=self.node_type,
            node=None if self.node_id is None else _of_any_type(self.node_id),
            created_from=self.created_from,
            created_before=self.created_before,
            all_of=[one.to_filter() for one in self.and_ or ()],
            any_of=[one.to_filter() for one in self.or_ or ()],
            none_of=None if self.not_ is None else self.not_.to_filter(),
        )


def _of_any_type(id: str) -> tuple[str, UUID]:
    """The beginning and the key of a global id. Raises NotFoundError for what is none."""
    found = _GLOBAL_ID.fullmatch(id)
    if found is None:
        raise NotFoundError("object", field=("filter", "nodeId"))
    return found[1], UUID(found[2])


@strawberry.input(description="Who goes, and what becomes of the projects that nobody else owns.")
class DeleteUserInput(IdempotentInput):
    """Input of deleteUser."""

    id: strawberry.ID = strawberry.field(description="The user.")
    reassign_to: strawberry.ID | None = strawberry.field(
        default=None, description="The user who becomes OWNER of those projects."
    )
    cascade: bool = strawberry.field(
        default=False, description="Whether those projects go as well, with every video and file in them."
    )
    dry_run: bool = strawberry.field(default=False, description="True: nothing happens, the answer says what would.")


@strawberry.type(description="Result of deleteUser.")
class DeleteUserPayload(Payload):
    """Payload of deleteUser."""

    deleted_id: strawberry.ID | None = strawberry.field(
        default=None, description="Global id of the user who is gone; null after a dry run."
    )
    project_count: int | None = strawberry.field(
        default=None, description="Projects that nobody else owns: reassigned or deleted, or to be decided on."
    )
    video_count: int | None = strawberry.field(default=None, description="Videos in these projects.")
    jobs: list[Job] | None = strawberry.field(
        default=None, description="The jobs that remove the projects, one for each; empty unless `cascade`."
    )


@strawberry.type
class AdministrationQuery:
    """Queries of administration."""

    @strawberry.field(
        description="Who changed what, the newest first: everything for administrators, their projects for OWNERs. "
        "Needs the scope MANAGE."
    )
    async def audit_events(
        self,
        info: Info,
        filter: Annotated[AuditFilterInput | None, strawberry.argument(description="Which; null = all.")] = None,
        first: First = DEFAULT_FIRST,
        after: After = None,
    ) -> Connection[AuditEvent]:
        """A page of the log."""
        viewer = info.context.require_viewer()
        page = page_request(first, after, info)
        wanted = AuditFilter() if filter is None else filter.to_filter()
        async with info.context.db.read() as session:
            found = await service.list_events(session, viewer, wanted, page)

        async def count() -> int:
            async with info.context.db.read() as session:
                return await service.count_events(session, viewer, wanted)

        return Connection.from_page(found, AuditEvent.from_row, count)


@strawberry.type
class AdministrationMutation:
    @strawberry.mutation(
        description="Delete a user with their keys, sessions and memberships; what they made stays. Projects that "
        "nobody else owns are reassigned or deleted, as you say. Administrators only."
    )
    @reports_errors(DeleteUserPayload)
    async def delete_user(
        self, info: Info, input: Annotated[DeleteUserInput, strawberry.argument(description="Who.")]
    ) -> DeleteUserPayload:
        viewer = info.context.require_viewer()
        user_id, heir = decode_id("User", input.id, field=("id",)), input.reassign_to
        async with info.context.db.write() as session:
            departure = await service.delete_user(
                session,
                viewer,
                user_id,
                reassign_to=None if heir is None else decode_id("User", heir, field=("reassignTo",)),
                cascade=input.cascade,
                dry_run=input.dry_run,
            )
        return DeleteUserPayload(
            deleted_id=None if input.dry_run else encode_id("User", user_id),
            project_count=len(departure.project_ids),
            video_count=departure.video_count,
            jobs=[Job.from_row(job) for job in departure.jobs],
        )
