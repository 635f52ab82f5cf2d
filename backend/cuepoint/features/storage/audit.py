"""The audit of storage: files that no row names, rows whose file is not there, and files that are not what they were.

Files come first and rows after them, so that a file that gets its row in between is no finding; what is on the list of
removals, or younger than the grace period, is left alone as well. Repairs go through the list of removals, which looks
again before it removes anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.storage.base import ListedFile, Storage
from cuepoint.db.session import Database
from cuepoint.errors import NotFoundError
from cuepoint.features.files.hashes import FileDigest
from cuepoint.features.files.layout import hash_in
from cuepoint.features.files.models import FileRemoval, RemovalTarget, StoredFile
from cuepoint.features.files.service import enqueue_removal
from cuepoint.features.storage.models import FindingKind
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.videos.models import Rendition, Video

ROWS = 500  # of one statement
AT_ONCE = 32  # questions on their way to an object store
_RENDITION = "renditions.storage_key"
_OPEN = (UploadStatus.WAITING, UploadStatus.RECEIVING, UploadStatus.COMPLETE)


@dataclass(frozen=True)
class Found:
    """One finding."""

    kind: FindingKind
    detail: str
    key: str
    size_bytes: int | None = None
    is_repaired: bool = False

    @property
    def project_id(self) -> UUID | None:
        """The project in whose directory it lies."""
        parts = self.key.split("/")
        try:
            return UUID(parts[1]) if parts[0] == "projects" else None
        except (IndexError, ValueError):
            return None


@dataclass
class Audit:
    """One run over everything. `is_repairing` puts right what can be, `reads_hashes` reads every byte; what is younger
    than `before` is left alone. `files` and `rows` count what was looked at."""

    db: Database
    storage: Storage
    before: datetime
    is_repairing: bool = False
    reads_hashes: bool = False
    files: int = field(default=0, init=False)
    rows: int = field(default=0, init=False)

    async def findings(self) -> AsyncIterator[list[Found]]:
        """What is wrong, in batches, some of them empty; repaired already where that was asked for and can be."""
        async for listed in self.storage.list_files():
            for start in range(0, len(listed), ROWS):
                yield await self._files(listed[start : start + ROWS])
        async for uploads in self.storage.list_uploads():
            old = [upload.upload_key for upload in uploads if upload.modified_at < self.before]
            for start in range(0, len(old), ROWS):
                yield await self._uploads(old[start : start + ROWS])
        async for writes in self.storage.list_unfinished():
            for write in writes:
                if write.started_at < self.before:
                    if self.is_repairing:
                        await self.storage.drop_unfinished(write)
                    detail = f"Somebody began to write it at {write.started_at:%Y-%m-%d %H:%M} UTC and never finished."
                    yield [Found(FindingKind.ABANDONED_UPLOAD, detail, write.key, None, self.is_repairing)]
        async for rows in self._pages_of_rows():
            yield await self._missing(rows)

    async def _files(self, listed: Sequence[ListedFile]) -> list[Found]:
        self.files += len(listed)
        old = {file.key: file for file in listed if file.modified_at < self.before}
        async with self.db.read() as session:
            rows = {row.key: row for row in await _rows_of(session, list(old))}
            known = rows.keys() | await _listed_for_removal(session, list(old))
        strays = [file for key, file in old.items() if key not in known]
        if strays and self.is_repairing:
            async with self.db.write() as session:
                await enqueue_removal(session, [file.key for file in strays])
        detail = "No row names this file."
        found = [
            Found(FindingKind.FILE_WITHOUT_ROW, detail, file.key, file.size_bytes, self.is_repairing) for file in strays
        ]
        for key, row in rows.items():
            if old[key].size_bytes != row.size_bytes:
                detail = f"It has {old[key].size_bytes:,} bytes; its row says {row.size_bytes:,}."
                found.append(Found(FindingKind.SIZE_MISMATCH, detail, key, old[key].size_bytes))
            elif self.reads_hashes:
                found += await self._changed(row)
        return found

    async def _changed(self, row: StoredFile) -> list[Found]:
        """Compares with the hashes of the video's row, else with the digits in the name; files without either pass.

        Each must be of these bytes, be it BLAKE3 or SHA-256: what earlier releases have stored does not say which.
        """
        expected = [hash_in(row.key)]
        if row.slot == "videos.storage_key":
            async with self.db.read() as session:
                hashes = select(Video.content_hash, Video.sha256).where(Video.id == row.owner_id)
                expected = [value for values in await session.execute(hashes) for value in values]
        wanted = [value for value in expected if value is not None]
        if not wanted:
            return []
        digest = FileDigest(with_sha256=True)
        try:
            async for piece in self.storage.read(row.key, 0, row.size_bytes):
                await asyncio.to_thread(digest.update, piece)
        except NotFoundError:
            return []  # gone meanwhile; if its row stays, the rows will tell
        blake3, sha256 = digest.found()
        wrong = [value for value in wanted if not (blake3.startswith(value) or str(sha256).startswith(value))]
        if not wrong:
            return []
        detail = f"Its BLAKE3 is {blake3}, its SHA-256 {sha256}; one should begin with {wrong[0][:12]}."
        return [Found(FindingKind.HASH_MISMATCH, detail, row.key, row.size_bytes)]

    async def _uploads(self, keys: Sequence[str]) -> list[Found]:
        async with self.db.read() as session:
            living = select(Upload.storage_key).where(Upload.storage_key.in_(keys), Upload.status.in_(_OPEN))
            known = {*await session.scalars(living), *await _listed_for_removal(session, keys)}
        strays = [key for key in keys if key not in known]
        if strays and self.is_repairing:
            async with self.db.write() as session:
                await enqueue_removal(session, strays)
        detail = "These are bytes of an upload that is over, or that nobody knows."
        return [Found(FindingKind.ABANDONED_UPLOAD, detail, key, None, self.is_repairing) for key in strays]

    async def _pages_of_rows(self) -> AsyncIterator[Sequence[StoredFile]]:
        last: tuple[UUID, str] | None = None
        place = tuple_(StoredFile.owner_id, StoredFile.slot)
        while True:
            statement = select(StoredFile).order_by(StoredFile.owner_id, StoredFile.slot).limit(ROWS)
            async with self.db.read() as session:
                after = statement if last is None else statement.where(place > last)
                rows = (await session.scalars(after)).all()
            if not rows:
                return
            last = (rows[-1].owner_id, rows[-1].slot)
            yield rows

    async def _missing(self, rows: Sequence[StoredFile]) -> list[Found]:
        self.rows += len(rows)
        free = asyncio.Semaphore(AT_ONCE)

        async def is_there(row: StoredFile) -> bool:
            async with free:
                return await self.storage.head(row.key) is not None

        there = await asyncio.gather(*map(is_there, rows))
        found = []
        for row in [row for row, is_here in zip(rows, there, strict=True) if not is_here]:
            async with self.db.write() as session:
                if row.key in {kept.key for kept in await _rows_of(session, [row.key])}:  # else deleted meanwhile
                    found.append(await self._told(session, row))
        return found

    async def _told(self, session: AsyncSession, row: StoredFile) -> Found:
        is_repaired = self.is_repairing and row.slot == _RENDITION
        if is_repaired:
            mine = (Rendition.id == row.owner_id, Rendition.storage_key == row.key)
            await session.execute(delete(Rendition).where(*mine))
        detail = f"A row of {row.slot.partition('.')[0]} names this file, which is not in storage. {_advice(row.slot)}"
        return Found(FindingKind.ROW_WITHOUT_FILE, detail, row.key, row.size_bytes, is_repaired)


def _advice(slot: str) -> str:
    if slot == _RENDITION:
        return "Its row can go: start the pipeline of its video again to have it made anew."
    if slot == "videos.storage_key":
        return "Bring it back from a backup, or delete the video and upload it again."
    return "Bring it back from a backup, or have it made anew."


async def _rows_of(session: AsyncSession, keys: Sequence[str]) -> Sequence[StoredFile]:
    return (await session.scalars(select(StoredFile).where(StoredFile.key.in_(keys)))).all()


async def _listed_for_removal(session: AsyncSession, keys: Sequence[str]) -> set[str]:
    """Those of the keys that are on the list of removals, alone or with all below a prefix."""
    named = set(await session.scalars(select(FileRemoval.key).where(FileRemoval.key.in_(keys))))
    prefixes = select(FileRemoval.key).where(FileRemoval.target == RemovalTarget.PREFIX)
    below = tuple(await session.scalars(prefixes))
    return named | {key for key in keys if key.startswith(below)}
