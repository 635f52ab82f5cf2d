"""Sends what follows commits, in batches and behind everyone's back: a slow Redis never holds up a job."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cuepoint.db.session import Dispatch, Effect
from cuepoint.features.jobs.announce import Change, effects_of

# A Redis that hangs must not fill the memory: beyond this the oldest effects are dropped, watchers find them by their
# safety query and fetchers by their poll.
MAX_WAITING = 10_000


class Announcer:
    """One per process; `run` is its loop."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._waiting: list[Effect] = []
        self._wake = asyncio.Event()

    def put(self, changes: Sequence[Change]) -> None:
        """Announce these changes soon."""
        self._add(effects_of(changes))

    async def dispatch(self, effects: Sequence[Effect]) -> None:
        """As the dispatcher of a Database: returns at once."""
        self._add(effects)

    def _add(self, effects: Sequence[Effect]) -> None:
        if effects:
            self._waiting.extend(effects)
            del self._waiting[:-MAX_WAITING]
            self._wake.set()

    async def flush(self) -> None:
        """Send what is waiting now."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            await self._dispatch(waiting)

    async def run(self) -> None:
        """Send what arrives until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()
