"""Multipart uploads by number, which any process can go on with: the calls of S3 that obstore does not offer."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import html
import random
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cuepoint.adapters.storage.base import Piece
from cuepoint.adapters.storage.s3_config import S3Config
from cuepoint.adapters.storage.s3_errors import refused, unavailable
from cuepoint.adapters.storage.s3_state import StoredPart
from cuepoint.adapters.storage.sigv4 import encoded, query_string, signed_headers

if TYPE_CHECKING:
    import httpx2

ATTEMPTS = 5  # with the pauses below: about three seconds until an outage is told
FIRST_PAUSE_SECONDS = 0.1
TIMEOUT_SECONDS = 120.0  # a copy of 256 MiB inside the store answers when it is done
_AGAIN = frozenset({429, 500, 502, 503, 504})
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

Part = tuple[int, str]  # number and ETag


@dataclass(frozen=True)
class OpenMultipart:
    """A multipart upload that was neither completed nor aborted."""

    path: str
    upload_id: str
    started_at: datetime


class NoSuchMultipartError(Exception):
    """The multipart upload, or the object to copy from, is not there (any more)."""


class Multipart:
    """Create, fill, complete and abort multipart uploads. Errors come out as the storage port has them."""

    def __init__(self, config: S3Config) -> None:
        self._config = config
        self._opened: httpx2.AsyncClient | None = None

    async def create(self, path: str) -> str:
        """The id of a new multipart upload whose object will be `path`."""
        return _value(await self._send("POST", path, {"uploads": ""}), "UploadId")

    async def put_part(self, path: str, upload_id: str, number: int, pieces: Sequence[Piece]) -> str:
        """Send a part, replacing one of that number; returns its ETag."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        answer = await self._send("PUT", path, query, pieces=pieces)
        return answer.headers.get("etag", "")

    async def copy_part(self, path: str, upload_id: str, number: int, source: str, start: int, end: int) -> str:
        """A part that is bytes [start, end) of another object, copied inside the store; returns its ETag."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        origin = encoded(f"/{self._config.bucket}/{self._config.prefix}{source}", keep="/")
        headers = {"x-amz-copy-source": origin, "x-amz-copy-source-range": f"bytes={start}-{end - 1}"}
        return _value(await self._send("PUT", path, query, headers=headers), "ETag")

    async def complete(self, path: str, upload_id: str, parts: Iterable[Part]) -> None:
        """The object appears whole. Raises NoSuchMultipartError when it did so before, or was aborted."""
        listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{html.escape(e)}</ETag></Part>" for n, e in parts)
        body = f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{listed}</CompleteMultipartUpload>'.encode()
        await self._send("POST", path, {"uploadId": upload_id}, pieces=[body])

    async def parts(self, path: str, upload_id: str) -> Sequence[StoredPart]:
        """What was sent so far, by number. Raises NoSuchMultipartError."""
        found: list[StoredPart] = []
        marker: dict[str, str] = {}
        while True:
            answer = await self._send("GET", path, {"uploadId": upload_id, **marker})
            for part in re.findall(r"<Part>.*?</Part>", answer.text, re.DOTALL):
                etag = html.unescape(_inner(part, "ETag"))
                found.append(StoredPart(int(_inner(part, "PartNumber")), etag, int(_inner(part, "Size"))))
            if _inner(answer.text, "IsTruncated") != "true":
                return found
            marker = {"part-number-marker": _inner(answer.text, "NextPartNumberMarker")}

    async def abort_all(self, path: str) -> None:
        """No multipart upload of that object, or of an object below it where it ends at a `/`, is open any more."""
        async for found in self.list(path):
            if found.path == path or path.endswith("/"):
                await self.abort(found.path, found.upload_id)

    async def abort(self, path: str, upload_id: str) -> None:
        """The multipart upload is gone with its parts; absent is fine."""
        with contextlib.suppress(NoSuchMultipartError):
            await self._send("DELETE", path, {"uploadId": upload_id})

    async def list(self, prefix: str) -> AsyncIterator[OpenMultipart]:
        """The open multipart uploads of objects below `prefix`."""
        marker: dict[str, str] = {}
        while True:
            query = {"uploads": "", "prefix": self._config.prefix + prefix, **marker}
            answer = await self._send("GET", None, query)
            for found in re.findall(r"<Upload>.*?</Upload>", answer.text, re.DOTALL):
                path = html.unescape(_inner(found, "Key")).removeprefix(self._config.prefix)
                started = datetime.fromisoformat(_inner(found, "Initiated"))
                yield OpenMultipart(path, html.unescape(_inner(found, "UploadId")), started)
            if _inner(answer.text, "IsTruncated") != "true":
                return
            marker = {
                "key-marker": html.unescape(_inner(answer.text, "NextKeyMarker")),
                "upload-id-marker": html.unescape(_inner(answer.text, "NextUploadIdMarker")),
            }

    async def close(self) -> None:
        """Release the connections."""
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None

    async def _send(
        self,
        method: str,
        path: str | None,
        query: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        pieces: Sequence[Piece] = (),
    ) -> httpx2.Response:
        import httpx2

        base = self._config.bucket_url() if path is None else self._config.url(path)
        url = f"{base}?{query_string(query)}"
        digest = await asyncio.to_thread(_sha256, pieces) if pieces else _EMPTY_SHA256
        length = {"content-length": str(sum(map(len, pieces)))} if method in ("PUT", "POST") else {}
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311  # jitter
            now = datetime.now(UTC)
            signed = signed_headers(self._config.credentials, method, url, {**length, **(headers or {})}, digest, now)
            try:
                answer = await self._client().request(method, url, headers=signed, content=_stream(pieces))
            except httpx2.TransportError as error:
                reason = f"{type(error).__name__}: {error}"
                continue
            code = _inner(answer.text, "Code") if answer.is_error or "<Error>" in answer.text else ""
            if not answer.is_error and not code:
                return answer
            if code in ("NoSuchUpload", "NoSuchKey"):
                raise NoSuchMultipartError
            reason = f"status {answer.status_code} {code} {_inner(answer.text, 'Message')}".strip()
            if answer.status_code not in _AGAIN and not answer.is_success:
                raise refused(answer.status_code, code, reason)
        raise unavailable(reason)

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        if self._opened is None:
            context = ssl.create_default_context()
            if self._config.ca_pem is not None:
                context.load_verify_locations(cadata=self._config.ca_pem)
            self._opened = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, verify=context)
        return self._opened


async def _stream(pieces: Sequence[Piece]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield bytes(piece)


def _sha256(pieces: Iterable[Piece]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _inner(text: str, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return found.group(1) if found else ""


def _value(answer: httpx2.Response, name: str) -> str:
    value = html.unescape(_inner(answer.text, name))
    if not value:
        raise unavailable(f"the answer has no {name}")
    return value
