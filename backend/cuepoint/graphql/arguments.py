"""Arguments that mean the same everywhere, with their one description."""

from __future__ import annotations

from typing import Annotated

import strawberry

First = Annotated[int, strawberry.argument(description="Length of the page, 1 to 100.")]
After = Annotated[
    str | None, strawberry.argument(description="`pageInfo.endCursor` of the page before; null = the first page.")
]
