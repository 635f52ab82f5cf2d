"""Where files lie in storage, as far as it follows from ids alone."""

from __future__ import annotations

from uuid import UUID


def video_prefix(project_id: UUID, video_id: UUID) -> str:
    """Where every file of a video lies."""
    return f"projects/{project_id.hex}/videos/{video_id.hex}/"


def video_id_of(upload_id: UUID) -> UUID:
    """The id of the video that an upload becomes: two registrations at once name the same file, and the sweep knows
    where a registration that broke off has put the bytes."""
    return UUID(int=upload_id.int ^ 1)
