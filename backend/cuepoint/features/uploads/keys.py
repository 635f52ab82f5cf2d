"""Where the files of an upload and of its video lie in storage."""

from __future__ import annotations

from uuid import UUID

from cuepoint.features.files.layout import file_key
from cuepoint.features.files.models import FileArea
from cuepoint.features.uploads.models import Upload


def video_prefix(project_id: UUID, video_id: UUID) -> str:
    """Where every file of a video lay before the areas; new ones go where `files.layout` says."""
    return f"projects/{project_id.hex}/videos/{video_id.hex}/"


def original_key(upload: Upload) -> str:
    """Where the bytes of a whole upload lie once it is a video."""
    owner_id = video_id_of(upload.id)
    return file_key(upload.project_id, FileArea.UPLOADS, owner_id, upload.filename, upload.content_hash or "")


def video_id_of(upload_id: UUID) -> UUID:
    """The id of the video that an upload becomes: two registrations at once name the same file, and the sweep knows
    where a registration that broke off has put the bytes."""
    return UUID(int=upload_id.int ^ 1)
