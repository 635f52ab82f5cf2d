"""Hostile still pictures of the corpus, each with what probing says of it."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

from tests.support import hostile_bytes as b

TRUNCATED, LIMIT, UNSUPPORTED = "MEDIA_TRUNCATED", "MEDIA_LIMIT_EXCEEDED", "UNSUPPORTED_MEDIA"


def stills() -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes and outcome."""
    for kind in ("PNG", "JPEG", "GIF", "WEBP"):
        honest = b.image(kind)
        yield f"{kind.lower()}-and-more", honest + b"PK\x03\x04" + bytes(100), "OK"
        yield f"{kind.lower()}-of-noise", honest[:16] + random.Random(7).randbytes(4000), UNSUPPORTED
    yield "png-cut", b.image("PNG")[:2000], TRUNCATED
    yield "jpeg-cut", b.image("JPEG")[:1500], TRUNCATED
    yield "png-4-gigapixels", b.png(65_000, 65_000), LIMIT
    yield "png-without-pictures", b.png(64, 64), TRUNCATED
    yield (
        "png-text-of-64-megabytes",
        b.png(64, 64, b"zTXtComment\0\0" + zlib.compress(bytes(64 * 1024**2))),
        UNSUPPORTED,
    )
    yield "gif-4-gigapixels", b"GIF89a\xff\xff\xff\xff" + b.image("GIF")[10:], LIMIT
