"""Takes files out of storage whose rows are gone, then forgets them; a crash at any step leaves work for the next run.

A removal is claimed in a transaction, the file goes outside of one, and the removal is forgotten in a third. Until
that last step it is on the list, so whoever comes next does it again, which is harmless. A file cannot get a row while
its removal is claimed: the trigger of `stored_files` refuses that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, false, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.storage.base import Storage
from cuepoint.db.session import Database
from cuepoint.errors import AdapterError, CuepointError
from cuepoint.features.files.models import FileRemoval, RemovalTarget, StoredFile

BATCH = 100
AT_ONCE = 8  # removals on their way to an object store
CLAIM = timedelta(minutes=10)  # longer than a store's time-outs with all retries; then somebody else may try
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
MAX_ERROR = 500
_LAST = chr(0x10FFFF)  # after every key that begins with a prefix

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Removed:
    """What a run did: files that went, bytes that they freed as far as known, and removals that failed."""

    files: int = 0
    size_bytes: int = 0
    failed: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.files + other.files, self.size_bytes + other.size_bytes, self.failed + other.failed)


async def remove_files(
    db: Database, storage: Storage, *, video_id: UUID | None = None, keys: Collection[str] | None = None
) -> Removed:
    """Everything on the list that is due is gone from storage and from the list; only that of a video, or those keys,
    where named. What fails stays on the list for later."""
    done = Removed()
    while batch := await _claim(db, video_id, keys):
        done += await _remove(db, storage, batch)
    return done


async def _claim(db: Database, video_id: UUID | None, keys: Collection[str] | None) -> Sequence[FileRemoval]:
    async with db.write() as session:
        await _forget_owned(session, video_id, keys)
        due = (
            select(FileRemoval.id)
            .where(*_due(video_id, keys), ~_is_owned())
            .order_by(FileRemoval.due_at, FileRemoval.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        claim = (
            update(FileRemoval)
            .where(FileRemoval.id.in_(due.scalar_subquery()))
            .values(claimed_until=func.clock_timestamp() + CLAIM, tries=FileRemoval.tries + 1)
            .returning(FileRemoval)
        )
        return (await session.scalars(claim)).all()


def _due(video_id: UUID | None, keys: Collection[str] | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        FileRemoval.due_at <= func.clock_timestamp(),
        or_(FileRemoval.claimed_until.is_(None), FileRemoval.claimed_until < func.clock_timestamp()),
        ~func.attempt_is_running(FileRemoval.job_id, FileRemoval.attempt),
    ]
    if video_id is not None:
        conditions.append(FileRemoval.video_id == video_id)
    if keys is not None:
        conditions.append(FileRemoval.key.in_(keys) if keys else false())
    return conditions


def _is_owned() -> ColumnElement[bool]:
    """A row names the file, or one below the prefix."""
    below = StoredFile.key.between(FileRemoval.key, FileRemoval.key + _LAST)
    return or_(
        exists().where(StoredFile.key == FileRemoval.key).correlate(FileRemoval),
        and_(FileRemoval.target == RemovalTarget.PREFIX, exists().where(below).correlate(FileRemoval)),
    )


async def _forget_owned(session: AsyncSession, video_id: UUID | None, keys: Collection[str] | None) -> None:
    """What has a row (again) is not to be removed."""
    await session.execute(delete(FileRemoval).where(*_due(video_id, keys), _is_owned()))


async def _remove(db: Database, storage: Storage, batch: Sequence[FileRemoval]) -> Removed:
    free = asyncio.Semaphore(AT_ONCE)

    async def remove(removal: FileRemoval) -> int | str:
        async with free:
            return await _removed(storage, removal)

    # Prefixes last: so each file that has a removal of its own is counted once.
    ordered = sorted(batch, key=lambda removal: removal.target is RemovalTarget.PREFIX)
    named = [removal for removal in ordered if removal.target is not RemovalTarget.PREFIX]
    found = [*await asyncio.gather(*map(remove, named)), *await asyncio.gather(*map(remove, ordered[len(named) :]))]
    outcomes = list(zip(ordered, found, strict=True))
    gone = [(removal, files) for removal, files in outcomes if isinstance(files, int)]
    async with db.write() as session:
        await session.execute(delete(FileRemoval).where(FileRemoval.id.in_([removal.id for removal, _ in gone])))
        for removal, error in outcomes:
            if isinstance(error, str):
                await _postpone(session, removal, error)
    return Removed(
        sum(files for _, files in gone), sum(removal.size_bytes for removal, _ in gone), len(batch) - len(gone)
    )


async def _removed(storage: Storage, removal: FileRemoval) -> int | str:
    """How many files went, or why none did. One that resists must not hold up the others."""
    try:
        if removal.target is RemovalTarget.PREFIX:
            return await storage.delete_prefix(removal.key)
        if removal.target is RemovalTarget.UPLOAD:
            async with storage.upload_lock(removal.key):
                await storage.abort_upload(removal.key)
            return 1
        await storage.delete(removal.key)
    except (AdapterError, CuepointError) as error:
        return error.message
    except ValueError as error:  # not a key of ours
        return str(error)
    return 1


async def _postpone(session: AsyncSession, removal: FileRemoval, error: str) -> None:
    _log.warning("The file %s was not removed: %s", removal.key, error)
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(removal.tries, 20))
    values = {"claimed_until": None, "due_at": func.clock_timestamp() + pause, "error": error[:MAX_ERROR]}
    await session.execute(update(FileRemoval).where(FileRemoval.id == removal.id).values(values))
