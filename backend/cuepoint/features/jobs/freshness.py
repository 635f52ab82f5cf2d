"""Steps that need no second run: the newest success of the same step was made of the very same things.

What a result is made of - input, options, engine - is told by a function that a task registers, and looked at when the
step begins: by then everything before it is over. Its hash, the fingerprint, is stored with the job. A step without
such a function always runs; so does one whose job was created with `force`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.features.jobs.context import TaskContext
from cuepoint.features.jobs.models import Job, JobKind, JobStatus

SKIPPED = "skipped"  # the mark in the result of a job that did not run

# What the result would be made of, as JSON; None where there is nothing to compare, or the result is not there.
Made = Callable[[TaskContext], Awaitable[object | None]]
MadeT = TypeVar("MadeT", bound=Made)


@dataclass(frozen=True)
class _Rule:
    version: int
    made_of: Made


_rules: dict[JobKind, _Rule] = {}


def fresh_by(kind: JobKind, *, version: int) -> Callable[[MadeT], MadeT]:
    """Register what results of this kind are made of. Raise `version` with each change of the code that makes them:
    what older code has made is not fresh then."""

    def register(made_of: MadeT) -> MadeT:
        _rules[kind] = _Rule(version, made_of)
        return made_of

    return register


def fingerprint(kind: JobKind, version: int, args: Mapping[str, Any], made_of: object) -> str:
    """The hash of all that decides a result."""
    parts = [kind.value, version, dict(args), made_of]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()


async def reused_result(ctx: TaskContext) -> dict[str, Any] | None:
    """The result of the newest success if it is fresh; None: the step has to run. Its fingerprint is stored then.

    Raises FenceLost and JobCancelled, and what the step's own function raises.
    """
    rule = _rules.get(ctx.kind)
    if rule is None or ctx.video_id is None:
        return None
    made_of = await rule.made_of(ctx)
    found = None if made_of is None else fingerprint(ctx.kind, rule.version, ctx.args, made_of)
    async with ctx.save() as session:
        stored = update(Job).where(Job.id == ctx.job_id).values(fingerprint=found).returning(Job.is_forced)
        is_forced = await session.scalar(stored)
        if found is None or is_forced:
            return None
        return await _result_of(session, ctx.kind, ctx.video_id, found)


async def _result_of(session: AsyncSession, kind: JobKind, video_id: UUID, wanted: str) -> dict[str, Any] | None:
    newest = (
        select(Job.fingerprint, Job.result)
        .where(Job.video_id == video_id, Job.kind == kind, Job.status == JobStatus.SUCCEEDED)
        .order_by(Job.finished_at.desc())
        .limit(1)
    )
    row = (await session.execute(newest)).one_or_none()
    if row is None or row.fingerprint != wanted:
        return None
    return {**(row.result or {}), SKIPPED: True}
