"""Ten bytes on their way in, and what has become of them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

from blake3 import blake3
from sqlalchemy import update

from cuepoint.adapters.storage.base import Storage
from cuepoint.db.session import Database
from cuepoint.errors import NotFoundError
from cuepoint.features.uploads.models import Upload
from tests.support.storage import uploaded

DATA = b"0123456789"
BLAKE3 = blake3(DATA).hexdigest()
SHA256 = hashlib.sha256(DATA).hexdigest()


async def reload(db: Database, upload_id: UUID) -> Upload:
    """The upload as it is now."""
    async with db.read() as session:
        return await session.get_one(Upload, upload_id)


async def bytes_of(storage: Storage, upload: Upload) -> bytes:
    """Its bytes, as far as they are here."""
    return await uploaded(storage, upload.storage_key)


async def has_bytes(storage: Storage, upload: Upload) -> bool:
    """Whether storage knows of it."""
    try:
        await bytes_of(storage, upload)
    except NotFoundError:
        return False
    return True


async def expire_now(db: Database, upload_id: UUID) -> None:
    """Its time was over a second ago."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with db.write() as session:
        await session.execute(update(Upload).where(Upload.id == upload_id).values(expires_at=past))
