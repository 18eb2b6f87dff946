"""Answering one question from one snapshot: the hits, a page of them, facets, and what explanations need."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from catalog.search.binding import BoundQuery
from catalog.search.explanation import Described, Explainer, asks_acquisitions, describe, properties_asked
from catalog.search.facets import (
    FacetCount,
    cut_notices,
    facet_property,
    facet_values,
    is_of_datasets,
    said_by_datasets,
)
from catalog.search.index import FacetValue, Hit, Terms
from catalog.search.index_tables import FACTS
from catalog.search.names import ANY, Level
from catalog.search.paging import Position
from catalog.search.projection import Statement
from catalog.search.sqlite.scope import Scope
from catalog.search.sqlite.translation import participants

_IN_DATASETS = {
    Level.PARTICIPANT: "SELECT COUNT(*) FROM temp.hit h JOIN participant p ON p.key = h.key"
    " WHERE p.dataset IN (SELECT value FROM json_each(?))",
    Level.ACQUISITION: "SELECT COUNT(DISTINCT h.key) FROM temp.hit h JOIN acquisition a ON a.participant = h.key"
    " WHERE a.dataset IN (SELECT value FROM json_each(?))",
}


class Answering:
    """One bound query against one snapshot; the keys of its hits lie in the temporary table ``hit``."""

    def __init__(self, scope: Scope, bound: BoundQuery, terms: Terms) -> None:
        self.scope = scope
        self.db: sqlite3.Connection = scope.db
        self.bound = bound
        self.terms = terms
        self.notices: list[str] = []
        select = participants(bound.root, scope)
        self.db.execute("DELETE FROM temp.hit")
        self.count: int = self.db.execute("INSERT INTO temp.hit " + select.text, select.parameters).rowcount

    def members(self) -> list[str]:
        """Return the IRIs of all hits, sorted."""
        rows = self.db.execute("SELECT p.iri FROM temp.hit h JOIN participant p ON p.key = h.key ORDER BY p.iri")
        return [iri for (iri,) in rows]

    def page(self, after: Position | None, limit: int) -> list[tuple[int, Position]]:
        """Return keys and positions of the hits that follow a position."""
        where = ""
        parameters: tuple[str, ...] = ()
        if after is not None:
            where, parameters = "WHERE (COALESCE(d.iri, ''), p.label, p.iri) > (?, ?, ?)", tuple(after)
        rows = self.db.execute(
            "SELECT h.key, COALESCE(d.iri, ''), p.label, p.iri FROM temp.hit h JOIN participant p ON p.key = h.key"  # noqa: S608
            f" LEFT JOIN dataset d ON d.key = p.dataset {where} ORDER BY 2, 3, 4 LIMIT ?",
            (*parameters, limit),
        )
        return [(key, Position(dataset, label, iri)) for key, dataset, label, iri in rows]

    def hits(self, page: Sequence[tuple[int, Position]], *, explain: bool) -> list[Hit]:
        """Return the hits of a page, each with its explanation when asked."""
        if not explain:
            return [Hit(id=at.iri, label=at.label, dataset=at.dataset or None) for _, at in page]
        explainer = Explainer(self.bound.root, self.terms)
        described = self._described(page)
        return [
            Hit(
                id=at.iri,
                label=at.label,
                dataset=at.dataset or None,
                explanation=explainer.explain(described[key]) or (),
            )
            for key, at in page
        ]

    def _described(self, page: Sequence[tuple[int, Position]]) -> dict[int, Described]:
        """Return the participants of a page with the statements that the query asks about."""
        keys = json.dumps([key for key, _ in page])
        names = json.dumps(sorted(properties_asked(self.bound.root)))
        statements = self._statements("participant_statement", "participant", keys, names)
        acquisitions = self._acquisitions(keys, names) if asks_acquisitions(self.bound.root) else {}
        datasets = dict(
            self.db.execute(
                "SELECT key, dataset FROM participant WHERE key IN (SELECT value FROM json_each(?))", (keys,)
            )
        )
        return {
            key: describe(
                at.iri,
                at.label,
                statements.get(key, ()),
                level=Level.PARTICIPANT,
                dataset=self.scope.visible.get(datasets[key] or 0),
                acquisitions=acquisitions.get(key, ()),
            )
            for key, at in page
        }

    def _acquisitions(self, keys: str, names: str) -> dict[int, list[Described]]:
        visible, parameters = self.scope.condition("a.dataset")
        rows = self.db.execute(
            "SELECT a.key, a.participant, a.iri, a.label, a.dataset FROM acquisition a"  # noqa: S608
            f" WHERE a.participant IN (SELECT value FROM json_each(?)) AND {visible} ORDER BY a.label, a.iri",
            (keys, *parameters),
        ).fetchall()
        statements = self._statements(
            "acquisition_statement", "acquisition", json.dumps([row[0] for row in rows]), names
        )
        found: dict[int, list[Described]] = {}
        for key, participant, iri, label, dataset in rows:
            of_dataset = self.scope.visible.get(dataset or 0)
            image = describe(iri, label, statements.get(key, ()), level=Level.ACQUISITION, dataset=of_dataset)
            found.setdefault(participant, []).append(image)
        return found

    def _statements(self, table: str, record: str, keys: str, names: str) -> dict[int, list[Statement]]:
        rows = self.db.execute(
            f"SELECT l.{record}, q.name, {FACTS} FROM json_each(?1) k JOIN {table} l ON l.{record} = k.value"  # noqa: S608
            " JOIN statement s ON s.key = l.statement JOIN property q ON q.key = s.property"
            f" WHERE q.name IN (SELECT value FROM json_each(?2)) OR '{ANY}' IN (SELECT value FROM json_each(?2))",
            (keys, names),
        )
        found: dict[int, list[Statement]] = {}
        for key, name, *facts in rows:
            found.setdefault(key, []).append(Statement(name, *facts))
        return found

    def facet(self, asked: str) -> tuple[FacetValue, ...]:
        """Return the values of a property with the number of hits that have each.

        Raises:
            InvalidRequestError: The property is not known, or divides nobody.
        """
        level, name = facet_property(asked, self.scope.in_use())
        counts = self._counts_of_dataset(level, name) if is_of_datasets(level, name) else self._counts(level, name)
        self.notices += cut_notices(name, len(counts))
        return facet_values(counts, self.terms)

    def _counts_of_dataset(self, level: Level, name: str) -> list[FacetCount]:
        """Count, for each thing that records have from their dataset, the hits that have it."""
        counted = _IN_DATASETS[level]
        said = said_by_datasets(name, self.scope.visible).values()
        rows = [(shown, self.db.execute(counted, (json.dumps(keys),)).fetchone()) for shown, keys in said]
        return [FacetCount(shown, count) for shown, (count,) in rows if count]

    def _counts(self, level: Level, name: str) -> list[FacetCount]:
        """Count, for each distinct value, the hits that have it or have an acquisition that has it.

        Spellings of one value count together; the first by alphabet stands for them (SQLite takes a bare column
        from the row that has the minimum).
        """
        parameters: tuple[str, ...] = ()
        if level is Level.PARTICIPANT:
            links = "temp.hit h JOIN participant_statement l ON l.participant = h.key"
        else:
            visible, parameters = self.scope.condition("a.dataset")
            join = "CROSS JOIN" if self._few() else "JOIN"  # CROSS JOIN: in this order, hits first
            links = (
                f"temp.hit h {join} acquisition a ON a.participant = h.key AND {visible}"
                f" {join} acquisition_statement l ON l.acquisition = a.key"
            )
        rows = self.db.execute(
            "SELECT COUNT(DISTINCT h.key), s.key, MIN(COALESCE(s.text, '') || ' ' || COALESCE(s.label, ''))"  # noqa: S608
            f" FROM {links}"
            " JOIN statement s ON s.key = l.statement AND s.property = ? GROUP BY s.facet",
            (*parameters, self.scope.property_key(level, name)),
        ).fetchall()
        return [FacetCount(self._statement(name, key), count) for count, key, _ in rows]

    def _few(self) -> bool:
        """Tell whether the hits are so few that looking at all their acquisitions is quicker than at all values."""
        everybody: int = self.db.execute("SELECT COUNT(*) FROM participant").fetchone()[0]
        return self.count * 8 < everybody

    def _statement(self, name: str, key: int) -> Statement:
        facts = self.db.execute(f"SELECT {FACTS} FROM statement s WHERE s.key = ?", (key,)).fetchone()  # noqa: S608
        return Statement(name, *facts)
