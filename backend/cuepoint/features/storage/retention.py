"""Retention: how long a project keeps what, what its rules would take, and taking it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, exists, false, func, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from cuepoint.db.base import Base
from cuepoint.db.keyset import Page, PageRequest, fetch_page
from cuepoint.errors import BadInputError
from cuepoint.features.audit import service as audit
from cuepoint.features.audit.service import AuditAction
from cuepoint.features.clips.models import Clip, Reel
from cuepoint.features.files.models import FileArea, StoredFile
from cuepoint.features.jobs.models import Job
from cuepoint.features.jobs.repository import UNFINISHED
from cuepoint.features.projects import access
from cuepoint.features.projects.models import Project, ProjectRole
from cuepoint.features.storage.models import RetentionRule, RetentionTarget
from cuepoint.features.videos import deletion
from cuepoint.features.videos.looks import POSTER_SIDES
from cuepoint.features.videos.models import AudioFile, Rendition, Video
from cuepoint.viewer import Viewer

MAX_DAYS = 36_500
BATCH = 50  # rows of one transaction; the deletion of a video cancels its jobs as well
_VIDEOS, _CLIPS, _REELS = "videos.storage_key", "clips.storage_key", "reels.storage_key"
_WHOLE = {_VIDEOS: RetentionTarget.VIDEOS, _CLIPS: RetentionTarget.CLIPS, _REELS: RetentionTarget.REELS}
_DERIVED: Mapping[str, type[Rendition] | type[AudioFile]] = {
    "renditions.storage_key": Rendition,
    "audio_files.storage_key": AudioFile,
}
_AREAS = {
    RetentionTarget.AUDIO: FileArea.AUDIO,
    RetentionTarget.THUMBNAILS: FileArea.THUMBNAILS,
    RetentionTarget.PROCESSED: FileArea.PROCESSED,
}
_TARGETS = {area: target for target, area in _AREAS.items()}


@dataclass(frozen=True)
class Rule:
    """Older than so many days, it goes."""

    target: RetentionTarget
    max_age_days: int


@dataclass(frozen=True)
class Candidate:
    """A file that a rule takes. `size_bytes` counts everything that goes with it."""

    file: StoredFile
    target: RetentionTarget
    size_bytes: int


async def rules_of(session: AsyncSession, project_ids: Sequence[UUID]) -> dict[UUID, list[Rule]]:
    """The rules of each of the projects, in one statement."""
    statement = select(RetentionRule).where(RetentionRule.project_id.in_(project_ids)).order_by(RetentionRule.target)
    found: dict[UUID, list[Rule]] = {project_id: [] for project_id in project_ids}
    for rule in await session.scalars(statement):
        found[rule.project_id].append(Rule(rule.target, rule.max_age_days))
    return found


async def read_rules(session: AsyncSession, viewer: Viewer, project_id: UUID) -> list[Rule]:
    """The project's rules, for whoever may see it."""
    await access.require(session, viewer, project_id, ProjectRole.VIEWER)
    return (await rules_of(session, [project_id]))[project_id]


def check_rules(rules: Sequence[Rule]) -> None:
    """Pass if each target has at most one rule of 1 to 36,500 days."""
    if len({rule.target for rule in rules}) != len(rules):
        raise BadInputError("There can be only one rule for each target.", field=("rules",))
    if not all(1 <= rule.max_age_days <= MAX_DAYS for rule in rules):
        raise BadInputError(f"maxAgeDays must be between 1 and {MAX_DAYS}.", field=("rules",))


async def set_rules(session: AsyncSession, viewer: Viewer, project_id: UUID, rules: Sequence[Rule]) -> None:
    """These are the project's rules, and no others; owners only."""
    await access.require(session, viewer, project_id, ProjectRole.OWNER)
    check_rules(rules)
    before = {rule.target.value: rule.max_age_days for rule in (await rules_of(session, [project_id]))[project_id]}
    after = {rule.target.value: rule.max_age_days for rule in rules}
    kept = [rule.target for rule in rules]
    await session.execute(
        delete(RetentionRule).where(RetentionRule.project_id == project_id, RetentionRule.target.not_in(kept))
    )
    for rule in rules:
        values = {"max_age_days": rule.max_age_days, "updated_at": func.now()}
        statement = insert(RetentionRule).values(project_id=project_id, target=rule.target, **values)
        await session.execute(statement.on_conflict_do_update(index_elements=["project_id", "target"], set_=values))
    node = (AuditAction.UPDATED, "Project", project_id)
    told = {"retentionDays": before}, {"retentionDays": after}
    await audit.record(session, viewer, *node, project_id=project_id, before=told[0], after=told[1])


async def preview(
    session: AsyncSession, viewer: Viewer, project_id: UUID, rules: Sequence[Rule] | None, page: PageRequest
) -> Page[Candidate]:
    """What these rules, or with None the project's own, would take if they were applied now, oldest first."""
    await access.require(session, viewer, project_id, ProjectRole.VIEWER)
    wanted = await _wanted(session, project_id, rules)
    file = _candidates(project_id, wanted)
    keys = [(file.created_at, datetime), (file.owner_id, UUID)]
    found = await fetch_page(session, select(file), keys, page)
    return replace(found, rows=await _sized(session, found.rows))


async def count_preview(session: AsyncSession, viewer: Viewer, project_id: UUID, rules: Sequence[Rule] | None) -> int:
    """How many files that list holds."""
    await access.require(session, viewer, project_id, ProjectRole.VIEWER)
    file = _candidates(project_id, await _wanted(session, project_id, rules))
    return (await session.execute(select(func.count()).select_from(file))).scalar_one()


async def _wanted(session: AsyncSession, project_id: UUID, rules: Sequence[Rule] | None) -> Sequence[Rule]:
    if rules is None:
        return (await rules_of(session, [project_id]))[project_id]
    check_rules(rules)
    return rules


def _candidates(project_id: UUID, rules: Sequence[Rule]) -> type[StoredFile]:
    """Whatever the rules take, as rows of `stored_files`."""
    both = union_all(_of_videos(project_id, rules), _of_reels(project_id, rules))
    return aliased(StoredFile, both.subquery())


def _of_reels(project_id: UUID, rules: Sequence[Rule]) -> Select[StoredFile]:
    """Reels show several videos, and outlive them: only their own job spares them."""
    busy = exists().where(Job.id == Reel.job_id, Job.status.in_(UNFINISHED))
    return (
        select(StoredFile)
        .join(Reel, Reel.id == StoredFile.owner_id)
        .where(
            StoredFile.project_id == project_id,
            StoredFile.slot == _REELS,
            Reel.deleted_at.is_(None),
            ~busy,
            or_(false(), *[_taken_by(rule) for rule in rules]),
        )
    )


def _of_videos(project_id: UUID, rules: Sequence[Rule]) -> Select[StoredFile]:
    """Files of videos that are neither deleted nor protected. What a job is working with stays until it is over."""
    busy = exists().where(Job.video_id == Video.id, Job.status.in_(UNFINISHED))
    of_clip = or_(Clip.id == StoredFile.owner_id, and_(StoredFile.slot == _VIDEOS, Clip.video_id == Video.id))
    spared_clip = or_(
        exists().where(Clip.is_protected, Clip.deleted_at.is_(None), of_clip),
        exists().where(Clip.deleted_at.is_not(None), Clip.id == StoredFile.owner_id),  # on its way out already
    )
    uploaded_poster = exists().where(
        Video.poster_upload_id.is_not(None),
        Rendition.id == StoredFile.owner_id,
        Rendition.kind.in_(list(POSTER_SIDES)),
    )
    return (
        select(StoredFile)
        .join(Video, Video.id == StoredFile.video_id)
        .where(
            StoredFile.project_id == project_id,
            Video.deleted_at.is_(None),
            ~Video.is_protected,
            or_(Video.files_removed_at.is_(None), StoredFile.slot.not_in(_DERIVED)),  # it could not be made again
            ~busy,
            ~spared_clip,
            ~uploaded_poster,  # it could not be made again either
            or_(false(), *[_taken_by(rule) for rule in rules]),
        )
    )


def _taken_by(rule: Rule) -> ColumnElement[bool]:
    is_old = StoredFile.created_at < func.now() - timedelta(days=rule.max_age_days)
    if rule.target in _AREAS:
        return and_(StoredFile.slot.in_(_DERIVED), StoredFile.area == _AREAS[rule.target], is_old)
    return and_(StoredFile.slot.in_([slot for slot, target in _WHOLE.items() if target is rule.target]), is_old)


def target_of(file: StoredFile) -> RetentionTarget:
    """The target under which a rule takes this file."""
    return _WHOLE.get(file.slot) or _TARGETS[file.area]


async def _sized(session: AsyncSession, files: Sequence[StoredFile]) -> list[Candidate]:
    """With a video goes everything that was made of it."""
    videos = [file.video_id for file in files if file.slot == _VIDEOS]
    sums = (
        select(StoredFile.video_id, func.sum(StoredFile.size_bytes))
        .where(StoredFile.video_id.in_(videos))
        .group_by(StoredFile.video_id)
    )
    sizes = {video_id: int(size) for video_id, size in await session.execute(sums)}
    return [
        Candidate(file, target_of(file), sizes[file.video_id] if file.slot == _VIDEOS else file.size_bytes)
        for file in files
    ]


async def projects_with_rules(session: AsyncSession) -> list[UUID]:
    """Projects in use that have a rule."""
    statement = (
        select(RetentionRule.project_id)
        .distinct()
        .join(Project, Project.id == RetentionRule.project_id)
        .where(Project.archived_at.is_(None), Project.deleted_at.is_(None))
        .order_by(RetentionRule.project_id)
    )
    return list(await session.scalars(statement))


async def apply_rules(session: AsyncSession, project_id: UUID, *, trash_days: int) -> int:
    """The oldest candidates of the project's rules are gone: videos, clips and reels as if somebody had deleted them,
    of others the rows, whose files follow. How many; call it until there are none. Others at the same time take other
    ones."""
    rules = (await rules_of(session, [project_id]))[project_id]
    taken = 0
    for found, owner in ((_of_videos(project_id, rules), Video), (_of_reels(project_id, rules), Reel)):
        oldest = found.order_by(StoredFile.created_at, StoredFile.owner_id).limit(BATCH)
        files = (await session.scalars(oldest.with_for_update(of=owner, skip_locked=True, key_share=True))).all()
        for file in files:
            await _take(session, file, trash_days)
        taken += len(files)
    return taken


async def _take(session: AsyncSession, file: StoredFile, trash_days: int) -> None:
    if file.slot == _VIDEOS:
        video = await session.get_one(Video, file.owner_id)
        if video.deleted_at is None:
            await deletion.discard_video(session, video, trash_days=trash_days, created_by_id=None)
        return
    model: type[Base] = {_CLIPS: Clip, _REELS: Reel, **_DERIVED}[file.slot]
    mine = model.__table__.c.id == file.owner_id
    if trash_days and file.slot in _WHOLE:
        hidden = {"deleted_at": func.now(), "purge_at": func.now() + timedelta(days=trash_days)}
        await session.execute(update(model).where(mine).values(hidden))
    else:
        await session.execute(delete(model).where(mine))


async def protect_video(session: AsyncSession, viewer: Viewer, video_id: UUID, *, is_protected: bool) -> Video:
    """No rule takes the video, or anything that was made of it, while it is protected."""
    video = await session.scalar(
        select(Video).where(Video.id == video_id, Video.deleted_at.is_(None)).with_for_update(key_share=True)
    )
    await access.require(session, viewer, None if video is None else video.project_id, ProjectRole.EDITOR, noun="video")
    assert video is not None  # else it was refused
    await _note_protection(session, viewer, video, is_protected=is_protected)
    video.is_protected = is_protected
    await session.flush()
    return video


async def _note_protection(session: AsyncSession, viewer: Viewer, kept: Video | Clip, *, is_protected: bool) -> None:
    """The audit log knows who said that rules spare something, or no more."""
    before, after = {"isProtected": kept.is_protected}, {"isProtected": is_protected}
    node = (AuditAction.UPDATED, type(kept).__name__, kept.id)
    await audit.record(session, viewer, *node, project_id=kept.project_id, before=before, after=after)


async def protect_clip(session: AsyncSession, viewer: Viewer, clip_id: UUID, *, is_protected: bool) -> Clip:
    """No rule takes the clip, or the video that it was cut from, while it is protected."""
    clip = await session.scalar(
        select(Clip)
        .join(Video, Video.id == Clip.video_id)
        .where(Clip.id == clip_id, Clip.deleted_at.is_(None), Video.deleted_at.is_(None))
        .with_for_update(of=Clip, key_share=True)
    )
    await access.require(session, viewer, None if clip is None else clip.project_id, ProjectRole.EDITOR, noun="clip")
    assert clip is not None  # else it was refused
    await _note_protection(session, viewer, clip, is_protected=is_protected)
    clip.is_protected = is_protected
    await session.flush()
    return clip
