"""Signed URLs of media files, as the features put them into their types; the bytes are served by `api.media`."""

from __future__ import annotations

import re
import time
from typing import Literal
from urllib.parse import quote
from uuid import UUID

from cuepoint.adapters.storage.signed_urls import UrlSigner

MediaKind = Literal["captions", "reels", "audio", "storyboards", "clips", "videos", "renditions"]

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_LONGEST_NAME = 80


def media_path(kind: MediaKind, id: UUID, filename: str | None = None) -> str:
    """The path of a file; a harmless form of its name comes last, so that players and `curl -O` see the suffix."""
    if filename is None:
        return f"/media/{kind}/{id.hex}"
    return f"/media/{kind}/{id.hex}/{safe_name(filename)}"


def safe_name(filename: str) -> str:
    """Letters, digits, `.`, `_` and `-` of a name, at most 80 characters with the suffix kept; "file" if none."""
    cleaned = _UNSAFE.sub("-", filename).strip("-.")
    if len(cleaned) > _LONGEST_NAME:
        stem, dot, suffix = cleaned.rpartition(".")
        suffix = f".{suffix}" if dot and len(suffix) <= 10 else ""
        cleaned = (stem if suffix else cleaned)[: _LONGEST_NAME - len(suffix)] + suffix
    return cleaned or "file"


def media_url(
    base_url: str,
    signer: UrlSigner,
    kind: MediaKind,
    id: UUID,
    filename: str | None = None,
    seconds: int = 3600,
    address: str = "",
) -> str:
    """A URL that opens the file for `seconds` from now, from one address if it is given, without other credentials."""
    path = media_path(kind, id, filename)
    signed = signer.sign(path, expires_at=int(time.time()) + seconds, address=address)
    return f"{base_url.rstrip('/')}{quote(path)}?{signed}"
