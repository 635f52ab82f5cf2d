"""Storage counters, retention, soft delete and its outbox."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from cuepoint.db.choices import add_values, remove_values

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parent
KINDS = ["FILE_REMOVAL", "RETENTION", "STORAGE_AUDIT", "STORAGE_RECOUNT"]
AREAS = ("UPLOADS", "PROCESSED", "THUMBNAILS", "EXPORTS", "AUDIO", "MUSIC", "TEMP")
NOW = sa.text("now()")


def run_file(name: str) -> None:
    """Run a file of SQL as it is: many statements, colons and all."""
    script = (FOLDER / name).read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda driver: driver.execute(script))


def chosen(name: str, *values: str) -> sa.Enum:
    """A text column with a check, as `db.base.choice` makes it."""
    return sa.Enum(*values, name=name, native_enum=False, length=32, create_constraint=True)


def upgrade() -> None:
    """Tables, then the triggers that keep them, which take over what is there already."""
    for table in ("jobs", "schedules"):
        add_values(table, "kind", KINDS)
    create_stored_files()
    create_file_removals()
    create_storage_tallies()
    create_retention()
    create_storage_findings()
    run_file("0009_storage.sql")


def create_stored_files() -> None:
    op.create_table(
        "stored_files",
        sa.Column("owner_id", sa.Uuid(), nullable=False, comment="The row that names the file."),
        sa.Column("slot", sa.String(), nullable=False, comment="Table and column that name it."),
        sa.Column(
            "key",
            sa.Text(collation="C"),
            nullable=False,
            comment="Where it lies in storage; by bytes, as stores list.",
        ),
        sa.Column(
            "project_id",
            sa.Uuid(),
            nullable=False,
            comment="Whose it is; no foreign key, as it is gone after its project.",
        ),
        sa.Column("video_id", sa.Uuid(), nullable=True, comment="The video that it is, or was made of."),
        sa.Column("area", chosen("area", *AREAS), nullable=False, comment="What it is for, by its key."),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Its size, as its row has it."),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=NOW,
            nullable=False,
            comment="When its row was made.",
        ),
        sa.PrimaryKeyConstraint("owner_id", "slot", name=op.f("pk_stored_files")),
        comment="One row for each file that a row names; kept by triggers, so that no writer can forget it.",
    )
    op.create_index("ix_stored_files_key", "stored_files", ["key"])
    op.create_index("ix_stored_files_project_id_size_bytes_key", "stored_files", ["project_id", "size_bytes", "key"])
    op.create_index("ix_stored_files_size_bytes_key", "stored_files", ["size_bytes", "key"])
    op.create_index(
        "ix_stored_files_video_id", "stored_files", ["video_id"], postgresql_where=sa.text("video_id is not null")
    )


def create_file_removals() -> None:
    op.create_table(
        "file_removals",
        sa.Column(
            "id",
            sa.Uuid(),
            nullable=False,
            comment="Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.",
        ),
        sa.Column("key", sa.Text(collation="C"), nullable=False, comment="What is removed; a prefix ends in a slash."),
        sa.Column(
            "target",
            chosen("target", "OBJECT", "PREFIX", "UPLOAD"),
            nullable=False,
            comment="OBJECT, PREFIX or UPLOAD.",
        ),
        sa.Column("project_id", sa.Uuid(), nullable=True, comment="Whose it was."),
        sa.Column("video_id", sa.Uuid(), nullable=True, comment="The video that it was, or was made of."),
        sa.Column(
            "size_bytes",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="What it frees; 0 if not known.",
        ),
        sa.Column(
            "job_id",
            sa.Uuid(),
            nullable=True,
            comment="The job that is about to give the file a row: it stays until that attempt is over.",
        ),
        sa.Column("attempt", sa.Integer(), nullable=True, comment="That attempt."),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            server_default=NOW,
            nullable=False,
            comment="Not before; later after a failure.",
        ),
        sa.Column(
            "claimed_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Somebody removes it now, or died doing so.",
        ),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False, comment="How often it was tried."),
        sa.Column("error", sa.String(), nullable=True, comment="Why the newest try failed."),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=NOW,
            nullable=False,
            comment="By the database's clock.",
        ),
        sa.CheckConstraint("(job_id is null) = (attempt is null)", name=op.f("ck_file_removals_whole_attempt")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_removals")),
        comment="Files without an owner, or that wait for one: removed by FILE_REMOVAL, then forgotten.",
    )
    op.create_index("uq_file_removals_key", "file_removals", ["key"], unique=True)
    op.create_index("ix_file_removals_due_at", "file_removals", ["due_at"])
    op.create_index("ix_file_removals_project_id", "file_removals", ["project_id"])


def create_storage_tallies() -> None:
    op.create_table(
        "storage_tallies",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False, comment="In the order of writing."),
        sa.Column(
            "project_id",
            sa.Uuid(),
            nullable=False,
            comment="Whose files; no foreign key, as they go after their project.",
        ),
        sa.Column("area", chosen("area", *AREAS), nullable=False, comment="What they are for."),
        sa.Column(
            "month", sa.Date(), nullable=False, comment="First day of the month, UTC, in which their rows were made."
        ),
        sa.Column("files", sa.BigInteger(), nullable=False, comment="Files more, or fewer."),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="Bytes more, or fewer."),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storage_tallies")),
        comment="Counters of files: their sums by project, area and month are the statistics of storage.",
    )
    op.create_index(
        "ix_storage_tallies_project_id_area_month",
        "storage_tallies",
        ["project_id", "area", "month"],
        postgresql_include=["files", "bytes"],
    )


def create_retention() -> None:
    op.add_column(
        "videos",
        sa.Column(
            "purge_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When a deleted video's files go; until then it can be restored.",
        ),
    )
    op.create_index("ix_videos_purge_at", "videos", ["purge_at"], postgresql_where=sa.text("purge_at is not null"))
    for table in ("videos", "clips"):
        op.add_column(
            table,
            sa.Column(
                "is_protected",
                sa.Boolean(),
                server_default=sa.text("false"),
                nullable=False,
                comment="Kept whatever the project's rules of retention say.",
            ),
        )
    op.create_table(
        "retention_rules",
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Whose files."),
        sa.Column(
            "target",
            chosen("target", "VIDEOS", "CLIPS", "AUDIO", "PROCESSED"),
            nullable=False,
            comment="What goes: VIDEOS, CLIPS, AUDIO or PROCESSED.",
        ),
        sa.Column("max_age_days", sa.Integer(), nullable=False, comment="Older than this, it goes."),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False, comment="When set."),
        sa.CheckConstraint("max_age_days between 1 and 36500", name=op.f("ck_retention_rules_age_range")),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_retention_rules_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "target", name=op.f("pk_retention_rules")),
        comment="How long a project keeps what; applied once a day. Without a row it is kept for ever.",
    )


def create_storage_findings() -> None:
    op.create_table(
        "storage_findings",
        sa.Column(
            "id",
            sa.Uuid(),
            nullable=False,
            comment="Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.",
        ),
        sa.Column("job_id", sa.Uuid(), nullable=False, comment="The audit or recount that found it."),
        sa.Column(
            "kind",
            chosen(
                "kind",
                "FILE_WITHOUT_ROW",
                "ROW_WITHOUT_FILE",
                "SIZE_MISMATCH",
                "HASH_MISMATCH",
                "ABANDONED_UPLOAD",
                "COUNTER_DRIFT",
            ),
            nullable=False,
            comment="What is wrong.",
        ),
        sa.Column("key", sa.Text(), nullable=True, comment="The file; null for a counter."),
        sa.Column("project_id", sa.Uuid(), nullable=True, comment="Whose it is, as far as known."),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True, comment="Bytes of the file, or of the drift."),
        sa.Column("detail", sa.String(), nullable=False, comment="For people: what was found, what was expected."),
        sa.Column("is_repaired", sa.Boolean(), nullable=False, comment="Whether the run has put it right."),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=NOW,
            nullable=False,
            comment="By the database's clock.",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_storage_findings_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storage_findings")),
        comment="What audits and recounts found; a second run of the same job replaces its findings.",
    )
    op.create_index("ix_storage_findings_job_id_id", "storage_findings", ["job_id", "id"])


def downgrade() -> None:
    """The triggers go with what they kept; the files stay where they are, and videos in the trash come back."""
    op.execute(
        "update videos v set deleted_at = null where purge_at is not null and (external_id is null or not exists"
        " (select from videos o where o.project_id = v.project_id and o.external_id = v.external_id"
        " and o.deleted_at is null))"
    )
    run_file("0009_storage_down.sql")
    op.drop_table("storage_findings")
    op.drop_table("retention_rules")
    op.drop_column("clips", "is_protected")
    op.drop_index("ix_videos_purge_at", "videos")
    op.drop_column("videos", "is_protected")
    op.drop_column("videos", "purge_at")
    for table in ("schedules", "jobs"):
        remove_values(table, "kind", KINDS)
