"""Storyboard, waveform, proxy, poster and audio file as the worker makes them, with real media tools."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy
import pytest
from PIL import Image
from sqlalchemy import delete, func, select, update

from cuepoint.adapters.bundle import Adapters
from cuepoint.adapters.media.base import MediaInfo
from cuepoint.adapters.media.base_looks import AudioFormat
from cuepoint.adapters.media.fake import fake_media_info
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs.context import JobCancelled, TaskBody, TaskContext
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.videos.audio_files import WantedAudio, request_audio
from cuepoint.features.videos.audio_tasks import write_audio
from cuepoint.features.videos.look_tasks import (
    draw_waveform,
    make_proxy,
    make_storyboard,
    take_poster,
    waveform_made_of,
)
from cuepoint.features.videos.looks import POSTER_SIDES, board_file, request_poster
from cuepoint.features.videos.models import AudioFile, Rendition, RenditionKind, SoundMap, Storyboard, Video
from cuepoint.features.videos.tasks import extract_audio, probe, probe_made_of
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import begin_attempt, job_row
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.media import CodedClip, make_coded_clip, make_wav, read_bars

pytestmark = pytest.mark.media


@dataclass(frozen=True)
class Studio:
    """A stored original, and the tasks that look at it."""

    db: Database
    settings: Settings
    storage: LocalStorage
    viewer: Viewer
    video: Video

    async def run(self, kind: JobKind, body: TaskBody, **values: Any) -> TaskContext:
        """One attempt of a task, to its end."""
        context, _ = await begin_attempt(self.db, self.settings, kind, self.video, **values)
        context = replace(context, adapters=self.ports(context))
        await body(context)
        return context

    def ports(self, context: TaskContext) -> Adapters:
        """The ports with real tools."""
        ports = cast(Any, context.adapters)
        ports.media, ports.looks = ChildMediaTools(self.settings), ChildLookTools(self.settings)
        return cast(Adapters, ports)

    async def rendition(self, kind: RenditionKind) -> Rendition | None:
        """The file of that kind."""
        statement = select(Rendition).where(Rendition.video_id == self.video.id, Rendition.kind == kind)
        async with self.db.read() as session:
            return await session.scalar(statement)

    async def count(self, entity: type) -> int:
        """Rows of a table."""
        async with self.db.read() as session:
            return (await session.execute(select(func.count()).select_from(entity))).scalar_one()

    async def read(self, key: str, span: tuple[int, int]) -> bytes:
        """Bytes of a stored file."""
        return b"".join([piece async for piece in self.storage.read(key, *span)])


async def studio_of(db: Database, settings: Settings, source: Path) -> Studio:
    viewer = await make_viewer(db)
    project = await make_project(db, owner_id=viewer.user_id)
    video = await make_video(db, project, info=await ChildMediaTools(settings).probe(source))
    storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
    await storage.put_file(video.storage_key, source)
    return Studio(db, settings, storage, viewer, video)


@pytest.fixture
async def film(db: Database, settings: Settings, tmp_path: Path) -> Studio:
    """Four seconds of coded pictures with a tone."""
    return await studio_of(db, settings, make_coded_clip(tmp_path / "film.mp4", CodedClip(frames=96)))


@pytest.fixture
async def sound(db: Database, settings: Settings, tmp_path: Path) -> Studio:
    """Two seconds of sound alone."""
    return await studio_of(db, settings, make_wav(tmp_path / "sound.wav"))


@pytest.fixture
async def image(db: Database, settings: Settings, tmp_path: Path) -> Studio:
    """A still picture."""
    source = tmp_path / "still.png"
    Image.new("RGB", (1600, 800), (220, 20, 20)).save(source)
    return await studio_of(db, settings, source)


async def told(db: Database, context: TaskContext) -> dict[str, Any] | None:
    """The result of a job that succeeded."""
    job = await job_row(db, context)
    assert job.status is JobStatus.SUCCEEDED
    return job.result


class TestMakeStoryboard:
    async def test_stores_one_file_and_its_grid(self, db: Database, film: Studio) -> None:
        context = await film.run(JobKind.STORYBOARD, make_storyboard)

        assert await told(db, context) == {"tiles": 4, "sheets": 1, "stepMs": 42}
        async with db.read() as session:
            found = await board_file(session, film.video.id)
        assert found is not None
        tile = found.tile(2)
        assert tile is not None
        assert tile.span is not None
        with Image.open(io.BytesIO(await film.read(tile.storage_key, tile.span))) as picture:
            assert read_bars(numpy.asarray(picture.convert("L"))) == 48
        assert (found.tile(4), found.sheet(1), found.sheet(-1)) == (None, None, None)

    async def test_the_poster_gets_smaller_copies(self, film: Studio) -> None:
        await film.run(JobKind.PROBE, probe)

        await film.run(JobKind.STORYBOARD, make_storyboard)

        poster = await film.rendition(RenditionKind.POSTER)
        medium = await film.rendition(RenditionKind.POSTER_MEDIUM)
        assert poster is not None
        assert medium is not None
        assert (medium.start_ms, medium.width) == (poster.start_ms, 320)

    async def test_a_second_run_leaves_the_same_rows(self, film: Studio) -> None:
        for _ in range(2):
            await film.run(JobKind.STORYBOARD, make_storyboard)

        assert (await film.count(Storyboard), await film.count(Rendition)) == (1, 1)

    async def test_sound_alone_has_none_and_it_is_no_error(self, db: Database, sound: Studio) -> None:
        context = await sound.run(JobKind.STORYBOARD, make_storyboard)

        assert await told(db, context) == {"reason": "NO_PICTURE"}
        assert (await sound.count(Storyboard), await sound.count(Rendition)) == (0, 0)

    async def test_before_the_probe_it_is_not_ready(self, db: Database, film: Studio) -> None:
        async with db.write() as session:
            await session.execute(update(Video).values(media=None))

        with pytest.raises(CuepointError) as refusal:
            await film.run(JobKind.STORYBOARD, make_storyboard)

        assert refusal.value.code is ErrorCode.NOT_READY

    async def test_cancelled_it_leaves_nothing(self, film: Studio) -> None:
        with pytest.raises(JobCancelled):
            await film.run(JobKind.STORYBOARD, make_storyboard, cancel_at=0)

        assert (await film.count(Storyboard), await film.count(Rendition)) == (0, 0)


class TestImages:
    async def test_has_posters_and_neither_storyboard_nor_proxy_nor_sound(self, db: Database, image: Studio) -> None:
        await image.run(JobKind.PROBE, probe)
        sound = await image.run(JobKind.AUDIO_EXTRACTION, extract_audio)
        wave = await image.run(JobKind.WAVEFORM, draw_waveform)
        board = await image.run(JobKind.STORYBOARD, make_storyboard)
        proxy = await image.run(JobKind.PROXY, make_proxy)

        assert [await told(db, context) for context in (sound, wave)] == [{"reason": "NO_AUDIO"}] * 2
        assert [await told(db, context) for context in (board, proxy)] == [
            {"of": "IMAGE"},
            {"reason": "NOT_NEEDED"},
        ]
        kinds = (RenditionKind.POSTER, RenditionKind.POSTER_MEDIUM, RenditionKind.POSTER_SMALL)
        posters = [await image.rendition(kind) for kind in kinds]
        assert [poster and poster.width for poster in posters] == [1280, 640, 320]
        assert await image.count(Rendition) == 3
        async with db.read() as session:
            video = await session.get_one(Video, image.video.id)
        assert (video.content_type, video.width, video.height, video.duration_ms) == ("image/png", 1600, 800, None)


class TestFreshness:
    async def test_a_poster_that_is_gone_is_drawn_again(self, db: Database, image: Studio, sound: Studio) -> None:
        steps = [
            (image, JobKind.PROBE, probe, probe_made_of),
            (sound, JobKind.WAVEFORM, draw_waveform, waveform_made_of),
        ]
        await sound.run(JobKind.AUDIO_EXTRACTION, extract_audio)

        for studio, kind, body, rule in steps:
            before = await rule(await studio.run(kind, body))
            async with db.write() as session:
                posters = Rendition.kind.in_(POSTER_SIDES), Rendition.video_id == studio.video.id
                await session.execute(delete(Rendition).where(*posters))
            gone = await rule(await studio.run(JobKind.STORYBOARD, make_storyboard))
            after = await rule(await studio.run(kind, body))

            assert [made and made.is_there for made in (before, gone, after)] == [True, False, True]
            assert before == after


class TestDrawWaveform:
    async def test_stores_peaks_and_silences_in_media_time(self, db: Database, film: Studio) -> None:
        await film.run(JobKind.AUDIO_EXTRACTION, extract_audio)
        async with db.write() as session:
            await session.execute(update(Rendition).values(start_ms=500))

        context = await film.run(JobKind.WAVEFORM, draw_waveform)

        assert await told(db, context) == {"silences": 0}
        async with db.read() as session:
            row = await session.get_one(SoundMap, film.video.id)
        assert (row.start_ms, row.silences) == (500, [])
        assert row.sounds[0] == 500
        assert abs(row.samples - 64_000) < 2_000

    async def test_without_sound_there_is_none_and_it_is_no_error(self, db: Database, film: Studio) -> None:
        context = await film.run(JobKind.WAVEFORM, draw_waveform)

        assert await told(db, context) == {"reason": "NO_AUDIO"}
        assert await film.count(SoundMap) == 0

    async def test_sound_alone_has_a_picture_of_it(self, sound: Studio) -> None:
        await sound.run(JobKind.AUDIO_EXTRACTION, extract_audio)

        await sound.run(JobKind.WAVEFORM, draw_waveform)

        sizes = []
        for kind in (RenditionKind.POSTER, RenditionKind.POSTER_MEDIUM, RenditionKind.POSTER_SMALL):
            poster = await sound.rendition(kind)
            assert poster is not None
            with Image.open(io.BytesIO(await sound.read(poster.storage_key, (0, poster.size_bytes)))) as picture:
                sizes.append(picture.size)
        assert sizes == [(1280, 720), (640, 360), (320, 180)]

    async def test_a_later_probe_leaves_that_picture(self, sound: Studio) -> None:
        await sound.run(JobKind.AUDIO_EXTRACTION, extract_audio)
        await sound.run(JobKind.WAVEFORM, draw_waveform)

        await sound.run(JobKind.PROBE, probe)

        assert await sound.rendition(RenditionKind.POSTER) is not None


class TestMakeProxy:
    async def test_what_browsers_play_needs_none(self, db: Database, film: Studio) -> None:
        context = await film.run(JobKind.PROXY, make_proxy)

        assert await told(db, context) == {"reason": "NOT_NEEDED"}
        assert await film.rendition(RenditionKind.PROXY) is None

    async def test_what_is_wanted_is_made(self, film: Studio) -> None:
        await film.run(JobKind.PROXY, make_proxy, args={"is_wanted": True})

        proxy = await film.rendition(RenditionKind.PROXY)
        assert proxy is not None
        assert (proxy.content_type, proxy.width, proxy.height) == ("video/mp4", 320, 180)
        assert "/processed/" in proxy.storage_key

    async def test_what_browsers_do_not_play_gets_one(self, db: Database, settings: Settings, tmp_path: Path) -> None:
        clip = CodedClip(frames=24, arguments=("-c:v", "mpeg4", "-c:a", "mp3"))
        avi = await studio_of(db, settings, make_coded_clip(tmp_path / "a.avi", clip))

        await avi.run(JobKind.PROXY, make_proxy)

        assert await avi.rendition(RenditionKind.PROXY) is not None


class TestTakePoster:
    async def test_is_the_picture_of_that_moment_in_all_sizes(self, db: Database, film: Studio) -> None:
        await film.run(JobKind.PROBE, probe)
        async with db.write() as session:
            _, job = await request_poster(session, film.viewer, film.video.id, 2500)

        context = await film.run(JobKind.POSTER, take_poster, args=job.args)

        assert await told(db, context) == {"atMs": 2500}
        for kind in (RenditionKind.POSTER, RenditionKind.POSTER_MEDIUM, RenditionKind.POSTER_SMALL):
            poster = await film.rendition(kind)
            assert poster is not None
            with Image.open(io.BytesIO(await film.read(poster.storage_key, (0, poster.size_bytes)))) as picture:
                assert read_bars(numpy.asarray(picture.convert("L"))) == 60

    async def test_a_later_probe_draws_it_again_once_it_is_gone(self, db: Database, film: Studio) -> None:
        await film.run(JobKind.POSTER, take_poster, args={"at_ms": 2500})
        async with db.write() as session:
            await session.execute(delete(Rendition).where(Rendition.video_id == film.video.id))

        await film.run(JobKind.PROBE, probe)

        poster = await film.rendition(RenditionKind.POSTER)
        assert poster is not None
        with Image.open(io.BytesIO(await film.read(poster.storage_key, (0, poster.size_bytes)))) as picture:
            assert (poster.start_ms, read_bars(numpy.asarray(picture.convert("L")))) == (2500, 60)

    async def test_a_later_probe_keeps_to_it(self, db: Database, film: Studio) -> None:
        await film.run(JobKind.POSTER, take_poster, args={"at_ms": 2500})
        async with db.read() as session:
            chosen = await session.get_one(Video, film.video.id)
        again = replace(film, video=chosen)

        await again.run(JobKind.PROBE, probe)

        poster = await film.rendition(RenditionKind.POSTER)
        assert poster is not None
        assert poster.start_ms == 2500


class TestRequestPoster:
    @pytest.mark.parametrize(
        ("info", "at_ms", "code"),
        [
            (fake_media_info(with_video=False), 0, ErrorCode.UNSUPPORTED_MEDIA),
            (fake_media_info(), 10_000, ErrorCode.RANGE_OUTSIDE_MEDIA),
            (None, 0, ErrorCode.NOT_READY),
        ],
        ids=["sound", "behind the end", "not probed"],
    )
    async def test_refusals(self, db: Database, info: MediaInfo | None, at_ms: int, code: ErrorCode) -> None:
        viewer = await make_viewer(db)
        video = await make_video(db, await make_project(db, owner_id=viewer.user_id), info=info)

        with pytest.raises(CuepointError) as refusal:
            async with db.write() as session:
                await request_poster(session, viewer, video.id, at_ms)

        assert refusal.value.code is code

    async def test_strangers_find_no_video(self, db: Database) -> None:
        video = await make_video(db, await make_project(db))

        with pytest.raises(NotFoundError):
            async with db.write() as session:
                await request_poster(session, await make_viewer(db), video.id, 0)


class TestWriteAudio:
    async def test_offers_the_file(self, db: Database, film: Studio) -> None:
        async with db.write() as session:
            row, job = await request_audio(session, film.viewer, film.video.id, WantedAudio(AudioFormat.FLAC))

        await film.run(JobKind.AUDIO_EXPORT, write_audio, args=job.args)

        async with db.read() as session:
            made = await session.get_one(AudioFile, row.id)
        assert made.storage_key is not None
        assert made.storage_key.endswith(".flac")
        assert (made.sample_rate, made.channels) == (16_000, 1)
        stored = await film.storage.head(made.storage_key)
        assert stored is not None
        assert stored.size_bytes == made.size_bytes

    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            (WantedAudio(AudioFormat.OPUS, sample_rate=44_100), ErrorCode.BAD_USER_INPUT),
            (WantedAudio(AudioFormat.WAV, channels=3), ErrorCode.BAD_USER_INPUT),
            (WantedAudio(AudioFormat.WAV, track_index=0), ErrorCode.UNSUPPORTED_MEDIA),
        ],
        ids=["rate", "channels", "track"],
    )
    async def test_refusals_change_nothing(
        self, db: Database, film: Studio, wanted: WantedAudio, code: ErrorCode
    ) -> None:
        with pytest.raises(CuepointError) as refusal:
            async with db.write() as session:
                await request_audio(session, film.viewer, film.video.id, wanted)

        assert refusal.value.code is code
        assert await film.count(AudioFile) == 0
