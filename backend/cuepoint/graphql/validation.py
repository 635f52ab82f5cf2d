"""Validation of operations: few errors, no names given away, and introspection only where it is switched on."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import NoSchemaIntrospectionCustomRule, validate
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from cuepoint.graphql.context import Context

# Each unknown name is compared with every known one for its suggestion: a hundred errors would cost 50 ms.
MAX_ERRORS = 10


class Validation(SchemaExtension):
    """Validates in Strawberry's place. CUEPOINT_INTROSPECTION off also takes the names out of "Did you mean"."""

    def on_validate(self) -> Iterator[None]:
        """Validate what the limits let pass; Strawberry finds no rule left to apply."""
        operation = self.execution_context
        document, rules = operation.graphql_document, operation.validation_rules
        if document is not None and operation.pre_execution_errors is None:
            reveals = not isinstance(operation.context, Context) or operation.context.settings.introspection
            rules = (*rules, MaybeNullValidationRule, OneOfInputValidationRule)
            if not reveals:
                rules = (*rules, NoSchemaIntrospectionCustomRule)
            schema = operation.schema._schema  # noqa: SLF001  # the one way to it
            errors = validate(schema, document, rules, max_errors=MAX_ERRORS, hide_suggestions=not reveals)
            operation.pre_execution_errors = errors or None
            operation.validation_rules = ()
        yield
