"""Signatures of requests to S3 and of URLs that open one (AWS Signature Version 4), as pure functions.

Only for what obstore has no call for: the parts of a multipart upload, and URLs with headers of the answer.
Method: docs.aws.amazon.com, "Signature Calculations for the Authorization Header" and "... Using Query Parameters".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True)
class Credentials:
    """Whose signature, in which region."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str


def encoded(text: str, *, keep: str = "") -> str:
    """Percent-encoded as S3 counts it: all but letters, digits and `-_.~`."""
    return quote(text, safe=f"-_.~{keep}")


def query_string(query: Mapping[str, str]) -> str:
    """Sorted and encoded, as it is signed and as it must be sent."""
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in sorted(query.items()))


def signed_headers(
    credentials: Credentials, method: str, url: str, headers: Mapping[str, str], payload_sha256: str, now: datetime
) -> dict[str, str]:
    """All headers to send with a request to `url`, whose query is a `query_string`. `now` is in UTC."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    named = {"host": urlsplit(url).netloc, "x-amz-content-sha256": payload_sha256, "x-amz-date": stamp}
    signed = named | {name.lower(): value.strip() for name, value in headers.items()}
    names, signature = _signature(credentials, method, url, signed, payload_sha256, stamp)
    scope = f"{credentials.access_key_id}/{_scope(credentials, stamp)}"
    authorization = f"{_ALGORITHM} Credential={scope},SignedHeaders={names},Signature={signature}"
    return signed | {"authorization": authorization}


def presigned_url(
    credentials: Credentials, method: str, url: str, query: Mapping[str, str], seconds: int, now: datetime
) -> str:
    """A URL that opens this one request for `seconds` (at most 604,800) to whoever holds it."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    whole = {
        **query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key_id}/{_scope(credentials, stamp)}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    address = f"{url}?{query_string(whole)}"
    _, signature = _signature(credentials, method, address, {"host": urlsplit(url).netloc}, _UNSIGNED, stamp)
    return f"{address}&X-Amz-Signature={signature}"


def _signature(
    credentials: Credentials, method: str, url: str, headers: Mapping[str, str], payload: str, stamp: str
) -> tuple[str, str]:
    parts = urlsplit(url)
    names = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    request = "\n".join((method, parts.path or "/", parts.query, *lines, "", names, payload))
    digest = hashlib.sha256(request.encode()).hexdigest()
    message = "\n".join((_ALGORITHM, stamp, _scope(credentials, stamp), digest))
    return names, hmac.new(_key(credentials, stamp), message.encode(), hashlib.sha256).hexdigest()


def _scope(credentials: Credentials, stamp: str) -> str:
    return f"{stamp[:8]}/{credentials.region}/s3/aws4_request"


def _key(credentials: Credentials, stamp: str) -> bytes:
    key = f"AWS4{credentials.secret_access_key}".encode()
    for piece in (stamp[:8], credentials.region, "s3", "aws4_request"):
        key = hmac.digest(key, piece.encode(), hashlib.sha256)
    return key
