"""The catalogue fits the code, and a handful of mutants die. All of them: `make mutants`."""

from __future__ import annotations

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import CLAIMS, FUNCTIONS, Mutant, PatchError
from tests.mutants.run import PACKAGE, functions_of, judge_all

HANDFUL = (
    "succeed: fence without worker",
    "succeed: cancel guard",
    "create: without FOR SHARE",
    "unblock: not grouped",
    "cascade: one level only",
    "retry: keeps its turn",
)


class TestCatalogue:
    def test_every_guard_is_still_in_the_code(self) -> None:
        """Whoever rewords a guard finds the mutant that took it away here."""
        for mutant in MUTANTS:
            text = (PACKAGE / mutant.file).read_text()

            assert mutant.patched(text) != text

    def test_names_are_unique(self) -> None:
        assert len({m.name for m in MUTANTS}) == len(MUTANTS)

    def test_a_text_that_is_gone_is_told(self) -> None:
        with pytest.raises(PatchError, match="0 times"):
            Mutant("x", CLAIMS, '_CLAIM = """', "no such text").patched((PACKAGE / CLAIMS).read_text())

    def test_a_text_of_another_statement_does_not_count(self) -> None:
        with pytest.raises(PatchError, match="0 times"):
            Mutant("x", CLAIMS, '_HOLD = """', "skip locked").patched((PACKAGE / CLAIMS).read_text())

    def test_the_functions_of_the_migration_are_all_found(self) -> None:
        text = (PACKAGE / FUNCTIONS).read_text()

        assert len(functions_of(text)) == text.count("create function")


class TestMutants:
    @pytest.mark.long
    def test_a_handful_dies(self) -> None:
        assert judge_all([m for m in MUTANTS if m.name in HANDFUL], jobs=1)
