"""What tus 1.0 says in headers: names, what may be sent and read by pages of other origins, and their values."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

from cuepoint.api.errors import HttpError
from cuepoint.errors import BadInputError
from cuepoint.features.uploads.digests import ALGORITHMS, Checksum

TUS_VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,checksum,termination,expiration"
PIECE = "application/offset+octet-stream"
# Headers that a page of another origin may send, and those that it may read.
REQUEST_HEADERS = (
    "Tus-Resumable",
    "Upload-Checksum",
    "Upload-Defer-Length",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "X-HTTP-Method-Override",
)
RESPONSE_HEADERS = (
    "Location",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Defer-Length",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Offset",
)
MAX_METADATA_BYTES = 8 * 1024


def is_piece(headers: Mapping[str, str]) -> bool:
    """Whether the body is bytes of an upload."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == PIECE


def count(headers: Mapping[str, str], name: str) -> int:
    """A header that is a number of bytes. Raises BadInputError."""
    value = headers.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 16):
        raise BadInputError(f"The header {name} must be a whole number of bytes.")
    return int(value)


def size_or_deferred(headers: Mapping[str, str]) -> int | None:
    """`Upload-Length`, or None where `Upload-Defer-Length: 1` says that it follows. Raises BadInputError."""
    deferred = headers.get("upload-defer-length")
    if deferred is None:
        return count(headers, "Upload-Length")
    if deferred.strip() != "1" or "upload-length" in headers:
        raise BadInputError("Send either Upload-Length, or `Upload-Defer-Length: 1` and the length with a later piece.")
    return None


def parse_checksum(header: str | None) -> Checksum | None:
    """`Upload-Checksum`: the name of an algorithm and the base64 of the digest. Raises HttpError (400)."""
    if header is None:
        return None
    name, _, value = header.strip().partition(" ")
    if name not in ALGORITHMS:
        raise HttpError(400, f"Upload-Checksum may use {' or '.join(ALGORITHMS)}.")
    try:
        digest = base64.b64decode(value.strip(), validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != hashlib.new(name, usedforsecurity=False).digest_size:
        raise HttpError(400, f"The value of Upload-Checksum is not base64 of a {name} digest.")
    return Checksum(name, digest)


def parse_metadata(header: str) -> dict[str, str]:
    """`Upload-Metadata`: comma-separated pairs of a key and the base64 of its value. Raises BadInputError."""
    if len(header) > MAX_METADATA_BYTES:
        raise BadInputError(f"Upload-Metadata may have {MAX_METADATA_BYTES} bytes.")
    metadata: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = pair.partition(" ")
        if key in metadata:
            raise BadInputError(f"Upload-Metadata names {key} twice.")
        try:
            metadata[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise BadInputError(f"The value of {key} in Upload-Metadata is not base64 of UTF-8 text.") from None
    return metadata
