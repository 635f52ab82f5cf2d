"""Described enums."""

from __future__ import annotations

from enum import Enum

import pytest
import strawberry

from cuepoint.graphql.enums import UndescribedValueError, describe_enum


class Colour(Enum):
    RED = "RED"
    BLUE = "BLUE"


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
