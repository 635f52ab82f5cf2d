"""What shall happen to a file that its project has as a video already: one with the same bytes, by its hash."""

from __future__ import annotations

from enum import Enum

from cuepoint.errors import CuepointError, ErrorCode


class OnDuplicate(Enum):
    """The sender's choice."""

    LINK = "LINK"
    REJECT = "REJECT"
    KEEP = "KEEP"


def duplicate_refused() -> CuepointError:
    """What REJECT answers."""
    return CuepointError(
        ErrorCode.DUPLICATE_VIDEO,
        "The project has a video of this very file already.",
        field=("onDuplicate",),
        hint="Use that video (`duplicateOf`), or send KEEP to have the file twice.",
    )
