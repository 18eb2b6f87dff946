"""Answers for those who may count participants of some datasets and not read them.

What may be read is asked as ever. What may only be counted is asked apart, and of each number only so many whole
multiples of the grant's minimum are told: below it nothing, not even that there is somebody. Datasets of one minimum
are counted together. Every number that leaves here is a sum of an exact one over what may be read and of numbers so
rounded; what is protected by that, and what is not, says ``docs/explanation/privacy.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from api.access import Permission, Principal
from catalog.search.conditions import (
    EVERYTHING,
    NOTHING,
    And,
    Condition,
    Count,
    Has,
    In,
    IsNull,
    Not,
    Or,
    all_of,
    properties_of,
)
from catalog.search.index import PropertyInfo, SearchIndex
from catalog.search.names import Level, built_in_names, canonical_name, well_known
from catalog.search.query import Query
from ontology.errors import NotPermittedError

IDENTIFYING: Final = frozenset({"id", "label"})
"""Properties that name one participant or acquisition: nothing is counted by them that may not be read."""


@dataclass
class Scope:
    """Datasets that are asked together, and the smallest number that is told of them.

    Attributes:
        index: Whom to ask.
        datasets: Whose records exist for the question.
        least: 1 where every number is told.
        only: Where these are not all datasets whose participants are meant, those that are.
    """

    index: SearchIndex
    datasets: frozenset[str]
    least: int = 1
    only: frozenset[str] | None = None

    def told(self, number: int) -> int:
        """Return what is told of a number: so many whole multiples of the minimum."""
        return number - number % self.least

    @property
    def among(self) -> Condition:
        """The condition that finds the participants that are meant."""
        return EVERYTHING if self.only is None else In("dataset", tuple(sorted(self.only)))

    def asked(self, query: Query) -> Query:
        """Return a query as it is put to this scope."""
        return Query(all_of((self.among, self.adapted(query.root))))

    def count(self, query: Query, conditions: Sequence[Condition]) -> list[int]:
        """Return what is told of how many fulfil a query and each of some conditions."""
        each = [Query(self.adapted(condition)) for condition in conditions]
        return [self.told(n) for n in self.index.count_each(self.asked(query), each, datasets=self.datasets)]

    def adapted(self, condition: Condition, level: Level = Level.PARTICIPANT) -> Condition:
        """Return a condition in which a property that nobody here has is said to be missing.

        The same query is put to several scopes; a name that another knows is no mistake here.
        """
        match condition:
            case And(parts=parts):
                return And(tuple(self.adapted(part, level) for part in parts))
            case Or(parts=parts):
                return Or(tuple(self.adapted(part, level) for part in parts))
            case Not(part=part):
                return Not(self.adapted(part, level))
            case Has(condition=inner):
                return Has(self.adapted(inner, Level.ACQUISITION))
            case Count(condition=inner):
                return replace(condition, condition=self.adapted(inner, Level.ACQUISITION))
            case _:
                if condition.property is None or self._has(condition.property, level):
                    return condition
                return EVERYTHING if isinstance(condition, IsNull) else NOTHING

    def knows(self, name: str) -> bool:
        """Tell whether a property may be asked about here."""
        return any(self._has(canonical_name(name, level), level) for level in Level)

    def _has(self, name: str, level: Level) -> bool:
        return name in built_in_names(level) or name in well_known(level) or (level, name) in self._names

    @cached_property
    def _names(self) -> frozenset[tuple[str, str]]:
        return frozenset((info.level, info.name) for info in self.index.properties(datasets=self.datasets))


@dataclass(frozen=True, slots=True)
class Scopes:
    """What one principal may read, and what it may only count."""

    readable: Scope
    counted: tuple[Scope, ...]
    notices: tuple[str, ...] = field(default=())

    @property
    def every(self) -> tuple[Scope, ...]:
        """All scopes, the readable one first."""
        return (self.readable, *self.counted)

    @property
    def datasets(self) -> frozenset[str]:
        """Whose participants are counted at all."""
        return self.readable.datasets.union(*(scope.datasets for scope in self.counted))

    @property
    def short(self) -> int:
        """The smallest number that cannot hide behind what is not told."""
        return 1 + sum(scope.least - 1 for scope in self.counted)

    def number(self, told: int) -> dict[str, Any]:
        """Return a number as it goes over the wire; of none it is only told that there are fewer than so many."""
        return {"count": told} if told or self.short == 1 else {"count": None, "fewer_than": self.short}

    def numbers(self, query: Query, conditions: Sequence[Condition]) -> list[int]:
        """Return what is told of how many fulfil a query and each of some conditions."""
        return [sum(told) for told in zip(*(scope.count(query, conditions) for scope in self.every), strict=True)]


def scopes_of(index: SearchIndex, principal: Principal, query: Query | None = None) -> Scopes:
    """Return what a principal may read and count; of a query that names somebody only what may be read.

    Raises:
        NotPermittedError: The query names somebody, and the principal may read nothing.
    """
    readable = Scope(index, principal.datasets(Permission.READ) or frozenset())
    minimums = sorted(set(principal.count_only.values()))
    if query is not None and (named := sorted(IDENTIFYING & properties_of(query.root))):
        refused = f"{' and '.join(named)} cannot be asked of datasets of which you are told counts only"
        if not readable.datasets:
            raise NotPermittedError(refused)
        return Scopes(readable, (), (f"{refused}: these are left out",))
    everything = frozenset(principal.count_only)
    counted = tuple(
        Scope(index, everything, least, None if len(minimums) == 1 else _with(principal.count_only, least))
        for least in minimums
    )
    many = f"{len(everything)} dataset" + ("s" if len(everything) > 1 else "")
    notice = f"of {many} numbers are rounded down, and none is told below {minimums[-1]}"
    return Scopes(readable, counted, (notice,) if minimums[-1] > 1 else ())


def _with(minimums: Mapping[str, int], least: int) -> frozenset[str]:
    return frozenset(iri for iri, minimum in minimums.items() if minimum == least)


def merged_properties(scopes: Scopes) -> list[dict[str, Any]]:
    """Return the properties that a query may name.

    Names describe datasets (columns of tables, fields of sidecars) and are told; examples are values and are not.
    """
    found: dict[tuple[str, str], list[tuple[Scope, PropertyInfo]]] = {}
    for scope in scopes.every:
        for info in scope.index.properties(datasets=scope.only or scope.datasets):
            found.setdefault((info.level, info.name), []).append((scope, info))
    merged = []
    for (level, name), infos in found.items():
        told = sum(scope.told(info.count) for scope, info in infos)
        kinds = dict.fromkeys(kind for _, info in infos for kind in info.kinds)
        examples = [example for scope, info in infos if scope is scopes.readable for example in info.examples]
        body = {"name": name, "level": level, "kinds": list(kinds), **scopes.number(told), "examples": examples}
        merged.append(body)
    return sorted(merged, key=lambda body: (body["level"] != Level.PARTICIPANT, body["name"]))


def merged_facet(scopes: Scopes, found: Sequence[Collection[Any]]) -> list[dict[str, Any]]:
    """Return the values of a facet, given those of each scope; one that is not told of is not there."""
    cells: dict[tuple[type, Any], dict[str, Any]] = {}
    for scope, values in zip(scopes.every, found, strict=True):
        for value in values:
            if told := scope.told(value.count):
                cell = cells.setdefault((type(value.value), value.value), {**value.to_json(), "count": 0})
                cell["count"] += told
    return sorted(cells.values(), key=lambda cell: (-cell["count"], cell["label"], str(cell["value"])))
