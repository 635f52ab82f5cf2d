"""Batch loaders: many single look-ups of one operation become one query; what is loaded is left to the features."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from strawberry.dataloader import DataLoader

if TYPE_CHECKING:
    from cuepoint.graphql.context import Context

K = TypeVar("K")
V = TypeVar("V")

# A statement binds at most 32,767 parameters (Postgres wire protocol); a loader may bind several for each key.
MAX_BATCH = 5_000


class Loader(ABC, Generic[K, V]):
    """One kind of look-up within one operation: keys asked for in the same tick are fetched together, and once."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._known: dict[K, V] = {}
        self._fetching: dict[K, asyncio.Task[Any]] = {}
        # Each who waits has an own future: an error elsewhere in the operation cancels who waits there, nobody else.
        self._batcher: DataLoader[K, V] = DataLoader(self._in_order, max_batch_size=MAX_BATCH, cache=False)

    @abstractmethod
    async def fetch(self, keys: Sequence[K]) -> Mapping[K, V]:
        """The values of these distinct keys; a key without a value may be left out."""

    def default(self, key: K) -> Any:  # noqa: ARG002  # subclasses may answer by key
        """What stands for a key that `fetch` left out."""
        return None

    def tell(self, key: K, value: V) -> None:
        """The value of a key, which came along with something else."""
        self._known[key] = value

    def get(self, key: K) -> V | Awaitable[V]:
        """The value if it has been told, else what to wait for: tasks cost more than most fields."""
        return self._known[key] if key in self._known else self._batcher.load(key)

    async def load(self, key: K) -> V:
        """The value of one key, fetched together with whatever else is asked for in this tick."""
        return self._known[key] if key in self._known else await self._batcher.load(key)

    async def load_many(self, keys: Iterable[K]) -> list[V]:
        """The values of several keys, in their order."""
        wanted = list(keys)
        await self._batcher.load_many(key for key in wanted if key not in self._known)
        return [self._known[key] for key in wanted]

    async def _in_order(self, keys: list[K]) -> list[V]:
        """The values of keys that are not known; what an earlier batch is fetching is not fetched again."""
        earlier = {self._fetching[key] for key in keys if key in self._fetching}
        if earlier:
            await asyncio.wait(earlier)
        wanted = [key for key in dict.fromkeys(keys) if key not in self._known]
        if wanted:
            await self._fetch(wanted)
        return [self._known[key] for key in keys]

    async def _fetch(self, keys: list[K]) -> None:
        task: Any = asyncio.current_task()
        self._fetching |= dict.fromkeys(keys, task)
        try:
            found = await self.fetch(keys)
        finally:
            for key in keys:
                self._fetching.pop(key, None)
        self._known |= {key: found[key] if key in found else self.default(key) for key in keys}


@dataclass(frozen=True)
class LoaderKey(Generic[K, V]):
    """A look-up that an earlier feature needs and a later one provides; `name` is unique, as in `videos.transcript`."""

    name: str


Binding: TypeAlias = tuple[LoaderKey[Any, Any], type[Loader[Any, Any]]]


class BindingError(Exception):
    """A loader key is bound twice, or not at all."""


def collect_bindings(*groups: Iterable[Binding]) -> dict[LoaderKey[Any, Any], type[Loader[Any, Any]]]:
    """One table of every feature's bindings. Raises BindingError if two loaders claim one key."""
    table: dict[LoaderKey[Any, Any], type[Loader[Any, Any]]] = {}
    for key, loader in (binding for group in groups for binding in group):
        if key in table:
            raise BindingError(f"{key.name} is bound to {table[key].__name__} and to {loader.__name__}")
        table[key] = loader
    return table
