"""The web application on the tiny schema: over a real database, with the adapters a test needs and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import httpx2
from starlette.applications import Starlette

from cuepoint.adapters.bundle import Adapters
from cuepoint.adapters.live.redis import RedisLive
from cuepoint.adapters.storage.base import Storage
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.adapters.storage.signed_urls import UrlSigner
from cuepoint.api.app import create_app
from cuepoint.api.auth import Authenticator
from cuepoint.api.gateway import Gateway
from cuepoint.api.schema import schema as products_schema
from cuepoint.config import Settings
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.users import service as users
from cuepoint.features.users.models import User
from cuepoint.graphql.context import Process
from cuepoint.viewer import Viewer
from tests.support.graphql import process_of
from tests.support.tiny_schema import BINDINGS, Script, schema

BASE = "http://testserver"


@dataclass(frozen=True)
class Web:
    """A running application and a client of it."""

    app: Starlette
    client: httpx2.AsyncClient
    process: Process
    gateway: Gateway

    @property
    def script(self) -> Script:
        """What the tiny schema notes."""
        return cast(Script, self.process.services[Script])


@asynccontextmanager
async def running_web(settings: Settings, db: Database, storage: Storage | None = None) -> AsyncIterator[Web]:
    """The application, started, without a server: requests go straight into it."""
    adapters = cast(
        Adapters,
        SimpleNamespace(
            live=RedisLive(settings.redis_url.get_secret_value() if settings.redis_url else None),
            storage=storage or LocalStorage(settings.storage_directory(), min_free_bytes=0),
            signer=UrlSigner(settings.signing_key()),
        ),
    )
    process = Process(db, adapters, settings, BINDINGS, {Script: Script()})
    gateway = Gateway(schema, process, Authenticator(db))
    app = create_app(settings, opener(gateway))
    try:
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url=BASE, trust_env=False) as client:
                yield Web(app, client, process, gateway)
    finally:
        await adapters.live.close()


@asynccontextmanager
async def running_product(settings: Settings, db: Database) -> AsyncIterator[Starlette]:
    """The product's schema behind the whole endpoint, without a Redis."""
    app = create_app(settings, opener(Gateway(products_schema, process_of(db, settings), Authenticator(db))))
    async with app.router.lifespan_context(app):
        yield app


def opener(gateway: Gateway) -> Callable[[Settings], AbstractAsyncContextManager[Gateway]]:
    """Opens what is open already."""

    @asynccontextmanager
    async def open_it(_settings: Settings) -> AsyncIterator[Gateway]:
        yield gateway

    return open_it


async def make_token(db: Database, *, is_admin: bool = False, email: str | None = None) -> tuple[Viewer, str]:
    """A user with an API key: the viewer, and the secret to send."""
    user_id = uuid7()
    async with db.write() as session:
        session.add(
            User(
                id=user_id,
                email=email or f"{user_id.hex}@example.org",
                name="Someone",
                is_admin=is_admin,
                is_active=True,
            )
        )
        await session.flush()
        viewer = Viewer(user_id=user_id, is_admin=is_admin)
        key, secret = await users.create_api_key(session, viewer, name="test", expires_at=None)
    return Viewer(user_id=user_id, is_admin=is_admin, api_key_id=key.id), secret


def bearer(secret: str) -> dict[str, str]:
    """The header that carries it."""
    return {"Authorization": f"Bearer {secret}"}


def errors_of(response: Any) -> list[tuple[str, str]]:
    """(code, message) of each error of a response."""
    return [(e["extensions"]["code"], e["message"]) for e in response.json()["errors"]]
