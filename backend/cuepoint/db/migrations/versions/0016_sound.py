"""The audio track that a video speaks by, and captions of sites as transcripts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STORED = "Subtitles of sites as they were found; transcripts are not made of them."
USED = "Subtitles of sites as they were found; the first transcript may be made of one of them."


def upgrade() -> None:
    """Processes of the release before this one go on, and take the track that the file flags."""
    track = sa.Column(
        "audio_track",
        sa.Integer(),
        nullable=True,
        comment="Index of the audio track that is its sound: a person named it, or speech was found in it. Null = the "
        "one that the file flags, else the first.",
    )
    op.add_column("videos", track)
    language = sa.Column(
        "language", sa.String(), nullable=True, comment="What is spoken, as a tag by the source; null if unknown."
    )
    op.add_column("imports", language)
    op.create_table_comment("import_captions", USED, existing_comment=STORED)


def downgrade() -> None:
    """Which tracks were chosen is forgotten, and what is spoken; what was made of them stays."""
    op.create_table_comment("import_captions", STORED, existing_comment=USED)
    op.drop_column("imports", "language")
    op.drop_column("videos", "audio_track")
