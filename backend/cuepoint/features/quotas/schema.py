"""GraphQL roots of quotas."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.features.projects.types import COST_OF_USAGE
from cuepoint.features.quotas import service
from cuepoint.features.quotas.metering import MICROS
from cuepoint.features.quotas.types import MS_PER_MINUTE, Quota
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, found_or_none, reports_errors
from cuepoint.graphql.list_sizes import cost_of
from cuepoint.graphql.scalars import BigInt, decode_id


def _scope(project_id: strawberry.ID | None, user_id: strawberry.ID | None) -> service.Scope:
    return service.Scope(
        None if project_id is None else decode_id("Project", project_id, field=("projectId",)),
        None if user_id is None else decode_id("User", user_id, field=("userId",)),
    )


@strawberry.input(description="Limits of a project or a user; of the instance where neither is named.")
class SetQuotaInput:
    """Input of setQuota."""

    project_id: strawberry.ID | None = strawberry.field(default=None, description="Of this project.")
    user_id: strawberry.ID | None = strawberry.field(default=None, description="Of this user.")
    storage_bytes: BigInt | None = strawberry.field(default=None, description="Bytes in storage; null = any number.")
    media_minutes_per_month: float | None = strawberry.field(
        default=None, description="Minutes of media transcribed in a month, UTC; null = any."
    )
    concurrent_jobs: int | None = strawberry.field(
        default=None, description="Jobs that wait or run at a time, each step of a pipeline; null = any number."
    )
    tokens_per_month: BigInt | None = strawberry.field(
        default=None, description="Tokens that paid models take in a month, UTC; null = any number."
    )
    cost_per_month: float | None = strawberry.field(
        default=None, description="Cost of these tokens in the currency of CUEPOINT_MODEL_PRICES; null = any."
    )

    def limits(self) -> service.Limits:
        """As the service takes them."""
        return service.Limits(
            storage_bytes=self.storage_bytes,
            media_ms_per_month=_whole(self.media_minutes_per_month, MS_PER_MINUTE),
            concurrent_jobs=self.concurrent_jobs,
            tokens_per_month=self.tokens_per_month,
            cost_micros_per_month=_whole(self.cost_per_month, MICROS),
        )


def _whole(value: float | None, parts: int) -> int | None:
    """The limit in the unit of its column, of which `parts` make up the client's; one out of range stays out of it."""
    return None if value is None else round(max(-1.0, min(value, service.MAX_LIMIT)) * parts)


@strawberry.type(description="Result of setQuota.")
class SetQuotaPayload(Payload):
    """Payload of setQuota."""

    quota: Quota | None = strawberry.field(default=None, description="The quota as it is now.")


@strawberry.type
class QuotaQuery:
    """Queries of quotas."""

    @strawberry.field(
        description="How much of its limits a project or a user has taken, or the instance where neither is named; "
        "null if you may not see it.",
        directives=cost_of(COST_OF_USAGE),
    )
    async def quota(
        self,
        info: Info,
        project_id: Annotated[strawberry.ID | None, strawberry.argument(description="Of this project.")] = None,
        user_id: Annotated[strawberry.ID | None, strawberry.argument(description="Of this user.")] = None,
    ) -> Quota | None:
        """One quota."""

        async def find() -> Quota:
            viewer = info.context.require_viewer()
            scope = _scope(project_id, user_id)
            async with info.context.db.read() as session:
                return Quota.from_row(await service.quota_state(session, viewer, scope))

        return await found_or_none(find())


@strawberry.type
class QuotaMutation:
    @strawberry.mutation(
        description="Set all limits of a project, a user or the instance; what is left out is unlimited. "
        "Administrators only."
    )
    @reports_errors(SetQuotaPayload)
    async def set_quota(
        self, info: Info, input: Annotated[SetQuotaInput, strawberry.argument(description="The limits.")]
    ) -> SetQuotaPayload:
        viewer = info.context.require_viewer()
        scope = _scope(input.project_id, input.user_id)
        async with info.context.db.write() as session:
            state = await service.set_quota(session, viewer, scope, input.limits())
        return SetQuotaPayload(quota=Quota.from_row(state))
