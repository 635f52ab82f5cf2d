"""Media times, sizes and global ids."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest
from graphql import GraphQLError

from cuepoint.api.schema import schema
from cuepoint.errors import NotFoundError
from cuepoint.graphql.executor import Kind
from cuepoint.graphql.scalars import SCALARS, URL, decode_id, encode_id, seconds, seconds_or_none
from tests.support.operations import run

ID = UUID("01990000-0000-7000-8000-00000000abcd")


class TestMediaTime:
    @pytest.mark.parametrize(
        ("value", "milliseconds"),
        [
            (0, 0),
            (1, 1000),
            (83.45, 83450),
            (0.0004, 0),
            (0.0006, 1),
            ("00:01:23.450", 83450),
            ("01:00:00", 3600000),
            ("100:00:00.1", 360000100),
            ("00:00:01,25", 1250),
            (2147483.647, 2147483647),
        ],
    )
    async def test_seconds_and_timecodes_are_understood(self, value: object, milliseconds: int) -> None:
        data = await run("query($at: MediaTime!) { milliseconds(at: $at) }", {"at": value})

        assert data == {"data": {"milliseconds": milliseconds}}

    @pytest.mark.parametrize(
        "value",
        [-1, -0.001, float("nan"), float("inf"), True, "1:2:3", "00:60:00", "90", "", [], 2147483.648, "٠٠:٠٠:٠١"],
    )
    async def test_anything_else_is_refused(self, value: object) -> None:
        data = await run("query($at: MediaTime!) { milliseconds(at: $at) }", {"at": value})

        assert "data" not in data
        assert data["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"

    async def test_literals_are_understood_too(self) -> None:
        query = '{ a: milliseconds(at: 1.5) b: milliseconds(at: 2) c: milliseconds(at: "00:00:03") }'

        assert await run(query) == {"data": {"a": 1500, "b": 2000, "c": 3000}}


class TestBigInt:
    async def test_sizes_beyond_32_bits_are_numbers(self) -> None:
        data = await run("{ things(first: 1) { nodes { size } } }")

        assert data["data"]["things"]["nodes"] == [{"size": 2**40}]


class TestUrl:
    def test_what_may_be_fetched_is_not_its_business(self) -> None:
        """So that every refusal of an address is an error of the mutation, with its code and field."""
        parse = SCALARS[URL].parse_value
        assert parse is not None

        for text in ("https://example.org/a?b", "ftp://example.org", "", " s3://bucket/key ", "x" * 5000):
            assert parse(text) == text

    @pytest.mark.parametrize("value", [7, True, None, ["https://example.org"], {}], ids=str)
    def test_what_is_no_text_is_refused(self, value: object) -> None:
        parse = SCALARS[URL].parse_value
        assert parse is not None

        with pytest.raises(GraphQLError, match="A URL is a text such as"):
            parse(value)

    def test_a_column_of_them_is_answered_as_it_is(self) -> None:
        """Answers hold many, and each is signed anew: nothing else is done for them."""
        kind = Kind(cast(Any, schema._schema.type_map["URL"]), is_nullable=True)
        values = ["https://example.org/a", None]

        assert kind.column(values) is values


class TestSeconds:
    def test_three_decimals(self) -> None:
        assert seconds(83450) == 83.45
        assert seconds(1) == 0.001
        assert seconds_or_none(None) is None
        assert seconds_or_none(0) == 0.0


class TestIds:
    def test_an_id_names_its_type(self) -> None:
        assert encode_id("ApiKey", ID) == "apikey_0199000000007000800000000000abcd"
        assert decode_id("ApiKey", encode_id("ApiKey", ID)) == ID

    @pytest.mark.parametrize(
        "id", ["", "video_", f"video_{ID}", f"clip_{ID.hex}", f"video_{ID.hex}0", f"video_{ID.hex.upper()}", "video_\0"]
    )
    def test_any_other_id_is_not_found(self, id: str) -> None:
        with pytest.raises(NotFoundError) as caught:
            decode_id("Video", id, field=("videoId",))

        assert caught.value.field == ("videoId",)
        assert "video" in caught.value.message


class TestDateTime:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-05-01T12:00:00Z", datetime(2026, 5, 1, 12, tzinfo=UTC)),
            ("2026-05-01T12:00:00z", datetime(2026, 5, 1, 12, tzinfo=UTC)),
            ("2026-05-01T24:00:00Z", datetime(2026, 5, 2, tzinfo=UTC)),
            ("2026-05-01T12:00:00.123456789Z", datetime(2026, 5, 1, 12, 0, 0, 123_456, tzinfo=UTC)),
            ("2026-05-01T12:00:00.25+02:00", datetime(2026, 5, 1, 10, 0, 0, 250_000, tzinfo=UTC)),
        ],
    )
    def test_is_read_as_utc(self, text: str, expected: datetime) -> None:
        parse = SCALARS[datetime].parse_value
        assert parse is not None

        parsed = parse(text)

        assert (parsed, parsed.tzinfo) == (expected, UTC)

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "soon",
            "2026-13-01T00:00:00Z",
            "2026-05-01T12:00:00 Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-01:00",
            "9999-12-31T24:00:00Z",
            7,
            None,
        ],
    )
    def test_what_is_none_is_refused(self, value: object) -> None:
        parse = SCALARS[datetime].parse_value
        assert parse is not None

        with pytest.raises(GraphQLError, match="of the years 1 to 9999"):
            parse(value)
