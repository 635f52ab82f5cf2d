"""What a mutation of many items does when some are refused; one enum for all such mutations."""

from __future__ import annotations

from enum import Enum

from cuepoint.graphql.enums import describe_enum


class ErrorPolicy(Enum):
    """All or nothing, or as many as possible."""

    REJECT_EVERYTHING = "REJECT_EVERYTHING"
    IGNORE_FAILED = "IGNORE_FAILED"


describe_enum(
    ErrorPolicy,
    {
        ErrorPolicy.REJECT_EVERYTHING: "One refused item refuses all: nothing changes, and `errors` names the item.",
        ErrorPolicy.IGNORE_FAILED: "Each item on its own: those that are refused say why, the others are carried out.",
    },
    description="What happens when some items of a mutation of many are refused.",
)
