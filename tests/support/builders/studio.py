"""A stored original, and the tasks that look at it with real media tools."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from PIL import Image
from sqlalchemy import func, select

from cuepoint.adapters.bundle import Adapters
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.adapters.storage.local import LocalStorage
from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.features.jobs.context import TaskBody, TaskContext
from cuepoint.features.jobs.models import JobKind, JobStatus
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.viewer import Viewer
from tests.support.builders.attempts import begin_attempt, job_row
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_upload, make_video
from tests.support.storage import LIMIT, stream


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

    async def reloaded(self) -> Video:
        """The video as it is now."""
        async with self.db.read() as session:
            return await session.get_one(Video, self.video.id)

    async def uploaded(self, data: bytes) -> Upload:
        """A whole upload of these bytes to the project of the video."""
        async with self.db.read() as session:
            project = await session.get_one(Project, self.video.project_id)
        upload = await make_upload(self.db, project, size_bytes=len(data), status=UploadStatus.COMPLETE)
        await self.storage.append(upload.storage_key, 0, stream(data), limit=LIMIT)
        return upload


async def studio_of(db: Database, settings: Settings, source: Path) -> Studio:
    """The video is of this file, which is probed and stored."""
    viewer = await make_viewer(db)
    project = await make_project(db, owner_id=viewer.user_id)
    video = await make_video(db, project, info=await ChildMediaTools(settings).probe(source))
    storage = LocalStorage(settings.storage_directory(), min_free_bytes=0)
    await storage.put_file(video.storage_key, source)
    return Studio(db, settings, storage, viewer, video)


def png(size: tuple[int, int] = (1600, 800)) -> bytes:
    """A red picture."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (220, 20, 20)).save(buffer, "PNG")
    return buffer.getvalue()


async def told(db: Database, context: TaskContext) -> dict[str, Any] | None:
    """The result of a job that succeeded."""
    job = await job_row(db, context)
    assert job.status is JobStatus.SUCCEEDED
    return job.result
