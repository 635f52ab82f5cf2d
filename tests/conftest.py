"""Wires tests/support into fixtures: real Postgres and Redis, a fresh database for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pytest_socket import socket_allow_hosts

from cuepoint.config import Settings, load_settings
from cuepoint.db.session import Database, create_engine
from tests.support.database import create_database, drop_database, empty_database, prepare_template
from tests.support.stack import SharedStack, run_directory, shared_stack


def pytest_runtest_setup() -> None:
    """No test reaches a foreign host; loopback stays open, where the servers of the tests listen."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[SharedStack]:
    """The run's Postgres and Redis."""
    with shared_stack(run_directory(tmp_path_factory, worker_id)) as running:
        yield running


@pytest.fixture(scope="session")
async def template(stack: SharedStack, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> SharedStack:
    """The stack with its migrated template database."""
    await prepare_template(stack, run_directory(tmp_path_factory, worker_id))
    return stack


@pytest.fixture(scope="session")
async def worker_database_url(template: SharedStack) -> AsyncIterator[str]:
    """The database of this process of the run."""
    name = await create_database(template)
    yield template.database_server_url(name)
    await drop_database(template, name)


@pytest.fixture
async def database_url(worker_database_url: str) -> str:
    """A migrated, empty database."""
    await empty_database(worker_database_url)
    return worker_database_url


@pytest.fixture
async def own_database_url(template: SharedStack) -> AsyncIterator[str]:
    """A migrated clone for this test alone, for tests that change the schema or break connections."""
    name = await create_database(template)
    yield template.database_server_url(name)
    await drop_database(template, name)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """Units of work on this test's database; effects after a commit go nowhere."""
    database = Database(create_engine(database_url, pool_size=5))
    yield database
    await database.close()


@pytest.fixture
def redis_url(stack: SharedStack, worker_id: str) -> str:
    """A Redis database of this xdist worker."""
    number = 0 if worker_id == "master" else int(worker_id.removeprefix("gw")) % 15 + 1
    return stack.redis_url(number)


@pytest.fixture
def settings(tmp_path: Path, database_url: str, redis_url: str) -> Settings:
    """Settings on this test's database, Redis and home, with waits short enough for tests."""
    return load_settings(
        {
            "CUEPOINT_HOME": str(tmp_path),
            "CUEPOINT_DATABASE_URL": database_url,
            "CUEPOINT_REDIS_URL": redis_url,
            "CUEPOINT_LEASE_SECONDS": "2",
            "CUEPOINT_POLL_SECONDS": "0.2",
            "CUEPOINT_DRAIN_SECONDS": "5",
            "CUEPOINT_RETRY_BASE_SECONDS": "0.1",
            "CUEPOINT_MIN_FREE_BYTES": "0",
        }
    )
