"""Sign in, refresh, sign out: tokens that are good once, and one text for every reason to refuse."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from cuepoint.config import Settings
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import (
    BadInputError,
    CuepointError,
    ErrorCode,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
)
from cuepoint.features.audit.models import AuditEvent
from cuepoint.features.users import service
from cuepoint.features.users.attempts import Subject
from cuepoint.features.users.models import RefreshToken, Session, SignInAttempts, User
from cuepoint.features.users.service import Tokens
from cuepoint.viewer import Viewer
from tests.support.builders.users import PASSWORD, make_user, make_viewer, sign_in, viewer_of
from tests.support.graphql import count_statements


async def viewer_by(db: Database, token: str) -> Viewer:
    async with db.read() as session:
        return await service.authenticate(session, token)


async def is_refused(db: Database, token: str) -> bool:
    try:
        await viewer_by(db, token)
    except UnauthenticatedError:
        return True
    return False


async def refresh(db: Database, settings: Settings, tokens: Tokens) -> Tokens:
    return await service.refresh_session(db, settings, tokens.refresh)


async def code_of_login(
    db: Database, settings: Settings, email: str, password: str = "wrong password", *, address: str = "192.0.2.1"
) -> str:
    try:
        await sign_in(db, settings, email, password, address=address)
    except CuepointError as error:
        return error.code.value
    return "OK"


async def actions(db: Database) -> list[str]:
    async with db.read() as session:
        return list(await session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))


class TestLogin:
    async def test_lends_a_token_that_stands_for_the_user(self, db: Database, settings: Settings) -> None:
        user = await make_user(db, email="Ada@example.org", password=PASSWORD, is_admin=True)

        tokens = await sign_in(db, settings, " ada@EXAMPLE.org ")

        viewer = await viewer_by(db, tokens.access)
        assert (viewer.user_id, viewer.is_admin, viewer.session_id) == (user.id, True, tokens.session.id)
        assert (viewer.api_key_id, viewer.is_restricted) == (None, False)
        assert (tokens.session.access_expires_at - datetime.now(UTC)).total_seconds() == pytest.approx(900, abs=30)
        assert await actions(db) == ["SIGNED_IN"]

    async def test_keeps_hashes_of_tokens_only(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)

        tokens = await sign_in(db, settings, "ada@example.org")

        async with db.read() as session:
            stored = [*await session.scalars(select(Session.access_hash))]
            stored += [*await session.scalars(select(RefreshToken.token_hash))]
        assert stored == [service.hash_secret(tokens.access), service.hash_secret(tokens.refresh)]
        assert tokens.access.startswith("cpa_")
        assert tokens.refresh.startswith("cpr_")

    @pytest.mark.parametrize("spoil", ["unknown", "password", "no password", "inactive", "nonsense"])
    async def test_refuses_with_one_text_and_as_many_statements(
        self, db: Database, settings: Settings, spoil: str
    ) -> None:
        user = await make_user(db, email="ada@example.org", password=None if spoil == "no password" else PASSWORD)
        if spoil == "inactive":
            async with db.write() as session:
                await session.execute(update(User).where(User.id == user.id).values(is_active=False))
        email = {"unknown": "eve@example.org", "nonsense": "\x00" + "x" * 10_000}.get(spoil, user.email)

        with count_statements(db.engine) as seen, pytest.raises(CuepointError) as refused:
            await sign_in(db, settings, email, "wrong password" if spoil == "password" else PASSWORD)

        assert refused.value.code is ErrorCode.INVALID_CREDENTIALS
        assert str(refused.value) == "The e-mail address or the password is wrong."
        assert len(seen) == 6  # one spelling, sweep, three counts, one look-up
        async with db.read() as session:
            assert (await session.execute(select(func.count()).select_from(Session))).scalar_one() == 0

    async def test_a_refresh_token_is_no_credential(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)

        tokens = await sign_in(db, settings, "ada@example.org")

        assert await is_refused(db, tokens.refresh)
        with pytest.raises(CuepointError):
            await service.refresh_session(db, settings, tokens.access)


class TestRefreshSession:
    async def test_replaces_both_tokens(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        first = await sign_in(db, settings, "ada@example.org")

        second = await refresh(db, settings, first)

        assert second.session.id == first.session.id
        assert await is_refused(db, first.access)
        assert (await viewer_by(db, second.access)).session_id == first.session.id

    async def test_a_second_use_ends_the_whole_family(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        first = await sign_in(db, settings, "ada@example.org")
        other = await sign_in(db, settings, "ada@example.org")
        second = await refresh(db, settings, first)
        viewer = await viewer_by(db, second.access)

        for stale in (first, second):
            with pytest.raises(CuepointError) as refused:
                await refresh(db, settings, stale)
            assert refused.value.code is ErrorCode.SESSION_ENDED

        assert await is_refused(db, second.access)
        assert not await is_refused(db, other.access)
        async with db.read() as session:
            assert await service.still_valid(session, [viewer]) == set()
        assert await actions(db) == ["SIGNED_IN", "SIGNED_IN", "TOKEN_REUSED"]

    async def test_of_two_at_once_none_goes_on(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        first = await sign_in(db, settings, "ada@example.org")

        async def attempt() -> Tokens | None:
            try:
                return await refresh(db, settings, first)
            except CuepointError:
                return None

        results = await asyncio.gather(attempt(), attempt())

        (lent,) = [tokens for tokens in results if tokens is not None]
        assert await is_refused(db, lent.access)

    @pytest.mark.parametrize("spoil", ["unknown", "idle", "ended", "inactive", "too old"])
    async def test_refuses_what_is_over(self, db: Database, settings: Settings, spoil: str) -> None:
        user = await make_user(db, email="ada@example.org", password=PASSWORD)
        tokens = await sign_in(db, settings, "ada@example.org")
        changes = {
            "idle": update(Session).values(expires_at=func.now()),
            "ended": update(Session).values(ended_at=func.now()),
            "inactive": update(User).where(User.id == user.id).values(is_active=False),
            "too old": update(Session).values(created_at=func.now() - timedelta(days=181)),
            "unknown": update(RefreshToken).values(token_hash="other"),
        }
        async with db.write() as session:
            await session.execute(changes[spoil])

        with pytest.raises(CuepointError) as refused:
            await refresh(db, settings, tokens)

        assert refused.value.code is ErrorCode.SESSION_ENDED
        assert await actions(db) == ["SIGNED_IN"]


class TestExpiry:
    async def test_an_expired_access_token_is_refused_while_the_session_goes_on(
        self, db: Database, settings: Settings
    ) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        tokens = await sign_in(db, settings, "ada@example.org")
        viewer = await viewer_by(db, tokens.access)
        async with db.write() as session:
            await session.execute(update(Session).values(access_expires_at=func.now()))

        assert await is_refused(db, tokens.access)
        async with db.read() as session:
            assert await service.still_valid(session, [viewer]) == {viewer}
        assert not await is_refused(db, (await refresh(db, settings, tokens)).access)


class TestLogout:
    async def test_ends_this_session_and_no_other(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        mine, other = [await sign_in(db, settings, "ada@example.org") for _ in range(2)]
        viewer = await viewer_by(db, mine.access)

        async with db.write() as session:
            changed = [await service.logout(session, viewer) for _ in range(2)]

        assert changed == [True, False]
        assert await is_refused(db, mine.access)
        assert not await is_refused(db, other.access)

    async def test_ends_another_of_ones_own_but_nobody_elses(self, db: Database, settings: Settings) -> None:
        for name in ("ada", "eve"):
            await make_user(db, email=f"{name}@example.org", password=PASSWORD)
        mine, other = [await sign_in(db, settings, "ada@example.org") for _ in range(2)]
        hers = await sign_in(db, settings, "eve@example.org")
        viewer = await viewer_by(db, mine.access)

        async with db.write() as session:
            assert await service.logout(session, viewer, other.session.id)
            with pytest.raises(NotFoundError):
                await service.logout(session, viewer, hers.session.id)

        assert [await is_refused(db, tokens.access) for tokens in (mine, other, hers)] == [False, True, False]

    async def test_an_api_key_has_none(self, db: Database) -> None:
        async with db.write() as session:
            with pytest.raises(BadInputError, match="revokeApiKey"):
                await service.logout(session, await make_viewer(db))


class TestLogoutAll:
    async def test_ends_every_session_and_leaves_keys(self, db: Database, settings: Settings) -> None:
        user = await make_user(db, email="ada@example.org", password=PASSWORD)
        both = [await sign_in(db, settings, "ada@example.org") for _ in range(2)]
        async with db.write() as session:
            _, secret = await service.create_api_key(session, viewer_of(user), name="laptop", expires_at=None)

        async with db.write() as session:
            count = await service.logout_all(session, await viewer_by(db, both[0].access))

        assert count == 2
        assert [await is_refused(db, tokens.access) for tokens in both] == [True, True]
        assert not await is_refused(db, secret)

    async def test_anothers_need_an_administrator(self, db: Database, settings: Settings) -> None:
        user = await make_user(db, email="ada@example.org", password=PASSWORD)
        tokens = await sign_in(db, settings, "ada@example.org")
        viewer, admin = await make_viewer(db), await make_viewer(db, is_admin=True)

        async with db.write() as session:
            with pytest.raises(NotFoundError):
                await service.logout_all(session, viewer, user.id)
        assert not await is_refused(db, tokens.access)
        async with db.write() as session:
            assert await service.logout_all(session, admin, user.id) == 1

        assert await is_refused(db, tokens.access)


class TestListSessions:
    async def test_shows_those_in_force(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        ended, mine = [await sign_in(db, settings, "ada@example.org") for _ in range(2)]
        viewer = await viewer_by(db, mine.access)
        async with db.write() as session:
            await service.logout(session, viewer, ended.session.id)

        async with db.read() as session:
            page = await service.list_sessions(session, viewer, PageRequest(10))
            assert await service.count_sessions(session, viewer) == 1

        assert [(row.id, row.ip) for row in page.rows] == [(mine.session.id, "192.0.2.1")]


class TestChangePassword:
    async def test_ends_the_other_sessions(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        mine, other = [await sign_in(db, settings, "ada@example.org") for _ in range(2)]
        viewer = await viewer_by(db, mine.access)

        await service.change_password(db, viewer, current=PASSWORD, new="another horse")

        assert [await is_refused(db, tokens.access) for tokens in (mine, other)] == [False, True]
        assert await code_of_login(db, settings, "ada@example.org", PASSWORD) == "INVALID_CREDENTIALS"
        assert await code_of_login(db, settings, "ada@example.org", "another horse") == "OK"

    async def test_a_wrong_one_changes_nothing_and_counts(self, db: Database, settings: Settings) -> None:
        user = await make_user(db, email="ada@example.org", password=PASSWORD)

        codes = []
        for _ in range(6):
            with pytest.raises(CuepointError) as refused:
                await service.change_password(db, viewer_of(user), current="guess", new="another horse")
            codes.append(refused.value.code)

        assert codes == [ErrorCode.INVALID_CREDENTIALS] * 5 + [ErrorCode.SIGN_IN_LOCKED]
        async with db.read() as session:
            assert (await session.get_one(User, user.id)).password_hash == user.password_hash

    async def test_who_is_signed_in_is_not_locked_out_by_strangers(self, db: Database, settings: Settings) -> None:
        user = await make_user(db, email="ada@example.org", password=PASSWORD)
        for _ in range(6):
            await code_of_login(db, settings, user.email)
        async with db.write() as session:
            until = func.now() + timedelta(minutes=5)
            place = SignInAttempts.subject == Subject.place("192.0.2.1").key
            await session.execute(update(SignInAttempts).where(place).values(locked_until=until))

        await service.change_password(db, viewer_of(user), current=PASSWORD, new="another horse")

        assert await code_of_login(db, settings, user.email, "another horse", address="192.0.2.2") == "OK"

    async def test_who_has_none_sets_the_first(self, db: Database, settings: Settings) -> None:
        user = await make_user(db, email="ada@example.org")

        await service.change_password(db, viewer_of(user), current=None, new=PASSWORD)

        assert await code_of_login(db, settings, "ada@example.org", PASSWORD) == "OK"

    @pytest.mark.parametrize("new", ["short", "x" * 257, "aaaaaaaaaaaa"], ids=["short", "long", "one letter"])
    async def test_refuses_poor_ones(self, db: Database, new: str) -> None:
        with pytest.raises(BadInputError) as refused:
            await service.change_password(db, await make_viewer(db), current=None, new=new)

        assert refused.value.field == ("newPassword",)


class TestSetPassword:
    async def test_is_for_administrators_and_signs_the_user_out(self, db: Database, settings: Settings) -> None:
        user, admin = (
            await make_user(db, email="ada@example.org", password=PASSWORD),
            await make_viewer(db, is_admin=True),
        )
        tokens = await sign_in(db, settings, "ada@example.org")

        with pytest.raises(ForbiddenError):
            await service.set_password(db, viewer_of(user), user.id, "another horse")
        await service.set_password(db, admin, user.id, "another horse")

        assert await is_refused(db, tokens.access)
        assert await code_of_login(db, settings, "ada@example.org", "another horse") == "OK"
