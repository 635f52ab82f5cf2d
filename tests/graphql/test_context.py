"""The context: viewers, loaders that batch and cache within one operation, back edges, services."""

from __future__ import annotations

from uuid import UUID

import pytest

from cuepoint.errors import UnauthenticatedError
from cuepoint.graphql.loaders import BindingError, LoaderKey, collect_bindings
from cuepoint.viewer import Viewer
from tests.support.operations import make_context, run, run_stream
from tests.support.tiny_schema import COUNT_OF_THING, CountByNumber, NameByNumber, Script

VIEWER = Viewer(user_id=UUID(int=7), is_admin=False)


class TestRequireViewer:
    async def test_the_viewer_is_known(self) -> None:
        assert await run("{ me }", context=make_context(VIEWER)) == {"data": {"me": str(UUID(int=7))}}

    def test_nobody_is_refused(self) -> None:
        with pytest.raises(UnauthenticatedError):
            make_context().require_viewer()


class TestLoader:
    async def test_one_batch_for_all_nodes_and_null_for_what_is_missing(self) -> None:
        context = make_context()

        data = await run("{ things { nodes { name } } }", context=context)

        assert data["data"]["things"]["nodes"] == [{"name": None}, {"name": "n2"}, {"name": None}]
        assert context.service(Script).batches == [[1, 2, 3]]

    async def test_a_key_is_fetched_once_in_an_operation(self) -> None:
        context = make_context()
        loader = context.loader(NameByNumber)

        names = [await loader.load(2), await loader.load(2), *await loader.load_many([4, 2])]

        assert names == ["n2", "n2", "n4", "n2"]
        assert context.service(Script).batches == [[2], [4]]
        assert context.loader(NameByNumber) is loader

    async def test_another_operation_asks_anew(self) -> None:
        first, second = make_context(), make_context()

        assert first.loader(NameByNumber) is not second.loader(NameByNumber)

    async def test_each_event_of_a_subscription_asks_anew(self) -> None:
        context = make_context()

        results = await run_stream("subscription { sameThingTwice { name } }", context)

        assert results == [{"data": {"sameThingTwice": {"name": "n2"}}}] * 2
        assert context.service(Script).batches == [[2], [2]]

    async def test_each_mutation_of_an_operation_asks_anew(self) -> None:
        context = make_context()
        one = 'makeThing(input: {name: "x"}) { thing { name } }'

        await run(f"mutation {{ a: {one} b: {one} }}", context=context)

        assert context.service(Script).batches == [[2], [2]]


class TestBackEdge:
    async def test_the_bound_loader_answers_with_its_default(self) -> None:
        data = await run("{ things { nodes { count } } }")

        assert data["data"]["things"]["nodes"] == [{"count": 10}, {"count": 0}, {"count": 0}]

    def test_an_unbound_key_is_an_error(self) -> None:
        with pytest.raises(BindingError, match="nobody"):
            make_context().back_edge(LoaderKey("nobody"))

    def test_two_loaders_for_one_key_are_an_error(self) -> None:
        with pytest.raises(BindingError, match=r"things\.count"):
            collect_bindings([(COUNT_OF_THING, CountByNumber)], [(COUNT_OF_THING, NameByNumber)])
