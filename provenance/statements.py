"""A statement of PROV-DM, and the container in which statements are made and kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ontology.errors import InvalidRequestError
from provenance.values import Identifier, Literal, Value, normal_time, value_of
from provenance.vocabulary import BUILT_IN, PROV, RESERVED, TIMES, Kind

Attributes = Mapping[str, object] | Iterable[tuple[str, object]]
"""Attribute names (CURIE or IRI) with one value each, or a list, tuple or set of values."""

Pair = tuple[Identifier, Value]
"""An attribute: its name and one value."""

_SCHEMES = frozenset({"urn", "ni", "tag", "doi", "info", "did", "mailto", "data", "geo", "cid", "ark"})


class _StatementFields(NamedTuple):
    kind: Kind
    id: Identifier | None
    arguments: tuple[str | None, ...]
    attributes: tuple[Pair, ...]


class Statement(_StatementFields):
    """One PROV statement: its kind, identifier, formal arguments and attributes.

    ``arguments`` follow the kind's argument names; a missing one is None. ``attributes`` are sorted, each pair
    once, so that equal statements are equal tuples.

    Raises:
        InvalidRequestError: An argument or identifier that PROV-DM requires is missing, or one that it does not
            allow is given.
    """

    __slots__ = ()

    def __new__(
        cls,
        kind: Kind,
        id: Identifier | None,
        arguments: Sequence[str | None] = (),
        attributes: Iterable[Pair] = (),
    ) -> Statement:
        """Check the parts and return the statement."""
        given = tuple(arguments)
        if len(given) != len(kind.arguments):
            if len(given) > len(kind.arguments):
                raise InvalidRequestError(f"{kind.keyword} takes {len(kind.arguments)} arguments")
            given += (None,) * (len(kind.arguments) - len(given))
        if None in given[: kind.required]:
            missing = kind.arguments[given.index(None)]
            raise InvalidRequestError(f"{kind.keyword} needs its argument {missing!r}", field=missing)
        pairs = ordered_pairs(attributes)
        if id is None:
            if kind.element:
                raise InvalidRequestError(f"{kind.keyword} needs an identifier", field="id")
        elif not kind.described:
            raise InvalidRequestError(f"PROV-DM gives {kind.keyword} no identifier", field="id")
        if pairs:
            _check_attributes(kind, pairs)
        return tuple.__new__(cls, (kind, id, given, pairs))

    @classmethod
    def of_checked(
        cls, kind: Kind, id: Identifier | None, arguments: tuple[str | None, ...], attributes: tuple[Pair, ...]
    ) -> Statement:
        """Return a statement of parts that are known to be right: all arguments, ordered attributes."""
        return tuple.__new__(cls, (kind, id, arguments, attributes))

    def argument(self, name: str) -> str | None:
        """Return a formal argument by its PROV-DM name.

        Raises:
            InvalidRequestError: This kind of statement has no such argument.
        """
        if name not in self.kind.arguments:
            raise InvalidRequestError(f"{self.kind.keyword} has no argument {name!r}", field=name)
        return self.arguments[self.kind.arguments.index(name)]

    def values(self, name: str) -> list[Value]:
        """Return all values of an attribute (IRI)."""
        return [value for key, value in self.attributes if key == name]

    def text(self, name: str) -> str | None:
        """Return the first value of an attribute (IRI) as text, or None."""
        for key, value in self.attributes:
            if key == name:
                return value.text if isinstance(value, Literal) else str(value)
        return None


def ordered_pairs(attributes: Iterable[Pair]) -> tuple[Pair, ...]:
    """Return attributes in the order in which statements keep them, each once."""
    pairs = list(attributes)
    if len(pairs) > 1:
        if len(dict(pairs)) == len(pairs):
            # No name is there twice, so that no value is ever compared with another.
            pairs.sort()
        else:
            pairs = sorted(set(pairs), key=_sort_key)
    return tuple(pairs)


def _sort_key(pair: Pair) -> tuple[str, bool, str, str, str]:
    name, value = pair
    if isinstance(value, Literal):
        return name, True, value.text, value.datatype, value.language or ""
    return name, False, value, "", ""


def _check_attributes(kind: Kind, pairs: tuple[Pair, ...]) -> None:
    if not kind.described:
        raise InvalidRequestError(f"PROV-DM gives {kind.keyword} no attributes", field=pairs[0][0])
    for name, _ in pairs:
        if name.startswith(PROV) and name not in RESERVED:
            raise InvalidRequestError(
                f"{name} is not an attribute: PROV-DM reserves its namespace",
                field=name,
                next_step="Use prov:label, prov:location, prov:role, prov:type, prov:value or another namespace.",
            )


class Statements:
    """Statements under shared namespaces: what a document and a bundle have in common.

    Statements of one kind and identifier are one statement with the attributes of all (PROV-CONSTRAINTS 5.1);
    where their arguments contradict each other they stay apart, for :func:`provenance.constraints.problems` to
    report.
    """

    __slots__ = ("_index", "_statements", "namespaces")

    def __init__(self, namespaces: dict[str, str]) -> None:
        self.namespaces = namespaces
        self._statements: list[Statement] = []
        self._index: dict[tuple[Kind, str], int] = {}

    @property
    def statements(self) -> Sequence[Statement]:
        """All statements, in the order in which they were made."""
        return self._statements

    def name(self, text: str) -> Identifier:
        """Return the identifier that a CURIE, an unprefixed name or an IRI means here.

        Raises:
            InvalidRequestError: The prefix is not declared, or there is no default namespace.
        """
        if isinstance(text, Identifier):
            return text
        prefix, colon, local = text.partition(":")
        if not colon:
            prefix, local = "", text
        namespace = self.namespaces.get(prefix) or BUILT_IN.get(prefix)
        if namespace is not None:
            return Identifier(namespace + local)
        if colon and (local.startswith("//") or prefix.lower() in _SCHEMES):
            return Identifier(text)
        what = f"the prefix of {text!r} is not declared" if colon else f"{text!r} needs a default namespace"
        raise InvalidRequestError(what, field=text)

    def add(self, statement: Statement) -> Statement:
        """Add a statement, united with an earlier one of the same kind and identifier; return what is kept."""
        if statement.id is None:
            self._statements.append(statement)
            return statement
        key = (statement.kind, statement.id)
        at = self._index.setdefault(key, len(self._statements))
        if at == len(self._statements):
            self._statements.append(statement)
            return statement
        united = _unite(self._statements[at], statement)
        if united is None:
            if statement not in self._statements:
                self._statements.append(statement)
            return statement
        self._statements[at] = united
        return united

    def state(
        self,
        kind: Kind,
        id: str | None,
        arguments: Sequence[str | datetime | None] = (),
        attributes: Attributes | None = None,
    ) -> Statement:
        """Make a statement of any kind from names and Python values, and add it.

        Raises:
            InvalidRequestError: A name cannot be resolved, or PROV-DM does not allow the statement.
        """
        resolved: list[str | None] = []
        for name, given in zip(kind.arguments, arguments, strict=False):
            if given is None:
                resolved.append(None)
            elif name in TIMES:
                resolved.append(normal_time(given))
            else:
                resolved.append(self.name(given if isinstance(given, str) else str(given)))
        pairs = self._pairs(attributes) if attributes else ()
        return self.add(Statement(kind, None if id is None else self.name(id), resolved, pairs))

    def _pairs(self, attributes: Attributes) -> Iterable[Pair]:
        items = attributes.items() if isinstance(attributes, Mapping) else attributes
        for key, given in items:
            name = self.name(key)
            if isinstance(given, list | tuple | set | frozenset) and not isinstance(given, Literal):
                for one in given:
                    yield name, value_of(one)
            else:
                yield name, value_of(given)

    def _same_statements(self, other: Statements) -> bool:
        return set(self._statements) == set(other._statements)


def _unite(first: Statement, second: Statement) -> Statement | None:
    """Return both as one statement; None when an argument differs."""
    if first == second:
        return first
    arguments: list[str | None] = []
    for one, other in zip(first.arguments, second.arguments, strict=True):
        if one is not None and other is not None and one != other:
            return None
        arguments.append(one if one is not None else other)
    return Statement(first.kind, first.id, arguments, first.attributes + second.attributes)
