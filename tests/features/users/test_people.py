"""Accounts are changed, switched off and deleted; the instance never loses its last administrator."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

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
from cuepoint.features.users.inputs import clean_email, clean_name
from cuepoint.features.users.models import ApiKey, User
from cuepoint.features.users.service import UserFilter
from cuepoint.viewer import Scope, Viewer
from tests.support.builders.users import make_user, make_viewer, viewer_of


async def row(db: Database, viewer: Viewer) -> User:
    async with db.read() as session:
        return await session.get_one(User, viewer.user_id)


async def log(db: Database) -> list[tuple[str, object, object]]:
    async with db.read() as session:
        events = await session.scalars(select(AuditEvent).order_by(AuditEvent.id))
        return [(event.action, event.before, event.after) for event in events]


class TestUpdateUser:
    async def test_people_change_their_own_name_and_no_more(self, db: Database) -> None:
        viewer = await make_viewer(db)

        async with db.write() as session:
            await service.update_user(session, viewer, viewer.user_id, name=" Ada  L. ")
        for change in ({"email": "ada@example.org"}, {"is_admin": True}):
            async with db.write() as session:
                with pytest.raises(ForbiddenError):
                    await service.update_user(session, viewer, viewer.user_id, **change)

        user = await row(db, viewer)
        assert (user.name, user.is_admin) == ("Ada L.", False)
        assert user.email != "ada@example.org"

    @pytest.mark.parametrize(
        ("name", "is_fine"),
        [
            ("Ada \u202eevE", False),
            ("Ada\u200b", False),
            ("\ufeffAda", False),
            ("Ada \u2066(boss@example.org)\u2069", False),
            ("Ad\u200da", False),
            ("Ad\u05d0\u200d\u200d\u05d0", False),
            ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", True),
            ("\u0915\u094d\u200d\u0937", True),
            ("Zoë \U0001f469\u200d\U0001f680", True),
        ],
        ids=["override", "zero-width", "mark", "isolate", "latin-joiner", "joiners", "persian", "hindi", "emoji"],
    )
    def test_names_hold_nothing_that_hides_or_turns_letters(self, name: str, is_fine: bool) -> None:
        if is_fine:
            assert clean_name(name) == name
        else:
            with pytest.raises(BadInputError, match="cannot be seen"):
                clean_name(name)

    def test_addresses_hold_no_such_thing(self) -> None:
        with pytest.raises(BadInputError):
            clean_email("ada@example.org\u200b")

    async def test_is_logged_with_what_changed(self, db: Database) -> None:
        admin, user = await make_viewer(db, is_admin=True), await make_user(db, email="old@example.org")

        async with db.write() as session:
            await service.update_user(session, admin, user.id, email="new@example.org", is_admin=True)

        old = {"email": "old@example.org", "isAdmin": False}
        assert await log(db) == [("UPDATED", old, {"email": "new@example.org", "isAdmin": True})]

    async def test_an_address_is_taken_whatever_its_case(self, db: Database) -> None:
        admin, user = await make_viewer(db, is_admin=True), await make_user(db, email="one@example.org")
        await make_user(db, email="Ada@Example.org")

        with pytest.raises(CuepointError) as refused:
            async with db.write() as session:
                await service.update_user(session, admin, user.id, email="ada@example.ORG", name="Other")

        async with db.read() as session:
            after = await session.get_one(User, user.id)
        assert refused.value.code is ErrorCode.EMAIL_TAKEN
        assert (after.email, after.name) == ("one@example.org", user.name)

    async def test_anothers_account_is_absent(self, db: Database) -> None:
        viewer, other = await make_viewer(db), await make_user(db)

        async with db.write() as session:
            with pytest.raises(NotFoundError):
                await service.update_user(session, viewer, other.id, name="Mine")

    async def test_the_last_administrator_stays_one(self, db: Database) -> None:
        admin = await make_viewer(db, is_admin=True)

        async with db.write() as session:
            with pytest.raises(CuepointError) as refused:
                await service.update_user(session, admin, admin.user_id, is_admin=False)

        assert refused.value.code is ErrorCode.LAST_ADMIN
        assert (await row(db, admin)).is_admin

    async def test_two_who_demote_each_other_at_once_leave_one(self, db: Database) -> None:
        one, two = await make_viewer(db, is_admin=True), await make_viewer(db, is_admin=True)

        async def demote(viewer: Viewer, other: Viewer) -> str:
            try:
                async with db.write() as session:
                    await service.update_user(session, viewer, other.user_id, is_admin=False)
            except CuepointError as error:
                return error.code.value
            return "done"

        assert sorted(await asyncio.gather(demote(one, two), demote(two, one))) == ["LAST_ADMIN", "done"]


class TestSetActive:
    async def test_off_refuses_keys_at_once_and_on_takes_them_again(self, db: Database) -> None:
        admin, user = await make_viewer(db, is_admin=True), await make_viewer(db)
        async with db.write() as session:
            _, secret = await service.create_api_key(session, user, name="laptop", expires_at=None)

        async with db.write() as session:
            off = await service.set_active(session, admin, user.user_id, is_active=False)
            again = await service.set_active(session, admin, user.user_id, is_active=False)
        async with db.read() as session:
            with pytest.raises(UnauthenticatedError):
                await service.authenticate(session, secret)
        async with db.write() as session:
            await service.set_active(session, admin, user.user_id, is_active=True)

        async with db.read() as session:
            assert (await service.authenticate(session, secret)).user_id == user.user_id
        assert [changed for _, changed in (off, again)] == [True, False]
        assert [action for action, _, _ in await log(db)] == ["CREATED", "DEACTIVATED", "REACTIVATED"]

    async def test_is_for_administrators_and_not_for_the_last(self, db: Database) -> None:
        admin, viewer = await make_viewer(db, is_admin=True), await make_viewer(db)

        async with db.write() as session:
            with pytest.raises(ForbiddenError):
                await service.set_active(session, viewer, viewer.user_id, is_active=False)
            with pytest.raises(CuepointError) as refused:
                await service.set_active(session, admin, admin.user_id, is_active=False)

        assert refused.value.code is ErrorCode.LAST_ADMIN
        assert (await row(db, admin)).is_active


class TestDeleteUser:
    async def test_keys_go_along(self, db: Database) -> None:
        admin, user = await make_viewer(db, is_admin=True), await make_viewer(db)
        async with db.write() as session:
            await service.create_api_key(session, user, name="laptop", expires_at=None)

        async with db.write() as session:
            await service.delete_user(session, admin, user.user_id)

        async with db.read() as session:
            assert await session.get(User, user.user_id) is None
            assert list(await session.scalars(select(ApiKey))) == []
        assert (await log(db))[-1][0] == "DELETED"

    async def test_the_last_administrator_stays(self, db: Database) -> None:
        admin = await make_viewer(db, is_admin=True)

        async with db.write() as session:
            with pytest.raises(CuepointError) as refused:
                await service.delete_user(session, admin, admin.user_id)

        assert refused.value.code is ErrorCode.LAST_ADMIN


class TestListUsers:
    async def test_narrows_by_text_rights_and_state(self, db: Database) -> None:
        admin = await make_viewer(db, is_admin=True)
        ada, bob = await make_user(db, email="Ada@example.org"), await make_user(db, email="bob@example.org")
        async with db.write() as session:
            await service.set_active(session, admin, bob.id, is_active=False)

        async def found(**wanted: object) -> list[str]:
            async with db.read() as session:
                page = await service.list_users(session, admin, PageRequest(10), UserFilter(**wanted))
                assert await service.count_users(session, admin, UserFilter(**wanted)) == len(page.rows)
            return [user.id for user in page.rows]

        assert await found(text="aDA@") == [ada.id]
        assert await found(text="100%\x00") == []
        assert await found(is_admin=True) == [admin.user_id]
        assert await found(is_active=False) == [bob.id]
        assert await found(is_admin=False) == [ada.id, bob.id]


class TestRestrictedCredentials:
    async def test_an_administrators_narrow_key_administers_nothing(self, db: Database) -> None:
        admin = await make_user(db, is_admin=True)
        async with db.write() as session:
            _, secret = await service.create_api_key(
                session, viewer_of(admin), name="script", expires_at=None, scopes=[Scope.WRITE]
            )
        async with db.read() as session:
            narrow = await service.authenticate(session, secret)

        assert (narrow.is_admin, narrow.is_of_admin, narrow.sees_all) == (False, True, True)
        async with db.write() as session:
            with pytest.raises(ForbiddenError, match="restricted"):
                await service.create_user(session, narrow, email="a@b.org", name="A", is_admin=True)
