"""Tables of transcripts: revisions, their segments with packed words, and the passages cut from them."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.db.base import Base, Keyed, choice

CAPTIONS_ENGINE = "captions"  # of revisions that nobody recognised: captions that came with the video


class TranscriptStatus(Enum):
    """Life of a revision: one ACTIVE per video at most; a DRAFT belongs to the job that writes it."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    SUPERSEDED = "SUPERSEDED"


class EmptyReason(Enum):
    """Why a transcript has no words: a success, not a failure."""

    NO_AUDIO = "NO_AUDIO"
    NO_SPEECH = "NO_SPEECH"


class TranscriptSource(Enum):
    """What a revision was made of."""

    RECOGNITION = "RECOGNITION"
    CAPTIONS = "CAPTIONS"


class Transcript(Keyed, Base):
    """One revision of a video's transcript."""

    __tablename__ = "transcripts"
    __table_args__ = (
        UniqueConstraint("video_id", "revision", info={"reason": "Revisions are numbered per video."}),
        Index(
            "uq_transcripts_active",
            "video_id",
            unique=True,
            postgresql_where=text("status = 'ACTIVE'"),
            info={"reason": "At most one revision is read by search, subtitles and moments."},
        ),
        Index(
            "uq_transcripts_draft",
            "job_id",
            unique=True,
            postgresql_where=text("status = 'DRAFT'"),
            info={"reason": "A job writes one draft; its next attempt finds it here."},
        ),
        {"comment": "Revisions; search and exports read the ACTIVE one."},
    )

    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), comment="What was said in it.")
    job_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"),
        comment="Job that writes or wrote it; a new attempt goes on with it.",
    )
    revision: Mapped[int] = mapped_column(comment="1, 2, 3 ... per video.")
    status: Mapped[TranscriptStatus] = mapped_column(choice(TranscriptStatus, "status"), comment="State.")
    language: Mapped[str | None] = mapped_column(comment="ISO 639-1 code; null when there was no speech.")
    language_probability: Mapped[float | None] = mapped_column(comment="Of the detection; null when given.")
    empty_reason: Mapped[EmptyReason | None] = mapped_column(
        choice(EmptyReason, "empty_reason"), comment="Why there are no segments; null when there are some."
    )
    engine: Mapped[str] = mapped_column(comment="Recogniser, e.g. faster-whisper.")
    model: Mapped[str] = mapped_column(comment="Model name.")
    model_key: Mapped[str] = mapped_column(
        comment="Model, parameters and versions: a draft of another key is not continued."
    )
    is_demo_model: Mapped[bool] = mapped_column(
        server_default="false", comment="True: made by the bundled toy model, which knows its own small domain only."
    )
    windows: Mapped[list[Any]] = mapped_column(
        JSONB, server_default="[]", comment="Plan as [start_ms, end_ms, is_cut_in_speech] in the audio file."
    )
    windows_done: Mapped[int] = mapped_column(server_default="0", comment="Windows whose segments are stored.")
    activated_at: Mapped[datetime | None] = mapped_column(comment="When it became ACTIVE.")

    @property
    def source(self) -> TranscriptSource:
        """What it was made of."""
        return TranscriptSource.CAPTIONS if self.engine == CAPTIONS_ENGINE else TranscriptSource.RECOGNITION


class TranscriptSegment(Base):
    """One utterance with its words packed as arrays: 10,000 hours are 90 million words, but 9 million rows."""

    __tablename__ = "transcript_segments"
    __table_args__ = (
        CheckConstraint(
            "start_ms < end_ms", name="time_order", info={"reason": "Half-open ranges [start, end) are never empty."}
        ),
        CheckConstraint(
            "cardinality(word_texts) = cardinality(word_starts_ms) and cardinality(word_texts) = "
            "cardinality(word_ends_ms) and cardinality(word_texts) = cardinality(word_probabilities)",
            name="words_equal_length",
            info={"reason": "Word n is entry n of all four arrays."},
        ),
        Index(
            "ix_transcript_segments_transcript_id_start_ms",
            "transcript_id",
            "start_ms",
            info={"reason": "Segments of a range of time."},
        ),
        {"comment": "Utterances in order; words lie in parallel arrays."},
    )

    transcript_id: Mapped[UUID] = mapped_column(
        ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True, comment="Revision it belongs to."
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="0, 1, 2 ... in time order.")
    window: Mapped[int] = mapped_column(comment="Window of the plan that it came from.")
    start_ms: Mapped[int] = mapped_column(comment="Start on the media's time line.")
    end_ms: Mapped[int] = mapped_column(comment="End, exclusive.")
    text: Mapped[str] = mapped_column(comment="What was said.")
    word_texts: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="Words with their punctuation.")
    word_starts_ms: Mapped[list[int]] = mapped_column(ARRAY(Integer), comment="Start of each word.")
    word_ends_ms: Mapped[list[int]] = mapped_column(ARRAY(Integer), comment="End of each word, exclusive.")
    word_probabilities: Mapped[list[float]] = mapped_column(
        ARRAY(REAL), comment="The model's probability of each word."
    )
    avg_logprob: Mapped[float] = mapped_column(REAL, comment="The model's own figure.")
    no_speech_prob: Mapped[float] = mapped_column(REAL, comment="The model's own figure.")
    compression_ratio: Mapped[float] = mapped_column(
        REAL, comment="The model's own figure; above 2.4 it repeats itself."
    )


class TranscriptChunk(Base):
    """A passage: the unit of retrieval. Its id follows from its content, so an edit re-embeds only what changed."""

    __tablename__ = "transcript_chunks"
    __table_args__ = (
        CheckConstraint(
            "start_ms < end_ms", name="time_order", info={"reason": "Half-open ranges [start, end) are never empty."}
        ),
        UniqueConstraint("transcript_id", "position", info={"reason": "Passages in order."}),
        {"comment": "Passages of 15 to 60 words, cut at sentences and pauses."},
    )

    transcript_id: Mapped[UUID] = mapped_column(
        ForeignKey("transcripts.id", ondelete="CASCADE"), primary_key=True, comment="Revision it was cut from."
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, comment="UUIDv5 of video, text and its count of that text.")
    position: Mapped[int] = mapped_column(comment="0, 1, 2 ... in time order.")
    start_ms: Mapped[int] = mapped_column(comment="Start of its first word.")
    end_ms: Mapped[int] = mapped_column(comment="End of its last word, exclusive.")
    text: Mapped[str] = mapped_column(comment="The passage.")
