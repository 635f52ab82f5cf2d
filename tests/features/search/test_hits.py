"""Grouping of hits by video."""

from __future__ import annotations

from uuid import UUID

import pytest

from cuepoint.features.search.hits import Hit, group_by_video

A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


def hit(number: int, video: UUID, start_s: float, end_s: float, score: float) -> Hit:
    return Hit(UUID(int=number), video, round(start_s * 1000), round(end_s * 1000), f"text {number}", score)


class TestGroupByVideo:
    def test_no_hits_give_no_groups(self) -> None:
        assert group_by_video([]) == []

    def test_other_spans_add_a_tenth_each(self) -> None:
        (group,) = group_by_video([hit(1, A, 0, 4, 0.5), hit(2, A, 60, 64, 0.4), hit(3, A, 120, 124, 0.3)])

        assert group.score == pytest.approx(0.5 + 0.1 * (0.4 + 0.3))

    def test_hits_within_five_seconds_are_one_span(self) -> None:
        (near,) = group_by_video([hit(1, A, 0, 4, 0.5), hit(2, A, 9, 12, 0.4)])
        (far,) = group_by_video([hit(1, A, 0, 4, 0.5), hit(2, A, 9.001, 12, 0.4)])

        assert near.score == 0.5
        assert far.score == pytest.approx(0.54)

    def test_a_long_hit_keeps_its_span_open(self) -> None:
        (group,) = group_by_video([hit(1, A, 0, 60, 0.5), hit(2, A, 2, 4, 0.4), hit(3, A, 62, 64, 0.3)])

        assert group.score == 0.5

    def test_hits_of_two_videos_never_share_a_span(self) -> None:
        groups = group_by_video([hit(1, A, 0, 4, 0.5), hit(2, B, 0, 4, 0.6)])

        assert [(group.video_id, group.score) for group in groups] == [(B, 0.6), (A, 0.5)]

    def test_ties_go_by_id(self) -> None:
        groups = group_by_video(
            [hit(4, C, 0, 1, 0.5), hit(3, A, 0, 1, 0.5), hit(2, B, 9, 10, 0.5), hit(1, B, 0, 1, 0.5)]
        )

        assert [group.video_id for group in groups] == [B, A, C]
        assert [found.text_id.int for found in groups[0].hits] == [1, 2]

    def test_hits_of_a_group_are_best_first(self) -> None:
        (group,) = group_by_video([hit(1, A, 0, 1, 0.3), hit(2, A, 30, 31, 0.7), hit(3, A, 60, 61, 0.5)])

        assert [found.text_id.int for found in group.hits] == [2, 3, 1]
