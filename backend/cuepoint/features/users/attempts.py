"""Counts failed sign-ins of an account and from an address, and locks them for a while: in Postgres, for all processes.

An attempt is counted before its password is looked at, and taken back after a success: guesses that come at once, in
several processes or as aliases of one document, all count. An address without an account is counted like any other.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import LockedError
from cuepoint.features.users.models import SignInAttempts

FIRST_LOCK_SECONDS = 30.0
LONGEST_LOCK_SECONDS = 900.0
MOST_DOUBLINGS = 5  # 30 s become 16 minutes: beyond the longest lock
SWEPT_AFTER = timedelta(days=1)
SWEPT_AT_ONCE = 20


@dataclass(frozen=True)
class Subject:
    """What is counted: `limit` failures are free, the count is forgotten after so long without another."""

    key: str
    limit: int
    forgotten_after: timedelta

    @classmethod
    def account(cls, email: str) -> Subject:
        """An account, known or not. 5 guesses, then about a hundred a day."""
        return cls(_hash(f"email:{email.lower()}"), limit=5, forgotten_after=timedelta(days=1))

    @classmethod
    def address(cls, ip: str) -> Subject:
        """Where attempts come from; many people may sit behind one address."""
        return cls(_hash(f"address:{_network(ip)}"), limit=30, forgotten_after=timedelta(hours=1))


def _network(ip: str) -> str:
    """An IPv6 host chooses among the addresses of its /64, so that counts; any other text is itself."""
    try:
        found = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return ip
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def count_attempt(session: AsyncSession, *subjects: Subject) -> bool:
    """One more attempt is counted for each; whether the account is locked from now on. Raises LockedError where one
    of them is locked already: then the transaction must not commit, and nothing was counted."""
    await _sweep(session)
    is_locked_now = False
    for subject in subjects:
        failures = await _count(session, subject)
        if failures is None:
            raise await _locked(session, subject)
        is_locked_now = is_locked_now or failures == subject.limit
    return is_locked_now


async def _count(session: AsyncSession, subject: Subject) -> int | None:
    """Failures with this one; None for a subject that is locked."""
    known = SignInAttempts
    is_old = known.counted_at < func.now() - subject.forgotten_after
    failures = case((is_old, 1), else_=known.failures + 1)
    doublings = func.least(failures - subject.limit, MOST_DOUBLINGS)
    seconds = func.least(FIRST_LOCK_SECONDS * func.power(2, doublings), LONGEST_LOCK_SECONDS)
    pause = func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    statement = (
        insert(known)
        .values(subject=subject.key, failures=1)
        .on_conflict_do_update(
            index_elements=[known.subject],
            set_={
                "failures": failures,
                "locked_until": case((failures >= subject.limit, func.now() + pause), else_=None),
                "counted_at": func.now(),
            },
            where=or_(known.locked_until.is_(None), known.locked_until <= func.now()),
        )
        .returning(known.failures)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def _locked(session: AsyncSession, subject: Subject) -> LockedError:
    until = await session.scalar(select(SignInAttempts.locked_until).where(SignInAttempts.subject == subject.key))
    left = (until - datetime.now(UTC)).total_seconds() if until else 0.0
    seconds = round(max(left, 0.001), 3)
    return LockedError(
        f"Too many attempts to sign in; try again in {seconds:.0f} s. Sessions and API keys go on meanwhile.",
        retry_after_seconds=seconds,
    )


async def take_back(session: AsyncSession, account: Subject, address: Subject) -> None:
    """The attempt was no failure: the account's count begins anew, the address has one less."""
    known = SignInAttempts
    await session.execute(delete(known).where(known.subject == account.key))
    still_locked = case((known.failures - 1 >= address.limit, known.locked_until), else_=None)
    await session.execute(
        update(known)
        .where(known.subject == address.key)
        .values(failures=func.greatest(known.failures - 1, 0), locked_until=still_locked)
    )


async def _sweep(session: AsyncSession) -> None:
    """Rows of long ago go, a few at each attempt: strangers cannot fill the table for good."""
    old = (
        select(SignInAttempts.subject)
        .where(SignInAttempts.counted_at < func.now() - SWEPT_AFTER)
        .limit(SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(SignInAttempts).where(SignInAttempts.subject.in_(old)))
