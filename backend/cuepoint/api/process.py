"""The life of the web process: what is built before the first request, and closed after the last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from cuepoint.adapters.bundle import build_adapters
from cuepoint.adapters.live.switchboard import Switchboard
from cuepoint.api.auth import Authenticator
from cuepoint.api.gateway import Gateway
from cuepoint.api.health import HealthChecks
from cuepoint.api.migration_head import require_head
from cuepoint.api.schema import BINDINGS, schema
from cuepoint.config import Settings
from cuepoint.db.outages import Outages
from cuepoint.db.revision import newest_revision
from cuepoint.db.session import Database, create_engine
from cuepoint.features.jobs.announce import dispatcher
from cuepoint.features.jobs.backpressure import queue_limits
from cuepoint.features.jobs.hub import JobHub
from cuepoint.features.quotas.metering import metering
from cuepoint.graphql.context import Process
from cuepoint.processes.garbage import frozen_garbage

# What a request reads takes milliseconds, a search of millions of passages from a cold disk some seconds; proxies give
# a request up after 60 s. Nothing sets Postgres' own statement_timeout.
READ_SECONDS = 30.0


class MissingDatabaseError(Exception):
    """The settings name no database to serve from."""


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Everything that requests need. Raises WrongSchemaError when the database is at another migration."""
    if settings.database_url is None:
        raise MissingDatabaseError("Set CUEPOINT_DATABASE_URL, or start everything with `cuepoint up`.")
    adapters = build_adapters(settings)
    adapters = replace(adapters, live=Switchboard(adapters.live))
    engine = create_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        application_name="cuepoint api",
    )
    info = queue_limits(settings) | metering(settings)
    db = Database(
        engine, dispatcher(adapters.live), info=info, outages=Outages(answers=True), read_seconds=READ_SECONDS
    )
    needed = newest_revision()
    try:
        await require_head(db, needed)
        hub = JobHub(db, adapters.live)
        checks = HealthChecks(db, adapters, needed)
        process = Process(db, adapters, settings, BINDINGS, {JobHub: hub, HealthChecks: checks})
        try:
            with frozen_garbage():
                yield Gateway(schema, process, Authenticator(db, adapters.signer))
        finally:
            await hub.close()
    finally:
        await db.close()
        await adapters.close()
