"""What the stories of the example operations have in common: calls by name, remembered."""

from __future__ import annotations

from typing import Any

from cuepoint.client import CuepointClient
from tests.support.product import call


class Run:
    """Calls operations and remembers which."""

    def __init__(self, client: CuepointClient) -> None:
        self.client = client
        self.done: set[str] = set()

    async def __call__(self, name: str, **variables: Any) -> dict[str, Any]:
        self.done.add(name)
        return await call(self.client, name, variables)
