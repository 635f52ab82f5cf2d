"""Bearer tokens over HTTP: whose use is noted, from where, and how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from cuepoint.api.auth import KNOWN_SECONDS, Authenticator
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import UnauthenticatedError
from cuepoint.features.users import service as users
from cuepoint.features.users.models import ApiKey
from tests.support.builders.users import PASSWORD, make_user, sign_in
from tests.support.graphql import count_statements
from tests.support.web import Web, bearer, make_token

QUERY = {"query": "{ __typename }"}


class TestNoteUse:
    async def test_the_first_use_is_noted_with_its_address_and_the_next_ones_write_nothing(
        self, web: Web, db: Database
    ) -> None:
        viewer, secret = await make_token(db)

        with count_statements(db.engine) as first:
            await web.client.post("/graphql", json=QUERY, headers=bearer(secret))
        with count_statements(db.engine) as later:
            for _ in range(3):
                await web.client.post("/graphql", json=QUERY, headers=bearer(secret))

        async with db.read() as session:
            key = await session.get_one(ApiKey, viewer.api_key_id)
        assert key.last_used_ip == "127.0.0.1"
        assert key.last_used_at is not None
        assert (len(first), len(later)) == (2, 1)

    async def test_a_session_writes_nothing(self, web: Web, db: Database, settings: Settings) -> None:
        user = await make_user(db, password=PASSWORD)
        tokens = await sign_in(db, settings, user.email)

        with count_statements(db.engine) as seen:
            answer = await web.client.post("/graphql", json=QUERY, headers=bearer(tokens.access))

        assert (answer.status_code, len(seen)) == (200, 1)
        async with db.read() as session:
            assert (await session.execute(select(func.count()).select_from(ApiKey))).scalar_one() == 0


class TestKnownKeys:
    async def test_a_key_is_looked_up_once_in_a_while(self, web: Web, db: Database) -> None:
        _, secret = await make_token(db)
        await web.client.post("/graphql", json=QUERY, headers=bearer(secret))
        await web.client.post("/graphql", json=QUERY, headers=bearer(secret))

        with count_statements(db.engine) as seen:
            answer = await web.client.post("/graphql", json=QUERY, headers=bearer(secret))

        assert (answer.status_code, len(seen)) == (200, 0)

    async def test_one_that_this_process_revokes_is_refused_at_once(self, web: Web, db: Database) -> None:
        viewer, secret = await make_token(db)
        for _ in range(2):
            assert (await web.client.post("/graphql", json=QUERY, headers=bearer(secret))).status_code == 200
        assert viewer.api_key_id is not None

        async with db.write() as session:
            await users.revoke_api_key(session, viewer, viewer.api_key_id)

        assert (await web.client.post("/graphql", json=QUERY, headers=bearer(secret))).status_code == 401

    async def test_one_that_another_process_revokes_is_refused_soon(self, db: Database) -> None:
        viewer, secret = await make_token(db)
        now = [100.0]
        authenticator = Authenticator(db, clock=lambda: now[0])
        for _ in range(2):
            assert await authenticator.viewer(f"Bearer {secret}") == viewer
        async with db.engine.begin() as elsewhere:
            await elsewhere.execute(update(ApiKey).where(ApiKey.id == viewer.api_key_id).values(revoked_at=func.now()))

        now[0] += KNOWN_SECONDS

        assert KNOWN_SECONDS <= 5
        with pytest.raises(UnauthenticatedError):
            await authenticator.viewer(f"Bearer {secret}")

    async def test_one_that_expires_is_refused_at_once(self, db: Database) -> None:
        viewer, secret = await make_token(db)
        async with db.write() as session:
            key = await session.get_one(ApiKey, viewer.api_key_id)
            key.expires_at = datetime.now(UTC) + timedelta(seconds=KNOWN_SECONDS / 2)
        now = [100.0]
        authenticator = Authenticator(db, clock=lambda: now[0])
        for _ in range(2):
            assert await authenticator.viewer(f"Bearer {secret}") == viewer
        async with db.engine.begin() as elsewhere:
            await elsewhere.execute(update(ApiKey).where(ApiKey.id == viewer.api_key_id).values(expires_at=func.now()))

        now[0] += KNOWN_SECONDS / 2

        with pytest.raises(UnauthenticatedError):
            await authenticator.viewer(f"Bearer {secret}")


class TestRefusals:
    async def test_tokens_of_each_kind_are_refused_alike(self, web: Web, db: Database, settings: Settings) -> None:
        user = await make_user(db, password=PASSWORD)
        tokens = await sign_in(db, settings, user.email)
        wrong = [tokens.refresh, tokens.access + "x", "cpa_", "cp_" + "x" * 43, "cpp_x"]

        answers = [await web.client.post("/graphql", json=QUERY, headers=bearer(token)) for token in wrong]

        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.json()["errors"][0]["message"] for answer in answers}) == 1
