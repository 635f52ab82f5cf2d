"""Pages: their arguments, their shape, and a total that is counted on demand."""

from __future__ import annotations

import pytest

from cuepoint.db.keyset import PageRequest
from cuepoint.errors import BadInputError
from cuepoint.graphql.connections import page_request
from tests.support.operations import make_context, run
from tests.support.tiny_schema import Script, schema


class TestPageRequest:
    def test_the_default_is_25(self) -> None:
        assert page_request(None, None) == PageRequest(25, None)

    def test_a_list_may_have_its_own_bounds(self) -> None:
        assert page_request(500, "c", default=100, maximum=500) == PageRequest(500, "c")

    @pytest.mark.parametrize("first", [0, -1, 101])
    def test_sizes_out_of_bounds_are_refused(self, first: int) -> None:
        with pytest.raises(BadInputError, match="between 1 and 100") as caught:
            page_request(first, None)

        assert caught.value.field == ("first",)


class TestConnection:
    async def test_edges_nodes_and_page_info_tell_of_the_same_page(self) -> None:
        data = await run(
            "{ things(first: 2) { edges { cursor node { number } } nodes { number } "
            "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"
        )

        assert data["data"]["things"] == {
            "edges": [{"cursor": "1", "node": {"number": 1}}, {"cursor": "2", "node": {"number": 2}}],
            "nodes": [{"number": 1}, {"number": 2}],
            "pageInfo": {"hasNextPage": True, "hasPreviousPage": False, "startCursor": "1", "endCursor": "2"},
        }

    async def test_the_total_is_counted_only_when_selected(self) -> None:
        context = make_context()

        await run("{ things { nodes { number } } }", context=context)
        before = context.service(Script).counts
        data = await run("{ things { totalCount } }", context=context)

        assert before == 0
        assert context.service(Script).counts == 1
        assert data["data"]["things"] == {"totalCount": 3}

    def test_types_are_named_after_their_nodes(self) -> None:
        sdl = schema.as_str()

        assert "type ThingConnection {" in sdl
        assert "edges: [ThingEdge!]!" in sdl
        assert "nodes: [Thing!]!" in sdl
        assert "totalCount: Int!" in sdl
