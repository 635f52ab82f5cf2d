"""GraphQL root `connections`: who is connected for live events. A `LiveClient` is a connection of the network, a
`LiveClientConnection` a page of them, as Relay calls it.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from cuepoint.api import roster
from cuepoint.api.roster import Roster
from cuepoint.api.streams import Transport
from cuepoint.db.keyset import Page, decode_cursor, encode_cursor
from cuepoint.features.users.loaders import UserById
from cuepoint.features.users.rights import require_admin
from cuepoint.features.users.types import User
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import encode_id

ORDERING = "connections"

describe_enum(
    Transport,
    {
        Transport.WEBSOCKET: "A WebSocket with the protocol graphql-transport-ws.",
        Transport.EVENT_STREAM: "Server-sent events.",
        Transport.MULTIPART: "A response in parts: a subscription as Apollo sends them, or an answer with `@defer`.",
    },
    name="LiveTransport",
    description="How a client is connected.",
)


@strawberry.type(description="A process that serves the API.")
class ApiProcess:
    """It, as administrators see it."""

    id: strawberry.ID = strawberry.field(description="Global id; a process has a new one at every start.")
    host: str = strawberry.field(description="Name of its machine or container.")
    pid: int = strawberry.field(description="Its process id there.")
    version: str = strawberry.field(description="Version of Cuepoint that it runs.")
    started_at: datetime = strawberry.field(description="When it began, by its own clock.")

    @classmethod
    def from_row(cls, row: roster.ApiProcess) -> ApiProcess:
        """Copy it."""
        return cls(
            id=encode_id("ApiProcess", row.id),
            host=row.host,
            pid=row.pid,
            version=row.version,
            started_at=row.started_at,
        )


@strawberry.type(description="A subscription that runs on a connection.")
class LiveSubscription:
    """It, without its variables."""

    name: str = strawberry.field(description="The field that it asks, such as `jobProgress`.")
    operation_name: str | None = strawberry.field(
        description="What its client calls it, the first 100 characters; null = it has no name."
    )
    started_at: datetime = strawberry.field(description="When it began, by the clock of its process.")
    lag_seconds: float = strawberry.field(
        description="For how long there has been something ready for the client that it has not taken, in seconds; "
        "0 = it has everything. What the buffers of its line hold counts as taken."
    )


async def _user(root: LiveClient, info: Info) -> User | None:
    row = None if root.user_key is None else await info.context.loader(UserById).load(root.user_key)
    return None if row is None else User.from_row(row)


@strawberry.type(description="An open connection of a client: a WebSocket, an event stream, or a response in parts.")
class LiveClient:
    """It, as administrators see it."""

    user_key: strawberry.Private[UUID | None]
    id: strawberry.ID = strawberry.field(description="Global id, in the order of time.")
    user: User | None = strawberry.field(
        resolver=_user, description="Who it is; null = came by a share link, or has not said yet."
    )
    api_key_id: strawberry.ID | None = strawberry.field(
        description="With which API key, which `revokeApiKey` ends together with this; null = with none."
    )
    transport: Transport = strawberry.field(description="How it is connected.")
    started_at: datetime = strawberry.field(description="Since when, by the clock of its process.")
    subscriptions: list[LiveSubscription] = strawberry.field(
        description="What it watches, the oldest first; 100 at most."
    )
    subscription_count: int = strawberry.field(description="How many those are.")
    lag_seconds: float = strawberry.field(
        description="That of the slowest of its subscriptions, in seconds; 0 = it has everything."
    )
    process: ApiProcess = strawberry.field(description="The process that serves it.")

    @classmethod
    def from_row(cls, row: tuple[roster.ApiProcess, roster.Client]) -> LiveClient:
        """Copy it."""
        process, client = row
        return cls(
            user_key=client.user_id,
            id=encode_id("LiveClient", client.id),
            api_key_id=None if client.api_key_id is None else encode_id("ApiKey", client.api_key_id),
            transport=client.transport,
            started_at=client.started_at,
            subscriptions=[LiveSubscription(**vars(one)) for one in client.subscriptions],
            subscription_count=len(client.subscriptions),
            lag_seconds=max((one.lag_seconds for one in client.subscriptions), default=0.0),
            process=ApiProcess.from_row(process),
        )


async def _connections(info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[LiveClient]:
    require_admin(info.context.require_viewer())
    size = page_request(first, after).first
    behind: UUID | None = None if after is None else decode_cursor(after, [UUID], ORDERING)[0]
    answers = await info.context.service(Roster).ask(size + 1, behind)
    found = [(answer.process, client) for answer in answers for client in answer.clients]
    found.sort(key=lambda row: row[1].id)
    cursors = [encode_cursor([client.id], ORDERING) for _, client in found[:size]]
    total = sum(answer.total for answer in answers)
    page = Page(found[:size], cursors, len(found) > size, after is not None)
    return Connection(read=lambda: page, convert=LiveClient.from_row, count=lambda: total)


@strawberry.type
class LiveClientQuery:
    """Queries about connections."""

    connections: Connection[LiveClient] = strawberry.field(
        resolver=_connections,
        description="Who is connected for live events now, over all processes of the API, the longest first. What "
        "does not answer within a second, or cannot be asked as Redis is away, is left out: without Redis these are "
        "the connections of the process that answers. Administrators only.",
    )
