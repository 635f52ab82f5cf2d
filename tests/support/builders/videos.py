"""Videos, renditions and uploads for tests."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos.models import (
    AudioFile,
    AudioFormat,
    AudioQuality,
    Rendition,
    RenditionKind,
    SoundMap,
    Storyboard,
    Video,
)

INFO = MediaInfo(
    container="mov,mp4,m4a,3gp,3g2,mj2",
    duration_ms=81_500,
    size_bytes=1000,
    bit_rate=100_000,
    tracks=(
        TrackInfo(index=0, type="VIDEO", codec="h264", width=1280, height=720, frame_rate=(24, 1)),
        TrackInfo(index=1, type="AUDIO", codec="aac", channels=1, sample_rate=16_000),
    ),
)


async def make_video(
    db: Database,
    project: Project,
    *,
    info: MediaInfo | None = INFO,
    title: str = "Four short stories",
    content_hash: str | None = None,
    **values: object,
) -> Video:
    """A video, probed unless `info` is None."""
    key = uuid7()
    video = Video(
        id=key,
        project_id=project.id,
        title=title,
        filename="stories.mp4",
        storage_key=f"projects/{project.id.hex}/videos/{key.hex}/original/stories",
        size_bytes=1000,
        content_hash=content_hash or key.hex * 2,
        **values,
    )
    if info is not None:
        video.media = dataclasses.asdict(info)
        video.duration_ms = info.duration_ms
        video.container = info.container
        video.content_type = "video/mp4"
        video.probed_at = datetime.now(UTC)
    async with db.write() as session:
        session.add(video)
        await session.flush()
        await session.refresh(video)
    return video


async def make_rendition(db: Database, video: Video, kind: RenditionKind, **values: object) -> Rendition:
    """A derived file of the video."""
    rendition = Rendition(
        id=uuid7(),
        video_id=video.id,
        kind=kind,
        **{
            "storage_key": f"projects/{video.project_id.hex}/videos/{video.id.hex}/{kind.value}",
            "content_type": "audio/wav",
            "size_bytes": 10,
            "start_ms": 0,
            "duration_ms": video.duration_ms,
            **values,
        },
    )
    async with db.write() as session:
        session.add(rendition)
    return rendition


async def make_maps(db: Database, video: Video, *, silences: list[int], black: list[int], step_ms: int = 40) -> None:
    """What is known of the sound and the pictures of the video, without their files."""
    grid = {"tile_width": 320, "tile_height": 180, "columns": 1, "rows": 1, "interval_ms": 1000}
    none = {"sheet_ends": [], "tile_ends": [], "hashes": b"", "bands": [], "freeze_ranges": []}
    async with db.write() as session:
        session.add(SoundMap(video_id=video.id, samples=0, start_ms=0, silences=silences, sounds=[]))
        session.add(Storyboard(video_id=video.id, step_ms=step_ms, black_ranges=black, **grid, **none))


async def make_audio_file(db: Database, video: Video, *, is_written: bool = True) -> AudioFile:
    """A sound track of the video to take away; with a file if it is written."""
    key = uuid7()
    file = {"storage_key": f"projects/{video.project_id.hex}/audio/{video.id.hex}/{key.hex}.mp3", "size_bytes": 50}
    audio = AudioFile(
        id=key,
        project_id=video.project_id,
        video_id=video.id,
        format=AudioFormat.MP3,
        quality=AudioQuality.STANDARD,
        track_index=1,
        is_normalized=False,
        **(file if is_written else {}),
    )
    async with db.write() as session:
        session.add(audio)
        await session.flush()
        await session.refresh(audio)
    return audio


async def make_upload(
    db: Database,
    project: Project,
    *,
    size_bytes: int | None = 10,
    status: UploadStatus = UploadStatus.WAITING,
    **values: object,
) -> Upload:
    """An upload of the project."""
    key = uuid7()
    upload = Upload(
        id=key,
        project_id=project.id,
        **{
            "filename": "stories.mp4",
            "size_bytes": size_bytes,
            "offset_bytes": size_bytes if status is UploadStatus.COMPLETE else 0,
            "content_hash": "ab" * 32 if status is UploadStatus.COMPLETE else None,
            "status": status,
            "storage_key": f"uploads/{key.hex}",
            "expires_at": datetime.now(UTC) + timedelta(hours=1),
            **values,
        },
    )
    async with db.write() as session:
        session.add(upload)
        await session.flush()
        await session.refresh(upload)
    return upload
