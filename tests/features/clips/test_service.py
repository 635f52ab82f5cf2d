"""Clips: exactly one of a range or a moment, inside the media, for editors; offered once rendered."""

from __future__ import annotations

import asyncio
from dataclasses import fields

import pytest
from sqlalchemy import update

from cuepoint.adapters.media.base import ClipMode
from cuepoint.adapters.media.forms import PLAIN, ClipForm
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.clips import service
from cuepoint.features.clips.models import Clip
from cuepoint.features.clips.requests import ClipRequest, Place
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.support.builders.clips import make_clip, make_moment
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.rows import count
from tests.support.waiting import blocked_or_done


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def project(db: Database, viewer: Viewer) -> Project:
    return await make_project(db, owner_id=viewer.user_id)


@pytest.fixture
async def video(db: Database, project: Project) -> Video:
    return await make_video(db, project)


async def ask(db: Database, viewer: Viewer, video: Video, **values: object) -> tuple[Clip, Job]:
    names = {field.name for field in fields(Place)}
    place = Place(**{name: values.pop(name) for name in names & values.keys()})  # type: ignore[arg-type]
    async with db.write() as session:
        return await service.request_clip(session, viewer, ClipRequest(video.id, place, **values))  # type: ignore[arg-type]


class TestMode:
    @pytest.mark.parametrize(
        ("project_says", "form", "said", "mode"),
        [
            (None, PLAIN, None, ClipMode.SMART),
            ("FAST", PLAIN, "FAST", ClipMode.FAST),
            ("FAST", ClipForm(resolution=360), None, ClipMode.SMART),
            ("RENDER", ClipForm(resolution=360), "RENDER", ClipMode.RENDER),
        ],
        ids=["nobody", "the-project", "a-default-gives-way", "the-project-and-a-form"],
    )
    async def test_the_job_and_the_clip_agree(
        self,
        db: Database,
        viewer: Viewer,
        project: Project,
        video: Video,
        project_says: str | None,
        form: ClipForm,
        said: str | None,
        mode: ClipMode,
    ) -> None:
        async with db.write() as session:
            stored = {"clip_mode": project_says} if project_says else {}
            await session.execute(update(Project).where(Project.id == project.id).values(settings=stored))

        clip, job = await ask(db, viewer, video, start_ms=0, end_ms=1_000, form=form)

        assert (job.args.get("mode"), clip.requested_mode, clip.mode) == (said, mode, mode)


class TestRequestClip:
    async def test_a_range_becomes_a_clip_and_its_job(self, db: Database, viewer: Viewer, video: Video) -> None:
        clip, job = await ask(db, viewer, video, start_ms=1_500, end_ms=4_000)

        assert (clip.requested_start_ms, clip.requested_end_ms) == (1_500, 4_000)
        assert clip.title == "Four short stories 1.500-4.000 s"
        assert (clip.video_id, clip.project_id, clip.created_by_id) == (video.id, video.project_id, viewer.user_id)
        assert (clip.job_id, clip.moment_id, clip.storage_key) == (job.id, None, None)
        assert clip.mode is ClipMode.SMART
        assert (job.kind, job.status, job.args) == (
            JobKind.CLIP_EXTRACTION,
            JobStatus.QUEUED,
            {"clip_id": str(clip.id)},
        )

    async def test_a_moment_gives_range_and_title(self, db: Database, viewer: Viewer, video: Video) -> None:
        moment = await make_moment(db, video, title="S" * 400)

        clip, _ = await ask(db, viewer, video, moment_id=moment.id)

        assert (clip.requested_start_ms, clip.requested_end_ms) == (moment.start_ms, moment.end_ms)
        assert (clip.moment_id, clip.title) == (moment.id, "S" * 300)

    async def test_the_whole_media_and_its_last_bit_may_be_cut(
        self, db: Database, viewer: Viewer, video: Video
    ) -> None:
        whole, _ = await ask(db, viewer, video, start_ms=0, end_ms=81_500)
        last, _ = await ask(db, viewer, video, start_ms=81_400, end_ms=81_500, title="  The\nend ")

        assert (whole.requested_end_ms, last.title) == (81_500, "The end")

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"start_ms": 0},
            {"end_ms": 1_000},
            {"start_ms": 0, "moment": True},
            {"end_ms": 1_000, "moment": True},
            {"start_ms": 0, "end_ms": 1_000, "moment": True},
        ],
        ids=str,
    )
    async def test_it_is_one_or_the_other(
        self, db: Database, viewer: Viewer, video: Video, given: dict[str, object]
    ) -> None:
        values = dict(given)
        if values.pop("moment", False):
            values["moment_id"] = (await make_moment(db, video)).id

        with pytest.raises(BadInputError, match=r"exactly one of|both start and end"):
            await ask(db, viewer, video, **values)

        assert (await count(db, Clip), await count(db, Job)) == (0, 0)

    @pytest.mark.parametrize(
        ("start_ms", "end_ms", "code"),
        [
            (4_000, 1_500, ErrorCode.BAD_USER_INPUT),
            (4_000, 4_000, ErrorCode.BAD_USER_INPUT),
            (4_000, 4_099, ErrorCode.BAD_USER_INPUT),
            (81_000, 81_501, ErrorCode.RANGE_OUTSIDE_MEDIA),
            (81_500, 90_000, ErrorCode.RANGE_OUTSIDE_MEDIA),
            (2**31 - 2_000, 2**31 - 1, ErrorCode.RANGE_OUTSIDE_MEDIA),
        ],
    )
    async def test_refuses_ranges_that_cannot_be_cut(
        self, db: Database, viewer: Viewer, video: Video, start_ms: int, end_ms: int, code: ErrorCode
    ) -> None:
        with pytest.raises(CuepointError) as refused:
            await ask(db, viewer, video, start_ms=start_ms, end_ms=end_ms)

        assert (refused.value.code, refused.value.field) == (code, ("end",))
        assert (await count(db, Clip), await count(db, Job)) == (0, 0)

    async def test_an_hour_is_the_most(self, db: Database, viewer: Viewer, video: Video) -> None:
        async with db.write() as session:
            (await session.get_one(Video, video.id)).duration_ms = 7_200_000

        await ask(db, viewer, video, start_ms=0, end_ms=3_600_000)
        with pytest.raises(BadInputError, match="3600 s"):
            await ask(db, viewer, video, start_ms=0, end_ms=3_600_001)

    async def test_before_the_probe_it_is_not_ready(self, db: Database, viewer: Viewer, project: Project) -> None:
        unprobed = await make_video(db, project, info=None)

        with pytest.raises(CuepointError) as refused:
            await ask(db, viewer, unprobed, start_ms=0, end_ms=1_000)

        assert (refused.value.code, refused.value.field) == (ErrorCode.NOT_READY, ("videoId",))

    async def test_a_moment_of_another_video_is_not_found(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        mine = await make_moment(db, await make_video(db, project))
        foreign = await make_moment(db, await make_video(db, await make_project(db)))

        for moment_id in (mine.id, foreign.id, uuid7()):
            with pytest.raises(NotFoundError):
                await ask(db, viewer, video, moment_id=moment_id)

        assert await count(db, Clip) == 0

    @pytest.mark.parametrize("title", ["", " \n", "x" * 301, "a\x00b"])
    async def test_refuses_a_bad_title(self, db: Database, viewer: Viewer, video: Video, title: str) -> None:
        with pytest.raises(BadInputError) as refused:
            await ask(db, viewer, video, start_ms=0, end_ms=1_000, title=title)

        assert refused.value.field == ("title",)
        assert (await count(db, Clip), await count(db, Job)) == (0, 0)

    async def test_a_viewer_and_a_stranger_may_not(self, db: Database, project: Project, video: Video) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)

        with pytest.raises(ForbiddenError):
            await ask(db, member, video, start_ms=0, end_ms=1_000)
        with pytest.raises(NotFoundError):
            await ask(db, stranger, video, start_ms=0, end_ms=1_000)

        assert (await count(db, Clip), await count(db, Job)) == (0, 0)

    async def test_a_video_that_is_being_deleted_gets_none(self, db: Database, viewer: Viewer, video: Video) -> None:
        async with db.write() as session:
            await videos.delete_video(session, viewer, video.id)
            asking = asyncio.create_task(ask(db, viewer, video, start_ms=0, end_ms=1_000))
            await blocked_or_done(db, asking)

        with pytest.raises(NotFoundError):
            await asking
        assert await count(db, Clip) == 0


class TestReading:
    async def test_members_see_theirs_oldest_first(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        made = [await make_clip(db, video) for _ in range(2)]
        elsewhere = await make_clip(db, await make_video(db, project))
        foreign = await make_clip(db, await make_video(db, await make_project(db)))

        async with db.read() as session:
            every = await service.list_clips(session, viewer, PageRequest(5), None)
            of_video = await service.list_clips(session, viewer, PageRequest(5), video.id)
            of_foreign = await service.list_clips(session, viewer, PageRequest(5), foreign.video_id)
            counts = [await service.count_clips(session, viewer, v) for v in (None, video.id, foreign.video_id)]
            with pytest.raises(NotFoundError):
                await service.get_clip(session, viewer, foreign.id)
            one = await service.get_clip(session, viewer, made[0].id)

        assert [clip.id for clip in every.rows] == [made[0].id, made[1].id, elsewhere.id]
        assert [clip.id for clip in of_video.rows] == [made[0].id, made[1].id]
        assert list(of_foreign.rows) == []
        assert counts == [3, 2, 0]
        assert one.id == made[0].id

    async def test_a_file_is_served_once_rendered_until_its_video_is_deleted(
        self, db: Database, viewer: Viewer, video: Video
    ) -> None:
        waiting = await make_clip(db, video)
        done = await make_clip(db, video, is_rendered=True, title='It\'s "the" end/../x')

        async with db.read() as session:
            files = [await service.media_file(session, clip.id) for clip in (waiting, done)]
        async with db.write() as session:
            await videos.delete_video(session, viewer, video.id)

        assert files[0] is None
        assert files[1] is not None
        assert (files[1].storage_key, files[1].content_type) == (done.storage_key, "video/mp4")
        assert files[1].filename == "it-s-the-end-x.mp4"
        async with db.read() as session:
            assert await service.media_file(session, done.id) is None
            assert await service.clip_row(session, done.id) is None
            with pytest.raises(NotFoundError):
                await service.get_clip(session, viewer, done.id)
            assert (await service.list_clips(session, viewer, PageRequest(5), None)).rows == []
