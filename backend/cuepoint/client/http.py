"""Operations over HTTP and over graphql-transport-ws."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any

import httpx2
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from cuepoint.client.errors import GraphQLFailure, RequestFailure

TIMEOUT_SECONDS = 30.0
PROTOCOL = Subprotocol("graphql-transport-ws")
CREDENTIAL_REFUSED = 4403  # graphql-transport-ws: Forbidden, at the beginning or once a credential has ended


def raise_for_errors(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The data of an answer. Raises GraphQLFailure for top-level errors and for errors of a payload."""
    errors = list(answer.get("errors") or [])
    data: dict[str, Any] = answer.get("data") or {}
    if errors:
        codes = [str((e.get("extensions") or {}).get("code", "INTERNAL")) for e in errors]
        raise GraphQLFailure([str(e.get("message")) for e in errors], codes)
    refused = [
        error for value in data.values() if isinstance(value, dict) for error in value.get("errors") or [] if error
    ]
    if refused:
        raise GraphQLFailure([str(e["message"]) for e in refused], [str(e.get("code", "INTERNAL")) for e in refused])
    return data


class CuepointClient:
    """A connection to one server under one token. Use it as an async context manager."""

    def __init__(self, base_url: str, token: str | None) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)

    async def __aenter__(self) -> CuepointClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data of one query or mutation. Raises GraphQLFailure or RequestFailure."""
        body = orjson.dumps({"query": query, "variables": dict(variables or {})})
        try:
            response = await self.http.post(
                f"{self.base_url}/graphql", content=body, headers={"Content-Type": "application/json"}
            )
            answer = orjson.loads(response.content)
        except (httpx2.HTTPError, orjson.JSONDecodeError) as error:
            raise RequestFailure(f"{self.base_url}/graphql did not answer: {error!r}") from None
        return raise_for_errors(answer)

    async def subscribe(
        self, query: str, variables: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The data of each event of one subscription. Raises RequestFailure when the connection breaks, GraphQLFailure
        when the operation or the token is refused."""
        url = self.base_url.replace("http", "ws", 1) + "/graphql"
        try:
            async with connect(url, subprotocols=[PROTOCOL], max_size=None, proxy=None) as socket:
                await self._init(socket)
                payload = {"query": query, "variables": dict(variables or {})}
                await _send(socket, {"id": "1", "type": "subscribe", "payload": payload})
                async with aclosing(_events(socket)) as events:
                    async for data in events:
                        yield data
        except (WebSocketException, OSError) as error:
            closed = error.rcvd if isinstance(error, ConnectionClosed) else None
            if closed is not None and closed.code == CREDENTIAL_REFUSED:
                raise GraphQLFailure([closed.reason], ["UNAUTHENTICATED"]) from None
            raise RequestFailure(f"{url} broke off: {error}") from None

    async def _init(self, socket: ClientConnection) -> None:
        payload = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        await _send(socket, {"type": "connection_init", "payload": payload})
        answer = orjson.loads(await socket.recv())
        if answer.get("type") != "connection_ack":
            raise RequestFailure(f"the server answered {answer.get('type')} instead of connection_ack")


async def _send(socket: ClientConnection, message: Mapping[str, Any]) -> None:
    await socket.send(orjson.dumps(message).decode())


async def _events(socket: ClientConnection) -> AsyncGenerator[dict[str, Any], None]:
    async for raw in socket:
        message = orjson.loads(raw)
        match message.get("type"):
            case "next":
                yield raise_for_errors(message["payload"])
            case "error":
                raise_for_errors({"errors": message["payload"]})
            case "complete":
                return
            case "ping":
                await _send(socket, {"type": "pong"})
    raise RequestFailure("the server closed the connection before the subscription was complete")
