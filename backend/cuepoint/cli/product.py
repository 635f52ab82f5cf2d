"""The whole product in one place: servers, schema, admin token, API and workers; what `up` and `demo` run."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from cuepoint.cli.environment import TOKEN_FILE, child_variables
from cuepoint.cli.probes import OLDEST_POSTGRES, DatabaseFacts, database_facts
from cuepoint.config import Settings
from cuepoint.db.revision import mismatch, newest_revision
from cuepoint.embedded.lock import refuse_if_locked
from cuepoint.embedded.running import Running
from cuepoint.embedded.stack import Stack
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.processes.child import python_argv
from cuepoint.processes.supervisor import Program, Supervisor
from cuepoint.viewer import Scope

STORAGE = "STORAGE"  # its name in /readyz
READY_SECONDS = 60.0
POLL_SECONDS = 0.02
PORT_PATIENCE_SECONDS = 1.0
API_GRACE_SECONDS = 10.0
DRAIN_MARGIN_SECONDS = 10.0  # the worker needs this beyond its drain time to give its jobs back

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Product:
    """A product that answers. `ended` completes, with an exit code, when it gives up or was told to stop.

    `new_token` is what the file with the admin token holds, if this start has made it.
    """

    settings: Settings
    running: Running
    api_url: str
    token_file: Path
    new_token: str | None
    ended: asyncio.Task[int]


@asynccontextmanager
async def product(settings: Settings, *, workers: int = 1, logs: Path | None = None) -> AsyncIterator[Product]:
    """Run everything that the settings do not name elsewhere; on leaving, no process is left.

    The processes write into files in `logs`, or to our stderr. Raises EmbeddedError or CuepointError MISCONFIGURED.
    """
    refuse_if_locked(settings.home)
    listener = await _listen_soon(settings.host, settings.port)
    stop = asyncio.Event()
    supervision: asyncio.Task[int] | None = None
    with listener:
        stack = Stack(settings.home, postgres=settings.database_url is None, redis=settings.redis_url is None)
        async with stack:
            settings = _completed(settings, stack, listener)
            token_file, new_token = await _prepare(settings)
            api_url = settings.public_url or local_url(settings.host, settings.port)
            supervisor = Supervisor(
                _programs(settings, listener, workers, logs),
                on_change=lambda pids: _publish(stack, api_url, pids),
            )
            supervision = asyncio.create_task(supervisor.run(stop))
            try:
                await until_ready(settings, supervision)
                running = stack.publish(api_url=api_url, pids=supervisor.pids)
                yield Product(settings, running, api_url, token_file, new_token, supervision)
            finally:
                stop.set()
                await asyncio.wait([supervision])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises CuepointError MISCONFIGURED if the port is taken or the address is not ours."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(2048)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise CuepointError(
            ErrorCode.MISCONFIGURED,
            f"Port {port} on {host} cannot be used: {(error.strerror or str(error)).lower()}.",
            hint="Set CUEPOINT_PORT to a free port (0 takes any) or CUEPOINT_HOST to an address of this machine.",
        ) from None
    return listener


async def _listen_soon(host: str, port: int) -> socket.socket:
    """`listen`, with patience for the API of a predecessor that was killed this instant."""
    deadline = asyncio.get_running_loop().time() + PORT_PATIENCE_SECONDS
    while True:
        try:
            return listen(host, port)
        except CuepointError:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)


def local_url(host: str, port: int) -> str:
    """How a client on this machine reaches the API."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  # compared, not bound
    return f"http://[{name}]:{port}" if ":" in name and not name.startswith("[") else f"http://{name}:{port}"


async def checked_facts(url: str) -> DatabaseFacts:
    """What the database says. Raises UnreachableError, and CuepointError MISCONFIGURED if it is too old or has no
    pgvector."""
    facts = await database_facts(url)
    if facts.version_number < OLDEST_POSTGRES:
        raise CuepointError(
            ErrorCode.MISCONFIGURED,
            f"Postgres {facts.version} is too old.",
            hint="Cuepoint needs Postgres 16 or newer.",
        )
    if facts.vector is None:
        raise CuepointError(
            ErrorCode.MISCONFIGURED,
            "This Postgres has no pgvector.",
            hint="Install the extension `vector` on the server (package postgresql-<version>-pgvector).",
        )
    return facts


async def require_schema(url: str) -> None:
    """Raise what `checked_facts` raises, and CuepointError MISCONFIGURED if the schema is not this version's."""
    if wrong := mismatch((await checked_facts(url)).revision, newest_revision()):
        raise CuepointError(ErrorCode.MISCONFIGURED, wrong)


async def make_admin_key(database_url: str, name: str, scope: Scope = Scope.MANAGE) -> str:
    """A new API key of the administrator, who is made if there is none; the secret, which is nowhere kept."""
    from cuepoint.db.session import Database, create_engine
    from cuepoint.features.users.service import create_admin_key, ensure_admin

    database = Database(create_engine(database_url, pool_size=1, application_name="cuepoint token"))
    try:
        async with database.write() as session:
            await ensure_admin(session)
            return await create_admin_key(session, name, scope)
    finally:
        await database.close()


def _completed(settings: Settings, stack: Stack, listener: socket.socket) -> Settings:
    """The settings with the addresses of what runs here."""
    changes: dict[str, object] = {"port": listener.getsockname()[1]}
    if stack.database_url is not None:
        changes["database_url"] = SecretStr(stack.database_url)
    if stack.redis_url is not None:
        changes["redis_url"] = SecretStr(stack.redis_url)
    return settings.model_copy(update=changes)


async def _prepare(settings: Settings) -> tuple[Path, str | None]:
    """Bring the schema up to date, and see to it that the file with the admin token exists; a token that is new."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    facts = await checked_facts(url)
    if facts.revision is None or facts.revision < newest_revision():
        await _migrate(url)
    await require_schema(url)
    token_file = settings.home / TOKEN_FILE
    if facts.revision is None or not token_file.exists():  # an empty database knows no earlier token
        secret = await make_admin_key(url, "admin-token file")
        draft = token_file.with_name(f"{TOKEN_FILE}.new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secret}\n")
        draft.replace(token_file)
        return token_file, secret
    return token_file, None


async def _migrate(url: str) -> None:
    """In a thread, because Alembic's environment runs a loop of its own."""
    from cuepoint.cli.migrations import upgrade

    await asyncio.to_thread(upgrade, url)


def _programs(settings: Settings, listener: socket.socket, workers: int, logs: Path | None) -> list[Program]:
    variables = child_variables(settings, port=str(settings.port))
    descriptor = listener.fileno()
    api = Program(
        "api",
        python_argv("cuepoint.cli.main", "api", "--fd", str(descriptor)),
        env=variables,
        grace_seconds=API_GRACE_SECONDS,
        pass_fds=(descriptor,),
        log=logs / "api.log" if logs else None,
    )
    names = ["worker"] if workers == 1 else [f"worker-{number}" for number in range(1, workers + 1)]
    return [api, *(worker_program(name, settings, variables, logs) for name in names)]


def worker_program(name: str, settings: Settings, variables: dict[str, str], logs: Path | None = None) -> Program:
    """How one worker process is started."""
    return Program(
        name,
        python_argv("cuepoint.cli.main", "worker"),
        env=variables,
        grace_seconds=settings.drain_seconds + DRAIN_MARGIN_SECONDS,
        log=logs / f"{name}.log" if logs else None,
    )


def _publish(stack: Stack, api_url: str, pids: Mapping[str, int]) -> None:
    stack.publish(api_url=api_url, pids=pids)


async def until_ready(settings: Settings, supervision: asyncio.Task[int]) -> None:
    """Wait until the API serves. Raises CuepointError MISCONFIGURED when it ends or takes too long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_SECONDS
    while (failing := await failing_parts(settings.host, settings.port)) is None or failing not in ([], [STORAGE]):
        if supervision.done():
            raise CuepointError(
                ErrorCode.MISCONFIGURED, "The API or the worker did not start.", hint="Its own message stands above."
            )
        if loop.time() > deadline:
            raise CuepointError(
                ErrorCode.MISCONFIGURED,
                f"The API was not ready after {READY_SECONDS:.0f} s.",
                hint="Its log says why; `cuepoint doctor` checks every part.",
            )
        await asyncio.sleep(POLL_SECONDS)
    if failing:  # a full disk is mended by deleting videos, which needs what runs here
        _log.warning("Storage does not work: uploads and jobs wait or are refused. `cuepoint doctor` says why.")


async def is_ready(host: str, port: int) -> bool:
    """Whether GET /readyz says that nothing fails."""
    return await failing_parts(host, port) == []


async def failing_parts(host: str, port: int) -> list[str] | None:
    """The parts that fail, by GET /readyz; None where it is not answered."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    try:
        async with asyncio.timeout(5.0):
            reader, writer = await asyncio.open_connection(name, port)
            try:
                writer.write(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
                _, _, body = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
        return list(json.loads(body)["failing"])
    except (OSError, ValueError, KeyError, TypeError):  # TimeoutError is an OSError; the rest: another program's answer
        return None
