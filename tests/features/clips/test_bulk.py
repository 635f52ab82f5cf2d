"""Many clips at once: each on its own, or all together; moments, and rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from cuepoint.adapters.media.fake import FakeMediaTools
from cuepoint.adapters.media.forms import PLAIN, ClipForm
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.clips import bulk, service
from cuepoint.features.clips.models import Clip
from cuepoint.features.clips.requests import ClipRequest, Place
from cuepoint.features.clips.spans import AutoRule
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.support.builders.clips import make_moment
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_maps, make_video

RULE = AutoRule(length_ms=30_000, overlap_ms=0, max_clips=10, respects_sentences=False)


@pytest.fixture
async def viewer(db: Database) -> Viewer:
    return await make_viewer(db)


@pytest.fixture
async def video(db: Database, viewer: Viewer) -> Video:
    return await make_video(db, await make_project(db, owner_id=viewer.user_id))


async def count(db: Database) -> int:
    async with db.read() as session:
        return (await session.execute(select(func.count()).select_from(Clip))).scalar_one()


class TestRequestClips:
    async def test_each_is_cut_or_refused_on_its_own(self, db: Database, viewer: Viewer, video: Video) -> None:
        batch_id = uuid7()
        good = ClipRequest(video.id, Place(0, 1_000))
        asked = [good, ClipRequest(video.id, Place(80_000, 90_000)), NotFoundError("moment"), good]

        items = await bulk.request_clips(
            db, viewer, asked, batch_id=batch_id, is_all_or_nothing=False, media=FakeMediaTools()
        )

        assert [item.error and item.error.code for item in items] == [
            None,
            ErrorCode.RANGE_OUTSIDE_MEDIA,
            ErrorCode.NOT_FOUND,
            None,
        ]
        assert [item.job and item.job.batch_id for item in items] == [batch_id, None, None, batch_id]
        assert await count(db) == 2

    async def test_all_or_nothing(self, db: Database, viewer: Viewer, video: Video) -> None:
        asked = [ClipRequest(video.id, Place(0, 1_000)), ClipRequest(video.id, Place(80_000, 90_000))]

        with pytest.raises(CuepointError) as caught:
            await bulk.request_clips(
                db, viewer, asked, batch_id=uuid7(), is_all_or_nothing=True, media=FakeMediaTools()
            )

        assert (caught.value.code, caught.value.field) == (ErrorCode.RANGE_OUTSIDE_MEDIA, ("items", "1", "end"))
        assert await count(db) == 0

    @pytest.mark.parametrize("number", [0, 101])
    async def test_takes_one_to_a_hundred(self, db: Database, viewer: Viewer, video: Video, number: int) -> None:
        with pytest.raises(BadInputError):
            await bulk.request_clips(
                db,
                viewer,
                [ClipRequest(video.id, Place(0, 1_000))] * number,
                batch_id=uuid7(),
                is_all_or_nothing=False,
                media=FakeMediaTools(),
            )

        assert await count(db) == 0


class TestMomentRequests:
    async def test_the_best_come_first(self, db: Database, viewer: Viewer, video: Video) -> None:
        moments = [await make_moment(db, video, priority=priority) for priority in (2, 1, 3)]
        form = ClipForm(resolution=360)

        async with db.read() as session:
            made = await bulk.moment_requests(session, viewer, video.id, 2, form)

        assert [request.place.moment_id for request in made] == [moments[1].id, moments[0].id]
        assert {request.form for request in made} == {form}

    async def test_their_borders_go_into_silence(self, db: Database, viewer: Viewer, video: Video) -> None:
        moment = await make_moment(db, video)  # 4-9 s
        await make_transcript(db, video, "One two three.")  # to 0.9 s
        await make_maps(db, video, silences=[3_500, 3_900, 9_100, 9_500], black=[])

        async with db.read() as session:
            [made] = await bulk.moment_requests(session, viewer, video.id, 1, PLAIN)
        async with db.write() as session:
            clip, _ = await service.request_clip(session, viewer, made)

        assert (clip.moment_id, clip.requested_start_ms, clip.requested_end_ms) == (moment.id, 4_000, 9_000)
        assert service.cut_range(clip) == (3_850, 9_150)

    async def test_without_moments(self, db: Database, viewer: Viewer, video: Video) -> None:
        async with db.read() as session:
            with pytest.raises(CuepointError) as caught:
                await bulk.moment_requests(session, viewer, video.id, 100, PLAIN)

        assert caught.value.code is ErrorCode.NOT_READY


class TestAutoRequests:
    async def ask(
        self, db: Database, viewer: Viewer, video: Video, rule: AutoRule
    ) -> list[tuple[int | None, int | None]]:
        async with db.read() as session:
            made = await bulk.auto_requests(session, viewer, video.id, rule, mode=None, form=PLAIN)
        return [(request.place.start_ms, request.place.end_ms) for request in made]

    async def test_by_the_clock(self, db: Database, viewer: Viewer, video: Video) -> None:
        assert await self.ask(db, viewer, video, RULE) == [(0, 30_000), (30_000, 60_000), (60_000, 81_500)]

    async def test_by_sentences(self, db: Database, viewer: Viewer, video: Video) -> None:
        await make_transcript(db, video, "One two three four.", "Five six seven eight.", "Nine ten.")
        rule = replace(RULE, length_ms=2_000, respects_sentences=True)

        assert await self.ask(db, viewer, video, rule) == [(0, 1_200), (1_600, 3_800)]

    async def test_borders_go_into_silence_and_out_of_black(self, db: Database, viewer: Viewer, video: Video) -> None:
        await make_transcript(db, video, *["One two three four."] * 10)  # 1.2 s each, 0.4 s between them
        await make_maps(db, video, silences=[29_700, 30_200], black=[59_800, 60_100])

        async with db.read() as session:
            made = await bulk.auto_requests(session, viewer, video.id, RULE, mode=None, form=PLAIN)

        assert [request.cut for request in made] == [(0, 30_000), (30_000, 59_800), (60_100, 81_500)]
        assert [request.place.end_ms for request in made] == [30_000, 60_000, 81_500]

    async def test_fewer_than_wanted_is_an_error_with_the_reason(
        self, db: Database, viewer: Viewer, video: Video
    ) -> None:
        with pytest.raises(CuepointError) as caught:
            await self.ask(db, viewer, video, replace(RULE, min_clips=5))

        assert (caught.value.code, caught.value.field) == (ErrorCode.RANGE_OUTSIDE_MEDIA, ("minClips",))
        assert caught.value.message.startswith("81.5 s give only 3 clips of about 30 s")

    @pytest.mark.parametrize(
        ("rule", "field"),
        [
            (replace(RULE, length_ms=999), "clipDuration"),
            (replace(RULE, overlap_ms=15_001), "overlap"),
            (replace(RULE, max_clips=101), "maxClips"),
            (replace(RULE, min_clips=11), "minClips"),
        ],
        ids=["too short", "too much overlap", "too many", "more than the most"],
    )
    async def test_refuses(self, db: Database, viewer: Viewer, video: Video, rule: AutoRule, field: str) -> None:
        with pytest.raises(BadInputError) as caught:
            await self.ask(db, viewer, video, rule)

        assert caught.value.field == (field,)
