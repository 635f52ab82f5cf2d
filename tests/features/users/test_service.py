"""Accounts: authentication, users, API keys, the first administrator."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError, UnauthenticatedError
from cuepoint.features.users import service
from cuepoint.features.users.models import ApiKey, User
from tests.support.builders.users import make_user, make_viewer, viewer_of
from tests.support.rows import count


class TestAuthenticate:
    async def test_a_valid_key_stands_for_its_user(self, db: Database) -> None:
        user = await make_user(db)
        async with db.write() as session:
            key, secret = await service.create_api_key(session, viewer_of(user), name="laptop", expires_at=None)

        async with db.read() as session:
            viewer = await service.authenticate(session, secret)

        assert (viewer.user_id, viewer.is_admin, viewer.api_key_id) == (user.id, False, key.id)

    @pytest.mark.parametrize("spoil", ["unknown", "revoked", "expired", "inactive"])
    async def test_refuses_with_one_text_whatever_the_reason(self, db: Database, spoil: str) -> None:
        user = await make_user(db)
        async with db.write() as session:
            key, secret = await service.create_api_key(session, viewer_of(user), name="laptop", expires_at=None)
        past = datetime.now(UTC) - timedelta(seconds=1)
        async with db.write() as session:
            if spoil == "revoked":
                await service.revoke_api_key(session, viewer_of(user), key.id)
            if spoil == "expired":
                await session.execute(update(ApiKey).values(expires_at=past))
            if spoil == "inactive":
                await session.execute(update(User).values(is_active=False))

        async with db.read() as session:
            with pytest.raises(UnauthenticatedError) as refused:
                await service.authenticate(session, "cp_x" if spoil == "unknown" else secret)

        assert refused.value.code is ErrorCode.UNAUTHENTICATED
        assert "cuepoint token" in refused.value.message

    async def test_the_secret_is_not_stored(self, db: Database) -> None:
        user = await make_user(db)
        async with db.write() as session:
            key, secret = await service.create_api_key(session, viewer_of(user), name="laptop", expires_at=None)

        assert len(secret) >= 43
        assert secret.startswith(key.prefix)
        assert secret not in (key.secret_hash, key.name)
        assert key.secret_hash == service.hash_secret(secret)


class TestNoteUse:
    async def test_writes_at_most_once_a_minute(self, db: Database) -> None:
        user = await make_user(db)
        async with db.write() as session:
            key, secret = await service.create_api_key(session, viewer_of(user), name="laptop", expires_at=None)
        async with db.write() as session:
            viewer = await service.authenticate(session, secret)
            await session.execute(update(ApiKey).values(created_at=func.now() - timedelta(hours=1)))

        async with db.write() as session:
            await service.note_use(session, viewer)
        async with db.read() as session:
            first = await session.scalar(select(ApiKey.last_used_at).where(ApiKey.id == key.id))
        async with db.write() as session:
            await service.note_use(session, viewer)

        async with db.read() as session:
            assert await session.scalar(select(ApiKey.last_used_at).where(ApiKey.id == key.id)) == first
        assert first is not None

    async def test_knows_the_very_first_use(self, db: Database) -> None:
        user = await make_user(db)
        async with db.write() as session:
            key, secret = await service.create_api_key(session, viewer_of(user), name="laptop", expires_at=None)

        async with db.write() as session:
            await service.note_use(session, await service.authenticate(session, secret))

        async with db.read() as session:
            assert await session.scalar(select(ApiKey.last_used_at).where(ApiKey.id == key.id)) is not None


class TestCreateUser:
    async def test_takes_an_address_once_whatever_its_case(self, db: Database) -> None:
        admin = await make_viewer(db, is_admin=True)
        async with db.write() as session:
            await service.create_user(session, admin, email="Ada@Example.org", name="Ada", is_admin=False)

        async with db.write() as session:
            with pytest.raises(CuepointError) as refused:
                await service.create_user(session, admin, email="ada@example.ORG", name="Ada", is_admin=False)

        assert refused.value.code is ErrorCode.EMAIL_TAKEN
        assert refused.value.field == ("email",)
        assert await count(db, User) == 2

    async def test_is_for_administrators(self, db: Database) -> None:
        viewer = await make_viewer(db)

        async with db.write() as session:
            with pytest.raises(ForbiddenError):
                await service.create_user(session, viewer, email="a@b.org", name="A", is_admin=False)

        assert await count(db, User) == 1

    @pytest.mark.parametrize(
        ("email", "name"), [("nobody", "A"), ("a @b.org", "A"), ("a@b.org", " "), ("a@b.org", "x" * 201)]
    )
    async def test_refuses_bad_input(self, db: Database, email: str, name: str) -> None:
        admin = await make_viewer(db, is_admin=True)

        async with db.write() as session:
            with pytest.raises(BadInputError):
                await service.create_user(session, admin, email=email, name=name, is_admin=False)


class TestApiKeys:
    async def test_lists_only_ones_own(self, db: Database) -> None:
        viewer, other = await make_viewer(db), await make_viewer(db)
        async with db.write() as session:
            mine, _ = await service.create_api_key(session, viewer, name="mine", expires_at=None)
            await service.create_api_key(session, other, name="theirs", expires_at=None)

        async with db.read() as session:
            page = await service.list_api_keys(session, viewer, PageRequest(10))
            total = await service.count_api_keys(session, viewer)

        assert [key.id for key in page.rows] == [mine.id]
        assert total == 1

    async def test_expiry_must_lie_ahead(self, db: Database) -> None:
        viewer = await make_viewer(db)

        async with db.write() as session:
            with pytest.raises(BadInputError, match="lie ahead"):
                await service.create_api_key(session, viewer, name="late", expires_at=datetime.now(UTC))

        assert await count(db, ApiKey) == 0

    async def test_a_stranger_cannot_revoke_and_learns_nothing(self, db: Database) -> None:
        viewer, stranger = await make_viewer(db), await make_viewer(db)
        async with db.write() as session:
            key, secret = await service.create_api_key(session, viewer, name="mine", expires_at=None)

        async with db.write() as session:
            with pytest.raises(NotFoundError):
                await service.revoke_api_key(session, stranger, key.id)

        async with db.read() as session:
            assert (await service.authenticate(session, secret)).user_id == viewer.user_id

    async def test_only_an_administrator_makes_keys_for_others(self, db: Database) -> None:
        viewer, other = await make_viewer(db), await make_viewer(db)

        async with db.write() as session:
            with pytest.raises(ForbiddenError):
                await service.create_api_key(session, viewer, name="x", expires_at=None, user_id=other.user_id)

        assert await count(db, ApiKey) == 0


class TestEnsureAdmin:
    async def test_makes_one_and_keeps_it(self, db: Database) -> None:
        async with db.write() as session:
            first = await service.ensure_admin(session)
        async with db.write() as session:
            second = await service.ensure_admin(session)

        assert first.id == second.id
        assert first.is_admin
        assert await count(db, User) == 1

    async def test_brings_back_one_that_was_switched_off_or_demoted(self, db: Database) -> None:
        async with db.write() as session:
            first = await service.ensure_admin(session)
            await session.execute(update(User).values(is_active=False, is_admin=False))

        async with db.write() as session:
            second = await service.ensure_admin(session)

        assert (second.id, second.is_admin, second.is_active) == (first.id, True, True)

    async def test_two_processes_at_once_make_one(self, db: Database) -> None:
        async def ensure() -> UUID:
            async with db.write() as session:
                return (await service.ensure_admin(session)).id

        first, second = await asyncio.gather(ensure(), ensure())

        assert first == second
        assert await count(db, User) == 1

    async def test_its_key_works(self, db: Database) -> None:
        async with db.write() as session:
            secret = await service.create_admin_key(session, "first start")

        async with db.read() as session:
            assert (await service.authenticate(session, secret)).is_admin
