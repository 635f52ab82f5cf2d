"""Claims jobs, many in one statement a lane, when slots are free and a bell rings or Postgres is asked anyway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from cuepoint.adapters.live.base import Live
from cuepoint.features.jobs.announce import Change
from cuepoint.features.jobs.claims import Claimed, claim
from cuepoint.features.jobs.statements import DATABASE_ERRORS, is_outage
from cuepoint.worker.attempt import Attempt
from cuepoint.worker.connections import Connections
from cuepoint.worker.identity import Identity
from cuepoint.worker.lane_slots import WAIT_SECONDS, LaneSlots

_log = logging.getLogger(__name__)


class Fetcher:
    """Keeps count of the slots of each lane; `run` is its loop.

    `take` makes a claimed job this process's, if there is one to begin; `begin` hands it to a slot, `tell` announces
    what was claimed, `give_back` lets other workers have them.
    """

    def __init__(
        self,
        connections: Connections,
        live: Live,
        identity: Identity,
        slots: Mapping[str, int],
        *,
        kinds: Sequence[str],
        poll_seconds: float,
        take: Callable[[Claimed], Attempt | None],
        begin: Callable[[Attempt], None],
        tell: Callable[[Sequence[Change]], None],
        give_back: Callable[[Sequence[Attempt]], Awaitable[None]],
    ) -> None:
        self._connections = connections
        self._live = live
        self._identity = identity
        self._lanes = {lane: LaneSlots(count) for lane, count in slots.items()}
        self._kinds = tuple(kinds)
        self._poll_seconds = poll_seconds
        self._take = take
        self._begin = begin
        self._tell = tell
        self._give_back = give_back
        self._wake = asyncio.Event()
        self._is_stopped = False
        self._has_ended = asyncio.Event()

    def free(self, lane: str, seconds: float) -> None:
        """A job has left its slot after so long."""
        following = self._lanes[lane].ended(seconds, may_begin=not self._is_stopped)
        if following is not None:
            self._begin(following)
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing and begin nothing any more; what has no slot yet is given back."""
        self._is_stopped = True
        self._wake.set()

    async def ended(self) -> None:
        """Returns once that has happened."""
        await self._has_ended.wait()

    async def run(self) -> None:
        """Claim until stopped."""
        bell: asyncio.Task[str | None] | None = None
        try:
            while not self._is_stopped:
                self._wake.clear()
                await self._give_up(older_than_seconds=WAIT_SECONDS)
                rung = bell.result() if bell is not None and bell.done() else None
                bell = None if bell is None or bell.done() else bell
                if rung is not None and self._lanes[rung].room <= 0:
                    await self._live.ring([rung])  # not for us: our slots filled while we listened
                if await self._claim_all(rung):
                    continue
                lanes = [name for name, lane in self._lanes.items() if lane.room > 0]
                # One wait goes on when slots become free meanwhile: ending a blocking read costs a connection.
                if bell is None and lanes:
                    bell = asyncio.create_task(self._live.wait_bell(lanes, self._poll_seconds))
                await self._wait(bell)
            await self._give_up(older_than_seconds=0.0)
        finally:
            self._has_ended.set()
            if bell is not None:
                bell.cancel()

    async def _wait(self, bell: asyncio.Task[str | None] | None) -> None:
        woken = asyncio.create_task(self._wake.wait())
        try:
            timeout = WAIT_SECONDS if any(lane.has_waiting for lane in self._lanes.values()) else None
            awaited = [woken] if bell is None else [woken, bell]
            await asyncio.wait(awaited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()

    async def _claim_all(self, rung: str | None) -> bool:
        """Fill the free slots, first of the lane whose bell rang; True if it may be worth asking again at once."""
        has_claimed = False
        for name, lane in sorted(self._lanes.items(), key=lambda item: item[0] != rung):
            room = lane.room
            if room <= 0 or self._is_stopped:
                continue
            try:
                async with self._connections.lazy() as connection:
                    claimed = await claim(
                        connection, lane=name, worker_id=self._identity.worker_id, limit=room, kinds=self._kinds
                    )
            except DATABASE_ERRORS as error:
                if not is_outage(error):
                    _log.warning("Claiming failed, trying again: %s: %s", type(error).__name__, error)
                await asyncio.sleep(self._poll_seconds)
                return False
            self._hold(lane, claimed)
            if len(claimed) == room and rung is not None:
                await self._live.ring([name])  # there may be more than fits here: wake another worker
            has_claimed = has_claimed or len(claimed) == room
        return has_claimed and any(lane.room > 0 for lane in self._lanes.values())

    def _hold(self, lane: LaneSlots, claimed: Sequence[Claimed]) -> None:
        for job in claimed:
            attempt = self._take(job)
            # It may be told to stop while Postgres is asked.
            if attempt is not None and lane.take(attempt, may_begin=not self._is_stopped):
                self._begin(attempt)
        self._tell([job.change for job in claimed])  # last: jobs begin before the word of it goes out

    async def _give_up(self, *, older_than_seconds: float) -> None:
        late = [job for lane in self._lanes.values() for job in lane.give_up(older_than_seconds=older_than_seconds)]
        if late:
            await self._give_back(late)
