"""One look through an import source: a file that is as it was at the last pass becomes a video.

A file that is being written changes from pass to pass, so it waits. What a file became is written in the same
transaction as the video and its jobs, so that a pass that is killed, or two at once, take nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.adapters.fetch.base import Listed
from cuepoint.errors import CuepointError, ErrorCode, NotFoundError
from cuepoint.features.imports.models import (
    ImportKind,
    ImportSource,
    ImportSourceFile,
    SourceFileStatus,
    SourceKind,
)
from cuepoint.features.imports.patterns import compile_pattern
from cuepoint.features.imports.service import Wish, create_import
from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.projects import access
from cuepoint.features.projects.models import ProjectRole
from cuepoint.features.users.models import User
from cuepoint.features.videos.service import StartOptions
from cuepoint.viewer import Viewer

MAX_TAKEN = 500  # files of one pass; the next one goes on
_KINDS = {SourceKind.FOLDER: ImportKind.FOLDER, SourceKind.S3: ImportKind.S3}


@dataclass
class _Pass:
    """What this pass has seen so far."""

    ctx: TaskContext
    source: ImportSource
    known: dict[str, ImportSourceFile]
    now: datetime
    listed: int = 0
    taken: int = 0
    waiting: int = 0
    refused: int = 0

    async def meet(self, file: Listed) -> None:
        """Note the file, or take it."""
        self.listed += 1
        before = self.known.pop(file.name, None)
        if before is None or before.mark != file.mark:
            await self._note(file, SourceFileStatus.WAITING)
            self.waiting += 1
        elif before.status is SourceFileStatus.WAITING:
            await self._take(file)

    async def _take(self, file: Listed) -> None:
        limit = self.ctx.settings.upload_max_bytes
        if not file.size_bytes or self.taken >= MAX_TAKEN:
            self.waiting += 1
            return
        try:
            if file.size_bytes > limit:
                raise CuepointError(ErrorCode.SOURCE_TOO_LARGE, f"The file has more than {limit:,} bytes.")
            async with self.ctx.save() as session:
                if not await _is_still_waiting(session, self.source.id, file):
                    return
                await _check_owner(session, self.source)
                made = await create_import(
                    session, self.ctx.settings, self.source.project_id, self.source.created_by_id, self._wish(file)
                )
                await _store(session, self._values(file, SourceFileStatus.TAKEN, made.expected.video.id))
            self.taken += 1
        except CuepointError as error:
            if error.retryable:
                self.waiting += 1
                return
            await self._note(file, SourceFileStatus.REFUSED, error)
            self.refused += 1

    def _wish(self, file: Listed) -> Wish:
        return Wish(
            address=file.address,
            shown=file.address,
            kind=_KINDS[self.source.kind],
            name=file.name.rsplit("/", 1)[-1][-255:],
            on_duplicate=self.source.on_duplicate,
            how=StartOptions(preset_id=self.source.preset_id, batch_id=self.ctx.job_id),
        )

    async def _note(self, file: Listed, status: SourceFileStatus, error: CuepointError | None = None) -> None:
        async with self.ctx.save() as session:
            await _store(session, self._values(file, status, None, error))

    def _values(
        self, file: Listed, status: SourceFileStatus, video_id: UUID | None, error: CuepointError | None = None
    ) -> dict[str, object]:
        return {
            "source_id": self.source.id,
            "name": file.name,
            "size_bytes": file.size_bytes,
            "mark": file.mark,
            "status": status,
            "seen_at": self.now,
            "video_id": video_id,
            "error_code": None if error is None else error.code.value,
            "error_message": None if error is None else error.message,
        }


async def look_through(ctx: TaskContext) -> None:
    """Every file of the source is noted, and those that have not changed since the last pass are taken."""
    source_id = UUID(str(ctx.args["source_id"]))
    async with ctx.db.read() as session:
        source = await session.get(ImportSource, source_id)
        if source is None:
            raise NotFoundError("import source")
        await _check_owner(session, source)
        rows = await session.scalars(select(ImportSourceFile).where(ImportSourceFile.source_id == source_id))
        known = {row.name: row for row in rows}
    matches = compile_pattern(source.pattern).matches
    work = _Pass(ctx, source, known, datetime.now(UTC))
    async for file in ctx.adapters.fetcher.list(source.address):
        if matches(file.name):
            await work.meet(file)
            ctx.report(0.5, f"{work.listed} files seen, {work.taken} taken")
    facts = {"listed": work.listed, "taken": work.taken, "waiting": work.waiting, "refused": work.refused}
    async with ctx.finish(result=facts) as session:
        gone = [name for name, row in work.known.items() if row.status is not SourceFileStatus.TAKEN]
        named = (ImportSourceFile.source_id == source_id, ImportSourceFile.name.in_(gone))
        await session.execute(delete(ImportSourceFile).where(*named))
        stored = await session.get_one(ImportSource, source_id)
        stored.passed_at = work.now


async def _is_still_waiting(session: AsyncSession, source_id: UUID, file: Listed) -> bool:
    """Whether no other pass has taken it meanwhile; none does until the transaction ends."""
    key = (source_id, file.name)
    row = await session.get(ImportSourceFile, key, with_for_update=True, populate_existing=True)
    return row is not None and row.status is SourceFileStatus.WAITING and row.mark == file.mark


async def _store(session: AsyncSession, values: dict[str, object]) -> None:
    statement = insert(ImportSourceFile).values(**values)
    facts = {name: value for name, value in values.items() if name not in ("source_id", "name")}
    await session.execute(statement.on_conflict_do_update(index_elements=["source_id", "name"], set_=facts))


async def _check_owner(session: AsyncSession, source: ImportSource) -> None:
    """Files are taken in the name of whoever made the source, as long as they may still add to the project."""
    user = None if source.created_by_id is None else await session.get(User, source.created_by_id)
    if user is None or not user.is_active:
        raise NotFoundError("project")
    viewer = Viewer(user_id=user.id, is_admin=user.is_admin)
    await access.require(session, viewer, source.project_id, ProjectRole.EDITOR)
