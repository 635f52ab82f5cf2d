"""The pipeline of a small file, twice: the second run repeats exactly what is made of something else by then."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import imageio_ffmpeg
import pytest
from sqlalchemy import select, update

from cuepoint.adapters.asr.base import Transcriber
from cuepoint.adapters.asr.fake import FakeTranscriber
from cuepoint.adapters.bundle import Adapters, build_adapters
from cuepoint.adapters.embedding.fake import FakeEmbedder
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.pipeline import start_pipeline
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.worker.registry import task_bodies
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_video
from tests.support.jobs import ended
from tests.support.workers import worker_for_tests

pytestmark = pytest.mark.media

# These have no rule: they do what is missing by themselves, and that is quick.
ALWAYS = {JobKind.SEGMENTATION, JobKind.EMBEDDING, JobKind.MOMENT_GENERATION}
TEXTS = {0: "The garden lies under snow.\nThe storm broke the apple trees last night."}


def make_media(path: Path, *, tracks: Sequence[int] = (440, 880)) -> Path:
    """Two seconds of picture, and a sound track for each of these tones."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "testsrc=d=2:s=160x90:r=12"]
    for hertz in tracks:
        command += ["-f", "lavfi", "-i", f"sine={hertz}:d=2"]
    command += [part for n in range(len(tracks) + 1) for part in ("-map", str(n))]
    subprocess.run([*command, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", str(path)], check=True)
    return path


@dataclass
class Studio:
    """A video in storage, and what has been done to it."""

    db: Database
    sql: Any
    settings: Settings
    adapters: Adapters
    video: Video

    async def run(
        self, *, arguments: Mapping[JobKind, dict[str, Any]] | None = None, model: str | None = None
    ) -> set[JobKind]:
        """The whole pipeline; the steps that were not skipped."""
        adapters = self.adapters
        if model is not None:
            adapters = replace(adapters, transcriber=cast(Transcriber, FakeTranscriber(TEXTS, key=model)))
        async with self.db.write() as session:
            project, video = self.video.project_id, self.video.id
            jobs = await start_pipeline(
                session, project_id=project, video_id=video, created_by_id=None, arguments=arguments
            )
        assert {job.kind for job in jobs} == set(PIPELINE)
        async with worker_for_tests(self.settings, task_bodies(), adapters=adapters):
            ends = await ended(self.sql, *(job.id for job in jobs), seconds=30.0)
        assert ends == ["SUCCEEDED"] * len(jobs)
        rows = await self.sql.fetch(
            "select kind from jobs where id = any ($1::uuid[]) and result ->> 'skipped' is null",
            [job.id for job in jobs],
        )
        return {JobKind(row["kind"]) for row in rows}

    async def take_audio_away(self, *, with_row: bool) -> None:
        """The extracted sound is gone."""
        wanted = (Rendition.video_id == self.video.id) & (Rendition.kind == RenditionKind.ASR_AUDIO)
        async with self.db.write() as session:
            audio = (await session.scalars(select(Rendition).where(wanted))).one()
            if with_row:
                await session.delete(audio)
        await self.adapters.storage.delete(audio.storage_key)

    async def choose_last_track(self) -> None:
        """The last track of the original is its default one."""
        async with self.db.write() as session:
            media = (await session.get_one(Video, self.video.id)).media
            assert media is not None
            tracks = [{**track, "is_default": track is media["tracks"][-1]} for track in media["tracks"]]
            changed = update(Video).where(Video.id == self.video.id).values(media={**media, "tracks": tracks})
            await session.execute(changed)


async def build(db: Database, sql: Any, settings: Settings, media: Path) -> Studio:
    """A video of this file."""
    adapters = replace(
        build_adapters(settings), transcriber=cast(Transcriber, FakeTranscriber(TEXTS)), embedder=FakeEmbedder()
    )
    video = await make_video(db, await make_project(db), info=None)
    await adapters.storage.put_file(video.storage_key, media)
    return Studio(db, sql, settings, adapters, video)


class TestSecondRun:
    async def test_repeats_exactly_what_is_made_of_something_else(
        self, db: Database, sql: Any, settings: Settings, tmp_path: Path
    ) -> None:
        """One test for what would be many: each run begins with what the runs before it have made."""
        studio = await build(db, sql, settings, make_media(tmp_path / "video.mp4"))

        assert await studio.run() == set(PIPELINE)
        assert await studio.run() == ALWAYS

        assert await studio.run(model="fake-2") == ALWAYS | {JobKind.TRANSCRIPTION}
        german = {JobKind.TRANSCRIPTION: {"language": "de"}}
        assert await studio.run(model="fake-2", arguments=german) == ALWAYS | {JobKind.TRANSCRIPTION}
        of_the_project = {JobKind.TRANSCRIPTION: {"language": "de", "sources": {"language": "PROJECT"}}}
        assert await studio.run(model="fake-2", arguments=of_the_project) == ALWAYS

        await studio.take_audio_away(with_row=False)
        # The same bytes as before lie under the same key afterwards: what was made of them is fresh.
        assert await studio.run(model="fake-2", arguments=german) == ALWAYS | {JobKind.AUDIO_EXTRACTION}
        await studio.take_audio_away(with_row=True)
        assert await studio.run(model="fake-2", arguments=german) == ALWAYS | {JobKind.AUDIO_EXTRACTION}

        await studio.choose_last_track()
        of_sound = {JobKind.AUDIO_EXTRACTION, JobKind.TRANSCRIPTION, JobKind.WAVEFORM}
        assert await studio.run(model="fake-2", arguments=german) == ALWAYS | of_sound

        await studio.adapters.close()

    async def test_steps_that_had_nothing_to_make_are_skipped_until_the_original_is_another(
        self, db: Database, sql: Any, settings: Settings, tmp_path: Path
    ) -> None:
        studio = await build(db, sql, settings, make_media(tmp_path / "silent.mp4", tracks=[]))

        assert await studio.run() == set(PIPELINE)
        assert await studio.run() == ALWAYS

        await studio.adapters.storage.put_file(studio.video.storage_key, make_media(tmp_path / "other.mp4"))
        async with db.write() as session:
            await session.execute(update(Video).where(Video.id == studio.video.id).values(content_hash="1" * 64))
        assert await studio.run() == set(PIPELINE)

        await studio.adapters.close()
