"""GraphQL inputs of clips, and how they become requests."""

from __future__ import annotations

import strawberry

from cuepoint.adapters.media.base import ClipMode, ReelJoin, ReelTransition
from cuepoint.adapters.media.forms import PLAIN, ClipForm
from cuepoint.errors import CuepointError
from cuepoint.features.clips.form_types import ClipOutputInput
from cuepoint.features.clips.requests import ClipRequest, Place
from cuepoint.features.clips.spans import AutoRule, ClipSnap, SilenceRule
from cuepoint.features.clips.transitions import join_of
from cuepoint.graphql.enums import describe_enum
from cuepoint.graphql.error_policy import ErrorPolicy
from cuepoint.graphql.idempotency import IdempotentInput
from cuepoint.graphql.scalars import MediaTime, decode_id


@strawberry.input(description="Leave out the stretches in which nobody speaks, by the transcript.")
class RemoveSilencesInput:
    """A rule of silences as given."""

    min_silence: MediaTime = strawberry.field(default=700, description="Shorter pauses stay, 0.2 to 60 s.")
    margin: MediaTime = strawberry.field(
        default=150, description="How much of a pause stays beside the words; at most half of `minSilence`."
    )

    def to_rule(self) -> SilenceRule:
        """As services take it."""
        return SilenceRule(self.min_silence, self.margin)


@strawberry.input(description="A clip to cut. Where: exactly one of `start` with `end`, `momentId`, `chunkId`, `text`.")
class ClipItemInput:
    """A clip among others."""

    video_id: strawberry.ID = strawberry.field(description="The video.")
    start: MediaTime | None = strawberry.field(default=None, description="In point.")
    end: MediaTime | None = strawberry.field(default=None, description="Out point, exclusive; at most an hour later.")
    moment_id: strawberry.ID | None = strawberry.field(default=None, description="A moment of the video.")
    chunk_id: strawberry.ID | None = strawberry.field(
        default=None, description="A passage of the video: `chunkId` of a search hit."
    )
    text: str | None = strawberry.field(
        default=None, description="Words of the transcript, in order; case and punctuation do not matter."
    )
    occurrence: int | None = strawberry.field(
        default=None, description="Which place of `text`, 1 = the first; needed where it is said more than once."
    )
    snap: ClipSnap = strawberry.field(default=ClipSnap.NONE, description="What the borders are moved to.")
    remove_silences: RemoveSilencesInput | None = strawberry.field(
        default=None, description="Leave out silences; null = keep them."
    )
    title: str | None = strawberry.field(
        default=None, description="Shown name; null = the moment's, the words, or the range."
    )
    mode: ClipMode | None = strawberry.field(
        default=None, description="How to cut; null = SMART, which is exact and quick."
    )
    preset_id: strawberry.ID | None = strawberry.field(
        default=None, description="Says the mode where it is left out, before the settings of the project."
    )
    output: ClipOutputInput | None = strawberry.field(
        default=None, description="Format, frame, fades, loudness, captions; null = a plain cut."
    )


@strawberry.input(description="A clip to cut. Where: exactly one of `start` with `end`, `momentId`, `chunkId`, `text`.")
class CreateClipInput(ClipItemInput, IdempotentInput):
    """Input of createClip."""


@strawberry.input(description="Clips to cut, as one batch.")
class CreateClipsInput(IdempotentInput):
    """Input of createClips."""

    items: list[ClipItemInput] | None = strawberry.field(
        default=None, description="1 to 100 clips, of one video or of many; or null with `momentsOf`."
    )
    moments_of: strawberry.ID | None = strawberry.field(
        default=None,
        description="A clip of each moment of this video, best first, its borders moved into the silence beside "
        "them by 0.3 s at most; or null with `items`.",
    )
    count: int = strawberry.field(default=100, description="With `momentsOf`: at most so many moments, 1 to 100.")
    output: ClipOutputInput | None = strawberry.field(
        default=None, description="Form of the clips that have none of their own."
    )
    error_policy: ErrorPolicy = strawberry.field(
        default=ErrorPolicy.IGNORE_FAILED, description="What happens when some clips are refused."
    )


@strawberry.input(description="Cut a whole video into clips by a rule.")
class AutoClipsInput(IdempotentInput):
    """Input of autoClips."""

    video_id: strawberry.ID = strawberry.field(description="The video.")
    clip_duration: MediaTime = strawberry.field(default=30_000, description="How long each is, about; 1 to 3600 s.")
    overlap: MediaTime = strawberry.field(
        default=2_000, description="How much of the end of one is in the next; at most half of `clipDuration`."
    )
    max_clips: int = strawberry.field(default=10, description="No more than so many, 1 to 100.")
    min_clips: int = strawberry.field(default=1, description="With fewer, nothing is cut and the error says why.")
    respect_sentences: bool = strawberry.field(
        default=True,
        description="Begin and end with sentences of the transcript, where there is one. Either way borders go "
        "into a silence beside them and out of black, by 0.3 s at most and across no word.",
    )
    mode: ClipMode | None = strawberry.field(default=None, description="As of createClip.")
    output: ClipOutputInput | None = strawberry.field(default=None, description="As of createClip.")

    def to_rule(self) -> AutoRule:
        """As services take it."""
        return AutoRule(self.clip_duration, self.overlap, self.max_clips, self.min_clips, self.respect_sentences)


describe_enum(
    ReelTransition,
    {
        ReelTransition.CUT: "At once.",
        ReelTransition.CROSS_FADE: "One goes as the other comes.",
        ReelTransition.FADE_THROUGH_BLACK: "One goes to black, the other comes out of it.",
        ReelTransition.FADE_THROUGH_WHITE: "One goes to white, the other comes out of it.",
        ReelTransition.WIPE_LEFT: "An edge goes to the left, the next piece behind it.",
        ReelTransition.WIPE_RIGHT: "An edge goes to the right, the next piece behind it.",
        ReelTransition.SLIDE_LEFT: "The next piece pushes the other out to the left.",
        ReelTransition.SLIDE_RIGHT: "The next piece pushes the other out to the right.",
    },
    description="How one piece of a reel becomes the next. Sound fades from one to the other in all but a CUT.",
)


@strawberry.input(description="How one piece of a reel becomes the next.")
class ReelJoinInput:
    """A transition as given."""

    transition: ReelTransition = strawberry.field(description="What is seen.")
    duration: MediaTime | None = strawberry.field(
        default=None,
        description="How long the two overlap: at most 5 s, and half of the shorter one. Null = 0.5 s, and no time for "
        "a CUT.",
    )

    def to_join(self) -> ReelJoin:
        """As services take it."""
        return join_of(self.transition, self.duration)


def form_of(given: ClipOutputInput | None, default: ClipOutputInput | None = None) -> ClipForm:
    """The form that was given, else the default, else a plain cut."""
    chosen = given or default
    return PLAIN if chosen is None else chosen.to_form()


def request_of(item: ClipItemInput, default: ClipOutputInput | None = None) -> ClipRequest:
    """The request. Raises NotFoundError for an id that is none."""
    moment_id = None if item.moment_id is None else decode_id("Moment", item.moment_id, field=("momentId",))
    chunk_id = None if item.chunk_id is None else decode_id("Chunk", item.chunk_id, field=("chunkId",))
    return ClipRequest(
        video_id=decode_id("Video", item.video_id, field=("videoId",)),
        place=Place(item.start, item.end, moment_id, chunk_id, item.text, item.occurrence),
        title=item.title,
        mode=item.mode,
        snap=item.snap,
        silences=None if item.remove_silences is None else item.remove_silences.to_rule(),
        form=form_of(item.output, default),
        preset_id=None if item.preset_id is None else decode_id("Preset", item.preset_id, field=("presetId",)),
    )


def request_or_error(item: ClipItemInput, default: ClipOutputInput | None) -> ClipRequest | CuepointError:
    """The request, or why it is none: one item of many must not hold up the others."""
    try:
        return request_of(item, default)
    except CuepointError as error:
        return error
