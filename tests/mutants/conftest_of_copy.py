"""Becomes tests/conftest.py of the copy that a mutant lives in: the same fixtures, on the servers of the runner."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

import cuepoint
from tests.support.database import create_database, drop_database, empty_database
from tests.support.stack import SharedStack

ROOT = Path(__file__).resolve().parents[1]
assert Path(cuepoint.__file__).is_relative_to(ROOT), "the mutant, not the working tree, is under test"
LOCK_TIMEOUT = "15s"  # some mutants wait for what their own test holds; no healthy statement waits that long


@pytest.fixture(scope="session")
def stack() -> SharedStack:
    return SharedStack(**json.loads(os.environ["MUTANT_STACK"]))


@asynccontextmanager
async def clone(stack: SharedStack) -> AsyncIterator[str]:
    """A database with the functions of the mutant. Left behind while autovacuum is in it: the servers go soon."""
    name = await create_database(stack, os.environ["MUTANT_TEMPLATE"])
    yield f"{stack.database_server_url(name)}&lock_timeout={LOCK_TIMEOUT}"
    with suppress(asyncpg.InsufficientPrivilegeError):
        await drop_database(stack, name)


@pytest.fixture
async def own_database_url(stack: SharedStack) -> AsyncIterator[str]:
    async with clone(stack) as url:
        yield url


@pytest.fixture(scope="session")
async def run_database_url(stack: SharedStack) -> AsyncIterator[str]:
    async with clone(stack) as url:
        yield url


@pytest.fixture
async def database_url(run_database_url: str) -> str:
    await empty_database(run_database_url)
    return run_database_url
