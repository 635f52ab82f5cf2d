"""Counts failed sign-ins and holds up who guesses, without locking out whose account it is: in Postgres, for all.

Three things are counted, each by itself:

    an account at one place   5 failures lock it there, for 30 seconds and then twice as long each time, to 15 minutes:
                              about a hundred guesses a day. Nobody elsewhere notices.
    a place                   30 failures lock it, for whatever account.
    an account, everywhere    after 20 failures one attempt is looked at in 5 seconds, then 10, 20, 40, 60: guessing
                              from many places is slowed down to 1,440 a day and never stops anybody for longer.
                              Places from which the account has signed in within 90 days are not held up by it.

A place is an IPv4 address or an IPv6 /64. An account is its address in the spelling that the database looks it up by:
spellings that find it have no counts of their own. An attempt is counted before its password is looked at, and taken
back after a success: guesses that come at once, in several processes or as aliases of one document, all count. An
address without an account is counted like any other. Who is signed in already (`changePassword`) is counted by user,
who guesses the password of a share link by link and place.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.errors import LockedError
from cuepoint.features.users.models import SignInAttempts

MOST_DOUBLINGS = 10  # of the first pause; beyond the longest one of every subject
KNOWN_FOR = timedelta(days=90)
SWEPT_AFTER = timedelta(days=1)
SWEPT_AT_ONCE = 20
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address of who called


@dataclass(frozen=True)
class Subject:
    """What is counted: `limit` failures are free, then each is followed by a pause that doubles up to the longest; the
    count is forgotten after so long without another."""

    key: str
    limit: int
    first_seconds: float = 30.0
    longest_seconds: float = 900.0
    forgotten_after: timedelta = timedelta(days=1)

    @classmethod
    def account_at(cls, email: str, ip: str) -> Subject:
        """An account, known or not, at one place."""
        return cls(_hash(f"email:{email} at:{_network(ip)}"), limit=5)

    @classmethod
    def place(cls, ip: str) -> Subject:
        """Where attempts come from; many people may sit behind one address."""
        return cls(_hash(f"address:{_network(ip)}"), limit=30, forgotten_after=timedelta(hours=1))

    @classmethod
    def account(cls, email: str) -> Subject:
        """An account, known or not, from places where it has not signed in before."""
        return cls(_hash(f"email:{email}"), limit=20, first_seconds=5.0, longest_seconds=60.0)

    @classmethod
    def link_at(cls, link_id: UUID, ip: str) -> Subject:
        """The password of a share link, at one place."""
        return cls(_hash(f"link:{link_id} at:{_network(ip)}"), limit=5)

    @classmethod
    def signed_in(cls, user_id: UUID) -> Subject:
        """Somebody who has a session or key of the account and guesses its password."""
        return cls(_hash(f"user:{user_id}"), limit=5)


@dataclass(frozen=True)
class Attempt:
    """One that was counted: for whom, whether it begins a lock or a slow-down, and whether the place is known."""

    own: Subject
    others: tuple[Subject, ...]
    is_last: bool
    is_known: bool = False


def _network(ip: str) -> str:
    """An IPv6 host chooses among the addresses of its /64, so that counts; any other text is itself."""
    try:
        found = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return ip
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in NAT64 else found.ipv4_mapped
    return str(inside or ipaddress.ip_network((found, 64), strict=False))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def count_sign_in(session: AsyncSession, email: str, ip: str) -> Attempt:
    """One more attempt to sign in is counted. Raises LockedError where it must wait: then the transaction must not
    commit, and nothing was counted."""
    email = (await session.execute(select(func.lower(email)))).scalar_one()
    own = Subject.account_at(email, ip)
    await _sweep(session)
    failures, is_known = await _count(session, own)
    place, account = Subject.place(ip), Subject.account(email)
    others = (place,) if is_known else (place, account)
    counts = {own: failures, **{subject: (await _count(session, subject))[0] for subject in others}}
    return Attempt(own, others, any(counts[subject] == subject.limit for subject in counts if subject is not place))


async def count_change(session: AsyncSession, user_id: UUID) -> Attempt:
    """One more password that somebody who is signed in claims to be theirs is counted, wherever they are: strangers at
    the same place hold them up in nothing. Raises LockedError, as above."""
    own = Subject.signed_in(user_id)
    await _sweep(session)
    failures, _ = await _count(session, own)
    return Attempt(own, (), failures == own.limit)


async def count_guess(session: AsyncSession, link_id: UUID, ip: str) -> Attempt:
    """One more password of a share link is counted, at that place alone. Raises LockedError, as above."""
    own = Subject.link_at(link_id, ip)
    await _sweep(session)
    failures, is_known = await _count(session, own)
    return Attempt(own, (), failures == own.limit, is_known)


async def _count(session: AsyncSession, subject: Subject) -> tuple[int, bool]:
    """Failures with this one, and whether there was a success lately. Raises LockedError for a subject that waits."""
    known = SignInAttempts
    is_old = known.counted_at < func.now() - subject.forgotten_after
    failures = case((is_old, 1), else_=known.failures + 1)
    doublings = func.least(failures - subject.limit, MOST_DOUBLINGS)
    seconds = func.least(subject.first_seconds * func.power(2, doublings), subject.longest_seconds)
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
        .returning(known.failures, known.succeeded_at > func.now() - KNOWN_FOR)
    )
    counted = (await session.execute(statement)).one_or_none()
    if counted is None:
        raise await _locked(session, subject)
    return counted[0], bool(counted[1])


async def _locked(session: AsyncSession, subject: Subject) -> LockedError:
    until = await session.scalar(select(SignInAttempts.locked_until).where(SignInAttempts.subject == subject.key))
    left = (until - datetime.now(UTC)).total_seconds() if until else 0.0
    seconds = round(max(left, 0.001), 3)
    return LockedError(
        f"Too many attempts to sign in; try again in {seconds:.0f} s. Sessions and API keys go on meanwhile.",
        retry_after_seconds=seconds,
    )


async def take_back(session: AsyncSession, attempt: Attempt) -> None:
    """The attempt was no failure: its own count begins anew and the place is known, the others have one less."""
    known = SignInAttempts
    values = {"failures": 0, "locked_until": None, "succeeded_at": func.now()}
    await session.execute(update(known).where(known.subject == attempt.own.key).values(values))
    for subject in attempt.others:
        still_locked = case((known.failures - 1 >= subject.limit, known.locked_until), else_=None)
        await session.execute(
            update(known)
            .where(known.subject == subject.key)
            .values(failures=func.greatest(known.failures - 1, 0), locked_until=still_locked)
        )


async def _sweep(session: AsyncSession) -> None:
    """Rows of long ago go, a few at each attempt: strangers cannot fill the table for good."""
    is_known = SignInAttempts.succeeded_at > func.now() - KNOWN_FOR
    old = (
        select(SignInAttempts.subject)
        .where(SignInAttempts.counted_at < func.now() - SWEPT_AFTER, is_known.is_not(True))
        .limit(SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(SignInAttempts).where(SignInAttempts.subject.in_(old)))
