"""GraphQL roots of transcripts."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.features.transcripts import service
from cuepoint.features.transcripts.subtitles import TranscriptFormat
from cuepoint.features.transcripts.types import Transcript
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.errors import found_or_none
from cuepoint.graphql.scalars import decode_id

describe_enum(
    TranscriptFormat,
    {
        TranscriptFormat.SRT: "SubRip captions: at most two lines of 42 characters, 0.8 to 7 seconds.",
        TranscriptFormat.VTT: "WebVTT captions for the web, laid out like SRT.",
        TranscriptFormat.TXT: "Plain text, a paragraph up to each long pause.",
        TranscriptFormat.JSON: "Segments with words, times and the model's own figures, named as in this API.",
    },
    description="Format of a transcript as a file.",
)


@strawberry.input(description="Which transcript, and as what.")
class TranscriptFileInput:
    """Input of transcriptFile."""

    transcript_id: strawberry.ID = strawberry.field(description="The transcript; not a DRAFT.")
    format: TranscriptFormat = strawberry.field(description="Format of the file.")


@strawberry.type(description="A transcript as a file, whole.")
class TranscriptFile:
    """A file as clients see it."""

    filename: str = strawberry.field(description="Suggested name, such as talk.en.srt.")
    content_type: str = strawberry.field(description="MIME type; the content is UTF-8.")
    content: str = strawberry.field(description="The file's content.")

    @classmethod
    def from_file(cls, file: service.TranscriptFile) -> TranscriptFile:
        """Copy the members."""
        return cls(filename=file.filename, content_type=file.content_type, content=file.content)


@strawberry.type
class TranscriptQuery:
    """Queries of transcripts."""

    @strawberry.field(description="A transcript that you may see; null otherwise.")
    async def transcript(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The transcript.")]
    ) -> Transcript | None:
        """One revision."""
        viewer = info.context.require_viewer()

        async def find() -> Transcript | None:
            async with info.context.db.read() as session:
                return Transcript.from_row(await service.get_transcript(session, viewer, decode_id("Transcript", id)))

        return await found_or_none(find())

    @strawberry.field(description="A transcript as a file; null if you may not see it. NOT_READY while it is a DRAFT.")
    async def transcript_file(
        self, info: Info, input: Annotated[TranscriptFileInput, strawberry.argument(description="Which, and as what.")]
    ) -> TranscriptFile | None:
        """One file."""
        viewer = info.context.require_viewer()

        async def find() -> TranscriptFile | None:
            transcript_id = decode_id("Transcript", input.transcript_id, field=("transcriptId",))
            async with info.context.db.read() as session:
                return TranscriptFile.from_file(
                    await service.transcript_file(session, viewer, transcript_id, input.format)
                )

        return await found_or_none(find())
