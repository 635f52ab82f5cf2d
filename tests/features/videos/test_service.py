"""Videos: read and found by members only, with what their probe said."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.db.keyset import PageRequest
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.projects.models import Project
from cuepoint.features.videos import repository, service
from cuepoint.features.videos.lists import VideoFilter
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import make_job
from tests.support.builders.projects import make_project
from tests.support.builders.videos import INFO, make_video
from tests.support.graphql import count_statements


class TestListVideos:
    async def test_shows_members_theirs_newest_first(self, db: Database, viewer: Viewer, project: Project) -> None:
        other = await make_project(db)
        made = [await make_video(db, project) for _ in range(3)]
        await make_video(db, other)

        async with db.read() as session:
            page = await service.list_videos(session, viewer, PageRequest(2))
            foreign = await service.list_videos(session, viewer, PageRequest(2), VideoFilter(project_id=other.id))
            total = await service.count_videos(session, viewer)

        assert [video.id for video in page.rows] == [made[2].id, made[1].id]
        assert page.has_next_page
        assert list(foreign.rows) == []
        assert total == 3

    @pytest.mark.parametrize("wanted", ["ab" * 32, "cd" * 32], ids=["blake3", "sha256"])
    async def test_finds_a_file_by_either_hash(
        self, db: Database, viewer: Viewer, project: Project, wanted: str
    ) -> None:
        video = await make_video(db, project, content_hash="ab" * 32, sha256="cd" * 32)
        await make_video(db, project)

        async with db.read() as session:
            only = VideoFilter(project_id=project.id, content_hash=wanted)
            page = await service.list_videos(session, viewer, PageRequest(2), only)

        assert [row.id for row in page.rows] == [video.id]

    @pytest.mark.parametrize("content_hash", ["", "x", "\x00", "AB" * 32])
    async def test_refuses_what_is_no_hash(self, db: Database, viewer: Viewer, content_hash: str) -> None:
        async with db.read() as session:
            with pytest.raises(BadInputError):
                await service.list_videos(session, viewer, PageRequest(2), VideoFilter(content_hash=content_hash))


class TestStoredMediaInfo:
    async def test_comes_back_as_it_was_recorded(self, db: Database, project: Project) -> None:
        video = await make_video(db, project, info=None)
        info = MediaInfo(
            "mov,mp4",
            81_500,
            10,
            None,
            (
                TrackInfo(
                    index=0,
                    type="VIDEO",
                    codec="h264",
                    width=720,
                    height=1280,
                    rotation_degrees=90,
                    frame_rate=(24_000, 1001),
                ),
                TrackInfo(index=1, type="AUDIO", codec="aac", language="de", is_default=True, start_ms=21),
                TrackInfo(index=2, type="DATA", codec=None),
            ),
            ("TRUNCATED: 12.0 s of 81.5 s can be read",),
        )

        async with db.write() as session:
            await service.record_media_info(session, video.id, info, "video/mp4", None)

        async with db.read() as session:
            stored = await service.video_row(session, video.id)
        assert stored is not None
        assert service.stored_media_info(stored) == info
        assert (stored.width, stored.height, stored.duration_ms) == (720, 1280, 81_500)

    async def test_before_the_probe_it_is_not_ready(self, db: Database, project: Project) -> None:
        video = await make_video(db, project, info=None)

        with pytest.raises(CuepointError) as refused:
            service.stored_media_info(video)

        assert refused.value.code is ErrorCode.NOT_READY


class TestRecordMediaInfo:
    async def test_a_second_probe_replaces_the_poster_or_takes_it_away(self, db: Database, project: Project) -> None:
        video = await make_video(db, project)

        for size in (10, 20, None):
            poster = None
            if size is not None:
                poster = Rendition(
                    video_id=video.id,
                    kind=RenditionKind.POSTER,
                    storage_key="projects/p/poster.jpg",
                    content_type="image/jpeg",
                    size_bytes=size,
                )
            async with db.write() as session:
                await service.record_media_info(session, video.id, INFO, "video/mp4", poster)
            async with db.read() as session:
                sizes = list(await session.scalars(select(Rendition.size_bytes)))
            assert sizes == ([] if size is None else [size])

    async def test_a_deleted_video_takes_nothing(self, db: Database, viewer: Viewer, project: Project) -> None:
        video = await make_video(db, project, info=None)
        async with db.write() as session:
            await service.delete_video(session, viewer, video.id)

        async with db.write() as session:
            with pytest.raises(NotFoundError):
                await service.record_media_info(session, video.id, INFO, "video/mp4", None)


class TestNewestJobsOf:
    async def test_takes_the_newest_of_each_step_and_no_clips(self, db: Database, project: Project) -> None:
        video, other = await make_video(db, project), await make_video(db, project)
        await make_job(db, JobKind.PROBE, video, status=JobStatus.FAILED, error_code="CHILD_CRASHED")
        newest = await make_job(db, JobKind.PROBE, video)
        speech = await make_job(db, JobKind.TRANSCRIPTION, video)
        await make_job(db, JobKind.CLIP_EXTRACTION, video, status=JobStatus.FAILED)

        async with db.read() as session:
            found = await repository.newest_jobs_of(session, [video.id, other.id])

        assert {key: [job.id for job in jobs] for key, jobs in found.items()} == {
            video.id: [newest.id, speech.id],
            other.id: [],
        }


class TestPlans:
    async def test_a_hash_is_looked_up_by_index(self, db: Database, viewer: Viewer, project: Project) -> None:
        other = await make_project(db)
        async with db.write() as session:
            for owner in (project, other):
                session.add_all(
                    Video(
                        project_id=owner.id,
                        title="t",
                        filename="f",
                        storage_key="k",
                        size_bytes=1,
                        content_hash=f"{number:064x}",
                    )
                    for number in range(1_000)
                )
        async with db.write() as session:
            await (await session.connection()).exec_driver_sql("analyze videos")

        with count_statements(db.engine) as seen:
            async with db.read() as session:
                page = await service.list_videos(
                    session, viewer, PageRequest(25), VideoFilter(project_id=project.id, content_hash=f"{7:064x}")
                )
        plan = await seen.plans(db)

        assert len(page.rows) == 1
        assert "ix_videos_project_id_content_hash" in plan
        assert "ix_videos_project_id_sha256" in plan
        assert "Seq Scan on videos" not in plan


class TestSlug:
    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("Match Day #1.MP4", "match-day-1"),
            ("../../etc/passwd", "passwd"),
            ("日本.mp4", "video"),
            ("", "video"),
            (".mp4", "mp4"),
            ("--a--.mov", "a"),
            ("x" * 100 + ".mp4", "x" * 40),
            ("a\nb'\".mp4", "a-b"),
        ],
    )
    def test_keeps_only_harmless_characters(self, name: str, slug: str) -> None:
        assert service.slug(name) == slug
