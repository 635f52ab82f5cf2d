"""Windows are planned in the silences: pure functions, no audio."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from cuepoint.adapters.asr.base import AsrWindow
from cuepoint.adapters.asr.parameters import MAX_WINDOW_MS, PIECE_MS
from cuepoint.adapters.asr.windows import (
    MAX_SPEECH_MS,
    SpeechRegion,
    find_regions,
    longest_windows,
    plan_windows,
    vote,
)


def regions_of(*borders: tuple[int, int]) -> list[SpeechRegion]:
    return [SpeechRegion(start, end) for start, end in borders]


class TestPlanWindows:
    def test_no_speech_is_no_window(self) -> None:
        assert plan_windows([], 60_000) == ()

    def test_a_short_file_is_one_padded_window(self) -> None:
        windows = plan_windows(regions_of((1_000, 4_000), (4_500, 9_000)), 20_000)

        assert windows == (AsrWindow(600, 9_400),)

    def test_padding_stops_at_the_borders_of_the_file(self) -> None:
        assert plan_windows(regions_of((100, 4_950)), 5_000) == (AsrWindow(0, 5_000),)

    def test_a_full_window_ends_in_the_longest_pause_of_its_second_half(self) -> None:
        regions = regions_of((0, 9_000), (10_500, 18_000), (18_700, 24_000), (24_200, 28_000), (28_300, 40_000))

        windows = plan_windows(regions, 40_000)

        assert windows == (AsrWindow(0, 18_350), AsrWindow(18_350, 40_000))

    def test_a_full_window_without_a_pause_in_its_second_half_ends_in_the_last_pause(self) -> None:
        windows = plan_windows(regions_of((0, 4_000), (4_600, 10_000), (10_200, 39_000)), 39_000)

        assert windows == (AsrWindow(0, 10_100), AsrWindow(10_100, 39_000))

    def test_a_long_pause_ends_a_window_that_is_not_full(self) -> None:
        windows = plan_windows(regions_of((0, 4_000), (9_000, 12_000)), 12_000)

        assert windows == (AsrWindow(0, 4_400), AsrWindow(8_600, 12_000))

    def test_speech_without_a_pause_is_cut_into_equal_marked_parts(self) -> None:
        windows = plan_windows(regions_of((1_000, 61_000), (62_000, 63_000)), 70_000)

        assert windows == (
            AsrWindow(600, 21_000, is_cut_in_speech=True),
            AsrWindow(21_000, 41_000, is_cut_in_speech=True),
            AsrWindow(41_000, 63_400, is_cut_in_speech=True),
        )

    def test_speech_that_just_fits_is_not_cut(self) -> None:
        windows = plan_windows(regions_of((400, 400 + MAX_SPEECH_MS)), 60_000)

        assert windows == (AsrWindow(0, MAX_WINDOW_MS),)

    def test_a_click_is_not_speech(self) -> None:
        windows = plan_windows(regions_of((1_000, 1_064), (20_000, 21_000)), 30_000)

        assert windows == (AsrWindow(19_600, 21_400),)

    @given(
        st.lists(st.tuples(st.integers(100, 9_000), st.integers(100, 70_000)), max_size=40),
        st.integers(0, 3_000),
    )
    @settings(derandomize=True, deadline=None, max_examples=200)
    def test_whatever_is_said_lies_in_ordered_windows_that_fit(self, steps: list[tuple[int, int]], tail: int) -> None:
        regions: list[SpeechRegion] = []
        at = 0
        for pause, speech in steps:
            regions.append(SpeechRegion(at + pause, at + pause + speech))
            at += pause + speech
        duration = at + tail

        windows = plan_windows(regions, duration)

        covered = sum(
            max(0, min(region.end_ms, window.end_ms) - max(region.start_ms, window.start_ms))
            for region in regions
            for window in windows
        )
        assert covered == sum(region.duration_ms for region in regions)
        assert all(0 <= w.start_ms < w.end_ms <= duration for w in windows)
        assert all(w.end_ms - w.start_ms <= MAX_WINDOW_MS for w in windows)
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(windows))
        inside = {r.start_ms < border < r.end_ms for r in regions for w in windows for border in (w.start_ms, w.end_ms)}
        assert any(w.is_cut_in_speech for w in windows) == (True in inside)
        assert any(w.is_cut_in_speech for w in windows) == any(r.duration_ms > MAX_SPEECH_MS for r in regions)


class Speech:
    """A detector that knows the truth, sees only what lies in the piece, and notes each piece."""

    def __init__(self, *regions: tuple[int, int]) -> None:
        self.regions = regions
        self.pieces: list[tuple[int, int]] = []

    def detect(self, start_ms: int, end_ms: int) -> list[SpeechRegion]:
        self.pieces.append((start_ms, end_ms))
        seen = [(max(start, start_ms), min(end, end_ms)) for start, end in self.regions]
        return [SpeechRegion(start, end) for start, end in seen if start < end]


class TestFindRegions:
    def test_a_short_file_is_one_piece(self) -> None:
        speech = Speech((500, 2_000))

        regions = find_regions(speech.detect, 90_000)

        assert regions == regions_of((500, 2_000))
        assert speech.pieces == [(0, 90_000)]

    def test_an_empty_file_is_no_piece(self) -> None:
        speech = Speech()

        assert find_regions(speech.detect, 0) == []
        assert speech.pieces == []

    def test_speech_over_the_border_of_a_piece_stays_whole(self) -> None:
        speech = Speech((1_000, 110_000), (111_000, 130_000), (140_000, 150_000))

        regions = find_regions(speech.detect, 200_000)

        assert regions == regions_of((1_000, 110_000), (111_000, 130_000), (140_000, 150_000))
        assert speech.pieces == [(0, PIECE_MS), (110_500, 200_000)]

    def test_silence_at_the_border_is_looked_at_once_more(self) -> None:
        speech = Speech((1_000, 100_000), (120_050, 123_000))

        regions = find_regions(speech.detect, 200_000)

        assert regions == regions_of((1_000, 100_000), (120_050, 123_000))
        assert speech.pieces == [(0, PIECE_MS), (119_000, 200_000)]

    def test_speech_longer_than_a_piece_is_joined(self) -> None:
        speech = Speech((0, 300_000), (301_000, 302_000))

        regions = find_regions(speech.detect, 350_000)

        assert regions == regions_of((0, 300_000), (301_000, 302_000))
        assert speech.pieces == [(0, 120_000), (120_000, 240_000), (240_000, 350_000)]

    @given(st.lists(st.tuples(st.integers(1, 200_000), st.integers(1, 400_000)), max_size=12))
    @settings(derandomize=True, deadline=None, max_examples=200)
    def test_pieces_never_change_what_is_found(self, steps: list[tuple[int, int]]) -> None:
        borders: list[tuple[int, int]] = []
        at = 0
        for pause, speech in steps:
            borders.append((at + pause, at + pause + speech))
            at += pause + speech
        speaker = Speech(*borders)

        regions = find_regions(speaker.detect, at)

        assert regions == regions_of(*borders)
        assert all(end - start <= PIECE_MS for start, end in speaker.pieces)


class TestLongestWindows:
    def test_longest_first_and_the_earlier_of_equals(self) -> None:
        windows = [AsrWindow(0, 5), AsrWindow(10, 30), AsrWindow(30, 40), AsrWindow(50, 70)]

        assert longest_windows(windows, 3) == [AsrWindow(10, 30), AsrWindow(50, 70), AsrWindow(30, 40)]


class TestVote:
    def test_the_longer_window_weighs_more(self) -> None:
        language, probability = vote([(30_000, {"de": 0.6, "en": 0.4}), (10_000, {"en": 0.9, "de": 0.1})])

        assert language == "en"
        assert round(probability, 3) == 0.525

    def test_an_uncertain_answer_is_returned_as_it_is(self) -> None:
        assert vote([(1_000, {"es": 0.3, "fr": 0.28})]) == ("es", 0.3)
