"""Reels as the worker makes them: what is joined, what comes after, and what is offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from cuepoint.adapters.media.base import MediaTools, ReelJoin, ReelTransition
from cuepoint.adapters.media.fake import FakeMediaTools, fake_media_info
from cuepoint.adapters.media.forms import CaptionForm, CaptionMode, ClipForm, ClipFormat
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, ErrorCode, NotFoundError
from cuepoint.features.clips import reels
from cuepoint.features.clips.models import Reel
from cuepoint.features.clips.reels import ReelPiece, ReelRequest
from cuepoint.features.clips.tasks import render_reel
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from tests.support.builders.attempts import begin_attempt
from tests.support.builders.clips import make_clip
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video

BURN = CaptionForm(CaptionMode.BURN)


@pytest.fixture
def storage(settings: Settings) -> LocalStorage:
    return LocalStorage(settings.storage_directory(), min_free_bytes=0)


@pytest.fixture
async def project(db: Database) -> Project:
    return await make_project(db)


@pytest.fixture
async def video(db: Database, storage: LocalStorage, project: Project, tmp_path: Path) -> Video:
    """Two sentences: 0-0.9 s and 1.3-2.2 s."""
    (tmp_path / "original").write_bytes(b"original")
    video = await make_video(db, project, info=fake_media_info())
    await storage.put_file(video.storage_key, tmp_path / "original")
    await make_transcript(db, video, "One two three.", "Four five six.")
    return video


async def make_reel(db: Database, project: Project, *pieces: ReelPiece, **values: object) -> Reel:
    admin = await make_viewer(db, is_admin=True)
    async with db.write() as session:
        reel, _ = await reels.request_reel(session, admin, ReelRequest(project.id, pieces, **values))  # type: ignore[arg-type]
    return reel


async def rendered(db: Database, settings: Settings, reel: Reel, media: MediaTools) -> Reel:
    context, _ = await begin_attempt(
        db, settings, JobKind.REEL_RENDERING, None, args={"reel_id": str(reel.id)}, media=media
    )
    await render_reel(context)
    async with db.read() as session:
        return await session.get_one(Reel, reel.id)


class TestRenderReel:
    async def test_offers_the_file(
        self, db: Database, settings: Settings, storage: LocalStorage, project: Project, video: Video
    ) -> None:
        media = FakeMediaTools()
        form = ClipForm(loudness_lufs=-16.0)
        pieces = [ReelPiece(video.id, 0, 2_000), ReelPiece(video.id, 3_000, 5_000)]
        reel = await make_reel(db, project, *pieces, cross_fade_ms=500, form=form)

        done = await rendered(db, settings, reel, media)

        assert (done.duration_ms, done.width, done.loudness_lufs) == (3_500, 640, -16.0)
        assert str(done.storage_key).startswith(f"projects/{project.id.hex}/exports/{reel.id.hex}/reel-of-2-")
        assert await storage.head(str(done.storage_key)) is not None
        assert media.forms == []  # loudness is matched while they are joined
        async with db.read() as session:
            file = await reels.media_file(session, reel.id)
        assert file is not None
        assert (file.filename, file.content_type) == ("reel-of-2.mp4", "video/mp4")

    async def test_captions_follow_the_pieces(
        self, db: Database, settings: Settings, project: Project, video: Video
    ) -> None:
        media = FakeMediaTools()
        pieces = [ReelPiece(video.id, 1_300, 2_200), ReelPiece(video.id, 0, 900)]
        reel = await make_reel(db, project, *pieces, form=ClipForm(format=ClipFormat.WEBM, captions=BURN))

        done = await rendered(db, settings, reel, media)

        ((form, captions),) = media.forms
        assert captions is not None
        said = [(w.text, w.start_ms) for sentence in captions.sentences for w in sentence]
        assert said == [("Four", 0), ("five", 300), ("six.", 600), ("One", 900), ("two", 1_200), ("three.", 1_500)]
        assert (form.format, done.content_type) == (ClipFormat.WEBM, "video/webm")

    async def test_captions_change_in_the_middle_of_a_cross_fade(
        self, db: Database, settings: Settings, project: Project, video: Video
    ) -> None:
        pieces = [ReelPiece(video.id, 0, 900), ReelPiece(video.id, 1_300, 2_200)]
        made = {}
        for mode in (CaptionMode.BURN, CaptionMode.EMBED):
            media = FakeMediaTools()
            form = ClipForm(captions=CaptionForm(mode))
            reel = await make_reel(db, project, *pieces, cross_fade_ms=300, form=form)
            await rendered(db, settings, reel, media)
            ((_, made[mode]),) = media.forms

        burned, embedded = made[CaptionMode.BURN], made[CaptionMode.EMBED]
        assert burned is not None
        assert embedded is not None
        said = [(w.text, w.start_ms, w.end_ms) for sentence in burned.sentences for w in sentence]
        assert said[2:4] == [("three.", 600, 750), ("Four", 750, 900)]
        assert [w[0] for w in said] == ["One", "two", "three.", "Four", "five", "six."]
        assert burned.ends_ms == (750, 1_500)
        assert embedded.vtt == (
            "WEBVTT\n\n00:00:00.000 --> 00:00:00.750\nOne two three.\n\n"
            "00:00:00.750 --> 00:00:01.500\nFour five six.\n\n"
        )

    async def test_captions_change_in_the_middle_of_each_transition(
        self, db: Database, settings: Settings, project: Project, video: Video
    ) -> None:
        media = FakeMediaTools()
        pieces = [ReelPiece(video.id, 0, 900), ReelPiece(video.id, 1_300, 2_200), ReelPiece(video.id, 0, 900)]
        joins = [ReelJoin(ReelTransition.CUT), ReelJoin(ReelTransition.FADE_THROUGH_BLACK, 300)]
        reel = await make_reel(db, project, *pieces, transitions=joins, form=ClipForm(captions=BURN))

        done = await rendered(db, settings, reel, media)

        ((_, captions),) = media.forms
        assert captions is not None
        assert captions.ends_ms == (900, 1_650, 2_400)
        assert done.duration_ms == 2_400

    async def test_captions_follow_the_file_of_a_clip_not_its_range(
        self, db: Database, settings: Settings, storage: LocalStorage, project: Project, video: Video, tmp_path: Path
    ) -> None:
        media = FakeMediaTools(info=fake_media_info(600))
        clip = await make_clip(db, video, is_rendered=True, kept_ranges=[[0, 300], [700, 1_000]], duration_ms=600)
        (tmp_path / "cut").write_bytes(b"cut")
        await storage.put_file(str(clip.storage_key), tmp_path / "cut")
        pieces = [ReelPiece(clip_id=clip.id), ReelPiece(video.id, 0, 900)]
        reel = await make_reel(db, project, *pieces, form=ClipForm(captions=BURN))

        await rendered(db, settings, reel, media)

        ((_, captions),) = media.forms
        assert captions is not None
        said = [(w.text, w.start_ms) for sentence in captions.sentences for w in sentence]
        assert said == [("One", 600), ("two", 900), ("three.", 1_200)]

    async def test_of_sound_alone_is_sound(
        self, db: Database, settings: Settings, storage: LocalStorage, project: Project, tmp_path: Path
    ) -> None:
        info = fake_media_info(with_video=False)
        (tmp_path / "original").write_bytes(b"original")
        sound = await make_video(db, project, info=info)
        await storage.put_file(sound.storage_key, tmp_path / "original")
        reel = await make_reel(db, project, ReelPiece(sound.id, 0, 2_000))

        done = await rendered(db, settings, reel, FakeMediaTools(info=info))

        assert (done.content_type, done.width, reels.filename_of(done)) == ("audio/mp4", None, "reel-of-1.m4a")

    async def test_of_a_video_that_is_gone_fails(
        self, db: Database, settings: Settings, project: Project, video: Video
    ) -> None:
        reel = await make_reel(db, project, ReelPiece(video.id, 0, 2_000))
        async with db.write() as session:
            await videos.delete_video(session, await make_viewer(db, is_admin=True), video.id)

        with pytest.raises(NotFoundError):
            await rendered(db, settings, reel, FakeMediaTools())

    async def test_a_failure_offers_nothing(
        self, db: Database, settings: Settings, project: Project, video: Video
    ) -> None:
        reel = await make_reel(db, project, ReelPiece(video.id, 0, 2_000))
        error = AdapterError(ErrorCode.RENDER_FAILED, "A piece could not be rendered.", retryable=False)

        with pytest.raises(AdapterError):
            await rendered(db, settings, reel, FakeMediaTools(failures={"join_parts": error}))

        async with db.read() as session:
            assert (await session.get_one(Reel, reel.id)).storage_key is None
            assert await reels.media_file(session, reel.id) is None
