"""Loops that must not end: whatever breaks one off is logged, and it begins again, until its task is ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

CANCEL_AGAIN_SECONDS = 0.05

_log = logging.getLogger(__name__)


async def keep_going(name: str, loop: Callable[[], Awaitable[None]], pause_seconds: float) -> None:
    """Run `loop` for ever, anew after a pause when it has ended or failed. Ends by cancellation only."""
    while True:
        [failure] = await asyncio.gather(loop(), return_exceptions=True)
        _log.error("%s broke off and begins again", name, exc_info=failure)
        await asyncio.sleep(pause_seconds)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended: Python 3.11's `wait_for`, inside libraries, swallows a cancellation that
    comes in the moment of an answer."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
