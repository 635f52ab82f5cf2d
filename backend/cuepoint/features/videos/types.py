"""GraphQL types of videos and what is known of their media."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from cuepoint.adapters.media.base import MediaInfo, TrackInfo
from cuepoint.errors import ErrorCode
from cuepoint.features.jobs.loaders import PipelineOfJobs
from cuepoint.features.jobs.models import JobStatus
from cuepoint.features.jobs.pipeline_types import PipelineProgress
from cuepoint.features.jobs.types import Job
from cuepoint.features.projects.types import Project, load_project
from cuepoint.features.users.loaders import UserById
from cuepoint.features.users.types import User
from cuepoint.features.videos import models
from cuepoint.features.videos.edges import (
    ACTIVE_TRANSCRIPT,
    CLIP_COUNT_OF_VIDEO,
    CLIPS_OF_VIDEO,
    IMPORT_OF_VIDEO,
    MOMENT_COUNT_OF_VIDEO,
    MOMENTS_OF_VIDEO,
)
from cuepoint.features.videos.loaders import (
    JobCountOfVideo,
    JobsOfVideo,
    NewestJobsOfVideo,
    VideoById,
)
from cuepoint.features.videos.look_fields import VideoLooks
from cuepoint.features.videos.service import stored_media_info
from cuepoint.features.videos.state import VideoStatus, video_status
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.back_edges import converter
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import URL, BigInt, encode_id, seconds, seconds_or_none

if TYPE_CHECKING:
    from cuepoint.features.clips.types import Clip
    from cuepoint.features.imports.types import Import
    from cuepoint.features.moments.types import Moment
    from cuepoint.features.transcripts.types import Transcript

describe_enum(
    VideoStatus,
    {
        VideoStatus.UPLOADING: "Its bytes are being fetched, or wait for it.",
        VideoStatus.REGISTERED: "Stored; nothing has been started.",
        VideoStatus.PROBING: "Its container is being read, or waits for it.",
        VideoStatus.PROCESSING: "Probed; steps of the pipeline wait or run.",
        VideoStatus.READY: "Nothing waits or runs. Steps that failed are in `problems`.",
        VideoStatus.FAILED: "The file cannot be used; `problems` says why.",
        VideoStatus.DELETING: "Deleted: it waits in the trash, or is being removed. Only `trashedVideos` shows it.",
    },
    description="State of a video, derived from its newest jobs.",
)


class MediaTrackType(Enum):
    """What a track carries."""

    VIDEO = "VIDEO"
    AUDIO = "AUDIO"
    SUBTITLE = "SUBTITLE"
    DATA = "DATA"
    IMAGE = "IMAGE"


describe_enum(
    MediaTrackType,
    {
        MediaTrackType.VIDEO: "Moving pictures.",
        MediaTrackType.AUDIO: "Sound.",
        MediaTrackType.SUBTITLE: "Timed text.",
        MediaTrackType.DATA: "Anything else, e.g. time codes.",
        MediaTrackType.IMAGE: "A still picture, which is all that the file holds.",
    },
    description="What a track of a container carries.",
)


class MediaKind(Enum):
    """What a file is to people."""

    VIDEO = "VIDEO"
    AUDIO = "AUDIO"
    IMAGE = "IMAGE"


describe_enum(
    MediaKind,
    {
        MediaKind.VIDEO: "Moving pictures, with or without sound.",
        MediaKind.AUDIO: "Sound alone: its poster is a picture of its waveform.",
        MediaKind.IMAGE: "A still picture (PNG, JPEG, WebP, GIF): it has no time line, so that nothing is cut or said "
        "in it.",
    },
    description="What a file is to people.",
)


class HdrKind(Enum):
    """Curves of high dynamic range."""

    PQ = "PQ"
    HLG = "HLG"


class DurationSource(Enum):
    """Who says how long media are."""

    CONTAINER = "CONTAINER"
    TRACKS = "TRACKS"


describe_enum(
    HdrKind,
    {
        HdrKind.PQ: "Perceptual quantizer (SMPTE ST 2084), as in HDR10 and Dolby Vision.",
        HdrKind.HLG: "Hybrid log-gamma (ARIB STD-B67), as in broadcasts and telephones.",
    },
    description="The transfer curve of a picture of high dynamic range.",
)
describe_enum(
    DurationSource,
    {
        DurationSource.CONTAINER: "The container's header.",
        DurationSource.TRACKS: "The longest of its tracks.",
    },
    description="Who says how long media are.",
)


@strawberry.type(description="A frame rate as the exact fraction that the file states.")
class FrameRate:
    """Frames per second as a rational."""

    numerator: int = strawberry.field(description="Frames per `denominator` seconds.")
    denominator: int = strawberry.field(description="Seconds for `numerator` frames.")


@strawberry.type(description="One track of a container. What the file does not say is null, never 0.")
class MediaTrack:
    index: int = strawberry.field(description="Place in the container, from 0.")
    type: MediaTrackType = strawberry.field(description="What it carries.")
    codec: str | None = strawberry.field(description="Codec as the decoder names it.")
    language: str | None = strawberry.field(description="Language tag of the file.")
    is_default: bool = strawberry.field(
        description="Whether the file flags it as default; of audio tracks, where one was chosen, whether it is that."
    )
    start_seconds: float | None = strawberry.field(description="Where it begins on the media's time line.")
    duration_seconds: float | None = strawberry.field(description="Its length.")
    width: int | None = strawberry.field(description="Pixels as displayed, after rotation.")
    height: int | None = strawberry.field(description="Pixels as displayed, after rotation.")
    rotation_degrees: int | None = strawberry.field(description="Rotation that players apply, clockwise.")
    frame_rate: FrameRate | None = strawberry.field(description="Exact frame rate.")
    channels: int | None = strawberry.field(description="Audio channels.")
    sample_rate: int | None = strawberry.field(description="Audio samples a second.")
    bit_rate: BigInt | None = strawberry.field(description="Bits a second.")
    hdr: HdrKind | None = strawberry.field(description="Kind of high dynamic range; null = an ordinary picture.")
    is_interlaced: bool | None = strawberry.field(description="Whether its pictures are of two fields; null = unsaid.")
    is_variable_frame_rate: bool | None = strawberry.field(
        description="Whether the distances of its pictures differ; null where the file does not list them."
    )

    @classmethod
    def from_info(cls, track: TrackInfo) -> MediaTrack:
        """Copy the probe's figures."""
        return cls(
            index=track.index,
            type=MediaTrackType(track.type),
            codec=track.codec,
            language=track.language,
            is_default=track.is_default,
            start_seconds=seconds_or_none(track.start_ms),
            duration_seconds=seconds_or_none(track.duration_ms),
            width=track.width,
            height=track.height,
            rotation_degrees=track.rotation_degrees,
            frame_rate=FrameRate(numerator=track.frame_rate[0], denominator=track.frame_rate[1])
            if track.frame_rate
            else None,
            channels=track.channels,
            sample_rate=track.sample_rate,
            bit_rate=None if track.bit_rate is None else BigInt(track.bit_rate),
            hdr=None if track.hdr is None else HdrKind(track.hdr),
            is_interlaced=track.is_interlaced,
            is_variable_frame_rate=track.is_variable_frame_rate,
        )


@strawberry.type(description="What the container of a video holds, as probed.")
class Media:
    """A probe's result."""

    container: str = strawberry.field(description="Container format as the demuxer names it.")
    duration_seconds: float | None = strawberry.field(description="Length.")
    duration_source: DurationSource | None = strawberry.field(description="Who says how long it is; null if nobody.")
    bit_rate: BigInt | None = strawberry.field(description="Bits a second over all tracks.")
    tracks: list[MediaTrack] = strawberry.field(description="Tracks in the order of the file, at most 32.")
    warnings: list[str] = strawberry.field(description="What is wrong with the file though it can be used.")

    @classmethod
    def from_info(cls, info: MediaInfo) -> Media:
        """Copy the probe's figures."""
        return cls(
            container=info.container,
            duration_seconds=seconds_or_none(info.duration_ms),
            duration_source=None if info.duration_source is None else DurationSource(info.duration_source),
            bit_rate=None if info.bit_rate is None else BigInt(info.bit_rate),
            tracks=[MediaTrack.from_info(track) for track in info.tracks],
            warnings=list(info.warnings),
        )


@strawberry.type(description="Why a step of a video's pipeline has no result.")
class VideoProblem:
    """A failed step."""

    code: ErrorCode = strawberry.field(description="Machine-readable reason.")
    message: str = strawberry.field(description="What happened and what to do.")
    job: Job = strawberry.field(description="The job that failed; retry it once the cause is gone.")


@strawberry.type(description="A video, sound alone, or an image: one original file and all that was made of it.")
class Video(VideoLooks, Node):
    """A video as clients see it."""

    key: strawberry.Private[UUID]
    row: strawberry.Private[models.Video]
    id: strawberry.ID = strawberry.field(description="Global id.")
    title: str = strawberry.field(description="Shown name.")
    filename: str = strawberry.field(description="Name of the original as given.")
    size_bytes: BigInt | None = strawberry.field(description="Size of the original; null until it is here.")
    content_hash: str | None = strawberry.field(
        description="BLAKE3 of the original (`b3sum`), SHA-256 of one that an earlier release took; null until here."
    )
    sha256: str | None = strawberry.field(description="Its SHA-256; null unless it was declared, or a job read it.")
    content_type: str | None = strawberry.field(description="MIME type by content; null until probed.")
    duration_seconds: float | None = strawberry.field(description="Length; null until probed, or when unknown.")
    width: int | None = strawberry.field(description="Pixels as displayed; null without a picture.")
    height: int | None = strawberry.field(description="Pixels as displayed; null without a picture.")
    is_protected: bool = strawberry.field(description="Whether rules of retention spare it, and what was made of it.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    tags: list[str] = strawberry.field(description="Labels of people, in order of the alphabet; at most 50.")
    external_id: str | None = strawberry.field(description="What another system calls it.")
    metadata: JSON = strawberry.field(description="Facts of people or of another system, an object.")
    version: int = strawberry.field(
        description="Grows with each change that people make; updateVideo names the one you saw."
    )
    files_removed_at: datetime | None = strawberry.field(
        description="When its files were given up to free storage; null = they are there."
    )

    @strawberry.field(description="State, derived from its newest jobs.")
    async def status(self, info: Info) -> VideoStatus:
        """The state."""
        return video_status(self.row, await info.context.loader(NewestJobsOfVideo).load(self.key))

    @strawberry.field(description="How far the newest jobs of its pipeline are together; null without any.")
    async def pipeline(self, info: Info) -> PipelineProgress | None:
        newest = await info.context.loader(NewestJobsOfVideo).load(self.key)
        loaded = await info.context.loader(PipelineOfJobs).load((tuple(newest), self.row.duration_ms))
        return None if loaded is None else PipelineProgress.from_state(loaded)

    @strawberry.field(description="Steps whose newest job failed, at most one of each kind.")
    async def problems(self, info: Info) -> list[VideoProblem]:
        newest = await info.context.loader(NewestJobsOfVideo).load(self.key)
        failed = [job for job in newest if job.status is JobStatus.FAILED]
        return [
            VideoProblem(
                code=ErrorCode(job.error_code or "INTERNAL"),
                message=str((job.error or {}).get("message", "")),
                job=Job.from_row(job),
            )
            for job in failed
        ]

    @strawberry.field(description="Whether it is a video, sound alone or an image; null until probed.")
    def media_kind(self) -> MediaKind | None:
        """By what the probe found."""
        if self.row.media is None:
            return None
        info = stored_media_info(self.row)
        if info.is_image:
            return MediaKind.IMAGE
        return MediaKind.AUDIO if info.video is None else MediaKind.VIDEO

    @strawberry.field(description="What its container holds; null until probed.")
    def media(self) -> Media | None:
        """The probe."""
        return None if self.row.media is None else Media.from_info(stored_media_info(self.row))

    @strawberry.field(
        description="Signed URL of the original, with byte ranges. It leads to nothing while `sizeBytes` is null, and "
        "once `filesRemovedAt` is set."
    )
    def url(self, info: Info) -> URL:
        """Where to play it."""
        return info.context.media_url("videos", self.key, self.filename)

    @strawberry.field(description="The project it belongs to.")
    async def project(self, info: Info) -> Project | None:
        return await load_project(info, self.row.project_id)

    @strawberry.field(description="Who registered it; null when the account is gone.")
    async def created_by(self, info: Info) -> User | None:
        """Its creator."""
        if self.row.created_by_id is None:
            return None
        row = await info.context.loader(UserById).load(self.row.created_by_id)
        return None if row is None else User.from_row(row)

    @strawberry.field(description="Jobs on it, newest first.")
    def jobs(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[Job]:
        """A page of jobs."""
        pages, counts = info.context.loader(JobsOfVideo), info.context.loader(JobCountOfVideo)
        return Connection.from_loader(
            pages, (self.key, page_request(first, after)), Job.from_row, lambda: counts.get(self.key)
        )

    @strawberry.field(description="Where it was fetched from; null for what was uploaded.")
    async def source(self, info: Info) -> Annotated[Import, strawberry.lazy("cuepoint.features.imports.types")] | None:
        """Its import."""
        row = await info.context.back_edge(IMPORT_OF_VIDEO).load(self.key)
        source: Import | None = converter(info, "Import")(row)
        return source

    @strawberry.field(description="The active transcript; null until there is one.")
    async def transcript(
        self, info: Info
    ) -> Annotated[Transcript, strawberry.lazy("cuepoint.features.transcripts.types")] | None:
        """What was said."""
        row = await info.context.back_edge(ACTIVE_TRANSCRIPT).load(self.key)
        transcript: Transcript | None = converter(info, "Transcript")(row)
        return transcript

    @strawberry.field(description="Moments worth watching, best first.")
    def moments(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Annotated[Moment, strawberry.lazy("cuepoint.features.moments.types")]]:
        """A page of moments."""
        pages, counts = info.context.back_edge(MOMENTS_OF_VIDEO), info.context.back_edge(MOMENT_COUNT_OF_VIDEO)
        key = (self.key, page_request(first, after))
        return Connection.from_loader(pages, key, converter(info, "Moment"), lambda: counts.get(self.key))

    @strawberry.field(description="Clips cut from it, oldest first.")
    def clips(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[Annotated[Clip, strawberry.lazy("cuepoint.features.clips.types")]]:
        """A page of clips."""
        pages, counts = info.context.back_edge(CLIPS_OF_VIDEO), info.context.back_edge(CLIP_COUNT_OF_VIDEO)
        key = (self.key, page_request(first, after))
        return Connection.from_loader(pages, key, converter(info, "Clip"), lambda: counts.get(self.key))

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Video | None:
        """By its key, as far as the viewer may see it."""
        return await load_video(info, key)

    @classmethod
    def from_row(cls, row: models.Video) -> Video:
        """Copy the columns."""
        return cls(
            key=row.id,
            row=row,
            id=encode_id("Video", row.id),
            title=row.title,
            filename=row.filename,
            size_bytes=None if row.size_bytes is None else BigInt(row.size_bytes),
            content_hash=row.content_hash,
            sha256=row.sha256,
            content_type=row.content_type,
            duration_seconds=None if row.duration_ms is None else seconds(row.duration_ms),
            width=row.width,
            height=row.height,
            is_protected=row.is_protected,
            created_at=row.created_at,
            tags=list(row.tags),
            external_id=row.external_id,
            metadata=JSON(row.custom_metadata),
            version=row.version,
            files_removed_at=row.files_removed_at,
        )


async def load_video(info: Info, video_id: UUID | None) -> Video | None:
    """The video of something else, through the batch loader; None if the viewer may not see it."""
    row = None if video_id is None else await info.context.loader(VideoById).load(video_id)
    return None if row is None else Video.from_row(row)
