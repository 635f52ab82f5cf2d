"""What is plainly right and makes up most of a document: graphql-core's rules are not asked about it.

These are leaf fields without arguments, strings and numbers, and selections that all answer under different names.
"""

from __future__ import annotations

from typing import Any

from graphql import (
    SKIP,
    BooleanValueNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    FragmentSpreadNode,
    GraphQLBoolean,
    GraphQLCompositeType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLString,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NameNode,
    ObjectFieldNode,
    ObjectValueNode,
    OverlappingFieldsCanBeMergedRule,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    ValuesOfCorrectTypeRule,
    VariableNode,
    VisitorAction,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)

# By type, the literals that it takes whatever they say.
_TAKEN: dict[Any, frozenset[type[ValueNode]]] = {
    GraphQLID: frozenset({StringValueNode, IntValueNode}),
    GraphQLString: frozenset({StringValueNode}),
    GraphQLFloat: frozenset({FloatValueNode, IntValueNode}),
    GraphQLBoolean: frozenset({BooleanValueNode}),
    GraphQLInt: frozenset(),
}
_HOLDS_OTHERS = (ListValueNode, ObjectValueNode)
LARGE = 1_000  # characters of a value
_REST = VariableNode(name=NameNode(value="…"))  # fits any type
_MANY_DIGITS = 10  # fewer are 32 bits at most
_LEAVES = "cuepoint-leaves"
_TYPE_NAME = "__typename"  # says the same wherever it stands


def is_plain(node: SelectionNode, leaves: frozenset[str]) -> bool:
    """Whether a selection is one of its type's `leaves_of` and nothing else."""
    return (
        node.__class__ is FieldNode
        and node.name.value in leaves
        and not (node.arguments or node.directives or node.selection_set)
    )


def leaves_of(kind: GraphQLCompositeType | None) -> frozenset[str]:
    """Names of the fields that hold no objects, need no arguments and are none of introspection."""
    if kind is None:
        return frozenset()
    leaves: frozenset[str] | None = kind.extensions.get(_LEAVES)
    if leaves is None:
        leaves = kind.extensions[_LEAVES] = frozenset(
            name
            for name, field in getattr(kind, "fields", {}).items()
            if is_leaf_type(named := get_named_type(field.type))
            and not named.name.startswith("__")
            and not any(map(is_required_argument, field.args.values()))
        )
    return leaves


class OverlappingFields(OverlappingFieldsCanBeMergedRule):
    """graphql-core's rule, which compares nothing where each field answers under a name of its own: it takes each
    fragment with each other."""

    def enter_selection_set(self, selection_set: SelectionSetNode, key: Any, parent: Any, *more: Any) -> None:
        """Report two fields of one name that differ."""
        if not isinstance(parent, InlineFragmentNode) and not self._are_distinct(selection_set):
            super().enter_selection_set(selection_set, key, parent, *more)

    def _are_distinct(self, selection_set: SelectionSetNode) -> bool:
        """Whether all fields, those in fragments too, have different names, but for what says the type."""
        names: set[str] = set()
        fragments: set[str] = set()
        pending = [selection_set]
        while pending:
            for one in pending.pop().selections:
                if isinstance(one, FieldNode):
                    name = (one.alias or one.name).value
                    if name in names or (one.alias and name == _TYPE_NAME):
                        return False
                    if name != _TYPE_NAME:
                        names.add(name)
                elif isinstance(one, InlineFragmentNode):
                    pending.append(one.selection_set)
                elif isinstance(one, FragmentSpreadNode) and one.name.value not in fragments:
                    fragments.add(one.name.value)
                    fragment = self.context.get_fragment(one.name.value)
                    if fragment is not None:
                        pending.append(fragment.selection_set)
        return True


class ValuesOfCorrectType(ValuesOfCorrectTypeRule):
    """graphql-core's rule, asked about each part of a value by itself: it looks at all of it to find one that is wrong,
    for a path that nobody is told, and prints all of it."""

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> VisitorAction:
        """Report what does not fit its type."""
        kind: Any = None if input_type is None else get_nullable_type(input_type)
        if isinstance(node, ListValueNode) and is_list_type(kind):
            self._look_at_items(node, kind.of_type)
        elif isinstance(node, ObjectValueNode) and is_input_object_type(kind):
            self._look_at_fields(node, kind)
        elif not _is_taken(node, kind):
            short = kind in _TAKEN and isinstance(node, _HOLDS_OTHERS) and _is_large(node)
            super().is_valid_value_node(EnumValueNode(value="…", loc=node.loc) if short else node, input_type)
        return SKIP

    def _look_at_items(self, node: ListValueNode, kind: GraphQLInputType) -> None:
        own: Any = get_nullable_type(kind)
        taken = _TAKEN.get(own, ())
        for item in node.values:
            if item.__class__ not in taken and not _is_taken(item, own):
                self.is_valid_value_node(item, kind)

    def _look_at_fields(self, node: ObjectValueNode, kind: GraphQLInputObjectType) -> None:
        is_right = _has_right_fields(node, kind)
        if not is_right and not _is_large(node):
            super().is_valid_value_node(node, kind)
            return
        for field in node.fields:
            if is_right or (field.name.value in kind.fields and isinstance(field.value, _HOLDS_OTHERS)):
                self.is_valid_value_node(field.value, kind.fields[field.name.value].type)
        if not is_right:
            super().is_valid_value_node(_in_short(node), kind)


def _is_large(node: ValueNode) -> bool:
    return node.loc is not None and node.loc.end - node.loc.start > LARGE


def _in_short(node: ObjectValueNode) -> ObjectValueNode:
    """Without what is in its lists and objects."""
    fields = (
        ObjectFieldNode(name=field.name, value=_REST, loc=field.loc)
        if isinstance(field.value, _HOLDS_OTHERS)
        else field
        for field in node.fields
    )
    return ObjectValueNode(fields=tuple(fields), loc=node.loc)


def _has_right_fields(node: ObjectValueNode, kind: GraphQLInputObjectType) -> bool:
    names = {field.name.value for field in node.fields}
    if len(names) < len(node.fields):
        return False
    needed = {name for name, field in kind.fields.items() if is_required_input_field(field)}
    return not kind.is_one_of and needed <= names <= kind.fields.keys()


def _is_taken(node: ValueNode, kind: Any) -> bool:
    """Whether the type takes the literal for certain."""
    if isinstance(node, EnumValueNode):
        return is_enum_type(kind) and node.value in kind.values
    if isinstance(node, IntValueNode) and kind is GraphQLInt:
        return len(node.value) < _MANY_DIGITS
    return node.__class__ in _TAKEN.get(kind, ())
