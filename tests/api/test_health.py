"""Health: live, ready, and the state of each part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from cuepoint.adapters.bundle import build_adapters
from cuepoint.api.app import create_app
from cuepoint.api.health import HealthChecks, HealthPart
from cuepoint.api.migration_head import WrongSchemaError
from cuepoint.api.process import MissingDatabaseError, open_gateway
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.revision import newest_revision
from cuepoint.db.session import Database, create_engine
from cuepoint.features.jobs.models import Worker, WorkerState
from tests.support.web import BASE, bearer, make_token


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The real application, with its own adapters and the whole schema."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE, trust_env=False) as running:
            yield running


async def ask(client: httpx2.AsyncClient, query: str, secret: str | None = None) -> Any:
    """The response of a query."""
    headers = bearer(secret) if secret else {}
    return (await client.post("/graphql", json={"query": query}, headers=headers)).json()


@pytest.fixture
async def other_schema(db: Database) -> AsyncIterator[None]:
    """The database is at another migration, until the test is over."""
    async with db.write() as session:
        await session.execute(text("update alembic_version set version_num = '0000'"))
    yield
    async with db.write() as session:
        await session.execute(text("update alembic_version set version_num = :head"), {"head": newest_revision()})


@pytest.fixture
async def no_schema(db: Database) -> AsyncIterator[None]:
    """The database was never migrated, until the test is over."""
    async with db.write() as session:
        await session.execute(text("alter table alembic_version rename to alembic_version_away"))
    yield
    async with db.write() as session:
        await session.execute(text("alter table alembic_version_away rename to alembic_version"))


async def add_worker(db: Database, state: WorkerState, lease: timedelta) -> None:
    """A worker with that lease."""
    async with db.write() as session:
        session.add(Worker(id=uuid7(), lanes=["cpu"], info={}, state=state, lease_until=datetime.now(UTC) + lease))


class TestLivez:
    async def test_it_is_200(self, client: httpx2.AsyncClient) -> None:
        response = await client.get("/livez")

        assert (response.status_code, response.json()) == (200, {"status": "live"})


class TestReadyz:
    async def test_it_is_200_when_all_that_is_needed_works(self, client: httpx2.AsyncClient) -> None:
        response = await client.get("/readyz")

        parts = dict.fromkeys(("POSTGRES", "MIGRATIONS", "STORAGE", "REDIS"), "healthy")
        assert response.status_code == 200
        assert response.json() == {"status": "ready", "failing": [], "parts": parts}

    @pytest.mark.usefixtures("client", "other_schema")
    async def test_a_wrong_migration_makes_it_503(self, client: httpx2.AsyncClient) -> None:
        response = await client.get("/readyz")

        assert (response.status_code, response.json()["failing"]) == (503, ["MIGRATIONS"])

    async def test_a_storage_that_cannot_be_written_makes_it_503(
        self, client: httpx2.AsyncClient, settings: Settings
    ) -> None:
        settings.storage_directory().parent.mkdir(parents=True, exist_ok=True)
        settings.storage_directory().write_text("a file where the directory should be")

        response = await client.get("/readyz")

        assert (response.status_code, response.json()["failing"]) == (503, ["STORAGE"])

    async def test_a_lost_redis_leaves_it_ready(self, settings: Settings) -> None:
        away = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0")})  # type: ignore[call-arg]
        app = create_app(away)
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
                response = await client.get("/readyz")

        assert response.status_code == 200
        assert response.json()["parts"]["REDIS"] == "failing"


class TestStart:
    @pytest.mark.usefixtures("other_schema")
    async def test_a_wrong_migration_is_refused_with_the_command_that_mends_it(self, settings: Settings) -> None:
        with pytest.raises(WrongSchemaError, match=r"at migration 0000, .*`cuepoint migrate`"):
            async with open_gateway(settings):
                pass

    @pytest.mark.usefixtures("no_schema")
    async def test_an_empty_database_is_refused_too(self, settings: Settings) -> None:
        with pytest.raises(WrongSchemaError, match="at migration none"):
            async with open_gateway(settings):
                pass

    async def test_no_database_is_refused(self, settings: Settings) -> None:
        with pytest.raises(MissingDatabaseError, match="CUEPOINT_DATABASE_URL"):
            async with open_gateway(settings.model_copy(update={"database_url": None})):
                pass


class TestHealthQuery:
    async def test_nobody_sees_states_but_no_details(self, client: httpx2.AsyncClient) -> None:
        data = await ask(client, "{ health { isHealthy checks { part isHealthy message } } }")

        checks = {c["part"]: c["isHealthy"] for c in data["data"]["health"]["checks"]}
        assert checks == {part.value: part is not HealthPart.WORKER for part in HealthPart}
        assert data["data"]["health"]["isHealthy"] is False
        assert {c["message"] for c in data["data"]["health"]["checks"]} == {None}

    async def test_a_viewer_is_told_what_to_do(self, client: httpx2.AsyncClient, db: Database) -> None:
        _, secret = await make_token(db)

        data = await ask(client, "{ health { checks { part message } } }", secret)

        messages = {c["part"]: c["message"] for c in data["data"]["health"]["checks"]}
        assert messages["POSTGRES"].startswith("Postgres ")
        assert messages["FFMPEG"].startswith("ffmpeg ")
        assert "run `cuepoint worker`" in messages["WORKER"]

    async def test_only_a_fresh_worker_counts(self, settings: Settings, db: Database) -> None:
        await add_worker(db, WorkerState.LIVE, timedelta(seconds=-1))
        await add_worker(db, WorkerState.GONE, timedelta(seconds=60))
        stale = await health_of(settings, db, HealthPart.WORKER)
        await add_worker(db, WorkerState.LIVE, timedelta(seconds=60))

        fresh = await health_of(settings, db, HealthPart.WORKER)

        assert (stale.is_healthy, fresh.is_healthy, fresh.message) == (False, True, "1 alive")

    async def test_answers_are_kept_for_a_moment(self, settings: Settings, db: Database) -> None:
        adapters = build_adapters(settings)
        checks = HealthChecks(db, adapters, newest_revision())

        first, again = await asyncio.gather(checks.check((HealthPart.POSTGRES,)), checks.check((HealthPart.POSTGRES,)))

        assert first[0] is again[0]
        await adapters.close()

    async def test_a_lost_database_is_said_without_its_address(self, settings: Settings) -> None:
        gone = Database(create_engine("postgresql://user:hunter2@127.0.0.1:1/none"))

        health = await health_of(settings, gone, HealthPart.POSTGRES)

        assert health.is_healthy is False
        assert "hunter2" not in health.message
        await gone.close()


async def health_of(settings: Settings, db: Database, part: HealthPart) -> Any:
    """A part, asked anew."""
    adapters = build_adapters(settings)
    try:
        (health,) = await HealthChecks(db, adapters, newest_revision()).check((part,))
    finally:
        await adapters.close()
    return health


class TestServerInfo:
    async def test_nobody_sees_name_and_version_only(self, client: httpx2.AsyncClient) -> None:
        data = await ask(client, "{ serverInfo { name version limits { pageMax } speechModel { model } } }")

        info = data["data"]["serverInfo"]
        assert (info["name"], info["limits"], info["speechModel"]) == ("Cuepoint", None, None)
        assert info["version"].count(".") == 2
        assert [e["extensions"]["code"] for e in data["errors"]] == ["UNAUTHENTICATED"] * 2

    async def test_a_viewer_sees_models_and_limits(
        self, client: httpx2.AsyncClient, db: Database, settings: Settings
    ) -> None:
        _, secret = await make_token(db)
        query = (
            "{ serverInfo { limits { uploadMaxBytes queryMaxDepth } features speechModel { isDemoModel note } "
            "embeddingSpace { provider model nativeDimensions } ffmpegVersion } }"
        )

        info = (await ask(client, query, secret))["data"]["serverInfo"]

        assert info["limits"] == {"uploadMaxBytes": settings.upload_max_bytes, "queryMaxDepth": 12}
        assert info["features"] == ["GRAPHIQL", "INTROSPECTION", "BURNED_CAPTIONS"]
        assert info["speechModel"]["isDemoModel"] is True
        assert "CUEPOINT_WHISPER_MODEL" in info["speechModel"]["note"]
        assert info["embeddingSpace"]["provider"] == "static"
        assert info["ffmpegVersion"][0].isdigit()

    async def test_a_missing_model_names_the_setting(self, settings: Settings, db: Database) -> None:
        missing = settings.model_copy(update={"whisper_model": "/nowhere/model"})
        _, secret = await make_token(db)
        app = create_app(missing)
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
                data = await ask(client, "{ serverInfo { name speechModel { model } } }", secret)

        assert data["data"]["serverInfo"] == {"name": "Cuepoint", "speechModel": None}
        assert data["errors"][0]["extensions"]["code"] == "MODEL_NOT_FOUND"
        assert "CUEPOINT_WHISPER_MODEL" in data["errors"][0]["message"]
