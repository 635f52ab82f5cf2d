"""The context of one GraphQL operation: who asks, and the way to the database, the adapters and the loaders."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast
from uuid import UUID

import strawberry

from cuepoint.config import Settings
from cuepoint.db.session import Database
from cuepoint.errors import BadInputError, UnauthenticatedError
from cuepoint.graphql.loaders import BindingError, Loader, LoaderKey
from cuepoint.graphql.media_urls import MediaKind, media_url
from cuepoint.graphql.sources import Source
from cuepoint.viewer import Viewer

if TYPE_CHECKING:
    from cuepoint.adapters.bundle import Adapters

K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S")
L = TypeVar("L", bound=Loader[Any, Any])


@dataclass(frozen=True)
class Process:
    """What every operation of one process shares. `services` holds singletons by their type, such as the job hub."""

    db: Database
    adapters: Adapters
    settings: Settings
    bindings: Mapping[LoaderKey[Any, Any], type[Loader[Any, Any]]] = field(default_factory=dict)
    services: Mapping[type, Any] = field(default_factory=dict)


class Context:
    """One operation's context. Loaders live as long as it does, so it is never shared between operations."""

    def __init__(
        self,
        process: Process,
        *,
        viewer: Viewer | None = None,
        request_id: str = "",
        base_url: str = "http://localhost:8000",
        takes_increments: bool = False,
        last_event: int | str | None = None,
        address: str = "",
    ) -> None:
        self.process = process
        self.viewer = viewer
        self.request_id = request_id
        self.base_url = base_url.rstrip("/")
        self.address = address  # where the caller comes from, as far as proxies are trusted
        self.takes_increments = takes_increments  # of @defer and @stream
        self.last_event = last_event  # number or cursor in Last-Event-ID: what an event stream is resumed after
        self.event: int | str | None = None  # number or cursor of the event that a subscription has just yielded
        self.replaces: Hashable | None = None  # set beside it for progress: of one such thing only the newest counts
        self.source: Source | None = None  # what a subscription reads from, if others may be told with it
        self.goes_on = False  # behind `last_event`, without snapshots: another subscription told what came before
        self._transaction: Database | None = None
        self._loaders: dict[type[Loader[Any, Any]], Loader[Any, Any]] = {}

    @property
    def db(self) -> Database:
        """Units of work on Postgres."""
        return self._transaction or self.process.db

    @contextmanager
    def working_in(self, transaction: Database) -> Iterator[None]:
        """Inside the block all units of work of the operation are parts of that transaction."""
        self._transaction = transaction
        try:
            yield
        finally:
            self._transaction = None

    @property
    def adapters(self) -> Adapters:
        """The ports to the outside world."""
        return self.process.adapters

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return self.process.settings

    def require_viewer(self) -> Viewer:
        """Who asks. Raises UnauthenticatedError when no valid credential came along."""
        if self.viewer is None:
            raise UnauthenticatedError(
                "This needs a credential: send the header `Authorization: Bearer <token>`. "
                "`cuepoint token` makes a token."
            )
        return self.viewer

    def loader(self, loader_class: type[L]) -> L:
        """This operation's instance of a loader."""
        loader = self._loaders.get(loader_class)
        if loader is None:
            loader = self._loaders[loader_class] = loader_class(self)
        return cast(L, loader)

    def back_edge(self, key: LoaderKey[K, V]) -> Loader[K, V]:
        """This operation's instance of the loader that a later feature bound to `key`."""
        loader_class = self.process.bindings.get(key)
        if loader_class is None:
            raise BindingError(f"no loader is bound to {key.name}")
        return self.loader(loader_class)

    def service(self, kind: type[S]) -> S:
        """The process-wide instance of `kind`."""
        return cast(S, self.process.services[kind])

    def media_url(self, kind: MediaKind, id: UUID, filename: str, seconds: int | None = None) -> str:
        """A signed URL of a file, valid for `seconds`, else for the settings' `signed_url_seconds`."""
        lifetime = self.settings.signed_url_seconds if seconds is None else seconds
        address = self.address if self.settings.signed_url_binds_address else ""
        return media_url(self.base_url, self.adapters.signer, kind, id, filename, lifetime, address)

    def resumed_after(self, after: int | None) -> int | None:
        """Number of the event after which a subscription begins: `Last-Event-ID` where there is one, else `after`."""
        if isinstance(self.last_event, str):
            raise BadInputError("`Last-Event-ID` must be the number of an event of this subscription.")
        return after if self.last_event is None else self.last_event

    def resumed_behind(self, after: str | None) -> str | None:
        """The same for a subscription whose events have cursors. Raises BadInputError for a number."""
        if isinstance(self.last_event, int):
            raise BadInputError("`Last-Event-ID` must be a cursor of this subscription.")
        return after if self.last_event is None else self.last_event

    def introduce(self, source: Source) -> None:
        """The subscription reads from this source."""
        self.source = source

    def continued(self, position: int | str) -> Context:
        """The context of the same subscription, going on behind that position."""
        following = Context(
            self.process,
            viewer=self.viewer,
            request_id=self.request_id,
            base_url=self.base_url,
            last_event=position,
            address=self.address,
        )
        following.goes_on = True
        return following

    def forget_loaded(self) -> None:
        """Start with empty loaders: before a mutation's payload and before each event of a subscription."""
        self._loaders.clear()


Info: TypeAlias = strawberry.Info[Context, None]
