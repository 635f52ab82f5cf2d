"""How every schema of Cuepoint is built: scalars, directives, extensions and their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from cuepoint.graphql.incremental import Increments
from cuepoint.graphql.limits import Limits
from cuepoint.graphql.list_sizes import ListSize, publish_list_sizes
from cuepoint.graphql.public_errors import PublicErrors
from cuepoint.graphql.scalars import SCALARS
from cuepoint.graphql.validation import Validation


class CuepointSchema(strawberry.Schema):
    """A schema whose errors are logged by `PublicErrors` alone: refusals are no faults of the server."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing here."""


def build_schema(
    query: type, mutation: type | None = None, subscription: type | None = None, *, types: Sequence[Any] = ()
) -> CuepointSchema:
    """A schema with Cuepoint's scalars, limits and error answers."""
    schema = CuepointSchema(
        query=query,
        mutation=mutation,
        subscription=subscription,
        types=[*types, ListSize],
        extensions=[PublicErrors, Limits, Validation, Increments],
        # `@defer` and `@stream`: where the client cannot take pieces, Increments removes them.
        config=StrawberryConfig(scalar_map=SCALARS, enable_experimental_incremental_execution=True),
    )
    publish_list_sizes(schema._schema)  # noqa: SLF001  # the one way to it
    return schema
