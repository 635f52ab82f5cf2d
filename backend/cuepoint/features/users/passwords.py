"""Hash and verify passwords with Argon2id, off the event loop and a few at a time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# The least that OWASP's Password Storage Cheat Sheet names for Argon2id: 19 MiB, two passes, one lane. Measured: 33 ms
# of one core. Guessing is slowed by the lock of the account; this is for a database that was stolen.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Two at a time: a flood of sign-ins takes neither the memory nor all cores of a small machine.
_threads = ThreadPoolExecutor(2, thread_name_prefix="argon2")

# The hash of 32 random bytes that nobody knows: what is verified for an address without an account or a password.
NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$wKxsFP6c8EP+2+Ek+37PqA$wGMWX2muQ69lySZOFfi7ZrWtjbtEFRActmPfwjoAzF4"


async def hash_password(password: str) -> str:
    """The hash to keep, with its parameters and a new salt."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed. Without a hash it takes as long, and the answer is no."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _verify, password_hash or NOBODYS, password)


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
