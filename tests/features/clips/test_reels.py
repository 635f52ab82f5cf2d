"""Reels: pieces of one project, for its editors; offered once rendered."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from cuepoint.adapters.media.base import ReelJoin, ReelTransition
from cuepoint.adapters.media.fake import fake_media_info
from cuepoint.adapters.media.forms import CaptionForm, CaptionMode, ClipForm, ClipFormat
from cuepoint.db.base import uuid7
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.clips import reels
from cuepoint.features.clips.models import Reel, ReelItem
from cuepoint.features.clips.reels import ReelOrder, ReelPiece, ReelRequest
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer
from tests.support.builders.clips import make_clip, make_moment
from tests.support.builders.projects import make_member, make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video


async def ask(db: Database, viewer: Viewer, project: Project, *pieces: ReelPiece, **values: object) -> tuple[Reel, Job]:
    async with db.write() as session:
        return await reels.request_reel(session, viewer, ReelRequest(project.id, pieces, **values))  # type: ignore[arg-type]


async def refusal(
    db: Database, viewer: Viewer, project: Project, *pieces: ReelPiece, **values: object
) -> CuepointError:
    with pytest.raises(CuepointError) as caught:
        await ask(db, viewer, project, *pieces, **values)
    async with db.read() as session:
        for model in (Reel, ReelItem, Job):
            assert await session.scalar(select(func.count()).select_from(model)) == 0
    return caught.value


def piece(video: Video, start_ms: int = 0, end_ms: int = 2_000) -> ReelPiece:
    return ReelPiece(video_id=video.id, start_ms=start_ms, end_ms=end_ms)


class TestRequestReel:
    async def test_ranges_moments_and_clips_become_items(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        other = await make_video(db, project)
        moment, clip = await make_moment(db, other), await make_clip(db, video, is_rendered=True)
        form = ClipForm(loudness_lufs=-16.0)

        reel, job = await ask(
            db,
            viewer,
            project,
            piece(video, 500, 1_500),
            ReelPiece(moment_id=moment.id),
            ReelPiece(clip_id=clip.id),
            cross_fade_ms=400,
            form=form,
        )

        async with db.read() as session:
            items = (await reels.items_of(session, [reel.id]))[reel.id]
        assert [(item.video_id, item.clip_id, item.start_ms, item.end_ms) for item in items] == [
            (video.id, None, 500, 1_500),
            (other.id, None, 4_000, 9_000),
            (video.id, clip.id, 0, 1_000),
        ]
        assert (job.kind, job.video_id, job.args) == (JobKind.REEL_RENDERING, None, {"reel_id": str(reel.id)})
        assert (reel.title, reel.cross_fade_ms, reel.form) == ("Reel of 3", 400, form.to_json())

    async def test_may_be_in_the_order_of_their_sources(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        younger = await make_video(db, project)
        given = [piece(younger), piece(video, 3_000, 4_000), piece(video, 500, 1_500)]

        reel, _ = await ask(db, viewer, project, *given, order=ReelOrder.SOURCE_TIME)

        async with db.read() as session:
            items = (await reels.items_of(session, [reel.id]))[reel.id]
        assert [(item.position, item.video_id, item.start_ms) for item in items] == [
            (0, video.id, 500),
            (1, video.id, 3_000),
            (2, younger.id, 0),
        ]

    async def test_refuses_nothing_and_too_much(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        for number in (0, 51):
            error = await refusal(db, viewer, project, *[piece(video)] * number)

            assert (error.code, error.field) == (ErrorCode.BAD_USER_INPUT, ("items",))

    async def test_an_item_is_one_thing(self, db: Database, viewer: Viewer, project: Project, video: Video) -> None:
        for wrong in (ReelPiece(), ReelPiece(video_id=video.id), ReelPiece(start_ms=0, end_ms=1, moment_id=uuid7())):
            error = await refusal(db, viewer, project, piece(video), wrong)

            assert (error.code, error.field[:2]) == (ErrorCode.BAD_USER_INPUT, ("items", "1"))

    async def test_refuses_what_lies_in_another_project(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        other = await make_video(db, await make_project(db, owner_id=viewer.user_id))

        assert isinstance(await refusal(db, viewer, project, piece(other)), NotFoundError)

    async def test_a_clip_without_a_file_is_not_ready(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        waiting = await make_clip(db, video)
        animation = await make_clip(db, video, is_rendered=True, content_type="image/gif")

        assert (await refusal(db, viewer, project, ReelPiece(clip_id=waiting.id))).code is ErrorCode.NOT_READY
        error = await refusal(db, viewer, project, ReelPiece(clip_id=animation.id))
        assert error.code is ErrorCode.CONFLICTING_OPTIONS

    @pytest.mark.parametrize(
        ("values", "code", "field"),
        [
            ({"cross_fade_ms": 5_001}, ErrorCode.BAD_USER_INPUT, "crossFade"),
            ({"cross_fade_ms": 1_001}, ErrorCode.CONFLICTING_OPTIONS, "crossFade"),
            ({"transitions": [ReelJoin(), ReelJoin()]}, ErrorCode.BAD_USER_INPUT, "transitions"),
            (
                {"transitions": [ReelJoin(ReelTransition.WIPE_LEFT, 1_001)]},
                ErrorCode.CONFLICTING_OPTIONS,
                "duration",
            ),
            ({"form": ClipForm(format=ClipFormat.MP3)}, ErrorCode.CONFLICTING_OPTIONS, "format"),
            ({"form": ClipForm(captions=CaptionForm(CaptionMode.SIDECAR))}, ErrorCode.CONFLICTING_OPTIONS, "captions"),
            ({"form": ClipForm(resolution=3)}, ErrorCode.BAD_USER_INPUT, "resolution"),
        ],
        ids=["long fade", "fade longer than half", "two transitions", "long transition", "sound", "sidecar", "odd"],
    )
    async def test_refuses_options(
        self,
        db: Database,
        viewer: Viewer,
        project: Project,
        video: Video,
        values: dict[str, object],
        code: ErrorCode,
        field: str,
    ) -> None:
        error = await refusal(db, viewer, project, piece(video), piece(video), **values)

        assert (error.code, error.field[-1]) == (code, field)

    async def test_a_clip_without_silences_is_as_long_as_its_file(
        self, db: Database, viewer: Viewer, project: Project, video: Video
    ) -> None:
        clip = await make_clip(db, video, is_rendered=True, kept_ranges=[[0, 300], [700, 1_000]], duration_ms=600)

        error = await refusal(db, viewer, project, piece(video), ReelPiece(clip_id=clip.id), cross_fade_ms=400)

        assert (error.code, error.field) == (ErrorCode.CONFLICTING_OPTIONS, ("crossFade",))
        assert error.message == "crossFade is longer than half of the shortest item, which has 0.600 s."

    async def test_sound_alone_has_no_size(self, db: Database, viewer: Viewer, project: Project) -> None:
        sound = await make_video(db, project, info=fake_media_info(with_video=False))

        error = await refusal(db, viewer, project, piece(sound), form=ClipForm(resolution=360))

        assert (error.code, error.field) == (ErrorCode.CONFLICTING_OPTIONS, ("output", "resolution"))

    async def test_viewers_may_not_and_strangers_see_nothing(
        self, db: Database, project: Project, video: Video
    ) -> None:
        member, stranger = await make_viewer(db), await make_viewer(db)
        await make_member(db, project, member.user_id, ProjectRole.VIEWER)

        assert isinstance(await refusal(db, member, project, piece(video)), ForbiddenError)
        assert isinstance(await refusal(db, stranger, project, piece(video)), NotFoundError)


class TestReading:
    async def test_only_members_see_it(self, db: Database, viewer: Viewer, project: Project, video: Video) -> None:
        reel, _ = await ask(db, viewer, project, piece(video), title=" My\nreel ")
        stranger = await make_viewer(db)

        async with db.read() as session:
            mine = await reels.list_reels(session, viewer, PageRequest(5), project.id)
            theirs = await reels.list_reels(session, stranger, PageRequest(5), None)
            assert await reels.count_reels(session, viewer, None) == 1
            assert await reels.media_file(session, reel.id) is None
            with pytest.raises(NotFoundError):
                await reels.get_reel(session, stranger, reel.id)

        assert [row.title for row in mine.rows] == ["My reel"]
        assert theirs.rows == []
