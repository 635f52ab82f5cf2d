"""Child processes end with their parent, their task and their deadline, and get no secret; on both event loops."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from cuepoint.errors import AdapterError, ErrorCode
from cuepoint.processes import child as child_module
from cuepoint.processes.child import ChildLimits, child_environment, end_child, python_argv, run_child, start_child

Run = Callable[[Coroutine[Any, Any, Any]], Any]

# A child whose grandchild ignores SIGTERM, and which says the grandchild's id.
STUBBORN_FAMILY = """
import signal, subprocess, sys, time
inner = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
grandchild = subprocess.Popen([sys.executable, "-c", inner], stdout=subprocess.PIPE)
grandchild.stdout.readline()
print(grandchild.pid, flush=True)
"""


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner.run


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_alive(pid: int) -> bool:
    """A zombie that nobody has reaped is not alive."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_until_gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


class TestRunChild:
    def test_gives_stdout_stderr_and_return_code(self, run: Run) -> None:
        code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"

        result = run(run_child(python(code), timeout=30))

        assert (result.returncode, result.stdout, result.stderr, result.timed_out) == (7, b"out\n", "err\n", False)

    def test_stdin_reaches_the_child_whole(self, run: Run) -> None:
        data = b"0123456789" * 100_000

        result = run(run_child(python("import sys; print(len(sys.stdin.buffer.read()))"), timeout=30, stdin=data))

        assert result.stdout == b"1000000\n"

    def test_a_child_that_ignores_its_stdin_is_no_error(self, run: Run) -> None:
        result = run(run_child(python("pass"), timeout=30, stdin=b"x" * 5_000_000))

        assert (result.returncode, result.timed_out) == (0, False)

    def test_lines_arrive_one_by_one(self, run: Run) -> None:
        lines: list[bytes] = []

        result = run(run_child(python("print('a'); print('b')"), timeout=30, on_line=lines.append))

        assert (lines, result.stdout) == ([b"a\n", b"b\n"], b"")

    def test_an_exception_of_on_line_is_raised_and_the_group_is_gone(self, run: Run) -> None:
        pids: list[int] = []

        class StopError(Exception):
            pass

        def stop(line: bytes) -> None:
            pids.append(int(line))
            raise StopError

        with pytest.raises(StopError):
            run(run_child(python(f"{STUBBORN_FAMILY}\ntime.sleep(600)"), timeout=60, on_line=stop))

        assert not is_alive(pids[0])

    def test_the_deadline_ends_the_group(self, run: Run) -> None:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_DFL); print('up', flush=True)\n"

        started = time.monotonic()
        result = run(run_child(python(f"{code}time.sleep(600)"), timeout=0.5))

        assert (result.timed_out, result.returncode) == (True, -signal.SIGTERM)
        assert time.monotonic() - started < 5

    def test_a_cancelled_task_kills_the_whole_group(self, run: Run) -> None:
        pids: list[int] = []

        async def scenario() -> None:
            seen = asyncio.Event()

            def on_line(line: bytes) -> None:
                pids.append(int(line))
                seen.set()

            code = f"{STUBBORN_FAMILY}\ntime.sleep(600)"
            task = asyncio.create_task(run_child(python(code), timeout=60, on_line=on_line))
            await seen.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        run(scenario())

        assert len(pids) == 1
        assert not is_alive(pids[0])

    def test_a_grandchild_that_outlives_its_parent_is_gone_and_holds_nothing_up(self, run: Run) -> None:
        code = STUBBORN_FAMILY.replace("stdout=subprocess.PIPE", "stdout=sys.stdout").replace(
            "grandchild.stdout.readline()\n", ""
        )

        started = time.monotonic()
        result = run(run_child(python(code), timeout=60))
        took = time.monotonic() - started

        pid = next(int(line) for line in result.stdout.split() if line.isdigit())
        assert (result.returncode, result.timed_out) == (0, False)
        assert wait_until_gone(pid)
        assert took < 10

    def test_a_grandchild_in_its_own_session_cannot_hold_the_caller_by_the_pipe(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(child_module, "PIPE_SILENCE_SECONDS", 0.2)
        code = "import subprocess, sys\np = subprocess.Popen(['sleep', '600'], start_new_session=True)\nprint(p.pid)"

        started = time.monotonic()
        result = run(run_child(python(code), timeout=60))
        took = time.monotonic() - started

        os.kill(int(result.stdout), signal.SIGKILL)
        assert (result.returncode, result.timed_out) == (0, False)
        assert took < 10

    def test_stderr_keeps_its_tail(self, run: Run) -> None:
        code = "import sys; sys.stderr.write('x' * 300_000 + 'the end')"

        result = run(run_child(python(code), timeout=30))

        assert len(result.stderr) == child_module.STDERR_TAIL_BYTES
        assert result.stderr.endswith("xthe end")

    def test_stdout_is_capped_and_the_child_is_not_blocked_by_it(self, run: Run) -> None:
        result = run(run_child(python("print('y' * 2_000_000)"), timeout=30, max_stdout_bytes=1000))

        assert (result.returncode, result.stdout) == (0, b"y" * 1000)

    def test_an_endless_line_is_a_typed_error(self, run: Run) -> None:
        code = "import os\nwhile True: os.write(1, b'z' * 65536)"

        with pytest.raises(AdapterError) as caught:
            run(run_child(python(code), timeout=60, on_line=lambda _: None))

        assert caught.value.code is ErrorCode.CHILD_CRASHED

    def test_a_missing_program_is_an_os_error(self, run: Run) -> None:
        with pytest.raises(FileNotFoundError):
            run(run_child(["/no/such/program"], timeout=5))

    def test_secrets_of_the_environment_do_not_reach_the_child(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUEPOINT_OPENAI_API_KEY", "sk-secret")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "also-secret")

        result = run(run_child(python("import os; print(sorted(os.environ))"), timeout=30))

        assert b"PATH" in result.stdout
        assert b"CUEPOINT" not in result.stdout
        assert b"AWS" not in result.stdout

    def test_only_the_named_descriptors_are_inherited(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "given").write_text("given")
        given, kept = os.open(tmp_path / "given", os.O_RDONLY), os.open(tmp_path, os.O_RDONLY)
        code = (
            f"import os\nprint(os.read({given}, 10).decode())\n"
            f"try: os.fstat({kept})\nexcept OSError: print('closed')\nelse: print('open')"
        )
        try:
            result = run(run_child(python(code), timeout=30, pass_fds=(given,)))
        finally:
            os.close(given)
            os.close(kept)

        assert result.stdout == b"given\nclosed\n"

    def test_limits_bound_memory_and_files(self, run: Run, tmp_path: Path) -> None:
        code = (
            "import resource\n"
            "try: bytearray(2 << 30)\nexcept MemoryError: print('no memory')\n"
            f"try:\n with open({str(tmp_path / 'big')!r}, 'wb') as f: f.write(b'x' * 100_000)\n"
            "except OSError as e: print(e.strerror)\n"
            "print(resource.getrlimit(resource.RLIMIT_CPU))\n"
            "print([l for l in open('/proc/self/status') if l.startswith('NoNewPrivs')])"
        )
        limits = ChildLimits(address_space_bytes=1 << 30, cpu_seconds=9, file_bytes=4096)

        result = run(run_child(python(code), timeout=30, limits=limits))

        assert result.stdout.decode().splitlines() == [
            "no memory",
            "File too large",
            "(9, 9)",
            "['NoNewPrivs:\\t1\\n']",
        ]


class TestStartChild:
    def test_a_warm_child_answers_line_by_line_and_is_ended(self, run: Run) -> None:
        code = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)"

        async def scenario() -> tuple[bytes, bytes, int | None]:
            process = await start_child(python(code), stdin=asyncio.subprocess.PIPE)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"one\n")
            first = await process.stdout.readline()
            process.stdin.write(b"two\n")
            second = await process.stdout.readline()
            await end_child(process)
            return first, second, process.returncode

        assert run(scenario()) == (b"ONE\n", b"TWO\n", -signal.SIGTERM)

    def test_a_child_whose_output_nobody_read_is_ended_too(self, run: Run) -> None:
        code = "import os\nwhile True: os.write(1, b'z' * 65536)"

        async def scenario() -> int | None:
            process = await start_child(python(code))
            assert process.stdout is not None
            await process.stdout.read(1)
            await end_child(process)
            return process.returncode

        assert run(scenario()) == -signal.SIGTERM

    def test_ending_while_another_task_reads_gives_that_task_the_end(self, run: Run) -> None:
        async def scenario() -> bytes:
            process = await start_child(python("import time; print('up', flush=True); time.sleep(600)"))
            assert process.stdout is not None
            await process.stdout.readline()
            reader = asyncio.create_task(process.stdout.readline())
            await asyncio.sleep(0)
            await end_child(process)
            return await reader

        assert run(scenario()) == b""

    def test_a_child_that_ignores_term_is_killed(self, run: Run) -> None:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)"

        async def scenario() -> int | None:
            process = await start_child(python(f"{code}\ntime.sleep(600)"))
            assert process.stdout is not None
            await process.stdout.readline()
            await end_child(process, grace=0.1)
            return process.returncode

        assert run(scenario()) == -signal.SIGKILL

    def test_cancelling_the_end_again_and_again_does_not_leave_the_child_behind(self, run: Run) -> None:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)"

        async def scenario() -> int | None:
            process = await start_child(python(f"{code}\ntime.sleep(600)"))
            assert process.stdout is not None
            await process.stdout.readline()
            task = asyncio.create_task(end_child(process, grace=0.3))
            for _ in range(3):
                await asyncio.wait({task}, timeout=0.02)
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return process.returncode

        assert run(scenario()) == -signal.SIGKILL

    def test_ending_twice_is_harmless(self, run: Run) -> None:
        async def scenario() -> int | None:
            process = await start_child(python("pass"))
            await process.wait()
            await end_child(process)
            await end_child(process)
            return process.returncode

        assert run(scenario()) == 0

    @pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends the child of a killed parent on Linux only")
    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def test_a_parent_killed_with_9_takes_the_child_along(self, loop: str) -> None:
        code = f"""
import asyncio, {loop}
from cuepoint.processes.child import start_child
async def main():
    process = await start_child(["sleep", "600"])
    print(process.pid, flush=True)
    await process.wait()
with asyncio.Runner(loop_factory={loop}.new_event_loop) as runner:
    runner.run(main())
"""
        with subprocess.Popen(python(code), stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            alive_before = is_alive(pid)
            parent.kill()

        assert alive_before
        assert wait_until_gone(pid)


class TestChildEnvironment:
    def test_keeps_the_path_and_adds_what_is_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUEPOINT_SECRET_KEY", "x" * 32)
        monkeypatch.setenv("PATH", "/bin")

        environment = child_environment({"EXTRA": "1"})

        assert (environment["PATH"], environment["EXTRA"]) == ("/bin", "1")
        assert "CUEPOINT_SECRET_KEY" not in environment


class TestPythonArgv:
    def test_runs_the_module_without_the_working_directory_on_its_path(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "json.py").write_text("print('shadowed')")

        result = run(run_child(python_argv("json.tool"), timeout=30, cwd=tmp_path, stdin=b"[1]"))

        assert (result.returncode, result.stdout.split()) == (0, [b"[", b"1", b"]"])
