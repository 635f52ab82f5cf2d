"""Keeps the lease from a thread of its own, so that a job that blocks the event loop does not look dead.

The thread also watches: a loop that does not tick is logged with its stacks, and an attempt that ignores its stop, or
blocks the loop beyond its time-out, ends the process - its supervisor starts a new one.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from cuepoint.config import Settings
from cuepoint.db.connecting import connect
from cuepoint.db.outages import Outages
from cuepoint.features.jobs.leases import Renewal, renew
from cuepoint.features.jobs.statements import DATABASE_ERRORS, is_outage, use_json_text
from cuepoint.worker.attempt import Attempts
from cuepoint.worker.identity import Identity

RENEWALS_PER_LEASE = 3
LOOP_SILENT_SECONDS = 60.0
HOPELESS_EXIT_CODE = 70  # EX_SOFTWARE

OnRenewal = Callable[[UUID, Renewal], None]
_log = logging.getLogger(__name__)


class LeaseThread(threading.Thread):
    """Renews and watches until `finish`. Answers reach the main loop through `on_renewal`."""

    def __init__(
        self,
        settings: Settings,
        database_url: str,
        identity: Identity,
        attempts: Attempts,
        *,
        loop: asyncio.AbstractEventLoop,
        outages: Outages,
        on_renewal: OnRenewal,
        on_hopeless: Callable[[int], object],
    ) -> None:
        super().__init__(name="lease", daemon=True)
        self._database_url = database_url
        self._lease_seconds = settings.lease_seconds
        self._stop_seconds = settings.stop_seconds
        self._identity = identity
        self._attempts = attempts
        self._main_loop = loop
        self._outages = outages
        self._on_renewal = on_renewal
        self._on_hopeless = on_hopeless
        self._interval = settings.lease_seconds / RENEWALS_PER_LEASE
        self._finished = threading.Event()
        self._in_touch_since: float | None = None
        self._ticked_at = time.monotonic()
        self._has_logged = False

    def may_reap(self) -> bool:
        """Whether this process has been in touch with Postgres for a whole lease: else, after an outage, the first to
        come back would declare everybody else lost."""
        since = self._in_touch_since
        return since is not None and time.monotonic() - since >= self._lease_seconds

    def finish(self) -> None:
        """End the thread soon."""
        self._finished.set()

    def run(self) -> None:
        """The thread."""
        asyncio.run(self._both())

    async def _both(self) -> None:
        renewing = asyncio.create_task(self._renew_forever())
        pause = min(self._interval, 1.0)
        while not self._finished.is_set():
            self._call_main(self._tick)
            await asyncio.sleep(min(pause, 0.2))
            self._watch()
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)

    async def _renew_forever(self) -> None:
        while True:
            try:
                with self._outages.noticing():  # of a broken connection it may learn long after Postgres is back
                    connection = await connect(
                        self._database_url,
                        timeout=self._interval,
                        command_timeout=self._interval,
                        server_settings={"application_name": "cuepoint lease", "synchronous_commit": "off"},
                    )
                try:
                    await use_json_text(connection)
                    await self._renew_on(connection)
                finally:
                    connection.terminate()
            except DATABASE_ERRORS as error:
                self._in_touch_since = None
                if not is_outage(error):
                    _log.warning("The lease could not be renewed, trying again: %s: %s", type(error).__name__, error)
                await asyncio.sleep(min(self._interval, 0.5))

    async def _renew_on(self, connection: Any) -> None:
        while True:
            worker_id = self._identity.worker_id
            held = [(attempt.fence.job_id, attempt.fence.attempt) for attempt in self._attempts.all()]
            renewal = await renew(connection, worker_id, lease_seconds=self._lease_seconds, held=held)
            if self._in_touch_since is None:
                self._in_touch_since = time.monotonic()
            if not renewal.is_alive or renewal.gone or renewal.cancelled or renewal.is_draining:
                self._call_main(self._on_renewal, worker_id, renewal)
            await asyncio.sleep(self._interval)

    def _tick(self) -> None:
        self._ticked_at = time.monotonic()
        self._has_logged = False

    def _call_main(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            self._main_loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the main loop has been closed: the process is ending
            self._finished.set()

    def _watch(self) -> None:
        now = time.monotonic()
        if now - self._ticked_at > LOOP_SILENT_SECONDS and not self._has_logged:
            self._has_logged = True
            _log.error("The event loop has not run for %d s; the stacks follow", LOOP_SILENT_SECONDS)
            faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        for attempt in self._attempts.all():
            if attempt.is_over:
                continue
            asked = attempt.stop_asked_at if attempt.stop_asked_at is not None else attempt.deadline
            if now - asked > self._stop_seconds:
                _log.critical("Job %s ignores its stop; ending this process", attempt.fence.job_id)
                self._finished.set()
                self._on_hopeless(HOPELESS_EXIT_CODE)
                return
