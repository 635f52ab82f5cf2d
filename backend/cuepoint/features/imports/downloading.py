"""A download as a job carries it out: step by step into an open upload, so that whatever breaks can go on.

The bytes go the way of an upload's: into the open bytes of storage, hashed as they pass, confirmed in the database
after each step. A worker that is killed, or a connection that breaks, costs at most one step; the next attempt asks the
source to go on from there, and begins anew where the source cannot or is another file by now.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from cuepoint.adapters.fetch.base import Opened
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.features.files.hashes import FileDigest, FileHash
from cuepoint.features.imports.models import Import
from cuepoint.features.imports.service import import_row
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.uploads import fetching
from cuepoint.features.uploads.digests import hash_of_upload
from cuepoint.features.uploads.keys import video_id_of

if TYPE_CHECKING:
    from cuepoint.adapters.bundle import Adapters

STEP_BYTES = 64 << 20  # a whole number of parts of an object store; what a kill may cost
MAX_BREAKS = 10  # connections that break after they have brought something, in one attempt
BUSY_SECONDS = 15.0  # until the lease of a worker that was killed may have run out
MEBI = 1 << 20
CUT = "cut"  # the validator of bytes that are a section: no source has one without quotes and figures


class PageFoundError(Exception):
    """The address leads to a web page or a playlist, not to media."""


@dataclass
class Download:
    """One attempt at the bytes of one import."""

    ctx: TaskContext
    row: Import
    upload_id: UUID
    upload_key: str
    offset: int
    digest: FileDigest | None
    content_hash: str | None
    filename: str
    step_bytes: int = STEP_BYTES
    size_bytes: int | None = field(default=None, init=False)

    @property
    def _adapters(self) -> Adapters:
        return self.ctx.adapters

    async def run(self) -> None:
        """The bytes are whole and hashed. Raises PageFoundError, and what the source or the storage raise."""
        breaks = 0
        while self.content_hash is None:
            before = self.offset
            try:
                await self._fetch()
            except AdapterError as error:
                has_moved = self.offset > before
                if not (error.retryable and has_moved and breaks < MAX_BREAKS):
                    raise
                breaks += 1

    async def _fetch(self) -> None:
        # What an earlier attempt kept of a section, no source can go on with, however careless it is.
        validator = None if self.row.validator == CUT else self.row.validator
        async with self._adapters.fetcher.open(self.row.address, start=self.offset, validator=validator) as opened:
            if opened.is_page:
                raise PageFoundError
            await self.take(opened)

    async def take(self, opened: Opened) -> None:
        """Everything that this source has still to give."""
        if opened.start != self.offset:
            await self._restart()
        if opened.size_bytes is not None:
            await self._reserve(opened.size_bytes)
        self.size_bytes = opened.size_bytes
        self.filename = opened.filename or self.filename
        self.row.validator = opened.validator
        async with aclosing(opened.stream):  # type: ignore[type-var]
            step = _Step(opened.stream)
            while not step.is_over:
                await self._store(step)
        if step.failure is not None:
            raise step.failure
        if self.size_bytes is not None and self.offset < self.size_bytes:
            raise AdapterError(ErrorCode.SOURCE_UNAVAILABLE, "The source broke off before its end.", retryable=True)
        await self._complete()

    async def _reserve(self, size_bytes: int) -> None:
        if size_bytes < self.offset:
            raise AdapterError(
                ErrorCode.SOURCE_UNAVAILABLE, "The source contradicts itself on its size.", retryable=False
            )
        async with self.ctx.save() as session:
            upload = await fetching.locked_upload(session, self.ctx.settings, self.upload_id)
            await fetching.reserve(session, upload, size_bytes)

    async def _store(self, step: _Step) -> None:
        step.left = self.step_bytes
        storage, limit = self._adapters.storage, self.ctx.settings.upload_max_bytes
        reached = await storage.append(self.upload_key, self.offset, self._watched(step), limit=limit)
        await self._confirm(reached, None)

    async def _watched(self, step: _Step) -> AsyncIterator[bytes]:
        position = self.offset
        async for piece in step:
            if self.digest is not None:
                self.digest.update(piece)
            position += len(piece)
            self._report(position)
            yield piece

    def _report(self, position: int) -> None:
        if self.size_bytes:
            stage = f"Fetching, {position / MEBI:.1f} of {self.size_bytes / MEBI:.1f} MiB"
            self.ctx.report(min(0.95, 0.95 * position / self.size_bytes), stage)
        else:
            self.ctx.report(0.0, f"Fetching, {position / MEBI:.1f} MiB")

    async def _confirm(self, offset: int, found: FileHash | None) -> None:
        async with self.ctx.save() as session:
            upload = await fetching.locked_upload(session, self.ctx.settings, self.upload_id)
            upload.filename = self.filename
            await fetching.advance(session, upload, offset, found)
            row = await import_row(session, self.row.id)
            row.validator = self.row.validator
        self.offset = offset

    async def _restart(self) -> None:
        await self._adapters.storage.abort_upload(self.upload_key)
        async with self.ctx.save() as session:
            upload = await fetching.locked_upload(session, self.ctx.settings, self.upload_id)
            fetching.restart(upload)  # also the size: that of the former answer
            row = await import_row(session, self.row.id)
            row.validator = self.row.validator
        self.offset, self.digest = 0, FileDigest(with_sha256=True)

    async def _complete(self) -> None:
        if not self.offset:
            raise CuepointError(ErrorCode.UNSUPPORTED_MEDIA, "The source is empty.", hint="Check the URL.")
        self.ctx.report(0.95, "Checking")
        storage = self._adapters.storage
        found = await hash_of_upload(storage, self.upload_key, self.digest, self.offset, with_sha256=True)
        await self._confirm(self.offset, found)
        self.content_hash = found.blake3


class _Step:
    """The next bytes of a stream, at most `left`. A failure of the source ends the step: what came before it counts."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._rest = b""
        self.left = 0
        self.is_over = False
        self.failure: AdapterError | CuepointError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.left > 0 and not self.is_over:
            try:
                piece = self._rest or await anext(self._stream, b"")
            except (AdapterError, CuepointError) as error:
                self.failure, self.is_over = error, True
                return
            if not piece:
                self.is_over = True
                return
            piece, self._rest = piece[: self.left], piece[self.left :]
            self.left -= len(piece)
            yield piece


@asynccontextmanager
async def begin_download(ctx: TaskContext, row: Import) -> AsyncIterator[Download]:
    """The download of an import, held by this attempt alone: from where an earlier one has come to."""
    assert row.video_id is not None
    upload_id = video_id_of(row.video_id)  # its own inverse
    upload = await fetching.reopen(ctx, upload_id)
    async with _held(ctx, upload.storage_key):
        yield Download(
            ctx=ctx,
            row=row,
            upload_id=upload_id,
            upload_key=upload.storage_key,
            offset=upload.offset_bytes,
            digest=None if upload.offset_bytes else FileDigest(with_sha256=True),
            content_hash=upload.content_hash,
            filename=upload.filename,
        )


@asynccontextmanager
async def _held(ctx: TaskContext, upload_key: str) -> AsyncIterator[None]:
    """The storage's lock on the upload. A worker that was killed may hold it for a while: then later."""
    lock = ctx.adapters.storage.upload_lock(upload_key)
    try:
        await lock.__aenter__()
    except CuepointError as error:
        raise AdapterError(
            ErrorCode.STORAGE_UNAVAILABLE,
            "Another attempt still holds the bytes of this import.",
            retryable=True,
            retry_after_seconds=BUSY_SECONDS,
        ) from error
    try:
        yield
    finally:
        await lock.__aexit__(None, None, None)
