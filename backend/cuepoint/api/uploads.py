"""Bytes in: tus 1.0 with its extensions creation, termination and expiration. What an upload is, its service knows."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import format_datetime
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cuepoint.api.addresses import base_url
from cuepoint.api.errors import HttpError, response_of
from cuepoint.api.gateway import Gateway
from cuepoint.errors import AdapterError, BadInputError, CuepointError, ErrorCode, NotFoundError
from cuepoint.features.uploads import service
from cuepoint.features.uploads.models import Upload, UploadStatus
from cuepoint.graphql.scalars import decode_id, encode_id
from cuepoint.viewer import Viewer

TUS_VERSION = "1.0.0"
EXTENSIONS = "creation,termination,expiration"
PIECE = "application/offset+octet-stream"
# Headers that a page of another origin may send, and those that it may read.
REQUEST_HEADERS = (
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "X-HTTP-Method-Override",
)
RESPONSE_HEADERS = (
    "Location",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Offset",
)
MAX_METADATA_BYTES = 8 * 1024
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
        viewer = await gateway.authenticator.required_viewer(request.headers.get("authorization"))
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
        "Tus-Max-Size": str(gateway.process.settings.upload_max_bytes),
    }


async def _create(gateway: Gateway, request: Request, viewer: Viewer) -> Response:
    if "upload-defer-length" in request.headers:
        raise BadInputError("The size must be known when an upload is created: send Upload-Length.")
    size = _count(request, "Upload-Length")
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
    location = f"{base_url(settings, request.scope)}/uploads/{encode_id('Upload', upload.id)}"
    return Response(status_code=201, headers={"Location": location, **_state(upload)})


async def _head(gateway: Gateway, request: Request, viewer: Viewer) -> Response:
    upload = await _visible(gateway, request, viewer)
    if upload.status in (UploadStatus.ABORTED, UploadStatus.EXPIRED):
        raise CuepointError(ErrorCode.UPLOAD_EXPIRED, "The upload was aborted or has expired; create a new one.")
    return Response(status_code=200, headers={**_state(upload), "Upload-Length": str(upload.size_bytes)})


async def _patch(gateway: Gateway, request: Request, viewer: Viewer) -> Response:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != PIECE:
        raise HttpError(415, f"Send the bytes as {PIECE}.")
    offset = _count(request, "Upload-Offset")
    upload = await _visible(gateway, request, viewer)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and offset == upload.offset_bytes and offset + int(declared) > upload.size_bytes:
        raise HttpError(
            413,
            f"{declared} bytes from byte {offset} go beyond the {upload.size_bytes} bytes that were declared.",
            code=ErrorCode.UPLOAD_TOO_LARGE,
        )
    process = gateway.process
    try:
        upload = await service.receive(process.db, process.adapters.storage, viewer, upload.id, offset, _body(request))
    except CuepointError as error:
        if error.code is not ErrorCode.OFFSET_MISMATCH:
            raise
        current = await _visible(gateway, request, viewer)
        return response_of(error, headers={"Upload-Offset": str(current.offset_bytes)})
    return Response(status_code=204, headers=_state(upload))


async def _delete(gateway: Gateway, request: Request, viewer: Viewer) -> Response:
    process = gateway.process
    await service.abort_upload(process.db, process.adapters.storage, viewer, _upload_id(request))
    return Response(status_code=204)


async def _visible(gateway: Gateway, request: Request, viewer: Viewer) -> Upload:
    async with gateway.process.db.read() as session:
        return await service.get_upload(session, viewer, _upload_id(request))


async def _body(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. A connection that breaks ends it quietly: what arrived is kept."""
    try:
        async for piece in request.stream():
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


def _count(request: Request, name: str) -> int:
    value = request.headers.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 16):
        raise BadInputError(f"The header {name} must be a whole number of bytes.")
    return int(value)


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
