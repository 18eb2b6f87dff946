"""CQL2 JSON (OGC 21-065r2, Annex C) into conditions; what is not supported is refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from catalog.search.conditions import (
    COMPARISONS,
    EVERYTHING,
    NOTHING,
    And,
    Between,
    Comparison,
    Condition,
    Count,
    Has,
    In,
    IsNull,
    Like,
    Matches,
    Not,
    Or,
    Scalar,
    Under,
    Within,
    all_of,
    any_of,
    negation,
)
from catalog.search.cql2_text import SUPPORTED
from catalog.search.names import Level, canonical_name, measure_name
from catalog.search.periods import period_of
from catalog.search.searched_words import searched_words
from ontology.errors import InvalidRequestError

MAX_CONDITIONS: Final = 200
MAX_NESTING: Final = 40
MAX_VALUES: Final = 5_000
MAX_WORDS: Final = 32
_SHOWN: Final = 60

_RANGING: Final = ("has", "count", "derived")
_TRUTHS: Final = ("has", "derived", "under", "matches", "within")

_FLIPPED: Final = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def read_condition(value: Any) -> Condition:
    """Return the condition that a CQL2 JSON value states about a participant.

    Raises:
        InvalidRequestError: It is malformed, too large, or uses what is not supported.
    """
    return _Reader().condition(value, Level.PARTICIPANT, 0)


def refused(detail: str, next_step: str | None = None, **params: Any) -> InvalidRequestError:
    """Return the error for a query that can be parsed and still says nothing that we can answer."""
    return InvalidRequestError(detail, field="query", next_step=next_step or f"Supported: {SUPPORTED}.", params=params)


class _Reader:
    """Reads one query; counts its conditions."""

    def __init__(self) -> None:
        self.conditions = 0

    def condition(self, value: Any, level: Level, depth: int) -> Condition:
        if depth > MAX_NESTING:
            raise refused(f"the query is nested more than {MAX_NESTING} deep", limit=MAX_NESTING)
        if isinstance(value, bool):
            return EVERYTHING if value else NOTHING
        op, args = _operation(value)
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise refused(
                f"the query has more than {MAX_CONDITIONS} conditions",
                "Use IN for long alternatives.",
                limit=MAX_CONDITIONS,
            )
        if op in ("and", "or"):
            parts = [self.condition(arg, level, depth + 1) for arg in args]
            return all_of(parts) if op == "and" else any_of(parts)
        if op == "not":
            return negation(self.condition(_only(op, args), level, depth + 1))
        if op == "has":
            return Has(self._inner(op, args, level, depth))
        if op == "derived":
            inner = _of_results(self._inner(op, args, level, depth))
            return Has(all_of((Comparison("derived", "=", True), inner)))
        return self._test(op, args, level, depth)

    def _inner(self, op: str, args: list[Any], level: Level, depth: int) -> Condition:
        if level is Level.ACQUISITION:
            instead = "Write derived = TRUE there, joined with AND." if op == "derived" else None
            raise refused(f"{op}() cannot stand inside has() or count(): an acquisition has no acquisitions", instead)
        if len(args) != 1:
            raise refused(f"{op}() takes one condition, not {len(args)}", f"Join conditions with AND: {op}(a AND b).")
        return self.condition(args[0], Level.ACQUISITION, depth + 1)

    def _test(self, op: str, args: list[Any], level: Level, depth: int) -> Condition:
        """Return a leaf, or what ``has`` and ``count`` are compared with."""
        function = _function_of(args)
        if function is not None and (op in COMPARISONS or op == "between"):
            return self._compared(op, args, function, level, depth)
        if op == "count":
            raise refused("count() is a number", "Compare it: count(suffix = 'T1w') >= 2.")
        if op == "measure":
            raise refused("measure() is a value", "Compare it: measure('snr') > 12.")
        reader = _LEAVES.get(op)
        if reader is None:
            raise refused(f"{op!r} is not supported")
        return reader(op, args, level)

    def _compared(self, op: str, args: list[Any], function: str, level: Level, depth: int) -> Condition:
        if op == "between":
            if function != "count" or len(args) != 3:
                raise refused(f"{function}() cannot be compared with BETWEEN")
            return all_of(
                self._compared(o, [args[0], bound], function, level, depth)
                for o, bound in ((">=", args[1]), ("<=", args[2]))
            )
        first, second = _pair(op, args)
        if not isinstance(first, dict) or "op" not in first:
            first, second, op = second, first, _FLIPPED[op]
        if function == "count":
            inner = self._inner("count", _operation(first)[1], level, depth)
            return Count(inner, op, _count_number(second))
        if not isinstance(second, bool) or op not in ("=", "<>"):
            raise refused(f"{function}() is true or false and can be compared with nothing else")
        part = self.condition(first, level, depth + 1)
        return part if second == (op == "=") else negation(part)


def _operation(value: Any) -> tuple[str, list[Any]]:
    """Return operator (lower case where case says nothing) and arguments of a JSON operation."""
    if isinstance(value, dict) and isinstance(value.get("property"), str):
        name = value["property"]
        raise refused(
            f"{name!r} stands alone where a condition is expected",
            f"Compare it: {name} = ..., or {name} IS NOT NULL.",
            property=name,
        )
    if not isinstance(value, dict) or not isinstance(value.get("op"), str):
        raise refused(f"{_shown(value)} stands where a condition is expected")
    args = value.get("args")
    if not isinstance(args, list):
        raise refused(f"the arguments ('args') of {value['op'][:_SHOWN]!r} are not a list")
    op = value["op"]
    return ("isNull" if op.lower() == "isnull" else op.lower()), args


def _function_of(args: list[Any]) -> str | None:
    """Return the first of our functions among the operands, if there is one."""
    for arg in args[:2]:
        if isinstance(arg, dict) and isinstance(arg.get("op"), str) and arg["op"].lower() in ("count", *_TRUTHS):
            name: str = arg["op"].lower()
            return name
    return None


def _pair(op: str, args: list[Any]) -> tuple[Any, Any]:
    if len(args) != 2:
        raise refused(f"{op!r} takes two operands, not {len(args)}")
    return args[0], args[1]


def _only(op: str, args: list[Any]) -> Any:
    if len(args) != 1:
        raise refused(f"{op!r} takes one argument, not {len(args)}")
    return args[0]


def _count_number(value: Any) -> int:
    number = _scalar(value)
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise refused(f"count() is compared with a whole number from 0, not {_shown(value)}")
    return number


def _property(value: Any, level: Level) -> str:
    """Return the name of a property operand; ``casei(property)`` is the property, for texts are folded anyway."""
    value = _uncased(value)
    if not _is_property(value):
        raise _not_a_property(value)
    if _is_measure(value):
        return _measure(value["args"], level)
    name: str = value["property"]
    _check_text(name)
    return canonical_name(name, level)


def _measure(args: list[Any], level: Level) -> str:
    """Return the property of ``measure('name')``; the name may also stand without quotes."""
    named = _only("measure", args)
    name = named.get("property") if isinstance(named, dict) else named
    if not isinstance(name, str) or not name.strip():
        raise refused("measure() takes the name of a measure: measure('snr') > 12")
    if level is Level.PARTICIPANT:
        raise refused("a measure is said of results", "Write it within derived(): derived(measure('snr') > 12).")
    _check_text(name)
    return measure_name(name)


def _of_results(condition: Condition) -> Condition:
    """Return a condition on results, where ``version`` is that of the pipeline."""
    match condition:
        case And(parts=parts) | Or(parts=parts):
            return replace(condition, parts=tuple(map(_of_results, parts)))
        case Not(part=part):
            return Not(_of_results(part))
        case Has() | Count():
            return condition
        case _:
            return replace(condition, property="pipeline_version") if condition.property == "version" else condition


def _is_property(value: Any) -> bool:
    value = _uncased(value)
    return isinstance(value, dict) and (isinstance(value.get("property"), str) or _is_measure(value))


def _is_measure(value: dict[str, Any]) -> bool:
    return str(value.get("op", "")).lower() == "measure" and isinstance(value.get("args"), list)


def _not_a_property(value: Any) -> InvalidRequestError:
    op = value.get("op") if isinstance(value, dict) else None
    if isinstance(op, str) and op.lower() not in _LEAVES and op.lower() not in ("and", "or", "not"):
        return refused(f"{op!r} is not supported")
    return refused(f"{_shown(value)} stands where a property is expected", "Write it as: property operator value.")


def _uncased(value: Any) -> Any:
    if isinstance(value, dict) and str(value.get("op", "")).lower() == "casei" and isinstance(value.get("args"), list):
        return _only("casei", value["args"])
    return value


def _scalar(value: Any) -> Scalar:
    value = _uncased(value)
    if isinstance(value, str):
        _check_text(value)
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return _number(value)
    raise _not_a_literal(value)


def _number(value: int | float) -> int | float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refused("a number is too large to be compared")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise refused("a text holds half of a surrogate pair, which is no character") from error


def _quoted(name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _SHOWN:
        return "Compare a property with a value."
    return f"Put a text into quotation marks: '{name}'."


def _not_a_literal(value: Any) -> InvalidRequestError:
    if value is None:
        return refused("nothing equals NULL", "Ask for a missing value with: property IS NULL.")
    if isinstance(value, dict):
        if "property" in value:
            return refused("two properties cannot be compared with each other", _quoted(value["property"]))
        if "date" in value or "timestamp" in value or "interval" in value:
            return refused(
                "DATE, TIMESTAMP and INTERVAL are not supported",
                "Write times as text, as they are in BIDS: '2020-01-31'.",
            )
        if isinstance(value.get("op"), str) and value["op"].lower() not in (*_TRUTHS, *_RANGING, "measure"):
            return refused(f"{value['op']!r} is not supported")
    return refused(
        f"{_shown(value)} stands where a value is expected", "Write a text in single quotes, a number, TRUE or FALSE."
    )


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "op" in value:
        return f"the operation {str(value['op'])[:40]!r}"
    return (
        repr(value)[:40] if isinstance(value, (str, int, float, bool)) else f"something of type {type(value).__name__}"
    )


def _comparison(op: str, args: list[Any], level: Level) -> Condition:
    first, second = _pair(op, args)
    if not _is_property(first) and _is_property(second):
        first, second, op = second, first, _FLIPPED[op]
    name, value = _property(first, level), _scalar(second)
    if isinstance(value, bool) and op not in ("=", "<>"):
        raise refused(f"TRUE and FALSE have no order ({op})")
    return Comparison(name, op, value)


def _between(op: str, args: list[Any], level: Level) -> Condition:
    if len(args) != 3:
        raise refused("BETWEEN takes a property and two bounds")
    low, high = _scalar(args[1]), _scalar(args[2])
    if isinstance(low, bool) or isinstance(high, bool) or isinstance(low, str) != isinstance(high, str):
        raise refused("the bounds of BETWEEN are two numbers or two texts")
    return Between(_property(args[0], level), low, high)


def _in(op: str, args: list[Any], level: Level) -> Condition:
    first, values = _pair(op, args)
    if not isinstance(values, list) or not values:
        raise refused("IN takes a list of values: property IN ('a', 'b')")
    if len(values) > MAX_VALUES:
        raise refused(f"IN takes at most {MAX_VALUES} values", limit=MAX_VALUES)
    scalars = [_scalar(value) for value in values]
    distinct = {(isinstance(value, bool), value): value for value in scalars}  # 1 and TRUE are equal in Python
    return In(_property(first, level), tuple(distinct.values()))


def _like(op: str, args: list[Any], level: Level) -> Condition:
    first, pattern = _pair(op, args)
    text = _scalar(pattern)
    if not isinstance(text, str):
        raise refused("LIKE takes a text pattern: property LIKE 'a%'")
    return Like(_property(first, level), text)


def _is_null(op: str, args: list[Any], level: Level) -> Condition:
    return IsNull(_property(_only("IS NULL", args), level))


def _under(op: str, args: list[Any], level: Level) -> Condition:
    if len(args) != 2 or not isinstance(args[1], str):
        raise refused("under() takes a property and a term: under(diagnosis, 'DOID:3213')")
    _check_text(args[1])
    return Under(_property(args[0], level), args[1])


def _matches(op: str, args: list[Any], level: Level) -> Condition:
    words = args[-1] if args else None
    if len(args) not in (1, 2) or not isinstance(words, str):
        raise refused("matches() takes words, or a property and words: matches('motor task')")
    _check_text(words)
    if not 1 <= len(searched_words(words)) <= MAX_WORDS:
        raise refused(f"matches() takes 1 to {MAX_WORDS} words of letters and digits: matches('motor task')")
    return Matches(_property(args[0], level) if len(args) == 2 else None, " ".join(words.split()))


def _within(op: str, args: list[Any], level: Level) -> Condition:
    if len(args) != 2 or not isinstance(args[1], str):
        raise refused("within() takes a property and an interval: within(acq_time, '2020-01-01/2020-12-31')")
    _check_text(args[1])
    try:
        period_of(args[1])
    except ValueError as error:
        raise refused(
            f"within(): {error}", "Write: within(acq_time, '2020/2021') or within(age, 'P30Y/..')."
        ) from error
    return Within(_property(args[0], level), args[1].strip())


_LEAVES: Final[dict[str, Callable[[str, list[Any], Level], Condition]]] = {
    **dict.fromkeys(COMPARISONS, _comparison),
    "between": _between,
    "in": _in,
    "like": _like,
    "isNull": _is_null,
    "under": _under,
    "matches": _matches,
    "within": _within,
}
