"""Wires tests/support into fixtures: real Postgres and Redis, a fresh database for each test."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_socket import socket_allow_hosts

from cuepoint.config import Settings, load_settings
from cuepoint.db.session import Database
from tests.support.database import Door, WorkerDatabase, create_database, drop_database, prepare_template
from tests.support.distribution import ByFile, longest_first
from tests.support.jobs import checked
from tests.support.s3_server import S3Server, s3_server
from tests.support.stack import SharedStack, run_directory, shared_stack


def pytest_runtest_setup() -> None:
    """No test reaches a foreign host; loopback stays open, where the servers of the tests listen."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


def pytest_sessionstart() -> None:
    """While tests are collected there is no garbage, but half a million objects to look at again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on there is, and what was collected stays to the end."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever takes long begins early."""
    longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile | None:
    """Tests are shared by files, unless `--dist` asks for something else."""
    return ByFile(config, log) if config.getvalue("dist") == "load" else None


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
async def worker_database(template: SharedStack) -> AsyncIterator[WorkerDatabase]:
    """The database of this process of the run."""
    name = await create_database(template)
    database = WorkerDatabase(template.database_server_url(name))
    yield database
    await database.close()
    await drop_database(template, name)


@pytest.fixture
async def database_url(worker_database: WorkerDatabase) -> str:
    """A migrated, empty database."""
    await worker_database.empty()
    return worker_database.url


@pytest.fixture
async def own_database_url(template: SharedStack) -> AsyncIterator[str]:
    """A migrated clone for this test alone, for tests that change the schema or break connections."""
    name = await create_database(template)
    yield template.database_server_url(name)
    await drop_database(template, name)


@pytest.fixture
async def door(own_database_url: str) -> AsyncIterator[Door]:
    """A way to such a clone that the test can shut; in a short folder, as paths of sockets have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="cp-") as folder:
        yield Door(own_database_url, Path(folder))


@pytest.fixture
async def db(database_url: str, worker_database: WorkerDatabase) -> AsyncIterator[Database]:
    """Units of work on this test's database; effects after a commit go nowhere."""
    async with worker_database.units_of_work() as database:
        yield database


@pytest.fixture
async def sql(database_url: str, worker_database: WorkerDatabase) -> AsyncIterator[Any]:
    """A worker's connection. Whatever a test did, the invariants of the job layer hold at its end."""
    async with checked(await worker_database.connection()) as connection:
        yield connection


@pytest.fixture
def redis_url(stack: SharedStack, worker_id: str) -> str:
    """A Redis database of this xdist worker."""
    number = 0 if worker_id == "master" else int(worker_id.removeprefix("gw")) % 15 + 1
    return stack.redis_url(number)


@pytest.fixture(scope="session")
def s3_of_the_run() -> Iterator[S3Server]:
    """The S3 server of this process of the run."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def s3(s3_of_the_run: S3Server) -> S3Server:
    """An S3 server with a bucket that is empty."""
    return s3_of_the_run.with_new_bucket()


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
