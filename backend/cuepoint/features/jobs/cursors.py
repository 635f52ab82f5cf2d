"""The position of a feed: which events of many jobs its reader has seen, as a value that stays small.

A watermark and a vector. Every event whose `at` is not above `base` has been seen; of a job in `positions` the events
up to that number, too; of no other job anything above `base`. A job leaves the vector once the watermark has passed
what was seen of it, so the vector holds the jobs that changed within the last seconds, whether they are final or not,
and never those that only wait. It is capped at MAX_POSITIONS: a reader with more to come goes through the log in the
order of (job, number) up to a second watermark, and then `round` says how far it is.

A crash of Postgres forgets claims that were not on the disk, and were seen: they are made anew under the same number,
later. Their positions stay behind the watermark until that has come.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

MAX_FORGOTTEN = 16  # more of them are told twice
MAX_POSITIONS = 128  # 19 bytes each: a cursor is 3.3 kB at the most, and about 40 bytes on a quiet project
_VERSION = 1
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_UUID_BYTES = 16


class MalformedCursorError(ValueError):
    """The text is no cursor of this feed."""


@dataclass(frozen=True)
class Position:
    """What was seen of one job: every event up to number `seq`, the latest of them at `at`."""

    seq: int
    at: datetime


def note(noted: dict[UUID, Position], job_id: UUID, seen: Position) -> None:
    """Keep the highest number of each job, of equal ones what was told last: a crash of Postgres counts anew."""
    known = noted.get(job_id)
    if known is None or known.seq <= seen.seq:
        noted[job_id] = seen


@dataclass(frozen=True)
class Round:
    """A pass through the log: everything up to `until` in the order of (job, number), done up to this key."""

    until: datetime
    job_id: UUID
    seq: int


@dataclass
class Cursor:
    """What a reader has seen."""

    base: datetime
    positions: dict[UUID, Position] = field(default_factory=dict)
    round: Round | None = None

    def has_seen(self, job_id: UUID, seq: int, at: datetime, *, is_claim: bool = False) -> bool:
        """Whether this event has been seen. A later one under a number that was seen follows a crash: of a claim it
        tells nothing new."""
        position = self.positions.get(job_id)
        if position is not None and seq <= position.seq and (is_claim or seq < position.seq or at <= position.at):
            return True
        if self.round is not None and (job_id, seq) <= (self.round.job_id, self.round.seq):
            return at <= self.round.until
        return position is None and at <= self.base

    def has_room_for(self, job_id: UUID) -> bool:
        """Whether an event of this job above the watermark can be noted."""
        return job_id in self.positions or len(self.positions) - len(self.forgotten) < MAX_POSITIONS

    def see(self, job_id: UUID, seq: int, at: datetime) -> None:
        """This event, and so everything of its job before it, has been seen."""
        position = self.positions.get(job_id)
        self.positions[job_id] = Position(seq, at if position is None else max(at, position.at))

    @property
    def forgotten(self) -> list[UUID]:
        """Jobs with a claim that was seen, and forgotten by Postgres."""
        return [job_id for job_id, seen in self.positions.items() if seen.at <= self.base]

    def advance(self, base: datetime, forgotten: Collection[UUID] = ()) -> None:
        """Everything up to `base` has been seen; what was seen of these jobs is in the log no more. The watermark never
        goes back."""
        if base <= self.base:
            return
        passed = {job_id for job_id, seen in self.positions.items() if seen.at <= base}
        kept = [job_id for job_id in (*self.forgotten, *forgotten) if job_id in passed][-MAX_FORGOTTEN:]
        self.base = base
        self.positions = {j: seen for j, seen in self.positions.items() if j not in passed or j in kept}

    def copy(self) -> Cursor:
        """Another that goes its own way."""
        return replace(self, positions=dict(self.positions))

    def encode(self, feed: str) -> str:
        """As opaque text, of use for the feed of that name only."""
        out = bytearray([_VERSION]) + zlib.crc32(feed.encode()).to_bytes(4) + _time(self.base)
        out.append(self.round is not None)
        if self.round is not None:
            out += _time(self.round.until) + self.round.job_id.bytes + _number(self.round.seq)
        for job_id, seen in self.positions.items():
            later = -((self.base - seen.at) // _MILLISECOND)  # rounded up: it may leave the vector late, not early
            out += job_id.bytes + _number(seen.seq) + _number(max(0, later))
        return base64.urlsafe_b64encode(out).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, feed: str) -> Cursor:
        """The value that `encode` wrote. Raises MalformedCursorError."""
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return cls._parse(_Reader(data), zlib.crc32(feed.encode()))
        except (binascii.Error, IndexError, OverflowError, ValueError) as error:
            raise MalformedCursorError(str(error)) from None

    @classmethod
    def _parse(cls, reader: _Reader, checksum: int) -> Cursor:
        if reader.take(1)[0] != _VERSION or int.from_bytes(reader.take(4)) != checksum:
            raise MalformedCursorError("another feed's")
        cursor = cls(reader.time())
        if reader.take(1)[0]:
            cursor.round = Round(reader.time(), UUID(bytes=reader.take(_UUID_BYTES)), reader.number())
        while reader.has_more():
            if len(cursor.positions) == 2 * MAX_POSITIONS:  # times that were noted out of order come on top
                raise MalformedCursorError("too long")
            job_id = UUID(bytes=reader.take(_UUID_BYTES))
            cursor.positions[job_id] = Position(reader.number(), cursor.base + reader.number() * _MILLISECOND)
        return cursor


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def has_more(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise MalformedCursorError("too short")
        self._at += count
        return piece

    def time(self) -> datetime:
        return _EPOCH + int.from_bytes(self.take(8)) * _MICROSECOND

    def number(self) -> int:
        """A number in groups of seven bits, the lowest first; at most five groups, which is more than a column has."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise MalformedCursorError("too large")


def _time(at: datetime) -> bytes:
    return ((at - _EPOCH) // _MICROSECOND).to_bytes(8)


def _number(value: int) -> bytes:
    return bytes(_groups(value))


def _groups(value: int) -> Iterator[int]:
    while value >= 0x80:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
