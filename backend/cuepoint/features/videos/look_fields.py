"""Fields of `Video` for people who look and listen; `types.Video` inherits them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import strawberry

from cuepoint.features.videos import models
from cuepoint.features.videos.look_loaders import (
    AudioFileCountOfVideo,
    AudioFilesOfVideo,
    PostersOfVideo,
    ProxyOfVideo,
    RenditionsOfVideo,
    SoundMapOfVideo,
    StoryboardOfVideo,
)
from cuepoint.features.videos.look_types import (
    SOUND_ACCURACY_MS,
    AudioFile,
    MappedRange,
    Playback,
    PlaybackKind,
    Thumbnail,
    VideoArtifact,
    VideoStoryboard,
    Waveform,
    check_columns,
    expiry,
    ranges_page,
    read_waveform,
)
from cuepoint.features.videos.looks import drawn_track
from cuepoint.features.videos.playability import ProxyReason, proxy_reason
from cuepoint.features.videos.service import stored_media_info
from cuepoint.features.videos.tracks import track_of
from cuepoint.graphql.arguments import After, First
from cuepoint.graphql.connections import DEFAULT_FIRST, Connection, page_request
from cuepoint.graphql.context import Info
from cuepoint.graphql.scalars import URL, MediaTime, seconds, seconds_or_none

MinDuration = Annotated[
    MediaTime | None, strawberry.argument(description="Leave out shorter ones; null = all that were noted.")
]
Width = Annotated[
    int | None,
    strawberry.argument(
        description="Wanted width in pixels: the smallest stored size that has it is given, else the largest. Sizes "
        "are made beforehand, none on demand."
    ),
]


@strawberry.type(description="A still picture that stands for a video.")
class Poster:
    url: URL = strawberry.field(description="Signed URL of a JPEG, valid for the server's `signedUrlSeconds`.")
    at_seconds: float | None = strawberry.field(
        description="Time of the frame; null for a picture that was uploaded, or drawn of the sound."
    )
    width: int | None = strawberry.field(description="Pixels.")
    height: int | None = strawberry.field(description="Pixels.")


@strawberry.type
class VideoLooks:
    """What was made to look at a video and to play it."""

    key: strawberry.Private[UUID]
    row: strawberry.Private[models.Video]

    @strawberry.field(
        description="A still picture that is neither black nor blurred, or the one that was chosen; null without one."
    )
    async def poster(self, info: Info, width: Width = None) -> Poster | None:
        rows = await info.context.loader(PostersOfVideo).load(self.key)
        if not rows:
            return None
        row = rows[-1] if width is None else next((r for r in rows if (r.width or 0) >= width), rows[-1])
        return Poster(
            url=info.context.media_url("renditions", row.id, "poster.jpg"),
            at_seconds=seconds_or_none(row.start_ms),
            width=row.width,
            height=row.height,
        )

    @strawberry.field(
        description="A small picture of a moment, out of the storyboard; null without one. It is as wide as the "
        "storyboard's tiles, at most 320, or half as wide."
    )
    async def thumbnail(
        self,
        info: Info,
        at: Annotated[MediaTime, strawberry.argument(description="The moment; behind the end it is the last tile.")],
        width: Width = None,
    ) -> Thumbnail | None:
        """A tile."""
        row = await info.context.loader(StoryboardOfVideo).load(self.key)
        if row is None or row.rendition_id is None:
            return None
        number = min(at // row.interval_ms, len(row.tile_ends) - 1)
        small = (row.tile_width + 1) // 2, (row.tile_height + 1) // 2
        is_small = width is not None and width <= small[0] and bool(row.small_ends)
        size = small if is_small else (row.tile_width, row.tile_height)
        name = f"{'small' if is_small else 'tile'}-{number}.jpg"
        return Thumbnail(
            url=info.context.media_url("storyboards", self.key, name),
            at_seconds=seconds(number * row.interval_ms),
            width=size[0],
            height=size[1],
        )

    @strawberry.field(description="Small pictures along the time line; null until they are made, and for sound alone.")
    async def storyboard(self, info: Info) -> VideoStoryboard | None:
        row = await info.context.loader(StoryboardOfVideo).load(self.key)
        return None if row is None or row.rendition_id is None else VideoStoryboard.from_row(row)

    @strawberry.field(
        description="The loudness along the time line; null until it is drawn, without sound, and of a track that "
        "cannot be decoded. UNSUPPORTED_MEDIA where there is no such track."
    )
    async def waveform(
        self,
        info: Info,
        samples: Annotated[int, strawberry.argument(description="Columns wanted, 100 to 8000.")] = 1000,
        audio_track: Annotated[
            int | None, strawberry.argument(description="`MediaTrack.index` of an audio track; null = the default one.")
        ] = None,
    ) -> Waveform | None:
        found = await info.context.loader(SoundMapOfVideo).load(self.key)
        further = self._further_track(audio_track)
        row, file = found or (None, None)
        if row is None or file is None:
            return None
        check_columns(samples)
        track = drawn_track(row, file, further)
        return None if track is None else await read_waveform(info, file, track, samples)

    def _further_track(self, index: int | None) -> int | None:
        """The index of an audio track other than the default one; None for that one."""
        if index is None or self.row.media is None:
            return None
        media = stored_media_info(self.row)
        wanted = track_of(media, index, "audioTrack")
        return None if media.audio is not None and wanted == media.audio.index else wanted

    @strawberry.field(description="Where nothing is to be heard, of 0.2 s or more, in order; empty until it is drawn.")
    async def silences(
        self, info: Info, min_duration: MinDuration = None, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[MappedRange]:
        """A page of silences."""
        found = await info.context.loader(SoundMapOfVideo).load(self.key)
        ranges = [] if found is None else found[0].silences
        return ranges_page(ranges, SOUND_ACCURACY_MS, min_duration, page_request(first, after))

    @strawberry.field(
        description="Where something is to be heard, in order: what is no silence. It is told by loudness, so music "
        "and noise count as well."
    )
    async def speech_ranges(
        self, info: Info, min_duration: MinDuration = None, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[MappedRange]:
        """A page of sounds."""
        found = await info.context.loader(SoundMapOfVideo).load(self.key)
        ranges = [] if found is None else found[0].sounds
        return ranges_page(ranges, SOUND_ACCURACY_MS, min_duration, page_request(first, after))

    @strawberry.field(
        description="Where the screen is black, in order. Media of up to two minutes are looked at picture by picture, "
        "longer ones by their key frames: `accuracySeconds` says how exact that is."
    )
    async def black_ranges(
        self, info: Info, min_duration: MinDuration = None, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[MappedRange]:
        """A page of black ranges."""
        row = await info.context.loader(StoryboardOfVideo).load(self.key)
        return _of_pictures(row, [] if row is None else row.black_ranges, min_duration, first, after)

    @strawberry.field(
        description="Where the picture stands still for 0.5 s or more, in order; as exact as `blackRanges`."
    )
    async def freeze_ranges(
        self, info: Info, min_duration: MinDuration = None, first: First = DEFAULT_FIRST, after: After = None
    ) -> Connection[MappedRange]:
        """A page of standstills."""
        row = await info.context.loader(StoryboardOfVideo).load(self.key)
        return _of_pictures(row, [] if row is None else row.freeze_ranges, min_duration, first, after)

    @strawberry.field(
        description="Why browsers need a proxy of the original; null where they play it, and until it was probed."
    )
    def proxy_reason(self) -> ProxyReason | None:
        """The first reason there is."""
        return None if self.row.media is None else proxy_reason(stored_media_info(self.row))

    async def _what_plays(self, info: Info) -> PlaybackKind:
        """The first track of an original is better than nothing."""
        reason = ProxyReason.CONTAINER if self.row.media is None else proxy_reason(stored_media_info(self.row))
        if reason is ProxyReason.AUDIO_TRACK and await info.context.loader(ProxyOfVideo).load(self.key) is None:
            reason = None
        return PlaybackKind.ORIGINAL if reason is None else PlaybackKind.PROXY

    @strawberry.field(
        description="The file to play. Without `kind` it is the original where browsers play it, else the proxy; null "
        "where there is no such file yet. Where browsers would only play another audio track (`proxyReason` "
        "AUDIO_TRACK), it is the original until there is a proxy."
    )
    async def playback(
        self,
        info: Info,
        kind: Annotated[PlaybackKind | None, strawberry.argument(description="Which file; null = what plays.")] = None,
    ) -> Playback | None:
        """Where to play it."""
        if self.row.content_hash is None or self.row.files_removed_at is not None:
            return None
        if kind is None:
            kind = await self._what_plays(info)
        if kind is PlaybackKind.ORIGINAL:
            url = info.context.media_url("videos", self.key, self.row.filename)
            return Playback(kind=kind, url=url, expires_at=expiry(info), content_type=self.row.content_type)
        proxy = await info.context.loader(ProxyOfVideo).load(self.key)
        if proxy is None:
            return None
        url = info.context.media_url("renditions", proxy.id, "proxy.mp4")
        return Playback(kind=kind, url=url, expires_at=expiry(info), content_type=proxy.content_type)

    @strawberry.field(
        description="The files that the pipeline made of it and that are there: one of each kind, hence 7 at most. "
        "What people asked for stands in `clips` and `audioFiles`."
    )
    async def artifacts(self, info: Info) -> list[VideoArtifact]:
        """Its renditions."""
        rows = await info.context.loader(RenditionsOfVideo).load(self.key)
        return [VideoArtifact.from_row(info, row) for row in rows]

    @strawberry.field(description="Sound tracks written as files, oldest first.")
    def audio_files(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[AudioFile]:
        """A page of audio files."""
        pages, counts = info.context.loader(AudioFilesOfVideo), info.context.loader(AudioFileCountOfVideo)
        key = (self.key, page_request(first, after))
        return Connection.from_loader(pages, key, AudioFile.from_row, lambda: counts.get(self.key))


def _of_pictures(
    row: models.Storyboard | None, ranges: Sequence[int], least_ms: int | None, first: int, after: str | None
) -> Connection[MappedRange]:
    step = 0 if row is None else row.step_ms
    return ranges_page(ranges, step, least_ms, page_request(first, after))
