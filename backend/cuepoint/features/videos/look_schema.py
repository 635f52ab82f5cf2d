"""GraphQL roots of posters, proxies and audio files."""

from __future__ import annotations

from typing import Annotated

import strawberry

from cuepoint.adapters.media.base_looks import AudioFormat, AudioQuality
from cuepoint.features.jobs.types import Job
from cuepoint.features.videos import audio_files, looks, similar
from cuepoint.features.videos.audio_files import WantedAudio
from cuepoint.features.videos.look_types import AudioFile
from cuepoint.features.videos.types import Video
from cuepoint.graphql.context import Info
from cuepoint.graphql.errors import Payload, reports_errors
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import MediaTime, decode_id


@strawberry.input(description="The picture that shall stand for a video.")
class SetPosterInput(IdempotentInput):
    """Input of setPoster."""

    video_id: strawberry.ID = strawberry.field(description="The video.")
    at: MediaTime | None = strawberry.field(default=None, description="The moment whose picture it is.")
    upload_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Instead of `at`: a whole upload of PNG, JPEG, WebP or GIF to the same project, of at most 50 MiB. "
        "It is read, not used up: it may stand for several videos, and expires by itself.",
    )


@strawberry.type(description="Result of setPoster.")
class SetPosterPayload(Payload):
    """Payload of setPoster."""

    video: Video | None = strawberry.field(default=None, description="The video; its poster changes with the job.")
    job: Job | None = strawberry.field(default=None, description="The job that takes the picture.")


@strawberry.input(description="The video that shall have a proxy.")
class CreateProxyInput(IdempotentInput):
    """Input of createProxy."""

    video_id: strawberry.ID = strawberry.field(description="The video.")


@strawberry.type(description="Result of createProxy.")
class CreateProxyPayload(Payload):
    """Payload of createProxy."""

    video: Video | None = strawberry.field(default=None, description="The video; `playback(kind: PROXY)` is the file.")
    job: Job | None = strawberry.field(default=None, description="The job that makes it.")


@strawberry.input(description="A sound track to write as a file.")
class ExtractAudioInput(IdempotentInput):
    """Input of extractAudio."""

    video_id: strawberry.ID = strawberry.field(description="The video.")
    format: AudioFormat = strawberry.field(description="What to write it as.")
    quality: AudioQuality = strawberry.field(
        default=AudioQuality.STANDARD, description="Bits a second of formats that lose some."
    )
    sample_rate: int | None = strawberry.field(
        default=None, description="Samples a second, such as 48000; null = the track's."
    )
    channels: int | None = strawberry.field(default=None, description="1 or 2; null = the track's.")
    track_index: int | None = strawberry.field(
        default=None, description="`MediaTrack.index` of an audio track; null = the default one."
    )
    normalize: bool = strawberry.field(default=False, description="Whether to bring it to -16 LUFS.")

    def wanted(self) -> WantedAudio:
        """As the service takes it."""
        return WantedAudio(
            format=self.format,
            quality=self.quality,
            sample_rate=self.sample_rate,
            channels=self.channels,
            track_index=self.track_index,
            is_normalized=self.normalize,
        )


@strawberry.type(description="Result of extractAudio.")
class ExtractAudioPayload(Payload):
    """Payload of extractAudio."""

    audio_file: AudioFile | None = strawberry.field(
        default=None, description="The file; its `url` appears when the job is done."
    )
    job: Job | None = strawberry.field(default=None, description="The job that writes it.")


@strawberry.type(description="A video that shows the same pictures.")
class SimilarVideo:
    video: Video = strawberry.field(description="The video.")
    likeness: float = strawberry.field(
        description="0 to 1: the share of one's pictures that the other shows too, of both shares the greater; an "
        "excerpt has 1."
    )


@strawberry.type
class VideoLookQuery:
    """Queries by what videos show."""

    @strawberry.field(
        description="Videos that you may see and that show the same pictures, re-encoded, resized or cut, most alike "
        "first, at most 20. They are told by hashes of the storyboard's tiles; empty until there is one."
    )
    async def similar_videos(
        self,
        info: Info,
        video_id: Annotated[strawberry.ID, strawberry.argument(description="The video.")],
        threshold: Annotated[float, strawberry.argument(description="Least likeness, above 0 and at most 1.")] = 0.5,
    ) -> list[SimilarVideo]:
        """Videos that look alike."""
        viewer = info.context.require_viewer()
        async with info.context.db.read() as session:
            found = await similar.similar_videos(session, viewer, decode_id("Video", video_id), threshold=threshold)
        return [SimilarVideo(video=Video.from_row(one.video), likeness=one.likeness) for one in found]


@strawberry.type
class VideoLookMutation:
    """Mutations of posters, proxies and audio files."""

    @strawberry.mutation(
        description="Choose the picture that stands for a video: that of a moment, or one that was uploaded. It stays "
        "the poster until another is chosen. What is no picture fails the job with UNSUPPORTED_MEDIA."
    )
    @reports_errors(SetPosterPayload)
    async def set_poster(
        self, info: Info, input: Annotated[SetPosterInput, strawberry.argument(description="Which picture.")]
    ) -> SetPosterPayload:
        viewer = info.context.require_viewer()
        video_id = decode_id("Video", input.video_id, field=("videoId",))
        upload_id = None if input.upload_id is None else decode_id("Upload", input.upload_id, field=("uploadId",))
        async with info.context.db.write() as session:
            video, job = await looks.request_poster(session, viewer, video_id, input.at, upload_id=upload_id)
            return SetPosterPayload(video=Video.from_row(video), job=Job.from_row(job))

    @strawberry.mutation(
        description="Make a copy that every browser plays, or make it again: H.264/AAC in MP4, upright, at most 1080p, "
        "SDR. The pipeline makes one by itself where browsers do not play the original."
    )
    @reports_errors(CreateProxyPayload)
    async def create_proxy(
        self, info: Info, input: Annotated[CreateProxyInput, strawberry.argument(description="Which video.")]
    ) -> CreateProxyPayload:
        viewer = info.context.require_viewer()
        video_id = decode_id("Video", input.video_id, field=("videoId",))
        async with info.context.db.write() as session:
            video, job = await looks.request_proxy(session, viewer, video_id)
            return CreateProxyPayload(video=Video.from_row(video), job=Job.from_row(job))

    @strawberry.mutation(
        description="Write a sound track as a file. Its time 0 is that of the media: a track that begins later has "
        "silence in front, so that times of the transcript hold in it."
    )
    @reports_errors(ExtractAudioPayload)
    async def extract_audio(
        self, info: Info, input: Annotated[ExtractAudioInput, strawberry.argument(description="What to write.")]
    ) -> ExtractAudioPayload:
        viewer = info.context.require_viewer()
        video_id = decode_id("Video", input.video_id, field=("videoId",))
        async with info.context.db.write() as session:
            row, job = await audio_files.request_audio(session, viewer, video_id, input.wanted())
            return ExtractAudioPayload(audio_file=AudioFile.from_row(row), job=Job.from_row(job))
