"""Bytes in: tus 1.0 with the extensions that `tus.py` lists. What an upload is, its service knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import format_datetime
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cuepoint.adapters.storage.base import Piece
from cuepoint.api.addresses import base_url
from cuepoint.api.bodies import direct_body
from cuepoint.api.errors import HttpError, response_of
from cuepoint.api.gateway import Gateway, address_of
from cuepoint.api.tus import (
    EXTENSIONS,
    PIECE,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    TUS_VERSION,
    count,
    is_piece,
    parse_checksum,
    parse_metadata,
    size_or_deferred,
)
from cuepoint.errors import AdapterError, BadInputError, CuepointError, ErrorCode, ForbiddenError, NotFoundError
from cuepoint.features.uploads import service
from cuepoint.features.uploads.digests import ALGORITHMS, Checksum
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.features.uploads.progress import tell_end, told
from cuepoint.graphql.scalars import decode_id, encode_id
from cuepoint.viewer import Viewer

__all__ = ["REQUEST_HEADERS", "RESPONSE_HEADERS", "serve_uploads"]

OVERRIDABLE = frozenset({"PATCH", "DELETE", "HEAD"})

Handler = Callable[[Gateway, Request, Viewer], Awaitable[Response]]


async def serve_uploads(gateway: Gateway, request: Request) -> Response:
    """Answer one request to `/uploads` or `/uploads/{id}`."""
    method = request.method
    override = request.headers.get("x-http-method-override", "").upper()
    if method == "POST" and override in OVERRIDABLE:
        method = override
    has_id = "id" in request.path_params
    handlers: dict[str, Handler] = {"HEAD": _head, "PATCH": _patch, "DELETE": _delete} if has_id else {"POST": _create}
    if method == "OPTIONS":
        return Response(status_code=204, headers=_capabilities(gateway))
    try:
        if method not in handlers:
            raise HttpError(405, "tus takes other methods here.", headers={"Allow": ", ".join([*handlers, "OPTIONS"])})
        if request.headers.get("tus-resumable") != TUS_VERSION:
            raise HttpError(412, f"Send `Tus-Resumable: {TUS_VERSION}`.", headers={"Tus-Version": TUS_VERSION})
        credential, address = request.headers.get("authorization"), address_of(request.scope)
        viewer = await gateway.authenticator.required_viewer(credential, address)
        response = await handlers[method](gateway, request, viewer)
    except (HttpError, CuepointError, AdapterError) as error:
        response = response_of(error)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Tus-Resumable"] = TUS_VERSION
    return response


def _capabilities(gateway: Gateway) -> dict[str, str]:
    return {
        "Tus-Resumable": TUS_VERSION,
        "Tus-Version": TUS_VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        "Tus-Max-Size": str(gateway.process.settings.upload_max_bytes),
    }


async def _create(gateway: Gateway, request: Request, viewer: Viewer) -> Response:
    size, checksum = size_or_deferred(request.headers), parse_checksum(request.headers.get("upload-checksum"))
    metadata = parse_metadata(request.headers.get("upload-metadata", ""))
    if "projectId" not in metadata:
        raise BadInputError("Upload-Metadata must name the project: `projectId <base64 of its id>`.")
    settings = gateway.process.settings
    async with gateway.process.db.write() as session:
        upload = await service.create_upload(
            session,
            viewer,
            settings,
            project_id=decode_id("Project", metadata["projectId"]),
            filename=metadata.get("filename") or metadata.get("name") or "upload",
            size_bytes=size,
            sha256=metadata.get("sha256"),
        )
    headers = {"Location": f"{base_url(settings, request.scope)}/uploads/{encode_id('Upload', upload.id)}"}
    # An upload of the same hash that is under way stands elsewhere: the client is told where, and goes on from there.
    if is_piece(request.headers) and upload.offset_bytes == 0:
        try:
            upload = await _receive(gateway, request, viewer, upload.id, 0, checksum)
        except (HttpError, CuepointError, AdapterError) as error:
            return response_of(error, headers=headers)
    return Response(status_code=201, headers={**headers, **_state(upload)})


async def _head(gateway: Gateway, request: Request, viewer: Viewer) -> Response:
    upload = await _visible(gateway, request, viewer)
    if upload.status in (UploadStatus.ABORTED, UploadStatus.EXPIRED):
        raise CuepointError(ErrorCode.UPLOAD_EXPIRED, "The upload was aborted or has expired; create a new one.")
    known = upload.size_bytes is not None
    length = {"Upload-Length": str(upload.size_bytes)} if known else {"Upload-Defer-Length": "1"}
    return Response(status_code=200, headers={**_state(upload), **length})


async def _patch(gateway: Gateway, request: Request, viewer: Viewer) -> Response:
    if not is_piece(request.headers):
        raise HttpError(415, f"Send the bytes as {PIECE}.")
    offset, checksum = count(request.headers, "Upload-Offset"), parse_checksum(request.headers.get("upload-checksum"))
    upload_id = _upload_id(request)
    if "upload-length" in request.headers:
        size, settings = count(request.headers, "Upload-Length"), gateway.process.settings
        async with gateway.process.db.write() as session:
            await service.set_size(session, viewer, settings, upload_id, size)
    try:
        upload = await _receive(gateway, request, viewer, upload_id, offset, checksum)
    except CuepointError as error:
        if error.code is not ErrorCode.OFFSET_MISMATCH:
            raise
        current = await _visible(gateway, request, viewer)
        return response_of(error, headers={"Upload-Offset": str(current.offset_bytes)})
    return Response(status_code=204, headers=_state(upload))


async def _receive(
    gateway: Gateway, request: Request, viewer: Viewer, upload_id: UUID, offset: int, checksum: Checksum | None
) -> Upload:
    process = gateway.process
    live = process.adapters.live
    announced, may_send = request.headers.get("content-length", ""), True
    try:
        return await service.receive(
            process.db,
            process.adapters.storage,
            viewer,
            upload_id,
            offset,
            told(_body(request), live, upload_id, offset),
            announced=int(announced) if announced.isdigit() else 0,
            checksum=checksum,
            max_bytes=process.settings.upload_max_bytes,
        )
    except (ForbiddenError, NotFoundError):
        may_send = False
        raise
    finally:
        if may_send:
            await tell_end(live, upload_id)


async def _delete(gateway: Gateway, request: Request, viewer: Viewer) -> Response:
    process = gateway.process
    await service.abort_upload(process.db, process.adapters.storage, viewer, _upload_id(request))
    return Response(status_code=204)


async def _visible(gateway: Gateway, request: Request, viewer: Viewer) -> Upload:
    async with gateway.process.db.read() as session:
        return await service.get_upload(session, viewer, _upload_id(request))


async def _body(request: Request) -> AsyncIterator[Piece]:
    """The body as it comes. A connection that breaks ends it quietly: what arrived is kept."""
    try:
        async for piece in direct_body(request.scope) or request.stream():
            if piece:
                yield piece
    except ClientDisconnect:
        return


def _state(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.offset_bytes)}
    if upload.status is not UploadStatus.COMPLETE:
        headers["Upload-Expires"] = format_datetime(upload.expires_at, usegmt=True)
    return headers


def _upload_id(request: Request) -> UUID:
    given: str = request.path_params["id"]
    try:
        return decode_id("Upload", given)
    except NotFoundError:
        if len(given) not in (32, 36):
            raise
    try:
        return UUID(given)
    except ValueError:
        raise NotFoundError("upload") from None
