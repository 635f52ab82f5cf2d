"""Bytes out: media files behind signed URLs, with byte ranges. Who may have a URL was decided when it was signed."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Awaitable, Callable
from urllib.parse import quote
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from cuepoint.adapters.storage.base import DirectFile, ObjectInfo
from cuepoint.api.errors import HttpError, response_of
from cuepoint.api.gateway import Gateway
from cuepoint.api.ranges import ByteRange, UnsatisfiableError, parse_range
from cuepoint.errors import AdapterError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.clips import service as clips
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.service import MediaFile

FINDERS: dict[str, Callable[[AsyncSession, UUID], Awaitable[MediaFile | None]]] = {
    "clips": clips.media_file,
    "videos": videos.media_file,
    "renditions": videos.rendition_file,
}
# Shown in the browser; anything else is only ever saved, so that no upload runs as a page of this origin.
SHOWN = re.compile(r"(video|audio)/[a-z0-9.+-]+|image/(jpeg|png|webp|gif)", re.ASCII)
CONTENT_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+", re.ASCII | re.IGNORECASE)
_NOT_ASCII_NAME = re.compile(r'[^A-Za-z0-9 ._()+,=@~!-]|["\\%]', re.ASCII)


async def serve_media(gateway: Gateway, request: Request) -> Response:
    """Answer one request to `/media/{kind}/{id}` or to the same with the file's name behind it."""
    try:
        return await _serve(gateway, request)
    except (HttpError, CuepointError, AdapterError) as error:
        return response_of(error, headers={"Cache-Control": "no-store"})


async def _serve(gateway: Gateway, request: Request) -> Response:
    if request.method not in ("GET", "HEAD"):
        raise HttpError(405, "Media are fetched with GET.", headers={"Allow": "GET, HEAD"})
    _check_signature(gateway, request)
    file = await _find(gateway, request.path_params["kind"], request.path_params["id"])
    is_download = "download" in request.query_params
    direct = _direct_url(gateway, file, is_download=is_download) if request.method == "GET" else None
    if direct is not None:
        return RedirectResponse(direct, 307, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    info = await gateway.process.adapters.storage.head(file.storage_key)
    if info is None:
        raise NotFoundError("media file")
    etag = _etag(info)
    headers = _headers(file, etag, is_download=is_download)
    if etag in _entity_tags(request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    try:
        part = parse_range(_applicable_range(request, etag), info.size_bytes)
    except UnsatisfiableError:
        raise HttpError(
            416,
            f"The file has {info.size_bytes} bytes; the range lies beyond them.",
            headers={"Content-Range": f"bytes */{info.size_bytes}", "Accept-Ranges": "bytes"},
        ) from None
    return _response(gateway, request, file, info, part, headers)


def _check_signature(gateway: Gateway, request: Request) -> None:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    signer = gateway.process.adapters.signer
    if not signer.verify(path, request.query_params, method=request.method, now=time.time()):
        raise HttpError(
            403,
            "The signature of this URL is wrong or has expired. Fetch a new URL from the API: each object gives one.",
            code=ErrorCode.FORBIDDEN,
        )


async def _find(gateway: Gateway, kind: str, given_id: str) -> MediaFile:
    finder = FINDERS.get(kind)
    try:
        file_id = UUID(given_id)
    except ValueError:
        finder = None
    if finder is None:
        raise NotFoundError("media file")
    async with gateway.process.db.read() as session:
        file = await finder(session, file_id)
    if file is None:
        raise NotFoundError("media file")
    return file


def _direct_url(gateway: Gateway, file: MediaFile, *, is_download: bool) -> str | None:
    """Where the client fetches the bytes from the store itself; None where they go through this process."""
    headers = _headers(file, "", is_download=is_download)
    direct = DirectFile(file.storage_key, headers["Content-Type"], headers["Content-Disposition"])
    return gateway.process.adapters.storage.direct_url(direct, seconds=gateway.process.settings.signed_url_seconds)


def _response(
    gateway: Gateway,
    request: Request,
    file: MediaFile,
    info: ObjectInfo,
    part: ByteRange | None,
    headers: dict[str, str],
) -> Response:
    span = part or ByteRange(0, info.size_bytes)
    headers["Content-Length"] = str(span.end - span.start)
    status = 200
    if part is not None:
        status = 206
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{info.size_bytes}"
    if request.method == "HEAD" or span.start == span.end:
        return Response(status_code=status, headers=headers)
    stream = gateway.process.adapters.storage.read(file.storage_key, span.start, span.end)
    return StreamingResponse(stream, status, headers=headers)


def _headers(file: MediaFile, etag: str, *, is_download: bool) -> dict[str, str]:
    content_type = file.content_type if CONTENT_TYPE.fullmatch(file.content_type) else "application/octet-stream"
    shown = bool(SHOWN.fullmatch(content_type.lower())) and not is_download
    return {
        "Content-Type": content_type,
        "Content-Disposition": content_disposition("inline" if shown else "attachment", file.filename),
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def content_disposition(kind: str, filename: str) -> str:
    """The header of RFC 6266: a plain ASCII name for old clients, the whole name in UTF-8 for the others."""
    name = "".join(c for c in filename if unicodedata.category(c)[0] != "C").replace("/", "_").strip() or "file"
    plain = _NOT_ASCII_NAME.sub("_", unicodedata.normalize("NFKD", name))
    header = f'{kind}; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"


def _etag(info: ObjectInfo) -> str:
    inner = re.sub(r"[^\x21\x23-\x7e]", "", info.etag or "") or f"{info.size_bytes:x}"
    return f'"{inner}"'


def _entity_tags(header: str | None) -> frozenset[str]:
    return frozenset(tag.strip().removeprefix("W/") for tag in (header or "").split(","))


def _applicable_range(request: Request, etag: str) -> str | None:
    """The Range header, unless If-Range names another version of the file."""
    condition = request.headers.get("if-range")
    if condition is not None and condition.strip() != etag:
        return None
    return request.headers.get("range")
