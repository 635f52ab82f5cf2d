"""Tests of the job layer against its mutants: `python -m tests.mutants.run [--jobs N] [--tests FILE ...] [NAME ...]`.

Each mutant lives in a copy of the package; the working tree is never touched. Prints who killed whom, and fails if a
mutant survives, if its text is not in the code any more, or if it died of a mistake of its own (SQL that does not run).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import ALL_TESTS, FUNCTIONS, Mutant
from tests.support.database import create_database, drop_database, prepare_template
from tests.support.stack import SharedStack, shared_stack

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "backend/cuepoint"
NEEDED = ("features/jobs", "worker", "support")  # of the tests
# A mutant may loop for ever. So many times what all the tests take on the code as it is, on this machine at this hour:
# a survivor is much quicker than that, however busy the machine is.
LONGEST_TIMES, LONGEST_AT_LEAST_SECONDS = 3.0, 60.0

# The mutant itself is wrong: its text does not run, or the fixture did not.
_OWN_MISTAKE = re.compile(
    r"PostgresSyntaxError|Undefined\w+Error|Ambiguous\w+Error|DatatypeMismatchError|CannotCoerceError"
    r"|IndeterminateDatatypeError|expects \d+ arguments|\bSyntaxError|\bNameError|ImportError|ERROR at setup"
)
_FAILED = re.compile(r"^(?:FAILED|ERROR) tests/(?:features/jobs|worker)/(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant. `killed_by` is the first test that failed."""

    mutant: str
    end: str  # "killed", "SURVIVED", or "WRONG": not run, because of a mistake of its own
    killed_by: str
    seconds: float


def functions_of(text: str) -> list[str]:
    """The functions of the migration, to be put over those of a database."""
    found = re.findall(r"^create (function.*?\$\$;)$", text, re.MULTILINE | re.DOTALL)
    return [f"create or replace {body}" for body in found]


def check_texts(mutants: Sequence[Mutant]) -> None:
    """Raises PatchError if the text of one is not in the code any more."""
    for mutant in mutants:
        mutant.patched((PACKAGE / mutant.file).read_text())


class Runner:
    """Copies of the package, and the servers that their tests share."""

    def __init__(self, stack: SharedStack, directory: Path) -> None:
        self._stack = stack
        self._directory = directory
        self._free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._longest: float | None = None  # seconds; None = whatever it takes

    def make_copies(self, number: int) -> None:
        """One for each mutant at a time, with compiled modules: importing is quick."""
        for i in range(number):
            copy = self._directory / f"copy{i}"
            shutil.copytree(PACKAGE, copy / "backend/cuepoint")
            for name in NEEDED:
                shutil.copytree(ROOT / "tests" / name, copy / "tests" / name)
            shutil.copy(ROOT / "pyproject.toml", copy)
            shutil.copy(ROOT / "tests/mutants/conftest_of_copy.py", copy / "tests/conftest.py")
            self._free.put(copy)

    def judge_healthy(self, tests: Sequence[str]) -> Verdict:
        """The code as it is, which says how long others may take."""
        verdict = self.judge(None, tests)
        self._longest = max(LONGEST_AT_LEAST_SECONDS, LONGEST_TIMES * verdict.seconds)
        return verdict

    def judge(self, mutant: Mutant | None, tests: Sequence[str]) -> Verdict:
        """Run the tests against one mutant; None is the code as it is. One that was not run is tried once more: a
        machine that is busy may have cut a fixture short."""
        copy = self._free.get()
        try:
            with self._changed(copy, mutant):
                verdict = self._run(copy, mutant, tests)
                return self._run(copy, mutant, tests) if verdict.end == "WRONG" else verdict
        finally:
            self._free.put(copy)

    @contextlib.contextmanager
    def _changed(self, copy: Path, mutant: Mutant | None) -> Iterator[None]:
        if mutant is None:
            yield
            return
        original = PACKAGE / mutant.file
        changed = copy / "backend/cuepoint" / mutant.file
        changed.write_text(mutant.patched(original.read_text()))
        try:
            yield
        finally:
            shutil.copy2(original, changed)

    def _run(self, copy: Path, mutant: Mutant | None, tests: Sequence[str]) -> Verdict:
        template = asyncio.run(self._template(copy))
        began = time.monotonic()
        code, output = self._pytest(copy, template, tests)
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):  # autovacuum is in it; the servers go soon
            asyncio.run(drop_database(self._stack, template))
        name = "none" if mutant is None else mutant.name
        seconds = time.monotonic() - began
        if code == 0:
            return Verdict(name, "SURVIVED", "", seconds)
        if code is None:
            return Verdict(name, "killed", f"(ran for more than {self._longest:.0f} s)", seconds)
        failed = _FAILED.search(output)
        if code != 1 or _OWN_MISTAKE.search(output) or not failed:
            return Verdict(name, "WRONG", f"(exit status {code})\n{output[-4000:]}", seconds)
        return Verdict(name, "killed", failed[1], seconds)

    async def _template(self, copy: Path) -> str:
        """A migrated database with the functions of this copy."""
        name = await create_database(self._stack)
        connection = await asyncpg.connect(self._stack.database_server_url(name))
        try:
            for function in functions_of((copy / "backend/cuepoint" / FUNCTIONS).read_text()):
                await connection.execute(function)
        finally:
            await connection.close()
        return name

    def _pytest(self, copy: Path, template: str, tests: Sequence[str]) -> tuple[int | None, str]:
        own = {"MUTANT_STACK": json.dumps(asdict(self._stack)), "MUTANT_TEMPLATE": template}
        path = os.pathsep.join((str(copy / "backend"), str(copy)))
        options = (
            "-x",
            "-rfE",
            "--tb=short",
            "-m",
            "not long",
            "-p",
            "no:cacheprovider",
            "-o",
            "faulthandler_timeout=0",
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=copy,
            env=os.environ | own | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=self._longest)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
        return process.returncode, output


@contextlib.contextmanager
def runner(copies: int) -> Iterator[Runner]:
    """Servers, template and copies, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="mutants") as name, shared_stack(Path(name)) as stack:
        asyncio.run(prepare_template(stack, Path(name)))
        it = Runner(stack, Path(name))
        it.make_copies(copies)
        yield it


def say(line: str) -> None:
    """A line of the table, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def judge_all(mutants: Sequence[Mutant], *, jobs: int, tests: Sequence[str] | None = None) -> bool:
    """Print a line for each mutant; whether all were killed. First the code itself must pass."""
    check_texts(mutants)
    width = max(len(m.name) for m in mutants)
    with runner(jobs) as it, ThreadPoolExecutor(jobs) as pool:
        began = time.monotonic()
        healthy = it.judge_healthy(tests or ALL_TESTS)
        if healthy.end != "SURVIVED":
            say(f"The tests fail on the code as it is: {healthy.killed_by}")
            return False
        say(f"{'(the code as it is)':{width}}  {healthy.seconds:5.1f} s  passes")
        ends: Counter[str] = Counter()
        for verdict in pool.map(lambda m: it.judge(m, tests or m.tests), mutants):
            ends[verdict.end] += 1
            say(f"{verdict.mutant:{width}}  {verdict.seconds:5.1f} s  {verdict.end} {verdict.killed_by}")
    say(f"{ends['killed']} of {len(mutants)} mutants killed in {time.monotonic() - began:.0f} s.")
    return ends["killed"] == len(mutants)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of mutants; none: all of them")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--tests", nargs="+", help="files of tests, instead of each mutant's own")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.names or any(name in m.name for name in options.names)]
    if not chosen:
        parser.error("no mutant has such a name")
    return 0 if judge_all(chosen, jobs=options.jobs, tests=options.tests) else 1


if __name__ == "__main__":
    sys.exit(main())
