"""GraphQL types of retention, and of what audits find."""

from __future__ import annotations

from datetime import datetime

import strawberry

from cuepoint.features.storage import models
from cuepoint.features.storage.models import FindingKind, RetentionTarget
from cuepoint.features.storage.retention import Candidate, Rule
from cuepoint.features.storage.types import StoredFile
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import BigInt, encode_id

describe_enum(
    RetentionTarget,
    {
        RetentionTarget.VIDEOS: "Videos with all that was made of them, counted from when they were registered.",
        RetentionTarget.CLIPS: "Clips with their captions, counted from when they were asked for.",
        RetentionTarget.REELS: "Reels, counted from when they were asked for. A protected video does not spare those "
        "that show it.",
        RetentionTarget.AUDIO: "Sound that was taken from videos; it can be made again.",
        RetentionTarget.THUMBNAILS: "Posters, storyboards and other pictures; they can be made again.",
        RetentionTarget.PROCESSED: "What processing made, such as proxies and waveforms; it can be made again.",
    },
    description="What a rule of retention takes.",
)
describe_enum(
    FindingKind,
    {
        FindingKind.FILE_WITHOUT_ROW: "A file that no row names. Repaired: it is removed.",
        FindingKind.ROW_WITHOUT_FILE: "A row whose file is not there. Repaired if the file was derived: the row goes.",
        FindingKind.SIZE_MISMATCH: "A file of another size than its row says.",
        FindingKind.HASH_MISMATCH: "A file whose bytes have changed.",
        FindingKind.ABANDONED_UPLOAD: "Bytes of an upload that is over, or of a write that nobody finished. Repaired: "
        "they are removed.",
        FindingKind.COUNTER_DRIFT: "A counter that was not the sum of its files. A recount always puts it right.",
    },
    description="What an audit or a recount can find.",
)


@strawberry.type(description="How long a project keeps something.")
class RetentionRule:
    """A rule as clients see it."""

    target: RetentionTarget = strawberry.field(description="What goes.")
    max_age_days: int = strawberry.field(description="When it is older than so many days.")

    @classmethod
    def from_row(cls, row: Rule) -> RetentionRule:
        """Copy the rule."""
        return cls(target=row.target, max_age_days=row.max_age_days)


@strawberry.input(description="How long a project shall keep something.")
class RetentionRuleInput:
    target: RetentionTarget = strawberry.field(description="What goes.")
    max_age_days: int = strawberry.field(description="When it is older than so many days, 1 to 36500.")

    def to_rule(self) -> Rule:
        """The rule as services know it."""
        return Rule(self.target, self.max_age_days)


@strawberry.type(description="A file that a rule of retention takes.")
class RetentionCandidate:
    """A candidate as clients see it."""

    target: RetentionTarget = strawberry.field(description="As what it goes.")
    file: StoredFile = strawberry.field(description="The file.")
    size_bytes: BigInt = strawberry.field(description="What becomes free: of a video, all that was made of it as well.")

    @classmethod
    def from_row(cls, row: Candidate) -> RetentionCandidate:
        """Copy the candidate."""
        return cls(target=row.target, file=StoredFile.from_row(row.file), size_bytes=BigInt(row.size_bytes))


@strawberry.type(description="One thing that is wrong in storage, or was.")
class StorageFinding:
    """A finding as clients see it."""

    id: strawberry.ID = strawberry.field(description="Global id.")
    kind: FindingKind = strawberry.field(description="What is wrong.")
    key: str | None = strawberry.field(description="Where the file lies, or should; null for a counter.")
    size_bytes: BigInt | None = strawberry.field(description="Its bytes as far as known; of a counter, how far off.")
    detail: str = strawberry.field(description="What was found, and what to do.")
    is_repaired: bool = strawberry.field(description="Whether the run has put it right.")
    created_at: datetime = strawberry.field(description="When it was found.")

    @classmethod
    def from_row(cls, row: models.StorageFinding) -> StorageFinding:
        """Copy the columns."""
        return cls(
            id=encode_id("StorageFinding", row.id),
            kind=row.kind,
            key=row.key,
            size_bytes=None if row.size_bytes is None else BigInt(row.size_bytes),
            detail=row.detail,
            is_repaired=row.is_repaired,
            created_at=row.created_at,
        )
