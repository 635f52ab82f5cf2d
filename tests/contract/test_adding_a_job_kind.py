"""docs/adding-a-job-kind.md is followed block by block in a copy of the repository, and what comes out runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cuepoint.db.revision import newest_revision

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/adding-a-job-kind.md"
COPIED = ("backend", "tests/support", "tests/conftest.py", "pyproject.toml")
# A block, and the words before it that say where it belongs: a new file, or below or in place of a line of one.
BLOCK = re.compile(r"(?P<words>(?:(?!```).)*?)```python\n(?P<code>.*?)```", re.DOTALL)
NEW_FILE = re.compile(r"[Nn]ew file `(?P<path>[^`]+)`")
EDIT = re.compile(r"In `(?P<path>[^`]+)`, (?P<how>below|in place of) `(?P<line>[^`]+)`")
SECONDS = 120.0


@dataclass(frozen=True)
class Step:
    """One block of the page: the file, the line that it refers to (None = a new file), and the code."""

    path: str
    line: str | None
    is_replacement: bool
    code: str

    def apply(self, root: Path) -> None:
        """Do what the page says."""
        target = root / self.path
        if self.line is None:
            assert not target.exists(), f"{self.path} is there already"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.code)
            return
        text = target.read_text()
        assert text.count(self.line) == 1, f"{self.path} has {text.count(self.line)} times: {self.line}"
        before, after = text.split(self.line)
        kept = "" if self.is_replacement else f"{self.line}"
        rest = after if self.is_replacement else after.split("\n", 1)[1]
        middle = self.code.rstrip("\n") if self.is_replacement else "\n" + self.code
        target.write_text(before + kept + middle + rest)


def steps() -> list[Step]:
    """The blocks of the page, in order."""
    found = []
    for block in BLOCK.finditer(PAGE.read_text()):
        words = block["words"]
        edits, files = list(EDIT.finditer(words)), list(NEW_FILE.finditer(words))
        assert len(edits) + len(files) == 1, f"where does this belong? {block['code'][:60]!r}"
        if files:
            found.append(Step(files[0]["path"], None, is_replacement=False, code=block["code"]))
        else:
            [edit] = edits
            found.append(Step(edit["path"], edit["line"], edit["how"] != "below", block["code"]))
    return found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the page needs, with its steps done."""
    root = tmp_path_factory.mktemp("newcomer")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", "models"))
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, root / name)
    for step in steps():
        Step(
            step.path, step.line, step.is_replacement, step.code.replace("<the version before>", newest_revision())
        ).apply(root)
    return root


class TestThePage:
    def test_names_every_place(self) -> None:
        found = steps()

        assert [step.line is None for step in found].count(True) == 6
        assert {step.path for step in found if step.line is not None} == {
            "backend/cuepoint/features/jobs/models.py",
            "backend/cuepoint/features/jobs/kinds.py",
            "backend/cuepoint/features/jobs/types.py",
            "backend/cuepoint/worker/registry.py",
            "backend/cuepoint/api/schema.py",
        }

    def test_its_own_test_passes(self, copy: Path) -> None:
        path = os.pathsep.join((str(copy / "backend"), str(copy)))
        options = ("-q", "-x", "--tb=short", "-p", "no:cacheprovider", f"--basetemp={copy / 'run'}")

        with (copy / "output").open("w") as output:  # no pipe: the servers, which outlive the run, would hold it
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *options, "tests/features/word_counts"],
                cwd=copy,
                env=os.environ | {"PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=SECONDS,
                check=False,
            )

        said = (copy / "output").read_text()
        assert done.returncode == 0, said[-4000:]
        assert "100%" in said
