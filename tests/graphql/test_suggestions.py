"""Names for unknown ones: those that graphql-core would suggest first, without a look at all the others."""

from __future__ import annotations

import pytest
from graphql import NoSchemaIntrospectionCustomRule, parse
from graphql.pyutils import suggestion_list

from cuepoint.api.schema import schema
from cuepoint.graphql.parsing import parse_document
from cuepoint.graphql.suggestions import MAX_CANDIDATES, Countdown, candidates
from cuepoint.graphql.validation import RULES, validate
from tests.support.calls import Calls

MUTATIONS = list(schema._schema.mutation_type.fields) if schema._schema.mutation_type else []
TYPES = list(schema._schema.type_map)


class TestCandidates:
    @pytest.mark.parametrize("options", [MUTATIONS, TYPES], ids=["mutations", "types"])
    def test_one_letter_left_out_or_two_swapped_is_found(self, options: list[str]) -> None:
        wrong = {
            spelling: name
            for name in options
            if (middle := len(name) // 2) > 2
            for spelling in (
                name[:middle] + name[middle + 1 :],
                name[: middle - 1] + name[middle] + name[middle - 1] + name[middle + 1 :],
            )
        }

        assert [spelling for spelling, name in wrong.items() if name not in list(candidates(spelling, options))] == []

    def test_they_are_few(self) -> None:
        found = list(candidates("deleteProjec", MUTATIONS))

        assert len(found) == MAX_CANDIDATES
        assert suggestion_list("deleteProjec", found)[0] == "deleteProject"


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "mutation { deleteProjec }",
                "Cannot query field 'deleteProjec' on type 'Mutation'. Did you mean 'deleteProject'",
            ),
            (
                '{ node(id: "x") { title } }',
                "Cannot query field 'title' on type 'Node'. Did you mean to use an inline fragment on 'Clip'",
            ),
            ('{ node(id: "x") { ... on Vide { id } } }', "Unknown type 'Vide'. Did you mean 'Video'"),
        ],
        ids=["a field", "a field of another type", "a type"],
    )
    def test_what_is_suggested(self, text: str, message: str) -> None:
        error, *_ = validate(schema._schema, parse(text), RULES, max_errors=10, hide_suggestions=Countdown(1))

        assert error.message.startswith(message)

    def test_the_second_error_suggests_nothing(self) -> None:
        document = parse_document("mutation { deleteProjec deleteProjectt }")

        errors = validate(schema._schema, document, RULES, max_errors=10, hide_suggestions=Countdown(1))

        assert ["Did you mean" in error.message for error in errors] == [True, False]

    def test_a_name_among_all_types_costs_little(self) -> None:
        document = parse_document('{ node(id: "x") { ... on Vide { id } } }')
        rules = (*RULES, NoSchemaIntrospectionCustomRule)

        with Calls() as calls:
            validate(schema._schema, document, rules, max_errors=10, hide_suggestions=Countdown(1))

        assert calls.count < 8_000  # all of them are 60,000
