"""Import by URL, playlists and import sources."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from cuepoint.db.choices import add_values, remove_values

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KINDS = ["INGEST", "PLAYLIST_IMPORT", "IMPORT_PASS", "UPLOAD_CHECK"]
DUPLICATES = ("LINK", "REJECT", "KEEP")
TIME = sa.DateTime(timezone=True)
ID_COMMENT = "Made before the insert: UUIDv7, or UUIDv5 where it follows from the content."
MADE_COMMENT = "By the database's clock."


def chosen(name: str, *values: str) -> sa.Enum:
    """A text column with a check, as `db.base.choice` makes it."""
    return sa.Enum(*values, name=name, native_enum=False, length=32, create_constraint=True)


def upgrade() -> None:
    """A video may lack its bytes for a while; uploads know how theirs come."""
    for table in ("jobs", "schedules"):
        add_values(table, "kind", KINDS)
    op.alter_column("videos", "size_bytes", nullable=True, comment="Size of the original; null until it is here.")
    op.alter_column(
        "videos",
        "content_hash",
        nullable=True,
        comment="SHA-256 of the original: finds the same file again. Null until it is here.",
    )
    op.add_column("uploads", protocol_column())
    op.add_column("uploads", sa.Column("part_bytes", sa.BigInteger(), nullable=True, comment=PART_COMMENT))
    op.create_check_constraint(op.f("ck_uploads_protocol"), "uploads", "protocol in ('TUS', 'S3_MULTIPART', 'FETCH')")
    op.add_column("schedules", schedule_project())
    op.create_index("ix_schedules_project_id", "schedules", ["project_id"])
    create_imports()
    create_import_captions()
    create_import_sources()
    create_import_source_files()


PART_COMMENT = "Size of the parts that the client sends to the store itself; null for other protocols."


def protocol_column() -> sa.Column[str]:
    return sa.Column(
        "protocol",
        sa.String(length=32),
        server_default="TUS",
        nullable=False,
        comment="How its bytes come: TUS, S3_MULTIPART or FETCH.",
    )


def schedule_project() -> sa.Column[object]:
    return sa.Column(
        "project_id",
        sa.Uuid(),
        sa.ForeignKey("projects.id", ondelete="CASCADE", name="fk_schedules_project_id_projects"),
        nullable=True,
        comment="Whose job a slot makes; null = the system's.",
    )


def create_imports() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False, comment=ID_COMMENT),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Where it goes."),
        sa.Column(
            "created_by_id", sa.Uuid(), nullable=True, comment="Who asked for it, or made the source that found it."
        ),
        sa.Column(
            "video_id",
            sa.Uuid(),
            nullable=True,
            comment="The video that it becomes; null where it was refused at once, or LINK found another.",
        ),
        sa.Column("job_id", sa.Uuid(), nullable=True, comment="The job that fetches it."),
        sa.Column("duplicate_of_id", sa.Uuid(), nullable=True, comment="The video that LINK found in its place."),
        sa.Column("batch_id", sa.Uuid(), nullable=True, comment="Imports that one playlist or pass asked for."),
        sa.Column(
            "kind",
            chosen("kind", "HTTP", "S3", "FOLDER", "SITE"),
            nullable=False,
            comment="HTTP, S3, FOLDER or SITE.",
        ),
        sa.Column(
            "address",
            sa.String(),
            nullable=False,
            comment="What is fetched, with whatever secret its query holds; without it once it has been.",
        ),
        sa.Column("shown_url", sa.String(), nullable=False, comment="The same without secrets."),
        sa.Column(
            "start_ms",
            sa.Integer(),
            nullable=True,
            comment="Where the wanted section begins; null = at the beginning.",
        ),
        sa.Column("end_ms", sa.Integer(), nullable=True, comment="Where it ends; null = at the end."),
        sa.Column(
            "on_duplicate",
            chosen("on_duplicate", *DUPLICATES),
            nullable=False,
            comment="What to do when the project has these bytes.",
        ),
        sa.Column(
            "validator",
            sa.String(),
            nullable=True,
            comment="Which version of the file the stored bytes are of: ETag or date of the last change.",
        ),
        sa.Column("fetched_at", TIME, nullable=True, comment="When its bytes were whole."),
        sa.Column("error_code", sa.String(), nullable=True, comment="Why it was refused before there was a job."),
        sa.Column("error_message", sa.String(), nullable=True, comment="The same for people."),
        sa.Column("title", sa.String(), nullable=True, comment="What the source calls it."),
        sa.Column("uploader", sa.String(), nullable=True, comment="Who published it there."),
        sa.Column("extractor", sa.String(), nullable=True, comment="The site's extractor; null without one."),
        sa.Column("extractor_version", sa.String(), nullable=True, comment="Version of the extractor's library."),
        sa.Column(
            "chapters",
            postgresql.JSONB(),
            server_default="[]",
            nullable=False,
            comment="Chapters by the source: title, start_ms, end_ms.",
        ),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False, comment=MADE_COMMENT),
        sa.CheckConstraint(
            "start_ms is null or end_ms is null or start_ms < end_ms", name=op.f("ck_imports_range_forwards")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_imports_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_imports_created_by_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name=op.f("fk_imports_video_id_videos"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_imports_job_id_jobs"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["duplicate_of_id"], ["videos.id"], name=op.f("fk_imports_duplicate_of_id_videos"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sa.UniqueConstraint("video_id", name=op.f("uq_imports_video_id")),
        comment="Files that were fetched from elsewhere, or are to be.",
    )
    op.create_index("ix_imports_project_id_created_at_id", "imports", ["project_id", "created_at", "id"])
    op.create_index("ix_imports_batch_id", "imports", ["batch_id"])
    op.create_index(
        "ix_imports_duplicate_of_id",
        "imports",
        ["duplicate_of_id"],
        postgresql_where=sa.text("duplicate_of_id is not null"),
    )


def create_import_captions() -> None:
    op.create_table(
        "import_captions",
        sa.Column("import_id", sa.Uuid(), nullable=False, comment="What they came with."),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False, comment="0, 1, 2 in a fixed order."),
        sa.Column("language", sa.String(), nullable=False, comment="Language tag by the site."),
        sa.Column("extension", sa.String(), nullable=False, comment="Format as a file suffix: vtt, srt, ttml."),
        sa.Column("text", sa.String(), nullable=False, comment="The file, 1 MiB at most."),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_import_captions_import_id_imports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "position", name=op.f("pk_import_captions")),
        comment="Subtitles of sites as they were found; transcripts are not made of them.",
    )


def create_import_sources() -> None:
    op.create_table(
        "import_sources",
        sa.Column("id", sa.Uuid(), nullable=False, comment=ID_COMMENT),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Where files go."),
        sa.Column("created_by_id", sa.Uuid(), nullable=True, comment="In whose name files are taken."),
        sa.Column("kind", chosen("kind", "FOLDER", "S3"), nullable=False, comment="FOLDER or S3."),
        sa.Column("address", sa.String(), nullable=False, comment="file:///folder or s3://bucket/prefix."),
        sa.Column(
            "pattern", sa.String(), nullable=False, comment="Which names are taken: * within a folder, ** across."
        ),
        sa.Column("cron", sa.String(), nullable=False, comment="When it is looked through, five fields, UTC."),
        sa.Column(
            "is_enabled",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="False: only when somebody asks.",
        ),
        sa.Column(
            "on_duplicate",
            chosen("on_duplicate", *DUPLICATES),
            nullable=False,
            comment="What to do with bytes that the project has.",
        ),
        sa.Column("preset_id", sa.Uuid(), nullable=True, comment="Options of the pipelines that it starts."),
        sa.Column("passed_at", TIME, nullable=True, comment="When it was last looked through."),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False, comment=MADE_COMMENT),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_import_sources_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_import_sources_created_by_id_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["preset_id"], ["presets.id"], name=op.f("fk_import_sources_preset_id_presets"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_sources")),
        comment="Places that are looked through on a schedule; their slots are rows of schedules.",
    )
    op.create_index("ix_import_sources_project_id_created_at_id", "import_sources", ["project_id", "created_at", "id"])


def create_import_source_files() -> None:
    op.create_table(
        "import_source_files",
        sa.Column("source_id", sa.Uuid(), nullable=False, comment="The source."),
        sa.Column("name", sa.String(), nullable=False, comment="Its path below the source."),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Its size at the last pass."),
        sa.Column("mark", sa.String(), nullable=False, comment="Changes with the content: size and time, or ETag."),
        sa.Column(
            "status",
            chosen("status", "WAITING", "TAKEN", "REFUSED"),
            nullable=False,
            comment="WAITING, TAKEN or REFUSED.",
        ),
        sa.Column("seen_at", TIME, nullable=False, comment="The pass that saw it in this state first."),
        sa.Column("video_id", sa.Uuid(), nullable=True, comment="The video it became."),
        sa.Column("error_code", sa.String(), nullable=True, comment="Why it was refused."),
        sa.Column("error_message", sa.String(), nullable=True, comment="The same for people."),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["import_sources.id"],
            name=op.f("fk_import_source_files_source_id_import_sources"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name=op.f("fk_import_source_files_video_id_videos"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("source_id", "name", name=op.f("pk_import_source_files")),
        comment="What the passes of a source have seen: a file is taken once it stays as it is.",
    )
    op.create_index("ix_import_source_files_video_id", "import_source_files", ["video_id"])


def downgrade() -> None:
    """Imports are forgotten; videos whose bytes never came, which the version before does not know, are deleted."""
    for table in ("import_source_files", "import_sources", "import_captions", "imports"):
        op.drop_table(table)
    op.execute("delete from schedules where project_id is not null")
    op.drop_index("ix_schedules_project_id", "schedules")
    op.drop_column("schedules", "project_id")
    op.drop_constraint(op.f("ck_uploads_protocol"), "uploads")
    for name in ("part_bytes", "protocol"):
        op.drop_column("uploads", name)
    unfetched = "select id from videos where content_hash is null or size_bytes is null"
    op.execute(f"delete from jobs where video_id in ({unfetched})")  # noqa: S608 - a constant
    op.execute("delete from videos where content_hash is null or size_bytes is null")
    op.alter_column(
        "videos", "content_hash", nullable=False, comment="SHA-256 of the original: finds the same file again."
    )
    op.alter_column("videos", "size_bytes", nullable=False, comment="Size of the original.")
    for table in ("jobs", "schedules"):
        remove_values(table, "kind", KINDS)
