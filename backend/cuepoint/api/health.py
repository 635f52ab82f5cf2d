"""Whether the parts work: `/livez` for the process itself, `/readyz` for what it needs, `health` for everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from cuepoint.adapters.bundle import Adapters
from cuepoint.api.gateway import Gateway
from cuepoint.api.migration_head import WrongSchemaError, require_head
from cuepoint.db.outages import DATABASE_ERRORS
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, CuepointError
from cuepoint.features.jobs.models import Worker, WorkerState
from cuepoint.processes.child import child_environment, run_child

CHECK_SECONDS = 3.0  # a part that takes longer counts as failing
KEPT_SECONDS = 2.0  # answers are kept so long: anyone may ask, and asking must not become load
NO_STORE = {"Cache-Control": "no-store"}


class HealthPart(Enum):
    """What is checked."""

    POSTGRES = "POSTGRES"
    MIGRATIONS = "MIGRATIONS"
    REDIS = "REDIS"
    STORAGE = "STORAGE"
    FFMPEG = "FFMPEG"
    WORKER = "WORKER"


# Without these no request can be served. Redis only makes things quicker, ffmpeg and workers are other processes'.
REQUIRED = (HealthPart.POSTGRES, HealthPart.MIGRATIONS, HealthPart.STORAGE)


class FailingError(Exception):
    """A part does not work; the message says what to do."""


@dataclass(frozen=True)
class PartHealth:
    """One part; `message` says what is wrong, or what was found."""

    part: HealthPart
    is_healthy: bool
    message: str


class HealthChecks:
    """Asks the parts, all at the same time; the answer of each is kept for 2 seconds."""

    def __init__(self, db: Database, adapters: Adapters, needed_revision: str) -> None:
        self._db = db
        self._adapters = adapters
        self._needed_revision = needed_revision
        self._kept: dict[HealthPart, tuple[float, PartHealth]] = {}
        self._locks = {part: asyncio.Lock() for part in HealthPart}
        self._ffmpeg_version: str | None = None

    async def check(self, parts: tuple[HealthPart, ...] = tuple(HealthPart)) -> list[PartHealth]:
        """The health of these parts, in this order."""
        return list(await asyncio.gather(*(self._part(part) for part in parts)))

    async def ffmpeg_version(self) -> str | None:
        """What `ffmpeg -version` says; None if it does not run."""
        health = await self._part(HealthPart.FFMPEG)
        return self._ffmpeg_version if health.is_healthy else None

    async def _part(self, part: HealthPart) -> PartHealth:
        async with self._locks[part]:
            kept = self._kept.get(part)
            if kept is not None and time.monotonic() - kept[0] < KEPT_SECONDS:
                return kept[1]
            health = await self._asked(part)
            self._kept[part] = (time.monotonic(), health)
            return health

    async def _asked(self, part: HealthPart) -> PartHealth:
        checks: dict[HealthPart, Callable[[], Awaitable[str]]] = {
            HealthPart.POSTGRES: self._postgres,
            HealthPart.MIGRATIONS: self._migrations,
            HealthPart.REDIS: self._redis,
            HealthPart.STORAGE: self._storage,
            HealthPart.FFMPEG: self._ffmpeg,
            HealthPart.WORKER: self._worker,
        }
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return PartHealth(part, is_healthy=True, message=await checks[part]())
        except TimeoutError:
            return PartHealth(part, is_healthy=False, message=f"No answer within {CHECK_SECONDS:g} s.")
        except (SQLAlchemyError, *DATABASE_ERRORS) as error:
            return PartHealth(part, is_healthy=False, message=f"Does not answer ({type(error).__name__}).")
        except (AdapterError, CuepointError, WrongSchemaError, FailingError) as error:
            return PartHealth(part, is_healthy=False, message=str(error))

    async def _postgres(self) -> str:
        async with self._db.read() as session:
            version = (await session.execute(text("show server_version"))).scalar_one()
        return f"Postgres {version}"

    async def _migrations(self) -> str:
        await require_head(self._db, self._needed_revision)
        return f"At {self._needed_revision}"

    async def _redis(self) -> str:
        if not await self._adapters.live.ping():
            raise FailingError(
                "Redis does not answer; jobs start later and progress is not live. See CUEPOINT_REDIS_URL."
            )
        return "Answers"

    async def _storage(self) -> str:
        await self._adapters.storage.check()
        return "Writes, reads and deletes"

    async def _ffmpeg(self) -> str:
        if self._ffmpeg_version is None:
            from cuepoint.adapters.media.commands import ffmpeg_binary  # noqa: PLC0415  # loads a library

            argv = [ffmpeg_binary(), "-hide_banner", "-version"]
            result = await run_child(argv, timeout=CHECK_SECONDS, env=child_environment())
            words = result.stdout.decode(errors="replace").split()
            if result.returncode != 0 or words[:2] != ["ffmpeg", "version"]:
                raise FailingError("ffmpeg does not run; `cuepoint doctor` says why.")
            self._ffmpeg_version = words[2].removeprefix("n").partition("-")[0]  # a tag such as n9.0.2-12-gabc
        return f"ffmpeg {self._ffmpeg_version}"

    async def _worker(self) -> str:
        statement = (
            select(func.count())
            .select_from(Worker)
            .where(Worker.state == WorkerState.LIVE, Worker.lease_until > func.now())
        )
        async with self._db.read() as session:
            alive = (await session.execute(statement)).scalar_one()
        if alive == 0:
            raise FailingError("No worker is alive; jobs wait until one starts: run `cuepoint worker`.")
        return f"{alive} alive"


async def livez(_request: Request) -> Response:
    """200 as long as the loop turns."""
    return Response(b'{"status":"live"}', media_type="application/json", headers=NO_STORE)


async def serve_readyz(gateway: Gateway) -> Response:
    """200 when requests can be served, else 503; either way with the state of each part."""
    checks: HealthChecks = gateway.process.services[HealthChecks]
    parts = await checks.check((*REQUIRED, HealthPart.REDIS))
    failing = [p for p in parts if not p.is_healthy and p.part in REQUIRED]
    body = {
        "status": "failing" if failing else "ready",
        "failing": [p.part.value for p in failing],
        "parts": {p.part.value: "healthy" if p.is_healthy else "failing" for p in parts},
    }
    return Response(orjson.dumps(body), 503 if failing else 200, media_type="application/json", headers=NO_STORE)
