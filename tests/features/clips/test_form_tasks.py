"""Clips in their forms, without silences, with captions beside them, as the worker makes them; reels of real media."""

from __future__ import annotations

from pathlib import Path

import av
import numpy
import pytest
from sqlalchemy import delete, select

from cuepoint.adapters.media.base import ClipMode, MediaTools
from cuepoint.adapters.media.fake import FakeMediaTools, fake_media_info
from cuepoint.adapters.media.forms import (
    CaptionForm,
    CaptionMode,
    ClipAspect,
    ClipFit,
    ClipForm,
    ClipFormat,
    CropKey,
)
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import NotFoundError
from cuepoint.features.clips import service
from cuepoint.features.clips.models import Clip, ClipFile
from cuepoint.features.clips.reels import ReelPiece
from cuepoint.features.clips.tasks import extract_clip
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from tests.features.clips.test_reel_tasks import make_reel, rendered
from tests.support.builders.attempts import begin_attempt
from tests.support.builders.clips import make_clip
from tests.support.builders.projects import make_project
from tests.support.builders.transcripts import make_transcript
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.media import (
    CodedClip,
    click_times,
    frame_numbers,
    make_coded_clip,
    make_wav,
    read_samples,
    run_ffmpeg,
)
from tests.support.media import make_clip as make_media

SIDECAR, BURN, EMBED = (CaptionForm(mode) for mode in (CaptionMode.SIDECAR, CaptionMode.BURN, CaptionMode.EMBED))


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


async def cut(
    db: Database, settings: Settings, video: Video, media: MediaTools, form: ClipForm, **values: object
) -> Clip:
    clip = await make_clip(db, video, form=form.to_json(), **values)
    context, _ = await begin_attempt(
        db, settings, JobKind.CLIP_EXTRACTION, video, args={"clip_id": str(clip.id)}, media=media
    )
    await extract_clip(context)
    async with db.read() as session:
        return await session.get_one(Clip, clip.id)


async def text_of(storage: LocalStorage, key: str) -> str:
    async with storage.local_copy(key) as path:
        return path.read_text(encoding="utf-8")


class TestForms:
    async def test_the_file_is_named_by_its_format(self, db: Database, settings: Settings, video: Video) -> None:
        media = FakeMediaTools()

        done = await cut(db, settings, video, media, ClipForm(format=ClipFormat.MP3, loudness_lufs=-16.0))

        assert (done.content_type, done.width, done.loudness_lufs) == ("audio/mpeg", None, -16.0)
        assert service.filename_of(done) == "first-second.mp3"
        assert (done.requested_mode, done.mode) == (ClipMode.SMART, ClipMode.RENDER)
        assert done.mode_reason == "Copied packets cannot have: format, loudness."

    async def test_burned_captions_get_the_words_of_the_range(
        self, db: Database, settings: Settings, video: Video
    ) -> None:
        media = FakeMediaTools()

        await cut(db, settings, video, media, ClipForm(captions=BURN), requested_start_ms=300, requested_end_ms=1_600)

        ((_, captions),) = media.forms
        assert captions is not None
        assert [[(w.text, w.start_ms, w.end_ms) for w in sentence] for sentence in captions.sentences] == [
            [("two", 0, 300), ("three.", 300, 600)],
            [("Four", 1_000, 1_300)],
        ]

    async def test_embedded_captions_are_a_file(self, db: Database, settings: Settings, video: Video) -> None:
        media = FakeMediaTools()

        await cut(db, settings, video, media, ClipForm(captions=EMBED))

        ((_, captions),) = media.forms
        assert captions is not None
        assert captions.vtt == "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nOne two three.\n\n"

    async def test_a_second_run_cuts_as_it_was_asked(self, db: Database, settings: Settings, video: Video) -> None:
        media = FakeMediaTools()

        done = await cut(db, settings, video, media, ClipForm(), requested_mode=ClipMode.FAST, mode=ClipMode.RENDER)

        assert done.mode is ClipMode.FAST


class TestSidecar:
    async def test_both_files_lie_beside_the_clip(
        self, db: Database, settings: Settings, storage: LocalStorage, video: Video
    ) -> None:
        done = await cut(
            db,
            settings,
            video,
            FakeMediaTools(),
            ClipForm(captions=SIDECAR),
            requested_start_ms=1_300,
            requested_end_ms=2_300,
            mode=ClipMode.SMART,
        )

        async with db.read() as session:
            srt, vtt = (await service.caption_files(session, [done.id]))[done.id]
            offered = await service.caption_file(session, vtt.id)
        assert done.mode is ClipMode.SMART
        assert await text_of(storage, srt.storage_key) == "1\n00:00:00,000 --> 00:00:00,900\nFour five six.\n\n"
        assert (await text_of(storage, vtt.storage_key)).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.900\n")
        assert srt.size_bytes == len("1\n00:00:00,000 --> 00:00:00,900\nFour five six.\n\n")
        assert offered is not None
        assert (offered.filename, offered.content_type) == ("first-second.vtt", "text/vtt")

    async def test_a_second_run_replaces_them(self, db: Database, settings: Settings, video: Video) -> None:
        clip = await make_clip(db, video, form=ClipForm(captions=SIDECAR).to_json())
        for _ in range(2):
            context, _ = await begin_attempt(
                db, settings, JobKind.CLIP_EXTRACTION, video, args={"clip_id": str(clip.id)}
            )
            await extract_clip(context)

        async with db.read() as session:
            assert len((await session.scalars(select(ClipFile))).all()) == 2

    async def test_they_go_with_the_video(self, db: Database, settings: Settings, video: Video) -> None:
        done = await cut(db, settings, video, FakeMediaTools(), ClipForm(captions=SIDECAR))
        async with db.write() as session:
            await videos.delete_video(session, await make_viewer(db, is_admin=True), video.id)

        async with db.read() as session:
            (file, _) = (await service.caption_files(session, [done.id]))[done.id]
            assert await service.caption_file(session, file.id) is None


class TestWithoutSilences:
    async def test_the_pieces_are_joined(self, db: Database, settings: Settings, video: Video) -> None:
        media = FakeMediaTools()

        done = await cut(
            db,
            settings,
            video,
            media,
            ClipForm(),
            requested_end_ms=3_000,
            kept_ranges=[[0, 1_000], [1_200, 2_300]],
        )

        (parts,) = media.joins
        assert [(part.start_ms, part.end_ms) for part in parts] == [(0, 1_000), (1_200, 2_300)]
        assert (done.actual_start_ms, done.actual_end_ms, done.duration_ms) == (0, 2_300, 2_100)
        assert (done.mode, done.mode_reason) == (ClipMode.RENDER, "Removing silences joins 2 pieces.")

    async def test_a_form_is_given_to_what_was_joined(self, db: Database, settings: Settings, video: Video) -> None:
        media = FakeMediaTools()

        done = await cut(
            db,
            settings,
            video,
            media,
            ClipForm(resolution=360, captions=BURN),
            requested_end_ms=3_000,
            kept_ranges=[[0, 900], [1_600, 2_200]],
        )

        ((form, captions),) = media.forms
        assert form.resolution == 360
        assert captions is not None
        said = [(w.text, w.start_ms) for sentence in captions.sentences for w in sentence]
        assert said == [("One", 0), ("two", 300), ("three.", 600), ("five", 900), ("six.", 1_200)]
        assert done.mode_reason == (
            "Removing silences joins 2 pieces. Copied packets cannot have: resolution, captions."
        )


@pytest.mark.media
class TestWithRealMedia:
    @pytest.fixture
    async def real(
        self, db: Database, storage: LocalStorage, project: Project, settings: Settings, tmp_path: Path
    ) -> Video:
        source = make_media(tmp_path / "a.mp4", seconds=4)
        video = await make_video(db, project, info=await ChildMediaTools(settings).probe(source))
        await storage.put_file(video.storage_key, source)
        await make_transcript(db, video, "One two three.", "Four five six.")
        return video

    async def test_silences_go_and_captions_come(
        self, db: Database, settings: Settings, storage: LocalStorage, real: Video
    ) -> None:
        done = await cut(
            db,
            settings,
            real,
            ChildMediaTools(settings),
            ClipForm(captions=BURN),
            requested_end_ms=4_000,
            kept_ranges=[[0, 1_000], [1_250, 2_250]],
        )

        assert (done.duration_ms, done.actual_end_ms) == (2_000, 2_250)
        async with storage.local_copy(str(done.storage_key)) as path:
            assert frame_numbers(path) == [*range(24), *range(30, 54)]
            with av.open(str(path)) as container:
                shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(container.streams.video[0])]
        letters = [int((picture[140:].min(axis=2) > 200).sum()) for picture in shown]
        assert min(letters[2], letters[30]) > 20
        assert numpy.count_nonzero(letters) >= 40

    async def test_another_audio_track_is_copied(
        self, db: Database, settings: Settings, storage: LocalStorage, project: Project, tmp_path: Path
    ) -> None:
        tools = ChildMediaTools(settings)
        silent, loud = make_wav(tmp_path / "silent.wav", 4, "silence"), make_wav(tmp_path / "loud.wav", 4)
        group = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "24", "-keyint_min", "24", "-bf", "0")
        pictures = make_coded_clip(tmp_path / "p.mp4", CodedClip(audio=None, arguments=group))
        source, inputs = tmp_path / "a.mp4", ("-i", str(pictures), "-i", str(silent), "-i", str(loud))
        run_ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:v", "copy", "-c:a", "aac", str(source))
        video = await make_video(db, project, info=await tools.probe(source))
        await storage.put_file(video.storage_key, source)

        for track, clicks in ((None, []), (2, [0.5, 1.5])):
            done = await cut(
                db,
                settings,
                video,
                tools,
                ClipForm(audio_track=track),
                requested_start_ms=500,
                requested_end_ms=3_000,
                mode=ClipMode.SMART,
            )

            assert done.mode is ClipMode.SMART
            async with storage.local_copy(str(done.storage_key)) as path:
                assert click_times(read_samples(path))[: len(clicks)] == pytest.approx(clicks, abs=0.003)
                assert bool(click_times(read_samples(path))) is bool(clicks)

    async def test_a_clip_that_is_gone_for_good_ends_a_reel(
        self, db: Database, settings: Settings, project: Project, real: Video
    ) -> None:
        clip = await make_clip(db, real, is_rendered=True)
        reel = await make_reel(db, project, ReelPiece(real.id, 2_000, 3_000), ReelPiece(clip_id=clip.id))
        async with db.write() as session:
            await session.execute(delete(Clip).where(Clip.id == clip.id))

        with pytest.raises(NotFoundError) as refused:
            await rendered(db, settings, reel, ChildMediaTools(settings))

        assert (refused.value.field, "No such clip" in refused.value.message) == (("items", "1"), True)

    async def test_a_reel_of_a_clip_and_a_range(
        self, db: Database, settings: Settings, storage: LocalStorage, project: Project, real: Video
    ) -> None:
        tools = ChildMediaTools(settings)
        form = ClipForm(aspect=ClipAspect.R16_9, fit=ClipFit.KEYFRAMES, keys=(CropKey(0, 0.5, 0.5),), resolution=90)
        clip = await cut(db, settings, real, tools, form)
        reel = await make_reel(db, project, ReelPiece(real.id, 2_000, 3_000), ReelPiece(clip_id=clip.id))

        done = await rendered(db, settings, reel, tools)

        assert (done.width, done.height, done.duration_ms) == (320, 180, 2_000)
        async with storage.local_copy(str(done.storage_key)) as path:
            assert frame_numbers(path) == [*range(48, 72), *range(24)]
