"""A migrated, empty database for each test: each process of the run has one clone of a template and empties it.

Its connections stay open from test to test: a new one reads the catalogue and plans every statement anew, which takes
longer than what most tests do.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote
from uuid import uuid4

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import QueuePool

from cuepoint.db.session import Database, create_engine
from cuepoint.features.jobs.statements import use_json_text
from tests.support.stack import SharedStack

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "cuepoint_template"
RESET_SECONDS = 10.0


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for the product's migrations on that database."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "backend/cuepoint/db/migrations"))
    config.attributes["database_url"] = database_url
    return config


async def prepare_template(stack: SharedStack, directory: Path) -> None:
    """The template exists and is migrated; the first process of the run makes it, the others wait for it."""
    with (directory / "template.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        if (directory / "template.done").exists():
            return
        await _execute(stack, f'create database "{TEMPLATE}"')
        url = stack.database_server_url(TEMPLATE)
        await asyncio.to_thread(command.upgrade, alembic_config(url), "head")
        (directory / "template.done").touch()


async def create_database(stack: SharedStack, template: str = TEMPLATE) -> str:
    """A new clone; returns its name."""
    name = f"t_{uuid4().hex}"
    await _execute(stack, f'create database "{name}" template "{template}" strategy file_copy')
    return name


async def drop_database(stack: SharedStack, name: str) -> None:
    """The clone is gone, whoever is still connected."""
    for _ in range(50):
        try:
            return await _execute(stack, f'drop database if exists "{name}" with (force)')
        except asyncpg.InsufficientPrivilegeError:  # autovacuum is in it: a superuser's process, which ends by itself
            await asyncio.sleep(0.1)
    return await _execute(stack, f'drop database if exists "{name}" with (force)')


# Lanes and the version are put there by the migrations, and a test must find them as they were.
_EMPTY = """
do $$ declare t text; begin
  if exists (select from audit_events) then  -- which refuses to be emptied
    alter table audit_events disable trigger audit_events_are_kept;
    delete from audit_events;
    alter table audit_events enable trigger audit_events_are_kept;
  end if;
  for t in select relname from pg_class where relname ~ '^retrievable_text_embeddings_[0-9]+$' and relkind = 'r' loop
    execute format('drop table %I', t);
  end loop;
  for t in select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
      and not relispartition and relname <> all (array['alembic_version', 'lanes', 'audit_events'])
      order by relname <> 'retrievable_text_embeddings' loop
    execute format('delete from %I', t);
  end loop;
  delete from file_removals;  -- which the triggers of the other tables have filled
  delete from storage_tallies;
  update lanes set is_paused = false, virtual_now = now();
end $$
"""


class WorkerDatabase:
    """The database of this process of the run."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = create_engine(url, pool_size=5)
        self._connection: Any = None

    async def empty(self) -> None:
        """Every row that tests made is gone."""
        await (await self.connection()).execute(_EMPTY)

    async def connection(self) -> Any:
        """The one connection outside SQLAlchemy, as workers have theirs, and as good as new."""
        if self._connection is not None:
            try:
                await self._connection.reset(timeout=RESET_SECONDS)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # a test broke it, or left it in use
                self._connection.terminate()
                self._connection = None
        if self._connection is None:
            self._connection = await asyncpg.connect(self.url)
            await use_json_text(self._connection)
        return self._connection

    @asynccontextmanager
    async def units_of_work(self) -> AsyncIterator[Database]:
        """Units of work of one test. What it leaves open is closed, and the next test begins with new connections."""
        yield Database(self._engine)
        if cast(QueuePool, self._engine.pool).checkedout():
            await self._engine.dispose()

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()
        if self._connection is not None:
            self._connection.terminate()


class Door:
    """A way to one database that can be shut: connections through it end, and there are no new ones."""

    def __init__(self, url: str, folder: Path) -> None:
        address, _, sockets = url.partition("?host=")
        self.url = f"{address}?host={folder}"
        self._around = url
        (self._socket,) = Path(unquote(sockets.partition("&")[0])).glob(".s.PGSQL.*[0-9]")
        self._door = folder / self._socket.name
        self.open()

    def open(self) -> None:
        """It leads there again."""
        self._door.symlink_to(self._socket)

    async def shut(self) -> None:
        """Nobody comes through, and whoever did is put out."""
        self._door.unlink()
        connection = await asyncpg.connect(self._around)
        await put_out_others(connection)
        await connection.close()


async def put_out_others(sql: Any) -> None:
    """Every other client of this database loses its connection. Autovacuum is none, and only superusers may end it."""
    await sql.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )


async def _execute(stack: SharedStack, statement: str) -> None:
    connection = await asyncpg.connect(stack.database_server_url("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
