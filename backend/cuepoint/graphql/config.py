"""How every schema of Cuepoint is built: scalars, extensions and their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import strawberry
from graphql import GraphQLError, NoSchemaIntrospectionCustomRule
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from cuepoint.graphql.context import Context
from cuepoint.graphql.limits import Limits
from cuepoint.graphql.public_errors import PublicErrors
from cuepoint.graphql.scalars import SCALARS


class IntrospectionSwitch(SchemaExtension):
    """Refuses introspection where CUEPOINT_INTROSPECTION is off."""

    def on_validate(self) -> Iterator[None]:
        """Add the rule that refuses it."""
        operation = self.execution_context
        if isinstance(operation.context, Context) and not operation.context.settings.introspection:
            operation.validation_rules = (*operation.validation_rules, NoSchemaIntrospectionCustomRule)
        yield


class CuepointSchema(strawberry.Schema):
    """A schema whose errors are logged by `PublicErrors` alone: refusals are no faults of the server."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing here."""


def build_schema(
    query: type, mutation: type | None = None, subscription: type | None = None, *, types: Sequence[Any] = ()
) -> CuepointSchema:
    """A schema with Cuepoint's scalars, limits and error answers."""
    return CuepointSchema(
        query=query,
        mutation=mutation,
        subscription=subscription,
        types=types,
        extensions=[PublicErrors, Limits, IntrospectionSwitch],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
