"""Probe, audio and removal as the worker runs them, with fake media tools and with real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from cuepoint.adapters.media.base import MediaInfo, MediaTools, TrackInfo
from cuepoint.adapters.media.fake import FakeMediaTools, fake_media_info
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.clips.models import Clip
from cuepoint.features.jobs.context import FenceLost, JobCancelled
from cuepoint.features.jobs.models import Job, JobKind, JobStatus
from cuepoint.features.uploads.keys import video_prefix
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos import service
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.features.videos.tasks import delete_video, extract_audio, probe
from tests.support.builders.attempts import begin_attempt, job_row
from tests.support.builders.clips import make_clip, make_moment
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import INFO, make_rendition, make_upload, make_video
from tests.support.media import make_clip as make_media
from tests.support.media import make_text, make_truncated, make_wav
from tests.support.rows import count


@pytest.fixture
def storage(settings: Settings) -> LocalStorage:
    return LocalStorage(settings.storage_directory(), min_free_bytes=0)


async def stored_video(
    db: Database, storage: LocalStorage, path: Path | None = None, *, info: MediaInfo | None = None
) -> Video:
    """A video whose original is the file at `path`, or a few bytes."""
    video = await make_video(db, await make_project(db), info=info)
    if path is None:
        path = storage._root.parent / "original"
        path.write_bytes(b"original")
    await storage.put_file(video.storage_key, path)
    return video


async def reload(db: Database, video: Video) -> Video:
    async with db.read() as session:
        return await session.get_one(Video, video.id)


async def renditions(db: Database) -> list[Rendition]:
    async with db.read() as session:
        return list(await session.scalars(select(Rendition).order_by(Rendition.kind)))


class TestProbe:
    async def test_stores_the_facts_and_a_poster(self, db: Database, settings: Settings, storage: LocalStorage) -> None:
        video = await stored_video(db, storage)
        context, control = await begin_attempt(db, settings, JobKind.PROBE, video)

        await probe(context)

        row, job = await reload(db, video), await job_row(db, context)
        assert service.stored_media_info(row) == fake_media_info()
        assert (row.content_type, row.duration_ms, row.width, row.height) == ("video/mp4", 10_000, 640, 360)
        [poster] = await renditions(db)
        assert (poster.kind, poster.content_type, poster.start_ms) == (RenditionKind.POSTER, "image/jpeg", 5_000)
        assert (await storage.head(poster.storage_key)).size_bytes == poster.size_bytes  # type: ignore[union-attr]
        assert (job.status, job.result) == (JobStatus.SUCCEEDED, {"durationMs": 10_000, "warnings": []})
        assert control.has_ended
        assert [fraction for fraction, *_ in control.reports] == [0.05, 0.4]

    async def test_a_second_run_leaves_the_same_rows(
        self, db: Database, settings: Settings, storage: LocalStorage
    ) -> None:
        video = await stored_video(db, storage)
        for _ in range(2):
            context, _ = await begin_attempt(db, settings, JobKind.PROBE, video)
            await probe(context)

        [poster] = await renditions(db)
        assert poster.video_id == video.id
        assert await count(db, Video) == 1

    async def test_sound_alone_has_no_poster(self, db: Database, settings: Settings, storage: LocalStorage) -> None:
        video = await stored_video(db, storage)
        media = FakeMediaTools(info=fake_media_info(with_video=False))
        context, _ = await begin_attempt(db, settings, JobKind.PROBE, video, media=media)

        await probe(context)

        row = await reload(db, video)
        assert (row.content_type, row.width, row.height) == ("audio/mp4", None, None)
        assert await renditions(db) == []
        assert [name for name, _ in media.calls] == ["probe"]

    async def test_what_is_unknown_stays_null(self, db: Database, settings: Settings, storage: LocalStorage) -> None:
        video = await stored_video(db, storage)
        media = FakeMediaTools(info=MediaInfo("matroska", None, 8, None, (TrackInfo(0, "VIDEO", None),)))
        context, _ = await begin_attempt(db, settings, JobKind.PROBE, video, media=media)

        await probe(context)

        row = await reload(db, video)
        assert (row.duration_ms, row.width, row.height, row.container) == (None, None, None, "matroska")
        assert row.probed_at is not None

    async def test_a_container_without_picture_and_sound_is_refused(
        self, db: Database, settings: Settings, storage: LocalStorage
    ) -> None:
        video = await stored_video(db, storage)
        media = FakeMediaTools(info=fake_media_info(with_video=False, with_audio=False))
        context, _ = await begin_attempt(db, settings, JobKind.PROBE, video, media=media)

        with pytest.raises(CuepointError) as refused:
            await probe(context)

        assert refused.value.code is ErrorCode.UNSUPPORTED_MEDIA
        assert (await reload(db, video)).probed_at is None

    async def test_an_original_that_is_gone_says_how_to_get_it_back(
        self, db: Database, settings: Settings, storage: LocalStorage
    ) -> None:
        video = await stored_video(db, storage)
        await storage.delete(video.storage_key)
        context, _ = await begin_attempt(db, settings, JobKind.PROBE, video)

        with pytest.raises(NotFoundError, match="no longer in the storage") as raised:
            await probe(context)

        assert raised.value.hint is not None
        assert "auditStorage" in raised.value.hint

    async def test_a_deleted_video_ends_quietly(self, db: Database, settings: Settings, storage: LocalStorage) -> None:
        video = await stored_video(db, storage)
        context, _ = await begin_attempt(db, settings, JobKind.PROBE, video)
        admin = await make_viewer(db, is_admin=True)
        async with db.write() as session:
            await service.delete_video(session, admin, video.id)

        with pytest.raises(NotFoundError):
            await probe(context)

    async def test_one_deleted_while_it_runs_is_not_written(
        self, db: Database, settings: Settings, storage: LocalStorage
    ) -> None:
        video = await stored_video(db, storage)
        admin = await make_viewer(db, is_admin=True)

        class Deleting(FakeMediaTools):
            async def probe(self, path: Path) -> MediaInfo:
                async with db.write() as session:
                    await service.delete_video(session, admin, video.id)
                return await super().probe(path)

        context, control = await begin_attempt(db, settings, JobKind.PROBE, video, media=Deleting())

        with pytest.raises(JobCancelled):
            await probe(context)

        assert (await reload(db, video)).probed_at is None
        assert not control.has_ended

    async def test_an_attempt_that_lost_its_fence_writes_nothing(
        self, db: Database, settings: Settings, storage: LocalStorage
    ) -> None:
        video = await stored_video(db, storage)
        context, _ = await begin_attempt(db, settings, JobKind.PROBE, video)
        async with db.write() as session:
            (await session.get_one(Job, context.job_id)).attempt = 2

        with pytest.raises(FenceLost):
            await probe(context)

        assert (await reload(db, video)).probed_at is None
        assert await renditions(db) == []


class TestExtractAudio:
    async def test_stores_the_default_track(self, db: Database, settings: Settings, storage: LocalStorage) -> None:
        video = await stored_video(db, storage, info=fake_media_info())
        media = FakeMediaTools(audio_start_ms=21)
        context, control = await begin_attempt(db, settings, JobKind.AUDIO_EXTRACTION, video, media=media)

        await extract_audio(context)

        [audio] = await renditions(db)
        assert (audio.kind, audio.content_type) == (RenditionKind.ASR_AUDIO, "audio/wav")
        assert (audio.start_ms, audio.duration_ms) == (21, 10_000)
        assert (await storage.head(audio.storage_key)).size_bytes == audio.size_bytes  # type: ignore[union-attr]
        assert (await job_row(db, context)).status is JobStatus.SUCCEEDED
        assert control.reports == [
            (0.5, "Extracting audio", 5_000, 10_000),
            (0.99, "Extracting audio", 10_000, 10_000),
        ]

    async def test_a_second_run_leaves_the_same_rows(
        self, db: Database, settings: Settings, storage: LocalStorage
    ) -> None:
        video = await stored_video(db, storage, info=fake_media_info())
        for start_ms in (21, 42):
            context, _ = await begin_attempt(
                db, settings, JobKind.AUDIO_EXTRACTION, video, media=FakeMediaTools(audio_start_ms=start_ms)
            )
            await extract_audio(context)

        assert [row.start_ms for row in await renditions(db)] == [42]

    async def test_without_a_track_it_succeeds_without_a_rendition(
        self, db: Database, settings: Settings, storage: LocalStorage
    ) -> None:
        video = await stored_video(db, storage, info=fake_media_info(with_audio=False))
        context, _ = await begin_attempt(db, settings, JobKind.AUDIO_EXTRACTION, video)

        await extract_audio(context)

        job = await job_row(db, context)
        assert (job.status, job.result) == (JobStatus.SUCCEEDED, {"reason": "NO_AUDIO"})
        assert await renditions(db) == []

    async def test_before_the_probe_it_is_not_ready(
        self, db: Database, settings: Settings, storage: LocalStorage
    ) -> None:
        video = await stored_video(db, storage)
        context, _ = await begin_attempt(db, settings, JobKind.AUDIO_EXTRACTION, video)

        with pytest.raises(CuepointError) as refused:
            await extract_audio(context)

        assert refused.value.code is ErrorCode.NOT_READY

    async def test_a_cancel_stops_it(self, db: Database, settings: Settings, storage: LocalStorage) -> None:
        video = await stored_video(db, storage, info=fake_media_info())
        context, _ = await begin_attempt(db, settings, JobKind.AUDIO_EXTRACTION, video, cancel_at=0)

        with pytest.raises(JobCancelled):
            await extract_audio(context)

        assert await renditions(db) == []


class TestDeleteVideo:
    async def test_removes_files_then_rows_and_may_run_twice(
        self, db: Database, settings: Settings, storage: LocalStorage, tmp_path: Path
    ) -> None:
        project = await make_project(db)
        upload = await make_upload(db, project, status=UploadStatus.COMPLETE, storage_key="projects/p/original/a")
        video, other = await make_video(db, project, info=INFO), await make_video(db, project)
        clip = await make_clip(db, video, is_rendered=True)
        await make_moment(db, video)
        poster = await make_rendition(
            db, video, RenditionKind.POSTER, storage_key=video_prefix(project.id, video.id) + "thumbnails/p.jpg"
        )
        (tmp_path / "file").write_bytes(b"data")
        for key in (video.storage_key, clip.storage_key, poster.storage_key, other.storage_key):
            await storage.put_file(str(key), tmp_path / "file")
        admin = await make_viewer(db, is_admin=True)
        async with db.write() as session:
            (await session.get_one(Video, video.id)).upload_id = upload.id
        async with db.write() as session:
            _, job = await service.delete_video(session, admin, video.id)

        for removed in (3, 0):
            context, _ = await begin_attempt(db, settings, JobKind.VIDEO_DELETION, args=job.args)
            await delete_video(context)
            assert (await job_row(db, context)).result == {"filesRemoved": removed}

        async with db.read() as session:
            assert list(await session.scalars(select(Video.id))) == [other.id]
        assert [await count(db, model) for model in (Upload, Clip, Rendition)] == [0, 0, 0]
        assert await storage.head(video.storage_key) is None
        assert await storage.head(other.storage_key) is not None

    async def test_never_removes_a_row_that_was_not_marked(
        self, db: Database, settings: Settings, storage: LocalStorage
    ) -> None:
        video = await stored_video(db, storage)
        args = {"video_id": str(video.id), "prefix": video_prefix(video.project_id, video.id)}
        context, _ = await begin_attempt(db, settings, JobKind.VIDEO_DELETION, args=args)

        await delete_video(context)

        assert (await reload(db, video)).deleted_at is None


@pytest.mark.media
class TestWithRealMedia:
    @pytest.fixture
    def tools(self, settings: Settings) -> ChildMediaTools:
        return ChildMediaTools(settings)

    async def run_both(self, db: Database, settings: Settings, video: Video, tools: MediaTools) -> tuple[Job, Job]:
        probing, _ = await begin_attempt(db, settings, JobKind.PROBE, video, media=tools)
        await probe(probing)
        extracting, _ = await begin_attempt(db, settings, JobKind.AUDIO_EXTRACTION, video, media=tools)
        await extract_audio(extracting)
        return await job_row(db, probing), await job_row(db, extracting)

    async def test_one_second_of_video_has_all(
        self, db: Database, settings: Settings, storage: LocalStorage, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        video = await stored_video(db, storage, make_media(tmp_path / "a.mp4", seconds=1))

        jobs = await self.run_both(db, settings, video, tools)

        row = await reload(db, video)
        assert [job.status for job in jobs] == [JobStatus.SUCCEEDED] * 2
        assert (row.content_type, row.container, row.width, row.height) == ("video/mp4", "mp4", 320, 180)
        assert abs((row.duration_ms or 0) - 1_000) <= 70
        assert [r.kind for r in await renditions(db)] == [RenditionKind.ASR_AUDIO, RenditionKind.POSTER]

    async def test_without_sound_there_is_a_picture_only(
        self, db: Database, settings: Settings, storage: LocalStorage, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        video = await stored_video(db, storage, make_media(tmp_path / "a.mp4", seconds=1, audio=None))

        _, extracting = await self.run_both(db, settings, video, tools)

        assert extracting.result == {"reason": "NO_AUDIO"}
        assert [r.kind for r in await renditions(db)] == [RenditionKind.POSTER]

    async def test_sound_alone_has_no_picture(
        self, db: Database, settings: Settings, storage: LocalStorage, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        video = await stored_video(db, storage, make_wav(tmp_path / "a.wav", seconds=1.5))

        await self.run_both(db, settings, video, tools)

        assert (await reload(db, video)).content_type == "audio/wav"
        assert [(r.kind, r.duration_ms) for r in await renditions(db)] == [(RenditionKind.ASR_AUDIO, 1_500)]

    async def test_a_file_cut_off_before_its_end_is_used_as_far_as_it_goes(
        self, db: Database, settings: Settings, storage: LocalStorage, tools: ChildMediaTools, tmp_path: Path
    ) -> None:
        video = await stored_video(db, storage, make_truncated(tmp_path / "a.mp4", with_index=True))

        probing, _ = await self.run_both(db, settings, video, tools)

        assert probing.result is not None
        assert probing.result["warnings"][0].startswith("TRUNCATED: ")

    @pytest.mark.parametrize(
        ("spoil", "code"),
        [
            ("text", ErrorCode.UNSUPPORTED_MEDIA),
            ("one byte", ErrorCode.UNSUPPORTED_MEDIA),
            ("no index", ErrorCode.MEDIA_TRUNCATED),
        ],
    )
    async def test_what_is_no_media_is_refused(
        self,
        db: Database,
        settings: Settings,
        storage: LocalStorage,
        tools: ChildMediaTools,
        tmp_path: Path,
        spoil: str,
        code: ErrorCode,
    ) -> None:
        path = tmp_path / "a.mp4"
        if spoil == "text":
            make_text(path)
        elif spoil == "one byte":
            path.write_bytes(b"x")
        else:
            make_truncated(path, with_index=False)
        video = await stored_video(db, storage, path)
        context, _ = await begin_attempt(db, settings, JobKind.PROBE, video, media=tools)

        with pytest.raises((CuepointError, AdapterError)) as refused:
            await probe(context)

        assert refused.value.code is code
        assert not getattr(refused.value, "retryable", True)
        assert (await reload(db, video)).probed_at is None
