"""Share links: they open what they say and no more, for as long as their row says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import (
    BadInputError,
    CuepointError,
    ErrorCode,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
)
from cuepoint.features.projects import access
from cuepoint.features.projects import service as projects
from cuepoint.features.projects.models import Project, ProjectRole, ShareLink
from cuepoint.features.shares import service
from cuepoint.features.shares.service import Created, Target
from cuepoint.features.users.models import SignInAttempts
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    return await make_project(db, owner_id=viewer.user_id)


@pytest.fixture
async def video(db: Database, project: Project) -> Video:
    return await make_video(db, project)


async def share(db: Database, viewer: Viewer, target: Target, **values: Any) -> Created:
    given = {"expires_at": None, "may_download": False, "password": None, **values}
    async with db.write() as session:
        return await service.create_link(session, viewer, target, **given)


async def row(db: Database) -> ShareLink:
    async with db.read() as session:
        return (await session.scalars(select(ShareLink))).one()


class TestOpenLink:
    async def test_a_link_of_a_video_opens_that_video_alone(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        other = await make_video(db, project)
        created = await share(db, viewer, Target(None, video.id), may_download=True)

        guest = await service.open_link(db, created.token)

        assert guest.share is not None
        assert (guest.share.video_id, guest.share.project_id, guest.share.may_download) == (video.id, project.id, True)
        async with db.read() as session:
            assert (await videos.get_video(session, guest, video.id)).id == video.id
            seen = select(Video.id).where(access.sees_video(guest, Video.project_id, Video.id))
            assert list(await session.scalars(seen)) == [video.id]
            with pytest.raises(NotFoundError):
                await videos.get_video(session, guest, other.id)
            assert list(await session.scalars(access.shown_projects(guest))) == []
            assert (await videos.list_videos(session, guest, PageRequest(5))).rows == []

    async def test_a_link_of_a_project_opens_all_of_it_and_nothing_else(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        foreign = await make_video(db, await make_project(db, owner_id=viewer.user_id))
        created = await share(db, viewer, Target(project.id, None))

        guest = await service.open_link(db, created.token)

        async with db.read() as session:
            assert list(await session.scalars(access.shown_projects(guest))) == [project.id]
            assert list(await session.scalars(access.visible_projects(guest))) == []
            assert [one.id for one in (await videos.list_videos(session, guest, PageRequest(5))).rows] == [video.id]
            with pytest.raises(NotFoundError):
                await videos.get_video(session, guest, foreign.id)

    @pytest.mark.parametrize("is_video", [True, False], ids=["video", "project"])
    async def test_it_lets_nobody_change_anything(
        self, db: Database, viewer: Viewer, project: Project, video: Video, is_video: bool
    ) -> None:
        created = await share(db, viewer, Target(None, video.id) if is_video else Target(project.id, None))
        guest = await service.open_link(db, created.token)

        async with db.write() as session:
            for role in (ProjectRole.EDITOR, ProjectRole.OWNER):
                with pytest.raises(ForbiddenError):
                    await access.require(session, guest, project.id, role, video_id=video.id)
                assert list(await session.scalars(access.visible_projects(guest, role))) == []
            with pytest.raises(ForbiddenError):
                await videos.start_pipeline(session, guest, video.id, None)

    async def test_each_opening_is_counted(self, db: Database, viewer: Viewer, video: Video) -> None:
        created = await share(db, viewer, Target(None, video.id))

        for _ in range(3):
            await service.open_link(db, created.token)

        link = await row(db)
        assert (link.uses, link.last_used_at is not None) == (3, True)
        assert created.token not in (link.token_hash, link.prefix)
        assert created.token.startswith(link.prefix)

    async def test_what_is_over_or_unknown_answers_alike(self, db: Database, viewer: Viewer, video: Video) -> None:
        created = await share(db, viewer, Target(None, video.id), expires_at=datetime.now(UTC) + timedelta(hours=1))
        texts: set[str] = set()

        async def refused(token: str) -> None:
            with pytest.raises(NotFoundError) as error:
                await service.open_link(db, token)
            texts.add(error.value.message)

        await service.open_link(db, created.token)
        for token in ("", "cps_x", created.token + "x", "é", "x" * 500):
            await refused(token)
        async with db.write() as session:
            await session.execute(update(ShareLink).values(expires_at=datetime.now(UTC)))
        await refused(created.token)

        assert len(texts) == 1
        assert (await row(db)).uses == 1

    async def test_goes_with_its_video(self, db: Database, viewer: Viewer, video: Video) -> None:
        created = await share(db, viewer, Target(None, video.id))
        async with db.write() as session:
            await videos.delete_video(session, viewer, video.id)

        with pytest.raises(NotFoundError):
            await service.open_link(db, created.token)


class TestPassword:
    async def test_is_asked_for_and_checked(self, db: Database, viewer: Viewer, video: Video) -> None:
        created = await share(db, viewer, Target(None, video.id), password="open sesame")

        for password in (None, "wrong"):
            with pytest.raises(CuepointError) as refused:
                await service.open_link(db, created.token, password)
            assert refused.value.code is ErrorCode.SHARE_PASSWORD_WRONG
        guest = await service.open_link(db, created.token, "open sesame")

        link = await row(db)
        assert guest.share is not None
        assert (link.failures, link.uses) == (0, 1)
        assert "open sesame" not in (link.password_hash or "")

    async def test_after_five_wrong_ones_even_the_right_one_waits(
        self, db: Database, viewer: Viewer, video: Video
    ) -> None:
        created = await share(db, viewer, Target(None, video.id), password="open sesame")

        outcomes = await asyncio.gather(
            *[service.open_link(db, created.token, f"guess {number}") for number in range(8)], return_exceptions=True
        )
        with pytest.raises(RateLimitedError):
            await service.open_link(db, created.token, "open sesame")
        async with db.write() as session:
            await session.execute(update(SignInAttempts).values(locked_until=datetime.now(UTC)))
        await service.open_link(db, created.token, "open sesame")

        assert sum(isinstance(one, RateLimitedError) for one in outcomes) == 3
        assert (await row(db)).uses == 1

    async def test_who_guesses_holds_up_nobody_elsewhere(self, db: Database, viewer: Viewer, video: Video) -> None:
        created = await share(db, viewer, Target(None, video.id), password="open sesame")
        for _ in range(5):
            with pytest.raises(CuepointError, match="not the link's password"):
                await service.open_link(db, created.token, "guess", address="192.0.2.1")

        with pytest.raises(RateLimitedError) as paused:
            await service.open_link(db, created.token, "guess", address="192.0.2.1")
        await service.open_link(db, created.token, "open sesame", address="198.51.100.7")

        assert 20 < paused.value.retry_after_seconds <= 30
        assert (await row(db)).uses == 1

    async def test_a_hundred_from_anywhere_pause_it_where_it_was_not_opened_before(
        self, db: Database, viewer: Viewer, video: Video
    ) -> None:
        created = await share(db, viewer, Target(None, video.id), password="open sesame")
        await service.open_link(db, created.token, "open sesame", address="198.51.100.7")
        async with db.write() as session:
            await session.execute(update(ShareLink).values(failures=service.FREE_GUESSES - 1))

        with pytest.raises(CuepointError, match="not the link's password"):
            await service.open_link(db, created.token, "guess", address="192.0.2.1")
        with pytest.raises(RateLimitedError, match="in 60 s"):
            await service.open_link(db, created.token, "open sesame", address="203.0.113.5")
        await service.open_link(db, created.token, "open sesame", address="198.51.100.7")

        assert (await row(db)).uses == 2


class TestRevokeLink:
    async def test_what_was_open_is_closed_at_once(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        one = await share(db, viewer, Target(None, video.id))
        guest = await service.open_link(db, one.token)
        whole = await service.open_link(db, (await share(db, viewer, Target(project.id, None))).token)
        async with db.write() as session:
            await session.execute(update(ShareLink).values(revoked_at=None))
            for link_id in (await session.scalars(select(ShareLink.id))).all():
                await service.revoke_link(session, viewer, link_id)
                await service.revoke_link(session, viewer, link_id)

        with pytest.raises(NotFoundError):
            await service.open_link(db, one.token)
        async with db.read() as session:
            for visitor in (guest, whole):
                with pytest.raises(NotFoundError):
                    await videos.get_video(session, visitor, video.id)
                assert list(await session.scalars(access.visible_projects(visitor))) == []

    async def test_works_in_an_archived_project(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        created = await share(db, viewer, Target(None, video.id))
        async with db.write() as session:
            await projects.archive_project(session, viewer, project.id)

        async with db.write() as session:
            revoked = await service.revoke_link(session, viewer, created.link.id)

        assert revoked.revoked_at is not None


class TestRights:
    async def test_only_owners_share_list_and_revoke(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        created = await share(db, viewer, Target(None, video.id))
        editor, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, editor.user_id, ProjectRole.EDITOR)

        for one, error in ((editor, ForbiddenError), (stranger, NotFoundError)):
            for target in (Target(None, video.id), Target(project.id, None)):
                with pytest.raises(error):
                    await share(db, one, target)
            async with db.write() as session:
                with pytest.raises(error):
                    await service.list_links(session, one, project.id, PageRequest(5))
                with pytest.raises(error):
                    await service.revoke_link(session, one, created.link.id)

        link = await row(db)
        assert link.revoked_at is None

    async def test_a_link_of_what_is_not_there_is_none(self, db: Database, viewer: Viewer) -> None:
        for target in (Target(None, uuid7()), Target(uuid7(), None)):
            with pytest.raises(NotFoundError):
                await share(db, viewer, target)

    @pytest.mark.parametrize(
        "values",
        [
            {"password": "short"},
            {"password": "x" * 201},
            {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
        ],
        ids=["short", "long", "past"],
    )
    async def test_refuses_bad_values(self, db: Database, viewer: Viewer, video: Video, values: dict[str, Any]) -> None:
        with pytest.raises(BadInputError):
            await share(db, viewer, Target(None, video.id), **values)

        async with db.read() as session:
            assert (await session.scalars(select(ShareLink))).all() == []
