"""The supervisor on real processes: restarts, gives up on a wrong setting, and leaves nobody behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from cuepoint.processes.supervisor import FIRST_DELAY_SECONDS, Program, Supervisor, next_delay, stop_on_signals

SLEEPER = ("/bin/sh", "-c", "sleep 1000 & wait")
STUBBORN = ("/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")


class Starts:
    """Collects the process ids that a supervisor reports; `reached(n)` waits for the n-th start."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self._changed = asyncio.Event()

    def __call__(self, pids: Mapping[str, int]) -> None:
        self.pids += [pid for pid in pids.values() if pid not in self.pids]
        self._changed.set()

    async def reached(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.pids) < count:
                self._changed.clear()
                await self._changed.wait()


class TestRun:
    async def test_a_killed_program_comes_back(self) -> None:
        starts, stop = Starts(), asyncio.Event()
        running = asyncio.create_task(Supervisor([Program("one", SLEEPER)], on_change=starts).run(stop))
        await starts.reached(1)

        os.kill(starts.pids[0], signal.SIGKILL)
        await starts.reached(2)
        stop.set()

        assert await running == 0
        assert [pid for pid in starts.pids if psutil.pid_exists(pid)] == []

    async def test_stop_ends_all_with_their_children(self) -> None:
        starts, stop = Starts(), asyncio.Event()
        programs = [Program(name, SLEEPER) for name in ("one", "two")]
        running = asyncio.create_task(Supervisor(programs, on_change=starts).run(stop))
        await starts.reached(2)
        family: list[psutil.Process] = []
        for _ in range(500):
            family = [child for pid in starts.pids for child in psutil.Process(pid).children()]
            if len(family) == 2:
                break
            await asyncio.sleep(0.01)

        stop.set()

        assert await running == 0
        assert len(family) == 2
        assert psutil.wait_procs(family, timeout=5)[1] == []

    async def test_whoever_ignores_sigterm_is_killed_after_the_grace(self, tmp_path: Path) -> None:
        starts, stop, log = Starts(), asyncio.Event(), tmp_path / "log"
        program = Program("one", STUBBORN, grace_seconds=0.2, log=log)
        running = asyncio.create_task(Supervisor([program], on_change=starts).run(stop))
        await starts.reached(1)
        for _ in range(500):
            if log.exists() and log.read_text() == "ready\n":
                break
            await asyncio.sleep(0.01)

        stop.set()

        assert await running == 0
        assert not psutil.pid_exists(starts.pids[0])
        assert log.read_text() == "ready\n"

    async def test_a_wrong_setting_ends_the_others_and_is_not_tried_again(self) -> None:
        starts = Starts()
        programs = [Program("fine", SLEEPER), Program("wrong", ("/bin/sh", "-c", "exit 2"))]

        code = await Supervisor(programs, on_change=starts).run(asyncio.Event())

        assert code == 2
        assert len(starts.pids) == 2
        assert [pid for pid in starts.pids if psutil.pid_exists(pid)] == []

    async def test_a_program_that_does_not_exist_is_told_at_once(self) -> None:
        with pytest.raises(FileNotFoundError):
            await Supervisor([Program("none", ("/no/such/program",))]).run(asyncio.Event())

    async def test_a_program_that_cannot_be_started_again_is_tried_until_it_can(self, tmp_path: Path) -> None:
        starts, stop, program = Starts(), asyncio.Event(), tmp_path / "program"
        program.write_text("#!/bin/sh\nmv $0 $0.away\n")
        program.chmod(0o700)
        running = asyncio.create_task(Supervisor([Program("one", (str(program),))], on_change=starts).run(stop))
        await starts.reached(1)
        while not (tmp_path / "program.away").exists():  # noqa: ASYNC110  # another process: there is no event
            await asyncio.sleep(0.01)

        await asyncio.sleep(FIRST_DELAY_SECONDS * 1.5)  # the second start has failed
        assert not running.done()
        (tmp_path / "program.away").replace(program)
        await starts.reached(2)
        stop.set()

        assert await running == 0

    async def test_a_descriptor_is_handed_on(self, tmp_path: Path) -> None:
        starts, stop = Starts(), asyncio.Event()
        descriptor = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
        argv = ("/bin/sh", "-c", f"echo hello > /dev/fd/{descriptor}; exit 2")
        try:
            code = await Supervisor([Program("one", argv, pass_fds=(descriptor,))], on_change=starts).run(stop)
        finally:
            os.close(descriptor)

        assert code == 2
        assert (tmp_path / "out").read_text() == "hello\n"


class TestNextDelay:
    def test_doubles_up_to_half_a_minute_until_a_program_has_lived_for_one(self) -> None:
        delays = [0.0]
        for lived in (0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 60.0, 1.0, 60.1, 1.0):
            delays.append(next_delay(delays[-1], lived))

        assert delays[1:] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 0.5, 1.0]


class TestStopOnSignals:
    async def test_sigterm_sets_the_event_instead_of_ending_us(self) -> None:
        async with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(5):
                await stop.wait()

        assert stop.is_set()
