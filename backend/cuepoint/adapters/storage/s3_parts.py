"""Parts of an upload that a client sends to the object store itself, by presigned URLs.

What a client sends is no more than numbers of parts with sizes until it is looked at: `take` compares what lies in the
store with what was announced, and writes it into the upload's ledger. From then on the upload is like any other.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cuepoint.adapters.storage.base import SignedPart
from cuepoint.adapters.storage.keys import checked_key
from cuepoint.adapters.storage.refusals import upload_taken
from cuepoint.adapters.storage.s3_config import S3Config
from cuepoint.adapters.storage.s3_ledger import Ledger
from cuepoint.adapters.storage.s3_multipart import Multipart, NoSuchMultipartError
from cuepoint.adapters.storage.s3_objects import BucketObjects
from cuepoint.adapters.storage.s3_state import OpenUpload, fresh_name, part_bytes_for
from cuepoint.adapters.storage.sigv4 import presigned_url
from cuepoint.errors import CuepointError, ErrorCode

SHOWN = 10  # numbers that a message names


class S3Parts:
    """Implements `DirectParts`."""

    def __init__(
        self, config: S3Config, objects: BucketObjects, multipart: Multipart, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._objects = objects
        self._multipart = multipart
        self._clock = clock

    def part_bytes(self, size_bytes: int) -> int:
        """See the port."""
        return part_bytes_for(size_bytes)

    async def sign(
        self, upload_key: str, numbers: Sequence[int], *, size_bytes: int, part_bytes: int, seconds: int
    ) -> list[SignedPart]:
        """See the port."""
        directory = f"uploads/{checked_key(upload_key)}"
        state = await self._begun(directory, size_bytes, part_bytes)
        now = datetime.now(UTC)
        url = self._config.url(f"{directory}/{state.whole_name}", is_public=True)
        return [
            SignedPart(
                number=number,
                size_bytes=_size_of(number, size_bytes, part_bytes),
                url=presigned_url(
                    self._config.credentials,
                    "PUT",
                    url,
                    {"partNumber": str(number), "uploadId": state.multipart_id or ""},
                    seconds,
                    now,
                ),
            )
            for number in numbers
        ]

    async def take(self, upload_key: str, *, size_bytes: int, part_bytes: int) -> None:
        """See the port."""
        directory = f"uploads/{checked_key(upload_key)}"
        ledger = self._ledger(directory)
        state = await ledger.load()
        count = -(-size_bytes // part_bytes)
        if state is None or state.multipart_id is None:
            raise _incomplete(range(1, count + 1))
        if state.parts:
            return  # taken before
        try:
            sent = await self._multipart.parts(f"{directory}/{state.whole_name}", state.multipart_id)
        except NoSuchMultipartError:
            raise upload_taken() from None
        found = {part.number: part for part in sent}
        missing = [
            number
            for number in range(1, count + 1)
            if number not in found or found[number].size_bytes != _size_of(number, size_bytes, part_bytes)
        ]
        if missing:
            raise _incomplete(missing)
        parts = tuple(found[number] for number in range(1, count + 1))
        await ledger.change(lambda known: dataclasses.replace(known, parts=parts))

    async def _begun(self, directory: str, size_bytes: int, part_bytes: int) -> OpenUpload:
        """The upload's list, with a multipart upload that parts can be sent to; made at the first call."""
        ledger = self._ledger(directory)
        state = await ledger.load()
        if state is not None and state.multipart_id is not None:
            return state
        name = fresh_name("whole")
        multipart_id = await self._multipart.create(f"{directory}/{name}")
        begun = OpenUpload(
            part_bytes=part_bytes,
            multipart_id=multipart_id,
            whole_name=name,
            reserved=-(-size_bytes // part_bytes),
        )
        try:
            ledger.state = begun
            return await ledger.change(lambda known: known)
        except CuepointError:  # somebody else was quicker: what they made counts
            await self._multipart.abort(f"{directory}/{name}", multipart_id)
            state = await ledger.load()
            if state is None or state.multipart_id is None:
                raise
            return state

    def _ledger(self, directory: str) -> Ledger:
        return Ledger(self._objects, f"{directory}/ledger.json", self._clock)


def _size_of(number: int, size_bytes: int, part_bytes: int) -> int:
    return min(part_bytes, size_bytes - (number - 1) * part_bytes)


def _incomplete(numbers: Sequence[int]) -> CuepointError:
    shown = ", ".join(str(number) for number in list(numbers)[:SHOWN])
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return CuepointError(
        ErrorCode.UPLOAD_INCOMPLETE,
        f"Parts are missing, or have another size than they should: {shown}{more}.",
        hint="Send them, then complete the upload again.",
    )
