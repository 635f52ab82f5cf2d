"""A client that speaks tus to the application, byte by byte, and looks at what Postgres holds."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from cuepoint.db.session import Database
from cuepoint.features.projects.models import Project
from cuepoint.features.uploads.models import Upload
from cuepoint.graphql.scalars import decode_id, encode_id
from tests.support.builders.projects import make_project
from tests.support.web import Web, bearer, make_token

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
DATA = bytes(range(256)) * 4


@dataclass
class Sender:
    """A member of a project who uploads."""

    web: Web
    db: Database
    project: Project
    auth: dict[str, str]

    async def create(self, size: int = len(DATA), headers: dict[str, str] | None = None, **metadata: str) -> Any:
        """POST with metadata; the project's id unless told otherwise."""
        pairs = {"projectId": encode_id("Project", self.project.id), "filename": "a film.mp4", **metadata}
        text = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs.items())
        sent = {**TUS, **self.auth, "Upload-Length": str(size), "Upload-Metadata": text, **(headers or {})}
        return await self.web.client.post("/uploads", headers=sent)

    async def created(self, size: int = len(DATA), **metadata: str) -> str:
        """Path of a new upload."""
        response = await self.create(size, **metadata)
        assert response.status_code == 201, response.text
        return str(response.headers["location"].removeprefix("http://testserver"))

    async def patch(self, path: str, offset: int | str, data: Any, **headers: str) -> Any:
        """Send a piece."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**PIECE, **self.auth, "Upload-Offset": str(offset), **named}
        return await self.web.client.patch(path, content=data, headers=sent)

    async def head(self, path: str) -> Any:
        """Ask for the offset."""
        return await self.web.client.head(path, headers={**TUS, **self.auth})

    async def row(self, path: str) -> Upload:
        """What Postgres holds."""
        async with self.db.read() as session:
            upload = await session.get(Upload, decode_id("Upload", path.rpartition("/")[2]))
        assert upload is not None
        return upload


async def make_sender(web: Web, db: Database) -> Sender:
    """An owner of a new project."""
    viewer, secret = await make_token(db)
    return Sender(web, db, await make_project(db, owner_id=viewer.user_id), bearer(secret))
