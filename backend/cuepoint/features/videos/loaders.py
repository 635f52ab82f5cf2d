"""Batch look-ups of videos, their posters, their jobs and their state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.keyset import PageRequest, fetch_pages
from cuepoint.features.jobs.models import Job
from cuepoint.features.projects import access
from cuepoint.features.projects.edges import (
    FIGURES_OF_PROJECT,
    VIDEO_COUNT_OF_PROJECT,
    VIDEOS_OF_PROJECT,
    ProjectFigures,
)
from cuepoint.features.uploads.edges import VIDEO_OF_CONTENT
from cuepoint.features.videos.edges import CLIP_COUNT_OF_VIDEO, MOMENT_COUNT_OF_VIDEO
from cuepoint.features.videos.look_loaders import AudioFileCountOfVideo
from cuepoint.features.videos.models import Video
from cuepoint.features.videos.repository import is_file, newest_jobs_of
from cuepoint.graphql.counts import CountLoader, Counts, Key
from cuepoint.graphql.loaders import Binding, Loader
from cuepoint.graphql.page_loaders import PageLoader, PagesById


class VideoById(Loader[UUID, Video | None]):
    """Videos by key, as far as the viewer may see them."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, Video | None]:
        """One statement for all keys."""
        visible = access.sees_video(self.context.require_viewer(), Video.project_id, Video.id)
        statement = select(Video).where(Video.id.in_(keys), Video.deleted_at.is_(None), visible)
        async with self.context.db.read() as session:
            return {row.id: row for row in await session.scalars(statement)}


class VideoOfContent(Loader[tuple[UUID, str], Video | None]):
    """The oldest video of a file, by project and any of its hashes, as far as the viewer may see it."""

    async def fetch(self, keys: Sequence[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], Video | None]:
        """One statement for all keys."""
        visible = access.visible_projects(self.context.require_viewer())
        statement = (
            select(Video)
            .where(or_(*[is_file(*key) for key in keys]), Video.project_id.in_(visible))
            .order_by(Video.created_at.desc(), Video.id.desc())
        )
        async with self.context.db.read() as session:
            found = (await session.scalars(statement)).all()
        return {(row.project_id, known): row for row in found for known in (row.content_hash, row.sha256) if known}


class NewestJobsOfVideo(Loader[UUID, list[Job]]):
    """The newest job of each step of each video: what its state and its problems follow from."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, list[Job]]:
        """One statement for all keys."""
        async with self.context.db.read() as session:
            return await newest_jobs_of(session, keys)


class JobsOfVideo(PageLoader[Job]):
    """A page of jobs of each video, newest first."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[Job]:
        """One statement, whatever the number of videos."""
        keys = [(Job.created_at, datetime), (Job.id, UUID)]
        visible = Job.project_id.in_(access.visible_projects(self.context.require_viewer()))
        return await fetch_pages(session, Job, Job.video_id, ids, keys, page, where=[visible], descending=True)


class JobCountOfVideo(CountLoader):
    """How many jobs each video has had."""

    def counted(self, owner: Key) -> Select[int]:
        """Those of projects that the viewer is a member of."""
        visible = Job.project_id.in_(access.visible_projects(self.context.require_viewer()))
        return select(func.count()).select_from(Job).where(Job.video_id == owner, visible)


class VideosOfProject(PageLoader[Video]):
    """A page of videos of each project, newest first."""

    async def pages(self, session: AsyncSession, ids: Sequence[UUID], page: PageRequest) -> PagesById[Video]:
        """One statement, whatever the number of projects."""
        keys = [(Video.created_at, datetime), (Video.id, UUID)]
        alive = [Video.deleted_at.is_(None)]
        return await fetch_pages(session, Video, Video.project_id, ids, keys, page, where=alive, descending=True)


class VideoCountOfProject(CountLoader):
    """How many videos each project has."""

    def counted(self, owner: Key) -> Select[int]:
        """Those that are not deleted."""
        return select(func.count()).select_from(Video).where(Video.project_id == owner, Video.deleted_at.is_(None))


class FiguresOfProject(Loader[UUID, ProjectFigures]):
    """How many videos each project has, and how long they are."""

    async def fetch(self, keys: Sequence[UUID]) -> Mapping[UUID, ProjectFigures]:
        """One statement for all keys."""
        length = func.sum(Video.duration_ms)
        statement = (
            select(Video.project_id, func.count(), func.count(Video.probed_at), length)
            .where(Video.project_id.in_(keys), Video.deleted_at.is_(None))
            .group_by(Video.project_id)
        )
        async with self.context.db.read() as session:
            rows = (await session.execute(statement)).all()
        found = {row[0]: ProjectFigures(row[1], row[2], row[3] or 0) for row in rows}
        return dict.fromkeys(keys, ProjectFigures(0, 0, 0)) | found


COUNTS_OF_VIDEO = Counts(
    Video.id,
    {
        "jobs": JobCountOfVideo,
        "moments": MOMENT_COUNT_OF_VIDEO,
        "clips": CLIP_COUNT_OF_VIDEO,
        "audioFiles": AudioFileCountOfVideo,
    },
)
BINDINGS: tuple[Binding, ...] = (
    (VIDEO_OF_CONTENT, VideoOfContent),
    (VIDEOS_OF_PROJECT, VideosOfProject),
    (VIDEO_COUNT_OF_PROJECT, VideoCountOfProject),
    (FIGURES_OF_PROJECT, FiguresOfProject),
)
