"""Which audio track is the sound of a video: the one that is transcribed and drawn, and that clips and audio files have
where they name none."""

from __future__ import annotations

from pathlib import Path

from cuepoint.adapters.media.base import MediaInfo
from cuepoint.errors import AdapterError, CuepointError, ErrorCode
from cuepoint.features.jobs.context import TaskContext

LISTENED_MS = 5 * 60_000  # logos and music come first; a track without speech costs 2 s (PROBE has 300)
MOST_TRACKS = 8
# A track that cannot be listened to has no speech; that of a machine which cannot listen at all is the first.
_UNHEARD = frozenset(
    {
        ErrorCode.UNSUPPORTED_MEDIA,
        ErrorCode.MEDIA_LIMIT_EXCEEDED,
        ErrorCode.MEDIA_TRUNCATED,
        ErrorCode.CHILD_CRASHED,
        ErrorCode.MODEL_FAILED,
    }
)


def track_of(info: MediaInfo, index: int | None, *field: str) -> int:
    """The audio track of that index; with None the default one. Raises UNSUPPORTED_MEDIA where there is none."""
    tracks = {track.index for track in info.tracks if track.type == "AUDIO"}
    if index is None and info.audio is not None:
        return info.audio.index
    if index is None or index not in tracks:
        known = ", ".join(str(one) for one in sorted(tracks))
        say = f"its audio tracks are {known}" if tracks else "it has none"
        raise CuepointError(ErrorCode.UNSUPPORTED_MEDIA, f"The video has no such audio track; {say}.", field=field)
    return index


def named_track(info: MediaInfo, named: int | None) -> int | None:
    """The track that a job's options name; None where they name none, or there is no sound. Raises UNSUPPORTED_MEDIA
    where it is not there."""
    return None if named is None or info.audio is None else track_of(info, named, "options", "audioTrack")


async def chosen_track(
    ctx: TaskContext, path: Path, info: MediaInfo, named: int | None, kept: int | None
) -> int | None:
    """The track that the job names, else the one that was chosen before, else the first in which somebody speaks, of
    those that the file flags, or of all where it flags none. None: there is nothing to choose, or nobody speaks.

    Raises as `named_track`.
    """
    wanted = named_track(info, named)
    if wanted is not None or kept is not None:
        return kept if wanted is None else wanted
    tracks = [track for track in info.tracks if track.type == "AUDIO"]
    flagged = [track for track in tracks if track.is_default] or tracks
    if len(flagged) > 1:
        for track in flagged[:MOST_TRACKS]:
            ctx.report(0.2, f"Listening to audio track {track.index}")
            if await _is_spoken(ctx, path, track.index):
                return track.index
    return None


async def _is_spoken(ctx: TaskContext, path: Path, index: int) -> bool:
    wav = ctx.temp_dir / "listened.wav"
    try:
        await ctx.adapters.media.extract_audio(
            path,
            wav,
            track_index=index,
            duration_ms=None,
            on_progress=lambda _: ctx.report(0.2),
            most_ms=LISTENED_MS,
        )
        return await ctx.adapters.transcriber.has_speech(wav)
    except (CuepointError, AdapterError) as error:
        if error.code not in _UNHEARD:
            raise
        return False
