"""Limits of variables: what has a type counts one by one, JSON does not."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLError

from cuepoint.api.schema import schema
from cuepoint.errors import ErrorCode
from cuepoint.graphql.documents import Documents
from cuepoint.graphql.variables import MAX_INPUT_VALUES, MAX_VARIABLE_VALUES

NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
UPDATE = "mutation($input: UpdateVideoInput!) { updateVideo(input: $input) { video { id } } }"
CLIPS = "mutation($input: CreateClipsInput!) { createClips(input: $input) { clips { id } } }"


def cost(text: str, variables: dict[str, Any]) -> int:
    return Documents(schema._schema).parsed(text, reveals_schema=True).cost(None, variables)


def clip(keyframes: int) -> dict[str, Any]:
    frames = [{"at": n, "x": 0.5, "y": 0.5} for n in range(keyframes)]
    output = {"aspect": "VERTICAL", "fit": "KEYFRAMES", "keyframes": frames}
    return {"videoId": "x", "start": 1, "end": 2, "title": "x", "output": output}


class TestInputs:
    @pytest.mark.parametrize(
        ("text", "variables"),
        [
            (NODES, {"ids": ["x"] * MAX_INPUT_VALUES}),
            (UPDATE, {"input": {"id": "x", "metadata": {"a": [[1] * 4_000] * 4}}}),
            (CLIPS, {"input": {"items": [clip(3)] * 100}}),
            (CLIPS, {"input": {"items": [clip(200)] * 3}}),
            (CLIPS, {"input": {"items": "no list", "unknown": [1] * 5_000}, "unused": [1] * 5_000}),
        ],
        ids=["items", "JSON", "100 clips of 3 keyframes", "3 clips of 200 keyframes", "what is refused for its type"],
    )
    def test_these_pass(self, text: str, variables: dict[str, Any]) -> None:
        assert cost(text, variables) > 0

    @pytest.mark.parametrize(
        ("text", "variables"),
        [
            (NODES, {"ids": ["x"] * (MAX_INPUT_VALUES + 1)}),
            (CLIPS, {"input": {"items": [clip(12)] * 100}}),
            (UPDATE, {"input": {f"key{n}": 1 for n in range(MAX_INPUT_VALUES + 1)}}),
        ],
        ids=["items", "fields of items", "keys"],
    )
    def test_these_are_too_many(self, text: str, variables: dict[str, Any]) -> None:
        with pytest.raises(GraphQLError, match="more than 2500 list items and input fields") as refused:
            cost(text, variables)

        assert (refused.value.extensions or {})["code"] == ErrorCode.QUERY_TOO_COSTLY.value

    def test_json_has_a_limit_too(self) -> None:
        with pytest.raises(GraphQLError, match="more than 20000 keys and values"):
            cost(UPDATE, {"input": {"id": "x", "metadata": [1] * MAX_VARIABLE_VALUES}})
