"""What commands raise themselves. Not in `main`, which exists twice when it is run by `python -m`."""

from __future__ import annotations


class UnreachableError(Exception):
    """A server that a command needs does not answer; the message says which, why, and which setting names it."""
