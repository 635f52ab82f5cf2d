"""The example operations are valid, named as their files, and cover every root field of the API."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    parse,
    validate,
)

from cuepoint.api.graphiql import EXAMPLES
from cuepoint.api.schema import schema
from cuepoint.graphql.limits import check_weights, weigh_document

ROOT = Path(__file__).resolve().parents[2]
SDL = ROOT / "frontend-schema/schema.graphql"
FILES = sorted((ROOT / "frontend-schema/operations").glob("*.graphql"))
TABS = sorted(EXAMPLES.glob("*.graphql"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "frontend-schema").glob("*.md")])
FENCED = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
IN_CODE = re.compile(r'(?:`|""")((?:query|mutation|subscription)\b.*?)(?:`|""")', re.DOTALL)
IN_SHELL = re.compile(r"""'(\{"query".*?\})'|"(\{\\"query\\"(?:[^"\\]|\\.)*)\"""", re.DOTALL)


@pytest.fixture(scope="module")
def api() -> GraphQLSchema:
    return build_schema(SDL.read_text() if SDL.exists() else schema.as_str())


def document(path: Path) -> DocumentNode:
    return parse(path.read_text())


def operation(path: Path) -> OperationDefinitionNode:
    (found,) = (d for d in document(path).definitions if isinstance(d, OperationDefinitionNode))
    return found


def shown(page: str) -> list[str]:
    """The GraphQL of a page: by itself, in JavaScript and Python, and as what curl sends."""
    found: list[str] = []
    for language, code in FENCED.findall(page):
        if language == "graphql":
            found.append(code)
        elif language in ("js", "python"):
            found += IN_CODE.findall(code)
        elif language == "bash":
            for plain, quoted in IN_SHELL.findall(code):
                sent = plain or re.sub(r"\$\{[^}]*\}|\$[A-Z]+", "X", re.sub(r"\\(.)", r"\1", quoted))
                found.append(json.loads(sent)["query"])
    return found


class TestFiles:
    def test_there_are_some(self) -> None:
        assert len(FILES) > 20

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_has_one_operation_of_its_name(self, path: Path) -> None:
        named = operation(path).name

        assert named is not None
        assert named.value == path.stem

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_begins_with_a_comment_on_what_it_is_for(self, path: Path) -> None:
        assert path.read_text().startswith("# ")

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_is_valid(self, path: Path, api: GraphQLSchema) -> None:
        assert [error.message for error in validate(api, document(path))] == []

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_keeps_within_the_limits_of_an_operation(self, path: Path) -> None:
        check_weights(weigh_document(schema._schema, document(path), {"first": 100}))


class TestCoverage:
    def test_every_root_field_is_used(self, api: GraphQLSchema) -> None:
        roots = {
            "query": api.query_type,
            "mutation": api.mutation_type,
            "subscription": api.subscription_type,
        }
        offered = {f"{kind} {name}" for kind, root in roots.items() if root is not None for name in root.fields}

        used = {
            f"{found.operation.value} {selected.name.value}"
            for found in map(operation, FILES)
            for selected in found.selection_set.selections
            if isinstance(selected, FieldNode)
        }

        assert offered - used == set()


class TestTabs:
    """GraphiQL's example tabs are links to the operations; a wheel holds what they lead to."""

    def test_each_is_an_operation_of_the_repository(self) -> None:
        assert TABS
        assert [path.resolve() for path in TABS if path.resolve() not in FILES] == []


class TestPages:
    @pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_what_they_show_is_valid(self, page: Path, api: GraphQLSchema) -> None:
        assert [error.message for text in shown(page.read_text()) for error in validate(api, parse(text))] == []

    def test_every_text_of_the_clients_page_is_looked_at(self) -> None:
        page = (ROOT / "docs/clients.md").read_text()

        assert (
            len(shown(page)) == len(re.findall(r'query\\?": |= (?:`|""")(?:query|mutation|subscription)\b', page)) == 7
        )
