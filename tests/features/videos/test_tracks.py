"""Which audio track is the sound of a video, and what follows when somebody names another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select

from cuepoint.adapters.asr.fake import FakeTranscriber
from cuepoint.adapters.asr.whisper import WhisperTranscriber
from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.adapters.media.base_looks import AudioFormat
from cuepoint.adapters.media.fake import FakeMediaTools, fake_media_info
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, BadInputError, CuepointError, ErrorCode
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.effective import JobOptions
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.videos.audio_files import WantedAudio, request_audio
from cuepoint.features.videos.models import SoundMap, Video
from cuepoint.features.videos.service import StartOptions, start_pipeline, stored_media_info
from cuepoint.features.videos.tasks import extract_audio, probe
from cuepoint.features.videos.tracks import chosen_track
from tests.support.builders.attempts import begin_attempt
from tests.support.builders.projects import make_project
from tests.support.builders.studio import studio_of
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.media import run_ffmpeg
from tests.support.rows import count
from tests.support.speech import VIDEO

CRASH = AdapterError(ErrorCode.CHILD_CRASHED, "The child ended.", retryable=True)
NO_STORAGE = AdapterError(ErrorCode.STORAGE_UNAVAILABLE, "Gone.", retryable=True)


def info_of(*flags: bool) -> MediaInfo:
    """A picture, and an audio track for each of these flags, from index 1."""
    tracks = [TrackInfo(number, "AUDIO", "aac", is_default=flag) for number, flag in enumerate(flags, start=1)]
    return replace(fake_media_info(with_audio=False), tracks=(fake_media_info().tracks[0], *tracks))


async def choose(
    place: Path,
    info: MediaInfo,
    *hears: bool,
    named: int | None = None,
    kept: int | None = None,
    failure: Exception | None = None,
) -> tuple[int | None, int]:
    """The choice, and how many tracks were extracted for it."""
    media = FakeMediaTools(info=info, failures={} if failure is None else {"extract_audio": failure})
    ports = SimpleNamespace(media=media, transcriber=FakeTranscriber({}, hears=hears))
    context = SimpleNamespace(adapters=ports, temp_dir=place, report=lambda *_: None)
    return await chosen_track(cast(TaskContext, context), place / "a.mkv", info, named, kept), len(media.calls)


class TestChosenTrack:
    @pytest.mark.parametrize(
        ("flags", "hears", "chosen"),
        [
            pytest.param((False, False), (False, True), 2, id="the second speaks"),
            pytest.param((False, False), (True,), 1, id="the first speaks"),
            pytest.param((False, False), (False, False), None, id="nobody speaks"),
            pytest.param((False, True), (), None, id="one is flagged"),
            pytest.param((True, False, True), (False, True), 3, id="several are flagged"),
            pytest.param((False,), (), None, id="one"),
            pytest.param((), (), None, id="none"),
            pytest.param((False,) * 20, (False,) * 8, None, id="as many as are listened to"),
        ],
    )
    async def test_is_the_first_with_speech_where_the_file_leaves_it_open(
        self, tmp_path: Path, flags: tuple[bool, ...], hears: tuple[bool, ...], chosen: int | None
    ) -> None:
        assert await choose(tmp_path, info_of(*flags), *hears) == (chosen, len(hears))

    async def test_stays_what_it_was(self, tmp_path: Path) -> None:
        assert await choose(tmp_path, info_of(False, False), kept=2) == (2, 0)

    async def test_is_the_one_that_is_named(self, tmp_path: Path) -> None:
        assert await choose(tmp_path, info_of(True, False, False), named=3, kept=2) == (3, 0)

    async def test_is_none_without_sound_whatever_is_named(self, tmp_path: Path) -> None:
        assert await choose(tmp_path, info_of(), named=3) == (None, 0)

    @pytest.mark.parametrize("named", [0, 4], ids=["a picture", "nothing"])
    async def test_refuses_what_is_no_audio_track(self, tmp_path: Path, named: int) -> None:
        with pytest.raises(CuepointError, match="its audio tracks are 1, 2") as refused:
            await choose(tmp_path, info_of(True, False), named=named)

        assert (refused.value.code, refused.value.field) == (ErrorCode.UNSUPPORTED_MEDIA, ("options", "audioTrack"))

    async def test_tracks_that_cannot_be_read_are_passed_over(self, tmp_path: Path) -> None:
        assert await choose(tmp_path, info_of(False, False), failure=CRASH) == (None, 2)

    async def test_what_is_not_to_blame_on_the_track_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(AdapterError):
            await choose(tmp_path, info_of(False, False), failure=NO_STORAGE)


@pytest.mark.media
@pytest.mark.models
class TestWithRealMedia:
    async def test_speech_behind_a_track_of_tones_is_the_sound(
        self, db: Database, settings: Settings, tmp_path: Path
    ) -> None:
        source = tmp_path / "dubbed.mkv"
        tracks = ("-f", "lavfi", "-i", "sine=440:d=12", "-i", str(VIDEO), "-map", "0:a", "-map", "1:a")
        run_ffmpeg(*tracks, "-t", "12", "-c:a", "aac", "-disposition:a", "0", str(source))
        studio = await studio_of(db, settings, source)
        transcriber = WhisperTranscriber(settings)
        context, _ = await begin_attempt(db, settings, JobKind.PROBE, studio.video)
        cast(Any, studio.ports(context)).transcriber = transcriber

        await probe(context)
        await studio.run(JobKind.AUDIO_EXTRACTION, extract_audio)

        video = await studio.reloaded()
        flags = {track.index: track.is_default for track in stored_media_info(video).tracks}
        async with db.write() as session:
            file, _ = await request_audio(session, studio.viewer, video.id, WantedAudio(AudioFormat.WAV))
        extracted = next((settings.storage_directory() / "objects").rglob("*.wav"))
        assert video.media is not None
        assert [track["is_default"] for track in video.media["tracks"]] == [False, False]  # as the file says
        assert (video.audio_track, flags, file.track_index) == (1, {0: False, 1: True}, 1)
        assert await transcriber.has_speech(extracted) is True


async def start(db: Database, video: Video, track: int, *kinds: JobKind) -> list[Job]:
    how = StartOptions(options=JobOptions(audio_track=track))
    admin = await make_viewer(db, is_admin=True)
    async with db.write() as session:
        return (await start_pipeline(session, admin, video.id, kinds or None, how))[1]


class TestStartPipeline:
    async def test_a_named_track_brings_the_steps_that_read_it(self, db: Database) -> None:
        video = await make_video(db, await make_project(db), info=info_of(True, False))

        jobs = await start(db, video, 2, JobKind.TRANSCRIPTION)

        assert [job.kind for job in jobs] == [
            JobKind.PROBE,
            JobKind.AUDIO_EXTRACTION,
            JobKind.TRANSCRIPTION,
            JobKind.WAVEFORM,
            JobKind.PROXY,
        ]
        assert [job.args for job in jobs] == [{"audio_track": 2, "sources": {"audio_track": "CALL"}}, {}, {}, {}, {}]

    async def test_a_track_that_is_not_there_starts_nothing(self, db: Database) -> None:
        video = await make_video(db, await make_project(db), info=info_of(True, False))

        with pytest.raises(CuepointError) as refused:
            await start(db, video, 3, JobKind.TRANSCRIPTION)

        assert refused.value.code is ErrorCode.UNSUPPORTED_MEDIA
        assert await count(db, Job) == 0

    async def test_counts_from_0(self, db: Database) -> None:
        video = await make_video(db, await make_project(db), info=info_of(True))

        with pytest.raises(BadInputError) as refused:
            await start(db, video, -1)

        assert refused.value.field == ("options", "audioTrack")


class TestProbe:
    @pytest.mark.parametrize(("named", "maps"), [(2, 0), (1, 1)], ids=["another", "the same"])
    async def test_another_track_takes_the_waveform_of_the_former_one_along(
        self, db: Database, settings: Settings, named: int, maps: int
    ) -> None:
        info = info_of(False, False)
        video = await make_video(db, await make_project(db), info=info)
        original = settings.home / "original"
        original.write_bytes(b"original")
        await LocalStorage(settings.storage_directory(), min_free_bytes=0).put_file(video.storage_key, original)
        async with db.write() as session:
            session.add(SoundMap(video_id=video.id, samples=16_000, start_ms=0, silences=[], sounds=[]))
        context, _ = await begin_attempt(
            db, settings, JobKind.PROBE, video, args={"audio_track": named}, media=FakeMediaTools(info=info)
        )

        await probe(context)

        async with db.read() as session:
            row = (await session.scalars(select(Video))).one()
        assert (row.audio_track, await count(db, SoundMap)) == (named, maps)
