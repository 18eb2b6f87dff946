"""Rules of comparison, as ``reference.json`` states them, checked member by member."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Problem = tuple[str, str]
"""JSON pointer (RFC 6901) and what is wrong there."""

TOLERANCE: Final = ("relative", "absolute")
KINDS: Final = ("digest", "array", "labels", "table", "json", "present")


def rule_problems(rule: Any, path: str, where: str = "") -> list[Problem]:
    """Return what is wrong with the rule for an output.

    Args:
        rule: The member ``compare``.
        path: Name of the output, whose suffix says what it is.
        where: JSON pointer of the rule.
    """
    if not isinstance(rule, Mapping):
        return [(where, "This is an object with a kind.")]
    kind = rule.get("kind")
    if kind not in KINDS:
        return [(f"{where}/kind", f"The kind is one of {', '.join(KINDS)}.")]
    return list(_CHECKS[kind](rule, path.lower(), where))


def escaped(name: str) -> str:
    """Return a name as a part of a JSON pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def unknown(item: Mapping[str, Any], known: tuple[str, ...], where: str) -> Iterator[Problem]:
    """Yield a problem for each member that nobody knows."""
    for name in item:
        if name not in known:
            yield f"{where}/{escaped(str(name))}", f"{name!r} is not known here; known are {', '.join(known)}."


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number, zero or more."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _bare(rule: Mapping[str, Any], path: str, where: str) -> Iterator[Problem]:
    yield from unknown(rule, ("kind",), where)


def _array(rule: Mapping[str, Any], path: str, where: str) -> Iterator[Problem]:
    yield from unknown(rule, ("kind", *TOLERANCE, "mismatch_fraction"), where)
    yield from _suffix(path, (".nii", ".nii.gz", ".npy", ".npz"), where)
    yield from _numbers(rule, (*TOLERANCE, "mismatch_fraction"), where)
    fraction = rule.get("mismatch_fraction", 0)
    if is_number(fraction) and fraction > 1:
        yield f"{where}/mismatch_fraction", "A fraction is at most 1."


def _labels(rule: Mapping[str, Any], path: str, where: str) -> Iterator[Problem]:
    yield from unknown(rule, ("kind", "dice", "labels"), where)
    yield from _suffix(path, (".nii", ".nii.gz", ".npy"), where)
    dice = rule.get("dice")
    if not isinstance(dice, int | float) or not is_number(dice) or not 0 < dice <= 1:
        yield f"{where}/dice", "This is the least Dice coefficient, above 0 and at most 1."
    labels = rule.get("labels", [1])
    if not isinstance(labels, list) or not labels or not all(type(label) is int for label in labels):
        yield f"{where}/labels", "This is a list of whole numbers."


def _table(rule: Mapping[str, Any], path: str, where: str) -> Iterator[Problem]:
    yield from unknown(rule, ("kind", "columns", "default", "ignore"), where)
    yield from _suffix(path, (".tsv", ".csv"), where)
    yield from _tolerances(rule, "columns", where)
    yield from _names(rule, where, lambda name: True, "This is a list of names of columns.")


def _json(rule: Mapping[str, Any], path: str, where: str) -> Iterator[Problem]:
    yield from unknown(rule, ("kind", "members", "default", "ignore"), where)
    yield from _tolerances(rule, "members", where)
    members = rule.get("members")
    for name in members if isinstance(members, Mapping) else ():
        if not name.startswith("/"):
            yield f"{where}/members/{escaped(name)}", "This is a JSON pointer, which begins with a slash."
    yield from _names(rule, where, lambda name: name.startswith("/"), "This is a list of JSON pointers.")


def _suffix(path: str, known: tuple[str, ...], where: str) -> Iterator[Problem]:
    if not path.endswith(known):
        yield f"{where}/kind", f"An output is compared so when its name ends in one of {', '.join(known)}."


def _numbers(rule: Mapping[str, Any], names: tuple[str, ...], where: str) -> Iterator[Problem]:
    for name in names:
        if not is_number(rule.get(name, 0)):
            yield f"{where}/{name}", "This is a number, zero or more."


def _tolerances(rule: Mapping[str, Any], member: str, where: str) -> Iterator[Problem]:
    listed = rule.get(member, {})
    if not isinstance(listed, Mapping):
        yield f"{where}/{member}", "This is an object of tolerances."
        listed = {}
    places = [(f"{where}/{member}/{escaped(name)}", tolerance) for name, tolerance in listed.items()]
    if "default" in rule:
        places.append((f"{where}/default", rule["default"]))
    for place, tolerance in places:
        if not isinstance(tolerance, Mapping):
            yield place, "This is an object with relative and absolute."
            continue
        yield from unknown(tolerance, TOLERANCE, place)
        yield from _numbers(tolerance, TOLERANCE, place)


def _names(rule: Mapping[str, Any], where: str, sound: Callable[[str], bool], said: str) -> Iterator[Problem]:
    names = rule.get("ignore", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and sound(name) for name in names):
        yield f"{where}/ignore", said


_CHECKS: Mapping[str, Callable[[Mapping[str, Any], str, str], Iterator[Problem]]] = {
    "digest": _bare,
    "array": _array,
    "labels": _labels,
    "table": _table,
    "json": _json,
    "present": _bare,
}
