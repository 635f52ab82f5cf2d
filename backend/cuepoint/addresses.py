"""Addresses of Postgres and Redis: what can never work is refused, the rest takes one form."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"(?:\[[^\s@,\[\]]+\]|[^\s@:\[\],]*)(?::(\d{1,5}))?")
# asyncpg hands the server every name that is not its own, and the server refuses these: they are meant for libpq.
_LEFT_OUT = ("connect_timeout",)
_REFUSED = {
    "ssl": "`ssl=` belongs to another library: write sslmode=require, sslmode=verify-full or the like",
    "channel_binding": "`channel_binding=` is not known to the driver: leave it out, and let sslmode=verify-full "
    "see to it that the server is the right one",
}


def postgres_address(given: str) -> str:
    """`postgresql://...` as asyncpg reads it, by which everything connects; a driver of SQLAlchemy's is forgotten.

    Several hosts, sslmode and settings of the session may be in it. Raises ValueError, which says what is wrong."""
    scheme, parts = _split(given, "postgresql")
    if scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise _shape("postgresql")
    _check_hosts(parts.netloc.partition("@")[2] if "@" in parts.netloc else parts.netloc, "postgresql", most=None)
    kept = []
    for pair in parts.query.split("&") if parts.query else []:
        name, equals, _ = pair.partition("=")
        if name in _REFUSED or not equals:
            raise ValueError(_REFUSED.get(name, f"what stands behind the ? must be name=value, which {name} is not"))
        if name not in _LEFT_OUT:
            kept.append(pair)
    return f"postgresql://{parts.netloc}{parts.path}{'?' if kept else ''}{'&'.join(kept)}"


def redis_address(given: str) -> str:
    """The address of one Redis. Raises ValueError, which says what is wrong."""
    scheme, parts = _split(given, "redis")
    if scheme not in ("redis", "rediss", "unix"):
        raise _shape("redis")
    _check_hosts(parts.netloc.rpartition("@")[2], "redis", most=1)
    return given.strip()


def _split(given: str, wanted: str) -> tuple[str, SplitResult]:
    scheme, separator, rest = given.strip().partition("://")
    try:
        parts = urlsplit(f"{wanted}://{rest}")
    except ValueError:  # brackets that do not match
        raise _shape(wanted) from None
    if not separator or parts.fragment:
        raise _shape(wanted)
    return scheme.lower(), parts


def _check_hosts(listed: str, wanted: str, *, most: int | None) -> None:
    hosts = [_HOST.fullmatch(host) for host in listed.split(",")]
    if most is not None and len(hosts) > most:
        raise ValueError("must name one host")
    if not all(host and (host[1] is None or 0 < int(host[1]) < 65_536) for host in hosts):
        raise _shape(wanted)


def _shape(wanted: str) -> ValueError:
    return ValueError(
        f"must begin with {wanted}:// and be a whole URL; special characters of a password are written as %2F and "
        "the like"
    )
