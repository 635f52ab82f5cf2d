"""Use GraphiQL and the player page in Chromium, on a product of their own: `make test-browser`, or with a path
`make screenshot`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.support.sample_product import run_against_sample

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The browser that CHROMIUM names, else the first one on the path."""
    return next(filter(None, map(shutil.which, (os.environ.get("CHROMIUM", ""), *NAMES))), None)


def main(picture: Path) -> int:
    """The exit status of the tests; the picture of a search lies there afterwards, that of the player beside it."""
    chromium = find_chromium()
    if chromium is None:
        print("Chromium is missing (Debian, Ubuntu: apt install chromium); or name one: CHROMIUM=/path.")  # noqa: T201
        return 1
    picture.parent.mkdir(exist_ok=True)
    player = picture.with_name("player.png")
    os.environ |= {
        "CHROMIUM": chromium,
        "SCREENSHOT": str(picture.resolve()),
        "PLAYER_SCREENSHOT": str(player.resolve()),
    }
    return run_against_sample(["node", "--test", "--test-reporter=spec"], HERE)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "build/graphiql.png"))
