"""The rules of the house that no other tool checks."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections import Counter
from pathlib import Path

import pytest

import cuepoint.features
from cuepoint.graphql.loaders import LoaderKey

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "backend/cuepoint"
MODULES = sorted(p for p in PACKAGE.rglob("*.py"))
ALL = [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]
FEATURES = sorted(p.name for p in (PACKAGE / "features").iterdir() if (p / "__init__.py").exists())
MAX_LINES = 400


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def opening(path: Path) -> str:
    """The docstring of a module, in one line."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").replace("\n", " ")


class TestModules:
    def test_there_are_many(self) -> None:
        assert len(ALL) > len(MODULES) > 400

    def test_are_at_most_400_lines(self) -> None:
        lengths = {name_of(path): len(path.read_text().splitlines()) for path in ALL}

        assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}

    def test_begin_with_a_sentence_on_what_they_are_for(self) -> None:
        assert [name_of(path) for path in MODULES if not re.match(r".{15,}[.:;]", opening(path))] == []

    def test_have_names_that_say_something(self) -> None:
        empty = {"utils", "helpers", "common", "core", "shared"}

        assert [name_of(path) for path in MODULES if empty & {path.stem, *path.relative_to(ROOT).parts}] == []


class TestTransactions:
    # The unit of work, the worker's own connections, and Alembic's environment.
    ALLOWED = frozenset({"db/session.py", "worker/queue.py", "db/migrations/env.py"})

    def test_only_the_unit_of_work_commits(self) -> None:
        committing = [path for path in MODULES if re.search(r"\.(?:commit|rollback)\(", path.read_text())]

        assert committing
        assert {str(path.relative_to(PACKAGE)) for path in committing} <= self.ALLOWED


class TestResolvers:
    @pytest.mark.parametrize("feature", FEATURES)
    def test_hold_no_try(self, feature: str) -> None:
        for name in ("schema.py", "types.py"):
            path = PACKAGE / "features" / feature / name
            if path.exists():
                tries = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Try)]
                assert tries == []


class TestFeatureLists:
    @pytest.mark.parametrize("feature", FEATURES)
    def test_tables_are_listed(self, feature: str) -> None:
        if (PACKAGE / "features" / feature / "models.py").exists():
            line = f"from cuepoint.features.{feature} import models as {feature}"
            assert line in (PACKAGE / "tables.py").read_text(), f"add to tables.py: {line}"

    @pytest.mark.parametrize("feature", FEATURES)
    def test_tasks_are_listed(self, feature: str) -> None:
        if (PACKAGE / "features" / feature / "tasks.py").exists():
            registry = (PACKAGE / "worker/registry.py").read_text()
            assert f"cuepoint.features.{feature}" in registry, f"add to worker/registry.py: {feature}.tasks"

    @pytest.mark.parametrize("feature", FEATURES)
    def test_schema_is_listed(self, feature: str) -> None:
        if (PACKAGE / "features" / feature / "schema.py").exists():
            joined = (PACKAGE / "api/schema.py").read_text()
            assert f"cuepoint.features.{feature}" in joined, f"add to api/schema.py: {feature}.schema"


class TestBackEdges:
    def test_each_key_is_bound_exactly_once(self) -> None:
        declared: list[LoaderKey] = []
        bound: list[LoaderKey] = []

        for module in pkgutil.walk_packages(cuepoint.features.__path__, "cuepoint.features."):
            if module.name.endswith(".edges"):
                found = vars(importlib.import_module(module.name)).values()
                declared += [v for v in found if isinstance(v, LoaderKey)]
            if module.name.endswith(".loaders"):
                bound += [key for key, _ in importlib.import_module(module.name).BINDINGS]

        assert declared
        assert Counter(k.name for k in bound) == Counter({k.name: 1 for k in declared})
