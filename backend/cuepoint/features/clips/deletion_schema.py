"""GraphQL roots that delete clips and reels, and take that back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from cuepoint.features.clips import deletion, models
from cuepoint.features.clips.deletion import Work
from cuepoint.features.clips.types import Clip, Reel
from cuepoint.features.jobs.service import in_transaction
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id

_UNTIL = "Until when it can be restored; null if it is gone for good."
_PERMANENTLY = (
    "Gone for good at once, whatever the server keeps; also one that was deleted before and could be restored."
)
_AFTERWARDS = "from now on it answers as one that is not there."


@strawberry.input(description="Which clip to delete.")
class DeleteClipInput(IdempotentInput):
    """Input of deleteClip."""

    id: strawberry.ID = strawberry.field(description="The clip.")
    permanently: bool = strawberry.field(default=False, description=_PERMANENTLY)


@strawberry.type(description="Result of deleteClip.")
class DeleteClipPayload(Payload):
    """Payload of deleteClip."""

    id: strawberry.ID | None = strawberry.field(default=None, description=f"The clip; {_AFTERWARDS}")
    restorable_until: datetime | None = strawberry.field(default=None, description=_UNTIL)


@strawberry.input(description="Which reel to delete.")
class DeleteReelInput(IdempotentInput):
    """Input of deleteReel."""

    id: strawberry.ID = strawberry.field(description="The reel.")
    permanently: bool = strawberry.field(default=False, description=_PERMANENTLY)


@strawberry.type(description="Result of deleteReel.")
class DeleteReelPayload(Payload):
    """Payload of deleteReel."""

    id: strawberry.ID | None = strawberry.field(default=None, description=f"The reel; {_AFTERWARDS}")
    restorable_until: datetime | None = strawberry.field(default=None, description=_UNTIL)


@strawberry.input(description="A deleted clip that shall be there again.")
class RestoreClipInput(IdempotentInput):
    """Input of restoreClip."""

    id: strawberry.ID = strawberry.field(description="The clip.")


@strawberry.type(description="Result of restoreClip.")
class RestoreClipPayload(Payload):
    """Payload of restoreClip."""

    clip: Clip | None = strawberry.field(default=None, description="The clip, as it was.")


@strawberry.input(description="A deleted reel that shall be there again.")
class RestoreReelInput(IdempotentInput):
    """Input of restoreReel."""

    id: strawberry.ID = strawberry.field(description="The reel.")


@strawberry.type(description="Result of restoreReel.")
class RestoreReelPayload(Payload):
    """Payload of restoreReel."""

    reel: Reel | None = strawberry.field(default=None, description="The reel, as it was.")


async def _delete(info: Info, kind: type[Work], given: DeleteClipInput | DeleteReelInput) -> datetime | None:
    viewer, days = info.context.require_viewer(), info.context.settings.trash_days
    key = decode_id(kind.__name__, given.id, field=("id",))
    return await in_transaction(
        info.context.db,
        lambda session: deletion.delete_work(
            session, viewer, kind, key, trash_days=days, permanently=given.permanently
        ),
    )


async def _restore(info: Info, kind: type[Work], id: str) -> Work:
    viewer = info.context.require_viewer()
    key = decode_id(kind.__name__, id, field=("id",))
    async with info.context.db.write() as session:
        return await deletion.restore_work(session, viewer, kind, key)


@strawberry.type
class ClipDeletionMutation:
    """Mutations that delete clips and reels, and take that back."""

    @strawberry.mutation(
        description="Delete a clip with its captions. Its job is cancelled; it is invisible at once. Where the server "
        "keeps deleted videos (CUEPOINT_TRASH_DAYS), restoreClip takes it back for so long. A reel that shows it stays."
    )
    @reports_errors(DeleteClipPayload)
    async def delete_clip(
        self, info: Info, input: Annotated[DeleteClipInput, strawberry.argument(description="Which.")]
    ) -> DeleteClipPayload:
        return DeleteClipPayload(id=input.id, restorable_until=await _delete(info, models.Clip, input))

    @strawberry.mutation(description="Delete a reel, as deleteClip deletes a clip.")
    @reports_errors(DeleteReelPayload)
    async def delete_reel(
        self, info: Info, input: Annotated[DeleteReelInput, strawberry.argument(description="Which.")]
    ) -> DeleteReelPayload:
        return DeleteReelPayload(id=input.id, restorable_until=await _delete(info, models.Reel, input))

    @strawberry.mutation(
        description="Take back the deletion of a clip whose time is not over. One whose job the deletion cancelled has "
        "no file: retry the job."
    )
    @reports_errors(RestoreClipPayload)
    async def restore_clip(
        self, info: Info, input: Annotated[RestoreClipInput, strawberry.argument(description="Which.")]
    ) -> RestoreClipPayload:
        return RestoreClipPayload(clip=Clip.from_row(await _restore(info, models.Clip, input.id)))

    @strawberry.mutation(description="Take back the deletion of a reel, as restoreClip does of a clip.")
    @reports_errors(RestoreReelPayload)
    async def restore_reel(
        self, info: Info, input: Annotated[RestoreReelInput, strawberry.argument(description="Which.")]
    ) -> RestoreReelPayload:
        return RestoreReelPayload(reel=Reel.from_row(await _restore(info, models.Reel, input.id)))
