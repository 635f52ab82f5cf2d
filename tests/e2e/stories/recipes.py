"""The Python of docs/clients.md, run as it stands."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Sample
from tests.e2e.stories.run import Run

PAGE = Path(__file__).parents[3] / "docs/clients.md"


async def recipes(run: Run, sample: Sample) -> None:
    """A job is started and watched to its end."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    shown: dict[str, Any] = {}
    exec(code, shown)

    with redirect_stdout(StringIO()) as told:
        await shown["find_moments"](run.client.base_url, run.client.token, sample.video_id)

    assert told.getvalue().splitlines()[-1].startswith("SUCCEEDED 1")
