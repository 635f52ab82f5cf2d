"""What is written down about an upload that is open in an object store: its parts, its remainder, who may write.

The bytes of an open upload are the parts of one multipart upload, all of one size, and a remainder object that is
smaller than a part. Their list is a small JSON object that is only ever changed on the condition that nobody else has
changed it meanwhile (If-Match on its ETag). So several processes can serve one upload:

- who holds the lease may write; a lease that ran out may be taken over;
- what a writer has sent counts once the list names it; whoever was overtaken cannot change the list any more;
- part numbers are reserved before they are used, so that one who was overtaken, and does not know it yet, never
  replaces a part of the next writer. Numbers need not be gapless.

Clocks decide only when a lease may be taken over. Safety rests on the conditional writes alone.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from dataclasses import dataclass

from cuepoint.adapters.storage.refusals import bytes_missing

PART_BYTES = 8 << 20  # S3 takes 5 MiB at least; a block of the intake and this much are what an upload holds in memory
MAX_NUMBER = 10_000  # part numbers that S3 has
USED_NUMBERS = 8_000  # parts that a whole upload is planned to have; the others are spare, for writers that crashed
RESERVED_AT_ONCE = 16  # part numbers a writer takes: one small write for 128 MiB


@dataclass(frozen=True)
class StoredPart:
    """A part of the multipart upload."""

    number: int
    etag: str
    size_bytes: int


@dataclass(frozen=True)
class Remainder:
    """The bytes behind the parts `[0, parts)`, in an object of their own."""

    name: str
    size_bytes: int
    parts: int


@dataclass(frozen=True)
class Place:
    """Where an upload can go on: behind this many parts and this much of a remainder."""

    parts: int
    remainder: Remainder | None
    remainder_bytes: int


@dataclass(frozen=True)
class OpenUpload:
    """One open upload. `previous` is the remainder before the last step, kept as that step may not be confirmed."""

    part_bytes: int = PART_BYTES
    multipart_id: str | None = None
    whole_name: str = ""
    parts: tuple[StoredPart, ...] = ()
    remainder: Remainder | None = None
    previous: Remainder | None = None
    reserved: int = 0
    holder: str | None = None
    held_until: float = 0.0
    nonce: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes that the list names."""
        in_parts = sum(part.size_bytes for part in self.parts)
        return in_parts + (self.remainder.size_bytes if self.remainder else 0)

    @property
    def remainders(self) -> frozenset[str]:
        """Names of the remainder objects that are still wanted."""
        return frozenset(r.name for r in (self.remainder, self.previous) if r is not None)

    def place_of(self, offset: int) -> Place:
        """Where to go on at `offset`: at the end, or at the beginning of the last step, which was never confirmed.
        Raises CuepointError OFFSET_MISMATCH where bytes are missing, or lie inside a part, which cannot be read."""
        kept, rest = 0, offset
        for part in self.parts:
            if part.size_bytes > rest:
                break
            kept, rest = kept + 1, rest - part.size_bytes
        if not rest:
            return Place(kept, None, 0)
        for remainder in (self.remainder, self.previous):
            if remainder is not None and remainder.parts == kept and remainder.size_bytes >= rest:
                return Place(kept, remainder, rest)
        held = self.size_bytes if offset > self.size_bytes else offset - rest
        raise bytes_missing(offset, held)

    def after(self, place: Place, parts: tuple[StoredPart, ...], remainder: Remainder | None, used: int) -> OpenUpload:
        """The same upload when a step that began at `place` has ended; `used` is the highest part number it took, or
        0. Numbers that it reserved and did not use are free again; those of writers who were overtaken are not."""
        reserved = used or self.reserved
        return dataclasses.replace(self, parts=parts, remainder=remainder, previous=place.remainder, reserved=reserved)

    def encode(self) -> bytes:
        """As JSON. The nonce makes each version's ETag, which is a hash of the bytes, its own."""
        return json.dumps(dataclasses.asdict(dataclasses.replace(self, nonce=secrets.token_hex(8)))).encode()

    @staticmethod
    def decode(data: bytes) -> OpenUpload:
        """What `encode` wrote."""
        found = json.loads(data)
        found["parts"] = tuple(StoredPart(**part) for part in found["parts"])
        for name in ("remainder", "previous"):
            found[name] = Remainder(**found[name]) if found[name] else None
        return OpenUpload(**found)


def part_bytes_for(limit: int) -> int:
    """How large parts must be for an upload of at most `limit` bytes: 8 MiB up to 64 GB, then more."""
    needed = -(-limit // USED_NUMBERS)
    return max(PART_BYTES, -(-needed // (1 << 20)) << 20)


def fresh_name(kind: str) -> str:
    """A name that no object of the upload ever had."""
    return f"{kind}-{secrets.token_hex(6)}"
