"""How far uploads are while they are sent: told over the live channel, read from Postgres for what went unheard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from cuepoint.adapters.live.base import Live
from cuepoint.adapters.storage.base import Piece
from cuepoint.db.session import Database
from cuepoint.errors import NotFoundError
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.uploads.service import get_upload
from cuepoint.viewer import Viewer

TELL_SECONDS = 0.25  # between two messages of one upload
SAFETY_SECONDS = 2.0  # worst delay of what was not heard, such as the end
FINAL = (UploadStatus.COMPLETE, UploadStatus.ABORTED, UploadStatus.EXPIRED)


@dataclass(frozen=True)
class UploadState:
    """An upload as it is, and the bytes that have arrived of it: those behind its offset are not safe yet."""

    upload: Upload
    received_bytes: int

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self.upload.status in FINAL


def upload_channel(upload_id: UUID) -> str:
    """Where the bytes that have arrived are told."""
    return f"cp:upload:{upload_id}"


async def told(stream: AsyncIterable[Piece], live: Live, upload_id: UUID, offset: int) -> AsyncIterator[Piece]:
    """The same bytes; whoever watches learns how many have come. The end is told by a last message."""
    next_at = 0.0
    channel = upload_channel(upload_id)
    async for piece in stream:
        offset += len(piece)
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + TELL_SECONDS
            await live.publish([(channel, str(offset).encode())])
        yield piece


async def tell_end(live: Live, upload_id: UUID) -> None:
    """Whoever watches looks at the row now."""
    await live.publish([(upload_channel(upload_id), b"")])


async def watch_upload(
    db: Database, live: Live, viewer: Viewer, upload_id: UUID, *, safety_seconds: float = SAFETY_SECONDS
) -> AsyncGenerator[UploadState, None]:
    """The upload as it is, then whenever it has changed, until it is over or the viewer may not see it any more."""
    async with live.subscribe([upload_channel(upload_id)]) as messages:
        state = await _read(db, viewer, upload_id)
        yield state
        async with aclosing(_offsets(messages, safety_seconds)) as offsets:
            while not state.is_final:
                offset = await anext(offsets)
                try:
                    fresh = await _read(db, viewer, upload_id) if offset is None else state
                except NotFoundError:
                    return
                received = max(fresh.upload.offset_bytes, offset or 0)
                if _shown(fresh, received) != _shown(state, state.received_bytes):
                    state = UploadState(fresh.upload, received)
                    yield state


def _shown(state: UploadState, received: int) -> tuple[object, ...]:
    return (state.upload.status, state.upload.offset_bytes, state.upload.size_bytes, received)


async def _read(db: Database, viewer: Viewer, upload_id: UUID) -> UploadState:
    async with db.read() as session:
        upload = await get_upload(session, viewer, upload_id)
    return UploadState(upload, upload.offset_bytes)


async def _offsets(
    messages: AsyncIterator[tuple[str, bytes]], safety_seconds: float
) -> AsyncGenerator[int | None, None]:
    """Offsets as they are told; None: look at the row. A look that was put off by messages comes in time all the
    same."""
    waiting = asyncio.ensure_future(anext(messages))
    look_at = time.monotonic() + safety_seconds
    try:
        while True:
            await asyncio.wait((waiting,), timeout=max(0.0, look_at - time.monotonic()))
            payload = b""
            if waiting.done():
                _, payload = waiting.result()
                waiting = asyncio.ensure_future(anext(messages))
            if not payload or time.monotonic() >= look_at:
                look_at = time.monotonic() + safety_seconds
                yield None
            elif payload.isdigit():
                yield int(payload)
    finally:
        waiting.cancel()
        await asyncio.wait((waiting,))
