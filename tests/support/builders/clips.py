"""Clips and moments for tests."""

from __future__ import annotations

from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.clips.models import Clip, Reel
from cuepoint.features.moments.models import Moment
from cuepoint.features.projects.models import Project
from cuepoint.features.videos.models import Video


async def make_moment(
    db: Database,
    video: Video,
    *,
    start_ms: int = 4_000,
    end_ms: int = 9_000,
    title: str = "The seed",
    priority: int = 1,
) -> Moment:
    """A moment of the video."""
    moment = Moment(
        id=uuid7(),
        project_id=video.project_id,
        video_id=video.id,
        start_ms=start_ms,
        end_ms=end_ms,
        title=title,
        reason="It says that it matters.",
        score=0.5,
        signals={"emphasis": 0.5},
        priority=priority,
        method="by hand",
    )
    async with db.write() as session:
        session.add(moment)
        await session.flush()
        await session.refresh(moment)
    return moment


async def make_clip(db: Database, video: Video, *, is_rendered: bool = False, **values: object) -> Clip:
    """A clip of the video's first second; with a file if it is rendered."""
    key = uuid7()
    file = {
        "actual_start_ms": 0,
        "actual_end_ms": 1_000,
        "storage_key": f"projects/{video.project_id.hex}/videos/{video.id.hex}/clips/{key.hex}.mp4",
        "content_type": "video/mp4",
        "size_bytes": 100,
        "duration_ms": 1_000,
        "width": 640,
        "height": 360,
    }
    asked = {"title": "First second", "requested_start_ms": 0, "requested_end_ms": 1_000}
    clip = Clip(
        id=key,
        project_id=video.project_id,
        video_id=video.id,
        **{**asked, **(file if is_rendered else {}), **values},
    )
    async with db.write() as session:
        session.add(clip)
        await session.flush()
        await session.refresh(clip)
    return clip


async def make_reel(db: Database, project: Project, *, is_rendered: bool = False, **values: object) -> Reel:
    """A reel of the project; with a file if it is rendered."""
    key = uuid7()
    file = {"storage_key": f"projects/{project.id.hex}/exports/{key.hex}/reel.mp4", "size_bytes": 1_000}
    reel = Reel(id=key, project_id=project.id, **{"title": "Best of", **(file if is_rendered else {}), **values})
    async with db.write() as session:
        session.add(reel)
        await session.flush()
        await session.refresh(reel)
    return reel
