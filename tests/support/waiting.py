"""Waits for what Postgres says about itself, instead of for a while."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import text

from cuepoint.db.session import Database

_BLOCKED = """
select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""
# Of this database alone: the other processes of the run have locks too. Not out of pg_stat_activity, which stays as it
# was first seen for as long as a transaction lasts.
_WAITING = """
select exists (select from pg_locks waiting join pg_locks held on held.pid = waiting.pid
where not waiting.granted and held.database = (select oid from pg_database where datname = current_database()))
"""


async def is_someone_waiting(sql: Any) -> bool:
    """Whether a statement on this database waits for a lock; `sql` may be in a transaction."""
    return bool(await sql.fetchval(_WAITING))


async def blocked_or_done(db: Database, task: asyncio.Task[Any]) -> None:
    """Returns once the task is done, or a statement on this database waits for somebody else's lock."""
    while not task.done():
        async with db.read() as session:
            if await session.scalar(text(_BLOCKED)):
                return
        await asyncio.sleep(0.01)
