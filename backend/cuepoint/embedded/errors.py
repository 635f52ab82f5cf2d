"""What goes wrong with the embedded servers, told in one line that says what to do."""

from __future__ import annotations


class EmbeddedError(Exception):
    """A server could not be started, or the data directory is in use; the message says why and what helps."""
