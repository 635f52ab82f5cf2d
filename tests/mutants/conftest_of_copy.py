"""Becomes tests/conftest.py of the copy that a mutant lives in: the same fixtures, on the servers of the runner."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import cuepoint
from cuepoint.config import Settings, load_settings
from cuepoint.db.session import Database
from cuepoint.tables import MODELS
from tests.support.database import WorkerDatabase, create_database, drop_database
from tests.support.jobs import checked
from tests.support.stack import SharedStack

ROOT = Path(__file__).resolve().parents[1]
assert Path(cuepoint.__file__).is_relative_to(ROOT), "the mutant, not the working tree, is under test"
LOADED = MODELS  # foreign keys name tables of all features
LOCK_TIMEOUT = "15s"  # some mutants wait for what their own test holds; no healthy statement waits that long


@pytest.fixture(scope="session")
def stack() -> SharedStack:
    return SharedStack(**json.loads(os.environ["MUTANT_STACK"]))


@asynccontextmanager
async def clone(stack: SharedStack) -> AsyncIterator[str]:
    """A database with the functions of the mutant. Left behind while autovacuum is in it: the servers go soon."""
    name = await create_database(stack, os.environ["MUTANT_TEMPLATE"])
    url = stack.database_server_url(name)
    connection = await asyncpg.connect(url)
    await connection.execute(f"alter database {name} set lock_timeout = '{LOCK_TIMEOUT}'")
    await connection.close()
    yield url
    with suppress(asyncpg.InsufficientPrivilegeError):
        await drop_database(stack, name)


@pytest.fixture
async def own_database_url(stack: SharedStack) -> AsyncIterator[str]:
    async with clone(stack) as url:
        yield url


@pytest.fixture(scope="session")
async def worker_database(stack: SharedStack) -> AsyncIterator[WorkerDatabase]:
    async with clone(stack) as url:
        database = WorkerDatabase(url)
        yield database
        await database.close()


@pytest.fixture
async def database_url(worker_database: WorkerDatabase) -> str:
    await worker_database.empty()
    return worker_database.url


@pytest.fixture
async def db(database_url: str, worker_database: WorkerDatabase) -> AsyncIterator[Database]:
    async with worker_database.units_of_work() as database:
        yield database


@pytest.fixture
def redis_url(stack: SharedStack) -> str:
    return stack.redis_url(int(ROOT.name.removeprefix("copy")))


@pytest.fixture
def settings(tmp_path: Path, database_url: str, redis_url: str) -> Settings:
    return load_settings(
        {
            "CUEPOINT_HOME": str(tmp_path),
            "CUEPOINT_DATABASE_URL": database_url,
            "CUEPOINT_REDIS_URL": redis_url,
            "CUEPOINT_LEASE_SECONDS": "2",
            "CUEPOINT_POLL_SECONDS": "0.2",
            "CUEPOINT_RETRY_BASE_SECONDS": "0.1",
            "CUEPOINT_MIN_FREE_BYTES": "0",
        }
    )


@pytest.fixture
async def sql(database_url: str, worker_database: WorkerDatabase) -> AsyncIterator[Any]:
    async with checked(await worker_database.connection()) as connection:
        yield connection
