"""What a video is: storyboard, waveform, maps, proxies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from cuepoint.db.choices import add_values, remove_values

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KINDS = ["STORYBOARD", "WAVEFORM", "PROXY", "POSTER", "AUDIO_EXPORT"]
RENDITIONS = ["POSTER_MEDIUM", "POSTER_SMALL", "STORYBOARD", "WAVEFORM", "PROXY"]
FORMATS = ("WAV", "MP3", "FLAC", "OPUS", "M4A")
QUALITIES = ("LOW", "STANDARD", "HIGH")


def chosen(name: str, values: tuple[str, ...]) -> sa.Enum:
    """A text column with a check, as `db.base.choice` makes it."""
    return sa.Enum(*values, name=name, native_enum=False, length=32, create_constraint=True)


def upgrade() -> None:
    """New kinds of jobs and files, a column for the poster that a person chose, and three tables."""
    for table in ("jobs", "schedules"):
        add_values(table, "kind", KINDS)
    add_values("renditions", "kind", RENDITIONS)
    op.alter_column("renditions", "kind", comment="What it is for.", existing_comment="ASR_AUDIO or POSTER.")
    comment = "The moment that a person chose for the poster; null = the best of eight."
    op.add_column("videos", sa.Column("poster_at_ms", sa.Integer(), nullable=True, comment=comment))
    create_storyboards()
    create_sound_maps()
    create_audio_files()
    create_page_sessions()


def create_storyboards() -> None:
    """Grids of storyboards."""
    numbers = postgresql.ARRAY(sa.Integer())
    places = postgresql.ARRAY(sa.BigInteger())
    op.create_table(
        "storyboards",
        sa.Column("video_id", sa.Uuid(), nullable=False, comment="Whose."),
        sa.Column("rendition_id", sa.Uuid(), nullable=False, comment="The file of JPEGs, one behind the other."),
        sa.Column("tile_width", sa.Integer(), nullable=False, comment="Pixels of one tile."),
        sa.Column("tile_height", sa.Integer(), nullable=False, comment="Pixels of one tile."),
        sa.Column("columns", sa.Integer(), nullable=False, comment="Tiles side by side in a sheet."),
        sa.Column("rows", sa.Integer(), nullable=False, comment="Rows of a sheet; the last sheet may have fewer."),
        sa.Column("interval_ms", sa.Integer(), nullable=False, comment="Tile n shows the picture at n times so long."),
        sa.Column("sheet_ends", places, nullable=False, comment="Where each sheet ends in the file."),
        sa.Column("tile_ends", places, nullable=False, comment="Where each tile ends in the file."),
        sa.Column("hashes", sa.LargeBinary(), nullable=False, comment="Gradient hashes of the tiles, 8 bytes each."),
        sa.Column("bands", numbers, nullable=False, comment="Quarters of the hashes, each once, for the index."),
        sa.Column(
            "step_ms",
            sa.Integer(),
            nullable=False,
            comment="Longest gap between two pictures looked at: ranges are no better.",
        ),
        sa.Column("black_ranges", numbers, nullable=False, comment="[start, end, ...] in ms: a black screen."),
        sa.Column("freeze_ranges", numbers, nullable=False, comment="[start, end, ...] in ms: a standstill."),
        *keys("storyboards"),
        comment="Of each video that has pictures: its storyboard's grid and what they show.",
    )
    op.create_index("ix_storyboards_bands", "storyboards", ["bands"], postgresql_using="gin")


def create_sound_maps() -> None:
    """Layouts of waveforms."""
    numbers = postgresql.ARRAY(sa.Integer())
    op.create_table(
        "sound_maps",
        sa.Column("video_id", sa.Uuid(), nullable=False, comment="Whose."),
        sa.Column("rendition_id", sa.Uuid(), nullable=False, comment="The waveform's file."),
        sa.Column(
            "samples",
            sa.BigInteger(),
            nullable=False,
            comment="Samples at 16 kHz: they say how the file is laid out.",
        ),
        sa.Column(
            "start_ms",
            sa.Integer(),
            nullable=False,
            comment="Where the first sample lies on the media's time line.",
        ),
        sa.Column("silences", numbers, nullable=False, comment="[start, end, ...] in ms of the media."),
        sa.Column("sounds", numbers, nullable=False, comment="[start, end, ...] in ms: what is not silence."),
        *keys("sound_maps"),
        comment="Of each video that has sound: its waveform, and where it is quiet.",
    )


def keys(table: str) -> tuple[sa.Constraint, ...]:
    """One row of each video, and one file of each row."""
    return (
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name=op.f(f"fk_{table}_video_id_videos"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["rendition_id"], ["renditions.id"], name=op.f(f"fk_{table}_rendition_id_renditions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("video_id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("rendition_id", name=op.f(f"uq_{table}_rendition_id")),
    )


def create_audio_files() -> None:
    """Audio files made on demand."""
    op.create_table(
        "audio_files",
        sa.Column(
            "id",
            sa.Uuid(),
            nullable=False,
            comment="Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.",
        ),
        sa.Column("project_id", sa.Uuid(), nullable=False, comment="Who may see it."),
        sa.Column("video_id", sa.Uuid(), nullable=False, comment="Taken from this."),
        sa.Column("job_id", sa.Uuid(), nullable=True, comment="Job that writes it."),
        sa.Column("created_by_id", sa.Uuid(), nullable=True, comment="Who asked for it."),
        sa.Column("format", chosen("format", FORMATS), nullable=False, comment="WAV, MP3, FLAC, OPUS or M4A."),
        sa.Column(
            "quality",
            chosen("quality", QUALITIES),
            nullable=False,
            comment="Bits a second of the formats that lose some.",
        ),
        sa.Column("track_index", sa.Integer(), nullable=False, comment="The track of the original."),
        sa.Column("wanted_sample_rate", sa.Integer(), nullable=True, comment="As asked for; null = the track's."),
        sa.Column("wanted_channels", sa.Integer(), nullable=True, comment="As asked for; null = the track's."),
        sa.Column("is_normalized", sa.Boolean(), nullable=False, comment="Whether it is brought to -16 LUFS."),
        sa.Column("storage_key", sa.String(), nullable=True, comment="Where the file lies; null until written."),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True, comment="Size."),
        sa.Column(
            "duration_ms", sa.Integer(), nullable=True, comment="Length of the file; it begins at 0 of the media."
        ),
        sa.Column("sample_rate", sa.Integer(), nullable=True, comment="Samples a second of the file."),
        sa.Column("channels", sa.Integer(), nullable=True, comment="Channels of the file."),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True, comment="When the probed file was offered."),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="By the database's clock.",
        ),
        *references("project", "video", deletes="CASCADE"),
        *references("job", "created_by", deletes="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audio_files")),
        comment="Audio files made on demand; offered only after the result was probed.",
    )
    op.create_index("ix_audio_files_video_id_created_at_id", "audio_files", ["video_id", "created_at", "id"])


def create_page_sessions() -> None:
    """Browsers signed in to the player page."""
    op.create_table(
        "page_sessions",
        sa.Column(
            "id",
            sa.Uuid(),
            nullable=False,
            comment="Made before the insert: UUIDv7, or UUIDv5 where it follows from the content.",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who is signed in."),
        sa.Column("api_key_id", sa.Uuid(), nullable=True, comment="The key that asked for the code."),
        sa.Column("session_id", sa.Uuid(), nullable=True, comment="The session that asked for the code."),
        sa.Column("code_hash", sa.String(), nullable=True, comment="SHA-256 of the code; null once it was used."),
        sa.Column("token_hash", sa.String(), nullable=True, comment="SHA-256 of the token; null before that."),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the code, or then the session, is refused.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="By the database's clock.",
        ),
        sa.CheckConstraint("(api_key_id is null) <> (session_id is null)", name=op.f("ck_page_sessions_one_origin")),
        *(
            sa.ForeignKeyConstraint(
                [f"{noun}_id"],
                [f"{noun}s.id"],
                name=op.f(f"fk_page_sessions_{noun}_id_{noun}s"),
                ondelete="CASCADE",
            )
            for noun in ("user", "api_key", "session")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_page_sessions")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_page_sessions_code_hash")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_page_sessions_token_hash")),
        comment="Views of a credential for one browser; code and token are never stored.",
    )
    op.create_index("ix_page_sessions_user_id", "page_sessions", ["user_id"])
    for column in ("api_key_id", "session_id"):
        where = sa.text(f"{column} is not null")
        op.create_index(f"ix_page_sessions_{column}", "page_sessions", [column], postgresql_where=where)


def references(*nouns: str, deletes: str) -> list[sa.Constraint]:
    """Foreign keys of `audio_files`."""
    tables = {"project": "projects", "video": "videos", "job": "jobs", "created_by": "users"}
    return [
        sa.ForeignKeyConstraint(
            [f"{noun}_id"],
            [f"{tables[noun]}.id"],
            name=op.f(f"fk_audio_files_{noun}_id_{tables[noun]}"),
            ondelete=deletes,
        )
        for noun in nouns
    ]


def downgrade() -> None:
    """The tables are gone, and with them jobs and files of the new kinds."""
    for table in ("page_sessions", "audio_files", "sound_maps", "storyboards"):
        op.drop_table(table)
    op.drop_column("videos", "poster_at_ms")
    op.alter_column("renditions", "kind", comment="ASR_AUDIO or POSTER.", existing_comment="What it is for.")
    remove_values("renditions", "kind", RENDITIONS)
    for table in ("jobs", "schedules"):
        remove_values(table, "kind", KINDS)
