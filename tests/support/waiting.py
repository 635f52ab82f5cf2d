"""Waits for what Postgres says about itself, instead of for a while."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import text

from cuepoint.db.session import Database

_BLOCKED = """
select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""


async def blocked_or_done(db: Database, task: asyncio.Task[Any]) -> None:
    """Returns once the task is done, or a statement on this database waits for somebody else's lock."""
    while not task.done():
        async with db.read() as session:
            if await session.scalar(text(_BLOCKED)):
                return
        await asyncio.sleep(0.01)
