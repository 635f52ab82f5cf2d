"""Open uploads in an object store: taken by whoever holds the lease, put together when they are whole."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager

from cuepoint.adapters.storage.base import ObjectInfo, Piece
from cuepoint.adapters.storage.intake import blocks_of
from cuepoint.adapters.storage.refusals import bytes_missing, upload_taken, upload_too_large
from cuepoint.adapters.storage.s3_copy import copy_parts, copy_whole
from cuepoint.adapters.storage.s3_errors import unavailable
from cuepoint.adapters.storage.s3_ledger import Ledger
from cuepoint.adapters.storage.s3_multipart import Multipart, NoSuchMultipartError
from cuepoint.adapters.storage.s3_objects import BucketObjects
from cuepoint.adapters.storage.s3_state import OpenUpload, StoredPart, fresh_name
from cuepoint.adapters.storage.s3_writer import Writer
from cuepoint.errors import AdapterError, NotFoundError

LEASE_SECONDS = 30.0  # so long an upload waits after the process that served it has died
READ_BYTES = 4 << 20


class S3Uploads:
    """Everything of an upload lies below `<directory>/`: the ledger, remainders, and the object of its parts."""

    def __init__(
        self, objects: BucketObjects, multipart: Multipart, *, lease_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._objects = objects
        self._multipart = multipart
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._held: dict[str, Ledger] = {}

    @asynccontextmanager
    async def lock(self, directory: str) -> AsyncIterator[None]:
        """The lease of the upload."""
        ledger = self._ledger(directory)
        await ledger.acquire(self._lease_seconds)
        renewing = asyncio.create_task(ledger.renew_forever(self._lease_seconds))
        self._held[directory] = ledger
        try:
            yield
        finally:
            del self._held[directory]
            renewing.cancel()
            await asyncio.wait((renewing,))
            await ledger.release()

    async def append(self, directory: str, offset: int, stream: AsyncIterable[Piece], *, limit: int) -> int:
        """See the port. Without the lease it works as well, but loses to whoever else writes."""
        ledger = self._held.get(directory) or self._ledger(directory)
        state = ledger.state or await ledger.load()
        if state is None:
            ledger.state = OpenUpload()
            state = await ledger.change(lambda fresh: fresh)
        if offset < state.size_bytes:
            state = await self._reopened(directory, ledger, state, offset)
        writer = Writer(self._objects, self._multipart, ledger, directory, state.place_of(offset), limit)
        try:
            await writer.begin()
            async with contextlib.aclosing(blocks_of(stream)) as blocks:
                async for block in blocks:
                    if offset + writer.arrived + sum(map(len, block)) > limit:
                        raise upload_too_large(limit)
                    await writer.take(block)
            await writer.end()
        except NoSuchMultipartError:
            lost = await ledger.load()
            raise (upload_taken() if lost is None else bytes_missing(offset, 0)) from None
        return offset + writer.arrived

    async def read(self, directory: str) -> AsyncIterator[bytes]:
        """See the port."""
        info = await self._whole(directory)
        async with contextlib.aclosing(self._objects.pieces(info, 0, info.size_bytes, READ_BYTES)) as pieces:
            async for piece in pieces:
                yield piece

    async def finish(self, directory: str, target: str) -> ObjectInfo:
        """See the port; `target` is the object's name."""
        try:
            whole = await self._whole(directory)
            await copy_whole(self._objects, self._multipart, whole, target)
        except (NotFoundError, NoSuchMultipartError, AdapterError) as error:
            if await self._objects.head(target) is None:  # else somebody finished it at the same time
                raise (error if isinstance(error, AdapterError) else NotFoundError("upload")) from None
        found = await self._objects.head(target)
        if found is None:
            raise NotFoundError("upload")
        await self._multipart.abort_all(target)  # what an attempt that crashed has left
        await self.drop(directory)
        return found

    async def drop(self, directory: str) -> None:
        """Nothing of the upload is left. The ledger goes last, so that a crash leaves something to drop again."""
        await self._multipart.abort_all(f"{directory}/")
        names = await self._objects.list(f"{directory}/")
        ledger = _ledger_name(directory)
        await self._objects.delete([name for name in names if name != ledger])
        await self._objects.delete([ledger])

    def _ledger(self, directory: str) -> Ledger:
        return Ledger(self._objects, _ledger_name(directory), self._clock)

    async def _whole(self, directory: str) -> ObjectInfo:
        """The bytes as one object: the remainder where there is nothing else, or the parts, completed now."""
        state = await self._ledger(directory).load()
        if state is None or not state.size_bytes:
            raise NotFoundError("upload")
        if not state.parts and state.remainder:
            return await self._existing(f"{directory}/{state.remainder.name}")
        name = f"{directory}/{state.whole_name}"
        if await self._objects.head(name) is None:
            with contextlib.suppress(NoSuchMultipartError):  # another process completed it, or dropped it
                await self._complete(directory, state)
        whole = await self._existing(name)
        if whole.size_bytes != state.size_bytes:
            raise unavailable(f"an upload of {state.size_bytes:,} bytes was put together to {whole.size_bytes:,}")
        return whole

    async def _complete(self, directory: str, state: OpenUpload) -> None:
        name, upload_id = f"{directory}/{state.whole_name}", state.multipart_id or ""
        parts = [(part.number, part.etag) for part in state.parts]
        if state.remainder is not None:
            found = await self._objects.get(f"{directory}/{state.remainder.name}")
            if found is None:
                raise NotFoundError("upload")
            number = state.reserved + 1  # nobody has it: it would have to be reserved first
            parts.append((number, await self._multipart.put_part(name, upload_id, number, [found[0]])))
        await self._multipart.complete(name, upload_id, parts)

    async def _reopened(self, directory: str, ledger: Ledger, state: OpenUpload, offset: int) -> OpenUpload:
        """The list to go back with: the same, unless its parts were put together before the last step was confirmed
        (a crash in between). Then what is kept of them is copied into a new multipart upload."""
        place = state.place_of(offset)
        whole = await self._objects.head(f"{directory}/{state.whole_name}") if state.parts else None
        if whole is None:
            return state
        kept_bytes = sum(part.size_bytes for part in state.parts[: place.parts])
        fresh = fresh_name("whole")
        multipart_id, copied = await copy_parts(
            self._multipart, whole.key, f"{directory}/{fresh}", kept_bytes, state.part_bytes
        )
        parts = tuple(StoredPart(number, etag, size) for number, etag, size in copied)
        remainder = place.remainder and dataclasses.replace(place.remainder, parts=len(parts))
        return await ledger.change(
            lambda found: dataclasses.replace(
                found,
                multipart_id=multipart_id,
                whole_name=fresh,
                parts=parts,
                remainder=remainder,
                previous=None,
                reserved=len(parts),
            )
        )

    async def _existing(self, name: str) -> ObjectInfo:
        found = await self._objects.head(name)
        if found is None:
            raise NotFoundError("upload")
        return found


def _ledger_name(directory: str) -> str:
    return f"{directory}/ledger.json"
