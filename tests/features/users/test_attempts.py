"""Failed sign-ins: who guesses is held up where they are, and whose account it is goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import CuepointError, LockedError
from cuepoint.features.audit.models import AuditEvent
from cuepoint.features.users import attempts
from cuepoint.features.users.models import SignInAttempts
from tests.support.builders.users import PASSWORD, make_user, sign_in


async def code_of_login(
    db: Database, settings: Settings, email: str, password: str = "wrong password", *, address: str = "192.0.2.1"
) -> str:
    try:
        await sign_in(db, settings, email, password, address=address)
    except CuepointError as error:
        return error.code.value
    return "OK"


async def actions(db: Database) -> list[str]:
    async with db.read() as session:
        return list(await session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))


class TestLock:
    async def test_five_failures_lock_the_account_even_for_the_right_password(
        self, db: Database, settings: Settings
    ) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)

        codes = [await code_of_login(db, settings, "ADA@example.org") for _ in range(6)]
        with pytest.raises(LockedError) as locked:
            await sign_in(db, settings, "ada@example.org")

        assert codes == ["INVALID_CREDENTIALS"] * 5 + ["SIGN_IN_LOCKED"]
        assert 20 < locked.value.retry_after_seconds <= 30
        assert locked.value.retryable
        assert await actions(db) == ["SIGN_IN_LOCKED"]

    async def test_an_unknown_address_is_locked_alike(self, db: Database, settings: Settings) -> None:
        codes = [await code_of_login(db, settings, "eve@example.org") for _ in range(6)]

        assert codes == ["INVALID_CREDENTIALS"] * 5 + ["SIGN_IN_LOCKED"]
        assert await actions(db) == []

    async def test_guesses_at_once_all_count(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)

        codes = await asyncio.gather(*[code_of_login(db, settings, "ada@example.org") for _ in range(8)])

        assert sorted(codes) == ["INVALID_CREDENTIALS"] * 5 + ["SIGN_IN_LOCKED"] * 3

    async def test_a_success_begins_the_count_anew(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        for _ in range(4):
            await code_of_login(db, settings, "ada@example.org")

        codes = [await code_of_login(db, settings, "ada@example.org", PASSWORD)]
        codes += [await code_of_login(db, settings, "ada@example.org") for _ in range(5)]

        assert codes == ["OK"] + ["INVALID_CREDENTIALS"] * 5

    async def test_the_lock_ends_and_the_next_one_is_longer(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        for _ in range(5):
            await code_of_login(db, settings, "ada@example.org")
        past = {SignInAttempts.locked_until: func.now() - timedelta(seconds=1)}
        async with db.write() as session:
            await session.execute(update(SignInAttempts).values(past))

        assert await code_of_login(db, settings, "ada@example.org") == "INVALID_CREDENTIALS"
        with pytest.raises(LockedError) as locked:
            await sign_in(db, settings, "ada@example.org")

        assert 50 < locked.value.retry_after_seconds <= 60

    async def test_a_strangers_guesses_lock_nobody_elsewhere(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)
        guesses = [await code_of_login(db, settings, "ada@example.org", address="203.0.113.9") for _ in range(7)]

        assert guesses == ["INVALID_CREDENTIALS"] * 5 + ["SIGN_IN_LOCKED"] * 2
        assert await code_of_login(db, settings, "ada@example.org", PASSWORD) == "OK"

    async def test_spellings_that_find_one_account_are_counted_as_one(self, db: Database) -> None:
        spellings = ["İ@x.org", "i@x.org", "I@x.org", "i\u0307@x.org", "É@x.org", "é@x.org", "\u212a@x.org", "k@x.org"]
        async with db.write() as session:
            found = [await session.scalar(select(func.lower(spelling))) for spelling in spellings]
            counted = [
                (await attempts.count_sign_in(session, spelling, f"192.0.2.{host}")).others[-1]
                for host, spelling in enumerate(spellings)
            ]

        assert [counted.index(subject) for subject in counted] == [found.index(address) for address in found]

    @pytest.mark.parametrize("address", ["::ffff:203.0.113.9", "64:ff9b::203.0.113.9"], ids=["mapped", "nat64"])
    def test_an_ipv4_address_inside_ipv6_is_that_place(self, address: str) -> None:
        assert attempts.Subject.place(address) == attempts.Subject.place("203.0.113.9")
        assert attempts.Subject.place(address) != attempts.Subject.place(address.replace("113.9", "113.10"))

    async def test_hosts_of_one_network_are_one_place(self, db: Database, settings: Settings) -> None:
        await make_user(db, email="ada@example.org", password=PASSWORD)

        codes = [
            await code_of_login(db, settings, "ada@example.org", address=f"2001:db8::{host}") for host in range(1, 7)
        ]

        assert codes == ["INVALID_CREDENTIALS"] * 5 + ["SIGN_IN_LOCKED"]


@pytest.fixture
async def siege(db: Database, settings: Settings) -> str:
    """An account that signs in from 192.0.2.1, and that twenty other places have guessed the password of."""
    user = await make_user(db, email="ada@example.org", password=PASSWORD)
    await sign_in(db, settings, user.email)
    for host in range(20):
        async with db.write() as session:
            await attempts.count_sign_in(session, user.email, f"203.0.113.{host}")
    return user.email


async def let_time_pass(db: Database) -> None:
    """Whatever waits may be tried now."""
    async with db.write() as session:
        due = SignInAttempts.locked_until > func.now()
        await session.execute(update(SignInAttempts).where(due).values(locked_until=func.now()))


class TestSlowDown:
    async def test_guesses_from_many_places_are_looked_at_one_by_one(
        self, db: Database, settings: Settings, siege: str
    ) -> None:
        before = [await code_of_login(db, settings, siege, PASSWORD, address="198.51.100.99")]
        await let_time_pass(db)
        at_once = await asyncio.gather(
            *[code_of_login(db, settings, siege, address=f"198.51.100.{host}") for host in range(8)]
        )

        assert before == ["SIGN_IN_LOCKED"]
        assert sorted(at_once) == ["INVALID_CREDENTIALS"] + ["SIGN_IN_LOCKED"] * 7

    async def test_a_known_place_is_not_held_up(self, db: Database, settings: Settings, siege: str) -> None:
        assert await code_of_login(db, settings, siege, PASSWORD) == "OK"
        assert await code_of_login(db, settings, siege) == "INVALID_CREDENTIALS"

    async def test_nobody_waits_longer_than_a_minute(self, db: Database, settings: Settings, siege: str) -> None:
        waits = []
        for host in range(7):
            await let_time_pass(db)
            assert await code_of_login(db, settings, siege, address=f"198.51.100.{host}") == "INVALID_CREDENTIALS"
            with pytest.raises(LockedError) as slowed:
                await sign_in(db, settings, siege, address="198.51.100.99")
            waits.append(round(slowed.value.retry_after_seconds))

        assert waits == [10, 20, 40, 60, 60, 60, 60]

    async def test_a_success_elsewhere_gives_strangers_no_new_guesses(
        self, db: Database, settings: Settings, siege: str
    ) -> None:
        await sign_in(db, settings, siege)

        assert await code_of_login(db, settings, siege, address="198.51.100.1") == "SIGN_IN_LOCKED"

    async def test_a_place_is_known_for_ninety_days(self, db: Database, settings: Settings, siege: str) -> None:
        async with db.write() as session:
            long_ago = func.now() - timedelta(days=91)
            await session.execute(update(SignInAttempts).values(succeeded_at=long_ago))

        assert await code_of_login(db, settings, siege, PASSWORD) == "SIGN_IN_LOCKED"

    async def test_an_account_that_does_not_exist_is_slowed_down_alike(self, db: Database, settings: Settings) -> None:
        for host in range(20):
            async with db.write() as session:
                await attempts.count_sign_in(session, "eve@example.org", f"203.0.113.{host}")

        assert await code_of_login(db, settings, "eve@example.org", address="198.51.100.1") == "SIGN_IN_LOCKED"
        assert await actions(db) == []
