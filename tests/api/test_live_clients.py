"""The query `connections`: what administrators see of who is connected, page by page, over two processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from strawberry.types.graphql import OperationType

from cuepoint import __version__
from cuepoint.adapters.live.redis import RedisLive
from cuepoint.adapters.live.switchboard import Switchboard
from cuepoint.api.auth import Authenticator
from cuepoint.api.gateway import Gateway
from cuepoint.api.graphql_request import GraphQLRequest
from cuepoint.api.schema import schema
from cuepoint.api.streams import Stream, Transport
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.graphql.context import Context
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import NOBODY, Scope, Share, Viewer
from tests.support.builders.users import make_user, viewer_of
from tests.support.graphql import Api, process_of
from tests.support.redis import start_redis

WHO = """query ($first: Int! = 25, $after: String) { connections(first: $first, after: $after) {
  totalCount pageInfo { hasNextPage hasPreviousPage endCursor } nodes { id user { email } } } }"""
ALL = """{ connections { nodes {
  id user { id } apiKeyId transport startedAt lagSeconds subscriptionCount
  subscriptions { name operationName startedAt lagSeconds } process { id host pid version startedAt } } } }"""
WATCH = """subscription Mine($jobId: ID!) { ...Watched }
fragment Watched on Subscription { jobProgress(jobId: $jobId) { seq } }"""


class Processes:
    """Two of one installation, and what is connected to them."""

    def __init__(self, gateways: list[Gateway], api: Api) -> None:
        self.gateways = gateways
        self.api = api  # of an administrator, at the first
        self._open: dict[str, ExitStack] = {}

    def connect(self, number: int, viewer: Viewer | None, transport: Transport = Transport.WEBSOCKET) -> str:
        """A connection to that process; its id."""
        stack = ExitStack()
        stream = stack.enter_context(self.gateways[number].streams.connection("1.2.3.4", viewer, transport))
        self._open[encode_id("LiveClient", stream.id)] = stack
        return encode_id("LiveClient", stream.id)

    def stream(self, id: str) -> Stream:
        """What is open under that id."""
        streams = {encode_id("LiveClient", one.id): one for all_of in self.gateways for one in all_of.streams.open}
        return streams[id]

    def watch(self, id: str, text: str, variables: dict[str, Any], name: str | None = None) -> None:
        """An operation on it, which has not told anything yet."""
        gateway = next(one for one in self.gateways if self.stream(id) in one.streams.open)
        context = Context(gateway.process, viewer=self.stream(id).viewer)
        live = self._open[id].enter_context(self.stream(id).operation())
        live.following = gateway.fanout.follow(GraphQLRequest(text, variables, name), context, frozenset(OperationType))

    def hang_up(self, id: str) -> None:
        """It is closed."""
        self._open.pop(id).close()

    def hang_all_up(self) -> None:
        """So are all."""
        for client in list(self._open):
            self.hang_up(client)

    async def page(self, **variables: Any) -> dict[str, Any]:
        """A page of connections."""
        found: dict[str, Any] = (await self.api.data(WHO, variables))["connections"]
        return found


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """Of a Redis of one's own: on that of the run other tests listen to everything, and are waited for."""
    with start_redis() as redis:
        yield redis.url


@pytest.fixture
async def admin(db: Database) -> Viewer:
    return viewer_of(await make_user(db, is_admin=True))


@pytest.fixture
async def processes(db: Database, settings: Settings, redis_url: str, admin: Viewer) -> AsyncIterator[Processes]:
    lives = [Switchboard(RedisLive(redis_url)) for _ in range(2)]  # as in production
    gateways = [Gateway(schema, process_of(db, settings, live=live), Authenticator(db)) for live in lives]
    made = Processes(gateways, Api(gateways[0].process, admin))
    for gateway in gateways:
        gateway.roster._wait_seconds = 60.0  # who has heard a question answers it: nobody is waited for
    first = made.connect(1, None)
    async with asyncio.timeout(5):
        while not (await made.page())["nodes"]:  # noqa: ASYNC110 - until the second one listens
            await asyncio.sleep(0.01)
    made.hang_up(first)
    yield made
    made.hang_all_up()
    for gateway, live in zip(gateways, lives, strict=True):
        await gateway.close()
        await live.close()


class TestConnections:
    async def test_tells_who_watches_what_where_and_since_when(
        self, processes: Processes, db: Database, admin: Viewer
    ) -> None:
        before = datetime.now(UTC)
        user, key = await make_user(db), UUID(int=7)
        client = processes.connect(1, Viewer(user.id, is_admin=False, api_key_id=key), Transport.EVENT_STREAM)
        processes.watch(client, WATCH, {"jobId": "job_secret"})
        processes.watch(client, "{ me { id } }", {})
        response = await processes.api.execute(ALL)

        [node] = response["data"]["connections"]["nodes"]
        times = [node.pop("startedAt"), node["subscriptions"][0].pop("startedAt")]
        started_at = node["process"].pop("startedAt")
        there = processes.gateways[1].roster.process
        assert node == {
            "id": client,
            "user": {"id": encode_id("User", user.id)},
            "apiKeyId": encode_id("ApiKey", key),
            "transport": "EVENT_STREAM",
            "lagSeconds": 0.0,
            "subscriptionCount": 1,
            "subscriptions": [{"name": "jobProgress", "operationName": "Mine", "lagSeconds": 0.0}],
            "process": {
                "id": encode_id("ApiProcess", there.id),
                "host": there.host,
                "pid": there.pid,
                "version": __version__,
            },
        }
        assert datetime.fromisoformat(started_at) <= before
        assert all(before <= datetime.fromisoformat(time) <= datetime.now(UTC) for time in times)
        assert "job_secret" not in str(response)

    async def test_pages_stay_as_they_are_while_others_come_and_go(self, processes: Processes, admin: Viewer) -> None:
        ids = [processes.connect(number % 2, admin) for number in range(5)]
        first = await processes.page(first=2)
        processes.hang_up(ids[1])
        late = processes.connect(0, None)
        second = await processes.page(first=2, after=first["pageInfo"]["endCursor"])
        processes.hang_up(ids[3])  # where the cursor is
        third = await processes.page(first=100, after=second["pageInfo"]["endCursor"])

        assert [[node["id"] for node in page["nodes"]] for page in (first, second, third)] == [
            ids[:2],
            ids[2:4],
            [ids[4], late],
        ]
        assert [page["totalCount"] for page in (first, second, third)] == [5, 5, 4]
        assert [page["pageInfo"]["hasNextPage"] for page in (first, second, third)] == [True, True, False]
        assert [page["pageInfo"]["hasPreviousPage"] for page in (first, second, third)] == [False, True, True]

    async def test_takes_one_statement_for_all_users(self, processes: Processes, db: Database, admin: Viewer) -> None:
        processes.connect(0, admin)
        alone = await processes.api.statements(WHO)
        for number in range(4):
            processes.connect(number % 2, viewer_of(await make_user(db)))

        assert alone == await processes.api.statements(WHO) == 1

    async def test_has_no_user_for_visitors_and_those_who_are_gone(self, processes: Processes) -> None:
        share = Share(UUID(int=1), UUID(int=2), None, may_download=False)
        viewers = [None, Viewer(NOBODY, is_admin=False, share=share), Viewer(UUID(int=9), is_admin=False)]
        ids = [processes.connect(0, viewer) for viewer in viewers]

        assert (await processes.page())["nodes"] == [{"id": one, "user": None} for one in ids]

    async def test_is_for_administrators_alone(self, processes: Processes, db: Database, admin: Viewer) -> None:
        someone = viewer_of(await make_user(db))
        narrow = Viewer(admin.user_id, is_admin=False, scope=Scope.READ, is_of_admin=True)
        codes = [await Api(processes.api.process, viewer).codes(ALL) for viewer in (someone, narrow, None)]

        assert codes == [["FORBIDDEN"], ["FORBIDDEN"], ["UNAUTHENTICATED"]]

    @pytest.mark.parametrize("wrong", [{"first": 0}, {"first": 101}, {"after": "forged"}], ids=str)
    async def test_refuses_pages_that_there_are_not(self, processes: Processes, wrong: dict[str, Any]) -> None:
        response = await processes.api.execute(WHO, wrong)

        assert [error["extensions"]["code"] for error in response["errors"]] == ["BAD_USER_INPUT"]
