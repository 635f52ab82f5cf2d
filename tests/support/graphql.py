"""Executes operations on the product's schema without a server, and counts the SQL statements they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from cuepoint.adapters.bundle import Adapters
from cuepoint.adapters.live.redis import RedisLive
from cuepoint.adapters.media.fake import FakeMediaTools
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.adapters.storage.signed_urls import UrlSigner
from cuepoint.api.gateway import response_body
from cuepoint.api.schema import BINDINGS, schema
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.graphql.context import Context, Process
from cuepoint.viewer import Viewer


@dataclass
class Statements:
    """The SQL statements seen so far with their parameters, without those that open or end a transaction."""

    seen: list[tuple[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.seen)

    async def plans(self, db: Database) -> str:
        """How Postgres runs these very statements on the rows of now."""
        lines: list[str] = []
        async with db.read() as session:
            connection = await session.connection()
            for statement, parameters in self.seen:
                lines += (await connection.exec_driver_sql(f"explain {statement}", parameters)).scalars()
        return "\n".join(lines)


@contextmanager
def count_statements(engine: AsyncEngine) -> Iterator[Statements]:
    """Notes every statement that the engine executes inside the block."""
    seen = Statements()

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.seen.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


def process_of(db: Database, settings: Settings, **adapters: object) -> Process:
    """A process with local storage and signed URLs, without a Redis; further ports by name."""
    ports = {
        "storage": LocalStorage(settings.storage_directory(), min_free_bytes=0),
        "signer": UrlSigner(settings.signing_key()),
        "media": FakeMediaTools(),
        "live": RedisLive(None),
        **adapters,
    }
    return Process(db, cast(Adapters, SimpleNamespace(**ports)), settings, BINDINGS)


@dataclass(frozen=True)
class Api:
    """One viewer's way into the schema."""

    process: Process
    viewer: Viewer | None

    async def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The response as a client gets it: `data`, `errors` or both."""
        context = Context(self.process, viewer=self.viewer, request_id="r1", base_url="https://video.example.org")
        result = await schema.execute(query, variable_values=dict(variables or {}), context_value=context)
        return response_body(result, context.request_id)

    async def data(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`data` of a response that must have no errors."""
        response = await self.execute(query, variables)
        assert "errors" not in response, response["errors"]
        return cast(dict[str, Any], response["data"])

    async def codes(self, query: str, variables: Mapping[str, Any] | None = None) -> list[str]:
        """Codes of the top-level errors."""
        response = await self.execute(query, variables)
        return [error["extensions"]["code"] for error in response.get("errors", [])]

    async def statements(self, query: str, variables: Mapping[str, Any] | None = None) -> int:
        """How many SQL statements the operation takes; it must have no errors."""
        with count_statements(self.process.db.engine) as seen:
            await self.data(query, variables)
        return len(seen)


def api_of(db: Database, settings: Settings, viewer: Viewer | None, **adapters: object) -> Api:
    """The schema as this viewer sees it; None brings no credential."""
    return Api(process_of(db, settings, **adapters), viewer)
