"""Described enums."""

from __future__ import annotations

from enum import Enum

import pytest
import strawberry

from cuepoint.graphql.enums import UndescribedValueError, describe_enum


class Colour(Enum):
    RED = "RED"
    BLUE = "BLUE"


class Shade(Enum):
    DARK = "DARK"


class TestDescribeEnum:
    def test_values_carry_their_descriptions_and_the_enum_stays_plain(self) -> None:
        described = describe_enum(Colour, {Colour.RED: "Like fire.", Colour.BLUE: "Like water."}, description="Hues.")

        @strawberry.type
        class Query:
            hue: Colour

        sdl = strawberry.Schema(Query).as_str()
        assert described is Colour
        assert Colour.RED.value == "RED"
        assert '"""Hues."""\nenum Colour {\n  """Like fire."""\n  RED\n\n  """Like water."""\n  BLUE\n}' in sdl

    def test_a_missing_description_is_an_error(self) -> None:
        with pytest.raises(UndescribedValueError, match="BLUE"):
            describe_enum(Colour, {Colour.RED: "Like fire."}, description="Hues.")

    def test_a_type_may_have_used_it_before(self) -> None:
        @strawberry.type
        class Query:
            shade: Shade

        before = strawberry.Schema(Query)
        describe_enum(Shade, {Shade.DARK: "Like night."}, description="Shades.", name="Tone")

        sdl = strawberry.Schema(Query).as_str()
        assert "Shade" in before.as_str()
        assert '"""Shades."""\nenum Tone {\n  """Like night."""\n  DARK\n}' in sdl
