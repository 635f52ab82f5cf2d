"""Captions as ASS: hostile text stays text, fonts follow the script, lines fit, safe areas hold."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from cuepoint.adapters.media.caption_layout import lay_out
from cuepoint.adapters.media.captions import escaped, line_em, plain, safe_area, to_ass
from cuepoint.adapters.media.forms import CaptionCue, CaptionForm, CaptionPosition, CaptionStyle, CaptionWord
from cuepoint.adapters.media.glyphs import BUNDLED_FONTS, check_glyphs, font_for, fonts_in, width_in_em
from cuepoint.errors import CuepointError, ErrorCode

FONTS = fonts_in()
BURN = CaptionForm()
WIDE, UPRIGHT = (1280, 720), (720, 1280)


def words(*texts: str, word_ms: int = 300, start_ms: int = 0) -> list[CaptionWord]:
    return [CaptionWord(text, start_ms + at * word_ms, start_ms + (at + 1) * word_ms) for at, text in enumerate(texts)]


def events(cues: list[CaptionCue], form: CaptionForm = BURN) -> list[str]:
    return [line for line in to_ass(cues, form, WIDE, FONTS).splitlines() if line.startswith("Dialogue:")]


def text_of(*texts: str, form: CaptionForm = BURN) -> str:
    (event,) = events([CaptionCue(0, 1000, (tuple(words(*texts)),))], form)
    return event.split(",,", 2)[2]


class TestEscaped:
    @pytest.mark.parametrize(
        ("text", "made"),
        [
            ("{\\an8}", "\\{\\\u2060an8\\}"),
            ("a\\Nb", "a\\\u2060Nb"),
            ("a\nDialogue: b", "a Dialogue: b"),
            ("a\r\x00\x1b\x07b", "a b"),
            ("\u202eabc\u2066", "abc"),
            ("a\u2028b", "a b"),
        ],
        ids=ascii,
    )
    def test_libass_finds_no_codes(self, text: str, made: str) -> None:
        assert escaped(text) == made

    def test_joiners_of_scripts_stay(self) -> None:
        assert plain("می\u200cخواهم") == "می\u200cخواهم"


class TestToAss:
    def test_an_event_is_one_line_whatever_is_said(self) -> None:
        made = to_ass([CaptionCue(0, 900, ((CaptionWord("x\n[Events]\ry", 0, 900),),))], CaptionForm(), WIDE, FONTS)

        assert made.count("[Events]") == 2  # its own, and the one that is only text
        assert len([line for line in made.splitlines() if line.startswith("[Events]")]) == 1

    def test_other_scripts_change_the_font_and_back(self) -> None:
        assert text_of("Hi", "שלום!") == "Hi {\\fnNoto Sans Hebrew}שלום{\\fnNoto Sans}!"

    def test_words_are_timed_in_hundredths(self) -> None:
        timed = (CaptionWord("One", 100, 400), CaptionWord("two", 700, 1000))

        (event,) = events([CaptionCue(0, 1200, (timed,))], CaptionForm(highlights_words=True))

        assert event.startswith("Dialogue: 0,0:00:00.00,0:00:01.20,Caption,")
        assert event.endswith(",,{\\k10}{\\k30}One {\\k30}{\\k30}two")

    def test_the_rounding_of_words_does_not_add_up(self) -> None:
        timed = tuple(CaptionWord("a", at, at + 96) for at in range(0, 4_160, 104))  # 40 words, 8 ms between them

        (event,) = events([CaptionCue(0, 4_200, (timed,))], CaptionForm(highlights_words=True))

        assert sum(int(length) for length in re.findall(r"\\k(\d+)", event)) == 415  # the last one ends at 4.152 s

    def test_lines_are_broken_where_the_layout_says(self) -> None:
        (event,) = events([CaptionCue(0, 900, (tuple(words("a")), tuple(words("b"))))])

        assert event.endswith(",,a\\Nb")

    @pytest.mark.parametrize(
        ("position", "alignment", "margin"),
        [(CaptionPosition.BOTTOM, 2, 256), (CaptionPosition.MIDDLE, 5, 256), (CaptionPosition.TOP, 8, 154)],
        ids=lambda value: getattr(value, "name", str(value)),
    )
    def test_positions_leave_the_safe_area_free(self, position: CaptionPosition, alignment: int, margin: int) -> None:
        made = to_ass([], CaptionForm(position=position), UPRIGHT, FONTS)

        style = next(line for line in made.splitlines() if line.startswith("Style:")).split(",")
        assert style[-5:] == [str(alignment), "58", "58", str(margin), "1"]

    def test_too_short_cues_are_left_out(self) -> None:
        assert events([CaptionCue(0, 9, (tuple(words("a")),))]) == []


class TestSafeArea:
    def test_upright_frames_leave_more_free(self) -> None:
        wide, square, upright = safe_area(WIDE), safe_area((500, 500)), safe_area(UPRIGHT)

        assert wide.bottom < square.bottom < upright.bottom == 0.20
        assert wide.top == wide.side == 0.05


class TestLayOut:
    EM = line_em(WIDE, CaptionStyle.OUTLINE, FONTS[0])

    def test_a_short_sentence_is_one_line(self) -> None:
        (cue,) = lay_out([words("Hello", "world.")], self.EM, FONTS)

        assert [[word.text for word in line] for line in cue.lines] == [["Hello", "world."]]
        assert (cue.start_ms, cue.end_ms) == (0, 900)  # 300 ms longer than said

    def test_a_long_sentence_becomes_captions_of_two_lines_that_fit(self) -> None:
        sentence = words(*["several"] * 40)

        cues = lay_out([sentence], self.EM, FONTS)

        assert sum(len(line) for cue in cues for line in cue.lines) == 40
        assert max(len(cue.lines) for cue in cues) == 2
        widths = [width_in_em(" ".join(w.text for w in line), FONTS) for cue in cues for line in cue.lines]
        assert max(widths) <= self.EM

    def test_cues_do_not_overlap_and_bridge_short_gaps(self) -> None:
        sentences = [words("One."), words("Two.", start_ms=500), words("Three.", start_ms=3000)]

        cues = lay_out(sentences, self.EM, FONTS)

        assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(0, 500), (500, 1100), (3000, 3600)]

    def test_a_pause_begins_a_new_caption(self) -> None:
        sentence = [*words("Well"), *words("yes.", start_ms=1000)]

        assert len(lay_out([sentence], self.EM, FONTS)) == 2

    def test_a_word_wider_than_a_line_is_cut(self) -> None:
        cues = lay_out([[CaptionWord("m" * 200, 0, 1000)]], 10.0, FONTS)

        lines = [line for cue in cues for line in cue.lines]
        assert "".join(word.text for line in lines for word in line) == "m" * 200
        assert max(width_in_em("".join(word.text for word in line), FONTS) for line in lines) <= 10

    def test_nothing_said_gives_nothing(self) -> None:
        assert lay_out([], self.EM, FONTS) == []


class TestGlyphs:
    def test_bundled_fonts_have_their_licence_beside_them(self) -> None:
        assert "SIL OPEN FONT LICENSE Version 1.1" in (BUNDLED_FONTS / "OFL.txt").read_text()
        assert sum(path.stat().st_size for path in BUNDLED_FONTS.iterdir()) < 1024**2

    @pytest.mark.parametrize(
        ("text", "family"),
        [
            ("Ünïcödé ßtraße — “…” €", "Noto Sans"),
            ("Привіт Ελλάς Việt", "Noto Sans"),
            ("مرحبا", "Noto Sans Arabic"),
            ("שלום", "Noto Sans Hebrew"),
            ("नमस्ते", "Noto Sans Devanagari"),
            ("สวัสดี", "Noto Sans Thai"),
        ],
        ids=ascii,
    )
    def test_scripts_have_their_font(self, text: str, family: str) -> None:
        check_glyphs([text], FONTS)

        assert {font.family for c in text if c.isalpha() and (font := font_for(c, FONTS))} == {family}

    def test_the_missing_are_named_once_and_counted(self) -> None:
        with pytest.raises(CuepointError) as caught:
            check_glyphs(["漢", "漢字仮名交文章問題国際電話"], FONTS)

        assert caught.value.code is ErrorCode.FONT_MISSING_GLYPHS
        assert caught.value.message.startswith("No caption font has 漢 (U+6F22), 字 (U+5B57), ")
        assert " and 1 more. " in caught.value.message

    def test_invisible_characters_are_never_missing(self) -> None:
        check_glyphs(["a\u200d\u200b\ufe0f\u2060 \u00a0"], FONTS)

    def test_further_fonts_come_from_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "further.ttf").write_bytes((BUNDLED_FONTS / "NotoSansThai-Bold.ttf").read_bytes())
        (tmp_path / "readme.txt").write_text("no font")

        found = fonts_in(tmp_path)

        assert [font.path.name for font in found[len(FONTS) :]] == ["further.ttf"]
        assert found[: len(FONTS)] == FONTS
        assert replace(found[-1], path=FONTS[-1].path) == FONTS[-1]

    def test_a_broken_font_names_the_setting(self, tmp_path: Path) -> None:
        (tmp_path / "broken.ttf").write_bytes(b"no font")

        with pytest.raises(CuepointError, match=r"broken\.ttf of CUEPOINT_CAPTION_FONTS"):
            fonts_in(tmp_path)


def test_colours_are_written_as_libass_reads_them() -> None:
    style = next(
        line
        for line in to_ass([], CaptionForm(highlights_words=True), WIDE, FONTS).splitlines()
        if line.startswith("Style:")
    )

    assert re.findall(r"&H[0-9A-F]{8}", style)[:2] == ["&H0000D7FF", "&H00FFFFFF"]
