"""Tables of search: embedding spaces, retrievable texts, and their vectors partitioned by space."""

from __future__ import annotations

from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from cuepoint.adapters.embedding.base import DIMENSIONS
from cuepoint.db.base import Base, HalfVector, Keyed, choice


class RetrievableTextKind(Enum):
    """Where a retrievable text comes from."""

    TRANSCRIPT = "TRANSCRIPT"


class EmbeddingSpace(Base):
    """One embedding model. Vectors of two spaces are never compared."""

    __tablename__ = "embedding_spaces"
    __table_args__ = (
        UniqueConstraint("provider", "model", info={"reason": "A model has one space."}),
        {"comment": "Embedding models; each has its own partition and IVFFLAT index."},
    )

    id: Mapped[int] = mapped_column(SmallInteger, Identity(), primary_key=True, comment="Partition key.")
    provider: Mapped[str] = mapped_column(comment="static, openai, or the host of a compatible server.")
    model: Mapped[str] = mapped_column(comment="Model name.")
    native_dimensions: Mapped[int] = mapped_column(comment="Before padding to 1536.")
    min_score: Mapped[float] = mapped_column(comment="Cosine below which a hit is noise in this space.")
    rows_at_build: Mapped[int] = mapped_column(server_default="0", comment="Rows when the IVFFLAT index was built.")
    lists: Mapped[int] = mapped_column(server_default="1", comment="Lists of that index; 1 is an exact flat index.")


class RetrievableText(Keyed, Base):
    """A text that search can find."""

    __tablename__ = "retrievable_texts"
    __table_args__ = (
        CheckConstraint(
            "start_ms < end_ms", name="time_order", info={"reason": "Half-open ranges [start, end) are never empty."}
        ),
        Index("ix_retrievable_texts_tsv", "tsv", postgresql_using="gin", info={"reason": "Lexical search."}),
        Index("ix_retrievable_texts_project_id_kind", "project_id", "kind", info={"reason": "The texts in scope."}),
        Index(
            "ix_retrievable_texts_video_id_start_ms",
            "video_id",
            "start_ms",
            info={"reason": "The texts of a video, replaced at each run, and the neighbours of a hit."},
        ),
        {"comment": "Texts of all kinds, apart from their vectors: a scan of the text stays narrow."},
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), comment="Who may find it.")
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), comment="Where it was said.")
    kind: Mapped[RetrievableTextKind] = mapped_column(choice(RetrievableTextKind, "kind"), comment="TRANSCRIPT.")
    source_id: Mapped[UUID] = mapped_column(comment="The passage it was taken from; equal to id for TRANSCRIPT.")
    start_ms: Mapped[int] = mapped_column(comment="Start on the media's time line.")
    end_ms: Mapped[int] = mapped_column(comment="End, exclusive.")
    language: Mapped[str | None] = mapped_column(comment="Chooses the text search configuration.")
    text: Mapped[str] = mapped_column(comment="The text.")
    tsv: Mapped[Any] = mapped_column(
        TSVECTOR,
        Computed("to_tsvector(fts_config(language), fold(text))", persisted=True),
        deferred=True,
        comment="Lexemes for lexical search, folded to plain letters.",
    )


class RetrievableTextEmbedding(Base):
    """A unit vector of one text in one space; scope columns are repeated so that a filtered scan stays narrow."""

    __tablename__ = "retrievable_text_embeddings"
    __table_args__ = (
        # A text that goes looks its vectors up by `text_id` alone: it comes first.
        PrimaryKeyConstraint("text_id", "space_id"),
        Index(
            "ix_retrievable_text_embeddings_scope",
            "project_id",
            "kind",
            postgresql_include=["space_id", "video_id"],
            info={
                "reason": "Counts the scope without reading vectors: 42 pages instead of 5,002 at 100,000 rows. "
                "Without `space_id` in it the count reads the heap."
            },
        ),
        Index("ix_retrievable_text_embeddings_video_id", "video_id", info={"reason": "Vectors in some videos only."}),
        {
            "comment": "Unit vectors, list-partitioned by space; each partition has its own IVFFLAT index.",
            "postgresql_partition_by": "LIST (space_id)",
        },
    )

    space_id: Mapped[int] = mapped_column(SmallInteger, ForeignKey("embedding_spaces.id"), comment="Partition key.")
    text_id: Mapped[UUID] = mapped_column(
        ForeignKey("retrievable_texts.id", ondelete="CASCADE"), comment="Whose vector it is."
    )
    project_id: Mapped[UUID] = mapped_column(comment="As on the text.")
    video_id: Mapped[UUID] = mapped_column(comment="As on the text.")
    kind: Mapped[RetrievableTextKind] = mapped_column(choice(RetrievableTextKind, "kind"), comment="As on the text.")
    embedding: Mapped[Any] = mapped_column(
        HalfVector(DIMENSIONS), comment="Unit vector in half precision: half the bytes, the same ten best."
    )
