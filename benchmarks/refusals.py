"""Hostile requests: CPU time until each is refused, beside a small query that is answered."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from cuepoint.config import load_settings
from cuepoint.db.session import Database, create_engine
from tests.support.database import TEMPLATE, prepare_template
from tests.support.hostile_requests import ECHO, HOSTILE, send
from tests.support.stack import shared_stack
from tests.support.web import Web, running_web

ROUNDS = 15
MOST_SECONDS = 0.005


async def run() -> None:
    """Print the dearest ten, through the whole endpoint without a network."""
    with tempfile.TemporaryDirectory(prefix="cuepoint-bench-") as folder:
        directory = Path(folder)
        with shared_stack(directory) as stack:
            await prepare_template(stack, directory)
            url = stack.database_server_url(TEMPLATE)
            values = {"CUEPOINT_HOME": folder, "CUEPOINT_DATABASE_URL": url, "CUEPOINT_REDIS_URL": stack.redis_url()}
            db = Database(create_engine(url))
            async with running_web(load_settings(values), db) as web:
                await _measure(web)
            await db.close()


async def _measure(web: Web) -> None:
    floor = await _seconds(web, json.dumps({"query": ECHO}).encode(), {})
    took = {hostile.name: await _seconds(web, hostile.body, hostile.headers) for hostile in HOSTILE}
    print(f"\nrefused requests, CPU ms (median of {ROUNDS}); a small query that is answered: {floor * 1000:.2f}")
    for name, seconds in sorted(took.items(), key=lambda item: -item[1])[:10]:
        print(f"  {name:<40} {seconds * 1000:6.2f}  {seconds / floor:5.1f}x")
    over = [name for name, seconds in took.items() if seconds > MOST_SECONDS]
    print(f"  {len(took)} requests, over {MOST_SECONDS * 1000:.0f} ms: {', '.join(over) or 'none'}")


async def _seconds(web: Web, body: bytes, headers: Mapping[str, str]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        await send(web.app, body, headers)
        times.append(time.process_time() - began)
    return statistics.median(times)
