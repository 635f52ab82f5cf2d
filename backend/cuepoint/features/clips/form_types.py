"""GraphQL types of a clip's form: what clients ask for, and how it is shown."""

from __future__ import annotations

from fractions import Fraction

import strawberry

from cuepoint.adapters.media.forms import (
    CaptionForm,
    CaptionMode,
    CaptionPosition,
    CaptionStyle,
    ClipAspect,
    ClipFit,
    ClipForm,
    ClipFormat,
    ClipQuality,
    CropKey,
)
from cuepoint.features.clips.models import CaptionFormat
from cuepoint.features.clips.spans import ClipSnap
from cuepoint.features.clips.status import ClipStatus
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.scalars import MediaTime, seconds

describe_enum(
    ClipFormat,
    {
        ClipFormat.MP4: "H.264 and AAC, or what the source has where it is copied; sound alone is M4A.",
        ClipFormat.MOV: "H.264 and AAC in QuickTime, for editors.",
        ClipFormat.WEBM: "VP9 and Opus.",
        ClipFormat.GIF: "Pictures that move, without sound, a minute at the most; large for what it shows.",
        ClipFormat.WEBP: "The same, much smaller.",
        ClipFormat.MP3: "Sound alone, small.",
        ClipFormat.WAV: "Sound alone, 16 bits at 48 kHz.",
        ClipFormat.FLAC: "Sound alone, without loss, about half of WAV.",
    },
    description="Container and codecs of a clip.",
)
describe_enum(
    ClipQuality,
    {
        ClipQuality.LOW: "Small files; losses can be seen.",
        ClipQuality.MEDIUM: "Losses are hard to see.",
        ClipQuality.HIGH: "Losses cannot be seen; about twice as large.",
    },
    description="How much of picture (and of MP3 sound) is kept when it is encoded.",
)
describe_enum(
    ClipAspect,
    {
        ClipAspect.ORIGINAL: "As the source.",
        ClipAspect.R16_9: "16 to 9, wide.",
        ClipAspect.R9_16: "9 to 16, upright as a telephone.",
        ClipAspect.R1_1: "A square.",
        ClipAspect.R4_5: "4 to 5, upright.",
    },
    description="Width to height of the picture.",
)
describe_enum(
    ClipFit,
    {
        ClipFit.CENTER: "The middle of the source is cut out.",
        ClipFit.BLUR: "The whole source stands before its own blurred enlargement.",
        ClipFit.KEYFRAMES: "A part of the source is cut out that moves as `keyframes` say.",
    },
    description="How a picture of another shape is brought into the frame.",
)
describe_enum(
    CaptionMode,
    {
        CaptionMode.BURN: "Painted into the picture.",
        CaptionMode.SIDECAR: "Files of their own beside the clip (SRT and WebVTT); the clip may still be copied.",
        CaptionMode.EMBED: "A text track inside the file (MP4, MOV, WebM), which players switch on and off.",
    },
    description="Where captions go.",
)
describe_enum(
    CaptionStyle,
    {
        CaptionStyle.OUTLINE: "White letters with a dark edge.",
        CaptionStyle.BOX: "White letters on a dark, half transparent box.",
        CaptionStyle.BOLD: "Larger letters with a heavy edge.",
    },
    description="Looks of burned captions.",
)
describe_enum(
    CaptionPosition,
    {
        CaptionPosition.BOTTOM: "Above the part that players and apps cover.",
        CaptionPosition.MIDDLE: "In the middle.",
        CaptionPosition.TOP: "Below the part that players and apps cover.",
    },
    description="Where burned captions stand; always inside the safe area of the frame's shape.",
)
describe_enum(
    ClipSnap,
    {
        ClipSnap.NONE: "The borders stay where they were asked for.",
        ClipSnap.WORD: "A border inside a word moves to the word's own border, so that it is heard whole.",
        ClipSnap.SENTENCE: "The clip holds exactly the sentences that the range touches.",
    },
    description="What the borders of a clip are moved to, by the transcript; and from there into a silence beside it "
    "and out of black (`Video.silences`, `blackRanges`), by 0.3 s at most and across no word.",
)
describe_enum(
    CaptionFormat,
    {CaptionFormat.SRT: "SubRip.", CaptionFormat.VTT: "WebVTT, what browsers play."},
    description="Format of a caption file.",
)

describe_enum(
    ClipStatus,
    {
        ClipStatus.WAITING: "Its job has not begun.",
        ClipStatus.RENDERING: "Its job runs.",
        ClipStatus.READY: "The file was checked and is offered.",
        ClipStatus.FAILED: "Its job failed or was cancelled: see `problem`. Retry the job to try again.",
    },
    description="How far a clip is.",
)


@strawberry.input(description="A time of the clip at which the centre of the cut-out stands at a place.")
class ClipKeyframeInput:
    """A key frame as given."""

    at: MediaTime = strawberry.field(description="Counted from the start of the clip.")
    x: float = strawberry.field(description="Share of the source's width, 0 = left, 1 = right.")
    y: float = strawberry.field(default=0.5, description="Share of the source's height, 0 = top, 1 = bottom.")


@strawberry.input(description="Captions from the transcript.")
class ClipCaptionsInput:
    """Captions as asked for."""

    mode: CaptionMode = strawberry.field(default=CaptionMode.BURN, description="Where they go.")
    style: CaptionStyle = strawberry.field(default=CaptionStyle.OUTLINE, description="Looks, if burned.")
    position: CaptionPosition = strawberry.field(default=CaptionPosition.BOTTOM, description="Where, if burned.")
    highlight_words: bool = strawberry.field(
        default=False, description="If burned: each word changes its colour when it is said."
    )

    def to_form(self) -> CaptionForm:
        """As services take it."""
        return CaptionForm(self.mode, self.style, self.position, self.highlight_words)


@strawberry.input(
    description="The form of a clip. What is left out is as in the source. Anything but the format MP4, SIDECAR "
    "captions and `audioTrack` means that the clip is rendered: see `Clip.modeReason`."
)
class ClipOutputInput:
    """A form as asked for."""

    format: ClipFormat = strawberry.field(default=ClipFormat.MP4, description="Container and codecs.")
    resolution: int | None = strawberry.field(
        default=None, description="Shorter side in pixels, even, 64 to 4320; null = the source's (GIF, WEBP: 360)."
    )
    frame_rate: float | None = strawberry.field(
        default=None, description="Pictures a second, 1 to 120; null = the source's times (GIF, WEBP: 12)."
    )
    quality: ClipQuality | None = strawberry.field(default=None, description="Null = MEDIUM where it is encoded.")
    fade_in: MediaTime = strawberry.field(default=0, description="Picture and sound come up for so long.")
    fade_out: MediaTime = strawberry.field(default=0, description="Picture and sound go down for so long.")
    loudness: float | None = strawberry.field(
        default=None,
        description="Integrated loudness in LUFS (EBU R 128), -40 to -5, reached by one gain and a limiter at -1 dB; "
        "-16 is usual for the web, -23 for television. Null = the source's.",
    )
    aspect: ClipAspect = strawberry.field(default=ClipAspect.ORIGINAL, description="Width to height.")
    fit: ClipFit = strawberry.field(default=ClipFit.CENTER, description="How the source is brought into the aspect.")
    keyframes: list[ClipKeyframeInput] | None = strawberry.field(
        default=None, description="With fit KEYFRAMES: 1 to 200, in order; between them the cut-out moves straight."
    )
    captions: ClipCaptionsInput | None = strawberry.field(default=None, description="Captions; null = none.")
    audio_track: int | None = strawberry.field(
        default=None, description="Which sound: `index` of an audio track of the video; null = its default."
    )

    def to_form(self) -> ClipForm:
        """As services take it."""
        return ClipForm(
            format=self.format,
            resolution=self.resolution,
            frame_rate=None if self.frame_rate is None else as_rate(self.frame_rate),
            quality=self.quality,
            fade_in_ms=self.fade_in,
            fade_out_ms=self.fade_out,
            loudness_lufs=self.loudness,
            aspect=self.aspect,
            fit=self.fit,
            keys=tuple(CropKey(key.at, key.x, key.y) for key in self.keyframes or ()),
            captions=None if self.captions is None else self.captions.to_form(),
            audio_track=self.audio_track,
        )


def as_rate(rate: float) -> Fraction:
    """29.97 means 30000/1001: the rate of television that is meant, or the nearest simple one."""
    for whole in (24, 30, 60, 120):
        if abs(rate - whole * 1000 / 1001) < 0.005:
            return Fraction(whole * 1000, 1001)
    return Fraction(rate).limit_denominator(1000)


@strawberry.type(description="A time of the clip at which the centre of the cut-out stands at a place.")
class ClipKeyframe:
    """A key frame as shown."""

    at_seconds: float = strawberry.field(description="Counted from the start of the clip.")
    x: float = strawberry.field(description="Share of the source's width.")
    y: float = strawberry.field(description="Share of the source's height.")


@strawberry.type(description="Captions of a clip.")
class ClipCaptions:
    """Captions as shown."""

    mode: CaptionMode = strawberry.field(description="Where they go.")
    style: CaptionStyle = strawberry.field(description="Looks, if burned.")
    position: CaptionPosition = strawberry.field(description="Where, if burned.")
    highlight_words: bool = strawberry.field(description="Whether words change their colour when they are said.")


@strawberry.type(description="The form of a clip as asked for; null = as in the source.")
class ClipOutput:
    """A form as shown."""

    format: ClipFormat = strawberry.field(description="Container and codecs.")
    resolution: int | None = strawberry.field(description="Shorter side in pixels.")
    frame_rate: float | None = strawberry.field(description="Pictures a second.")
    quality: ClipQuality | None = strawberry.field(description="How much is kept.")
    fade_in_seconds: float = strawberry.field(description="How long picture and sound come up.")
    fade_out_seconds: float = strawberry.field(description="How long they go down.")
    loudness: float | None = strawberry.field(description="Integrated loudness in LUFS that was asked for.")
    aspect: ClipAspect = strawberry.field(description="Width to height.")
    fit: ClipFit = strawberry.field(description="How the source is brought into the aspect.")
    keyframes: list[ClipKeyframe] = strawberry.field(description="Of fit KEYFRAMES, at most 200.")
    captions: ClipCaptions | None = strawberry.field(description="Captions; null = none.")
    audio_track: int | None = strawberry.field(description="Which sound; null = the default track.")

    @classmethod
    def from_form(cls, form: ClipForm) -> ClipOutput:
        """Copy the form."""
        captions = form.captions
        return cls(
            format=form.format,
            resolution=form.resolution,
            frame_rate=None if form.frame_rate is None else round(float(form.frame_rate), 3),
            quality=form.quality,
            fade_in_seconds=seconds(form.fade_in_ms),
            fade_out_seconds=seconds(form.fade_out_ms),
            loudness=form.loudness_lufs,
            aspect=form.aspect,
            fit=form.fit,
            audio_track=form.audio_track,
            keyframes=[ClipKeyframe(at_seconds=seconds(key.at_ms), x=key.x, y=key.y) for key in form.keys],
            captions=None
            if captions is None
            else ClipCaptions(
                mode=captions.mode,
                style=captions.style,
                position=captions.position,
                highlight_words=captions.highlights_words,
            ),
        )
