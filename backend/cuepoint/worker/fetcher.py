"""Claims jobs: as many as slots are free, in one statement a lane, when a bell rings or Postgres is asked anyway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from cuepoint.adapters.live.base import Live
from cuepoint.features.jobs.claims import Claimed, claim
from cuepoint.features.jobs.statements import DATABASE_ERRORS
from cuepoint.worker.connections import Connections
from cuepoint.worker.identity import Identity

_log = logging.getLogger(__name__)


class Fetcher:
    """Keeps count of the slots of each lane; `run` is its loop, `take` hands each claimed job on."""

    def __init__(
        self,
        connections: Connections,
        live: Live,
        identity: Identity,
        slots: Mapping[str, int],
        *,
        kinds: Sequence[str],
        poll_seconds: float,
        take: Callable[[Claimed], None],
    ) -> None:
        self._connections = connections
        self._live = live
        self._identity = identity
        self._free = dict(slots)
        self._kinds = tuple(kinds)
        self._poll_seconds = poll_seconds
        self._take = take
        self._wake = asyncio.Event()
        self._is_stopped = False

    def free(self, lane: str) -> None:
        """A slot of this lane is free again."""
        self._free[lane] += 1
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing any more."""
        self._is_stopped = True
        self._wake.set()

    async def run(self) -> None:
        """Claim until stopped."""
        bell: asyncio.Task[str | None] | None = None
        try:
            while not self._is_stopped:
                self._wake.clear()
                rung = bell.result() if bell is not None and bell.done() else None
                bell = None if bell is None or bell.done() else bell
                if rung is not None and self._free[rung] <= 0:
                    await self._live.ring([rung])  # not for us: our slots filled while we listened
                if await self._claim_all(rung):
                    continue
                lanes = [lane for lane, free in self._free.items() if free > 0]
                # One wait goes on when slots become free meanwhile: ending a blocking read costs a connection.
                if bell is None and lanes:
                    bell = asyncio.create_task(self._live.wait_bell(lanes, self._poll_seconds))
                await self._wait(bell)
        finally:
            if bell is not None:
                bell.cancel()

    async def _wait(self, bell: asyncio.Task[str | None] | None) -> None:
        woken = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait([woken] if bell is None else [woken, bell], return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()

    async def _claim_all(self, rung: str | None) -> bool:
        """Fill the free slots, first of the lane whose bell rang; True if it may be worth asking again at once."""
        has_claimed = False
        for lane, free in sorted(self._free.items(), key=lambda item: item[0] != rung):
            if free <= 0 or self._is_stopped:
                continue
            try:
                async with self._connections.lazy.acquire() as connection:
                    claimed = await claim(
                        connection, lane=lane, worker_id=self._identity.worker_id, limit=free, kinds=self._kinds
                    )
            except DATABASE_ERRORS as error:
                _log.warning("Claiming failed, trying again: %s: %s", type(error).__name__, error)
                await asyncio.sleep(self._poll_seconds)
                return False
            self._free[lane] -= len(claimed)
            for job in claimed:
                self._take(job)
            if len(claimed) == free and rung is not None:
                await self._live.ring([lane])  # there may be more than fits here: wake another worker
            has_claimed = has_claimed or len(claimed) == free
        return has_claimed and any(free > 0 for free in self._free.values())
