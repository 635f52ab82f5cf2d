"""Who hears what children and providers say: a listener of the current context, set by whoever runs a piece of work.

A context variable, so that no signature on the way has to carry it: tasks and threads begun inside the work have the
same listener. Without one, words are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[bytes], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Everything said inside the block, and in tasks begun there, goes to `listener` too. It may be called from any
    thread, with pieces that end anywhere."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def current_listener() -> Listener | None:
    """The listener of this context, for work that another context reads the output of."""
    return _listener.get()


def say(piece: bytes | str) -> None:
    """Tell the listener, if there is one. A whole line ends with a line feed."""
    listener = _listener.get()
    if listener is not None:
        listener(piece.encode(errors="replace") if isinstance(piece, str) else piece)
