"""Use cases of audio files: ask for one, read and list them, store what was written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base_looks import AudioFileInfo, AudioFormat, AudioQuality, AudioRequest
from cuepoint.db.base import uuid7
from cuepoint.errors import BadInputError, NotFoundError
from cuepoint.features.files.layout import slug
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.videos.models import AudioFile, Video
from cuepoint.features.videos.service import MediaFile, get_video, require_files, stored_media_info
from cuepoint.features.videos.tracks import track_of
from cuepoint.viewer import Viewer

SAMPLE_RATES = (8_000, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
# What the encoders take: libmp3lame and libopus know these rates alone.
_RATES = {
    AudioFormat.MP3: (8_000, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    AudioFormat.OPUS: (8_000, 12_000, 16_000, 24_000, 48_000),
}
SUFFIXES = {
    AudioFormat.WAV: (".wav", "audio/wav"),
    AudioFormat.MP3: (".mp3", "audio/mpeg"),
    AudioFormat.FLAC: (".flac", "audio/flac"),
    AudioFormat.OPUS: (".opus", "audio/ogg"),
    AudioFormat.M4A: (".m4a", "audio/mp4"),
}


@dataclass(frozen=True)
class WantedAudio:
    """What a client asks for. None keeps what the track has; no track is the default one."""

    format: AudioFormat
    quality: AudioQuality = AudioQuality.STANDARD
    sample_rate: int | None = None
    channels: int | None = None
    track_index: int | None = None
    is_normalized: bool = False


async def request_audio(
    session: AsyncSession, viewer: Viewer, video_id: UUID, wanted: WantedAudio
) -> tuple[AudioFile, Job]:
    """An audio file, and the job that writes it. Raises NOT_READY before the probe, BAD_USER_INPUT for a rate that the
    format has not, UNSUPPORTED_MEDIA where there is no such track."""
    video = await get_video(session, viewer, video_id, ProjectRole.EDITOR)
    require_files(video)
    _check(wanted)
    track_index = track_of(stored_media_info(video), wanted.track_index, "trackIndex")
    file_id = uuid7()
    job = await jobs.enqueue(
        session,
        JobKind.AUDIO_EXPORT,
        project_id=video.project_id,
        video_id=video.id,
        created_by_id=viewer.user_id,
        args={"audio_file_id": str(file_id)},
        media_ms=video.duration_ms,
    )
    row = AudioFile(
        id=file_id,
        project_id=video.project_id,
        video_id=video.id,
        job_id=job.id,
        created_by_id=viewer.user_id,
        format=wanted.format,
        quality=wanted.quality,
        track_index=track_index,
        wanted_sample_rate=wanted.sample_rate,
        wanted_channels=wanted.channels,
        is_normalized=wanted.is_normalized,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return row, job


def _check(wanted: WantedAudio) -> None:
    rates = _RATES.get(wanted.format, SAMPLE_RATES)
    if wanted.sample_rate is not None and wanted.sample_rate not in rates:
        known = ", ".join(str(rate) for rate in rates)
        raise BadInputError(f"{wanted.format.value} can have these sample rates: {known}.", field=("sampleRate",))
    if wanted.channels is not None and wanted.channels not in (1, 2):
        raise BadInputError("An audio file can have 1 or 2 channels; null keeps the track's.", field=("channels",))


def audio_request(row: AudioFile) -> AudioRequest:
    """The wish as the media tools take it."""
    return AudioRequest(
        track_index=row.track_index,
        format=row.format,
        quality=row.quality,
        sample_rate=row.wanted_sample_rate,
        channels=row.wanted_channels,
        is_normalized=row.is_normalized,
    )


async def audio_row(session: AsyncSession, file_id: UUID) -> tuple[AudioFile, Video] | None:
    """The row and its video, for background work; None when either is gone."""
    statement = (
        select(AudioFile, Video)
        .join(Video, Video.id == AudioFile.video_id)
        .where(AudioFile.id == file_id, Video.deleted_at.is_(None))
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row[0], row[1])


async def record_audio(session: AsyncSession, file_id: UUID, key: str, made: AudioFileInfo) -> None:
    """The file is offered."""
    row = await session.get(AudioFile, file_id, with_for_update=True)
    if row is None:
        raise NotFoundError("audio file")
    row.storage_key, row.size_bytes, row.duration_ms = key, made.size_bytes, made.duration_ms
    row.sample_rate, row.channels, row.written_at = made.sample_rate, made.channels, datetime.now(UTC)
    await session.flush()


def visible(viewer: Viewer) -> list[ColumnElement[bool]]:
    """Conditions of the audio files that the viewer may see."""
    living = select(Video.id).where(Video.id == AudioFile.video_id, Video.deleted_at.is_(None)).exists()
    return [AudioFile.project_id.in_(access.visible_projects(viewer)), living]


async def audio_media_file(session: AsyncSession, file_id: UUID) -> MediaFile | None:
    """The file, for a signed URL."""
    found = await audio_row(session, file_id)
    key = None if found is None else found[0].storage_key
    if found is None or key is None:
        return None
    row, video = found
    suffix, content_type = SUFFIXES[row.format]
    return MediaFile(key, content_type, slug(video.filename) + suffix)
