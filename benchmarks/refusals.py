"""Hostile requests to the product's schema: CPU time until each is refused, beside a small query that is answered.

Those that only an execution can refuse, of a viewer with a key, come last: their statements are in what they take.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from cuepoint.config import load_settings
from cuepoint.db.session import Database, create_engine
from cuepoint.processes.garbage import frozen_garbage
from tests.support.builders.projects import make_project
from tests.support.builders.videos import make_video
from tests.support.calls import Calls
from tests.support.database import create_database, prepare_template
from tests.support.hostile_requests import HOSTILE, ONE, PAGE, SMALL, VIDEOS, Hostile, send, wrong_ids, wrong_pages
from tests.support.stack import shared_stack
from tests.support.web import bearer, make_token, running_product

ROUNDS = 25
MOST_SECONDS = 0.005
FEW = 20  # of which all are shown


@dataclass
class _Taken:
    """What one request took."""

    request: Hostile
    calls: int
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


async def run() -> None:
    """Print those that take a fifth of what they may, through the whole endpoint without a network."""
    with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as folder:
        directory = Path(folder)
        with shared_stack(directory) as stack:
            await prepare_template(stack, directory)
            url = stack.database_server_url(await create_database(stack))
            values = {
                "CUEPOINT_HOME": folder,
                "CUEPOINT_DATABASE_URL": url,
                "CUEPOINT_RATE_LIMIT_PER_MINUTE": "0",  # all of it comes from one address
            }
            db = Database(create_engine(url))
            async with running_product(load_settings(values), db) as app:
                executed = await _executed(app, db)
                with frozen_garbage():
                    _print("refused before execution", await _measure(app, HOSTILE))
                    _print("refused by execution", await _measure(app, executed))
            await db.close()


async def _executed(app: Starlette, db: Database) -> list[Hostile]:
    viewer, secret = await make_token(db)
    headers = {"authorization": bearer(secret)["Authorization"]}
    mine, theirs = await make_project(db, owner_id=viewer.user_id), await make_project(db)
    await make_video(db, mine)

    async def cursor(name: str, query: str, variables: Mapping[str, Any]) -> str:
        _, answer = await send(app, _body(query, variables), headers)
        return str(json.loads(answer)["data"][name]["pageInfo"]["endCursor"])

    own, foreign = await cursor("projects", PAGE, {"first": 1}), await cursor("videos", VIDEOS, {})
    asked = {name: (PAGE, page) for name, page in wrong_pages(own, foreign).items()}
    asked |= {name: (ONE, one) for name, one in wrong_ids(mine.id, theirs.id).items()}
    return [Hostile(name, _body(*one), headers=headers) for name, one in asked.items()]


def _body(query: str, variables: Mapping[str, Any]) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


async def _measure(app: Starlette, requests: list[Hostile]) -> list[_Taken]:
    """In rounds, so that what disturbs one disturbs all."""
    taken = []
    for request in [Hostile("a small query, answered", _body(SMALL, {})), *requests]:
        with Calls() as calls:
            await send(app, request.body, request.headers)
        taken.append(_Taken(request, calls.count))
    for _ in range(ROUNDS):
        for one in taken:
            began = time.process_time()
            await send(app, one.request.body, one.request.headers)
            one.seconds.append(time.process_time() - began)
    return taken


def _print(what: str, taken: list[_Taken]) -> None:
    print(f"\n{what}, CPU ms (least and median of {ROUNDS}) and calls of functions")
    is_short = len(taken) < FEW
    shown = [one for place, one in enumerate(taken) if is_short or place == 0 or one.median > MOST_SECONDS / 5]
    for one in sorted(shown, key=lambda one: -one.median):
        print(f"  {one.request.name:<46} {min(one.seconds) * 1000:6.2f} {one.median * 1000:6.2f} {one.calls:>8}")
    over = [one.request.name for one in taken if one.median > MOST_SECONDS]
    print(f"  {len(taken)} requests, over {MOST_SECONDS * 1000:.0f} ms: {', '.join(over) or 'none'}")


if __name__ == "__main__":
    asyncio.run(run())
