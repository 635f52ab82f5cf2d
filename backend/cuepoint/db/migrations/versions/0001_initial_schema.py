"""Initial schema: all tables, the vector extension, and the SQL functions of search and jobs."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from cuepoint.db.base import HalfVector

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


FOLDER = Path(__file__).parent


def run_file(name: str) -> None:
    """Run a file of SQL as it is: many statements, colons and all."""
    script = (FOLDER / name).read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda driver: driver.execute(script))


def upgrade() -> None:
    op.execute("create extension if not exists vector")
    run_file("0001_search.sql")
    op.create_table(
        "embedding_spaces",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=False), nullable=False, comment="Partition key."),
        sa.Column(
            "provider", sa.String(), nullable=False, comment="static, openai, or the host of a compatible server."
        ),
        sa.Column("model", sa.String(), nullable=False, comment="Model name."),
        sa.Column("native_dimensions", sa.Integer(), nullable=False, comment="Before padding to 1536."),
        sa.Column("min_score", sa.Double(), nullable=False, comment="Cosine below which a hit is noise in this space."),
        sa.Column(
            "rows_at_build",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Rows when the IVFFLAT index was built.",
        ),
        sa.Column(
            "lists",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="Lists of that index; 1 is an exact flat index.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embedding_spaces")),
        sa.UniqueConstraint("provider", "model", name=op.f("uq_embedding_spaces_provider_model")),
        comment="Embedding models; each has its own partition and IVFFLAT index.",
    )
    op.create_table(
        "lanes",
        sa.Column("name", sa.String(), nullable=False, comment="cpu, gpu, io or llm."),
        sa.Column(
            "is_paused", sa.Boolean(), server_default="false", nullable=False, comment="True: nothing is claimed."
        ),
        sa.Column(
            "virtual_now",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="Virtual time that the claims of this lane have reached.",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lanes")),
        comment="Queues by resource; rows exist before the first job.",
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False, comment="What people call it; need not be unique."),
        sa.Column("description", sa.String(), server_default="", nullable=False, comment="Free text."),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        comment="The unit of access and of fair scheduling.",
    )
    op.create_index("ix_projects_created_at_id", "projects", ["created_at", "id"], unique=False)
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(), nullable=False, comment="Name, part of the system key of its jobs."),
        sa.Column("cron", sa.String(), nullable=False, comment="Five-field cron expression, UTC."),
        sa.Column(
            "kind",
            sa.Enum(
                "PROBE",
                "AUDIO_EXTRACTION",
                "TRANSCRIPTION",
                "SEGMENTATION",
                "EMBEDDING",
                "MOMENT_GENERATION",
                "CLIP_EXTRACTION",
                "VIDEO_DELETION",
                "MAINTENANCE",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
            comment="Kind of the job it makes.",
        ),
        sa.Column(
            "args",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="Arguments of that job.",
        ),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, comment="Next slot."),
        sa.Column("is_enabled", sa.Boolean(), server_default="true", nullable=False, comment="False: makes no jobs."),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
        comment="Cron slots; the ticker makes each once across all workers.",
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "email", sa.String(), nullable=False, comment="Unique whatever its case; the name people sign in with."
        ),
        sa.Column("name", sa.String(), nullable=False, comment="What others see."),
        sa.Column(
            "is_admin",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="Instance administrator: sees everything.",
        ),
        sa.Column(
            "is_active",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="False refuses every credential at once.",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        comment="People and service accounts.",
    )
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"], unique=False)
    op.create_index("uq_users_email_lower", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), nullable=False, comment="New at every start, and after having been lost."),
        sa.Column("lanes", postgresql.ARRAY(sa.Text()), nullable=False, comment="Lanes it serves."),
        sa.Column(
            "info",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="Host, pid, version, warnings.",
        ),
        sa.Column(
            "state",
            sa.Enum(
                "LIVE", "DRAINING", "GONE", "LOST", name="state", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
            comment="LIVE, DRAINING, GONE or LOST.",
        ),
        sa.Column(
            "lease_until", sa.DateTime(timezone=True), nullable=False, comment="Silent beyond this: declared lost."
        ),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it registered.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        comment="Worker processes and their leases.",
    )
    op.create_index(
        "ix_workers_lease",
        "workers",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state in ('LIVE', 'DRAINING')"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose rights it has."),
        sa.Column("name", sa.String(), nullable=False, comment="What the key is for, in its owner's words."),
        sa.Column(
            "prefix",
            sa.String(),
            nullable=False,
            comment="First characters of the secret, shown so that a key can be told apart.",
        ),
        sa.Column(
            "secret_hash",
            sa.String(),
            nullable=False,
            comment="SHA-256 of the 256-bit random secret; needs no salt, and finds the row in one look-up.",
        ),
        sa.Column(
            "expires_at", sa.DateTime(timezone=True), nullable=True, comment="Refused from then on; null = never."
        ),
        sa.Column(
            "revoked_at", sa.DateTime(timezone=True), nullable=True, comment="When it was revoked; null = valid."
        ),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True, comment="Written at most once a minute."),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_keys_secret_hash")),
        comment="Credentials of the API; the secret itself is never stored.",
    )
    op.create_index("ix_api_keys_user_id_created_at_id", "api_keys", ["user_id", "created_at", "id"], unique=False)
    op.create_table(
        "project_members",
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="The project."),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="The member."),
        sa.Column(
            "role",
            sa.Enum("OWNER", "EDITOR", "VIEWER", name="role", native_enum=False, create_constraint=True, length=32),
            nullable=False,
            comment="OWNER, EDITOR or VIEWER.",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_members_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_project_members_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_project_members")),
        comment="Who may see and change a project; the access gate reads nothing else.",
    )
    op.create_index("ix_project_members_user_id_project_id", "project_members", ["user_id", "project_id"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Where it goes."),
        sa.Column("created_by_id", sa.Uuid(), nullable=True, comment="Who sends it."),
        sa.Column(
            "filename", sa.String(), nullable=False, comment="Name given by the client; shown, never used as a path."
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Declared size."),
        sa.Column(
            "offset_bytes", sa.BigInteger(), server_default="0", nullable=False, comment="Bytes that are safely stored."
        ),
        sa.Column(
            "declared_sha256", sa.String(), nullable=True, comment="Hash that the client promised, checked at the end."
        ),
        sa.Column("content_hash", sa.String(), nullable=True, comment="SHA-256 of the bytes, once whole."),
        sa.Column(
            "status",
            sa.Enum(
                "WAITING",
                "RECEIVING",
                "COMPLETE",
                "ABORTED",
                "EXPIRED",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
            comment="State.",
        ),
        sa.Column("storage_key", sa.String(), nullable=False, comment="Where its bytes lie in storage."),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Swept after this unless COMPLETE and used.",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("offset_bytes between 0 and size_bytes", name=op.f("ck_uploads_offset_in_size")),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_uploads_created_by_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_uploads_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        comment="Files on their way in; the offset is written after the bytes are synced.",
    )
    op.create_index(
        "ix_uploads_expires_at",
        "uploads",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status in ('WAITING', 'RECEIVING')"),
    )
    op.create_index("ix_uploads_project_id", "uploads", ["project_id"], unique=False)
    op.create_table(
        "videos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Who may see it."),
        sa.Column("created_by_id", sa.Uuid(), nullable=True, comment="Who registered it."),
        sa.Column("upload_id", sa.Uuid(), nullable=True, comment="An upload becomes a video only once."),
        sa.Column(
            "title", sa.String(), nullable=False, comment="Shown name; the file name unless the client says otherwise."
        ),
        sa.Column(
            "filename", sa.String(), nullable=False, comment="Name of the original as given; never used as a path."
        ),
        sa.Column("storage_key", sa.String(), nullable=False, comment="Where the original lies in storage."),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Size of the original."),
        sa.Column(
            "content_hash", sa.String(), nullable=False, comment="SHA-256 of the original: finds the same file again."
        ),
        sa.Column("content_type", sa.String(), nullable=True, comment="By content, never by name."),
        sa.Column("duration_ms", sa.Integer(), nullable=True, comment="Length of the media."),
        sa.Column("container", sa.String(), nullable=True, comment="Container format as the demuxer names it."),
        sa.Column("width", sa.Integer(), nullable=True, comment="Pixels as displayed, after rotation."),
        sa.Column("height", sa.Integer(), nullable=True, comment="Pixels as displayed, after rotation."),
        sa.Column(
            "media",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="The whole probe: tracks, rates, warnings.",
        ),
        sa.Column("probed_at", sa.DateTime(timezone=True), nullable=True, comment="When the probe succeeded."),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Hidden at once; a job removes files, then the row.",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("duration_ms is null or duration_ms >= 0", name=op.f("ck_videos_duration_positive")),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_videos_created_by_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_videos_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("fk_videos_upload_id_uploads"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_videos")),
        sa.UniqueConstraint("upload_id", name=op.f("uq_videos_upload_id")),
        comment="Assets. Media facts are null until probed, and stay null where the file does not say.",
    )
    op.create_index("ix_videos_created_at_id", "videos", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_videos_deleted_at",
        "videos",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at is not null"),
    )
    op.create_index("ix_videos_project_id_content_hash", "videos", ["project_id", "content_hash"], unique=False)
    op.create_index("ix_videos_project_id_created_at_id", "videos", ["project_id", "created_at", "id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "PROBE",
                "AUDIO_EXTRACTION",
                "TRANSCRIPTION",
                "SEGMENTATION",
                "EMBEDDING",
                "MOMENT_GENERATION",
                "CLIP_EXTRACTION",
                "VIDEO_DELETION",
                "MAINTENANCE",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
            comment="Which registered task runs it.",
        ),
        sa.Column("lane", sa.String(), nullable=False, comment="Resource it needs: cpu, gpu, io or llm."),
        sa.Column(
            "args",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="Ids and small options.",
        ),
        sa.Column("priority", sa.SmallInteger(), server_default="5", nullable=False, comment="0 to 10, 10 first."),
        sa.Column(
            "status",
            sa.Enum(
                "BLOCKED",
                "SCHEDULED",
                "QUEUED",
                "RUNNING",
                "SUCCEEDED",
                "FAILED",
                "CANCELLED",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
            comment="State; see docs/jobs.md.",
        ),
        sa.Column(
            "attempt", sa.Integer(), server_default="0", nullable=False, comment="Claims so far, only grows: the fence."
        ),
        sa.Column(
            "failures", sa.Integer(), server_default="0", nullable=False, comment="Attempts that ended in an error."
        ),
        sa.Column(
            "losses", sa.Integer(), server_default="0", nullable=False, comment="Attempts whose worker was lost."
        ),
        sa.Column(
            "max_attempts", sa.Integer(), server_default="3", nullable=False, comment="Errors after which it is FAILED."
        ),
        sa.Column(
            "max_losses",
            sa.Integer(),
            server_default="3",
            nullable=False,
            comment="Lost workers after which it is FAILED.",
        ),
        sa.Column(
            "run_at", sa.DateTime(timezone=True), nullable=True, comment="Not before; set while SCHEDULED or delayed."
        ),
        sa.Column("timeout_seconds", sa.Integer(), nullable=False, comment="Longest one attempt may run."),
        sa.Column("worker_id", sa.Uuid(), nullable=True, comment="Who runs it now; part of the fence."),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True, comment="Start of the newest attempt."),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True, comment="When it became final."),
        sa.Column(
            "ended_by",
            sa.Uuid(),
            nullable=True,
            comment="Worker that ended the newest attempt: tells a repeated finish.",
        ),
        sa.Column(
            "cancel_requested_at", sa.DateTime(timezone=True), nullable=True, comment="When a cancel was accepted."
        ),
        sa.Column(
            "cancel_reason",
            sa.Enum("USER", "DEPENDENCY", name="cancel_reason", native_enum=False, create_constraint=True, length=32),
            nullable=True,
            comment="USER, or DEPENDENCY when what it waited for did not succeed.",
        ),
        sa.Column(
            "seq",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Number of its newest event; gapless from 1.",
        ),
        sa.Column(
            "progress", sa.Double(), server_default="0", nullable=False, comment="0 to 1, grows within an attempt."
        ),
        sa.Column("stage", sa.String(), nullable=True, comment="What it is doing, for people."),
        sa.Column("processed_ms", sa.Integer(), nullable=True, comment="Media time done so far."),
        sa.Column("total_ms", sa.Integer(), nullable=True, comment="Media time to do."),
        sa.Column(
            "result",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="A few facts of the outcome, e.g. counts.",
        ),
        sa.Column(
            "error",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="Newest error: code, message, hint, retryable, detail.",
        ),
        sa.Column("error_code", sa.String(), nullable=True, comment="error.code, to filter by."),
        sa.Column(
            "due",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Virtual time of its turn: priority, age and fairness in one.",
        ),
        sa.Column(
            "cost",
            sa.Double(),
            server_default="30",
            nullable=False,
            comment="Expected seconds, 1 to 60: its share of the lane.",
        ),
        sa.Column("created_by_id", sa.Uuid(), nullable=True, comment="Who asked for it; null = the system."),
        sa.Column(
            "project_id", sa.Uuid(), nullable=True, comment="Who may see it, and whose share of the lane it uses."
        ),
        sa.Column("video_id", sa.Uuid(), nullable=True, comment="The video it works on."),
        sa.Column("batch_id", sa.Uuid(), nullable=True, comment="Jobs created together."),
        sa.Column("system_key", sa.String(), nullable=True, comment="Made once for ever, e.g. one cron slot."),
        sa.Column("dedupe_key", sa.String(), nullable=True, comment="At most one unfinished job has it."),
        sa.Column(
            "dependencies_left",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Unsettled dependencies, in every state.",
        ),
        sa.Column(
            "cancelled_by_id", sa.Uuid(), nullable=True, comment="The dependency to retry when one was to blame."
        ),
        sa.Column("root_id", sa.Uuid(), nullable=True, comment="First job of the pipeline."),
        sa.Column("parent_id", sa.Uuid(), nullable=True, comment="Job that created it."),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(status = 'RUNNING') = (worker_id is not null)", name=op.f("ck_jobs_running_has_worker")),
        sa.CheckConstraint(
            "(status in ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (finished_at is not null)",
            name=op.f("ck_jobs_final_has_end"),
        ),
        sa.CheckConstraint(
            "cancel_reason is distinct from 'DEPENDENCY' or status = 'CANCELLED'",
            name=op.f("ck_jobs_dependency_cancelled"),
        ),
        sa.CheckConstraint("status <> 'BLOCKED' or dependencies_left > 0", name=op.f("ck_jobs_blocked_waits")),
        sa.CheckConstraint("status <> 'QUEUED' or due is not null", name=op.f("ck_jobs_queued_has_due")),
        sa.CheckConstraint("priority between 0 and 10", name=op.f("ck_jobs_priority_range")),
        sa.CheckConstraint("progress >= 0 and progress <= 1", name=op.f("ck_jobs_progress_range")),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_jobs_created_by_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["lane"], ["lanes.name"], name=op.f("fk_jobs_lane_lanes")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_jobs_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], name=op.f("fk_jobs_video_id_videos"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        comment="Background work: truth and dispatcher in one.",
        postgresql_with={"fillfactor": 80, "autovacuum_vacuum_scale_factor": 0.02},
    )
    op.create_index(
        "ix_jobs_batch_id", "jobs", ["batch_id"], unique=False, postgresql_where=sa.text("batch_id is not null")
    )
    op.create_index(
        "ix_jobs_claim", "jobs", ["lane", "due", "id"], unique=False, postgresql_where=sa.text("status = 'QUEUED'")
    )
    op.create_index(
        "ix_jobs_place",
        "jobs",
        ["project_id", "lane", "priority", "due"],
        unique=False,
        postgresql_where=sa.text("status = 'QUEUED'"),
    )
    op.create_index("ix_jobs_project_id_created_at_id", "jobs", ["project_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_jobs_run_at", "jobs", ["run_at"], unique=False, postgresql_where=sa.text("status = 'SCHEDULED'")
    )
    op.create_index("ix_jobs_video_id", "jobs", ["video_id"], unique=False)
    op.create_index(
        "ix_jobs_worker_id", "jobs", ["worker_id"], unique=False, postgresql_where=sa.text("status = 'RUNNING'")
    )
    op.create_index(
        "uq_jobs_dedupe_key",
        "jobs",
        ["dedupe_key"],
        unique=True,
        postgresql_where=sa.text("status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING')"),
    )
    op.create_index("uq_jobs_system_key", "jobs", ["system_key"], unique=True)
    op.create_table(
        "renditions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("video_id", sa.Uuid(), nullable=False, comment="Made from this."),
        sa.Column(
            "kind",
            sa.Enum("ASR_AUDIO", "POSTER", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
            comment="ASR_AUDIO or POSTER.",
        ),
        sa.Column("storage_key", sa.String(), nullable=False, comment="Where it lies in storage."),
        sa.Column("content_type", sa.String(), nullable=False, comment="MIME type."),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Size."),
        sa.Column(
            "start_ms",
            sa.Integer(),
            nullable=True,
            comment="Audio: where its first sample lies. Poster: the frame's time.",
        ),
        sa.Column("duration_ms", sa.Integer(), nullable=True, comment="Length, for audio."),
        sa.Column("width", sa.Integer(), nullable=True, comment="Pixels, for pictures."),
        sa.Column("height", sa.Integer(), nullable=True, comment="Pixels, for pictures."),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name=op.f("fk_renditions_video_id_videos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_renditions")),
        sa.UniqueConstraint("video_id", "kind", name=op.f("uq_renditions_video_id_kind")),
        comment="Derived files; a second run replaces the row.",
    )
    op.create_table(
        "retrievable_texts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Who may find it."),
        sa.Column("video_id", sa.Uuid(), nullable=False, comment="Where it was said."),
        sa.Column(
            "kind",
            sa.Enum("TRANSCRIPT", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
            comment="TRANSCRIPT.",
        ),
        sa.Column(
            "source_id", sa.Uuid(), nullable=False, comment="The passage it was taken from; equal to id for TRANSCRIPT."
        ),
        sa.Column("start_ms", sa.Integer(), nullable=False, comment="Start on the media's time line."),
        sa.Column("end_ms", sa.Integer(), nullable=False, comment="End, exclusive."),
        sa.Column("language", sa.String(), nullable=True, comment="Chooses the text search configuration."),
        sa.Column("text", sa.String(), nullable=False, comment="The text."),
        sa.Column(
            "tsv",
            postgresql.TSVECTOR(),
            sa.Computed("to_tsvector(fts_config(language), fold(text))", persisted=True),
            nullable=False,
            comment="Lexemes for lexical search, folded to plain letters.",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("start_ms < end_ms", name=op.f("ck_retrievable_texts_time_order")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_retrievable_texts_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name=op.f("fk_retrievable_texts_video_id_videos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrievable_texts")),
        comment="Texts of all kinds, apart from their vectors: a scan of the text stays narrow.",
    )
    op.create_index("ix_retrievable_texts_project_id_kind", "retrievable_texts", ["project_id", "kind"], unique=False)
    op.create_index("ix_retrievable_texts_tsv", "retrievable_texts", ["tsv"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_retrievable_texts_video_id_start_ms", "retrievable_texts", ["video_id", "start_ms"], unique=False
    )
    op.create_table(
        "job_dependencies",
        sa.Column("dependency_id", sa.Uuid(), nullable=False, comment="What must be over first."),
        sa.Column("job_id", sa.Uuid(), nullable=False, comment="What waits."),
        sa.Column(
            "is_required",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="True: must succeed. False: must only be over.",
        ),
        sa.ForeignKeyConstraint(
            ["dependency_id"], ["jobs.id"], name=op.f("fk_job_dependencies_dependency_id_jobs"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_dependencies_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dependency_id", "job_id", name=op.f("pk_job_dependencies")),
        comment="Edges of a pipeline: the whole of it is readable here.",
    )
    op.create_index("ix_job_dependencies_job_id", "job_dependencies", ["job_id"], unique=False)
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.Uuid(), nullable=False, comment="The job."),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False, comment="1, 2, 3 ... without gaps."),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="Time by the database's clock.",
        ),
        sa.Column(
            "type",
            sa.Enum(
                "CREATED",
                "SCHEDULED",
                "QUEUED",
                "STARTED",
                "SUCCEEDED",
                "FAILED",
                "ERROR",
                "SNOOZED",
                "RELEASED",
                "LOST",
                "CANCEL_REQUESTED",
                "CANCELLED",
                "BLOCKED",
                "RETRIED",
                name="type",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
            comment="What happened.",
        ),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="Attempt it belongs to; 0 before the first."),
        sa.Column(
            "data",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="status, worker, error, reason.",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "seq", name=op.f("pk_job_events")),
        comment="The log that subscriptions replay; attempts are read from it.",
    )
    op.create_table(
        "moments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Who may see it."),
        sa.Column("video_id", sa.Uuid(), nullable=False, comment="The video."),
        sa.Column("job_id", sa.Uuid(), nullable=True, comment="Job that found it."),
        sa.Column("start_ms", sa.Integer(), nullable=False, comment="Start: of a word that begins a sentence."),
        sa.Column("end_ms", sa.Integer(), nullable=False, comment="End, exclusive: of a word that ends a sentence."),
        sa.Column("title", sa.String(), nullable=False, comment="A few of its own words."),
        sa.Column("reason", sa.String(), nullable=False, comment="Which signals speak for it, for people."),
        sa.Column("score", sa.Double(), nullable=False, comment="0 to 1, comparable within one video."),
        sa.Column(
            "signals", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="Each signal's share, 0 to 1."
        ),
        sa.Column("priority", sa.Integer(), nullable=False, comment="1 = best, dense within the video."),
        sa.Column(
            "method", sa.String(), nullable=False, comment="Scoring and its version, or the model that chose it."
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("score >= 0 and score <= 1", name=op.f("ck_moments_score_range")),
        sa.CheckConstraint("start_ms < end_ms", name=op.f("ck_moments_time_order")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_moments_job_id_jobs"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_moments_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name=op.f("fk_moments_video_id_videos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moments")),
        comment="Editorial spans; a second run replaces the generated ones of the video.",
    )
    op.create_index("ix_moments_project_id", "moments", ["project_id"], unique=False)
    op.create_index("ix_moments_video_id_priority", "moments", ["video_id", "priority", "id"], unique=False)
    op.create_table(
        "retrievable_text_embeddings",
        sa.Column("space_id", sa.SmallInteger(), nullable=False, comment="Partition key."),
        sa.Column("text_id", sa.Uuid(), nullable=False, comment="Whose vector it is."),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="As on the text."),
        sa.Column("video_id", sa.Uuid(), nullable=False, comment="As on the text."),
        sa.Column(
            "kind",
            sa.Enum("TRANSCRIPT", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
            comment="As on the text.",
        ),
        sa.Column(
            "embedding",
            HalfVector(1536),
            nullable=False,
            comment="Unit vector in half precision: half the bytes, the same ten best.",
        ),
        sa.ForeignKeyConstraint(
            ["space_id"], ["embedding_spaces.id"], name=op.f("fk_retrievable_text_embeddings_space_id_embedding_spaces")
        ),
        sa.ForeignKeyConstraint(
            ["text_id"],
            ["retrievable_texts.id"],
            name=op.f("fk_retrievable_text_embeddings_text_id_retrievable_texts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("space_id", "text_id", name=op.f("pk_retrievable_text_embeddings")),
        comment="Unit vectors, list-partitioned by space; each partition has its own IVFFLAT index.",
        postgresql_partition_by="LIST (space_id)",
    )
    op.create_index(
        "ix_retrievable_text_embeddings_scope",
        "retrievable_text_embeddings",
        ["project_id", "kind"],
        unique=False,
        postgresql_include=["space_id", "video_id"],
    )
    op.create_index(
        "ix_retrievable_text_embeddings_video_id", "retrievable_text_embeddings", ["video_id"], unique=False
    )
    op.create_table(
        "transcripts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("video_id", sa.Uuid(), nullable=False, comment="What was said in it."),
        sa.Column(
            "job_id", sa.Uuid(), nullable=True, comment="Job that writes or wrote it; a new attempt goes on with it."
        ),
        sa.Column("revision", sa.Integer(), nullable=False, comment="1, 2, 3 ... per video."),
        sa.Column(
            "status",
            sa.Enum(
                "DRAFT", "ACTIVE", "SUPERSEDED", name="status", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
            comment="State.",
        ),
        sa.Column("language", sa.String(), nullable=True, comment="ISO 639-1 code; null when there was no speech."),
        sa.Column("language_probability", sa.Double(), nullable=True, comment="Of the detection; null when given."),
        sa.Column(
            "empty_reason",
            sa.Enum("NO_AUDIO", "NO_SPEECH", name="empty_reason", native_enum=False, create_constraint=True, length=32),
            nullable=True,
            comment="Why there are no segments; null when there are some.",
        ),
        sa.Column("engine", sa.String(), nullable=False, comment="Recogniser, e.g. faster-whisper."),
        sa.Column("model", sa.String(), nullable=False, comment="Model name."),
        sa.Column(
            "model_key",
            sa.String(),
            nullable=False,
            comment="Model, parameters and versions: a draft of another key is not continued.",
        ),
        sa.Column(
            "is_demo_model",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="True: made by the bundled toy model, which knows its own small domain only.",
        ),
        sa.Column(
            "windows",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
            comment="Plan as [start_ms, end_ms, is_cut_in_speech] in the audio file.",
        ),
        sa.Column(
            "windows_done",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Windows whose segments are stored.",
        ),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True, comment="When it became ACTIVE."),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_transcripts_job_id_jobs"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name=op.f("fk_transcripts_video_id_videos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcripts")),
        sa.UniqueConstraint("video_id", "revision", name=op.f("uq_transcripts_video_id_revision")),
        comment="Revisions; search and exports read the ACTIVE one.",
    )
    op.create_index(
        "uq_transcripts_active", "transcripts", ["video_id"], unique=True, postgresql_where=sa.text("status = 'ACTIVE'")
    )
    op.create_index(
        "uq_transcripts_draft", "transcripts", ["job_id"], unique=True, postgresql_where=sa.text("status = 'DRAFT'")
    )
    op.create_table(
        "clips",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Who may see it."),
        sa.Column("video_id", sa.Uuid(), nullable=False, comment="Cut from this."),
        sa.Column("moment_id", sa.Uuid(), nullable=True, comment="The moment it shows, if one was named."),
        sa.Column("job_id", sa.Uuid(), nullable=True, comment="Job that cuts it."),
        sa.Column("created_by_id", sa.Uuid(), nullable=True, comment="Who asked for it."),
        sa.Column("title", sa.String(), nullable=False, comment="Shown name."),
        sa.Column("requested_start_ms", sa.Integer(), nullable=False, comment="In point asked for."),
        sa.Column("requested_end_ms", sa.Integer(), nullable=False, comment="Out point asked for, exclusive."),
        sa.Column(
            "actual_start_ms", sa.Integer(), nullable=True, comment="In point of the frames that the file holds."
        ),
        sa.Column("actual_end_ms", sa.Integer(), nullable=True, comment="Out point of the frames that the file holds."),
        sa.Column("storage_key", sa.String(), nullable=True, comment="Where the file lies; null until rendered."),
        sa.Column("content_type", sa.String(), nullable=True, comment="MIME type."),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True, comment="Size."),
        sa.Column("duration_ms", sa.Integer(), nullable=True, comment="Length of the file."),
        sa.Column("width", sa.Integer(), nullable=True, comment="Pixels; null for sound alone."),
        sa.Column("height", sa.Integer(), nullable=True, comment="Pixels; null for sound alone."),
        sa.Column(
            "rendered_at", sa.DateTime(timezone=True), nullable=True, comment="When the probed file was offered."
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("requested_start_ms < requested_end_ms", name=op.f("ck_clips_time_order")),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_clips_created_by_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_clips_job_id_jobs"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["moment_id"], ["moments.id"], name=op.f("fk_clips_moment_id_moments"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_clips_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], name=op.f("fk_clips_video_id_videos"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clips")),
        comment="Cut files; offered only after the result was probed.",
    )
    op.create_index("ix_clips_project_id_created_at_id", "clips", ["project_id", "created_at", "id"], unique=False)
    op.create_index("ix_clips_video_id_created_at_id", "clips", ["video_id", "created_at", "id"], unique=False)
    op.create_table(
        "transcript_chunks",
        sa.Column("transcript_id", sa.Uuid(), nullable=False, comment="Revision it was cut from."),
        sa.Column("id", sa.Uuid(), nullable=False, comment="UUIDv5 of video, text and its count of that text."),
        sa.Column("position", sa.Integer(), nullable=False, comment="0, 1, 2 ... in time order."),
        sa.Column("start_ms", sa.Integer(), nullable=False, comment="Start of its first word."),
        sa.Column("end_ms", sa.Integer(), nullable=False, comment="End of its last word, exclusive."),
        sa.Column("text", sa.String(), nullable=False, comment="The passage."),
        sa.CheckConstraint("start_ms < end_ms", name=op.f("ck_transcript_chunks_time_order")),
        sa.ForeignKeyConstraint(
            ["transcript_id"],
            ["transcripts.id"],
            name=op.f("fk_transcript_chunks_transcript_id_transcripts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("transcript_id", "id", name=op.f("pk_transcript_chunks")),
        sa.UniqueConstraint("transcript_id", "position", name=op.f("uq_transcript_chunks_transcript_id_position")),
        comment="Passages of 15 to 60 words, cut at sentences and pauses.",
    )
    op.create_table(
        "transcript_segments",
        sa.Column("transcript_id", sa.Uuid(), nullable=False, comment="Revision it belongs to."),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False, comment="0, 1, 2 ... in time order."),
        sa.Column("window", sa.Integer(), nullable=False, comment="Window of the plan that it came from."),
        sa.Column("start_ms", sa.Integer(), nullable=False, comment="Start on the media's time line."),
        sa.Column("end_ms", sa.Integer(), nullable=False, comment="End, exclusive."),
        sa.Column("text", sa.String(), nullable=False, comment="What was said."),
        sa.Column("word_texts", postgresql.ARRAY(sa.Text()), nullable=False, comment="Words with their punctuation."),
        sa.Column("word_starts_ms", postgresql.ARRAY(sa.Integer()), nullable=False, comment="Start of each word."),
        sa.Column(
            "word_ends_ms", postgresql.ARRAY(sa.Integer()), nullable=False, comment="End of each word, exclusive."
        ),
        sa.Column(
            "word_probabilities",
            postgresql.ARRAY(sa.REAL()),
            nullable=False,
            comment="The model's probability of each word.",
        ),
        sa.Column("avg_logprob", sa.REAL(), nullable=False, comment="The model's own figure."),
        sa.Column("no_speech_prob", sa.REAL(), nullable=False, comment="The model's own figure."),
        sa.Column(
            "compression_ratio",
            sa.REAL(),
            nullable=False,
            comment="The model's own figure; above 2.4 it repeats itself.",
        ),
        sa.CheckConstraint(
            "cardinality(word_texts) = cardinality(word_starts_ms) and cardinality(word_texts) = cardinality(word_ends_ms) and cardinality(word_texts) = cardinality(word_probabilities)",
            name=op.f("ck_transcript_segments_words_equal_length"),
        ),
        sa.CheckConstraint("start_ms < end_ms", name=op.f("ck_transcript_segments_time_order")),
        sa.ForeignKeyConstraint(
            ["transcript_id"],
            ["transcripts.id"],
            name=op.f("fk_transcript_segments_transcript_id_transcripts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("transcript_id", "position", name=op.f("pk_transcript_segments")),
        comment="Utterances in order; words lie in parallel arrays.",
    )
    op.create_index(
        "ix_transcript_segments_transcript_id_start_ms",
        "transcript_segments",
        ["transcript_id", "start_ms"],
        unique=False,
    )
    run_file("0001_nearest.sql")
    run_file("0001_jobs.sql")


def downgrade() -> None:
    op.drop_index("ix_transcript_segments_transcript_id_start_ms", table_name="transcript_segments")
    op.drop_table("transcript_segments")
    op.drop_table("transcript_chunks")
    op.drop_index("ix_clips_video_id_created_at_id", table_name="clips")
    op.drop_index("ix_clips_project_id_created_at_id", table_name="clips")
    op.drop_table("clips")
    op.drop_index("uq_transcripts_draft", table_name="transcripts", postgresql_where=sa.text("status = 'DRAFT'"))
    op.drop_index("uq_transcripts_active", table_name="transcripts", postgresql_where=sa.text("status = 'ACTIVE'"))
    op.drop_table("transcripts")
    op.drop_index("ix_retrievable_text_embeddings_video_id", table_name="retrievable_text_embeddings")
    op.drop_index(
        "ix_retrievable_text_embeddings_scope",
        table_name="retrievable_text_embeddings",
        postgresql_include=["space_id", "video_id"],
    )
    op.drop_table("retrievable_text_embeddings")
    op.drop_index("ix_moments_video_id_priority", table_name="moments")
    op.drop_index("ix_moments_project_id", table_name="moments")
    op.drop_table("moments")
    op.drop_table("job_events")
    op.drop_index("ix_job_dependencies_job_id", table_name="job_dependencies")
    op.drop_table("job_dependencies")
    op.drop_index("ix_retrievable_texts_video_id_start_ms", table_name="retrievable_texts")
    op.drop_index("ix_retrievable_texts_tsv", table_name="retrievable_texts", postgresql_using="gin")
    op.drop_index("ix_retrievable_texts_project_id_kind", table_name="retrievable_texts")
    op.drop_table("retrievable_texts")
    op.drop_table("renditions")
    op.drop_index("uq_jobs_system_key", table_name="jobs")
    op.drop_index(
        "uq_jobs_dedupe_key",
        table_name="jobs",
        postgresql_where=sa.text("status in ('BLOCKED', 'SCHEDULED', 'QUEUED', 'RUNNING')"),
    )
    op.drop_index("ix_jobs_worker_id", table_name="jobs", postgresql_where=sa.text("status = 'RUNNING'"))
    op.drop_index("ix_jobs_video_id", table_name="jobs")
    op.drop_index("ix_jobs_run_at", table_name="jobs", postgresql_where=sa.text("status = 'SCHEDULED'"))
    op.drop_index("ix_jobs_project_id_created_at_id", table_name="jobs")
    op.drop_index("ix_jobs_place", table_name="jobs", postgresql_where=sa.text("status = 'QUEUED'"))
    op.drop_index("ix_jobs_claim", table_name="jobs", postgresql_where=sa.text("status = 'QUEUED'"))
    op.drop_index("ix_jobs_batch_id", table_name="jobs", postgresql_where=sa.text("batch_id is not null"))
    op.drop_table("jobs")
    op.drop_index("ix_videos_project_id_created_at_id", table_name="videos")
    op.drop_index("ix_videos_project_id_content_hash", table_name="videos")
    op.drop_index("ix_videos_deleted_at", table_name="videos", postgresql_where=sa.text("deleted_at is not null"))
    op.drop_index("ix_videos_created_at_id", table_name="videos")
    op.drop_table("videos")
    op.drop_index("ix_uploads_project_id", table_name="uploads")
    op.drop_index(
        "ix_uploads_expires_at", table_name="uploads", postgresql_where=sa.text("status in ('WAITING', 'RECEIVING')")
    )
    op.drop_table("uploads")
    op.drop_index("ix_project_members_user_id_project_id", table_name="project_members")
    op.drop_table("project_members")
    op.drop_index("ix_api_keys_user_id_created_at_id", table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_index("ix_workers_lease", table_name="workers", postgresql_where=sa.text("state in ('LIVE', 'DRAINING')"))
    op.drop_table("workers")
    op.drop_index("uq_users_email_lower", table_name="users")
    op.drop_index("ix_users_created_at_id", table_name="users")
    op.drop_table("users")
    op.drop_table("schedules")
    op.drop_index("ix_projects_created_at_id", table_name="projects")
    op.drop_table("projects")
    op.drop_table("lanes")
    op.drop_table("embedding_spaces")
    op.execute("drop function nearest, create_embedding_partition, fts_config, fold cascade")
    run_file("0001_jobs_down.sql")
