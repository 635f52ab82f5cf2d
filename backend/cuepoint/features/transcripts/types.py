"""GraphQL types of transcripts: revisions, segments and words."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import strawberry

from cuepoint.errors import BadInputError
from cuepoint.features.transcripts import models
from cuepoint.features.transcripts.loaders import (
    SegmentCount,
    SegmentsOfTranscript,
    TextOfTranscript,
    TranscriptById,
)
from cuepoint.features.transcripts.models import EmptyReason, TranscriptSource, TranscriptStatus
from cuepoint.features.transcripts.notice import is_language_uncertain, notice_of
from cuepoint.features.transcripts.repository import SegmentRequest, TimeRange
from cuepoint.features.transcripts.silence import is_silent
from cuepoint.features.videos.look_loaders import SoundMapOfVideo
from cuepoint.features.videos.types import Video, load_video
from cuepoint.graphql.arguments import After
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import MediaTime, encode_id, seconds
from cuepoint.graphql.selections import names_below

MAX_SEGMENTS = 500
FIGURE_DIGITS = 4  # stored in single precision: 0.9 comes back as 0.8999999761581421

describe_enum(
    TranscriptStatus,
    {
        TranscriptStatus.DRAFT: "Being made: grows while its job runs; search and files do not use it.",
        TranscriptStatus.ACTIVE: "The one in use; a video has at most one.",
        TranscriptStatus.SUPERSEDED: "Replaced by a later revision, kept to be read.",
    },
    description="Life of a revision of a transcript.",
)
describe_enum(
    EmptyReason,
    {
        EmptyReason.NO_AUDIO: "The video has no audio track.",
        EmptyReason.NO_SPEECH: "There is sound, but nothing in it was recognised as speech.",
    },
    description="Why a transcript has no words. That is a result, not a failure.",
)


describe_enum(
    TranscriptSource,
    {
        TranscriptSource.RECOGNITION: "A recogniser listened to the video.",
        TranscriptSource.CAPTIONS: "Captions that people made, as they came with an import from a site; automatic ones "
        "never become a transcript. Its segments have no words, and figures that mean nothing.",
    },
    description="What a transcript was made of.",
)


@strawberry.type(description="One spoken word.")
class Word:
    """A word as clients see it."""

    text: str = strawberry.field(description="The word with its punctuation.")
    start_seconds: float = strawberry.field(description="Where it begins in the media.")
    end_seconds: float = strawberry.field(description="Where it ends, exclusive.")
    probability: float = strawberry.field(description="The model's own probability of it, 0 to 1.")


@strawberry.type(description="One utterance, mostly a sentence. Segments are in order and never overlap.")
class TranscriptSegment:
    """A segment as clients see it."""

    row: strawberry.Private[models.TranscriptSegment]
    video_key: strawberry.Private[UUID]
    start_seconds: float = strawberry.field(description="Where it begins in the media.")
    end_seconds: float = strawberry.field(description="Where it ends, exclusive.")
    text: str = strawberry.field(description="What was said.")
    avg_logprob: float = strawberry.field(description="The model's own mean log-probability; below -1 it is in doubt.")
    no_speech_prob: float = strawberry.field(description="The model's own probability that nobody speaks, 0 to 1.")
    compression_ratio: float = strawberry.field(description="Of the text; above 2.4 the model repeats itself.")

    @strawberry.field(description="Its words, in order, each within the segment; none where captions were taken.")
    def words(self) -> list[Word]:
        """Unpack the arrays only when words are selected."""
        row = self.row
        return [
            Word(
                text=text,
                start_seconds=seconds(start),
                end_seconds=seconds(end),
                probability=round(probability, FIGURE_DIGITS),
            )
            for text, start, end, probability in zip(
                row.word_texts, row.word_starts_ms, row.word_ends_ms, row.word_probabilities, strict=True
            )
        ]

    @strawberry.field(
        description="True: nearly all of it lies in `Video.silences`, where recognisers make up words; read it before "
        "you trust it. Null until the sound is drawn."
    )
    async def is_in_silence(self, info: Info) -> bool | None:
        found = await info.context.loader(SoundMapOfVideo).load(self.video_key)
        return None if found is None else is_silent(self.row.start_ms, self.row.end_ms, found[0].silences)

    @classmethod
    def from_row(cls, row: models.TranscriptSegment, video_key: UUID) -> TranscriptSegment:
        """Copy the columns."""
        return cls(
            row=row,
            video_key=video_key,
            start_seconds=seconds(row.start_ms),
            end_seconds=seconds(row.end_ms),
            text=row.text,
            avg_logprob=round(row.avg_logprob, FIGURE_DIGITS),
            no_speech_prob=round(row.no_speech_prob, FIGURE_DIGITS),
            compression_ratio=round(row.compression_ratio, FIGURE_DIGITS),
        )


@strawberry.input(description="A stretch of the media, from `start` up to but not including `end`.")
class TranscriptRangeInput:
    """Input of Transcript.segments."""

    start: MediaTime = strawberry.field(description="Where it begins.")
    end: MediaTime = strawberry.field(description="Where it ends; later than `start`.")

    def to_range(self) -> TimeRange:
        """The range in milliseconds. Raises BadInputError when it is empty."""
        if self.end <= self.start:
            raise BadInputError("The range is empty: `end` must be later than `start`.", field=("range", "end"))
        return TimeRange(self.start, self.end)


@strawberry.type(description="One revision of what is said in a video.")
class Transcript(Node):
    """A transcript as clients see it."""

    key: strawberry.Private[UUID]
    video_key: strawberry.Private[UUID]
    id: strawberry.ID = strawberry.field(description="Global id of this revision.")
    revision: int = strawberry.field(description="1, 2, 3 ... per video.")
    status: TranscriptStatus = strawberry.field(description="Whether it is the one in use.")
    language: str | None = strawberry.field(description="ISO 639-1 code; null where nobody speaks.")
    language_probability: float | None = strawberry.field(
        description="How sure the detection was, 0 to 1; null when the language was given."
    )
    is_language_uncertain: bool = strawberry.field(
        description="True: the detected language is as good as a guess; check it before you trust the text."
    )
    empty_reason: EmptyReason | None = strawberry.field(
        description="Why there are no segments; null if there are some."
    )
    source: TranscriptSource = strawberry.field(description="What it was made of.")
    engine: str = strawberry.field(description="Recogniser, such as faster-whisper; `captions` where there was none.")
    model: str = strawberry.field(
        description="Model that made it; of CAPTIONS the site's extractor and their language tag: `Vimeo pt-BR`."
    )
    is_demo_model: bool = strawberry.field(description="True: made by the bundled toy model; see `notice`.")
    notice: str | None = strawberry.field(
        description="What you must know before you trust the text, and what to do about it; null if nothing."
    )
    created_at: datetime = strawberry.field(description="When it was begun.")
    activated_at: datetime | None = strawberry.field(description="When it became ACTIVE; null for a draft.")

    @strawberry.field(description="The video in which it is said.")
    async def video(self, info: Info) -> Video | None:
        return await load_video(info, self.video_key)

    @strawberry.field(
        description="The whole text on one line; empty where nobody speaks. Read long ones by `segments`."
    )
    async def text(self, info: Info) -> str:
        """Loaded only when selected."""
        return await info.context.loader(TextOfTranscript).load(self.key)

    @strawberry.field(description="What is said, in order.")
    def segments(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description="Length of the page, 1 to 500.")] = DEFAULT_FIRST,
        after: After = None,
        range: Annotated[
            TranscriptRangeInput | None, strawberry.argument(description="Only segments that overlap this stretch.")
        ] = None,
    ) -> Connection[TranscriptSegment]:
        """A page of segments."""
        page = page_request(first, after, maximum=MAX_SEGMENTS)
        stretch = None if range is None else range.to_range()
        request = SegmentRequest(page.first, page.after, stretch, with_words="words" in names_below(info))
        pages, counts = info.context.loader(SegmentsOfTranscript), info.context.loader(SegmentCount)
        count = partial(counts.get, (self.key, stretch))
        segment = partial(TranscriptSegment.from_row, video_key=self.video_key)
        return Connection.from_loader(pages, (self.key, request), segment, count)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Transcript | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(TranscriptById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.Transcript) -> Transcript:
        """Copy the columns."""
        return cls(
            key=row.id,
            video_key=row.video_id,
            id=encode_id("Transcript", row.id),
            revision=row.revision,
            status=row.status,
            language=row.language,
            language_probability=row.language_probability,
            is_language_uncertain=is_language_uncertain(row.language_probability),
            empty_reason=row.empty_reason,
            source=row.source,
            engine=row.engine,
            model=row.model,
            is_demo_model=row.is_demo_model,
            notice=notice_of(is_demo_model=row.is_demo_model),
            created_at=row.created_at,
            activated_at=row.activated_at,
        )
