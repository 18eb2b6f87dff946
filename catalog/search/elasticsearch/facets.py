"""Facets: how many hits have each value of a property, counted by aggregations in the same request as the hits.

Each record is filed under one spelling of each of its values (:func:`catalog.search.elasticsearch.encoding.filed`),
so that participants count once. Acquisitions of one participant may differ in spelling; such values, where there are
any, are counted by a second request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from catalog.search.elasticsearch.encoding import (
    AFTER_SEPARATOR,
    SEPARATOR,
    coded,
    rank,
    shown_field,
    shown_statement,
)
from catalog.search.elasticsearch.queries import PREFIX, Query, every_of, nested
from catalog.search.elasticsearch.scope import Scope
from catalog.search.facets import FacetCount, facet_property, is_of_datasets, said_by_datasets
from catalog.search.names import Level
from catalog.search.projection import Statement

_BUCKETS: Final = 10_000
_GROUPS: Final = 1_000
_SPECIAL: Final = re.compile(r'[.?+*|{}\[\]()"\\#@&<>~^-]')


class Facet(Protocol):
    """A facet that was asked for: what to aggregate, and how to read the answer."""

    @property
    def aggregation(self) -> Query:
        """What goes into the request."""

    def counts(self, answer: Any, query: Query) -> list[FacetCount]:
        """Return the values and counts that an aggregation's answer means, for the hits of a query."""


def facet_of(scope: Scope, asked: str) -> Facet:
    """Return the facet of a property.

    Raises:
        InvalidRequestError: The property is not known, or divides nobody.
    """
    level, name = facet_property(asked, scope.in_use())
    return _OfDatasets(scope, level, name) if is_of_datasets(level, name) else _OfValues(scope, level, name)


@dataclass(frozen=True, slots=True)
class _OfDatasets:
    """What records have from their dataset: one count for each value, over the datasets that have it."""

    scope: Scope
    level: Level
    name: str

    def _groups(self) -> dict[str, tuple[Statement, list[str]]]:
        """Return the values, each with a statement that stands for it and the datasets that have it."""
        return said_by_datasets(self.name, self.scope.visible)

    @property
    def aggregation(self) -> Query:
        return {
            "filters": {"filters": [self._having(iris) for _, iris in self._groups().values()] or [{"match_none": {}}]}
        }

    def _having(self, iris: Sequence[str]) -> Query:
        inside: Query = {"terms": {PREFIX[self.level] + "dataset": sorted(set(iris))}}
        return inside if self.level is Level.PARTICIPANT else nested(inside)

    def counts(self, answer: Any, query: Query) -> list[FacetCount]:
        found = zip(self._groups().values(), answer["buckets"], strict=False)
        return [FacetCount(statement, bucket["doc_count"]) for (statement, _), bucket in found if bucket["doc_count"]]


@dataclass(frozen=True, slots=True)
class _OfValues:
    """What records say themselves."""

    scope: Scope
    level: Level
    name: str

    @property
    def _field(self) -> str:
        return PREFIX[self.level] + shown_field(self.name)

    @property
    def aggregation(self) -> Query:
        name = _SPECIAL.sub(r"\\\g<0>", coded(self.name))
        values: Query = {"terms": {"field": self._field, "include": f"{name}{SEPARATOR}.*", "size": _BUCKETS}}
        return self._inside(values)

    def _inside(self, values: Query) -> Query:
        """Return an aggregation of values as it is asked for: of acquisitions, those that may be seen."""
        if self.level is Level.PARTICIPANT:
            return values
        counted = values | {"aggs": {"people": {"reverse_nested": {}}}}
        visible = {"filter": every_of(self.scope.seen(self.level)), "aggs": {"values": counted}}
        return {"nested": {"path": "acquisitions"}, "aggs": {"visible": visible}}

    def _buckets(self, answer: Any) -> Any:
        return answer if self.level is Level.PARTICIPANT else answer["visible"]["values"]

    def counts(self, answer: Any, query: Query) -> list[FacetCount]:
        values = self._buckets(answer)
        buckets = values["buckets"] if not values["sum_other_doc_count"] else self._all(query)
        spellings: dict[str, list[tuple[str, Statement, str, int]]] = {}
        for term, count in map(self._counted, buckets):
            statement = shown_statement(self.name, term) or self.scope.read_long(self.level, self.name, term)
            if statement is not None:
                spellings.setdefault(statement.facet, []).append((rank(statement), statement, term, count))
        found = {facet: min(group, key=lambda one: one[0])[1] for facet, group in spellings.items()}
        counts = {facet: sum(count for *_, count in group) for facet, group in spellings.items()}
        if self.level is Level.ACQUISITION:
            several = {f: [term for _, _, term, _ in group] for f, group in spellings.items() if len(group) > 1}
            counts |= dict(zip(several, self._together(query, several.values()), strict=True))
        return [FacetCount(statement, counts[facet]) for facet, statement in found.items()]

    def _counted(self, bucket: Any) -> tuple[str, int]:
        term = bucket["key"]["value"] if isinstance(bucket["key"], dict) else bucket["key"]
        return term, bucket["people"]["doc_count"] if self.level is Level.ACQUISITION else bucket["doc_count"]

    def _together(self, query: Query, groups: Iterable[list[str]]) -> Iterator[int]:
        """Yield how many hits have an acquisition with any of some spellings, group by group."""
        seen = self.scope.seen(self.level)
        having = [nested(every_of([*seen, {"terms": {self._field: terms}}])) for terms in groups]
        for start in range(0, len(having), _GROUPS):
            some = having[start : start + _GROUPS]
            body = {"query": query, "size": 0, "aggs": {"groups": {"filters": {"filters": some}}}}
            answer = self.scope.vocabulary.search(body)["aggregations"]["groups"]
            yield from (bucket["doc_count"] for bucket in answer["buckets"])

    def _all(self, query: Query) -> Iterator[Any]:
        """Yield the values of a property that has very many, page by page."""
        after: dict[str, str] = {"value": coded(self.name) + SEPARATOR}
        end = coded(self.name) + AFTER_SEPARATOR
        while True:
            source = {"value": {"terms": {"field": self._field}}}
            values: Query = {"composite": {"size": _BUCKETS, "sources": [source], "after": after}}
            body = {"query": query, "size": 0, "aggs": {"facet": self._inside(values)}}
            page = self._buckets(self.scope.vocabulary.search(body)["aggregations"]["facet"])
            for bucket in page["buckets"]:
                if bucket["key"]["value"] >= end:
                    return
                yield bucket
            if "after_key" not in page:
                return
            after = page["after_key"]
