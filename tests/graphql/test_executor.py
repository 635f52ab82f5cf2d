"""The quick executor answers what graphql-core's own does: the same data, nulled positions and errors."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import strawberry
from graphql import experimental_execute_incrementally, parse
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from cuepoint.graphql.config import build_schema
from cuepoint.graphql.executor import QuickExecutor, plain_field
from cuepoint.graphql.scalars import BigInt


@strawberry.enum
class Colour(Enum):
    RED = "r"
    BLUE = "b"


class BrokenError(Exception):
    """What a resolver raises."""


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
    maybe: str | None = None
    maybe_number: int | None = 3
    must: str = None  # type: ignore[assignment]
    too_large: int = 2**31
    not_a_number: float = float("nan")
    text_for_number: int = "x"  # type: ignore[assignment]
    wrong_maybe: int | None = "x"  # type: ignore[assignment]
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
    def maybe_leaves(self) -> list[Leaf | None]:
        return [Leaf(), None, Leaf()]

    @strawberry.field
    def raising(self) -> str:
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


schema = build_schema(Query)
GOOD = ["text", "number", "ratio", "wholeRatio", "flag", "key", "colour", "at", "size", "maybe", "maybeNumber", "words"]
BAD = ["must", "tooLarge", "notANumber", "textForNumber", "wrongMaybe", "wrongColour"]
CALLED = ["raising", "raisingLater"]
NESTED = ["leaf", "later", "nothing", "leaves(first: 3)", "leaves", "maybeLeaves"]

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
branch_parts = st.lists(
    st.builds(lambda name, inner, d: f"{name}{d} {{ {inner} }}", st.sampled_from(NESTED), leaf_selection, directive),
    max_size=3,
    unique_by=lambda text: text.split("{")[0].split("(")[0].split("@")[0].strip(),
)
branch_selection = st.builds(
    lambda own, parts: f"{own} {' '.join(parts)}", selection([*GOOD, *CALLED], "Branch"), branch_parts
)
operations = st.builds(
    lambda root, inner: f"query ($yes: Boolean = true) {{ {root} {{ {inner} }} }}",
    st.sampled_from(["branch", "branches", "x: branch"]),
    branch_selection,
)


async def outcome(text: str, executor: Any) -> tuple[Any, list[Any]]:
    result: Any = experimental_execute_incrementally(
        schema._schema, parse(text), executor_class=executor, is_awaitable=optimized_is_awaitable
    )
    if optimized_is_awaitable(result):
        result = await result
    return result.data, sorted((str(error.path), error.message) for error in result.errors or ())


class TestQuickExecutor:
    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(operations)
    def test_answers_as_the_reference_does(self, text: str) -> None:
        async def both() -> tuple[Any, Any]:
            return await outcome(text, QuickExecutor), await outcome(text, StrawberryGraphQLCoreExecutionContext)

        quick, reference = asyncio.run(both())

        assert quick == reference, text
        assert str(quick[0]) == str(reference[0])  # the order of fields as well


class TestPlainField:
    def test_is_an_attribute_of_a_leaf_type(self) -> None:
        branch: Any = schema._schema.type_map["Branch"]

        plain = {name for name, one in branch.fields.items() if plain_field(one, branch) is not None}

        assert plain == {*GOOD, *BAD} - {"words"}
