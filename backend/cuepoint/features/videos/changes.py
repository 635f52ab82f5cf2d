"""Use cases that change what people say of videos: one by its version, or the tags of many."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.videos import repository
from cuepoint.features.videos.details import TagMode, VideoDetails, changed_tags, clean_tags
from cuepoint.features.videos.models import Video
from cuepoint.viewer import Viewer

MAX_ITEMS = 100
_EXTERNAL_ID = "uq_videos_project_id_external_id"


def external_id_error(error: IntegrityError) -> CuepointError | None:
    """What a violated constraint means to the caller; None where it was another one."""
    if _EXTERNAL_ID not in str(error.orig):
        return None
    return CuepointError(
        ErrorCode.EXTERNAL_ID_TAKEN, "Another video of the project has this external id.", field=("externalId",)
    )


@dataclass(frozen=True)
class ChangedVideo:
    """A video as it is now. `is_conflict`: somebody else was quicker, and nothing was changed."""

    video: Video
    is_conflict: bool


async def update_video(
    session: AsyncSession, viewer: Viewer, video_id: UUID, *, version: int, details: VideoDetails
) -> ChangedVideo:
    """The video is what the details say, if its version is the one that is named; the next one where something
    changes. Editors.

    Raises EXTERNAL_ID_TAKEN.
    """
    video = await _editable(session, viewer, video_id)
    values = details.columns()
    if video.version != version:
        return ChangedVideo(video, is_conflict=True)
    if all(getattr(video, name) == value for name, value in values.items()):
        return ChangedVideo(video, is_conflict=False)
    before = _told(video, values)
    for name, value in values.items():
        setattr(video, name, value)
    video.version += 1
    try:
        await session.flush()
    except IntegrityError as error:
        raise external_id_error(error) or error from None
    await _note(session, viewer, video, before, _told(video, values))
    return ChangedVideo(video, is_conflict=False)


def _told(video: Video, columns: Collection[str]) -> dict[str, object]:
    """What the log may know of these columns, by the names of the API; of metadata the keys, as the log is for ever."""
    found = {name: getattr(video, name) for name in columns}
    told: dict[str, object] = {"version": video.version}
    for name, value in found.items():
        shown = {"external_id": "externalId", "custom_metadata": "metadata"}.get(name, name)
        told[shown] = sorted(value) if name == "custom_metadata" else value
    return told


async def _note(
    session: AsyncSession, viewer: Viewer, video: Video, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """The audit log knows what people said of the video before, and what they say now."""
    named = (AuditAction.UPDATED, "Video", video.id)
    await audit.record(session, viewer, *named, project_id=video.project_id, before=before, after=after)


async def _editable(session: AsyncSession, viewer: Viewer, video_id: UUID) -> Video:
    """The video, which nobody else changes or deletes until the transaction ends."""
    video = await repository.locked_video(session, video_id, exclusively=True)
    project_id = None if video is None else video.project_id
    await access.require(session, viewer, project_id, ProjectRole.EDITOR, noun="video")
    if video is None:
        raise NotFoundError("video")
    return video


@dataclass(frozen=True)
class TaggedVideo:
    """What became of one video of many: the video as it is now, or the refusal."""

    video: Video | None = None
    error: CuepointError | None = None


async def change_tags(
    db: Database, viewer: Viewer, video_ids: Sequence[UUID | None], mode: TagMode, values: Sequence[str]
) -> Sequence[TaggedVideo]:
    """The videos bear these tags, or bear them too, or no more; each for itself, in their order, in a transaction of
    its own. None stands for an id that is none. Raises BadInputError for too many videos or a bad tag."""
    if not 1 <= len(video_ids) <= MAX_ITEMS:
        raise BadInputError(f"1 to {MAX_ITEMS} videos can be changed at once, not {len(video_ids)}.", field=("ids",))
    clean_tags(values)
    return [await _change_tags(db, viewer, video_id, mode, values) for video_id in video_ids]


async def _change_tags(
    db: Database, viewer: Viewer, video_id: UUID | None, mode: TagMode, values: Sequence[str]
) -> TaggedVideo:
    try:
        async with db.write() as session:
            if video_id is None:
                raise NotFoundError("video")
            video = await _editable(session, viewer, video_id)
            tags = changed_tags(video.tags, mode, values)
            if tags != video.tags:
                changing = update(Video).where(Video.id == video_id).values(tags=tags, version=Video.version + 1)
                await session.execute(changing.execution_options(synchronize_session=False))
                before = _told(video, ["tags"])
                await session.refresh(video)
                await _note(session, viewer, video, before, _told(video, ["tags"]))
            return TaggedVideo(video)
    except CuepointError as error:
        return TaggedVideo(error=error)
