# ruff: noqa: S608  fragments are constants of this package; values are bound parameters
"""What can be asked of the index: its properties, those that make good facets, and the range of numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from catalog.search import index_tables, overview
from catalog.search.index import Extent, PropertyInfo
from catalog.search.names import Level, canonical_name
from catalog.search.projection import Statement
from catalog.search.sqlite.scope import Scope

_LIVE = {Level.PARTICIPANT: "r.live = 1", Level.ACQUISITION: "1"}
_TRUE_OF = {
    Level.PARTICIPANT: "participant_statement l JOIN participant r ON r.key = l.participant AND r.live = 1",
    Level.ACQUISITION: "acquisition_statement l JOIN acquisition r ON r.key = l.acquisition",
}


def properties(scope: Scope) -> list[PropertyInfo]:
    """Return every property that visible records have, participants' first, then by name."""
    where, parameters = scope.condition("NULLIF(u.dataset, 0)")
    rows = scope.db.execute(
        "SELECT p.level, p.name, p.key, u.kind, SUM(u.records)"
        " FROM property p JOIN property_use u ON u.property = p.key"
        f" WHERE {where} GROUP BY p.level, p.name, u.kind ORDER BY p.level DESC, p.name, u.kind",
        parameters,
    )
    found: dict[tuple[str, str, int], dict[str, int]] = {}
    for level, name, key, kind, records in rows:
        found.setdefault((level, name, key), {})[kind] = records
    own = [
        PropertyInfo(
            name=name,
            level=level,
            kinds=tuple(kind for kind in kinds if kind),
            count=kinds.get("", 0),
            examples=_examples(scope, Level(level), name, key),
        )
        for (level, name, key), kinds in found.items()
    ]
    return overview.in_order((*own, *_of_datasets(scope)))


def _of_datasets(scope: Scope) -> Iterator[PropertyInfo]:
    """Yield what records have from their datasets."""

    def count(level: Level, keys: Sequence[int]) -> int:
        sql = f"SELECT COUNT(*) FROM {level} r WHERE r.dataset IN (SELECT value FROM json_each(?)) AND {_LIVE[level]}"
        return int(scope.db.execute(sql, (json.dumps(keys),)).fetchone()[0])

    return overview.properties_of_datasets(scope.visible, count)


def extent(scope: Scope, name: str) -> Extent | None:
    """Return the range of a property's visible numbers, of participants first; None where it has none."""
    where, parameters = scope.condition("r.dataset")
    for level in (Level.PARTICIPANT, Level.ACQUISITION):
        key = scope.property_key(level, canonical_name(name, level))
        low, high, fractions = scope.db.execute(
            "SELECT MIN(s.number), MAX(s.number), SUM(s.number <> ROUND(s.number)) FROM statement s"
            f" WHERE s.property = ? AND s.kind = 'number'"
            f" AND EXISTS (SELECT 1 FROM {_TRUE_OF[level]} WHERE l.statement = s.key AND {where})",
            (key, *parameters),
        ).fetchone()
        if low is not None:
            return Extent(level=level, low=low, high=high, whole=not fractions)
    return None


def facet_properties(scope: Scope) -> list[PropertyInfo]:
    """Return the properties that divide participants into few groups; see :mod:`catalog.search.overview`."""

    def groups(info: PropertyInfo, most: int) -> int:
        return index_tables.count_facets(scope.db, scope.property_key(Level(info.level), info.name), most)

    return overview.facet_properties(properties(scope), groups)


def _examples(scope: Scope, level: Level, name: str, key: int) -> tuple[str, ...]:
    """Return some values as a query may give them, of visible records only; of spellings of one value, the first."""
    where, parameters = scope.condition("r.dataset")
    rows = scope.db.execute(
        "SELECT s.kind, s.text, s.number, s.term, MIN(COALESCE(s.text, '')) FROM statement s WHERE s.property = ?"
        f" AND EXISTS (SELECT 1 FROM {_TRUE_OF[level]} WHERE l.statement = s.key AND {where})"
        " GROUP BY s.facet ORDER BY s.facet LIMIT ?",
        (key, *parameters, overview.EXAMPLES),
    )
    found = (Statement(name, kind, text=text, number=number, term=term) for kind, text, number, term, _ in rows)
    return tuple(dict.fromkeys(map(overview.example, found)))
