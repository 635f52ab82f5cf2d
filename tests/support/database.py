"""A migrated, empty database for each test: each process of the run has one clone of a template and empties it."""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path
from uuid import uuid4

import asyncpg
from alembic import command
from alembic.config import Config

from tests.support.stack import SharedStack

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "cuepoint_template"


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


# What the migrations put there themselves, and a test must find as it was.
_KEPT = ("alembic_version", "lanes")
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
      and not relispartition and relname <> all ({kept} || array['audit_events'])
      order by relname <> 'retrievable_text_embeddings' loop
    execute format('delete from %I', t);
  end loop;
  delete from file_removals;  -- which the triggers of the other tables have filled
  delete from storage_tallies;
  update lanes set is_paused = false, virtual_now = now();
end $$
"""


async def empty_database(url: str) -> None:
    """Every row that tests made is gone: 10 ms, where a fresh clone takes half a second."""
    kept = ", ".join(f"'{name}'" for name in _KEPT)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_EMPTY.format(kept=f"array[{kept}]"))
    finally:
        await connection.close()


async def _execute(stack: SharedStack, statement: str) -> None:
    connection = await asyncpg.connect(stack.database_server_url("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
