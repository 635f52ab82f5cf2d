"""Refuse what would pass a quota.

Whoever takes from a quota locks its rows, writes what it takes, counts, and takes it all back by its rollback where
that is too much: of many at once the last unit goes to one. Without a quota in the way this is one statement. What is
reserved is never written down: a job reserves for as long as it is unfinished, so a failed one gives back all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import CuepointError, ErrorCode, QuotaExceededError, QuotaExcess, QuotaLimit
from cuepoint.features.quotas.figures import (
    Figure,
    UsageFigures,
    job_figures,
    media_figures,
    storage_figures,
    usage_figures,
)
from cuepoint.features.quotas.limits import Scope
from cuepoint.features.quotas.metering import MICROS, metering_of
from cuepoint.features.quotas.models import Quota
from cuepoint.features.quotas.usage import whose_job

TRANSCRIBES = "TRANSCRIPTION"  # the kind of job that takes of the minutes; jobs are a later feature


async def check_job(session: AsyncSession, kind: str, *, project_id: UUID | None, user_id: UUID | None) -> None:
    """Pass if the job that this transaction has just made, or brought back, fits into every quota that holds for it.

    Raises QuotaExceededError.
    """
    for quota in await _held(session, project_id, user_id):
        if quota.concurrent_jobs is not None:
            [figure] = await job_figures(session, quota)
            _refuse_if_passed(figure, QuotaLimit.CONCURRENT_JOBS, quota)
        if kind == TRANSCRIBES and quota.media_ms_per_month is not None:
            [figure] = await media_figures(session, quota)
            _refuse_if_passed(figure, QuotaLimit.MEDIA_MINUTES_PER_MONTH, quota, is_unknown_free=False)
        if kind in metering_of(session).models and _limits_usage(quota):
            [figures] = await usage_figures(session, quota)
            _refuse_usage(figures, quota)


async def check_media(session: AsyncSession, job_id: UUID) -> None:
    """Pass if the transcription may begin, whose length is known by now; earlier jobs have their place before it.

    Raises QUOTA_EXCEEDED.
    """
    asked = await whose_job(session, job_id)
    if asked is None:
        return
    for quota in await _held(session, asked.project_id, asked.created_by_id):
        if quota.media_ms_per_month is not None:
            [figure] = await media_figures(session, quota, up_to=job_id)
            _refuse_if_passed(figure, QuotaLimit.MEDIA_MINUTES_PER_MONTH, quota)


async def check_usage(session: AsyncSession, job_id: UUID) -> None:
    """Pass if a job that calls a paid model may begin, whose media's length is known by now; earlier jobs have their
    place before it. Raises QuotaExceededError."""
    asked = await whose_job(session, job_id)
    if asked is None or asked.kind not in metering_of(session).models:
        return
    for quota in await _held(session, asked.project_id, asked.created_by_id):
        if _limits_usage(quota):
            [figures] = await usage_figures(session, quota, up_to=job_id)
            _refuse_usage(figures, quota)


async def check_call(session: AsyncSession, kind: str, *, project_id: UUID | None, user_id: UUID | None) -> None:
    """Pass if a call so small that nothing is reserved for it may be made of the model that jobs of this kind use: a
    quota that is spent lets nothing through. Raises QuotaExceededError."""
    model = metering_of(session).models.get(kind)
    if model is None:
        return
    for quota in (await session.scalars(select(Quota).where(_holds_for(project_id, user_id)))).all():
        if _limits_usage(quota):
            [figures] = await usage_figures(session, quota)
            if quota.cost_micros_per_month is not None and metering_of(session).price_of(model) is None:
                raise _unpriced(model)
            for figure, what in (
                (figures.tokens, QuotaLimit.TOKENS_PER_MONTH),
                (figures.cost, QuotaLimit.COST_PER_MONTH),
            ):
                if figure.is_spent:
                    raise _exceeded(figure, what, quota)


async def check_storage(session: AsyncSession, *, project_id: UUID, user_id: UUID | None) -> None:
    """Pass if the upload that this transaction has just written, or given a size, fits into every quota that holds
    for it. Raises QUOTA_EXCEEDED."""
    for quota in await _held(session, project_id, user_id):
        if quota.storage_bytes is not None:
            [figure] = await storage_figures(session, quota)
            _refuse_if_passed(figure, QuotaLimit.STORAGE_BYTES, quota, is_unknown_free=False)


async def storage_room(session: AsyncSession, *, project_id: UUID, user_id: UUID | None) -> int | None:
    """Bytes that still fit into every quota that holds for such an upload, beside what is reserved; None: as many as
    you like. Nothing is locked: what has arrived is checked by `check_storage`."""
    quotas = (await session.scalars(select(Quota).where(_holds_for(project_id, user_id)))).all()
    figures = [figure for quota in quotas for figure in await storage_figures(session, quota)]
    rooms = [figure.limit - figure.used - figure.reserved for figure in figures if figure.limit is not None]
    return min(rooms, default=None)


def _limits_usage(quota: Quota) -> bool:
    return quota.tokens_per_month is not None or quota.cost_micros_per_month is not None


def _refuse_usage(figures: UsageFigures, quota: Quota) -> None:
    _refuse_if_passed(figures.tokens, QuotaLimit.TOKENS_PER_MONTH, quota, is_unknown_free=False)
    if quota.cost_micros_per_month is not None and figures.unpriced:
        raise _unpriced(figures.unpriced[0])
    _refuse_if_passed(figures.cost, QuotaLimit.COST_PER_MONTH, quota, is_unknown_free=False)


def _unpriced(model: str) -> CuepointError:
    """A price that nobody knows is not 0."""
    return CuepointError(
        ErrorCode.MISCONFIGURED,
        f"The price of the model {model} is not known, and a quota limits what may be spent here.",
        hint="Add it to CUEPOINT_MODEL_PRICES; 0 for a model on a machine of your own.",
    )


async def _held(session: AsyncSession, project_id: UUID | None, user_id: UUID | None) -> Sequence[Quota]:
    """The quotas in the way, locked until the transaction ends; asked once for each transaction."""
    await hold(session, [(project_id, user_id)])
    held: Sequence[Quota] = session.info[hold][project_id, user_id]
    if held:
        await session.flush()
    return held


async def hold(session: AsyncSession, owners: Collection[tuple[UUID | None, UUID | None]]) -> None:
    """The quotas in the way of these projects and users are locked until the transaction ends, in one order: whoever
    checks several pairs holds all of them first, as two that lock pair after pair may wait for each other."""
    known: dict[tuple[UUID | None, UUID | None], Sequence[Quota]] = session.info.setdefault(hold, {})
    new = set(owners) - set(known)
    if not new:
        return
    projects, users = ({pair[side] for pair in new} - {None} for side in (0, 1))
    everywhere = Quota.project_id.is_(None) & Quota.user_id.is_(None)
    holds = or_(everywhere, Quota.project_id.in_(projects), Quota.user_id.in_(users))
    statement = select(Quota).where(holds).order_by(Quota.id).with_for_update(key_share=True)
    quotas = (await session.scalars(statement)).all()
    for project_id, user_id in new:
        known[project_id, user_id] = [
            quota for quota in quotas if quota.project_id in (None, project_id) and quota.user_id in (None, user_id)
        ]


def _holds_for(project_id: UUID | None, user_id: UUID | None) -> ColumnElement[bool]:
    holds: list[ColumnElement[bool]] = [Quota.project_id.is_(None) & Quota.user_id.is_(None)]
    holds += [Quota.project_id == project_id] if project_id is not None else []
    holds += [Quota.user_id == user_id] if user_id is not None else []
    return or_(*holds)


def _refuse_if_passed(figure: Figure, what: QuotaLimit, quota: Quota, *, is_unknown_free: bool = True) -> None:
    """Raises QuotaExceededError; where a size or length that is not known yet is not free, for a spent quota too."""
    if figure.is_passed or (not is_unknown_free and figure.is_spent and not figure.reserved):
        raise _exceeded(figure, what, quota)


# How a message calls what is limited, and how many of what is counted make one of its units.
_WORDS = {
    QuotaLimit.STORAGE_BYTES: ("bytes of storage", 1),
    QuotaLimit.MEDIA_MINUTES_PER_MONTH: ("minutes of media this month", 60_000),
    QuotaLimit.CONCURRENT_JOBS: ("unfinished jobs", 1),
    QuotaLimit.TOKENS_PER_MONTH: ("tokens this month", 1),
    QuotaLimit.COST_PER_MONTH: ("of cost this month", MICROS),
}


def _exceeded(figure: Figure, what: QuotaLimit, quota: Quota) -> QuotaExceededError:
    kind = Scope(quota.project_id, quota.user_id).kind
    words, unit = _WORDS[what]
    limit, used, reserved = ((value or 0) / unit for value in (figure.limit, figure.used, figure.reserved))
    digits = 6 if what is QuotaLimit.COST_PER_MONTH else 1
    until = "" if figure.resets_at is None else f" It begins anew at {figure.resets_at:%Y-%m-%dT%H:%MZ}."
    shown = [f"{round(value, digits):.15g}" for value in (limit, used, reserved)]
    return QuotaExceededError(
        f"This passes the quota of the {kind.value.lower()}: {shown[0]} {words}, of which {shown[1]} are used and "
        f"{shown[2]} would be reserved with this.{until}",
        QuotaExcess(kind, what, limit, used, reserved, figure.resets_at),
    )
