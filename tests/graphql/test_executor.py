"""The quick executor answers what graphql-core's own does: the same data, nulled positions and errors."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
import strawberry
from graphql import experimental_execute_incrementally, parse
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from cuepoint.graphql.config import build_schema
from cuepoint.graphql.executor import QuickExecutor, plain_field
from cuepoint.graphql.scalars import URL, BigInt, MediaTime


@strawberry.enum
class Colour(Enum):
    RED = "r"
    BLUE = "b"


class BrokenError(Exception):
    """What a resolver raises."""


class Bomb:
    """No number, and its conversion raises what no conversion is expected to."""

    def __int__(self) -> int:
        raise BrokenError("no")


@strawberry.type
class Leaf:
    """Plain attributes of every kind, some of which hold what they must not."""

    text: str = "t"
    number: int = 7
    ratio: float = 0.5
    whole_ratio: float = 2
    flag: bool = True
    key: strawberry.ID = strawberry.ID("k")
    colour: Colour = Colour.RED
    at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    size: BigInt = BigInt(2**40)
    address: URL = "https://example.org/a"
    maybe: str | None = None
    maybe_number: int | None = 3
    must: str = None  # type: ignore[assignment]
    too_large: int = 2**31
    not_a_number: float = float("nan")
    text_for_number: int = "x"  # type: ignore[assignment]
    wrong_maybe: int | None = "x"  # type: ignore[assignment]
    bomb: MediaTime = Bomb()  # type: ignore[assignment]
    wrong_colour: Colour = "green"  # type: ignore[assignment]
    words: list[str] = strawberry.field(default_factory=lambda: ["a", "b"])


@strawberry.type
class Branch(Leaf):
    """Fields with resolvers."""

    @strawberry.field
    def leaf(self) -> Leaf:
        return Leaf()

    @strawberry.field
    async def later(self) -> Leaf:
        await asyncio.sleep(0)
        return Leaf(text="later")

    @strawberry.field
    def nothing(self) -> Leaf | None:
        return None

    @strawberry.field
    async def leaves(self, first: int = 2) -> list[Leaf]:
        return [Leaf(number=n) for n in range(first)]

    @strawberry.field
    def even(self) -> Leaf | None:
        return None if self.number % 2 else Leaf(number=self.number)

    @strawberry.field
    def at_once_or_later(self) -> Leaf:
        return self.later() if self.number % 2 else Leaf()  # type: ignore[no-any-return]

    @strawberry.field
    def maybe_leaves(self) -> list[Leaf | None]:
        return [Leaf(), None, Leaf()]

    @strawberry.field
    def raising(self) -> str:
        raise BrokenError("no")

    @strawberry.field
    def raising_maybe(self) -> str | None:
        raise BrokenError("no")

    @strawberry.field
    async def raising_later(self) -> str | None:
        raise BrokenError("no")


@strawberry.type
class Query:
    """The root."""

    @strawberry.field
    async def branch(self) -> Branch:
        return Branch()

    @strawberry.field
    def branches(self) -> list[Branch | None]:
        return [Branch(), Branch(number=1)]

    @strawberry.field
    async def table(self) -> list[Branch]:
        return [Branch(), Branch(number=1), Branch(number=2)]


schema = build_schema(Query)
GOOD = ["text", "number", "ratio", "wholeRatio", "flag", "key", "colour", "at", "size", "address", "maybe", "words"]
GOOD += ["maybeNumber"]
BAD = ["must", "tooLarge", "notANumber", "textForNumber", "wrongMaybe", "wrongColour", "bomb"]
CALLED = ["raising", "raisingMaybe", "raisingLater"]
NESTED = ["leaf", "later", "nothing", "even", "atOnceOrLater", "leaves(first: 3)", "leaves", "maybeLeaves"]

directive = st.sampled_from(["", "", "", " @include(if: $yes)", " @skip(if: $yes)"])


def field(names: list[str]) -> st.SearchStrategy[str]:
    alias = st.sampled_from(["", "", "a: ", "b: "])
    return st.builds(lambda a, name, d: f"{a}{name}{d}", alias, st.sampled_from(names), directive)


# Names that clash - the same alias for two fields - are no valid operation: each is used once at most.
def selection(names: list[str], condition: str) -> st.SearchStrategy[str]:
    fields = st.lists(field(names), min_size=1, max_size=6, unique_by=lambda text: text.split()[0].split("(")[0])
    wrapped = st.sampled_from(["{}", "... {{ {} }}", f"... on {condition} {{{{ {{}} }}}}"])
    return st.builds(lambda all_, shape: shape.format(" ".join(all_)), fields, wrapped)


leaf_selection = selection([*GOOD, "__typename"], "Leaf") | selection([*GOOD, *BAD], "Leaf")


def branch_parts_of(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(
        st.builds(lambda name, inner, d: f"{name}{d} {{ {inner} }}", st.sampled_from(NESTED), leaves, directive),
        max_size=3,
        unique_by=lambda text: text.split("{")[0].split("(")[0].split("@")[0].strip(),
    )


branch_selection = st.builds(
    lambda own, parts: f"{own} {' '.join(parts)}",
    selection([*GOOD, *CALLED], "Branch"),
    branch_parts_of(leaf_selection),
)
operations = st.builds(
    lambda root, inner: f"query ($yes: Boolean = true) {{ {root} {{ {inner} }} }}",
    st.sampled_from(["branch", "branches", "x: branch"]),
    branch_selection,
)
# Of several errors in the rows of a table, which of them are found before one ends it depends on the order.
tables = st.builds(
    lambda own, parts: f"query ($yes: Boolean = true) {{ table {{ {own} {' '.join(parts)} }} }}",
    selection([*GOOD, "raisingLater", "raisingMaybe", "wrongMaybe"], "Branch"),
    branch_parts_of(selection([*GOOD, "__typename", "wrongMaybe"], "Leaf")),
)


async def outcome(text: str, executor: Any) -> tuple[Any, list[Any]]:
    result: Any = experimental_execute_incrementally(
        schema._schema, parse(text), executor_class=executor, is_awaitable=optimized_is_awaitable
    )
    if optimized_is_awaitable(result):
        result = await result
    return result.data, sorted((str(error.path), error.message) for error in result.errors or ())


async def both_outcomes(text: str) -> tuple[Any, Any]:
    return await outcome(text, QuickExecutor), await outcome(text, StrawberryGraphQLCoreExecutionContext)


class TestQuickExecutor:
    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(operations | tables)
    def test_answers_as_the_reference_does(self, text: str) -> None:
        quick, reference = asyncio.run(both_outcomes(text))

        assert quick == reference, text
        assert str(quick[0]) == str(reference[0])  # the order of fields as well

    @pytest.mark.parametrize(
        "selection",
        [
            "raising",
            "leaf { must }",
            "bomb",
            "text raising leaf { text }",
            "even { tooLarge }",
            "leaf { text } later { must }",
        ],
    )
    async def test_an_error_in_a_table_is_that_of_the_reference(self, selection: str) -> None:
        quick, reference = await both_outcomes(f"{{ table {{ {selection} }} }}")

        assert quick == reference
        assert quick[1]


class TestPlainField:
    def test_is_an_attribute_of_a_leaf_type(self) -> None:
        branch: Any = schema._schema.type_map["Branch"]

        plain = {name for name, one in branch.fields.items() if plain_field(one, branch) is not None}

        assert plain == {*GOOD, *BAD} - {"words"}
