"""Which part of the picture is taken, and how large it becomes."""

from __future__ import annotations

import pytest

from cuepoint.adapters.media.forms import ClipAspect, ClipFit, ClipForm, ClipFormat, CropKey
from cuepoint.adapters.media.frames import Frame, _inside, _path, _place, frame_of

HD = (1920, 1080)


class TestFrameOf:
    @pytest.mark.parametrize(
        ("form", "crop", "size"),
        [
            (ClipForm(), HD, HD),
            (ClipForm(resolution=720), HD, (1280, 720)),
            (ClipForm(aspect=ClipAspect.R9_16), (608, 1080), (608, 1080)),
            (ClipForm(aspect=ClipAspect.R9_16, resolution=720), (608, 1080), (720, 1280)),
            (ClipForm(aspect=ClipAspect.R1_1), (1080, 1080), (1080, 1080)),
            (ClipForm(aspect=ClipAspect.R4_5), (864, 1080), (864, 1080)),
            (ClipForm(aspect=ClipAspect.R16_9), HD, HD),
            (ClipForm(format=ClipFormat.GIF), HD, (640, 360)),
        ],
        ids=str,
    )
    def test_the_largest_part_is_cut_out(self, form: ClipForm, crop: tuple[int, int], size: tuple[int, int]) -> None:
        assert frame_of(form, HD) == Frame(HD, crop, size)

    def test_blurred_sides_take_all_and_the_shorter_side_stays(self) -> None:
        form = ClipForm(aspect=ClipAspect.R9_16, fit=ClipFit.BLUR)

        assert frame_of(form, HD) == Frame(HD, HD, (1080, 1920), is_blurred=True)
        assert frame_of(ClipForm(aspect=ClipAspect.R16_9, fit=ClipFit.BLUR), (720, 1280)).size == (1280, 720)

    def test_sides_are_even(self) -> None:
        made = frame_of(ClipForm(aspect=ClipAspect.R9_16), (322, 182))

        assert made.crop == made.size == (102, 182)


class TestInside:
    @pytest.mark.parametrize(
        ("source", "size", "made"),
        [(HD, (1080, 1920), (1080, 608)), ((1000, 16), (16, 28), (16, 2)), ((16, 1000), (1920, 1080), (18, 1080))],
    )
    def test_the_whole_picture_as_large_as_it_fits(
        self, source: tuple[int, int], size: tuple[int, int], made: tuple[int, int]
    ) -> None:
        assert _inside(source, size) == made


class TestPlace:
    def test_the_centre_is_even(self) -> None:
        assert _place(Frame((320, 180), (102, 180), (102, 180)), ()) == ("108", "0")

    def test_key_frames_stay_inside_the_picture(self) -> None:
        frame = Frame((320, 180), (100, 180), (100, 180))

        x, y = _place(frame, (CropKey(0, 0.0, 0.0), CropKey(1000, 1.0, 1.0)))

        assert x == "floor(((0.00+(220.00)*clip((t-0.000)/1.000,0,1)))/2)*2"
        assert y == "floor(((0.00+(0.00)*clip((t-0.000)/1.000,0,1)))/2)*2"

    def test_many_key_frames_nest_little(self) -> None:
        made = _path([(at * 10, float(at)) for at in range(200)])

        depth = deepest = 0
        for character in made:
            depth += (character == "(") - (character == ")")
            deepest = max(deepest, depth)
        assert deepest < 30  # ffmpeg gives up at 100
