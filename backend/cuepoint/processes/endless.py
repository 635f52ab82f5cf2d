"""Loops that must not end: whatever breaks one off is logged, and it begins again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)


async def keep_going(name: str, loop: Callable[[], Awaitable[None]], pause_seconds: float) -> None:
    """Run `loop` for ever, anew after a pause when it has ended or failed. Ends by cancellation only."""
    while True:
        [failure] = await asyncio.gather(loop(), return_exceptions=True)
        _log.error("%s broke off and begins again", name, exc_info=failure)
        await asyncio.sleep(pause_seconds)
