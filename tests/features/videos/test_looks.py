"""Posters: what is chosen while another is made, and which uploads may be one; small tiles; drawn tracks."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from cuepoint.adapters.media.base_looks import SoundPicture, StoryboardPack
from cuepoint.adapters.media.base_waveform import file_bytes
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.jobs.models import Job
from cuepoint.features.uploads.models import UploadStatus
from cuepoint.features.videos.looks import (
    MAX_PICTURE_BYTES,
    BoardFile,
    SmallerPosters,
    drawn_track,
    maps_for_cuts,
    record_posters,
    replace_sound_map,
    replace_storyboard,
    request_poster,
)
from cuepoint.features.videos.models import Rendition, RenditionKind, SoundMap, Storyboard, Video
from cuepoint.features.videos.service import record_media_info
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import INFO, make_maps, make_rendition, make_upload, make_video
from tests.support.rows import count

PACK = StoryboardPack(320, 180, 1, 10, 1000, (10,), (20,), bytes(8), 1000, (), ())


def picture(video: Video, kind: RenditionKind, name: str) -> Rendition:
    return Rendition(video_id=video.id, kind=kind, storage_key=name, content_type="image/jpeg", size_bytes=10)


async def keys(db: Database) -> dict[RenditionKind, str]:
    async with db.read() as session:
        rows = await session.execute(select(Rendition.kind, Rendition.storage_key))
        return {kind: key for kind, key in rows if kind is not RenditionKind.STORYBOARD}


class TestReplaceStoryboard:
    async def test_smaller_copies_of_the_poster_come_with_it(self, db: Database) -> None:
        video = await make_video(db, await make_project(db, owner_id=(await make_viewer(db)).user_id))
        await make_rendition(db, video, RenditionKind.POSTER, storage_key="best")
        small = picture(video, RenditionKind.POSTER_SMALL, "best-small")

        async with db.write() as session:
            board = picture(video, RenditionKind.STORYBOARD, "board")
            await replace_storyboard(session, video.id, PACK, board, SmallerPosters("best", [small]))

        assert await keys(db) == {RenditionKind.POSTER: "best", RenditionKind.POSTER_SMALL: "best-small"}

    async def test_copies_of_a_poster_that_was_replaced_meanwhile_are_left(self, db: Database) -> None:
        video = await make_video(db, await make_project(db, owner_id=(await make_viewer(db)).user_id))
        await make_rendition(db, video, RenditionKind.POSTER, storage_key="best")
        late = SmallerPosters("best", [picture(video, RenditionKind.POSTER_SMALL, "best-small")])
        chosen = {RenditionKind.POSTER: "chosen", RenditionKind.POSTER_SMALL: "chosen-small"}
        async with db.write() as session:
            posters = [picture(video, kind, key) for kind, key in chosen.items()]
            await record_posters(session, video.id, 2500, posters)

        async with db.write() as session:
            board = picture(video, RenditionKind.STORYBOARD, "board")
            await replace_storyboard(session, video.id, PACK, board, late)

        assert await keys(db) == chosen


class TestUploadedPoster:
    async def test_chosen_while_a_probe_or_a_waveform_draws_another_it_stays(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))
        async with db.write() as session:
            await record_posters(session, video.id, uuid7(), [picture(video, RenditionKind.POSTER, "mine")])

        async with db.write() as session:
            late = picture(video, RenditionKind.POSTER, "best")
            await record_media_info(session, video.id, INFO, "video/mp4", late, chosen=None)
            wave = picture(video, RenditionKind.WAVEFORM, "wave")
            drawn = SoundPicture(0, (), ())
            await replace_sound_map(session, video.id, drawn, wave, [late], samples=0, chosen=None)

        assert (await keys(db))[RenditionKind.POSTER] == "mine"


class TestRequestPosterOfAnUpload:
    @pytest.mark.parametrize(
        ("values", "code"),
        [
            ({"status": UploadStatus.RECEIVING}, ErrorCode.UPLOAD_INCOMPLETE),
            ({"status": UploadStatus.ABORTED}, ErrorCode.UPLOAD_EXPIRED),
            ({"storage_key": "projects/a/uploads/b/c"}, ErrorCode.UPLOAD_ALREADY_USED),
            ({"size_bytes": MAX_PICTURE_BYTES + 1}, ErrorCode.UPLOAD_TOO_LARGE),
        ],
        ids=["not whole", "over", "a video", "too large"],
    )
    async def test_refusals_change_nothing(self, db: Database, values: dict[str, Any], code: ErrorCode) -> None:
        viewer = await make_viewer(db)
        project = await make_project(db, owner_id=viewer.user_id)
        video = await make_video(db, project)
        upload = await make_upload(db, project, **{"status": UploadStatus.COMPLETE, **values})

        with pytest.raises(CuepointError) as refusal:
            async with db.write() as session:
                await request_poster(session, viewer, video.id, upload_id=upload.id)

        assert (refusal.value.code, refusal.value.field) == (code, ("uploadId",))
        assert await count(db, Job) == 0

    @pytest.mark.parametrize("is_mine", [True, False], ids=["of the same owner", "of somebody else"])
    async def test_of_another_project_there_is_none(self, db: Database, is_mine: bool) -> None:
        viewer = await make_viewer(db)
        video = await make_video(db, await make_project(db, owner_id=viewer.user_id))
        other = await make_project(db, owner_id=viewer.user_id) if is_mine else await make_project(db)
        upload = await make_upload(db, other, status=UploadStatus.COMPLETE)

        with pytest.raises(CuepointError) as refusal:
            async with db.write() as session:
                await request_poster(session, viewer, video.id, upload_id=upload.id)

        assert (refusal.value.code, refusal.value.field) == (ErrorCode.NOT_FOUND, ("uploadId",))
        assert await count(db, Job) == 0


class TestBoardFile:
    @pytest.mark.parametrize(
        ("size_bytes", "name", "span"),
        [(30, "small-0.jpg", (20, 30)), (20, "tile-0.jpg", (10, 20))],
        ids=["there", "replaced by an earlier release"],
    )
    def test_a_small_tile(self, size_bytes: int, name: str, span: tuple[int, int]) -> None:
        board = Storyboard(sheet_ends=[10], tile_ends=[20], small_ends=[30])

        found = BoardFile(board, Rendition(storage_key="board", size_bytes=size_bytes)).small(0)

        assert found is not None
        assert (found.filename, found.span) == (name, span)


class TestDrawnTrack:
    def test_a_file_that_an_earlier_release_has_replaced_holds_the_default_one_alone(self) -> None:
        track = {"index": 2, "first_byte": file_bytes(16_000), "samples": 8_000, "start_ms": 40}
        row = SoundMap(samples=16_000, start_ms=0, tracks=[track])
        sizes = [file_bytes(16_000) + file_bytes(8_000), file_bytes(16_000)]

        whole, replaced = [Rendition(size_bytes=size) for size in sizes]

        found = drawn_track(row, whole, 2)
        assert found is not None
        assert (found.first_byte, found.samples, found.start_ms) == (222, 8_000, 40)
        assert drawn_track(row, replaced, 2) is None
        assert [one and one.samples for one in (drawn_track(row, file, None) for file in (whole, replaced))] == [
            16_000,
            16_000,
        ]


class TestMapsForCuts:
    async def test_black_counts_where_it_is_known_well_enough(self, db: Database) -> None:
        video = await make_video(db, await make_project(db, owner_id=(await make_viewer(db)).user_id))
        async with db.read() as session:
            assert await maps_for_cuts(session, video.id, 300) == (81_500, [], [])
        await make_maps(db, video, silences=[0, 500], black=[100, 400], step_ms=300)

        async with db.read() as session:
            assert await maps_for_cuts(session, video.id, 300) == (81_500, [0, 500], [100, 400])
            assert await maps_for_cuts(session, video.id, 299) == (81_500, [0, 500], [])
