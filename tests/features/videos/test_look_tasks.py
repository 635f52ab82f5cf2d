"""Storyboard, waveform, proxy and audio file as the worker makes them, with real media tools."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from PIL import Image
from sqlalchemy import delete, update

from cuepoint.adapters.media.base import TrackInfo
from cuepoint.adapters.media.base_looks import AudioFormat
from cuepoint.adapters.media.base_waveform import file_bytes
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.features.jobs.context import JobCancelled
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.videos.audio_files import WantedAudio, request_audio
from cuepoint.features.videos.audio_tasks import write_audio
from cuepoint.features.videos.look_tasks import (
    draw_waveform,
    make_proxy,
    make_storyboard,
    take_poster,
    waveform_made_of,
)
from cuepoint.features.videos.looks import POSTER_SIDES, board_file
from cuepoint.features.videos.models import AudioFile, Rendition, RenditionKind, SoundMap, Storyboard, Video
from cuepoint.features.videos.tasks import extract_audio, probe, probe_made_of
from tests.support.builders.studio import Studio, png, studio_of, told
from tests.support.media import CodedClip, make_coded_clip, read_bars, run_ffmpeg

pytestmark = pytest.mark.media


@pytest.fixture
async def dubbed(db: Database, settings: Settings, tmp_path: Path) -> Studio:
    """Two seconds of a tone, one of silence in a second track, and a third track that the file has only in name."""
    source = tmp_path / "dubbed.m4a"
    inputs = ("-f", "lavfi", "-i", "sine=440:d=2", "-f", "lavfi", "-i", "anullsrc=r=48000:d=1")
    run_ffmpeg(*inputs, "-map", "0", "-map", "1", "-c:a", "aac", str(source))
    studio = await studio_of(db, settings, source)
    info = dict(studio.video.media or {})
    async with db.write() as session:
        named = dataclasses.asdict(TrackInfo(7, "AUDIO", "truehd"))
        await session.execute(update(Video).values(media={**info, "tracks": [*info["tracks"], named]}))
    return studio


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

    async def test_each_further_track_lies_behind_the_default_one(self, db: Database, dubbed: Studio) -> None:
        await dubbed.run(JobKind.AUDIO_EXTRACTION, extract_audio)

        await dubbed.run(JobKind.WAVEFORM, draw_waveform)

        async with db.read() as session:
            row = await session.get_one(SoundMap, dubbed.video.id)
        file = await dubbed.rendition(RenditionKind.WAVEFORM)
        assert file is not None
        [silent] = row.tracks
        assert (silent["index"], silent["first_byte"], silent["start_ms"]) == (1, file_bytes(row.samples), 0)
        assert abs(silent["samples"] - 16_000) < 1_100
        assert file.size_bytes == silent["first_byte"] + file_bytes(silent["samples"])
        first, second = [
            await dubbed.read(file.storage_key, span)
            for span in ((0, silent["first_byte"]), (silent["first_byte"], file.size_bytes))
        ]
        assert (max(first) > 0, set(second)) == (True, {0})

    @pytest.mark.parametrize(
        ("code", "step", "is_passed"),
        [
            (ErrorCode.MEDIA_LIMIT_EXCEEDED, "extract_audio", True),
            (ErrorCode.MEDIA_TRUNCATED, "extract_audio", True),
            (ErrorCode.CHILD_CRASHED, "extract_audio", True),
            (ErrorCode.CHILD_CRASHED, "listen", True),
            (ErrorCode.INSUFFICIENT_STORAGE, "extract_audio", False),
            (ErrorCode.STORAGE_UNAVAILABLE, "listen", False),
        ],
    )
    async def test_a_bad_further_track_has_none(
        self,
        db: Database,
        dubbed: Studio,
        monkeypatch: pytest.MonkeyPatch,
        code: ErrorCode,
        step: str,
        is_passed: bool,
    ) -> None:
        await dubbed.run(JobKind.AUDIO_EXTRACTION, extract_audio)
        tools = ChildMediaTools if step == "extract_audio" else ChildLookTools
        done = getattr(tools, step)

        async def fails(self: object, path: Path, *args: object, **values: object) -> object:
            if step == "listen" and path.name != "track.wav":
                return await done(self, path, *args, **values)
            if code in {ErrorCode.MEDIA_LIMIT_EXCEEDED, ErrorCode.MEDIA_TRUNCATED}:
                raise CuepointError(code, "A bad track.")
            raise AdapterError(code, "A bad track.", retryable=True)

        monkeypatch.setattr(tools, step, fails)
        if not is_passed:
            with pytest.raises(AdapterError):
                await dubbed.run(JobKind.WAVEFORM, draw_waveform)
            return
        await dubbed.run(JobKind.WAVEFORM, draw_waveform)

        async with db.read() as session:
            row = await session.get_one(SoundMap, dubbed.video.id)
        assert (row.tracks, row.samples > 30_000) == ([], True)

    async def test_an_uploaded_poster_that_is_gone_is_none(self, db: Database, sound: Studio) -> None:
        await sound.run(JobKind.AUDIO_EXTRACTION, extract_audio)
        upload = await sound.uploaded(png())
        await sound.run(JobKind.POSTER, take_poster, args={"upload_id": str(upload.id)})
        async with db.write() as session:
            await session.execute(delete(Rendition).where(Rendition.kind.in_(POSTER_SIDES)))

        await replace(sound, video=await sound.reloaded()).run(JobKind.WAVEFORM, draw_waveform)

        assert await sound.rendition(RenditionKind.POSTER) is not None
        assert (await sound.reloaded()).chosen_poster is None

    async def test_leaves_a_poster_that_was_uploaded(self, db: Database, sound: Studio) -> None:
        await sound.run(JobKind.AUDIO_EXTRACTION, extract_audio)
        upload = await sound.uploaded(png())
        await sound.run(JobKind.POSTER, take_poster, args={"upload_id": str(upload.id)})
        chosen = await sound.rendition(RenditionKind.POSTER)
        late = replace(sound, video=await sound.reloaded())

        await late.run(JobKind.WAVEFORM, draw_waveform)
        await late.run(JobKind.PROBE, probe)

        poster = await sound.rendition(RenditionKind.POSTER)
        assert poster is not None
        assert chosen is not None
        assert (poster.storage_key, poster.height) == (chosen.storage_key, 640)


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

    async def test_sound_that_is_not_the_first_track_gets_one(self, db: Database, dubbed: Studio) -> None:
        async with db.write() as session:
            (await session.get_one(Video, dubbed.video.id)).audio_track = 1

        context = await dubbed.run(JobKind.PROXY, make_proxy)

        proxy = await dubbed.rendition(RenditionKind.PROXY)
        assert proxy is not None
        assert abs((proxy.duration_ms or 0) - 1000) < 50  # the second track lasts a second, the first one two
        assert await told(db, context) == {"sizeBytes": proxy.size_bytes}


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
