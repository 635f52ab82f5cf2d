"""What lies in storage, from the counters that the triggers of `stored_files` keep; and the counters put right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.features.files.models import FileArea, FileRemoval, StorageTally, StoredFile
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos.models import Video

FOLD_FROM = 16  # rows of one project, area and month: reading so many more costs nothing that can be felt


@dataclass(frozen=True)
class Portion:
    """A part of what is stored."""

    files: int = 0
    size_bytes: int = 0

    def __add__(self, other: Portion) -> Portion:
        return Portion(self.files + other.files, self.size_bytes + other.size_bytes)


@dataclass(frozen=True)
class Reclaimable:
    """Bytes that come back by themselves: of deleted videos, of files on the list of removals, of open uploads."""

    trash_bytes: int = 0
    removal_bytes: int = 0
    upload_bytes: int = 0


@dataclass(frozen=True)
class StorageTotals:
    """What a project, or with `project_id` None the whole instance, has in storage."""

    project_id: UUID | None
    by_area: Mapping[FileArea, Portion] = field(default_factory=dict)
    by_month: Mapping[date, Portion] = field(default_factory=dict)

    @property
    def total(self) -> Portion:
        """All of it."""
        return sum(self.by_area.values(), Portion())


@dataclass(frozen=True)
class Drift:
    """How far a counter was off: what had to be added to it."""

    project_id: UUID
    area: FileArea
    month: date
    files: int
    size_bytes: int


async def totals_of(session: AsyncSession, project_ids: Sequence[UUID] | None) -> dict[UUID | None, StorageTotals]:
    """The totals of each of the projects, or with None those of all together, under the key None. One statement."""
    files, size = func.sum(StorageTally.files), func.sum(StorageTally.bytes)
    statement = select(StorageTally.area, StorageTally.month, files, size).group_by(
        StorageTally.area, StorageTally.month
    )
    keys: Sequence[UUID | None] = [None] if project_ids is None else project_ids
    rows: list[tuple[UUID | None, FileArea, date, int, int]]
    if project_ids is None:
        rows = [(None, row[0], row[1], row[2], row[3]) for row in await session.execute(statement)]
    else:
        mine = statement.add_columns(StorageTally.project_id).group_by(StorageTally.project_id)
        found = await session.execute(mine.where(StorageTally.project_id.in_(project_ids)))
        rows = [(row[4], row[0], row[1], row[2], row[3]) for row in found]
    areas: dict[UUID | None, dict[FileArea, Portion]] = {key: {} for key in keys}
    months: dict[UUID | None, dict[date, Portion]] = {key: {} for key in keys}
    for key, area, month, count, total in rows:
        share = Portion(int(count), int(total))
        if share != Portion():
            areas[key][area] = areas[key].get(area, Portion()) + share
            months[key][month] = months[key].get(month, Portion()) + share
    return {key: StorageTotals(key, areas[key], months[key]) for key in areas}


async def reclaimable_of(session: AsyncSession, project_ids: Sequence[UUID] | None) -> dict[UUID | None, Reclaimable]:
    """What each of the projects, or under None all together, gets back by itself. Three statements."""
    trash = (
        select(Video.project_id, func.sum(StoredFile.size_bytes))
        .join(StoredFile, StoredFile.video_id == Video.id)
        .where(Video.deleted_at.is_not(None))
        .group_by(Video.project_id)
    )
    removal = select(FileRemoval.project_id, func.sum(FileRemoval.size_bytes)).group_by(FileRemoval.project_id)
    unfinished = (
        select(Upload.project_id, func.sum(Upload.offset_bytes))
        .where(Upload.status.in_([UploadStatus.RECEIVING, UploadStatus.COMPLETE]))
        .where(Upload.storage_key.startswith("uploads/"))
        .group_by(Upload.project_id)
    )
    if project_ids is not None:
        trash = trash.where(Video.project_id.in_(project_ids))
        removal = removal.where(FileRemoval.project_id.in_(project_ids))
        unfinished = unfinished.where(Upload.project_id.in_(project_ids))
    sums: list[dict[UUID | None, int]] = []
    for statement in (trash, removal, unfinished):
        found = {key: int(size) for key, size in await session.execute(statement)}
        sums.append({None: sum(found.values())} if project_ids is None else found)
    keys: Sequence[UUID | None] = [None] if project_ids is None else project_ids
    return {key: Reclaimable(*(one.get(key, 0) for one in sums)) for key in keys}


async def largest_files(session: AsyncSession, first: int) -> Sequence[StoredFile]:
    """The largest files of the instance."""
    statement = select(StoredFile).order_by(StoredFile.size_bytes.desc(), StoredFile.key.desc()).limit(first)
    return (await session.scalars(statement)).all()


async def largest_projects(session: AsyncSession, first: int) -> list[tuple[UUID, Portion]]:
    """The projects that hold most, the first one most of all."""
    size = func.sum(StorageTally.bytes)
    statement = (
        select(StorageTally.project_id, func.sum(StorageTally.files), size)
        .group_by(StorageTally.project_id)
        .having(size > 0)
        .order_by(size.desc(), StorageTally.project_id)
        .limit(first)
    )
    return [(key, Portion(int(files), int(total))) for key, files, total in await session.execute(statement)]


_FOLD = text("""
with crowded as (
  select project_id, area, month from storage_tallies group by project_id, area, month having count(*) >= :most
), gone as (
  delete from storage_tallies t using crowded c
  where t.project_id = c.project_id and t.area = c.area and t.month = c.month
  returning t.*
)
insert into storage_tallies (project_id, area, month, files, bytes)
select project_id, area, month, sum(files), sum(bytes) from gone group by project_id, area, month
having sum(files) <> 0 or sum(bytes) <> 0
""")


async def fold_tallies(session: AsyncSession, *, most: int = FOLD_FROM) -> None:
    """Many changes of one counter are one row again; the sums stay as they are. Two at once do no harm: a row that one
    of them takes is gone for the other."""
    await session.execute(_FOLD, {"most": most})


# Each is one statement, so that it sees rows and what the triggers made of them at one moment, writers or not.
_FORGET = text("""
delete from stored_files f where not exists (
  select from owned_files o where o.owner_id = f.owner_id and o.slot = f.slot
)
""")
_LEARN = text("""
insert into stored_files (owner_id, slot, key, project_id, video_id, area, size_bytes, created_at)
select o.owner_id, o.slot, o.key, o.project_id, o.video_id, file_area(o.key), o.size_bytes, o.created_at
from owned_files o left join stored_files f on f.owner_id = o.owner_id and f.slot = o.slot
where f.owner_id is null or (f.key, f.project_id, f.size_bytes) is distinct from (o.key, o.project_id, o.size_bytes)
  or f.video_id is distinct from o.video_id
on conflict (owner_id, slot) do update set key = excluded.key, project_id = excluded.project_id,
  video_id = excluded.video_id, area = excluded.area, size_bytes = excluded.size_bytes
""")
_CORRECT = text("""
with truth as (
  select project_id, area, date_trunc('month', created_at at time zone 'UTC')::date as month,
    count(*) as files, sum(size_bytes) as bytes
  from stored_files group by 1, 2, 3
), counted as (
  select project_id, area, month, sum(files) as files, sum(bytes) as bytes from storage_tallies group by 1, 2, 3
)
insert into storage_tallies (project_id, area, month, files, bytes)
select project_id, area, month, coalesce(t.files, 0) - coalesce(c.files, 0), coalesce(t.bytes, 0) - coalesce(c.bytes, 0)
from truth t full join counted c using (project_id, area, month)
where coalesce(t.files, 0) <> coalesce(c.files, 0) or coalesce(t.bytes, 0) <> coalesce(c.bytes, 0)
""")
# What this transaction has added, and no other: what concurrent ones write is no drift.
_MINE = text("""
select project_id, area, month, sum(files), sum(bytes) from storage_tallies
where xmin = pg_current_xact_id()::xid
group by 1, 2, 3 having sum(files) <> 0 or sum(bytes) <> 0 order by 1, 2, 3
""")


async def recount(session: AsyncSession) -> list[Drift]:
    """Files are known as the rows have them, and the counters are their sums; by how much each was off before.

    What triggers did not see is found: rows that were loaded or changed with triggers switched off. Needs a
    transaction of its own, without savepoints.
    """
    for statement in (_FORGET, _LEARN, _CORRECT):
        await session.execute(statement)
    return [Drift(row[0], FileArea(row[1]), row[2], int(row[3]), int(row[4])) for row in await session.execute(_MINE)]
