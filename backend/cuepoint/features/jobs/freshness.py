"""Steps that need no second run: the newest success of the same step was made of the very same things, and what it has
made is still there.

Both are told by a function that the step's module registers, and looked at when the step begins: by then everything
before it is over. The hash of the inputs, the fingerprint, is stored with each run, the first included; it counts once
that has succeeded. A step without such a function always runs; so does one whose job was created with `force`.
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
from cuepoint.features.jobs.effective import SOURCES
from cuepoint.features.jobs.models import Job, JobKind, JobStatus

SKIPPED = "skipped"  # the mark in the result of a job that did not run
NOTHING = "reason"  # in the result of a job that had nothing to make: why; so nothing of it can be gone


@dataclass(frozen=True)
class MadeOf:
    """What a step's result would be made of now - input and engine, as JSON; never anything of the result itself -,
    and whether there is such a result, however it was made."""

    inputs: object
    is_there: bool


# None: the inputs are not there yet. It has to say so rather than to raise: what is wrong with them is for the step's
# body to tell.
Rule = Callable[[TaskContext], Awaitable[MadeOf | None]]
RuleT = TypeVar("RuleT", bound=Rule)


@dataclass(frozen=True)
class _Registered:
    version: int
    rule: Rule


_rules: dict[JobKind, _Registered] = {}


def fresh_by(kind: JobKind, *, version: int) -> Callable[[RuleT], RuleT]:
    """Register what results of this kind are made of. Raise `version` with each change of the code that makes them:
    what older code has made is not fresh then."""

    def register(rule: RuleT) -> RuleT:
        _rules[kind] = _Registered(version, rule)
        return rule

    return register


def fingerprint(kind: JobKind, version: int, args: Mapping[str, Any], inputs: object) -> str:
    """The hash of all that decides a result. Who gave an option does not."""
    options = {name: value for name, value in args.items() if name != SOURCES}
    parts = [kind.value, version, options, inputs]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()


async def reused_result(ctx: TaskContext) -> dict[str, Any] | None:
    """The result of the newest success if it is fresh; None: the step has to run. Its fingerprint is stored either way.

    Raises FenceLost and JobCancelled.
    """
    registered = _rules.get(ctx.kind)
    if registered is None or ctx.video_id is None:
        return None
    made_of = await registered.rule(ctx)
    found = None if made_of is None else fingerprint(ctx.kind, registered.version, ctx.args, made_of.inputs)
    async with ctx.save() as session:
        stored = update(Job).where(Job.id == ctx.job_id).values(fingerprint=found).returning(Job.is_forced)
        is_forced = await session.scalar(stored)
        if made_of is None or found is None or is_forced:
            return None
        return await _fresh(session, ctx.kind, ctx.video_id, found, is_there=made_of.is_there)


async def _fresh(
    session: AsyncSession, kind: JobKind, video_id: UUID, wanted: str, *, is_there: bool
) -> dict[str, Any] | None:
    newest = (
        select(Job.fingerprint, Job.result)
        .where(Job.video_id == video_id, Job.kind == kind, Job.status == JobStatus.SUCCEEDED)
        .order_by(Job.finished_at.desc())
        .limit(1)
    )
    row = (await session.execute(newest)).one_or_none()
    if row is None or row.fingerprint != wanted:
        return None
    result = row.result or {}
    return {**result, SKIPPED: True} if is_there or NOTHING in result else None
