"""What is seen while one part of a larger file becomes the next."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import ffmpeg
import pytest

from cuepoint.adapters.media.base import ReelTransition
from cuepoint.adapters.media.join_commands import JoinFrame, join_scale, passage, pictures_command
from tests.support.colours import brightness, colour, make_colours, make_plain, pictures

pytestmark = pytest.mark.media

FRAME = JoinFrame(320, 180, Fraction(24))
TICK = f"1/{join_scale(FRAME.frame_rate)}"
GREY = "?"  # at 200 of 255


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Red, green and blue side by side; and grey."""
    folder = tmp_path_factory.mktemp("passages")
    return make_colours(folder / "colours.mp4"), make_plain(folder / "grey.mp4", 200)


class TestPassage:
    @pytest.mark.parametrize(
        ("transition", "left", "right", "dark", "bright"),
        [
            (ReelTransition.CROSS_FADE, GREY, GREY, 80, 200),
            (ReelTransition.FADE_THROUGH_BLACK, GREY, GREY, 0, 2),
            (ReelTransition.FADE_THROUGH_WHITE, GREY, GREY, 253, 255),
            (ReelTransition.WIPE_LEFT, "red", GREY, 80, 200),
            (ReelTransition.WIPE_RIGHT, GREY, "blue", 80, 200),
            (ReelTransition.SLIDE_LEFT, "green", GREY, 80, 200),
            (ReelTransition.SLIDE_RIGHT, GREY, "green", 80, 200),
        ],
        ids=[kind.value for kind in ReelTransition if kind is not ReelTransition.CUT],
    )
    def test_halfway(
        self,
        sources: tuple[Path, Path],
        tmp_path: Path,
        transition: ReelTransition,
        left: str,
        right: str,
        dark: int,
        bright: int,
    ) -> None:
        shown = [ffmpeg.input(str(path)).filter("format", "yuv420p").filter("settb", TICK) for path in sources]
        target = tmp_path / "passage.mp4"

        subprocess.run(pictures_command(passage(*shown, transition, FRAME, 12), target, FRAME), check=True)

        made = pictures(target)
        assert len(made) == 12
        assert (colour(made[0], 0.1, 0.5), colour(made[0], 0.9, 0.5)) == ("red", "blue")
        assert (colour(made[6], 0.1, 0.5), colour(made[6], 0.9, 0.5)) == (left, right)
        assert dark <= brightness(made[6]) <= bright
        assert brightness(made[11]) > 150
