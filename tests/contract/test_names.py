"""One rule for the names of inputs and of the ids in them."""

from __future__ import annotations

from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type

from cuepoint.api.schema import schema

# What a mutation is named after is `id`: `cancelJob(input: {id})`. Every other id says whose it is: `videoId`.
# `updateProjectSettings` is named after settings, which have no id of their own: `projectId` says whose they are.


def input_types() -> list[GraphQLInputObjectType]:
    return [kind for kind in schema._schema.type_map.values() if isinstance(kind, GraphQLInputObjectType)]


class TestInputs:
    def test_are_called_so(self) -> None:
        assert [kind.name for kind in input_types() if not kind.name.endswith("Input")] == []

    def test_call_the_thing_that_the_mutation_is_named_after_id(self) -> None:
        mutations = schema._schema.mutation_type
        assert isinstance(mutations, GraphQLObjectType)
        wrong = []
        for name, field in mutations.fields.items():
            members = getattr(get_named_type(field.args["input"].type), "fields", {})
            verb_and_noun = [one for one in members if one.endswith("Id") and name.lower().endswith(one[:-2].lower())]
            wrong += [f"{name}(input: {{{one}}})" for one in verb_and_noun if one != "id"]

        assert wrong == [], "call it `id`"
