"""One step of an open upload: bytes from an offset on become parts and a remainder, and count once they are listed."""

from __future__ import annotations

import contextlib
import dataclasses

from cuepoint.adapters.storage.base import Piece
from cuepoint.adapters.storage.refusals import bytes_missing
from cuepoint.adapters.storage.s3_ledger import Ledger
from cuepoint.adapters.storage.s3_multipart import Multipart
from cuepoint.adapters.storage.s3_objects import BucketObjects
from cuepoint.adapters.storage.s3_state import (
    MAX_NUMBER,
    RESERVED_AT_ONCE,
    OpenUpload,
    Place,
    Remainder,
    StoredPart,
    fresh_name,
    part_bytes_for,
)
from cuepoint.errors import AdapterError, CuepointError, ErrorCode


class Writer:
    """Holds at most a block and a part in memory. `arrived` counts the bytes that were taken."""

    def __init__(
        self, objects: BucketObjects, multipart: Multipart, ledger: Ledger, directory: str, place: Place, limit: int
    ) -> None:
        self._objects = objects
        self._multipart = multipart
        self._ledger = ledger
        self._directory = directory
        self._place = place
        self._parts = list(self._state.parts[: place.parts])
        self._used = self._state.reserved
        self._part_bytes = self._state.part_bytes if self._state.multipart_id else part_bytes_for(limit)
        self._pending: list[Piece] = []
        self.arrived = 0

    @property
    def _state(self) -> OpenUpload:
        if self._ledger.state is None:
            raise bytes_missing(0, 0)
        return self._ledger.state

    async def begin(self) -> None:
        """The remainder that the bytes join is at hand again."""
        remainder = self._place.remainder
        if remainder is not None:
            name = f"{self._directory}/{remainder.name}"
            self._pending.append(await self._objects.get_range(name, 0, self._place.remainder_bytes))

    async def take(self, block: list[Piece]) -> None:
        """Go on with these bytes; whole parts are sent at once."""
        self._pending.extend(block)
        self.arrived += sum(map(len, block))
        while sum(map(len, self._pending)) >= self._part_bytes:
            part, self._pending = _cut(self._pending, self._part_bytes)
            await self._send(part)

    async def end(self) -> None:
        """What arrived is listed. Raises CuepointError OFFSET_MISMATCH if somebody else took over: then none of it
        counts, and the remainder that was stored for it is gone again."""
        if not self.arrived:
            return
        remainder = None
        if self._pending:
            data = b"".join(self._pending)
            remainder = Remainder(fresh_name("rest"), len(data), len(self._parts))
            await self._objects.put(f"{self._directory}/{remainder.name}", data)
        before = self._state.remainders
        parts, used = tuple(self._parts), self._used if len(self._parts) > self._place.parts else 0
        try:
            after = await self._ledger.change(lambda state: state.after(self._place, parts, remainder, used))
        except CuepointError:
            if remainder is not None:
                await self._remove([remainder.name])
            raise
        await self._remove(sorted(before - after.remainders))

    async def _remove(self, names: list[str]) -> None:
        with contextlib.suppress(AdapterError):  # left for the end of the upload, which removes all
            await self._objects.delete([f"{self._directory}/{name}" for name in names])

    async def _send(self, pieces: list[Piece]) -> None:
        number = self._used + 1
        if number > self._state.reserved or self._state.multipart_id is None:
            await self._reserve(number)
        state = self._state
        name = f"{self._directory}/{state.whole_name}"
        etag = await self._multipart.put_part(name, state.multipart_id or "", number, pieces)
        self._parts.append(StoredPart(number, etag, sum(map(len, pieces))))
        self._used = number

    async def _reserve(self, number: int) -> None:
        if number > MAX_NUMBER:
            raise CuepointError(
                ErrorCode.UPLOAD_TOO_LARGE,
                "The upload was interrupted so often that its parts are used up.",
                hint="Create a new upload and send the file again.",
            )
        state = self._state
        multipart_id, whole_name = state.multipart_id, state.whole_name
        if multipart_id is None:
            whole_name = fresh_name("whole")
            multipart_id = await self._multipart.create(f"{self._directory}/{whole_name}")
        reserved = min(MAX_NUMBER, number - 1 + RESERVED_AT_ONCE)
        await self._ledger.change(
            lambda found: dataclasses.replace(
                found,
                part_bytes=self._part_bytes,
                multipart_id=multipart_id,
                whole_name=whole_name,
                reserved=reserved,
            )
        )


def _cut(pieces: list[Piece], size: int) -> tuple[list[Piece], list[Piece]]:
    """The first `size` bytes, and the others."""
    taken: list[Piece] = []
    for index, piece in enumerate(pieces):
        if len(piece) > size:
            return [*taken, piece[:size]], [piece[size:], *pieces[index + 1 :]]
        taken.append(piece)
        size -= len(piece)
        if not size:
            return taken, pieces[index + 1 :]
    return taken, []
