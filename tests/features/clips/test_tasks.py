"""Cutting a clip as the worker does it, with fake media tools and with real ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from cuepoint.adapters.media.base import ClipMode, MediaInfo, MediaTools
from cuepoint.adapters.media.fake import FakeMediaTools, fake_media_info
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.clips.models import Clip
from cuepoint.features.clips.tasks import extract_clip
from cuepoint.features.jobs.context import JobCancelled
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Video
from tests.support.builders.attempts import begin_attempt, job_row
from tests.support.builders.clips import make_clip
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_video
from tests.support.media import frame_numbers
from tests.support.media import make_clip as make_media


@pytest.fixture
def storage(settings: Settings) -> LocalStorage:
    return LocalStorage(settings.storage_directory(), min_free_bytes=0)


async def stored_video(db: Database, storage: LocalStorage, path: Path, *, info: MediaInfo | None = None) -> Video:
    video = await make_video(db, await make_project(db), info=info or fake_media_info())
    await storage.put_file(video.storage_key, path)
    return video


async def cut(
    db: Database,
    settings: Settings,
    video: Video,
    clip: Clip,
    media: MediaTools | None = None,
    args: Mapping[str, object] = MappingProxyType({}),
) -> tuple[Clip, Job]:
    given = {"clip_id": str(clip.id), **args}
    context, _ = await begin_attempt(db, settings, JobKind.CLIP_EXTRACTION, video, args=given, media=media)
    await extract_clip(context)
    async with db.read() as session:
        return await session.get_one(Clip, clip.id), await job_row(db, context)


@pytest.fixture
async def video(db: Database, storage: LocalStorage, tmp_path: Path) -> Video:
    (tmp_path / "original").write_bytes(b"original")
    return await stored_video(db, storage, tmp_path / "original")


class TestExtractClip:
    async def test_offers_the_file_with_its_facts(
        self, db: Database, settings: Settings, storage: LocalStorage, video: Video
    ) -> None:
        clip = await make_clip(db, video, requested_start_ms=1_500, requested_end_ms=4_000)

        done, job = await cut(db, settings, video, clip)

        assert (done.actual_start_ms, done.actual_end_ms, done.duration_ms) == (1_500, 4_000, 2_500)
        assert (done.content_type, done.width, done.height) == ("video/mp4", 640, 360)
        folder = f"projects/{video.project_id.hex}/exports/{video.id.hex}/"
        assert str(done.storage_key).startswith(f"{folder}first-second-")
        assert str(done.storage_key).endswith(".mp4")
        stored = await storage.head(done.storage_key)
        assert stored is not None
        assert done.size_bytes == stored.size_bytes
        assert done.rendered_at is not None
        assert (job.status, job.result) == (
            JobStatus.SUCCEEDED,
            {"durationMs": 2_500, "sizeBytes": stored.size_bytes},
        )

    async def test_a_second_run_replaces_the_file(
        self, db: Database, settings: Settings, storage: LocalStorage, video: Video
    ) -> None:
        clip = await make_clip(db, video)

        first, _ = await cut(db, settings, video, clip)
        second, _ = await cut(db, settings, video, clip)

        assert second.storage_key == first.storage_key
        directory = settings.storage_directory() / "objects" / Path(str(first.storage_key)).parent
        assert [path.name for path in directory.iterdir()] == [Path(str(first.storage_key)).name]

    @pytest.mark.parametrize(
        ("asked", "retried", "wanted"),
        [
            (ClipMode.SMART, None, ClipMode.SMART),
            (ClipMode.SMART, "RENDER", ClipMode.RENDER),
            (ClipMode.RENDER, "FAST", ClipMode.FAST),
            (None, "FAST", ClipMode.FAST),
        ],
        ids=["as-asked", "rather-rendered", "rather-fast", "of-an-older-release"],
    )
    async def test_the_job_says_how_and_the_clip_says_the_same(
        self,
        db: Database,
        settings: Settings,
        video: Video,
        asked: ClipMode | None,
        retried: str | None,
        wanted: ClipMode,
    ) -> None:
        clip = await make_clip(db, video, mode=asked or ClipMode.SMART, requested_mode=asked)

        done, _ = await cut(db, settings, video, clip, args={"mode": retried} if retried else {})

        assert (done.requested_mode, done.mode, done.mode_reason) == (wanted, wanted, None)

    async def test_what_fails_in_another_mode_keeps_the_file_that_is_there_and_what_it_is(
        self, db: Database, settings: Settings, video: Video
    ) -> None:
        clip = await make_clip(db, video, mode=ClipMode.SMART, requested_mode=ClipMode.SMART)
        await cut(db, settings, video, clip)
        failing = FakeMediaTools(
            failures={
                "render_clip": AdapterError(ErrorCode.RENDER_FAILED, "It could not be rendered.", retryable=False)
            }
        )

        with pytest.raises(AdapterError):
            await cut(db, settings, video, clip, failing, args={"mode": "RENDER"})

        async with db.read() as session:
            row = await session.get_one(Clip, clip.id)
        assert (row.requested_mode, row.mode) == (ClipMode.RENDER, ClipMode.SMART)

    async def test_sound_alone_becomes_an_m4a(
        self, db: Database, settings: Settings, storage: LocalStorage, tmp_path: Path
    ) -> None:
        (tmp_path / "original").write_bytes(b"original")
        info = fake_media_info(with_video=False)
        video = await stored_video(db, storage, tmp_path / "original", info=info)
        clip = await make_clip(db, video)

        done, _ = await cut(db, settings, video, clip, FakeMediaTools(info=info))

        assert (done.content_type, done.width) == ("audio/mp4", None)
        assert str(done.storage_key).endswith(".m4a")

    async def test_a_failure_offers_nothing(self, db: Database, settings: Settings, video: Video) -> None:
        clip = await make_clip(db, video)
        error = AdapterError(ErrorCode.RENDER_FAILED, "The clip could not be rendered.", retryable=False)

        with pytest.raises(AdapterError):
            await cut(db, settings, video, clip, FakeMediaTools(failures={"render_clip": error}))

        async with db.read() as session:
            row = await session.get_one(Clip, clip.id)
        assert (row.storage_key, row.rendered_at) == (None, None)

    async def test_of_a_deleted_video_ends_quietly(self, db: Database, settings: Settings, video: Video) -> None:
        clip = await make_clip(db, video)
        admin = await make_viewer(db, is_admin=True)
        async with db.write() as session:
            await videos.delete_video(session, admin, video.id)

        with pytest.raises(NotFoundError):
            await cut(db, settings, video, clip)

    async def test_a_cancel_stops_it(self, db: Database, settings: Settings, video: Video) -> None:
        clip = await make_clip(db, video)
        args = {"clip_id": str(clip.id)}
        context, control = await begin_attempt(db, settings, JobKind.CLIP_EXTRACTION, video, args=args, cancel_at=1)

        with pytest.raises(JobCancelled):
            await extract_clip(context)

        assert control.reports[0] == (0.5, "Rendering", 500, 1_000)
        async with db.read() as session:
            assert (await session.get_one(Clip, clip.id)).storage_key is None


@pytest.mark.media
class TestWithRealMedia:
    async def test_holds_exactly_the_frames_of_the_range(
        self, db: Database, settings: Settings, storage: LocalStorage, tmp_path: Path
    ) -> None:
        tools = ChildMediaTools(settings)
        source = make_media(tmp_path / "a.mp4", seconds=4)
        video = await stored_video(db, storage, source, info=await tools.probe(source))
        clip = await make_clip(db, video, requested_start_ms=1_000, requested_end_ms=2_500)

        done, _ = await cut(db, settings, video, clip, tools)

        async with storage.local_copy(str(done.storage_key)) as path:
            assert frame_numbers(path) == list(range(24, 60))
        assert (done.actual_start_ms, done.actual_end_ms) == (1_000, 2_500)
        assert (done.width, done.height, done.content_type) == (320, 180, "video/mp4")

    async def test_says_that_the_clip_was_rendered(
        self, db: Database, settings: Settings, storage: LocalStorage, tmp_path: Path
    ) -> None:
        tools = ChildMediaTools(settings)
        source = make_media(tmp_path / "a.mp4", seconds=4)  # one group of pictures: nothing can be copied
        video = await stored_video(db, storage, source, info=await tools.probe(source))
        clip = await make_clip(db, video, requested_start_ms=1_000, requested_end_ms=2_500)

        done, _ = await cut(db, settings, video, clip, tools)

        assert (clip.mode, done.mode) == (ClipMode.SMART, ClipMode.RENDER)

    async def test_a_fast_clip_begins_at_the_key_frame(
        self, db: Database, settings: Settings, storage: LocalStorage, tmp_path: Path
    ) -> None:
        tools = ChildMediaTools(settings)
        source = make_media(tmp_path / "a.mp4", seconds=4)
        video = await stored_video(db, storage, source, info=await tools.probe(source))
        clip = await make_clip(db, video, requested_start_ms=1_000, requested_end_ms=2_500, mode=ClipMode.FAST)

        done, _ = await cut(db, settings, video, clip, tools)

        assert (done.mode, done.actual_start_ms) == (ClipMode.FAST, 0)
        async with storage.local_copy(str(done.storage_key)) as path:
            assert frame_numbers(path)[:60] == list(range(60))

    async def test_a_file_that_was_damaged_meanwhile_is_refused(
        self, db: Database, settings: Settings, storage: LocalStorage, tmp_path: Path
    ) -> None:
        (tmp_path / "a.mp4").write_bytes(b"no media any more")
        video = await stored_video(db, storage, tmp_path / "a.mp4")
        clip = await make_clip(db, video)

        with pytest.raises((CuepointError, AdapterError)) as refused:
            await cut(db, settings, video, clip, ChildMediaTools(settings))

        assert refused.value.code is ErrorCode.UNSUPPORTED_MEDIA
