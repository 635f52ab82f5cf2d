"""GraphQL roots of uploads on their way: parts that go to the object store itself, and progress."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

import strawberry

from cuepoint.features.jobs.types import Job
from cuepoint.features.uploads import parts
from cuepoint.features.uploads.progress import watch_upload
from cuepoint.features.uploads.types import Upload, UploadPart, UploadProgress
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import decode_id


@strawberry.input(description="Parts that are about to be sent.")
class SignUploadPartsInput:
    """Input of signUploadParts."""

    upload_id: strawberry.ID = strawberry.field(description="The upload; its protocol is S3_MULTIPART.")
    numbers: list[int] = strawberry.field(description="Their numbers, 1 to 100 of them; the first part is 1.")


@strawberry.type(description="Result of signUploadParts.")
class SignUploadPartsPayload(Payload):
    """Payload of signUploadParts."""

    upload: Upload | None = strawberry.field(default=None, description="The upload.")
    parts: list[UploadPart] | None = strawberry.field(default=None, description="One for each number, in their order.")


@strawberry.input(description="An upload whose parts are all sent.")
class CompleteUploadInput(IdempotentInput):
    """Input of completeUpload."""

    id: strawberry.ID = strawberry.field(description="The upload; its protocol is S3_MULTIPART.")


@strawberry.type(description="Result of completeUpload.")
class CompleteUploadPayload(Payload):
    """Payload of completeUpload."""

    upload: Upload | None = strawberry.field(
        default=None, description="The upload: COMPLETE once the job has read it, then register it as a video."
    )
    job: Job | None = strawberry.field(default=None, description="The job that computes and checks its hash.")


@strawberry.type
class UploadPartsMutation:
    @strawberry.mutation(description="Get URLs for parts of an upload. They may be sent in any order and at once.")
    @reports_errors(SignUploadPartsPayload)
    async def sign_upload_parts(
        self, info: Info, input: Annotated[SignUploadPartsInput, strawberry.argument(description="Which parts.")]
    ) -> SignUploadPartsPayload:
        context = info.context
        upload, signed = await parts.sign_parts(
            context.db,
            context.adapters.storage,
            context.require_viewer(),
            context.settings,
            decode_id("Upload", input.upload_id, field=("uploadId",)),
            input.numbers,
        )
        return SignUploadPartsPayload(
            upload=Upload.from_row(upload), parts=[UploadPart.from_signed(part) for part in signed]
        )

    @strawberry.mutation(description="Say that all parts are sent. Refused with the numbers of those that are missing.")
    @reports_errors(CompleteUploadPayload)
    async def complete_upload(
        self, info: Info, input: Annotated[CompleteUploadInput, strawberry.argument(description="Which upload.")]
    ) -> CompleteUploadPayload:
        context = info.context
        upload, job = await parts.complete_parts(
            context.db,
            context.adapters.storage,
            context.require_viewer(),
            decode_id("Upload", input.id, field=("id",)),
        )
        return CompleteUploadPayload(upload=Upload.from_row(upload), job=Job.from_row(job))


@strawberry.type
class UploadSubscription:
    @strawberry.subscription(
        description="Watch an upload: as it is now, then as its bytes arrive, until it is COMPLETE, ABORTED or EXPIRED."
    )
    async def upload_progress(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The upload.")]
    ) -> AsyncIterator[UploadProgress]:
        """Updates of one upload."""
        context = info.context
        states = watch_upload(
            context.process.db, context.adapters.live, context.require_viewer(), decode_id("Upload", id)
        )
        async with aclosing(states):
            async for state in states:
                context.forget_loaded()
                yield UploadProgress.from_state(state)
