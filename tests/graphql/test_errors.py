"""Refusals as payload errors or top-level errors, and what clients never see."""

from __future__ import annotations

import logging

import pytest

from cuepoint.errors import ErrorCode
from cuepoint.graphql.codes import CODE_DESCRIPTIONS
from tests.support.operations import make_context, run, run_stream
from tests.support.tiny_schema import SECRET

MAKE = "mutation($name: String!) { makeThing(input: {name: $name}) { thing { id } errors { %s } } }"


class TestReportsErrors:
    async def test_a_refusal_becomes_the_payload(self) -> None:
        data = await run(MAKE % "code field message retryable", {"name": "bad"})

        error = {"code": "BAD_USER_INPUT", "field": ["name"], "message": "The name is bad.", "retryable": False}
        assert data == {"data": {"makeThing": {"thing": None, "errors": [error]}}}

    async def test_a_hint_ends_the_message(self) -> None:
        data = await run(MAKE % "code message retryable", {"name": "hint"})

        error = {"code": "NOT_READY", "message": "Not yet. Wait.", "retryable": True}
        assert data["data"]["makeThing"]["errors"] == [error]

    async def test_a_third_party_failure_becomes_the_payload(self) -> None:
        data = await run(MAKE % "code field retryable", {"name": "outage"})

        error = {"code": "STORAGE_UNAVAILABLE", "field": [], "retryable": True}
        assert data["data"]["makeThing"]["errors"] == [error]

    async def test_forbidden_stays_a_top_level_error(self) -> None:
        data = await run(MAKE % "code", {"name": "forbidden"})

        assert data["data"] is None
        assert [e["extensions"] for e in data["errors"]] == [{"code": "FORBIDDEN", "requestId": "r1"}]

    async def test_success_has_no_errors(self) -> None:
        query = 'mutation { makeThing(input: {name: "x", at: "00:01:02.5"}) { atSeconds errors { code } } }'

        assert await run(query) == {"data": {"makeThing": {"atSeconds": 62.5, "errors": []}}}


class TestFoundOrNone:
    async def test_absent_malformed_and_foreign_ids_answer_null(self) -> None:
        ids = [f"thing_{1:032x}", "thing_1", "", f"video_{2:032x}", f"THING_{2:032x}"]

        for each in ids:
            assert await run("query($id: ID!) { thing(id: $id) { number } }", {"id": each}) == {"data": {"thing": None}}

    async def test_what_exists_is_found(self) -> None:
        data = await run("query($id: ID!) { thing(id: $id) { id } }", {"id": f"thing_{2:032x}"})

        assert data == {"data": {"thing": {"id": f"thing_{2:032x}"}}}


class TestTopLevelErrors:
    async def test_a_bug_is_masked_and_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.ERROR):
            data = await run('{ fail(how: "bug") }')

        assert data["data"] == {"fail": None}
        assert [(e["message"], e["path"], e["extensions"]) for e in data["errors"]] == [
            ("Internal error. Report this request id: r1", ["fail"], {"code": "INTERNAL", "requestId": "r1"})
        ]
        assert SECRET in caplog.text

    async def test_a_refusal_in_a_query_keeps_its_message(self, caplog: pytest.LogCaptureFixture) -> None:
        data = await run("{ me }")

        assert [e["extensions"]["code"] for e in data["errors"]] == ["UNAUTHENTICATED"]
        assert "Authorization: Bearer" in data["errors"][0]["message"]
        assert caplog.records == []

    async def test_an_adapter_failure_says_whether_to_retry(self) -> None:
        data = await run('{ fail(how: "outage") }')

        extensions = {"code": "STORAGE_UNAVAILABLE", "retryable": True, "requestId": "r1"}
        assert [e["extensions"] for e in data["errors"]] == [extensions]

    @pytest.mark.parametrize("query", ["{", "{ nope }", "{ echo }", 'query($a: Int!) { echo(text: "x") }'])
    async def test_request_errors_are_bad_input_without_data(self, query: str) -> None:
        data = await run(query)

        assert "data" not in data
        assert {e["extensions"]["code"] for e in data["errors"]} == {"BAD_USER_INPUT"}

    async def test_without_introspection_nothing_is_suggested(self) -> None:
        closed = make_context(introspection="false")

        hidden = await run("{ thng { id } }", context=closed)
        refused = await run("{ __schema { types { name } } }", context=closed)

        assert hidden["errors"][0]["message"] == "Cannot query field 'thng' on type 'Query'."
        assert "introspection" in refused["errors"][0]["message"]
        assert "Did you mean" in (await run("{ thng { id } }"))["errors"][0]["message"]


class TestSubscriptionErrors:
    async def test_a_bug_in_a_stream_is_masked(self, caplog: pytest.LogCaptureFixture) -> None:
        results = await run_stream("subscription { breakOff }")

        assert results[0] == {"data": {"breakOff": 1}}
        assert results[1]["errors"][0]["message"] == "Internal error. Report this request id: r1"
        assert len(results) == 2
        assert SECRET in caplog.text

    async def test_a_refused_stream_is_a_request_error(self) -> None:
        results = await run_stream("subscription { mine }")

        assert [e["extensions"]["code"] for r in results for e in r["errors"]] == ["UNAUTHENTICATED"]
        assert "data" not in results[0]


class TestErrorCodes:
    def test_every_code_is_described(self) -> None:
        assert set(CODE_DESCRIPTIONS) == set(ErrorCode)
