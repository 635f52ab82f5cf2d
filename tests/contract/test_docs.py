"""The documents: complete, with links that lead somewhere, and nothing in them that belongs to one machine only."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cuepoint.api import graphql_ws
from cuepoint.cli.main import COMMANDS
from cuepoint.config import PREFIX, Settings
from cuepoint.errors import ErrorCode
from cuepoint.features.jobs.kinds import SPECS
from cuepoint.features.jobs.models import JobStatus
from cuepoint.graphql.codes import CODE_DESCRIPTIONS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.rglob("*.md"),
        *(ROOT / "frontend-schema").glob("*.md"),
    ]
)
SOURCES = sorted(
    path
    for folder in (ROOT / "backend", ROOT / "tests", ROOT / "benchmarks")
    for path in folder.rglob("*")
    if path.suffix in (".py", ".sql", ".toml", ".ini", ".graphql") and path != Path(__file__)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CITED = re.compile(r"docs/(?:decisions/\d{4}|[a-z-]+\.md)")
# The home of a user, or the place packages are fetched from: what a page would have from one machine alone.
FOREIGN = re.compile(r"(?<![\w.])/(?:root|home|Users)/|index-url|registry=", re.IGNORECASE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class TestLinks:
    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_lead_somewhere(self, page: Path) -> None:
        broken = []
        for link in LINK.findall(page.read_text()):
            if link.startswith(("http://", "https://")):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(link)

        assert broken == []

    def test_every_page_that_code_cites_exists(self) -> None:
        known = {f"docs/decisions/{path.name[:4]}" for path in DECISIONS} | {name_of(path) for path in PAGES}

        cited = {(name_of(path), found) for path in SOURCES for found in CITED.findall(path.read_text())}

        assert cited
        assert {(where, what) for where, what in cited if what not in known} == set()


class TestDecisions:
    def test_are_numbered_without_gaps(self) -> None:
        assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))

    @pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
    def test_have_their_parts_in_order(self, path: Path) -> None:
        text = path.read_text()

        assert text.startswith(f"# {path.name[:4]} ")
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == [
            "Context",
            "Decision",
            "Consequences",
            "Alternatives",
            "Check",
        ]

    @pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
    def test_name_checks_that_exist(self, path: Path) -> None:
        check = path.read_text().partition("**Check.**")[2]

        named = re.findall(r"`((?:tests/)[\w/.]+)`", check)

        assert [name for name in named if not (ROOT / name).exists()] == []


class TestErrors:
    ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)

    def test_every_code_is_explained_once(self) -> None:
        rows = self.ROW.findall((DOCS / "errors.md").read_text())

        assert sorted(code for code, _, _ in rows) == sorted(code.value for code in ErrorCode)

    def test_meanings_are_those_of_the_schema(self) -> None:
        rows = self.ROW.findall((DOCS / "errors.md").read_text())

        assert {code: meaning for code, meaning, _ in rows} == {
            code.value: description for code, description in CODE_DESCRIPTIONS.items()
        }


class TestJobs:
    def test_the_table_is_that_of_kinds(self) -> None:
        rows = re.findall(
            r"^\| ([A-Z_]+) \| (\w+) \| ([^|]*)\| (\d+) \|$", (DOCS / "pipeline.md").read_text(), re.MULTILINE
        )

        said = {kind: (lane, int(attempts)) for kind, lane, _, attempts in rows}
        after = {kind: waits.strip() for kind, _, waits, _ in rows}

        assert said == {kind.value: (spec.lane, spec.max_attempts) for kind, spec in SPECS.items()}
        for kind, spec in SPECS.items():
            if spec.is_in_pipeline:
                assert after[kind.value] == ", ".join(before.value for before in spec.after)

    def test_the_picture_has_every_state(self) -> None:
        (picture,) = re.findall(r"```mermaid\n(.*?)```", (DOCS / "jobs.md").read_text(), re.DOTALL)

        assert {status.value for status in JobStatus} <= set(re.findall(r"\b[A-Z]{6,}\b", picture))


class TestCloseCodes:
    def test_clients_are_told_of_each(self) -> None:
        used = {value for value in vars(graphql_ws).values() if isinstance(value, int) and 1000 < value < 5000}
        told = {int(code) for code in re.findall(r"^\| (\d{4}) \|", (DOCS / "clients.md").read_text(), re.MULTILINE)}

        assert told == used | {1011}  # which the server under the application sends


class TestNames:
    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_settings_exist(self, page: Path) -> None:
        own = {"CUEPOINT_BIND", "CUEPOINT_PUBLISHED_PORT"}  # docker-compose.yml's
        known = {PREFIX + name.upper() for name in Settings.model_fields} | own

        named = set(re.findall(r"\bCUEPOINT_[A-Z_]*[A-Z]\b", page.read_text()))

        assert named - known == set()

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_commands_exist(self, page: Path) -> None:
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        text = page.read_text()

        made = set(re.findall(r"(?:`|^\s*)make ([a-z-]+)", text, re.MULTILINE))
        called = set(re.findall(r"(?:`|bin/|^\s*)cuepoint ([a-z]+)", text, re.MULTILINE))

        assert made - targets == set()
        assert called - set(COMMANDS) == set()

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_nothing_of_one_machine(self, page: Path) -> None:
        assert FOREIGN.findall(page.read_text()) == []


class TestChangelog:
    def test_begins_with_what_is_unreleased(self) -> None:
        headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

        assert headings[0] == "Unreleased"

    def test_names_the_version_that_is_being_made(self) -> None:
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

        assert version in (ROOT / "CHANGELOG.md").read_text()
