"""API keys: scopes, projects, rotation, and what ends them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, UnauthenticatedError
from cuepoint.features.audit.models import AuditEvent
from cuepoint.features.users import service
from cuepoint.features.users.models import ApiKey
from cuepoint.viewer import Scope, Viewer
from tests.support.builders.users import make_user, make_viewer, viewer_of

DAY = timedelta(hours=24)


async def key_of(db: Database, viewer: Viewer, **values: object) -> tuple[ApiKey, str]:
    async with db.write() as session:
        return await service.create_api_key(session, viewer, **{"name": "script", "expires_at": None, **values})


async def authenticated(db: Database, secret: str) -> Viewer:
    async with db.read() as session:
        return await service.authenticate(session, secret)


class TestLife:
    """A key makes none that outlives it: its end, or its rotation, would end nothing otherwise."""

    async def test_a_key_makes_none_that_lives_longer(self, db: Database) -> None:
        viewer, end = await make_viewer(db), datetime.now(UTC) + timedelta(hours=1)
        _, secret = await key_of(db, viewer, expires_at=end)
        by_key = await authenticated(db, secret)

        for later in (None, end + timedelta(seconds=1)):
            with pytest.raises(ForbiddenError, match="makes none that lives longer"):
                await key_of(db, by_key, expires_at=later)
        same, _ = await key_of(db, by_key, expires_at=end)

        assert same.expires_at == end
        async with db.read() as session:
            assert await service.count_api_keys(session, viewer) == 2

    async def test_a_key_that_ends_rotates_none_into_a_longer_life(self, db: Database) -> None:
        viewer, end = await make_viewer(db), datetime.now(UTC) + timedelta(hours=1)
        _, secret = await key_of(db, viewer, expires_at=end)
        endless, _ = await key_of(db, viewer)
        by_key = await authenticated(db, secret)

        async with db.write() as session:
            with pytest.raises(ForbiddenError, match="makes none that lives longer"):
                await service.rotate_api_key(session, by_key, endless.id)

        async with db.read() as session:
            assert (await session.get_one(ApiKey, endless.id)).rotated_at is None

    async def test_a_key_that_was_rotated_makes_none_beyond_its_overlap(self, db: Database) -> None:
        viewer = await make_viewer(db)
        key, secret = await key_of(db, viewer)
        by_key = await authenticated(db, secret)
        async with db.write() as session:
            await service.rotate_api_key(session, viewer, key.id)

        with pytest.raises(ForbiddenError, match="makes none that lives longer"):
            await key_of(db, by_key)

    @pytest.mark.parametrize("is_on_again", [False, True], ids=["off", "on again"])
    async def test_a_key_of_a_deactivated_user_is_refused_until_they_are_back(
        self, db: Database, is_on_again: bool
    ) -> None:
        admin, viewer = await make_viewer(db, is_admin=True), await make_viewer(db)
        _, secret = await key_of(db, viewer)
        by_key = await authenticated(db, secret)

        async with db.write() as session:
            await service.set_active(session, admin, viewer.user_id, is_active=False)
            await service.set_active(session, admin, viewer.user_id, is_active=is_on_again)

        async with db.read() as session:
            assert await service.still_valid(session, [by_key]) == ({by_key} if is_on_again else set())


class TestScopes:
    async def test_the_widest_counts(self, db: Database) -> None:
        viewer = await make_viewer(db)

        _, secret = await key_of(db, viewer, scopes=[Scope.READ, Scope.WRITE])

        assert (await authenticated(db, secret)).scope is Scope.WRITE

    async def test_none_at_all_is_refused(self, db: Database) -> None:
        viewer = await make_viewer(db)

        with pytest.raises(BadInputError) as refused:
            await key_of(db, viewer, scopes=[])

        assert refused.value.field == ("scopes",)

    @pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE])
    async def test_a_narrow_key_makes_lists_rotates_and_revokes_none(self, db: Database, scope: Scope) -> None:
        viewer = await make_viewer(db)
        key, secret = await key_of(db, viewer, scopes=[scope])
        narrow = await authenticated(db, secret)

        async with db.write() as session:
            for refused in (
                service.create_api_key(session, narrow, name="wide", expires_at=None),
                service.count_api_keys(session, narrow),
                service.rotate_api_key(session, narrow, key.id),
                service.revoke_api_key(session, narrow, key.id),
                service.update_user(session, narrow, viewer.user_id, name="Other"),
            ):
                with pytest.raises(ForbiddenError):
                    await refused

        async with db.read() as session:
            assert (await session.execute(select(func.count()).select_from(ApiKey))).scalar_one() == 1

    async def test_a_key_of_some_projects_manages_nothing_beyond_them(self, db: Database) -> None:
        viewer = await make_viewer(db)
        _, secret = await key_of(db, viewer, project_ids=[uuid7()])

        async with db.write() as session:
            with pytest.raises(ForbiddenError, match="restricted to some projects"):
                await service.create_api_key(session, await authenticated(db, secret), name="x", expires_at=None)

    @pytest.mark.parametrize("count", [0, 101])
    async def test_projects_are_1_to_100(self, db: Database, count: int) -> None:
        viewer = await make_viewer(db)

        with pytest.raises(BadInputError) as refused:
            await key_of(db, viewer, project_ids=[uuid7() for _ in range(count)])

        assert refused.value.field == ("projectIds",)


class TestCreateAdminKey:
    @pytest.mark.parametrize("scope", list(Scope), ids=lambda scope: scope.value)
    async def test_is_the_administrators_with_that_scope(self, db: Database, scope: Scope) -> None:
        async with db.write() as session:
            secret = await service.create_admin_key(session, "script", scope)

        viewer = await authenticated(db, secret)

        assert (viewer.scope, viewer.is_admin, viewer.sees_all) == (scope, scope is Scope.MANAGE, True)


class TestRotateApiKey:
    async def test_both_work_for_a_day_and_have_the_same_rights(self, db: Database) -> None:
        viewer, project = await make_viewer(db), uuid7()
        end = datetime.now(UTC) + timedelta(days=90)
        key, old_secret = await key_of(db, viewer, scopes=[Scope.READ], project_ids=[project], expires_at=end)

        async with db.write() as session:
            old, new, new_secret = await service.rotate_api_key(session, viewer, key.id)

        both = [await authenticated(db, secret) for secret in (old_secret, new_secret)]
        assert [seen.api_key_id for seen in both] == [key.id, new.id]
        assert {(seen.scope, seen.project_ids) for seen in both} == {(Scope.READ, frozenset({project}))}
        assert (new.name, new.expires_at) == ("script", end)
        assert abs(old.expires_at - datetime.now(UTC) - DAY) < timedelta(minutes=1)

    async def test_the_old_one_ends_with_the_overlap(self, db: Database) -> None:
        viewer = await make_viewer(db)
        key, secret = await key_of(db, viewer)

        async with db.write() as session:
            await service.rotate_api_key(session, viewer, key.id, overlap_seconds=0)

        with pytest.raises(UnauthenticatedError):
            await authenticated(db, secret)

    async def test_the_overlap_lengthens_no_life(self, db: Database) -> None:
        viewer, end = await make_viewer(db), datetime.now(UTC) + timedelta(hours=1)
        key, _ = await key_of(db, viewer, expires_at=end)

        async with db.write() as session:
            old, new, _ = await service.rotate_api_key(session, viewer, key.id)

        assert (old.expires_at, new.expires_at) == (end, end)

    async def test_only_the_newest_is_rotated(self, db: Database) -> None:
        viewer = await make_viewer(db)
        key, _ = await key_of(db, viewer)
        async with db.write() as session:
            await service.rotate_api_key(session, viewer, key.id)

        async with db.write() as session:
            with pytest.raises(CuepointError) as refused:
                await service.rotate_api_key(session, viewer, key.id)

        assert refused.value.code is ErrorCode.ALREADY_FINAL

    @pytest.mark.parametrize("seconds", [-1, 8 * 86_400, 1e300])
    async def test_the_overlap_is_a_week_at_most(self, db: Database, seconds: float) -> None:
        viewer = await make_viewer(db)
        key, _ = await key_of(db, viewer)

        async with db.write() as session:
            with pytest.raises(BadInputError):
                await service.rotate_api_key(session, viewer, key.id, overlap_seconds=seconds)


class TestStillValid:
    @pytest.mark.parametrize("change", ["revoked", "expired", "narrowed", "nothing"])
    async def test_a_viewer_stays_as_long_as_the_key_gives_the_same_rights(self, db: Database, change: str) -> None:
        key, secret = await key_of(db, await make_viewer(db))
        viewer = await authenticated(db, secret)
        values: dict[str, dict[str, object]] = {
            "revoked": {"revoked_at": func.now()},
            "expired": {"expires_at": func.now()},
            "narrowed": {"scope": Scope.READ},
            "nothing": {"name": "other"},
        }
        async with db.write() as session:
            await session.execute(update(ApiKey).where(ApiKey.id == key.id).values(**values[change]))

        async with db.read() as session:
            assert await service.still_valid(session, [viewer]) == ({viewer} if change == "nothing" else set())


class TestNoteUse:
    async def test_knows_where_from(self, db: Database) -> None:
        key, secret = await key_of(db, await make_viewer(db))

        async with db.write() as session:
            await service.note_use(session, await service.authenticate(session, secret), "2001:db8::7")

        async with db.read() as session:
            assert (await session.get_one(ApiKey, key.id)).last_used_ip == "2001:db8::7"


class TestAudit:
    async def test_a_keys_life_is_logged_without_its_secret(self, db: Database) -> None:
        user = await make_user(db)
        key, secret = await key_of(db, viewer_of(user))
        async with db.write() as session:
            _, successor, new_secret = await service.rotate_api_key(session, viewer_of(user), key.id)
            await service.revoke_api_key(session, viewer_of(user), key.id)
            await service.revoke_api_key(session, viewer_of(user), key.id)

        async with db.read() as session:
            events = list(await session.scalars(select(AuditEvent).order_by(AuditEvent.id)))
        assert [event.action for event in events] == ["CREATED", "ROTATED", "REVOKED"]
        assert {event.node_id for event in events} == {key.id}
        assert events[1].after == {"successorId": successor.id.hex}
        told = "".join(str((event.before, event.after)) for event in events)
        assert key.prefix in told
        assert not any(hidden in told for hidden in (secret, new_secret, key.secret_hash))
