"""Which transitions a reel of these pieces may have; pure."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cuepoint.adapters.media.base import ReelJoin, ReelTransition
from cuepoint.adapters.media.forms import ClipForm
from cuepoint.errors import CuepointError, ErrorCode
from cuepoint.features.clips.models import Reel
from cuepoint.features.clips.transitions import asked_joins, check_joins, each_join, join_of, reel_form, stored_form

CUT = ReelJoin()
FADE = ReelJoin(ReelTransition.CROSS_FADE, 400)
WIPE = ReelJoin(ReelTransition.WIPE_LEFT, 1_000)


class TestJoinOf:
    def test_a_length_that_is_not_said(self) -> None:
        assert join_of(ReelTransition.CUT, None) == CUT
        assert join_of(ReelTransition.SLIDE_RIGHT, None) == ReelJoin(ReelTransition.SLIDE_RIGHT, 500)


class TestCheckJoins:
    @pytest.mark.parametrize(
        ("cross_fade_ms", "asked", "joins"),
        [
            (0, [], [CUT, CUT]),
            (400, [], [FADE, FADE]),
            (0, [WIPE], [WIPE, WIPE]),
            (0, [CUT, WIPE], [CUT, WIPE]),
        ],
        ids=["cuts", "short form", "one for all", "one for each"],
    )
    def test_is_one_between_each_two(
        self, cross_fade_ms: int, asked: Sequence[ReelJoin], joins: Sequence[ReelJoin]
    ) -> None:
        assert check_joins(cross_fade_ms, asked, [2_000, 2_000, 2_000]) == joins

    def test_an_item_alone_has_none(self) -> None:
        assert check_joins(400, [], [500]) == []

    def test_only_the_neighbours_of_a_transition_must_be_long_enough(self) -> None:
        assert check_joins(0, [WIPE, CUT, FADE], [2_000, 2_000, 800, 800]) == [WIPE, CUT, FADE]

    @pytest.mark.parametrize(
        ("cross_fade_ms", "asked", "field", "message"),
        [
            (5_001, [], "crossFade", "crossFade may last 5 seconds."),
            (1, [FADE], "crossFade", "crossFade is a transition of all items; give it or transitions, not both."),
            (
                0,
                [CUT, FADE, FADE, FADE],
                "transitions",
                "Give 1 transition for all, or 2 between 3 items, not 4.",
            ),
            (
                0,
                [FADE, ReelJoin(ReelTransition.CUT, 1)],
                "transitions.1.duration",
                "A CUT takes no time; leave its duration out.",
            ),
            (
                0,
                [ReelJoin(ReelTransition.WIPE_RIGHT, 0)],
                "transitions.0.duration",
                "A transition lasts more than 0 and at most 5 s.",
            ),
            (
                0,
                [CUT, ReelJoin(ReelTransition.SLIDE_LEFT, 5_001)],
                "transitions.1.duration",
                "A transition lasts more than 0 and at most 5 s.",
            ),
            (
                0,
                [FADE, WIPE],
                "transitions.1.duration",
                "The transition between items 2 and 3 is longer than half of the shorter one, which has 1.999 s.",
            ),
            (
                0,
                [WIPE],
                "transitions.0.duration",
                "The transition between items 2 and 3 is longer than half of the shorter one, which has 1.999 s.",
            ),
            (1_000, [], "crossFade", "crossFade is longer than half of the shortest item, which has 1.999 s."),
        ],
        ids=[
            "long fade",
            "both",
            "too many",
            "cut with a length",
            "no length",
            "long",
            "longer than half",
            "one for all, longer than half",
            "fade longer than half",
        ],
    )
    def test_refuses(self, cross_fade_ms: int, asked: Sequence[ReelJoin], field: str, message: str) -> None:
        with pytest.raises(CuepointError) as caught:
            check_joins(cross_fade_ms, asked, [9_000, 9_000, 1_999])

        assert (".".join(caught.value.field), caught.value.message) == (field, message)

    def test_refuses_any_for_one_item(self) -> None:
        with pytest.raises(CuepointError) as caught:
            check_joins(0, [FADE], [9_000])

        assert (caught.value.code, caught.value.field) == (ErrorCode.BAD_USER_INPUT, ("transitions",))
        assert caught.value.message == "One item becomes no other; leave transitions out."


class TestStoredForm:
    def test_holds_what_was_asked_for(self) -> None:
        form = ClipForm(loudness_lufs=-16.0)
        row = Reel(form=stored_form(form, [CUT, WIPE]), cross_fade_ms=0)

        assert row.form == {"loudness_lufs": -16.0, "transitions": [["CUT", 0], ["WIPE_LEFT", 1_000]]}
        assert (reel_form(row), asked_joins(row)) == (form, [CUT, WIPE])

    def test_the_short_form_and_nothing_at_all(self) -> None:
        form = stored_form(ClipForm(), [])

        assert form == {}
        assert asked_joins(Reel(form=form, cross_fade_ms=400)) == [FADE]
        assert asked_joins(Reel(form=form, cross_fade_ms=0)) == []


class TestEachJoin:
    def test_of_one_piece_there_is_none(self) -> None:
        assert each_join([FADE], 1) == []
