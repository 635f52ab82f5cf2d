"""Bytes out: media files behind signed URLs, with byte ranges. Who may have a URL was decided when it was signed."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import quote
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from cuepoint.adapters.storage.base import DirectFile, ObjectInfo
from cuepoint.api.errors import HttpError, response_of
from cuepoint.api.gateway import Gateway, address_of
from cuepoint.api.ranges import ByteRange, UnsatisfiableError, parse_range
from cuepoint.api.storyboards import VTT, part_of_storyboard, storyboard_vtt
from cuepoint.errors import AdapterError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.clips import reels
from cuepoint.features.clips import service as clips
from cuepoint.features.videos import service as videos
from cuepoint.features.videos.audio_files import audio_media_file
from cuepoint.features.videos.service import MediaFile

FINDERS: dict[str, Callable[[AsyncSession, UUID], Awaitable[MediaFile | None]]] = {
    "audio": audio_media_file,
    "captions": clips.caption_file,
    "clips": clips.media_file,
    "reels": reels.media_file,
    "videos": videos.media_file,
    "renditions": videos.rendition_file,
}
BOARDS = "storyboards"
VTT_HEADERS = {
    "Content-Type": "text/vtt; charset=utf-8",
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
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
    address = address_of(request.scope) if gateway.process.settings.signed_url_binds_address else ""
    _check_signature(gateway, request, address)
    if request.path_params["kind"] == BOARDS and request.path_params.get("name") == VTT:
        return Response(await storyboard_vtt(gateway, _key(request), address), headers=VTT_HEADERS)
    file = await _find(gateway, request)
    is_download = "download" in request.query_params
    # What a bucket signs opens for whoever holds it: where addresses count, the bytes come from here.
    may_go_direct = request.method == "GET" and not address
    direct = _direct_url(gateway, file, is_download=is_download) if may_go_direct else None
    if direct is not None:
        return RedirectResponse(direct, 307, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    info = await gateway.process.adapters.storage.head(file.storage_key)
    if info is None:
        raise NotFoundError("media file")
    etag = _etag(info, file.span)
    headers = _headers(file, etag, is_download=is_download)
    if etag in _entity_tags(request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    start, end = file.span or (0, info.size_bytes)
    try:
        part = parse_range(_applicable_range(request, etag), end - start)
    except UnsatisfiableError:
        raise HttpError(
            416,
            f"The file has {end - start} bytes; the range lies beyond them.",
            headers={"Content-Range": f"bytes */{end - start}", "Accept-Ranges": "bytes"},
        ) from None
    return _response(gateway, request, file, ByteRange(start, end), part, headers)


def _check_signature(gateway: Gateway, request: Request, address: str) -> None:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    signer = gateway.process.adapters.signer
    if not signer.verify(path, request.query_params, method=request.method, now=time.time(), address=address):
        elsewhere = ", or the URL was given to another address" if address else ""
        raise HttpError(
            403,
            f"The signature of this URL is wrong or has expired{elsewhere}. Fetch a new URL from the API: each object "
            "gives one.",
            code=ErrorCode.FORBIDDEN,
        )


def _key(request: Request) -> UUID:
    try:
        return UUID(request.path_params["id"])
    except ValueError:
        raise NotFoundError("media file") from None


async def _find(gateway: Gateway, request: Request) -> MediaFile:
    kind, key = request.path_params["kind"], _key(request)
    finder = FINDERS.get(kind)
    if kind == BOARDS:
        finder = partial(part_of_storyboard, name=request.path_params.get("name", ""))
    if finder is None:
        raise NotFoundError("media file")
    async with gateway.process.db.read() as session:
        file = await finder(session, key)
    if file is None:
        raise NotFoundError("media file")
    return file


def _direct_url(gateway: Gateway, file: MediaFile, *, is_download: bool) -> str | None:
    """Where the client fetches the bytes from the store itself; None where they go through this process."""
    if file.span is not None:
        return None
    headers = _headers(file, "", is_download=is_download)
    direct = DirectFile(file.storage_key, headers["Content-Type"], headers["Content-Disposition"])
    return gateway.process.adapters.storage.direct_url(direct, seconds=gateway.process.settings.signed_url_seconds)


def _response(
    gateway: Gateway,
    request: Request,
    file: MediaFile,
    whole: ByteRange,
    part: ByteRange | None,
    headers: dict[str, str],
) -> Response:
    size = whole.end - whole.start
    span = part or ByteRange(0, size)
    headers["Content-Length"] = str(span.end - span.start)
    status = 200
    if part is not None:
        status = 206
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    if request.method == "HEAD" or span.start == span.end:
        return Response(status_code=status, headers=headers)
    storage = gateway.process.adapters.storage
    stream = storage.read(file.storage_key, whole.start + span.start, whole.start + span.end)
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


def _etag(info: ObjectInfo, span: tuple[int, int] | None) -> str:
    inner = re.sub(r"[^\x21\x23-\x7e]", "", info.etag or "") or f"{info.size_bytes:x}"
    part = "" if span is None else f"-{span[0]:x}-{span[1]:x}"
    return f'"{inner}{part}"'


def _entity_tags(header: str | None) -> frozenset[str]:
    return frozenset(tag.strip().removeprefix("W/") for tag in (header or "").split(","))


def _applicable_range(request: Request, etag: str) -> str | None:
    """The Range header, unless If-Range names another version of the file."""
    condition = request.headers.get("if-range")
    if condition is not None and condition.strip() != etag:
        return None
    return request.headers.get("range")
