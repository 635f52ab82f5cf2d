"""Entry of a worker process: settings in, exit code out. SIGTERM drains, a second one gives running jobs back now."""

from __future__ import annotations

import asyncio
import logging
import signal

from cuepoint.adapters.bundle import build_adapters
from cuepoint.config import Settings
from cuepoint.processes.garbage import freeze_garbage
from cuepoint.worker.identity import slots_of
from cuepoint.worker.process import WorkerProcess
from cuepoint.worker.registry import RegistryError, task_bodies

EXIT_MISCONFIGURED = 2  # the supervisor does not restart what ends so

_log = logging.getLogger(__name__)


async def run_worker(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; 0 after an orderly end."""
    try:
        bodies = task_bodies()
    except RegistryError as error:
        _log.critical("%s", error)
        return EXIT_MISCONFIGURED
    if not slots_of(settings):
        _log.critical("This worker would do nothing: CUEPOINT_WORKER_SLOTS_<LANE> is 0 for all CUEPOINT_WORKER_LANES")
        return EXIT_MISCONFIGURED
    adapters = build_adapters(settings)
    process = WorkerProcess(settings, adapters, bodies)
    freeze_garbage()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.drain)
    try:
        await process.run()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        await adapters.close()
    return 0
