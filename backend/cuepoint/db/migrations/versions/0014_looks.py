"""Posters that were uploaded, thumbnails of two widths, waveforms of further audio tracks, and silences that outlive
the waveform's file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SOUND_FILE = "fk_sound_maps_rendition_id_renditions"


def upgrade() -> None:
    """Processes of the release before this one go on: they read the first track of a waveform's file, and show no
    silences where it was given up. Their workers know no uploaded posters and fail such jobs: `setPoster(uploadId)` is
    for after all workers were replaced."""
    uploaded = sa.Column(
        "poster_upload_id",
        sa.Uuid(),
        nullable=True,
        comment="The upload whose picture a person chose for the poster; it may be gone. Null = none.",
    )
    op.add_column("videos", uploaded)
    small = sa.Column(
        "small_ends",
        postgresql.ARRAY(sa.BigInteger()),
        server_default="{}",
        nullable=False,
        comment="Where each tile of half the width ends in the file; empty in one of an earlier release.",
    )
    op.add_column("storyboards", small)
    tracks = sa.Column(
        "tracks",
        postgresql.JSONB(),
        server_default="[]",
        nullable=False,
        comment="Of each further audio track in the file: `index`, `first_byte`, `samples`, `start_ms`.",
    )
    op.add_column("sound_maps", tracks)
    _tie_sound_maps(
        "SET NULL", nullable=True, comment="The waveform's file; null once it was given up: the silences stay known."
    )


def _tie_sound_maps(ondelete: str, *, nullable: bool, comment: str) -> None:
    op.drop_constraint(op.f(SOUND_FILE), "sound_maps", type_="foreignkey")
    op.alter_column("sound_maps", "rendition_id", nullable=nullable, comment=comment)
    op.create_foreign_key(op.f(SOUND_FILE), "sound_maps", "renditions", ["rendition_id"], ["id"], ondelete=ondelete)


def downgrade() -> None:
    """What further tracks and small tiles hold stays in the files, unread. Silences of waveforms without a file go, and
    so does the mark of uploaded posters: such a poster stays until a probe."""
    op.execute("delete from sound_maps where rendition_id is null")
    _tie_sound_maps("CASCADE", nullable=False, comment="The waveform's file.")
    op.drop_column("sound_maps", "tracks")
    op.drop_column("storyboards", "small_ends")
    op.drop_column("videos", "poster_upload_id")
