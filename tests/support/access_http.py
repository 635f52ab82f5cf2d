"""The plain HTTP lines of the access matrix: uploads and media."""

from __future__ import annotations

import base64
import json
from uuid import UUID

import httpx2

from cuepoint.api.app import create_app
from cuepoint.api.auth import Authenticator
from cuepoint.api.gateway import Gateway
from cuepoint.api.schema import schema
from cuepoint.graphql.media_urls import media_path, media_url
from tests.support.access_matrix import Row, filled
from tests.support.access_world import World
from tests.support.web import BASE, bearer, opener

# Paths of the kinds of places that lines name, to find the route that each belongs to.
PLACES = {
    "upload": "upload_0",
    "video": "video_0",
    "videoKey": "0",
    "mediaPath": "/media/videos/0/a.mp4",
    "mediaUrl": "/media/videos/0/a.mp4",
}
_OF_STATUS = {401: "401", 403: "no", 404: "absent"}


async def ask_http(world: World, caller: str, row: Row) -> str:
    """The outcome of one request; anything but 401, 403 and 404 has passed the gate."""
    response = await send_http(world, caller, row)
    if response.status_code >= 500:
        return f"error:{response.status_code}"
    return _OF_STATUS.get(response.status_code, "ok")


async def send_http(world: World, caller: str, row: Row) -> httpx2.Response:
    """The answer to one request. The arguments are its headers."""
    method, _, path = row.name.partition(" ")
    names = {**world.ids, "mediaPath": _media(world, is_signed=False), "mediaUrl": _media(world, is_signed=True)}
    names["videoKey"] = world.ids["video"].partition("_")[2]
    names["uploadMetadata"] = f"projectId {base64.b64encode(world.ids['project'].encode()).decode()}"
    headers = {str(name): str(value) for name, value in json.loads(filled(row.arguments, names)).items()}
    if caller in world.tokens:
        headers |= bearer(world.tokens[caller])
    gateway = Gateway(schema, world.dry, Authenticator(world.dry.db, world.dry.adapters.signer))
    app = create_app(world.process.settings, opener(gateway))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE, trust_env=False) as client:
            return await client.request(method, filled(path, names), headers=headers)


def _media(world: World, *, is_signed: bool) -> str:
    """Path of the video's file, as it stands in a URL of the API or bare."""
    key = UUID(world.ids["video"].partition("_")[2])
    path = media_path("videos", key, "stories.mp4")
    return media_url("", world.process.adapters.signer, "videos", key, "stories.mp4") if is_signed else path
