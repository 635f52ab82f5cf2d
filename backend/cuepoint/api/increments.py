"""A response with `@defer` or `@stream`, piece by piece, in the two forms that clients speak."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from graphql import ExperimentalIncrementalExecutionResults, GraphQLError

from cuepoint.api.negotiation import IncrementKind
from cuepoint.graphql.public_errors import public_error


class Increments:
    """The pieces of one response. Their errors are rewritten like all others."""

    def __init__(self, results: ExperimentalIncrementalExecutionResults, request_id: str) -> None:
        self._results = results
        self._request_id = request_id
        self._paths: dict[str, tuple[list[str | int], str | None]] = {}

    async def pieces(self, kind: IncrementKind) -> AsyncGenerator[dict[str, Any], None]:
        """Bodies in their order; the last one says `hasNext: false`."""
        first = self._results.initial_result
        body: dict[str, Any] = {"data": first.data, "hasNext": first.has_next}
        self._add_errors(body, first.errors)
        yield self._noted(body, first, kind)
        subsequent = self._results.subsequent_results
        try:
            async for result in subsequent:
                body = {"hasNext": result.has_next}
                self._noted(body, result, kind)
                if kind is IncrementKind.BY_ID:
                    self._add_by_id(body, result)
                else:
                    self._add_by_path(body, result)
                yield body
        finally:
            await subsequent.aclose()

    def _noted(self, body: dict[str, Any], result: Any, kind: IncrementKind) -> dict[str, Any]:
        """Remember where the announced pieces belong."""
        for pending in result.pending or ():
            self._paths[pending.id] = (list(pending.path), pending.label)
        if result.pending and kind is IncrementKind.BY_ID:
            body["pending"] = [pending.formatted for pending in result.pending]
        return body

    def _add_by_id(self, body: dict[str, Any], result: Any) -> None:
        for name in ("incremental", "completed"):
            pieces = getattr(result, name) or ()
            if pieces:
                body[name] = [self._public(piece) for piece in pieces]

    def _add_by_path(self, body: dict[str, Any], result: Any) -> None:
        pieces = []
        for piece in result.incremental or ():
            path, label = self._paths[piece.id]
            shown = self._public(piece)
            shown["path"] = [*path, *shown.pop("subPath", ())]
            pieces.append(self._labelled(shown, label))
        for done in result.completed or ():
            if done.errors:  # a fragment that failed as a whole has no data
                path, label = self._paths[done.id]
                pieces.append(self._labelled({**self._public(done), "data": None, "path": path}, label))
        if pieces:
            body["incremental"] = pieces

    @staticmethod
    def _labelled(piece: dict[str, Any], label: str | None) -> dict[str, Any]:
        piece.pop("id", None)
        return piece if label is None else {**piece, "label": label}

    def _public(self, piece: Any) -> dict[str, Any]:
        shown = dict(piece.formatted)
        self._add_errors(shown, piece.errors)
        return shown

    def _add_errors(self, body: dict[str, Any], errors: list[GraphQLError] | None) -> None:
        if errors:
            body["errors"] = [public_error(error, self._request_id).formatted for error in errors]
