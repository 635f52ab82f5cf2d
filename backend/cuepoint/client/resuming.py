"""A subscription over broken connections: it goes on behind the last event, on whichever server answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from cuepoint.client.errors import GraphQLFailure, RequestFailure
from cuepoint.client.http import CuepointClient

RETRY_SECONDS = 0.5
OUTAGES = frozenset({"DATABASE_UNAVAILABLE", "INTERNAL"})  # the server is there, what it needs is not
TRIES = 120  # in a row without a single update: a minute, which a server may take to start again


class Course(Protocol):
    """Where a subscription stands."""

    after: Any  # what to pass as `after` to go on

    def note(self, update: Mapping[str, Any]) -> bool:
        """The update was told; True if it was the last."""


async def resumed(
    client: CuepointClient, document: str, variables: Mapping[str, Any], course: Course
) -> AsyncGenerator[dict[str, Any], None]:
    """Updates of a subscription to one field that takes `$after`, to its last one.

    Raises RequestFailure when the server stays away, GraphQLFailure when it refuses.
    """
    failures = 0
    while True:
        try:
            async with aclosing(client.subscribe(document, {**variables, "after": course.after})) as answers:
                async for data in answers:
                    failures = 0
                    [update] = data.values()
                    is_last = course.note(update)
                    yield update
                    if is_last:
                        return
            failures += 1  # it was not the last: the server stops
        except (RequestFailure, GraphQLFailure) as failure:
            failures += 1
            is_refused = isinstance(failure, GraphQLFailure) and not OUTAGES.issuperset(failure.codes)
            if is_refused or failures >= TRIES:
                raise
        if failures >= TRIES:
            raise RequestFailure(f"the server ended the subscription {failures} times without an update")
        await asyncio.sleep(RETRY_SECONDS)
