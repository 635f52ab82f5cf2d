"""Use cases of videos: register from an upload, read, list, delete, and record what probing finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePath
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.adapters.storage.base import Storage
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.files.layout import slug
from cuepoint.features.jobs import service as jobs
from cuepoint.features.jobs.creation import DEFAULT_PRIORITY
from cuepoint.features.jobs.effective import NO_OPTIONS, JobOptions
from cuepoint.features.jobs.kinds import PIPELINE
from cuepoint.features.jobs.models import Job, JobKind
from cuepoint.features.presets.service import effective_options
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.uploads import service as uploads
from cuepoint.features.uploads.duplicates import OnDuplicate
from cuepoint.features.uploads.keys import original_key, video_id_of
from cuepoint.features.uploads.models import Upload
from cuepoint.features.videos import repository
from cuepoint.features.videos.changes import external_id_error
from cuepoint.features.videos.deletion import delete_video
from cuepoint.features.videos.details import MAX_TITLE, NO_DETAILS, VideoDetails
from cuepoint.features.videos.lists import EVERY_VIDEO, VideoFilter, VideoOrder, conditions_of, keys_of
from cuepoint.features.videos.models import Rendition, RenditionKind, Video
from cuepoint.features.videos.tracks import named_track
from cuepoint.viewer import Viewer

__all__ = [
    "MediaFile",
    "Registration",
    "count_videos",
    "delete_video",
    "get_rendition",
    "get_video",
    "list_videos",
    "media_file",
    "record_media_info",
    "register_video",
    "remove_row",
    "rendition_file",
    "slug",
    "start_pipeline",
    "stored_media_info",
    "video_row",
]


# They choose the audio track and read it: what the others make of the sound is of the same one.
SOUND_STEPS = (JobKind.PROBE, JobKind.AUDIO_EXTRACTION, JobKind.WAVEFORM, JobKind.PROXY)


@dataclass(frozen=True)
class MediaFile:
    """A file that a signed URL may serve."""

    storage_key: str
    content_type: str
    filename: str
    span: tuple[int, int] | None = None  # the bytes of it that are served, as a file of their own


@dataclass(frozen=True)
class StartOptions:
    """How a pipeline runs; what is not said here is said by the preset, the project's settings, or the instance."""

    options: JobOptions = NO_OPTIONS
    preset_id: UUID | None = None
    batch_id: UUID | None = None
    force: bool = False


AS_SAID = StartOptions()


@dataclass(frozen=True)
class Registration:
    """What became of an upload. `video` is None where REJECT met `duplicate_of`, another video of the same bytes."""

    video: Video | None
    jobs: list[Job]
    duplicate_of: Video | None


async def register_video(
    db: Database,
    storage: Storage,
    viewer: Viewer,
    *,
    upload_id: UUID,
    title: str | None,
    auto_start: bool,
    on_duplicate: OnDuplicate = OnDuplicate.KEEP,
    details: VideoDetails = NO_DETAILS,
    how: StartOptions = AS_SAID,
) -> Registration:
    """The whole upload is a video, and its pipeline is enqueued in the same transaction unless told otherwise.

    An upload becomes a video only once: asking again answers with the video that exists. The bytes are moved first,
    under a key that follows from the upload; a crash before the commit leaves them to be found by the next call, or
    to be removed once the upload has expired.
    Where the project has a video of the same bytes, `on_duplicate` decides; two at once of the same bytes wait for
    each other.
    """
    async with db.read() as session:
        upload = await uploads.get_upload(session, viewer, upload_id, ProjectRole.EDITOR)
        existing = await repository.video_of_upload(session, upload_id)
        duplicate = await repository.video_of_content(session, upload)
    if existing is not None:
        return Registration(_undeleted(existing), [], duplicate)
    if duplicate is not None and on_duplicate is not OnDuplicate.KEEP:
        return await _refused(db, storage, upload, duplicate, on_duplicate)
    uploads.check_whole(upload, datetime.now(UTC))
    video = _new_video(upload, viewer, replace(details, title=title))
    await storage.finish_upload(upload.storage_key, video.storage_key)
    async with db.write() as session:
        taken = await uploads.take_upload(session, viewer, upload_id)
        existing = await repository.video_of_upload(session, upload_id)
        await repository.lock_content(session, taken)
        duplicate = await repository.video_of_content(session, taken)
        if existing is not None:
            return Registration(_undeleted(existing), [], duplicate)
        if duplicate is None or on_duplicate is OnDuplicate.KEEP:
            taken.storage_key = video.storage_key
            await _add(session, video)
            started = await _start(session, viewer, video, None, how) if auto_start else []
            return Registration(video, started, duplicate)
    return await _refused(db, storage, upload, duplicate, on_duplicate)


async def _refused(
    db: Database, storage: Storage, upload: Upload, duplicate: Video, on_duplicate: OnDuplicate
) -> Registration:
    """LINK drops the bytes for good; REJECT leaves them, as the client may decide otherwise."""
    if on_duplicate is OnDuplicate.REJECT:
        return Registration(None, [], duplicate)
    await uploads.give_up(db, storage, upload.id, original_key(upload))
    return Registration(duplicate, [], duplicate)


def _undeleted(video: Video) -> Video:
    if video.deleted_at is not None:
        raise CuepointError(
            ErrorCode.UPLOAD_ALREADY_USED,
            "The video of this upload was deleted; upload the file again.",
            field=("uploadId",),
        )
    return video


async def _add(session: AsyncSession, video: Video) -> None:
    session.add(video)
    try:
        await session.flush()
    except IntegrityError as error:
        raise external_id_error(error) or error from None
    await session.refresh(video)


def _new_video(upload: Upload, viewer: Viewer, details: VideoDetails) -> Video:
    named = " ".join((PurePath(upload.filename).name or upload.filename).split())
    facts = {"title": named[:MAX_TITLE] or "Untitled", **details.columns()}
    return Video(
        id=video_id_of(upload.id),
        project_id=upload.project_id,
        created_by_id=viewer.user_id,
        upload_id=upload.id,
        filename=upload.filename,
        storage_key=original_key(upload),
        size_bytes=upload.offset_bytes,
        content_hash=upload.content_hash,
        sha256=upload.declared_sha256,
        **facts,
    )


async def _start(
    session: AsyncSession, viewer: Viewer, video: Video, kinds: Sequence[JobKind] | None, how: StartOptions
) -> list[Job]:
    return await start_jobs(session, video, viewer.user_id, kinds, how)


async def start_jobs(
    session: AsyncSession,
    video: Video,
    created_by_id: UUID | None,
    kinds: Sequence[JobKind] | None,
    how: StartOptions,
) -> list[Job]:
    """The pipeline of a video for whoever has checked the rights: its jobs in order, with the options that hold."""
    said = how.options
    if kinds is not None:
        said = replace(said, steps=tuple(kinds))
        JobOptions(steps=said.steps).check()  # they stand beside the options, not in them
    found = await effective_options(session, video.project_id, said, how.preset_id)
    steps, track = found.options.steps, found.options.audio_track
    if video.media is not None:
        named_track(stored_media_info(video), track)
    if track is not None and steps is not None:
        steps = (*steps, *SOUND_STEPS)
    return await jobs.start_pipeline(
        session,
        project_id=video.project_id,
        video_id=video.id,
        created_by_id=created_by_id,
        kinds=steps,
        priority=DEFAULT_PRIORITY if found.options.priority is None else found.options.priority,
        media_ms=video.duration_ms,
        batch_id=how.batch_id,
        arguments={kind: found.arguments(kind) for kind in PIPELINE},
        force=how.force,
    )


async def start_pipeline(
    session: AsyncSession,
    viewer: Viewer,
    video_id: UUID,
    kinds: Sequence[JobKind] | None,
    how: StartOptions = AS_SAID,
) -> tuple[Video, list[Job]]:
    """The named steps of the pipeline are enqueued; a step that is under way is joined. None leaves the steps to the
    preset or the project's settings, which leave them to be all.

    Raises FILES_REMOVED where there is nothing left to work on.
    """
    video = await get_video(session, viewer, video_id, ProjectRole.EDITOR)
    require_files(video)
    return video, await _start(session, viewer, video, kinds, how)


def require_files(video: Video) -> None:
    """Pass if the original is still there. Raises FILES_REMOVED."""
    if video.files_removed_at is not None:
        raise CuepointError(
            ErrorCode.FILES_REMOVED, "The files of this video were given up; upload it again to work on it."
        )


async def get_video(
    session: AsyncSession, viewer: Viewer, video_id: UUID, role: ProjectRole = ProjectRole.VIEWER
) -> Video:
    """The video, if it is not deleted and the viewer has that role in its project.

    Whoever asks for more than VIEWER is about to change something: the video then stays undeleted until the
    transaction ends.
    """
    if role is ProjectRole.VIEWER:
        video = await video_row(session, video_id)
    else:
        video = await repository.locked_video(session, video_id, exclusively=False)
    project_id = None if video is None else video.project_id
    await access.require(session, viewer, project_id, role, noun="video", video_id=video_id)
    assert video is not None  # without a project nobody passes
    return video


async def video_row(session: AsyncSession, video_id: UUID | None) -> Video | None:
    """The row for background work, which has no viewer; None when deleted."""
    return await session.scalar(select(Video).where(Video.id == video_id, Video.deleted_at.is_(None)))


async def list_videos(
    session: AsyncSession,
    viewer: Viewer,
    page: PageRequest,
    wanted: VideoFilter = EVERY_VIDEO,
    order: VideoOrder = VideoOrder.CREATED_DESC,
) -> Page[Video]:
    """Videos that the viewer may see, newest first unless told otherwise."""
    statement = select(Video).where(*conditions_of(viewer, wanted))
    keys, is_descending = keys_of(order)
    return await fetch_page(session, statement, keys, page, descending=is_descending)


async def count_videos(session: AsyncSession, viewer: Viewer, wanted: VideoFilter = EVERY_VIDEO) -> int:
    """How many videos that list holds."""
    statement = select(func.count()).select_from(Video).where(*conditions_of(viewer, wanted))
    return (await session.execute(statement)).scalar_one()


async def record_media_info(
    session: AsyncSession,
    video_id: UUID,
    info: MediaInfo,
    content_type: str,
    poster: Rendition | None,
    *,
    chosen: int | UUID | None = None,
    audio_track: int | None = None,
) -> None:
    """The video's columns say what the probe found, and its poster is replaced; `chosen` is the `chosen_poster` that
    was looked at: another one that was chosen meanwhile stays. `audio_track` is the one that is its sound; None = the
    file says."""
    video = await repository.locked_video(session, video_id, exclusively=True)
    if video is None:
        raise NotFoundError("video")
    video.content_type = content_type
    video.duration_ms = info.duration_ms
    video.container = info.container
    video.width = info.picture.width if info.picture else None
    video.height = info.picture.height if info.picture else None
    video.media = dataclasses.asdict(info)
    video.audio_track = audio_track
    video.probed_at = datetime.now(UTC)
    await session.flush()
    if info.picture is None or video.chosen_poster != chosen:  # drawn of the sound; chosen meanwhile
        return
    if poster is not None:
        video.poster_upload_id = None  # an uploaded one was gone
        await repository.replace_rendition(session, poster)
    elif chosen is None:
        await repository.remove_rendition(session, video_id, RenditionKind.POSTER)


def stored_media_info(video: Video) -> MediaInfo:
    """The probe's result as it was recorded, with the audio track that was chosen as the default one. Raises NOT_READY
    before the video was probed."""
    if video.media is None:
        raise CuepointError(ErrorCode.NOT_READY, "The video has not been probed yet; wait for its PROBE job.")
    tracks = [
        TrackInfo(**{**track, "frame_rate": tuple(track["frame_rate"]) if track["frame_rate"] else None})
        for track in video.media["tracks"]
    ]
    info = MediaInfo(**{**video.media, "tracks": tuple(tracks), "warnings": tuple(video.media["warnings"])})
    return info.with_default_audio(video.audio_track)


def require_time_line(video: Video) -> int:
    """The length in milliseconds, of media that have one. Raises NOT_READY before the probe, UNSUPPORTED_MEDIA for an
    image, and for what does not say how long it is."""
    what = None
    if video.media is not None and stored_media_info(video).is_image:
        what = "This is an image: there is nothing in it to cut."
    elif video.media is not None and video.duration_ms is None:
        what = "Neither header nor packets tell how long it is: it cannot be cut. Convert it to MP4; upload that."
    if what is not None:
        raise CuepointError(ErrorCode.UNSUPPORTED_MEDIA, what, field=("videoId",))
    if video.duration_ms is None:
        raise CuepointError(
            ErrorCode.NOT_READY, "The length of the video is not known yet; wait for its PROBE job.", field=("videoId",)
        )
    return video.duration_ms


async def remove_row(session: AsyncSession, video_id: UUID) -> bool:
    """The row of a video that was marked as deleted is gone, all that was made of it by cascade, and its upload; their
    files are on the list of removals. False if it is not marked; True also if it was gone before."""
    statement = delete(Video).where(Video.id == video_id, Video.deleted_at.is_not(None)).returning(Video.upload_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return await session.scalar(select(Video.id).where(Video.id == video_id)) is None
    if row.upload_id is not None:
        await session.execute(delete(Upload).where(Upload.id == row.upload_id))
    return True


async def get_rendition(session: AsyncSession, video_id: UUID, kind: RenditionKind) -> Rendition | None:
    """The video's rendition of that kind, if there is one."""
    return await session.scalar(select(Rendition).where(Rendition.video_id == video_id, Rendition.kind == kind))


async def media_file(session: AsyncSession, video_id: UUID) -> MediaFile | None:
    """The original, for a signed URL."""
    video = await video_row(session, video_id)
    if video is None:
        return None
    return MediaFile(video.storage_key, video.content_type or "application/octet-stream", video.filename)


async def rendition_file(session: AsyncSession, rendition_id: UUID) -> MediaFile | None:
    """A rendition, for a signed URL."""
    statement = (
        select(Rendition)
        .join(Video, Video.id == Rendition.video_id)
        .where(Rendition.id == rendition_id, Video.deleted_at.is_(None))
    )
    rendition = await session.scalar(statement)
    if rendition is None:
        return None
    return MediaFile(rendition.storage_key, rendition.content_type, rendition.filename)
