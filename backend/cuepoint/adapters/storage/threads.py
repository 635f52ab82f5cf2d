"""Blocking calls in threads that are waited for, also by a caller who is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `asyncio.to_thread` does, but a cancelled caller goes on only when the thread has ended.

    A thread cannot be stopped: without the wait, the last write of a cancelled request would still run when the
    request's lock is free and somebody else writes at the same place. What the thread raised is then of no interest.
    """
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((running,))
        running.exception()
        raise
