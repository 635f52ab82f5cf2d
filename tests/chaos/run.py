"""`make chaos SEED=n`: real processes are killed, stopped, cut off and starved while jobs run and clients watch.

Afterwards every accepted job is over and has had one effect, every subscriber has been told 1 to n, the invariants of
the job layer hold, and neither a process nor a file is left. The order of faults follows from the seed, what they meet
does not: the same seed may find another fault the next time.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from cuepoint.client import CuepointClient
from cuepoint.db.base import uuid7
from cuepoint.db.session import Database, create_engine
from cuepoint.features.jobs import service
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.statements import DATABASE_ERRORS
from cuepoint.features.projects.models import Project
from cuepoint.graphql.scalars import encode_id
from tests.chaos.watchers import Watcher
from tests.chaos.world import World, hurt, world
from tests.support.jobs import connect, violations
from tests.support.web import make_token

JOBS_PER_SECOND = 8.0
# Once everything runs again, what is left may take as long as it goes on; it is stuck when nothing has changed for so
# long. A machine that is busy with other things makes a run longer, and no violation out of it.
STUCK_SECONDS = 90.0
LONGEST_SECONDS = 900.0  # whatever goes on: jobs that run again and again for ever change something too
SUBSCRIBERS = 50
FEEDS = 5  # of them
CHAIN = (JobKind.PROBE, JobKind.SEGMENTATION, JobKind.EMBEDDING)
LOGS = ("api.log", "supervisor.log", "workers.log")
SHOWN_LINES, SHOWN_CHARACTERS = 15, 400
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass
class Run:
    """One run: what was accepted, who watches, what was done."""

    it: World
    db: Database
    chance: random.Random
    project_id: UUID
    clients: list[CuepointClient]
    accepted: list[UUID] = field(default_factory=list)
    watchers: list[Watcher] = field(default_factory=list)
    watching: list[asyncio.Task[None]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def watch(self, job_id: UUID | None) -> Watcher:
        """A new subscriber."""
        node = None if job_id is None else encode_id("Job", job_id)
        own = random.Random(self.chance.random())
        watcher = Watcher(self.clients, own, encode_id("Project", self.project_id), node)
        self.watchers.append(watcher)
        self.watching.append(asyncio.create_task(watcher.run()))
        return watcher

    async def create(self) -> None:
        """Jobs come, alone and in chains; some are cancelled. What a broken commit has left in doubt is not counted."""
        while True:
            try:
                async with asyncio.timeout(5), self.db.write() as session:
                    made = await self._some(session)
            except (*DATABASE_ERRORS, TimeoutError) as error:
                self.refused.append(type(error).__name__)
            else:
                self.accepted += made
                if len(self.watchers) < SUBSCRIBERS:
                    self.watch(self.chance.choice(made))
            if self.accepted and self.chance.random() < 0.1:
                with suppress(*DATABASE_ERRORS, TimeoutError):
                    async with asyncio.timeout(5), self.db.write() as session:
                        await service.cancel_unchecked(session, [self.chance.choice(self.accepted[-20:])])
            await asyncio.sleep(self.chance.expovariate(JOBS_PER_SECOND / 2))

    async def _some(self, session: Any) -> list[UUID]:
        kinds = CHAIN if self.chance.random() < 0.3 else (self.chance.choice(CHAIN),)
        made: list[UUID] = []
        for kind in kinds:
            job = await service.enqueue(
                session,
                kind,
                project_id=self.project_id,
                args=self._arguments(),
                depends_on=[(made[-1], True)] if made else [],
                priority=self.chance.randint(0, 10),
                timeout_seconds=20,
            )
            made.append(job.id)
        return made

    def _arguments(self) -> dict[str, Any]:
        chance = self.chance
        fails = chance.choices(["", "once", "disk", "never again"], [80, 10, 6, 4])[0]
        return {
            "seconds": round(chance.choice([0.0, 0.05, 0.3, 1.0, 1.8]), 2),
            "looks": chance.random() < 0.5,
            "child": chance.random() < 0.2,
            "effect": chance.random() < 0.7,
            "fails": fails,
        }


async def chaos(seed: int, seconds: float, *, outage_seconds: float = 6.0) -> list[str]:
    """One run; what was violated, by name."""
    chance = random.Random(seed)
    async with world() as it:
        db = Database(create_engine(it.database_url, pool_size=5, application_name="chaos"))
        try:
            run = await _prepared(it, db, chance)
            await _hurting(run, seconds, outage_seconds)
            await it.heal()
            found = await _judged(run)
            if found:
                _show_logs(it)
            for client in run.clients:
                await client.http.aclose()
            return found
        finally:
            await db.close()


async def _prepared(it: World, db: Database, chance: random.Random) -> Run:
    project_id = uuid7()
    async with db.write() as session:
        session.add(Project(id=project_id, name="Chaos", description=""))
    _, token = await make_token(db, is_admin=True)
    clients = [CuepointClient(f"http://127.0.0.1:{port}", token) for port in it.ports]
    run = Run(it, db, chance, project_id, clients)
    feeds = [run.watch(None) for _ in range(FEEDS)]
    assert await _settled(_listening(feeds)), "no feed has begun"
    return run


def _listening(feeds: Sequence[Watcher]) -> Callable[[], Awaitable[tuple[bool, Any]]]:
    async def look() -> tuple[bool, Any]:
        begun = sum(feed.after is not None for feed in feeds)
        return begun == len(feeds), begun

    return look


async def _settled(look: Callable[[], Awaitable[tuple[bool, Any]]]) -> bool:
    """Whether it came to be so. `look` says whether it is, and something that changes as long as it is on its way."""
    end = time.monotonic() + LONGEST_SECONDS
    stuck, last = time.monotonic() + STUCK_SECONDS, None
    while time.monotonic() < min(stuck, end):
        is_so, signs = await look()
        if is_so:
            return True
        if signs != last:
            stuck, last = time.monotonic() + STUCK_SECONDS, signs
        await asyncio.sleep(0.2)
    return False


async def _hurting(run: Run, seconds: float, outage_seconds: float) -> None:
    creating = asyncio.create_task(run.create())
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            await asyncio.sleep(run.chance.uniform(0.3, 2.0))
            await hurt(run.it, run.chance, run.log, outage_seconds=outage_seconds)
    finally:
        creating.cancel()
        with suppress(asyncio.CancelledError):
            await creating  # what broke it breaks the run


async def _judged(run: Run) -> list[str]:
    found = await _unfinished(run)
    async with connect(run.it.database_url) as sql:
        found += await violations(sql)
        found += await _effects(run, sql)
        rows = await sql.fetch("select id, seq from jobs where project_id = $1", run.project_id)
        last = {encode_id("Job", UUID(int=row["id"].int)): row["seq"] for row in rows}
        found += await _told(run, last)
    found += await _left(run)
    return found


async def _unfinished(run: Run) -> list[str]:
    """Wait for all that was accepted; what is still there after the time is a violation."""
    # What the clock asks for meanwhile - the removal of files, say - none of these workers knows.
    waiting = "select id, status, kind, seq, progress from jobs where status <> all($1) and kind = any($2) order by id"
    kinds = [kind.value for kind in CHAIN]
    async with connect(run.it.database_url) as sql:

        async def look() -> tuple[bool, Any]:
            rows = await sql.fetch(waiting, list(FINAL), kinds)
            return not rows, [tuple(row) for row in rows]

        await _settled(look)
        rows = await sql.fetch(waiting, list(FINAL), kinds)
        known = {UUID(int=row["id"].int) for row in await sql.fetch("select id from jobs")}
        counts = Counter(row["status"] for row in await sql.fetch("select status from jobs"))
        lost = [f"accepted, and not there any more: {one}" for one in run.accepted if one not in known]
    faults, refused = dict(Counter(run.log)), dict(Counter(run.refused))
    sys.stdout.write(f"{len(known)} jobs: {dict(counts)}; faults: {faults}; not accepted: {refused}\n")
    return lost + [f"not over: {row['kind']} {row['id']} is {row['status']}" for row in rows]


_WRONG_EFFECTS = """
select j.id, j.status, count(e.job_id) as effects from jobs j left join effects e on e.job_id = j.id
where j.args ? 'effect' group by j.id
having count(e.job_id) <> (j.status = 'SUCCEEDED' and (j.args ->> 'effect')::boolean)::integer
"""
_SUCCEEDED_TWICE = """
select job_id from job_events where type = 'SUCCEEDED' group by job_id having count(*) > 1
"""


async def _effects(run: Run, sql: Any) -> list[str]:
    wrong = [f"{row['effects']} effects of {row['id']}, {row['status']}" for row in await sql.fetch(_WRONG_EFFECTS)]
    return wrong + [f"succeeded twice: {row['job_id']}" for row in await sql.fetch(_SUCCEEDED_TWICE)]


async def _told(run: Run, last: dict[str, int]) -> list[str]:
    """Every subscriber of a job ends by itself; those of the project have what there is after a moment."""
    for watcher in run.watchers:
        watcher.is_steady = True

    async def look() -> tuple[bool, Any]:
        told = [len(numbers) for watcher in run.watchers for numbers in watcher.told.values()]
        return not any(w.violations(last) for w in run.watchers), told

    await _settled(look)
    for task in run.watching:
        task.cancel()
    ends = await asyncio.gather(*run.watching, return_exceptions=True)
    broken = [f"a subscriber broke: {end!r}" for end in ends if isinstance(end, Exception)]
    return broken + [words for watcher in run.watchers for words in watcher.violations(last)]


async def _left(run: Run) -> list[str]:
    """Processes and files that nobody needs any more. A worker sweeps files when it starts, and every minute."""
    temp = run.it.folder / "home" / "tmp"
    await run.it.end_workers()
    await run.it.start_workers()

    async def look() -> tuple[bool, Any]:
        files = _files(temp)
        return not files, len(files)

    await _settled(look)
    await run.it.end_workers()
    apis = {api.pid for api in run.it.apis.values()}
    left = [p for p in run.it.own_processes() if p.pid not in apis]
    orphans = [f"an orphan process: {' '.join(process.cmdline())}" for process in left]
    files = [str(path.relative_to(temp)) for path in _files(temp)]
    return orphans + [f"a file is left: {name}" for name in files]


def _show_logs(it: World) -> None:
    """The ends of the logs: a violation without them says little."""
    for name in LOGS:
        path = it.folder / name
        lines = path.read_text(errors="replace").splitlines()[-SHOWN_LINES:] if path.exists() else []
        sys.stdout.write("".join(f"{name}: {line[:SHOWN_CHARACTERS]}\n" for line in lines))


def _files(folder: Path) -> list[Path]:
    return list(folder.rglob("*")) if folder.exists() else []


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--outage", type=float, default=40.0, help="seconds that Postgres stays away when it does")
    options = parser.parse_args()
    began = time.monotonic()
    found = asyncio.run(chaos(options.seed, options.seconds, outage_seconds=options.outage))
    for words in found:
        sys.stdout.write(f"VIOLATED: {words}\n")
    verdict = f"{len(found)} violations" if found else "no violation"
    sys.stdout.write(f"seed {options.seed}: {verdict} after {time.monotonic() - began:.0f} s\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
