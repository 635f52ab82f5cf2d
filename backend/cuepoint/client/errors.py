"""What the client raises.

ClientError
├── GraphQLFailure    the API answered with errors: `codes` holds each one's code
└── RequestFailure    no usable answer: refused connection, wrong status, broken transfer
"""

from __future__ import annotations

from collections.abc import Sequence


class ClientError(Exception):
    """Base of what the client raises."""


class GraphQLFailure(ClientError):  # noqa: N818 - named by what it is: a failed operation
    """The operation was refused, at the top level or in its payload."""

    def __init__(self, messages: Sequence[str], codes: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.codes = tuple(codes)


class RequestFailure(ClientError):  # noqa: N818
    """The server could not be reached, or did not answer as the protocol says."""
