"""Accounts as clients see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.users import service
from cuepoint.features.users.models import ApiKey, User
from cuepoint.graphql.scalars import encode_id
from cuepoint.viewer import Viewer
from tests.support.builders.users import make_user, make_viewer, viewer_of
from tests.support.graphql import Api, api_of
from tests.support.rows import count

CREATE_USER = """mutation ($input: CreateUserInput!) { createUser(input: $input) {
  user { email name isAdmin isActive } errors { code field } } }"""
CREATE_KEY = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  apiKey { id name prefix expiresAt revokedAt lastUsedAt } secret errors { code field } } }"""
REVOKE = (
    "mutation ($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { apiKey { revokedAt } errors { code } } }"
)
USERS = """query ($first: Int!, $after: String) { users(first: $first, after: $after) {
  totalCount pageInfo { hasNextPage endCursor } nodes { id email } } }"""
KEYS = "query ($first: Int!, $after: String) { apiKeys(first: $first, after: $after) { totalCount nodes { name } } }"


@pytest.fixture
async def admin(db: Database, settings: Settings) -> Api:
    return api_of(db, settings, await make_viewer(db, is_admin=True))


class TestMe:
    async def test_is_the_caller(self, db: Database, settings: Settings) -> None:
        user = await make_user(db)

        seen = await api_of(db, settings, viewer_of(user)).data("{ me { id email isAdmin } }")

        assert seen == {"me": {"id": encode_id("User", user.id), "email": user.email, "isAdmin": False}}

    @pytest.mark.parametrize("query", ["{ me { id } }", "{ users { totalCount } }", "{ apiKeys { totalCount } }"])
    async def test_needs_a_credential(self, db: Database, settings: Settings, query: str) -> None:
        assert await api_of(db, settings, None).codes(query) == ["UNAUTHENTICATED"]


class TestUser:
    async def test_is_oneself_or_anyone_for_administrators(self, db: Database, api: Api, admin: Api) -> None:
        other = await make_user(db)
        query = "query ($id: ID!) { user(id: $id) { email } }"
        assert api.viewer is not None

        assert await api.data(query, {"id": encode_id("User", other.id)}) == {"user": None}
        assert await admin.data(query, {"id": encode_id("User", other.id)}) == {"user": {"email": other.email}}
        assert (await api.data(query, {"id": encode_id("User", api.viewer.user_id)}))["user"] is not None
        assert await admin.data(query, {"id": "user_"}) == {"user": None}


class TestUsers:
    async def test_pages_for_administrators_only(self, db: Database, api: Api, admin: Api) -> None:
        first = (await admin.data(USERS, {"first": 1}))["users"]
        second = (await admin.data(USERS, {"first": 1, "after": first["pageInfo"]["endCursor"]}))["users"]

        assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (2, True)
        assert first["nodes"][0]["id"] != second["nodes"][0]["id"]
        assert not second["pageInfo"]["hasNextPage"]
        assert await api.codes(USERS, {"first": 1}) == ["FORBIDDEN"]

    @pytest.mark.parametrize("page", [{"first": -1}, {"first": 0}, {"first": 101}, {"first": 1, "after": "x"}], ids=str)
    async def test_refuses_bad_pages(self, admin: Api, page: dict[str, object]) -> None:
        assert await admin.codes(USERS, page) == ["BAD_USER_INPUT"]
        assert await admin.codes(KEYS, page) == ["BAD_USER_INPUT"]

    async def test_statements_do_not_grow_with_the_page(self, db: Database, admin: Api) -> None:
        for _ in range(4):
            await make_user(db)
        await admin.statements(USERS, {"first": 1})

        assert await admin.statements(USERS, {"first": 1}) == await admin.statements(USERS, {"first": 5}) == 1


class TestCreateUser:
    async def test_makes_one_with_the_rights_asked_for(self, admin: Api) -> None:
        given = {"email": "ada@example.org", "name": " Ada  L. ", "isAdmin": True}

        payload = (await admin.data(CREATE_USER, {"input": given}))["createUser"]
        again = (await admin.data(CREATE_USER, {"input": {**given, "email": "ADA@example.org"}}))["createUser"]

        assert payload["user"] == {"email": "ada@example.org", "name": "Ada L.", "isAdmin": True, "isActive": True}
        assert again == {"user": None, "errors": [{"code": "EMAIL_TAKEN", "field": ["email"]}]}

    async def test_is_for_administrators(self, db: Database, api: Api) -> None:
        given = {"email": "ada@example.org", "name": "Ada"}

        assert await api.codes(CREATE_USER, {"input": given}) == ["FORBIDDEN"]
        assert await count(db, User) == 1


class TestApiKeys:
    async def test_one_is_made_used_listed_and_revoked(self, db: Database, api: Api, viewer: Viewer) -> None:
        made = (await api.data(CREATE_KEY, {"input": {"name": "laptop"}}))["createApiKey"]
        async with db.read() as session:
            found = await service.authenticate(session, made["secret"])
        listed = (await api.data(KEYS, {"first": 5}))["apiKeys"]
        revoked = (await api.data(REVOKE, {"input": {"id": made["apiKey"]["id"]}}))["revokeApiKey"]

        assert found.user_id == viewer.user_id
        assert made["secret"].startswith(made["apiKey"]["prefix"])
        assert (made["apiKey"]["revokedAt"], made["errors"]) == (None, [])
        assert listed == {"totalCount": 1, "nodes": [{"name": "laptop"}]}
        assert revoked["apiKey"]["revokedAt"] is not None

    async def test_statements_do_not_grow_with_the_page(self, api: Api) -> None:
        listed = (
            "query ($first: Int!) { apiKeys(first: $first) { totalCount nodes { id scopes projectIds lastUsedIp } } }"
        )
        for number in range(3):
            await api.data(CREATE_KEY, {"input": {"name": f"laptop {number}"}})

        one, three = [await api.statements(listed, {"first": first}) for first in (1, 3)]

        assert one == three == 1

    async def test_an_end_must_lie_ahead(self, db: Database, api: Api) -> None:
        past = (datetime.now(UTC) - timedelta(days=1)).isoformat()

        made = (await api.data(CREATE_KEY, {"input": {"name": "laptop", "expiresAt": past}}))["createApiKey"]

        assert (made["apiKey"], made["secret"]) == (None, None)
        assert made["errors"] == [{"code": "BAD_USER_INPUT", "field": ["expiresAt"]}]
        assert await count(db, ApiKey) == 0

    async def test_anothers_needs_an_administrator(self, db: Database, api: Api, admin: Api) -> None:
        other = await make_user(db)
        given = {"input": {"name": "laptop", "userId": encode_id("User", other.id)}}

        assert await api.codes(CREATE_KEY, given) == ["FORBIDDEN"]
        assert (await admin.data(CREATE_KEY, given))["createApiKey"]["secret"] is not None
        async with db.read() as session:
            assert list(await session.scalars(select(ApiKey.user_id))) == [other.id]

    async def test_a_stranger_revokes_nothing(self, db: Database, settings: Settings, api: Api) -> None:
        made = (await api.data(CREATE_KEY, {"input": {"name": "laptop"}}))["createApiKey"]
        stranger = api_of(db, settings, await make_viewer(db))

        refused = (await stranger.data(REVOKE, {"input": {"id": made["apiKey"]["id"]}}))["revokeApiKey"]

        assert refused == {"apiKey": None, "errors": [{"code": "NOT_FOUND"}]}
        async with db.read() as session:
            await service.authenticate(session, made["secret"])
