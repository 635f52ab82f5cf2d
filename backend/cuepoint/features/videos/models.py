"""Tables of videos and of the files derived from them."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.adapters.media.base_looks import AudioFormat, AudioQuality
from cuepoint.db.base import Base, Keyed, choice


class RenditionKind(Enum):
    """What a derived file is for."""

    ASR_AUDIO = "ASR_AUDIO"
    POSTER = "POSTER"
    POSTER_MEDIUM = "POSTER_MEDIUM"
    POSTER_SMALL = "POSTER_SMALL"
    STORYBOARD = "STORYBOARD"
    WAVEFORM = "WAVEFORM"
    PROXY = "PROXY"


class Video(Keyed, Base):
    """An asset: one original file and what its container says."""

    __tablename__ = "videos"
    __table_args__ = (
        CheckConstraint(
            "duration_ms is null or duration_ms >= 0",
            name="duration_positive",
            info={"reason": "A length is not negative; unknown is null, not 0."},
        ),
        Index(
            "ix_videos_project_id_created_at_id",
            "project_id",
            "created_at",
            "id",
            info={"reason": "Pages of one project's videos, by keyset."},
        ),
        Index(
            "ix_videos_created_at_id",
            "created_at",
            "id",
            info={"reason": "Pages of all videos that somebody may see, newest first, by keyset."},
        ),
        Index(
            "ix_videos_sort_title_id",
            "sort_title",
            "id",
            info={"reason": "Pages of the list of videos by title, by keyset."},
        ),
        Index(
            "ix_videos_sort_duration_ms_id",
            "sort_duration_ms",
            "id",
            info={"reason": "Pages of the list of videos by length, by keyset."},
        ),
        Index(
            "ix_videos_sort_size_bytes_id",
            "sort_size_bytes",
            "id",
            info={"reason": "Pages of the list of videos by size, by keyset."},
        ),
        Index(
            "ix_videos_project_id_content_hash",
            "project_id",
            "content_hash",
            info={"reason": "Finds a file that the project has already. Not unique: it may come twice on purpose."},
        ),
        Index(
            "ix_videos_project_id_sha256",
            "project_id",
            "sha256",
            postgresql_where=text("sha256 is not null"),
            info={"reason": "Finds a file by its declared SHA-256 before it is sent; partial, as few may declare it."},
        ),
        Index(
            "uq_videos_project_id_external_id",
            "project_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id is not null and deleted_at is null"),
            info={"reason": "Another system's id names one video of a project; a deleted one frees it."},
        ),
        Index("ix_videos_tags", "tags", postgresql_using="gin", info={"reason": "Videos that bear certain tags."}),
        Index(
            "ix_videos_metadata",
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
            info={"reason": "Videos whose metadata hold certain keys with certain values (`@>`)."},
        ),
        Index(
            "ix_videos_deleted_at",
            "deleted_at",
            postgresql_where=text("deleted_at is not null"),
            info={"reason": "Search leaves out the few videos whose deletion is not done yet."},
        ),
        Index(
            "ix_videos_purge_at",
            "purge_at",
            postgresql_where=text("purge_at is not null"),
            info={"reason": "Deleted videos whose time to be restored is over."},
        ),
        {"comment": "Assets. Media facts are null until probed, and stay null where the file does not say."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Who may see it.")
    created_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Who registered it."
    )
    sort_title: Mapped[str] = mapped_column(
        Computed("lower(left(title, 50))", persisted=True),
        comment="What lists by title are sorted by; cut, so that it fits into a cursor.",
    )
    sort_duration_ms: Mapped[int] = mapped_column(
        Computed("coalesce(duration_ms, 0)", persisted=True),
        comment="What lists by length are sorted by: 0 while it is unknown.",
    )
    sort_size_bytes: Mapped[int] = mapped_column(
        BigInteger,
        Computed("coalesce(size_bytes, 0)", persisted=True),
        comment="What lists by size are sorted by: 0 while it is unknown.",
    )
    upload_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("uploads.id", ondelete="SET NULL"), unique=True, comment="An upload becomes a video only once."
    )
    title: Mapped[str] = mapped_column(comment="Shown name; the file name unless the client says otherwise.")
    filename: Mapped[str] = mapped_column(comment="Name of the original as given; never used as a path.")
    storage_key: Mapped[str] = mapped_column(comment="Where the original lies in storage.")
    size_bytes: Mapped[int | None] = mapped_column(BigInteger, comment="Size of the original; null until it is here.")
    content_hash: Mapped[str | None] = mapped_column(
        comment="BLAKE3 of the original, of earlier releases its SHA-256: finds the same file again. Null until it is "
        "here."
    )
    sha256: Mapped[str | None] = mapped_column(
        comment="SHA-256 of the original, where its sender declared it or a worker has read the bytes; null = unknown."
    )
    content_type: Mapped[str | None] = mapped_column(comment="By content, never by name.")
    duration_ms: Mapped[int | None] = mapped_column(comment="Length of the media.")
    container: Mapped[str | None] = mapped_column(comment="Container format as the demuxer names it.")
    width: Mapped[int | None] = mapped_column(comment="Pixels as displayed, after rotation.")
    height: Mapped[int | None] = mapped_column(comment="Pixels as displayed, after rotation.")
    media: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="The whole probe: tracks, rates, warnings.")
    probed_at: Mapped[datetime | None] = mapped_column(comment="When the probe succeeded.")
    audio_track: Mapped[int | None] = mapped_column(
        comment="Index of the audio track that is its sound: a person named it, or speech was found in it. Null = the "
        "one that the file flags, else the first."
    )
    poster_at_ms: Mapped[int | None] = mapped_column(
        comment="The moment that a person chose for the poster; null = the best of eight."
    )
    poster_upload_id: Mapped[UUID | None] = mapped_column(
        comment="The upload whose picture a person chose for the poster; it may be gone. Null = none."
    )
    tags: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default="{}", comment="Labels of people, each once, in order of the alphabet."
    )
    external_id: Mapped[str | None] = mapped_column(comment="What another system calls it; unique in its project.")
    custom_metadata: Mapped[dict[str, Any]] = mapped_column(
        "metadata", JSONB, server_default="{}", comment="Facts of people or of another system; 16 KB at most."
    )
    version: Mapped[int] = mapped_column(
        server_default="1", comment="Grows with each change that people make: who changes it names the one they saw."
    )
    files_removed_at: Mapped[datetime | None] = mapped_column(
        comment="When its files were given up and all else was kept; null = they are there."
    )
    deleted_at: Mapped[datetime | None] = mapped_column(comment="Hidden at once; a job removes files, then the row.")
    purge_at: Mapped[datetime | None] = mapped_column(
        comment="When a deleted video's files go; until then it can be restored."
    )
    is_protected: Mapped[bool] = mapped_column(
        server_default="false", comment="Kept whatever the project's rules of retention say."
    )

    @property
    def chosen_poster(self) -> int | UUID | None:
        """What a person chose for the poster: a moment, or an upload; None = nothing."""
        return self.poster_at_ms if self.poster_upload_id is None else self.poster_upload_id


_SUFFIXES = {"image/jpeg": ".jpg", "audio/wav": ".wav", "video/mp4": ".mp4", "audio/mp4": ".m4a"}


class Rendition(Keyed, Base):
    """A file made from a video, one of each kind."""

    __tablename__ = "renditions"
    __table_args__ = (
        UniqueConstraint(
            "video_id", "kind", info={"reason": "One file of each kind; a second run replaces it by `on conflict`."}
        ),
        {"comment": "Derived files; a second run replaces the row."},
    )

    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), comment="Made from this.")
    kind: Mapped[RenditionKind] = mapped_column(choice(RenditionKind, "kind"), comment="What it is for.")
    storage_key: Mapped[str] = mapped_column(comment="Where it lies in storage.")
    content_type: Mapped[str] = mapped_column(comment="MIME type.")
    size_bytes: Mapped[int] = mapped_column(BigInteger, comment="Size.")
    start_ms: Mapped[int | None] = mapped_column(
        comment="Audio: where its first sample lies. Poster: the frame's time."
    )
    duration_ms: Mapped[int | None] = mapped_column(comment="Length, for audio.")
    width: Mapped[int | None] = mapped_column(comment="Pixels, for pictures.")
    height: Mapped[int | None] = mapped_column(comment="Pixels, for pictures.")

    @property
    def filename(self) -> str:
        """The name under which a browser saves it."""
        return self.kind.value.lower() + _SUFFIXES.get(self.content_type, "")


class Storyboard(Base):
    """What looking through a video's pictures brought: where the tiles lie, and where nothing is to be seen."""

    __tablename__ = "storyboards"
    __table_args__ = (
        Index(
            "ix_storyboards_bands",
            "bands",
            postgresql_using="gin",
            info={"reason": "Videos that share a quarter of a picture's hash: candidates of similar ones."},
        ),
        {"comment": "Of each video that has pictures: its storyboard's grid and what they show."},
    )

    video_id: Mapped[UUID] = mapped_column(
        ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, comment="Whose."
    )
    rendition_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("renditions.id", ondelete="SET NULL"),
        unique=True,
        comment="The file of JPEGs, one behind the other; null once it was given up: what they showed stays known.",
    )
    tile_width: Mapped[int] = mapped_column(comment="Pixels of one tile.")
    tile_height: Mapped[int] = mapped_column(comment="Pixels of one tile.")
    columns: Mapped[int] = mapped_column(comment="Tiles side by side in a sheet.")
    rows: Mapped[int] = mapped_column(comment="Rows of a sheet; the last sheet may have fewer.")
    interval_ms: Mapped[int] = mapped_column(comment="Tile n shows the picture at n times so long.")
    sheet_ends: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), comment="Where each sheet ends in the file.")
    tile_ends: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), comment="Where each tile ends in the file.")
    small_ends: Mapped[list[int]] = mapped_column(
        ARRAY(BigInteger),
        server_default="{}",
        comment="Where each tile of half the width ends in the file; empty in one of an earlier release.",
    )
    hashes: Mapped[bytes] = mapped_column(LargeBinary, comment="Gradient hashes of the tiles, 8 bytes each.")
    bands: Mapped[list[int]] = mapped_column(
        ARRAY(Integer), comment="Quarters of the hashes, each once, for the index."
    )
    step_ms: Mapped[int] = mapped_column(comment="Longest gap between two pictures looked at: ranges are no better.")
    black_ranges: Mapped[list[int]] = mapped_column(ARRAY(Integer), comment="[start, end, ...] in ms: a black screen.")
    freeze_ranges: Mapped[list[int]] = mapped_column(ARRAY(Integer), comment="[start, end, ...] in ms: a standstill.")


class SoundMap(Base):
    """What drawing a video's sound brought: how to read the waveform's file, and where nothing is to be heard."""

    __tablename__ = "sound_maps"
    __table_args__ = ({"comment": "Of each video that has sound: its waveform, and where it is quiet."},)

    video_id: Mapped[UUID] = mapped_column(
        ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, comment="Whose."
    )
    rendition_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("renditions.id", ondelete="SET NULL"),
        unique=True,
        comment="The waveform's file; null once it was given up: the silences stay known.",
    )
    samples: Mapped[int] = mapped_column(BigInteger, comment="Samples at 16 kHz: they say how the file is laid out.")
    start_ms: Mapped[int] = mapped_column(comment="Where the first sample lies on the media's time line.")
    silences: Mapped[list[int]] = mapped_column(ARRAY(Integer), comment="[start, end, ...] in ms of the media.")
    sounds: Mapped[list[int]] = mapped_column(ARRAY(Integer), comment="[start, end, ...] in ms: what is not silence.")
    tracks: Mapped[list[dict[str, int]]] = mapped_column(
        JSONB,
        server_default="[]",
        comment="Of each further audio track in the file: `index`, `first_byte`, `samples`, `start_ms`.",
    )


class AudioFile(Keyed, Base):
    """A sound track written as a file to take away."""

    __tablename__ = "audio_files"
    __table_args__ = (
        Index(
            "ix_audio_files_video_id_created_at_id",
            "video_id",
            "created_at",
            "id",
            info={"reason": "Pages of one video's audio files, by keyset."},
        ),
        {"comment": "Audio files made on demand; offered only after the result was probed."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Who may see it.")
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), comment="Taken from this.")
    job_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), comment="Job that writes it."
    )
    created_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), comment="Who asked for it."
    )
    format: Mapped[AudioFormat] = mapped_column(choice(AudioFormat, "format"), comment="WAV, MP3, FLAC, OPUS or M4A.")
    quality: Mapped[AudioQuality] = mapped_column(
        choice(AudioQuality, "quality"), comment="Bits a second of the formats that lose some."
    )
    track_index: Mapped[int] = mapped_column(comment="The track of the original.")
    wanted_sample_rate: Mapped[int | None] = mapped_column(comment="As asked for; null = the track's.")
    wanted_channels: Mapped[int | None] = mapped_column(comment="As asked for; null = the track's.")
    is_normalized: Mapped[bool] = mapped_column(comment="Whether it is brought to -16 LUFS.")
    storage_key: Mapped[str | None] = mapped_column(comment="Where the file lies; null until written.")
    size_bytes: Mapped[int | None] = mapped_column(BigInteger, comment="Size.")
    duration_ms: Mapped[int | None] = mapped_column(comment="Length of the file; it begins at 0 of the media.")
    sample_rate: Mapped[int | None] = mapped_column(comment="Samples a second of the file.")
    channels: Mapped[int | None] = mapped_column(comment="Channels of the file.")
    written_at: Mapped[datetime | None] = mapped_column(comment="When the probed file was offered.")
