"""Clip formats, frames, captions and reels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, REAL

from cuepoint.db.choices import add_values, remove_values

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
KINDS = ["REEL_RENDERING"]
ID_COMMENT = "Made before the insert: UUIDv7, or UUIDv5 where it follows from the content."
MADE_COMMENT = "By the database's clock."
LOUDNESS_COMMENT = "Integrated loudness of the file; null where none was asked for."


def chosen(name: str, *values: str) -> sa.Enum:
    """A text column with a check, as `db.base.choice` makes it."""
    return sa.Enum(*values, name=name, native_enum=False, length=32, create_constraint=True)


def upgrade() -> None:
    """Clips of older processes have no form, which is a plain cut."""
    for table in ("jobs", "schedules"):
        add_values(table, "kind", KINDS)
    for column in clip_columns():
        op.add_column("clips", column)
    op.create_check_constraint(
        op.f("ck_clips_requested_mode"), "clips", "requested_mode in ('FAST', 'SMART', 'RENDER')"
    )
    create_clip_files()
    create_reels()
    create_reel_items()


def clip_columns() -> list[sa.Column[object]]:
    """What a clip learns in this release; all may be missing."""
    return [
        sa.Column(
            "form",
            JSONB(),
            server_default="{}",
            nullable=False,
            comment="Format, frame, fades, loudness, captions: what differs from a plain cut.",
        ),
        sa.Column(
            "requested_mode",
            sa.String(length=32),
            nullable=True,
            comment="How it was to be cut; null in rows of older releases.",
        ),
        sa.Column(
            "mode_reason",
            sa.String(),
            nullable=True,
            comment="Why it was rendered although it was to be cut otherwise.",
        ),
        sa.Column(
            "snapped_start_ms",
            sa.Integer(),
            nullable=True,
            comment="In point after it was moved to a word or a sentence; null = as asked for.",
        ),
        sa.Column("snapped_end_ms", sa.Integer(), nullable=True, comment="Out point after it was moved, exclusive."),
        sa.Column(
            "kept_ranges",
            JSONB(),
            nullable=True,
            comment="What is left without the silences, as [start_ms, end_ms]; null = the whole range.",
        ),
        sa.Column("loudness_lufs", REAL(), nullable=True, comment=LOUDNESS_COMMENT),
    ]


def create_clip_files() -> None:
    """Captions beside clips."""
    op.create_table(
        "clip_files",
        sa.Column("id", sa.Uuid(), nullable=False, comment=ID_COMMENT),
        sa.Column("clip_id", sa.Uuid(), nullable=False, comment="The clip."),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Who may see it."),
        sa.Column("video_id", sa.Uuid(), nullable=False, comment="Cut from this."),
        sa.Column("format", chosen("format", "SRT", "VTT"), nullable=False, comment="SRT or VTT."),
        sa.Column("storage_key", sa.String(), nullable=False, comment="Where the file lies."),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Size."),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False, comment=MADE_COMMENT),
        sa.ForeignKeyConstraint(
            ["clip_id"], ["clips.id"], name=op.f("fk_clip_files_clip_id_clips"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_clip_files_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name=op.f("fk_clip_files_video_id_videos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clip_files")),
        sa.UniqueConstraint("clip_id", "format", name=op.f("uq_clip_files_clip_id_format")),
        comment="Captions as files of their own, with the times of the clip.",
    )
    op.create_index("ix_clip_files_project_id", "clip_files", ["project_id"])
    op.create_index("ix_clip_files_video_id", "clip_files", ["video_id"])


def create_reels() -> None:
    """Compilations."""
    op.create_table(
        "reels",
        sa.Column("id", sa.Uuid(), nullable=False, comment=ID_COMMENT),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Who may see it."),
        sa.Column("job_id", sa.Uuid(), nullable=True, comment="Job that joins it."),
        sa.Column("created_by_id", sa.Uuid(), nullable=True, comment="Who asked for it."),
        sa.Column("title", sa.String(), nullable=False, comment="Shown name."),
        sa.Column("form", JSONB(), server_default="{}", nullable=False, comment="As of a clip, for the whole."),
        sa.Column(
            "cross_fade_ms",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="How long two pieces overlap; 0 = a cut.",
        ),
        sa.Column("storage_key", sa.String(), nullable=True, comment="Where the file lies; null until rendered."),
        sa.Column("content_type", sa.String(), nullable=True, comment="MIME type."),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True, comment="Size."),
        sa.Column("duration_ms", sa.Integer(), nullable=True, comment="Length of the file."),
        sa.Column("width", sa.Integer(), nullable=True, comment="Pixels."),
        sa.Column("height", sa.Integer(), nullable=True, comment="Pixels."),
        sa.Column("loudness_lufs", REAL(), nullable=True, comment=LOUDNESS_COMMENT),
        sa.Column("rendered_at", TIME, nullable=True, comment="When the probed file was offered."),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False, comment=MADE_COMMENT),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_reels_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_reels_job_id_jobs"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_reels_created_by_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reels")),
        comment="Compilations; offered only after the result was probed. They outlive the videos they show.",
    )
    op.create_index("ix_reels_project_id_created_at_id", "reels", ["project_id", "created_at", "id"])


def create_reel_items() -> None:
    """Their pieces."""
    op.create_table(
        "reel_items",
        sa.Column("reel_id", sa.Uuid(), nullable=False, comment="The reel."),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False, comment="0, 1, 2 ... as shown."),
        sa.Column("video_id", sa.Uuid(), nullable=True, comment="Shows this; null once it is gone."),
        sa.Column(
            "clip_id", sa.Uuid(), nullable=True, comment="The clip whose file is shown; null = the video itself."
        ),
        sa.Column("start_ms", sa.Integer(), nullable=False, comment="In point, in the video."),
        sa.Column("end_ms", sa.Integer(), nullable=False, comment="Out point, exclusive, in the video."),
        sa.CheckConstraint("start_ms < end_ms", name=op.f("ck_reel_items_time_order")),
        sa.ForeignKeyConstraint(
            ["reel_id"], ["reels.id"], name=op.f("fk_reel_items_reel_id_reels"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name=op.f("fk_reel_items_video_id_videos"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["clip_id"], ["clips.id"], name=op.f("fk_reel_items_clip_id_clips"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("reel_id", "position", name=op.f("pk_reel_items")),
        comment="Pieces in order; the video or clip of a piece may be gone, its times stay.",
    )
    op.create_index("ix_reel_items_video_id", "reel_items", ["video_id"])
    op.create_index("ix_reel_items_clip_id", "reel_items", ["clip_id"], postgresql_where=sa.text("clip_id is not null"))


def downgrade() -> None:
    """Reels and caption files go; clips keep their files and lose what they were asked for."""
    for table in ("jobs", "schedules"):
        remove_values(table, "kind", KINDS)
    op.drop_table("reel_items")
    op.drop_table("reels")
    op.drop_table("clip_files")
    op.drop_constraint(op.f("ck_clips_requested_mode"), "clips", type_="check")
    for column in reversed(clip_columns()):
        op.drop_column("clips", column.name)
