"""What a boxed child can and cannot do; each denial is tried outside of the box too, where it must succeed."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
import uvloop

from cuepoint.processes import landlock, sandbox, seccomp
from cuepoint.processes.child import ChildLimits, ChildResult, run_child
from cuepoint.processes.sandbox import Box, Protections
from tests.support.media import make_wav

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def landlock_version() -> int:
    try:
        return landlock.abi()
    except OSError:
        return 0


needs_landlock = pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(seccomp.box_filter() is None, reason="no system call numbers for this processor")
# PR_SET_NO_NEW_PRIVS: without it an ordinary user's process may not take a filter on.
NO_NEW_PRIVS = "assert ctypes.CDLL(None).prctl(38, 1, 0, 0, 0) == 0"
# Starting Python costs 15 ms: all attempts are made by one child, and looked up by their names.
ATTEMPTS = """
import ctypes, json, os, signal, socket, sys, threading
other, own, descriptor, stray = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)
said = {}
def attempt(name, action, *arguments):
    try:
        action(*arguments)
        said[name] = "done"
    except OSError as error:
        said[name] = type(error).__name__
def fork():
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)
def syscall(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")
def thread():
    worker = threading.Thread(target=lambda: None)
    worker.start()
    worker.join()
def rewrite():
    with open(own, "r+b") as file:
        file.truncate(0)
        file.write(b"changed")
attempt("read another file", open, other)
attempt("write another file", open, other, "a")
attempt("list a folder", os.listdir, os.path.dirname(other))
attempt("make a file", open, other + ".new", "w")
attempt("make a folder", os.mkdir, other + ".folder")
attempt("remove a file", os.unlink, other + ".spare")
attempt("rename a file", os.rename, other + ".old", other + ".renamed")
attempt("link a file", os.link, other, other + ".link")
attempt("change a mode", os.chmod, other, 0o644)
attempt("open a socket", lambda: socket.socket().close())
attempt("open a local socket", lambda: [end.close() for end in socket.socketpair()])
attempt("start a process", fork)
attempt("signal the parent", os.kill, os.getppid(), 0)
attempt("change the parent's limits", syscall, int(sys.argv[5]), os.getppid(), 7, None, None)
attempt("use a descriptor not passed on", os.fstat, stray)
attempt("use a descriptor", os.pread, descriptor, 1, 0)
attempt("write its own file", rewrite)
attempt("start a thread", thread)
attempt("import a library", __import__, "av")
print(json.dumps(said), flush=True)
"""
DENIED = {
    "read another file": "PermissionError",
    "write another file": "PermissionError",
    "list a folder": "PermissionError",
    "make a file": "PermissionError",
    "make a folder": "PermissionError",
    "remove a file": "PermissionError",
    "rename a file": "PermissionError",
    "link a file": "PermissionError",
    "change a mode": "PermissionError",
    "open a socket": "PermissionError",
    "open a local socket": "PermissionError",
    "start a process": "PermissionError",
    "signal the parent": "PermissionError",
    "change the parent's limits": "PermissionError",
    "use a descriptor not passed on": "OSError",
}
ALLOWED = ("use a descriptor", "write its own file", "start a thread", "import a library")
# Only Landlock knows which file is meant.
BY_LANDLOCK = ("read another file", "write another file", "list a folder", "make a file")


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner.run


def attempts(run: Run, folder: Path, *, boxed: bool) -> tuple[dict[str, str], list[Protections]]:
    """What the child said of its attempts, and what was said of its box."""
    folder.mkdir()
    other, own = folder / "other", folder / "own"
    for name in ("other", "own", "other.spare", "other.old"):
        (folder / name).write_text(name)
    seen: list[Protections] = []
    with own.open("rb") as passed, other.open("rb") as stray:
        os.set_inheritable(stray.fileno(), True)
        numbers = [str(passed.fileno()), str(stray.fileno()), str(seccomp._PRLIMIT[seccomp._machine() or 0])]
        result: ChildResult = run(
            run_child(
                [sys.executable, "-c", ATTEMPTS, str(other), str(own), *numbers],
                timeout=30,
                pass_fds=(passed.fileno(),),
                limits=ChildLimits(),
                box=Box.writing(own) if boxed else None,
                on_box=seen.append,
            )
        )
    assert result.returncode == 0, result.stderr
    said: dict[str, str] = json.loads(result.stdout)
    return said, seen


@needs_seccomp
class TestBox:
    @needs_landlock
    def test_denies_all_but_its_descriptors_and_its_file(self, run: Run, tmp_path: Path) -> None:
        said, seen = attempts(run, tmp_path / "box", boxed=True)

        assert said == DENIED | dict.fromkeys(ALLOWED, "done")
        assert (tmp_path / "box/own").read_bytes() == b"changed"
        assert (tmp_path / "box/other").read_text() == "other"
        assert sorted(p.name for p in (tmp_path / "box").iterdir()) == ["other", "other.old", "other.spare", "own"]
        assert seen == [Protections(("rlimits", "no_new_privs", f"landlock {landlock_version()}", "seccomp"))]

    def test_outside_of_it_every_attempt_succeeds(self, tmp_path: Path) -> None:
        with asyncio.Runner() as runner:
            said, seen = attempts(runner.run, tmp_path / "box", boxed=False)

        stray = "use a descriptor not passed on"  # asyncio closes it, uvloop does not
        assert said | {stray: "done"} == dict.fromkeys([*DENIED, *ALLOWED], "done")
        assert seen == []

    @needs_landlock
    def test_ffmpeg_opens_no_name(self, run: Run, tmp_path: Path) -> None:
        source, target = make_wav(tmp_path / "a.wav", seconds=1), tmp_path / "out.wav"
        argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-i", f"file:{source}", f"file:{target}"]

        inside = run(run_child(argv, timeout=30, limits=ChildLimits(), box=Box.writing(target)))
        made_inside = target.stat().st_size
        outside = run(run_child(argv, timeout=30, limits=ChildLimits()))

        assert inside.returncode != 0
        assert "Error opening input files: Permission denied" in inside.stderr
        assert made_inside == 0
        assert (outside.returncode, target.stat().st_size > 30_000) == (0, True)

    def test_a_program_that_has_started_can_be_the_last(self, run: Run) -> None:
        code = (
            "import ctypes, os\nfrom cuepoint.processes.seccomp import forbid_programs\n"
            f"{NO_NEW_PRIVS}\nassert forbid_programs()\n"
            "try:\n    os.execv('/bin/true', ['true'])\nexcept PermissionError:\n    print('denied')"
        )

        result = run(run_child([sys.executable, "-c", code], timeout=30))

        assert (result.stdout, result.stderr) == (b"denied\n", "")

    def test_who_is_told_can_forbid_the_work(self, run: Run, tmp_path: Path) -> None:
        def forbid(protections: Protections) -> None:
            raise RuntimeError(str(protections.held[0]))

        argv = [sys.executable, "-c", f"import time; time.sleep(0.5); open({str(tmp_path / 'made')!r}, 'w')"]
        with pytest.raises(RuntimeError, match="rlimits"):
            run(run_child(argv, timeout=30, limits=ChildLimits(), box=Box(read=(tmp_path,)), on_box=forbid))

        assert list(tmp_path.iterdir()) == []

    def test_a_program_that_is_missing_is_an_os_error(self, run: Run) -> None:
        with pytest.raises(FileNotFoundError):
            run(run_child(["/no/such/program"], timeout=30, box=Box()))


# A parent whose kernel refuses a layer: our own filter denies the call that would enter it.
REFUSED = f"""
import asyncio, ctypes, sys
from cuepoint.processes import seccomp
from cuepoint.processes.child import ChildLimits, run_child
from cuepoint.processes.sandbox import Box
{NO_NEW_PRIVS}
machine = seccomp._machine()
denied = dict(refused=(int(sys.argv[1]),) * 2)
assert seccomp._filter(machine, seccomp._prologue(machine), denied, None).enter() == 0
argv = [sys.executable, "-c", sys.argv[3], *sys.argv[4:]]
result = asyncio.run(run_child(argv, timeout=30, limits=ChildLimits(), box=Box(), on_box=print))
print(result.stdout.decode() + result.stderr)
"""
LOOK = """
import socket
for name, action in (("file", lambda: open("/etc/passwd")), ("socket", socket.socket)):
    try:
        action()
        print(name, "open")
    except PermissionError:
        print(name, "denied")
"""


@needs_seccomp
@needs_landlock
class TestRefusedLayers:
    @pytest.mark.parametrize(
        ("number", "line", "found"),
        [
            (444, "rlimits, no_new_privs, seccomp (no landlock: the container forbids it)", ["open", "denied"]),
            (446, "rlimits, no_new_privs, seccomp (no landlock: the container forbids it)", ["open", "denied"]),
            (None, "rlimits, no_new_privs, landlock {} (no seccomp: the container forbids it)", ["denied", "open"]),
        ],
        ids=["landlock_create_ruleset", "landlock_restrict_self", "seccomp"],
    )
    def test_the_others_hold_and_it_is_said(self, number: int | None, line: str, found: list[str]) -> None:
        refused = str(seccomp._SECCOMP[seccomp._machine() or 0] if number is None else number)

        done = subprocess.run(
            [sys.executable, "-c", REFUSED, refused, "", LOOK], capture_output=True, text=True, check=False
        )

        said = [line.format(landlock_version()), f"file {found[0]}", f"socket {found[1]}"]
        assert (done.stdout.split("\n")[:3], done.stderr) == (said, "")

    @pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
    def test_an_ordinary_user_has_all_layers(self) -> None:
        code = (
            "import asyncio, os, sys\nfrom cuepoint.processes.child import ChildLimits, run_child\n"
            "from cuepoint.processes.sandbox import Box, Entry, _rules\nlist(_rules(Box(), '/bin/cat'))\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "work = run_child(['/bin/cat', '/etc/passwd'], timeout=30, limits=ChildLimits(), box=Box(), on_box=print)\n"
            "print(asyncio.run(work).stderr)"
        )

        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

        held = f"rlimits, no_new_privs, landlock {landlock_version()}, seccomp"
        assert done.stdout.split("\n")[:2] == [held, "/bin/cat: /etc/passwd: Permission denied"], done.stderr


class TestLogProtections:
    def test_says_each_state_once(self, caplog: pytest.LogCaptureFixture) -> None:
        sandbox._log_once.cache_clear()
        whole, part = (
            Protections(("rlimits", "seccomp")),
            Protections(("rlimits",), {"seccomp": "this kernel has none"}),
        )

        with caplog.at_level(logging.INFO, "cuepoint.processes.sandbox"):
            for protections in (whole, part, whole, part):
                sandbox.log_protections(protections)

        assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
            (logging.INFO, "box: rlimits, seccomp"),
            (logging.WARNING, "box: rlimits (no seccomp: this kernel has none)"),
        ]


class TestSystemCallNumbers:
    def test_no_number_is_named_twice(self) -> None:
        for machine in (0, 1):
            numbers = [pair[machine] for pair in (*seccomp.DENIED.values(), *seccomp.EXEC.values()) if pair[machine]]
            assert len(numbers) == len(set(numbers))

    def test_they_are_those_of_the_kernel_s_headers(self) -> None:
        header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
        if not header.exists():
            pytest.skip("no kernel headers here")
        words = [line.split() for line in header.read_text().splitlines() if line.startswith("#define __NR_")]
        known = {name.removeprefix("__NR_"): int(number) for _, name, number in words}

        listed = {name: pair[0] for name, pair in (seccomp.DENIED | seccomp.EXEC).items() if pair[0] is not None}

        assert {name: known[name] for name in listed if name in known} == {n: listed[n] for n in listed if n in known}
        assert len(set(listed) - set(known)) <= 2  # newer than these headers
