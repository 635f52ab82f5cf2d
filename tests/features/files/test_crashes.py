"""A process that dies at any step leaves, after the sweep, no row without its file and no file without its row."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cuepoint.adapters.media.base import PosterInfo, RenderedClip
from cuepoint.adapters.media.fake import FakeMediaTools
from cuepoint.features.clips.models import Clip
from cuepoint.features.clips.tasks import extract_clip
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.projects.models import Project
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.features.videos.tasks import delete_video, probe
from tests.features.files.conftest import World, dies_everywhere
from tests.support.builders.clips import make_clip
from tests.support.builders.projects import make_project
from tests.support.builders.users import make_viewer
from tests.support.builders.videos import make_rendition, make_video
from tests.support.faults import stored_keys
from tests.support.storage import put


class OtherBytes(FakeMediaTools):
    """Each poster and each clip has other bytes than the one before."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def _write(self, target: Path) -> None:
        target.write_bytes(b"made %d" % self.number)

    async def poster(self, path: Path, target: Path, *, duration_ms: int | None) -> PosterInfo | None:
        self._write(target)
        return PosterInfo(at_ms=1, width=2, height=2)

    async def render_clip(self, path: Path, target: Path, **wanted: Any) -> RenderedClip:
        made = await super().render_clip(path, target, **wanted)
        self._write(target)
        return made


async def stored_video(world: World, tmp_path: Path) -> tuple[Project, Video]:
    project = await make_project(world.db)
    video = await make_video(world.db, project)
    await put(world.storage, video.storage_key, b"x" * 1000, tmp_path)
    return project, video


class TestDeletion:
    async def test_of_a_video(self, world: World, tmp_path: Path) -> None:
        project, video = await stored_video(world, tmp_path)
        other = await make_video(world.db, project)
        await put(world.storage, other.storage_key, b"y" * 1000, tmp_path)
        for row in (
            await make_clip(world.db, video, is_rendered=True),
            await make_rendition(world.db, video, RenditionKind.POSTER),
        ):
            await put(world.storage, str(row.storage_key), b"z", tmp_path)
        world.strays = {f"projects/{project.id.hex}/videos/{video.id.hex}/old"}
        await put(world.storage, *world.strays, b"z", tmp_path)
        viewer = await make_viewer(world.db, is_admin=True)
        async with world.db.write() as session:
            _, job = await videos.delete_video(session, viewer, video.id)
        assert job is not None
        args = job.args

        async def run() -> None:
            attempt = await world.attempt(JobKind.VIDEO_DELETION, None, args=args)
            await delete_video(dataclasses.replace(attempt, project_id=project.id))

        steps = await dies_everywhere(world, run)

        assert steps > 8
        assert stored_keys(world.storage) == {other.storage_key}


class TestReplacement:
    async def test_of_a_rendition(self, world: World, tmp_path: Path) -> None:
        _, video = await stored_video(world, tmp_path)
        numbers = iter(range(100))

        async def run() -> None:
            await probe(await world.attempt(JobKind.PROBE, video, media=OtherBytes(next(numbers))))

        first = await dies_everywhere(world, run)
        second = await dies_everywhere(world, run)
        await world.sweep()

        async with world.db.read() as session:
            [poster] = await session.scalars(select(Rendition))
        assert first == second > 5
        assert stored_keys(world.storage) == {video.storage_key, poster.storage_key}

    async def test_of_a_clip(self, world: World, tmp_path: Path) -> None:
        _, video = await stored_video(world, tmp_path)
        clip = await make_clip(world.db, video, is_rendered=True)
        await put(world.storage, str(clip.storage_key), b"old", tmp_path)
        numbers = iter(range(100))

        async def run() -> None:
            media, args = OtherBytes(next(numbers)), {"clip_id": str(clip.id)}
            await extract_clip(await world.attempt(JobKind.CLIP_EXTRACTION, video, args=args, media=media))

        steps = await dies_everywhere(world, run)
        await world.sweep()

        async with world.db.read() as session:
            key = await session.scalar(select(Clip.storage_key))
        assert steps > 5
        assert stored_keys(world.storage) == {video.storage_key, key}
