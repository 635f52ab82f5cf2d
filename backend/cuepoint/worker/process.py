"""One worker process put together: its pools, its loops, its lease, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from uuid import UUID

from cuepoint.adapters.bundle import Adapters
from cuepoint.config import Settings
from cuepoint.db.session import Database, create_engine
from cuepoint.features.jobs.announce import control_channel, dispatcher
from cuepoint.features.jobs.claims import Claimed, Outcome
from cuepoint.features.jobs.context import TaskBody
from cuepoint.features.jobs.leases import Renewal, drain_worker, register_worker, remove_worker
from cuepoint.features.jobs.models import JobKind
from cuepoint.features.jobs.statements import DATABASE_ERRORS
from cuepoint.features.quotas.metering import metering
from cuepoint.processes.endless import end
from cuepoint.worker.announcer import Announcer
from cuepoint.worker.attempt import Attempt, Attempts, StopReason
from cuepoint.worker.connections import Connections
from cuepoint.worker.executor import DurableWorker
from cuepoint.worker.fetcher import Fetcher
from cuepoint.worker.finisher import Finisher
from cuepoint.worker.identity import Identity, slots_of, worker_info
from cuepoint.worker.job_log import AttemptLog, masking
from cuepoint.worker.lease import LeaseThread
from cuepoint.worker.log_writer import LogWriter
from cuepoint.worker.progress_writer import ProgressWriter
from cuepoint.worker.queue import DurableQueue
from cuepoint.worker.runner import Runner
from cuepoint.worker.ticker import Ticker, temp_root

FALLBACK_REDIS = "redis://127.0.0.1:6379/0"  # SAQ wants an address; without a Redis nothing is ever sent there
STILL_RUNNING_SECONDS = 1.0  # before a job is claimed again whose former attempt has yet to stop
LAST_WORDS_SECONDS = 5.0  # for saying goodbye to a Postgres or Redis that may be away

_log = logging.getLogger(__name__)


class WorkerProcess:
    """Runs until `drain` is called, once per instance. `hooks` go to SAQ's worker."""

    def __init__(
        self,
        settings: Settings,
        adapters: Adapters,
        bodies: Mapping[JobKind, TaskBody],
        *,
        on_hopeless: Callable[[int], object] = os._exit,
        **hooks: Any,
    ) -> None:
        if settings.database_url is None:
            raise ValueError("a worker needs CUEPOINT_DATABASE_URL")
        self._settings = settings
        self._adapters = adapters
        self._on_hopeless = on_hopeless
        self._database_url = settings.database_url.get_secret_value()
        self._slots = slots_of(settings)
        self._kinds = sorted(kind.value for kind in bodies)
        self._identity = Identity()
        self._attempts = Attempts()
        self._announcer = Announcer(dispatcher(adapters.live))
        self._connections = Connections(self._database_url)
        self._db = Database(
            create_engine(
                self._database_url, pool_size=settings.database_pool_size, application_name="cuepoint worker"
            ),
            self._announcer.dispatch,
            info=metering(settings),
        )
        self._finisher = Finisher(self._connections, self._attempts, self._announcer)
        self._logs = LogWriter(self._connections, self._attempts)
        self._masked = masking(settings)
        self._runner = Runner(
            bodies=bodies,
            adapters=adapters,
            db=self._db,
            settings=settings,
            attempts=self._attempts,
            finisher=self._finisher,
            logs=self._logs,
        )
        redis_url = settings.redis_url.get_secret_value() if settings.redis_url else FALLBACK_REDIS
        self.queue: DurableQueue = DurableQueue.from_url(redis_url, name="cuepoint")  # type: ignore[assignment]
        self._fetcher = Fetcher(
            self._connections,
            adapters.live,
            self._identity,
            self._slots,
            kinds=self._kinds,
            poll_seconds=settings.poll_seconds,
            take=self._take,
            begin=self.queue.put,
            tell=self._announcer.put,
            give_back=self._give_back,
        )
        self.queue.bind(self._db, self._finisher, self._fetcher.free)
        self._executor = DurableWorker(
            self.queue,
            functions=[(kind, self._run_job) for kind in self._kinds],
            slots=sum(self._slots.values()),
            attempts=self._attempts,
            drain_seconds=settings.drain_seconds,
            stop_seconds=settings.stop_seconds,
            before_drain=self._before_drain,
            id=str(self._identity.worker_id),
            **hooks,
        )
        self._temp_root = temp_root(settings)
        self._returning: set[asyncio.Task[None]] = set()
        self._died: BaseException | None = None
        self._registering: asyncio.Task[None] | None = None

    @property
    def worker_id(self) -> UUID:
        """The id under which it claims now."""
        return self._identity.worker_id

    def drain(self) -> None:
        """Claim nothing more and end when the running jobs have; a second call gives them back at once."""
        if self._executor.event.is_set():
            self._executor.hurry.set()
        self._executor.event.set()
        self._fetcher.stop()  # at once: a slot that becomes free from now on takes nothing more

    async def run(self) -> None:
        """Work until drained. Waits for Postgres for as long as it is away."""
        await self._connections.open()
        lease = self._lease_thread()
        ticker = Ticker(self._settings, self._connections, self._db, self._announcer, may_reap=lease.may_reap)
        progress = ProgressWriter(self._connections, self._adapters.live, self._attempts)
        loops = {
            "finisher": self._finisher.run(),
            "announcer": self._announcer.run(),
            "progress": progress.run(),
            "logs": self._logs.run(),
            "ticker": ticker.run(),
            "obey": self._obey(),
            "fetcher": self._fetcher.run(),
        }
        await self._register()
        lease.start()
        tasks = [asyncio.create_task(self._guarded(loop), name=name) for name, loop in loops.items()]
        try:
            await self._execute()
            await self._finisher.wait_idle()
        finally:
            await end(tasks)
            lease.finish()
            await self._leave()
            await asyncio.to_thread(lease.join)
        if self._died is not None:
            raise self._died

    async def _execute(self) -> None:
        """SAQ's `start` makes a fresh event; a drain that was asked for before must not be lost."""
        was_drained = self._executor.event.is_set()
        starting = asyncio.create_task(self._executor.start())
        await asyncio.sleep(0)
        if was_drained:
            self._executor.event.set()
        await starting

    async def _guarded(self, loop: Coroutine[Any, Any, None]) -> None:
        """A loop that dies takes the process along: half a worker is worse than none."""
        try:
            await loop
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - kept, and raised again at the end of `run`
            _log.critical("A loop of the worker has died; ending", exc_info=True)
            self._died = error
            self.drain()

    def _take(self, claimed: Claimed) -> Attempt | None:
        """None: an attempt of the same job still runs here. Two would share a fence or a directory."""
        log, min_free_bytes = AttemptLog(self._masked), self._settings.min_free_bytes
        attempt = Attempt(claimed, self._temp_root, log, min_free_bytes=min_free_bytes)
        former = self._attempts.get(claimed.fence.job_id)
        if former is None or (former.is_over and former.fence != claimed.fence):
            self._attempts.add(attempt)
            return attempt
        if former.fence != claimed.fence or former.is_over or former.stop_reason is not None:
            returning = asyncio.create_task(
                self._finisher.end(attempt, Outcome.RELEASE, delay_seconds=STILL_RUNNING_SECONDS)
            )
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)
        return None  # else a crash of Postgres forgot that it was claimed, and now it is again

    async def _give_back(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            attempt.is_over = True  # all of them before Postgres is asked: nobody waits for their bodies
        await asyncio.gather(*(self._finisher.end(attempt, Outcome.RELEASE) for attempt in attempts))

    async def _run_job(self, context: dict[str, Any]) -> None:
        await self._runner.run(self.queue.attempt_of(context["job"]))

    async def _register(self) -> None:
        """A worker row of the current id."""
        worker_id, settings = self._identity.worker_id, self._settings
        info = {"slots": dict(self._slots), "kinds": self._kinds, "lease_seconds": settings.lease_seconds}
        await self._connections.persistently(
            lambda s: register_worker(
                s, worker_id, lanes=list(self._slots), info=worker_info() | info, lease_seconds=settings.lease_seconds
            )
        )
        self._executor.id = str(worker_id)
        _log.info("Worker %s serves %s", worker_id, ", ".join(f"{k} {v}" for k, v in self._slots.items()))

    def _lease_thread(self) -> LeaseThread:
        return LeaseThread(
            self._settings,
            self._database_url,
            self._identity,
            self._attempts,
            loop=asyncio.get_running_loop(),
            outages=self._connections.outages,
            on_renewal=self._on_renewal,
            on_hopeless=self._on_hopeless,
        )

    def _on_renewal(self, worker_id: UUID, renewal: Renewal) -> None:
        if worker_id != self._identity.worker_id:
            return
        self._attempts.stop(renewal.cancelled, StopReason.CANCELLED)
        if renewal.is_draining and not self._executor.event.is_set():
            _log.info("An administrator drains this worker")
            self.drain()
        for job_id in renewal.gone:
            attempt = self._attempts.get(job_id)
            if attempt is not None and attempt.is_missed_again():
                attempt.stop(StopReason.LOST)
        if not renewal.is_alive and not self._executor.event.is_set():
            _log.warning("This worker was declared lost; it starts over under a new id")
            self._attempts.stop_all(StopReason.LOST)
            self._identity.renew()
            self._registering = asyncio.create_task(self._register())

    async def _obey(self) -> None:
        """Stop what was cancelled the moment the word comes; without Redis the lease brings it."""
        while True:
            changed = self._identity.changed
            listening = asyncio.create_task(self._listen(self._identity.worker_id))
            waiting = asyncio.create_task(changed.wait())
            try:
                await asyncio.wait([listening, waiting], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end([listening, waiting])

    async def _listen(self, worker_id: UUID) -> None:
        async with self._adapters.live.subscribe([control_channel(worker_id)]) as messages:
            async for _, payload in messages:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    word = json.loads(payload)
                    attempt = self._attempts.get(UUID(word["cancel"]))
                    if attempt is not None and attempt.fence.attempt == word["attempt"]:
                        attempt.stop(StopReason.CANCELLED)

    async def _before_drain(self) -> None:
        _log.info("Worker %s drains", self._identity.worker_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._connections.persistently(lambda s: drain_worker(s, self._identity.worker_id))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._fetcher.ended()

    async def _leave(self) -> None:
        with contextlib.suppress(TimeoutError, *DATABASE_ERRORS):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._give_back([attempt for attempt in self._attempts.all() if not attempt.has_begun])
                await self._announcer.flush()
                await self._connections.persistently(lambda s: remove_worker(s, self._identity.worker_id))
        await self.queue.disconnect()
        await self._connections.close()
        await self._db.close()
