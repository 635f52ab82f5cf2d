"""GraphQL types of clips."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

import cuepoint.features.jobs.option_types  # noqa: F401 - it describes ClipMode, which a type must not use before
from cuepoint.adapters.media.base import ClipMode, ReelTransition
from cuepoint.adapters.media.forms import ClipForm
from cuepoint.errors import BadInputError
from cuepoint.features.clips import bulk, models, reels, transitions
from cuepoint.features.clips.form_types import ClipOutput
from cuepoint.features.clips.loaders import CaptionFilesOfClip, ClipById, ItemsOfReel, ReelById
from cuepoint.features.clips.service import caption_filename, filename_of
from cuepoint.features.clips.status import ClipStatus, problem_of, status_of
from cuepoint.features.jobs.event_types import JobError
from cuepoint.features.jobs.loaders import JobById
from cuepoint.features.jobs.models import Job as JobRow
from cuepoint.features.jobs.types import Job
from cuepoint.features.moments.loaders import MomentById
from cuepoint.features.moments.types import Moment
from cuepoint.features.videos.types import Video, load_video
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import UserError
from cuepoint.graphql.media_urls import MediaKind
from cuepoint.graphql.nodes import Node
from cuepoint.graphql.scalars import URL, BigInt, encode_id, seconds, seconds_or_none

URL_SECONDS = (60, 604_800)  # a minute to a week, the longest that S3 signs for


@strawberry.type(description="A stretch of media time, half-open: [start, end).")
class MediaRange:
    start_seconds: float = strawberry.field(description="In point.")
    end_seconds: float = strawberry.field(description="Out point, exclusive.")


def media_range(start_ms: int, end_ms: int) -> MediaRange:
    """A range in seconds."""
    return MediaRange(start_seconds=seconds(start_ms), end_seconds=seconds(end_ms))


def range_or_none(start_ms: int | None, end_ms: int | None) -> MediaRange | None:
    """A range in seconds, if there is one."""
    return None if start_ms is None or end_ms is None else media_range(start_ms, end_ms)


ExpiresIn = Annotated[
    int | None,
    strawberry.argument(description="Seconds that the URL works, 60 to 604800; null = the instance's default."),
]
Download = Annotated[bool, strawberry.argument(description="True: browsers save the file instead of showing it.")]


def file_url(
    info: Info, kind: MediaKind, key: UUID, filename: str, expires_in: int | None = None, *, download: bool = False
) -> str:
    """A signed URL. Raises BadInputError for a time out of bounds."""
    low, high = URL_SECONDS
    if expires_in is not None and not low <= expires_in <= high:
        raise BadInputError(f"expiresIn must lie between {low} and {high} seconds.", field=("expiresIn",))
    url = info.context.media_url(kind, key, filename, expires_in)
    return f"{url}&download" if download else url


@strawberry.type(description="Captions of a clip as a file of their own, with the times of the clip.")
class CaptionFile:
    """A caption file as clients see it."""

    format: models.CaptionFormat = strawberry.field(description="Which format.")
    size_bytes: BigInt = strawberry.field(description="Size.")
    key: strawberry.Private[UUID]
    filename: strawberry.Private[str]

    @strawberry.field(description="Signed URL of the file.")
    def url(self, info: Info, expires_in: ExpiresIn = None) -> URL:
        """Where to fetch it."""
        return file_url(info, "captions", self.key, self.filename, expires_in)

    @classmethod
    def from_row(cls, row: models.ClipFile, clip: models.Clip) -> CaptionFile:
        """Copy the columns."""
        return cls(
            format=row.format,
            size_bytes=BigInt(row.size_bytes),
            key=row.id,
            filename=caption_filename(clip, row.format),
        )


@strawberry.type(description="A file cut from a video.")
class Clip(Node):
    """A clip as clients see it."""

    key: strawberry.Private[UUID]
    row: strawberry.Private[models.Clip]
    id: strawberry.ID = strawberry.field(description="Global id.")
    title: str = strawberry.field(description="Shown name.")
    requested_range: MediaRange = strawberry.field(description="In and out as asked for.")
    mode: ClipMode = strawberry.field(
        description="How it is cut: as asked for; once rendered, as it was done (RENDER where copying was impossible)."
    )
    requested_mode: ClipMode = strawberry.field(description="How it was to be cut.")
    mode_reason: str | None = strawberry.field(
        description="Once rendered: why it was rendered although it was to be cut otherwise; null = as asked for."
    )
    snapped_range: MediaRange | None = strawberry.field(
        description="In and out after they were moved to words, sentences or silences; null = as asked for."
    )
    kept_ranges: list[MediaRange] | None = strawberry.field(
        description="What is left without the silences, in order, 200 at most; null = the whole range."
    )
    output: ClipOutput = strawberry.field(description="Format, frame, fades, loudness and captions as asked for.")
    loudness_lufs: float | None = strawberry.field(
        description="Integrated loudness measured in the file (EBU R 128); null where none was asked for, or heard."
    )
    actual_range: MediaRange | None = strawberry.field(description="In and out of the frames that the file holds.")
    duration_seconds: float | None = strawberry.field(description="Length of the file; null until rendered.")
    content_type: str | None = strawberry.field(description="MIME type; null until rendered.")
    size_bytes: BigInt | None = strawberry.field(description="Size; null until rendered.")
    width: int | None = strawberry.field(description="Pixels; null until rendered, and for sound alone.")
    height: int | None = strawberry.field(description="Pixels; null until rendered, and for sound alone.")
    is_protected: bool = strawberry.field(description="Whether rules of retention spare it, and its video.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    rendered_at: datetime | None = strawberry.field(description="When the file was checked and offered.")

    @strawberry.field(description="Signed URL of the file, with byte ranges; null until it was rendered and checked.")
    def url(self, info: Info, expires_in: ExpiresIn = None, download: Download = False) -> URL | None:
        """Where to play it."""
        if self.row.storage_key is None:
            return None
        return file_url(info, "clips", self.key, filename_of(self.row), expires_in, download=download)

    @strawberry.field(description="Captions beside the clip; none unless they were asked for as SIDECAR.")
    async def caption_files(self, info: Info) -> list[CaptionFile]:
        rows = await info.context.loader(CaptionFilesOfClip).load(self.key)
        return [CaptionFile.from_row(row, self.row) for row in rows]

    @strawberry.field(description="The video it is cut from.")
    async def video(self, info: Info) -> Video | None:
        return await load_video(info, self.row.video_id)

    @strawberry.field(description="The moment it shows, if one was named and still exists.")
    async def moment(self, info: Info) -> Moment | None:
        if self.row.moment_id is None:
            return None
        row = await info.context.loader(MomentById).load(self.row.moment_id)
        return None if row is None else Moment.from_row(row)

    @strawberry.field(description="The job that cuts it.")
    async def job(self, info: Info) -> Job | None:
        row = await self._job(info)
        return None if row is None else Job.from_row(row)

    @strawberry.field(description="How far it is.")
    async def status(self, info: Info) -> ClipStatus:
        """By its file and its job."""
        return status_of(self.row, await self._job(info))

    @strawberry.field(
        description="Why it is FAILED: its job's error, JOB_CANCELLED, or NOT_FOUND once the job was deleted; null "
        "in any other status."
    )
    async def problem(self, info: Info) -> JobError | None:
        row = await self._job(info)
        return JobError.from_json(problem_of(row)) if status_of(self.row, row) is ClipStatus.FAILED else None

    async def _job(self, info: Info) -> JobRow | None:
        return None if self.row.job_id is None else await info.context.loader(JobById).load(self.row.job_id)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Clip | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(ClipById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.Clip) -> Clip:
        """Copy the columns."""
        return cls(
            key=row.id,
            row=row,
            id=encode_id("Clip", row.id),
            title=row.title,
            requested_range=media_range(row.requested_start_ms, row.requested_end_ms),
            mode=row.mode,
            requested_mode=row.requested_mode or row.mode,
            mode_reason=row.mode_reason,
            snapped_range=range_or_none(row.snapped_start_ms, row.snapped_end_ms),
            kept_ranges=None if row.kept_ranges is None else [media_range(a, b) for a, b in row.kept_ranges],
            output=ClipOutput.from_form(ClipForm.from_json(row.form)),
            loudness_lufs=None if row.loudness_lufs is None else round(row.loudness_lufs, 1),
            actual_range=range_or_none(row.actual_start_ms, row.actual_end_ms),
            duration_seconds=seconds_or_none(row.duration_ms),
            content_type=row.content_type,
            size_bytes=None if row.size_bytes is None else BigInt(row.size_bytes),
            width=row.width,
            height=row.height,
            is_protected=row.is_protected,
            created_at=row.created_at,
            rendered_at=row.rendered_at,
        )


@strawberry.type(description="How many clips are how far.")
class ClipCount:
    """A count as clients see it."""

    status: ClipStatus = strawberry.field(description="How far.")
    count: int = strawberry.field(description="How many clips.")


@strawberry.type(description="What became of one clip of many.")
class ClipItem:
    """An item as clients see it."""

    index: int = strawberry.field(description="Its place among the clips that were asked for, from 0.")
    clip: Clip | None = strawberry.field(description="The clip; null if it was refused.")
    error: UserError | None = strawberry.field(description="Why it was refused; null = it will be cut.")

    @classmethod
    def from_row(cls, index: int, row: bulk.Item) -> ClipItem:
        """Copy an item."""
        return cls(
            index=index,
            clip=None if row.clip is None else Clip.from_row(row.clip),
            error=None if row.error is None else UserError.from_error(row.error),
        )


@strawberry.type(description="A piece of a reel.")
class ReelItem:
    """A piece as clients see it."""

    position: int = strawberry.field(description="Its place, from 0.")
    range: MediaRange = strawberry.field(description="What it shows, in the video's time.")
    row: strawberry.Private[models.ReelItem]

    @strawberry.field(description="The video it shows; null once it was deleted.")
    async def video(self, info: Info) -> Video | None:
        return None if self.row.video_id is None else await load_video(info, self.row.video_id)

    @strawberry.field(description="The clip whose file it shows; null for a range of the video itself.")
    async def clip(self, info: Info) -> Clip | None:
        return None if self.row.clip_id is None else await Clip.find(info, self.row.clip_id)

    @classmethod
    def from_row(cls, row: models.ReelItem) -> ReelItem:
        """Copy the columns."""
        return cls(position=row.position, range=media_range(row.start_ms, row.end_ms), row=row)


@strawberry.type(description="How one piece of a reel becomes the next.")
class ReelJoin:
    """A transition as clients see it."""

    transition: ReelTransition = strawberry.field(description="What is seen.")
    duration_seconds: float = strawberry.field(description="How long the two pieces overlap; 0 = a cut.")


@strawberry.type(description="One file of several pieces, of one video or of many; it outlives the videos it shows.")
class Reel(Node):
    """A reel as clients see it."""

    key: strawberry.Private[UUID]
    row: strawberry.Private[models.Reel]
    id: strawberry.ID = strawberry.field(description="Global id.")
    title: str = strawberry.field(description="Shown name.")
    cross_fade_seconds: float = strawberry.field(
        description="How long two pieces overlap, where `crossFade` was given; 0 = a cut, or see `transitions`."
    )
    transitions: list[ReelJoin] = strawberry.field(
        description="As asked for: one for all pairs of neighbours, or one for each; empty = cuts. At most 49."
    )
    output: ClipOutput = strawberry.field(description="Its form as asked for.")
    duration_seconds: float | None = strawberry.field(description="Length of the file; null until rendered.")
    content_type: str | None = strawberry.field(description="MIME type; null until rendered.")
    size_bytes: BigInt | None = strawberry.field(description="Size; null until rendered.")
    width: int | None = strawberry.field(description="Pixels; null until rendered.")
    height: int | None = strawberry.field(description="Pixels; null until rendered.")
    loudness_lufs: float | None = strawberry.field(
        description="Integrated loudness measured in the file; null where none was asked for, or heard."
    )
    created_at: datetime = strawberry.field(description="When it was asked for.")
    rendered_at: datetime | None = strawberry.field(description="When the file was checked and offered.")

    @strawberry.field(description="Signed URL of the file, with byte ranges; null until it was rendered and checked.")
    def url(self, info: Info, expires_in: ExpiresIn = None, download: Download = False) -> URL | None:
        """Where to play it."""
        if self.row.storage_key is None:
            return None
        return file_url(info, "reels", self.key, reels.filename_of(self.row), expires_in, download=download)

    @strawberry.field(description="Its pieces in order, 50 at most.")
    async def items(self, info: Info) -> list[ReelItem]:
        """What it shows."""
        return [ReelItem.from_row(row) for row in await info.context.loader(ItemsOfReel).load(self.key)]

    @strawberry.field(description="The job that joins it; its status and error are the reel's.")
    async def job(self, info: Info) -> Job | None:
        if self.row.job_id is None:
            return None
        row = await info.context.loader(JobById).load(self.row.job_id)
        return None if row is None else Job.from_row(row)

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Reel | None:
        """By its key, as far as the viewer may see it."""
        row = await info.context.loader(ReelById).load(key)
        return None if row is None else cls.from_row(row)

    @classmethod
    def from_row(cls, row: models.Reel) -> Reel:
        """Copy the columns."""
        return cls(
            key=row.id,
            row=row,
            id=encode_id("Reel", row.id),
            title=row.title,
            cross_fade_seconds=seconds(row.cross_fade_ms),
            transitions=[
                ReelJoin(transition=join.transition, duration_seconds=seconds(join.overlap_ms))
                for join in transitions.asked_joins(row)
            ],
            output=ClipOutput.from_form(transitions.reel_form(row)),
            duration_seconds=seconds_or_none(row.duration_ms),
            content_type=row.content_type,
            size_bytes=None if row.size_bytes is None else BigInt(row.size_bytes),
            width=row.width,
            height=row.height,
            loudness_lufs=None if row.loudness_lufs is None else round(row.loudness_lufs, 1),
            created_at=row.created_at,
            rendered_at=row.rendered_at,
        )
