"""Conditional path templates (Boutiques 0.5, ``conditional-path-template``), decided without ``eval``."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_LOOSE_EQUALS = re.compile(r"(?<![=!<>])=(?!=)")


class ConditionError(ValueError):
    """A condition that is not made of inputs, values, comparisons, ``and``, ``or`` and ``not``."""


def holds(condition: str, values: Mapping[str, Any], known: set[str]) -> bool:
    """Decide a condition on the values of inputs; one that mentions an input without a value is false.

    Words that are no input stand for themselves, as in the library (``mode == fast``).

    Raises:
        ConditionError: It is not a condition.
    """
    try:
        tree = ast.parse(_LOOSE_EQUALS.sub("==", condition), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConditionError(f"{condition!r} is not a condition") from error
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if any(name in known and name not in values for name in names):
        return False
    return bool(_value(tree.body, values))


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=str() | int() | float() | bool()):
            return node.value
        case ast.Name():
            return values.get(node.id, node.id)
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, values)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.BoolOp():
            parts = (bool(_value(part, values)) for part in node.values)
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        case ast.Compare():
            return _compare(node, values)
    raise ConditionError("a condition is made of inputs, values, comparisons, 'and', 'or' and 'not'")


def _compare(node: ast.Compare, values: Mapping[str, Any]) -> bool:
    left = _value(node.left, values)
    for operation, right_node in zip(node.ops, node.comparators, strict=True):
        right = _value(right_node, values)
        compare = _COMPARE.get(type(operation))
        if compare is None:
            raise ConditionError("a condition compares with ==, !=, <, <=, > or >=")
        try:
            if not compare(left, right):
                return False
        except TypeError as error:
            raise ConditionError("a condition compares a number with a word") from error
        left = right
    return True
