"""How the pieces of a reel become one another: what may be asked for, and how a row holds it; pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from cuepoint.adapters.media.base import ReelJoin, ReelTransition
from cuepoint.adapters.media.forms import ClipForm
from cuepoint.errors import BadInputError, CuepointError, ErrorCode
from cuepoint.features.clips.models import Reel

MAX_OVERLAP_MS = 5_000
DEFAULT_OVERLAP_MS = 500
_KEY = "transitions"  # in the form of a reel's row; a clip has none


def join_of(transition: ReelTransition, overlap_ms: int | None) -> ReelJoin:
    """As asked for; without a length, that of its kind."""
    if overlap_ms is None:
        overlap_ms = 0 if transition is ReelTransition.CUT else DEFAULT_OVERLAP_MS
    return ReelJoin(transition, overlap_ms)


def each_join(asked: Sequence[ReelJoin], pieces: int) -> list[ReelJoin]:
    """One for each pair of neighbours, from none, one for all, or one for each."""
    return list(asked) if len(asked) > 1 else [*asked, ReelJoin()][:1] * (pieces - 1)


def check_joins(cross_fade_ms: int, asked: Sequence[ReelJoin], lengths_ms: Sequence[int]) -> list[ReelJoin]:
    """The joins between pieces of these lengths. Raises BadInputError and CONFLICTING_OPTIONS."""
    if not 0 <= cross_fade_ms <= MAX_OVERLAP_MS:
        raise BadInputError(f"crossFade may last {MAX_OVERLAP_MS // 1000} seconds.", field=("crossFade",))
    _check_asked(cross_fade_ms, asked, len(lengths_ms))
    joins = each_join(asked or _short_form(cross_fade_ms), len(lengths_ms))
    for number, (join, pair) in enumerate(zip(joins, pairwise(lengths_ms), strict=True)):
        if join.overlap_ms * 2 > min(pair):
            _refuse_length(number, asked, min(lengths_ms) if not asked else min(pair))
    return joins


def _check_asked(cross_fade_ms: int, asked: Sequence[ReelJoin], pieces: int) -> None:
    if asked and cross_fade_ms:
        raise _conflict("crossFade is a transition of all items; give it or transitions, not both.", "crossFade")
    if asked and pieces == 1:
        raise BadInputError("One item becomes no other; leave transitions out.", field=("transitions",))
    if len(asked) not in {0, 1, pieces - 1}:
        raise BadInputError(
            f"Give 1 transition for all, or {pieces - 1} between {pieces} items, not {len(asked)}.",
            field=("transitions",),
        )
    for number, join in enumerate(asked):
        field = ("transitions", str(number), "duration")
        if join.transition is ReelTransition.CUT:
            if join.overlap_ms:
                raise BadInputError("A CUT takes no time; leave its duration out.", field=field)
        elif not 0 < join.overlap_ms <= MAX_OVERLAP_MS:
            raise BadInputError(f"A transition lasts more than 0 and at most {MAX_OVERLAP_MS // 1000} s.", field=field)


def _refuse_length(number: int, asked: Sequence[ReelJoin], shorter_ms: int) -> None:
    has = f"which has {shorter_ms / 1000:.3f} s."
    if not asked:
        raise _conflict(f"crossFade is longer than half of the shortest item, {has}", "crossFade")
    place = str(number if len(asked) > 1 else 0)
    raise _conflict(
        f"The transition between items {number + 1} and {number + 2} is longer than half of the shorter one, {has}",
        "transitions",
        place,
        "duration",
    )


def _conflict(message: str, *field: str) -> CuepointError:
    return CuepointError(ErrorCode.CONFLICTING_OPTIONS, message, field=field)


def stored_form(form: ClipForm, asked: Sequence[ReelJoin]) -> dict[str, Any]:
    """What the row of a reel holds as its form. A worker that knows no transitions fails on it, and cuts nothing."""
    given = [[join.transition.value, join.overlap_ms] for join in asked]
    return form.to_json() | ({_KEY: given} if given else {})


def reel_form(reel: Reel) -> ClipForm:
    """Its form, without the transitions."""
    return ClipForm.from_json({name: value for name, value in reel.form.items() if name != _KEY})


def asked_joins(reel: Reel) -> list[ReelJoin]:
    """The transitions as they were asked for; `crossFade` is one for all."""
    given = [ReelJoin(ReelTransition(name), overlap_ms) for name, overlap_ms in reel.form.get(_KEY, ())]
    return given or _short_form(reel.cross_fade_ms)


def _short_form(cross_fade_ms: int) -> list[ReelJoin]:
    return [ReelJoin(ReelTransition.CROSS_FADE, cross_fade_ms)] if cross_fade_ms else []
