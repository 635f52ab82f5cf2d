"""Random operations on a `Twin`, for the hypothesis machine and the seeded driver alike.

What a step needs it makes itself (a claim before a success), so that most steps do something: a machine whose rules
are mostly refused reaches few transitions. Running jobs are cancelled often, or a missing guard there goes unseen.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from cuepoint.db.base import uuid7
from cuepoint.features.jobs.claims import Outcome
from tests.support.job_model import DEAD, ModelJob, Token
from tests.support.job_twin import ERROR, LANES, PROJECTS, Twin

T = TypeVar("T")
MOST_LIVE = 12  # beyond it jobs rather end than begin: comparisons stay quick


class Dice(Protocol):
    """Where choices come from."""

    def one(self, options: Sequence[T]) -> T:
        """One of them."""
        ...


class SeededDice:
    """Repeats with its seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self, options: Sequence[T]) -> T:
        return self._random.choice(options)


class ListedDice:
    """From numbers drawn before; the first option once they are used up."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = list(reversed(numbers))

    def one(self, options: Sequence[T]) -> T:
        return options[self._numbers.pop() % len(options) if self._numbers else 0]


MOSTLY = (True, True, True, False)
SELDOM = (False, False, False, False, True)


async def create(twin: Twin, dice: Dice) -> None:
    """Mostly with dependencies, some of them dead; keys collide now and then."""
    live = [j.id for j in twin.model.jobs.values() if j.is_live]
    if len(live) > MOST_LIVE:
        return await (finish if twin.live_tokens() else promote)(twin, dice)
    every = list(twin.model.jobs)
    edges: dict[UUID, bool] = {}
    for _ in range(dice.one((0, 0, 0, 1, 1, 2, 3))):
        pool = live if live and dice.one(MOSTLY) else every
        if pool:
            edges[dice.one(pool)] = dice.one(MOSTLY)
    delay = dice.one((None, None, None, None, -1, 20, 100))
    return await twin.create(
        ModelJob(
            id=UUID(int=0),
            created_at=twin.model.now,
            lane=dice.one(("io", "io", "io", "cpu")),
            project_id=dice.one((None, *PROJECTS)),
            priority=dice.one((5, 5, 5, 0, 10)),
            cost=dice.one((30.0, 1.0, 60.0)),
            max_attempts=dice.one((1, 2, 3)),
            max_losses=2,
            run_at=None if delay is None else twin.model.now + timedelta(seconds=delay),
            dedupe_key=dice.one((None, None, "a", "b")),
            system_key=dice.one((None, None, None, None, None, None, None, "s", "t")),
            edges=edges,
        )
    )


async def claim(twin: Twin, dice: Dice) -> None:
    """Mostly by a LIVE worker and for a lane that has something."""
    live = [i for i, w in twin.model.workers.items() if w.state == "LIVE"]
    if not live:
        await twin.register()
        live = [list(twin.model.workers)[-1]]
    worker_id = dice.one(live) if dice.one(MOSTLY) else dice.one([*twin.model.workers, uuid7()])
    if not any(j.status == "QUEUED" for j in twin.model.jobs.values()) and dice.one(MOSTLY):
        await create(twin, dice)
    queued = sorted({j.lane for j in twin.model.jobs.values() if j.status == "QUEUED"})
    await twin.claim(dice.one(queued or LANES), worker_id, dice.one((1, 1, 2, 3)))


async def _token(twin: Twin, dice: Dice) -> Token | None:
    """Mostly live; else stale, or wrong in one part."""
    if not twin.live_tokens():
        await claim(twin, dice)
    live = twin.live_tokens()
    kind = dice.one(("live",) * 7 + ("stale", "attempt", "worker", "job"))
    if not twin.tokens or (kind == "live" and not live):
        return None
    job_id, attempt, worker_id = dice.one(live if live and kind != "stale" else twin.tokens)
    return {
        "attempt": (job_id, attempt + dice.one((-1, 1)), worker_id),
        "worker": (job_id, attempt, dice.one([*twin.model.workers, uuid7()])),
        "job": (dice.one([*twin.model.jobs, uuid7()]), attempt, worker_id),
    }.get(kind, (job_id, attempt, worker_id))


async def progress(twin: Twin, dice: Dice) -> None:
    token = await _token(twin, dice)
    if token:
        await twin.progress(token, dice.one((0.2, 0.5, 0.9)), dice.one((None, "Decoding")), dice.one((None, 7)))


async def succeed(twin: Twin, dice: Dice) -> None:
    """One to all live ones, a stale one among them, the same twice."""
    token = await _token(twin, dice)
    tokens = [token] if token else []
    if dice.one(MOSTLY):
        tokens += twin.live_tokens()[: dice.one((1, 2, 5))]
    if tokens:
        await twin.succeed([(t, {"attempt": t[1]}) for t in tokens])


async def finish(twin: Twin, dice: Dice) -> None:
    token = await _token(twin, dice)
    if token:
        await twin.finish(token, looks=dice.one((True, False)))


async def end_attempt(twin: Twin, dice: Dice) -> None:
    token = await _token(twin, dice)
    if token:
        outcome = dice.one((Outcome.ERROR, Outcome.ERROR, Outcome.ERROR, *Outcome))
        delay = dice.one((0.0, 8.0)) if outcome in (Outcome.ERROR, Outcome.SNOOZE) else 0.0
        await twin.end_attempt(token, outcome, delay, dice.one((None, ERROR)))


async def read(twin: Twin, dice: Dice) -> None:
    if twin.tokens:
        await twin.read(dice.one(twin.tokens))
        token = await _token(twin, dice)
        if token:
            await twin.read(token)


async def cancel(twin: Twin, dice: Dice) -> None:
    """Mostly what others wait for, often what runs."""
    every = list(twin.model.jobs.values())
    running = twin.model.running()
    needed = [j for j in every if j.is_live and any(j.id in d.edges for d in every)]
    pools = [p for p in (running, needed, every) if p]
    if pools:
        ids = [dice.one(dice.one(pools)).id for _ in range(dice.one((1, 1, 1, 2)))]
        await twin.cancel(ids)


async def cancel_running(twin: Twin, dice: Dice) -> None:
    """A cancel is asked, then its worker comes with whatever it has."""
    if not twin.live_tokens():
        await claim(twin, dice)
    if twin.live_tokens():
        token = dice.one(twin.live_tokens())
        await twin.cancel([token[0]])
        step = dice.one((succeed, finish, end_attempt, lost, progress))
        await step(twin, dice)


async def cancel_again(twin: Twin, dice: Dice) -> None:
    """What was cancelled because of a dependency becomes the user's."""
    jobs = [j.id for j in twin.model.jobs.values() if j.cancel_reason == "DEPENDENCY"]
    if jobs and dice.one(MOSTLY):
        await twin.cancel([dice.one(jobs)])
    else:
        await cancel(twin, dice)


async def retry(twin: Twin, dice: Dice) -> None:
    """Mostly what died by itself."""
    dead = [j.id for j in twin.model.jobs.values() if j.status in DEAD]
    roots = [i for i in dead if twin.model.jobs[i].cancel_reason != "DEPENDENCY"]
    pool = roots if roots and dice.one(MOSTLY) else dead or list(twin.model.jobs)
    if pool:
        await twin.retry(dice.one(pool))


async def promote(twin: Twin, dice: Dice) -> None:
    times = [j.run_at for j in twin.model.jobs.values() if j.status == "SCHEDULED" and j.run_at]
    if times and dice.one(MOSTLY):
        until = (dice.one(times) - twin.model.now).total_seconds()
        await twin.advance(max(0.0, until + dice.one((0, 0, -1))))
    await twin.promote()


async def lost(twin: Twin, dice: Dice) -> None:
    """After nothing, an ignored cancel, a lease, or a time-out, with the worker alive or not."""
    await twin.advance(dice.one((0, 10, 11, 15, 16, 115, 116)))
    alive = [i for i, w in twin.model.workers.items() if w.is_alive]
    for worker_id in alive:
        how = dice.one(("renew", "renew", "drain", "silent"))
        if how == "drain":
            await twin.drain(worker_id)
        if how != "silent":
            await twin.renew(worker_id, twin.tokens[-8:])
    await twin.lost()


async def end_worker(twin: Twin, dice: Dice) -> None:
    workers = list(twin.model.workers)
    if workers:
        worker_id = dice.one(workers)
        how = dice.one(("drain", "gone", "forgotten", "renew"))
        if how == "drain":
            await twin.drain(worker_id)
        elif how == "renew":
            await twin.renew(worker_id, twin.tokens)
        else:
            await twin.remove(worker_id, row_too=how == "forgotten")
    await twin.register()


async def pause(twin: Twin, dice: Dice) -> None:
    lane = dice.one(LANES)
    await twin.pause(lane, is_paused=True)
    await claim(twin, dice)
    await twin.pause(lane, is_paused=dice.one(SELDOM))


async def advance(twin: Twin, dice: Dice) -> None:
    await twin.advance(dice.one((1, 5, 30, 600)))


Step = Callable[[Twin, Dice], Awaitable[None]]
# How often, of about 60.
STEPS: dict[Step, int] = {
    create: 12,
    claim: 8,
    progress: 1,
    succeed: 3,
    finish: 2,
    end_attempt: 10,
    read: 1,
    cancel: 2,
    cancel_running: 3,
    cancel_again: 1,
    retry: 7,
    promote: 4,
    lost: 4,
    end_worker: 1,
    pause: 1,
    advance: 1,
}
