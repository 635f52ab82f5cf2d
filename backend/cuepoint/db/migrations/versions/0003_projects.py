"""Projects with versions, settings, presets, tags, metadata, share links and quotas."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from cuepoint.db.choices import add_values, remove_values

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
KINDS = ["PROJECT_DELETION", "STORAGE_WIPE"]


def upgrade() -> None:
    """New columns have defaults, so that processes of the version before go on inserting rows."""
    _extend_projects()
    _create_presets()
    _extend_videos()
    _create_share_links()
    _create_quotas()
    for table in ("jobs", "schedules"):
        add_values(table, "kind", KINDS)


def _extend_projects() -> None:
    columns = [
        sa.Column(
            "sort_name",
            sa.String(),
            sa.Computed("lower(left(name, 50))", persisted=True),
            nullable=False,
            comment="What lists by name are sorted by; cut, so that it fits into a cursor.",
        ),
        sa.Column(
            "settings",
            JSONB(),
            server_default="{}",
            nullable=False,
            comment="Defaults of its jobs, by name of the option; what is left out is unset.",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="Grows with each change that people make: who changes it names the one they saw.",
        ),
        sa.Column(
            "updated_at", TIME, server_default=sa.func.now(), nullable=False, comment="When the version last grew."
        ),
        sa.Column("archived_at", TIME, nullable=True, comment="From then on it can be read only; null = in use."),
        sa.Column(
            "deleted_at",
            TIME,
            nullable=True,
            comment="Hidden at once, its members gone; a job removes files and rows, then this one.",
        ),
    ]
    for column in columns:
        op.add_column("projects", column)
    op.create_index("ix_projects_sort_name_id", "projects", ["sort_name", "id"])
    op.create_index("ix_projects_updated_at_id", "projects", ["updated_at", "id"])


def _create_presets() -> None:
    op.create_table(
        "presets",
        sa.Column(
            "id",
            sa.Uuid(),
            primary_key=True,
            comment="Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.",
        ),
        sa.Column(
            "project_id",
            sa.Uuid(),
            sa.ForeignKey("projects.id", ondelete="CASCADE", name="fk_presets_project_id_projects"),
            nullable=False,
            comment="Whose it is.",
        ),
        sa.Column("name", sa.String(), nullable=False, comment="What people choose it by."),
        sa.Column(
            "options",
            JSONB(),
            server_default="{}",
            nullable=False,
            comment="As settings of a project: by name of the option.",
        ),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False, comment="Grows with each change."),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False, comment="By the database's clock."),
        sa.UniqueConstraint("project_id", "name", name="uq_presets_project_id_name"),
        comment="Named options of jobs; what a call says itself goes before them.",
    )


def _extend_videos() -> None:
    columns = [
        sa.Column(
            "tags",
            ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="Labels of people, each once, in order of the alphabet.",
        ),
        sa.Column(
            "external_id", sa.String(), nullable=True, comment="What another system calls it; unique in its project."
        ),
        sa.Column(
            "metadata",
            JSONB(),
            server_default="{}",
            nullable=False,
            comment="Facts of people or of another system; 16 KB at most.",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="Grows with each change that people make: who changes it names the one they saw.",
        ),
        sa.Column(
            "files_removed_at",
            TIME,
            nullable=True,
            comment="When its files were given up and all else was kept; null = they are there.",
        ),
    ]
    for column in columns:
        op.add_column("videos", column)
    op.create_index(
        "uq_videos_project_id_external_id",
        "videos",
        ["project_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id is not null and deleted_at is null"),
    )
    op.create_index("ix_videos_tags", "videos", ["tags"], postgresql_using="gin")
    op.create_index(
        "ix_videos_metadata",
        "videos",
        ["metadata"],
        postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
    )


def _create_share_links() -> None:
    op.create_table(
        "share_links",
        sa.Column(
            "id",
            sa.Uuid(),
            primary_key=True,
            comment="Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.",
        ),
        sa.Column(
            "project_id",
            sa.Uuid(),
            sa.ForeignKey("projects.id", ondelete="CASCADE", name="fk_share_links_project_id_projects"),
            nullable=False,
            comment="What it opens.",
        ),
        sa.Column(
            "video_id",
            sa.Uuid(),
            sa.ForeignKey("videos.id", ondelete="CASCADE", name="fk_share_links_video_id_videos"),
            nullable=True,
            comment="The only video it opens; null = the whole project.",
        ),
        sa.Column(
            "created_by_id",
            sa.Uuid(),
            sa.ForeignKey("users.id", ondelete="SET NULL", name="fk_share_links_created_by_id_users"),
            nullable=True,
            comment="Who made it.",
        ),
        sa.Column(
            "token_hash",
            sa.String(),
            nullable=False,
            comment="SHA-256 of the 256-bit random token; needs no salt, and finds the row in one look-up.",
        ),
        sa.Column(
            "prefix",
            sa.String(),
            nullable=False,
            comment="First characters of the token, shown so that links can be told apart.",
        ),
        sa.Column(
            "password_hash", sa.String(), nullable=True, comment="Argon2id with its salt and cost; null = no password."
        ),
        sa.Column(
            "may_download",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="Whether clients should offer to save files.",
        ),
        sa.Column("expires_at", TIME, nullable=True, comment="Refused from then on; null = never."),
        sa.Column("revoked_at", TIME, nullable=True, comment="When it was revoked; null = valid."),
        sa.Column("uses", sa.Integer(), server_default="0", nullable=False, comment="How often it was opened."),
        sa.Column("last_used_at", TIME, nullable=True, comment="When it was last opened."),
        sa.Column(
            "failures",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Wrong passwords since the last right one.",
        ),
        sa.Column("locked_until", TIME, nullable=True, comment="No password is tried before; null = at once."),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False, comment="By the database's clock."),
        sa.UniqueConstraint("token_hash", name="uq_share_links_token_hash"),
        comment="Links for people without an account; the secret itself is never stored.",
    )
    op.create_index("ix_share_links_project_id_created_at_id", "share_links", ["project_id", "created_at", "id"])
    op.create_index(
        "ix_share_links_video_id", "share_links", ["video_id"], postgresql_where=sa.text("video_id is not null")
    )


def _create_quotas() -> None:
    op.create_table(
        "quotas",
        sa.Column(
            "id",
            sa.Uuid(),
            primary_key=True,
            comment="Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.",
        ),
        sa.Column(
            "project_id",
            sa.Uuid(),
            sa.ForeignKey("projects.id", ondelete="CASCADE", name="fk_quotas_project_id_projects"),
            nullable=True,
            comment="Holds for this project.",
        ),
        sa.Column(
            "user_id",
            sa.Uuid(),
            sa.ForeignKey("users.id", ondelete="CASCADE", name="fk_quotas_user_id_users"),
            nullable=True,
            comment="Holds for what this user starts and uploads.",
        ),
        sa.Column("storage_bytes", sa.BigInteger(), nullable=True, comment="Bytes in storage; null = any number."),
        sa.Column(
            "media_ms_per_month",
            sa.BigInteger(),
            nullable=True,
            comment="Playing time transcribed in a month, UTC; null = any.",
        ),
        sa.Column(
            "concurrent_jobs",
            sa.Integer(),
            nullable=True,
            comment="Jobs that wait or run at a time; null = any number.",
        ),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False, comment="By the database's clock."),
        sa.CheckConstraint("project_id is null or user_id is null", name=op.f("ck_quotas_one_scope")),
        sa.UniqueConstraint(
            "project_id", "user_id", name="uq_quotas_project_id_user_id", postgresql_nulls_not_distinct=True
        ),
        comment="Limits; who takes from one locks its row. What is taken is counted, never kept.",
    )
    op.create_index("ix_quotas_user_id", "quotas", ["user_id"])
    op.create_table(
        "media_usage",
        sa.Column("job_id", sa.Uuid(), primary_key=True, comment="The job; a second run counts once."),
        sa.Column("project_id", sa.Uuid(), nullable=True, comment="Whose video it was."),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="Who asked for it."),
        sa.Column("media_ms", sa.BigInteger(), nullable=False, comment="Length of the media."),
        sa.Column("at", TIME, server_default=sa.func.now(), nullable=False, comment="When it succeeded."),
        comment="Written with each transcription. Without foreign keys: a month's use outlives its jobs.",
    )
    op.create_index("ix_media_usage_at", "media_usage", ["at"])
    op.create_index("ix_media_usage_project_id_at", "media_usage", ["project_id", "at"])
    op.create_index("ix_media_usage_user_id_at", "media_usage", ["user_id", "at"])


def downgrade() -> None:
    """What the version before does not know is lost: links, presets, settings, tags, ids, metadata."""
    for table in ("jobs", "schedules"):
        remove_values(table, "kind", KINDS)
    op.drop_table("media_usage")
    op.drop_table("quotas")
    op.drop_table("share_links")
    for name in ("ix_videos_metadata", "ix_videos_tags", "uq_videos_project_id_external_id"):
        op.drop_index(name, "videos")
    for name in ("files_removed_at", "version", "metadata", "external_id", "tags"):
        op.drop_column("videos", name)
    op.drop_table("presets")
    for name in ("ix_projects_updated_at_id", "ix_projects_sort_name_id"):
        op.drop_index(name, "projects")
    for name in ("deleted_at", "archived_at", "updated_at", "version", "settings", "sort_name"):
        op.drop_column("projects", name)
