"""The list of an open upload as one process sees it, changed only on the condition that nobody else changed it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
from collections.abc import Callable

from cuepoint.adapters.storage.refusals import upload_taken
from cuepoint.adapters.storage.s3_objects import BucketObjects, ChangedError
from cuepoint.adapters.storage.s3_state import OpenUpload
from cuepoint.errors import AdapterError, CuepointError

TRIES = 3  # a write whose answer was lost is found done, and made once more on top


class Ledger:
    """Reads and writes one list. With a token it may also hold the lease."""

    def __init__(self, objects: BucketObjects, name: str, clock: Callable[[], float]) -> None:
        self._objects = objects
        self._name = name
        self._clock = clock
        self._token = secrets.token_hex(8)
        self._etag: str | None = None
        self._is_leased = False
        self._one_at_a_time = asyncio.Lock()
        self.state: OpenUpload | None = None

    async def load(self) -> OpenUpload | None:
        """What is written there now; None when there is no such upload."""
        found = await self._objects.get(self._name)
        self.state, self._etag = (None, None) if found is None else (OpenUpload.decode(found[0]), found[1])
        return self.state

    async def change(self, edit: Callable[[OpenUpload], OpenUpload]) -> OpenUpload:
        """The list as edited. Raises CuepointError OFFSET_MISMATCH if somebody else has changed or removed it.

        A former write of ours whose answer was lost, as the request was cancelled or sent twice, is no reason to
        give up: the lease in it is ours. So `edit` may be asked again, for a newer list.
        """
        async with self._one_at_a_time:
            if self._is_leased and (self.state is None or self.state.holder != self._token):
                raise upload_taken()  # known since an earlier try: what was read then is another writer's list
            return await self._write(edit)

    async def _write(self, edit: Callable[[OpenUpload], OpenUpload]) -> OpenUpload:
        for _ in range(TRIES):
            if self.state is None:
                break
            edited = edit(self.state)
            try:
                self._etag = await self._objects.put(self._name, edited.encode(), only_over=self._etag or False)
            except ChangedError:
                await self.load()
                if self.state is None or self.state.holder != self._token:
                    break
                continue
            self.state = edited
            return edited
        raise upload_taken()

    async def acquire(self, seconds: float) -> None:
        """This process holds the lease. Raises CuepointError OFFSET_MISMATCH while somebody else does."""
        found = await self.load()
        if found is not None and found.holder is not None and found.held_until > self._clock():
            raise upload_taken()
        self.state, self._is_leased = found or OpenUpload(), True
        try:
            await self._write(lambda state: self._held(state, seconds))
        except asyncio.CancelledError:
            with contextlib.suppress(AdapterError):  # the write may have arrived
                await self.load()
                await self.release()
            raise

    async def renew_forever(self, seconds: float) -> None:
        """The lease is extended three times as often as it would run out, until it is lost."""
        while True:
            await asyncio.sleep(seconds / 3)
            with contextlib.suppress(AdapterError):  # an outage: the next try may be in time
                try:
                    await self.change(lambda state: self._held(state, seconds))
                except CuepointError:
                    return

    async def release(self) -> None:
        """The lease is free again, if this process holds it; an outage leaves it to run out."""
        with contextlib.suppress(CuepointError, AdapterError):
            await self.change(lambda state: dataclasses.replace(state, holder=None, held_until=0.0))

    def _held(self, state: OpenUpload, seconds: float) -> OpenUpload:
        return dataclasses.replace(state, holder=self._token, held_until=self._clock() + seconds)
