"""Every error code is raised somewhere, explained in docs/errors.md, and provoked by a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cuepoint.errors import ErrorCode

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "backend/cuepoint"
LISTS = (PACKAGE / "errors.py", PACKAGE / "graphql/codes.py")
SOURCES = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py") if path not in LISTS)
TESTS = "\n".join(
    path.read_text()
    for path in (ROOT / "tests").rglob("*.py")
    if path != Path(__file__) and "node_modules" not in path.parts
)
# Raised by GraphQL's own words for it, or by what an error's class says: errors.py itself.
BY_CLASS = {"NOT_FOUND", "FORBIDDEN", "UNAUTHENTICATED", "RATE_LIMITED", "QUEUE_FULL", "BAD_USER_INPUT"}


class TestErrorCodes:
    @pytest.mark.parametrize("code", list(ErrorCode), ids=lambda code: code.name)
    def test_is_raised_explained_and_provoked(self, code: ErrorCode) -> None:
        named = rf"ErrorCode\.{code.name}\b"

        assert code.name in BY_CLASS or re.search(named, SOURCES), "nothing raises it"
        assert f"`{code.name}`" in (ROOT / "docs/errors.md").read_text()
        assert re.search(rf'{named}|"{code.name}"', TESTS), "no test provokes it"
