"""Signed media URLs: who holds one may fetch that path until it expires, without any other credential."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

EXPIRES = "expires"
SIGNATURE = "signature"
_PURPOSE = b"cuepoint signed media url 1"  # a key of its own: a signature made for another end never fits here
_LONGEST_EXPIRES = 12  # digits of a Unix time in seconds; far beyond any lifetime the settings allow


class UrlSigner:
    """HMAC-SHA256 over method, path and expiry. The path is the decoded URL path, equal at both ends. With an address
    at one end, the other has to name the same.

    It signs with `key`; what one of the `former` keys signed still opens. A key that is neither revokes all its URLs.
    """

    def __init__(self, key: bytes, former: Sequence[bytes] = ()) -> None:
        if not all((key, *former)):
            raise ValueError("the key of signed URLs must not be empty")
        self._keys = [hmac.digest(one, _PURPOSE, hashlib.sha256) for one in (key, *former)]

    def sign(self, path: str, *, expires_at: int, method: str = "GET", address: str = "") -> str:
        """The query string (without `?`) that opens `path` until `expires_at`, in Unix seconds."""
        signature = self._signature(self._keys[0], method, path, str(expires_at), address)
        return urlencode({EXPIRES: expires_at, SIGNATURE: signature})

    def verify(self, path: str, query: Mapping[str, str], *, method: str, now: float, address: str = "") -> bool:
        """Whether `query` opens `path` for `method` at `now` (Unix seconds). HEAD is allowed where GET is."""
        expires, signature = query.get(EXPIRES, ""), query.get(SIGNATURE, "")
        if not (expires.isascii() and expires.isdigit() and len(expires) <= _LONGEST_EXPIRES):
            return False
        signed = "GET" if method == "HEAD" else method
        given = signature.encode("utf-8", "replace")
        # Every key is tried, whichever fits: how long it takes tells nothing.
        wanted = [self._signature(key, signed, path, expires, address) for key in self._keys]
        fits = [hmac.compare_digest(one.encode(), given) for one in wanted]
        return any(fits) and now < int(expires)

    @staticmethod
    def _signature(key: bytes, method: str, path: str, expires: str, address: str) -> str:
        # A path begins with a slash and an address does not: neither is ever taken for the other.
        parts = (method, expires, address, path) if address else (method, expires, path)
        message = "\n".join(parts).encode("utf-8", "surrogatepass")
        digest = hmac.digest(key, message, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
