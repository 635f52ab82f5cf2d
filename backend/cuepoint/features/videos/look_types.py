"""GraphQL types of what is made to look at videos and to play them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

import strawberry

from cuepoint.adapters.media.base_looks import AudioFormat, AudioQuality
from cuepoint.adapters.media.base_waveform import peaks, read_span
from cuepoint.adapters.media.ranges import pairs, without_short
from cuepoint.db.keyset import Page, PageRequest, decode_cursor, encode_cursor
from cuepoint.errors import BadInputError
from cuepoint.features.jobs.loaders import JobById
from cuepoint.features.jobs.types import Job
from cuepoint.features.videos import models
from cuepoint.features.videos.audio_files import SUFFIXES
from cuepoint.features.videos.look_loaders import AudioFileById
from cuepoint.features.videos.looks import DrawnTrack
from cuepoint.features.videos.playability import ProxyReason
from cuepoint.graphql.connections import Connection
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import URL, BigInt, encode_id, seconds, seconds_or_none

FEWEST_COLUMNS, MOST_COLUMNS = 100, 8000
SOUND_ACCURACY_MS = 50
RANGES = "ranges"  # what their cursors are told from others by

describe_enum(
    AudioFormat,
    {
        AudioFormat.WAV: "PCM of 16 bits.",
        AudioFormat.MP3: "MP3, mono or stereo.",
        AudioFormat.FLAC: "FLAC, without loss.",
        AudioFormat.OPUS: "Opus in Ogg: the best for speech at few bits.",
        AudioFormat.M4A: "AAC in MP4.",
    },
    description="What an audio file is written as.",
)
describe_enum(
    AudioQuality,
    {
        AudioQuality.LOW: "Right for speech: 48 kbit/s a channel, Opus 24.",
        AudioQuality.STANDARD: "80 kbit/s a channel, Opus 48.",
        AudioQuality.HIGH: "Transparent for music: 128 kbit/s a channel, Opus 80.",
    },
    description="Bits a second of formats that lose some; WAV and FLAC lose nothing.",
)


describe_enum(
    models.RenditionKind,
    {
        models.RenditionKind.ASR_AUDIO: "The sound that is transcribed: 16 kHz, mono.",
        models.RenditionKind.POSTER: "The poster, as large as it is made.",
        models.RenditionKind.POSTER_MEDIUM: "The poster in a middle size.",
        models.RenditionKind.POSTER_SMALL: "The poster in a small size.",
        models.RenditionKind.STORYBOARD: "The tiles of `storyboard`, one behind the other.",
        models.RenditionKind.WAVEFORM: "The loudness that `waveform` draws.",
        models.RenditionKind.PROXY: "A copy that every browser plays.",
    },
    description="What a file that the pipeline made of a video is for.",
    name="VideoArtifactKind",
)


class PlaybackKind(Enum):
    """Which file is played."""

    ORIGINAL = "ORIGINAL"
    PROXY = "PROXY"


describe_enum(
    PlaybackKind,
    {
        PlaybackKind.ORIGINAL: "The file as it came.",
        PlaybackKind.PROXY: "A copy that every browser plays: H.264/AAC in MP4, upright, at most 1080p, SDR.",
    },
    description="Which file is played.",
)


@strawberry.type(description="A file that the pipeline made of a video.")
class VideoArtifact:
    """A rendition as clients see it."""

    kind: models.RenditionKind = strawberry.field(description="What it is for.")
    content_type: str = strawberry.field(description="MIME type.")
    size_bytes: BigInt = strawberry.field(description="Size.")
    created_at: datetime = strawberry.field(description="When it was made.")
    url: URL | None = strawberry.field(
        description="Signed URL of the file, with byte ranges; null for STORYBOARD and WAVEFORM, which are of use only "
        "to the fields of these names."
    )

    @classmethod
    def from_row(cls, info: Info, row: models.Rendition) -> VideoArtifact:
        """Copy the columns."""
        is_inner = row.kind in (models.RenditionKind.STORYBOARD, models.RenditionKind.WAVEFORM)
        return cls(
            kind=row.kind,
            content_type=row.content_type,
            size_bytes=BigInt(row.size_bytes),
            created_at=row.created_at,
            url=None if is_inner else info.context.media_url("renditions", row.id, row.filename),
        )


describe_enum(
    ProxyReason,
    {
        ProxyReason.CONTAINER: "Not all of them open this kind of file.",
        ProxyReason.VIDEO_CODEC: "Not all of them decode the pictures.",
        ProxyReason.PIXEL_FORMAT: "The pictures have more than 8 bits, or more colour than 4:2:0.",
        ProxyReason.HDR: "The pictures are HDR, and would look pale.",
        ProxyReason.INTERLACED: "The pictures are made of two fields, and would show combs.",
        ProxyReason.AUDIO_CODEC: "Not all of them decode the sound.",
        ProxyReason.AUDIO_TRACK: "The sound of the video is not the first audio track, which they would play.",
    },
    description="Why browsers need a proxy.",
)


@strawberry.type(description="A file to play.")
class Playback:
    """A signed URL, and what is behind it."""

    kind: PlaybackKind = strawberry.field(description="Which file it is.")
    url: URL = strawberry.field(description="Signed URL with byte ranges and an ETag.")
    expires_at: datetime = strawberry.field(description="When the URL stops to work; fetch a new one then.")
    content_type: str | None = strawberry.field(description="MIME type; null until probed.")


@strawberry.type(description="A sheet of a storyboard: a JPEG of tiles, row by row from the upper left corner.")
class StoryboardSheet:
    """One sheet."""

    url: URL = strawberry.field(description="Signed URL, valid for the server's `signedUrlSeconds`.")


@strawberry.type(
    description="Small pictures along the time line. Tile number n, counted through all sheets, shows the picture at "
    "n x `intervalSeconds`, or the key frame before it, at most one and a half intervals older."
)
class VideoStoryboard:
    """A storyboard as clients see it."""

    row: strawberry.Private[models.Storyboard]
    tile_width: int = strawberry.field(description="Pixels of one tile.")
    tile_height: int = strawberry.field(description="Pixels of one tile.")
    columns: int = strawberry.field(description="Tiles side by side in a sheet.")
    rows: int = strawberry.field(description="Rows of a sheet; the last sheet may have fewer.")
    interval_seconds: float = strawberry.field(description="Time from tile to tile.")
    tile_count: int = strawberry.field(description="Tiles in all sheets together.")

    @strawberry.field(description="The sheets in order, at most 29.")
    def sheets(self, info: Info) -> list[StoryboardSheet]:
        """Where they are."""
        names = [f"sheet-{number}.jpg" for number in range(len(self.row.sheet_ends))]
        return [StoryboardSheet(url=info.context.media_url("storyboards", self.row.video_id, name)) for name in names]

    @strawberry.field(
        description="Signed URL of a WebVTT file for players: each cue names a part of a sheet with `#xywh=`."
    )
    def vtt_url(self, info: Info) -> URL:
        """Where the cues are."""
        return info.context.media_url("storyboards", self.row.video_id, "storyboard.vtt")

    @classmethod
    def from_row(cls, row: models.Storyboard) -> VideoStoryboard:
        """Copy the columns."""
        return cls(
            row=row,
            tile_width=row.tile_width,
            tile_height=row.tile_height,
            columns=row.columns,
            rows=row.rows,
            interval_seconds=seconds(row.interval_ms),
            tile_count=len(row.tile_ends),
        )


@strawberry.type(description="A small picture of a moment.")
class Thumbnail:
    """A tile of the storyboard by itself."""

    url: URL = strawberry.field(description="Signed URL of a JPEG, valid for the server's `signedUrlSeconds`.")
    at_seconds: float = strawberry.field(description="The moment it stands for, at or before the one asked for.")
    width: int = strawberry.field(description="Pixels.")
    height: int = strawberry.field(description="Pixels.")


@strawberry.type(description="The loudness of a sound track along its time line.")
class Waveform:
    """Peaks."""

    start_seconds: float = strawberry.field(description="Where the first column lies on the media's time line.")
    duration_seconds: float = strawberry.field(description="Length of all columns together.")
    samples: int = strawberry.field(description="Columns; fewer than asked for where there are not so many.")
    peaks: list[int] = strawberry.field(
        description="The least and the greatest of each column, in turn, from -128 to 127: 2 x `samples` numbers."
    )


@strawberry.type(description="A stretch of the time line where something holds, half-open: [start, end).")
class MappedRange:
    """A range of a map."""

    start_seconds: float = strawberry.field(description="Where it begins.")
    end_seconds: float = strawberry.field(description="Where it ends, exclusive.")
    accuracy_seconds: float = strawberry.field(
        description="By how much its ends may be off; what is shorter than that may be missing."
    )


@strawberry.type(description="A sound track written as a file. Its time 0 is that of the media.")
class AudioFile(Node):
    """An audio file as clients see it."""

    key: strawberry.Private[UUID]
    row: strawberry.Private[models.AudioFile]
    id: strawberry.ID = strawberry.field(description="Global id.")
    format: AudioFormat = strawberry.field(description="What it is written as.")
    quality: AudioQuality = strawberry.field(description="Bits a second of formats that lose some.")
    track_index: int = strawberry.field(description="The track of the original.")
    is_normalized: bool = strawberry.field(description="Whether it was brought to -16 LUFS.")
    sample_rate: int | None = strawberry.field(description="Samples a second; null until written.")
    channels: int | None = strawberry.field(description="Channels; null until written.")
    duration_seconds: float | None = strawberry.field(description="Length; null until written.")
    size_bytes: BigInt | None = strawberry.field(description="Size; null until written.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    written_at: datetime | None = strawberry.field(description="When it was checked and offered.")

    @strawberry.field(description="Signed URL of the file, with byte ranges; null until it was written and checked.")
    def url(self, info: Info) -> URL | None:
        """Where to fetch it."""
        if self.row.storage_key is None:
            return None
        return info.context.media_url("audio", self.key, f"audio{SUFFIXES[self.row.format][0]}")

    @strawberry.field(description="The job that writes it; null once it was deleted.")
    async def job(self, info: Info) -> Job | None:
        row = None if self.row.job_id is None else await info.context.loader(JobById).load(self.row.job_id)
        return None if row is None else Job.from_row(row)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> AudioFile | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(AudioFileById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.AudioFile) -> AudioFile:
        """Copy the columns."""
        return cls(
            key=row.id,
            row=row,
            id=encode_id("AudioFile", row.id),
            format=row.format,
            quality=row.quality,
            track_index=row.track_index,
            is_normalized=row.is_normalized,
            sample_rate=row.sample_rate,
            channels=row.channels,
            duration_seconds=seconds_or_none(row.duration_ms),
            size_bytes=None if row.size_bytes is None else BigInt(row.size_bytes),
            created_at=row.created_at,
            written_at=row.written_at,
        )


def expiry(info: Info) -> datetime:
    """When a URL that is signed now stops to work."""
    return datetime.now(UTC) + timedelta(seconds=info.context.settings.signed_url_seconds)


def ranges_page(
    ranges: Sequence[int], accuracy_ms: int, least_ms: int | None, page: PageRequest
) -> Connection[MappedRange]:
    """A page of the ranges that are long enough; a cursor is the start of its range."""
    wanted = pairs(without_short(ranges, least_ms or 0))
    after = -1 if page.after is None else int(decode_cursor(page.after, [int], RANGES)[0])
    behind = [one for one in wanted if one[0] > after]
    shown = behind[: page.first]

    async def count() -> int:
        return len(wanted)

    def convert(one: tuple[int, int]) -> MappedRange:
        return MappedRange(
            start_seconds=seconds(one[0]), end_seconds=seconds(one[1]), accuracy_seconds=seconds(accuracy_ms)
        )

    cursors = [encode_cursor([start], RANGES) for start, _ in shown]
    found = Page(shown, cursors, len(behind) > len(shown), page.after is not None)
    return Connection.from_page(found, convert, count)


def check_columns(samples: int) -> None:
    """Raises BadInputError for a number beyond the bounds."""
    if not FEWEST_COLUMNS <= samples <= MOST_COLUMNS:
        raise BadInputError(
            f"`samples` must be between {FEWEST_COLUMNS} and {MOST_COLUMNS}, not {samples}.", field=("samples",)
        )


async def read_waveform(info: Info, file: models.Rendition, track: DrawnTrack, samples: int) -> Waveform:
    """The waveform of a track in so many columns."""
    start, end, stretches = read_span(track.samples, samples)
    place = file.storage_key, track.first_byte + start, track.first_byte + end
    planes = b"".join([piece async for piece in info.context.adapters.storage.read(*place)])
    found = peaks(planes, stretches, samples)
    return Waveform(
        start_seconds=seconds(track.start_ms),
        duration_seconds=seconds(track.samples * 1000 // 16_000),
        samples=len(found) // 2,
        peaks=found,
    )
