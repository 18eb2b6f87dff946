# ruff: noqa: S608  fragments are constants of this package; values are bound parameters
"""What can be asked of an index: its properties, and those that make good facets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from catalog.search.conditions import literal_text
from catalog.search.facets import EXAMPLES, MAX_EXAMPLE, properties_of_datasets
from catalog.search.index import Extent, PropertyInfo
from catalog.search.names import Level, canonical_name, well_known
from catalog.search.sqlite.scope import Scope
from ontology.curies import contract

MAX_GROUPS = 30
MAX_NUMBERS = 12
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
            examples=_examples(scope, Level(level), key),
        )
        for (level, name, key), kinds in found.items()
    ]
    return sorted((*own, *_of_datasets(scope)), key=lambda info: (info.level != Level.PARTICIPANT, info.name))


def _of_datasets(scope: Scope) -> Iterator[PropertyInfo]:
    """Yield what records have from their datasets."""

    def count(level: Level, keys: Sequence[int]) -> int:
        sql = f"SELECT COUNT(*) FROM {level} r WHERE r.dataset IN (SELECT value FROM json_each(?)) AND {_LIVE[level]}"
        return int(scope.db.execute(sql, (json.dumps(keys),)).fetchone()[0])

    return properties_of_datasets(scope.visible, count)


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
    """Return the properties that divide participants into few groups: well-known ones first, then the most complete.

    Numbers divide people into ranges rather than groups, so they are left out but for well-known ones of few values.
    """
    found = [info for info in properties(scope) if _is_facet(scope, info)]
    return sorted(found, key=lambda i: (not _is_known(i), i.level != Level.PARTICIPANT, -i.count, i.name))


def _is_facet(scope: Scope, info: PropertyInfo) -> bool:
    most = MAX_GROUPS
    if "number" in info.kinds:
        most = MAX_NUMBERS if _is_known(info) else 0
    key = scope.property_key(Level(info.level), info.name)
    rows = scope.db.execute(
        "SELECT COUNT(*) FROM (SELECT DISTINCT facet FROM statement WHERE property = ? LIMIT ?)", (key, most + 1)
    )
    return 1 < int(rows.fetchone()[0]) <= most


def _is_known(info: PropertyInfo) -> bool:
    return info.name in well_known(Level(info.level))


def _examples(scope: Scope, level: Level, key: int) -> tuple[str, ...]:
    """Return some values as a query may give them, of visible records only; of spellings of one value, the first."""
    where, parameters = scope.condition("r.dataset")
    rows = scope.db.execute(
        "SELECT s.kind, s.text, s.number, s.term, MIN(COALESCE(s.text, '')) FROM statement s WHERE s.property = ?"
        f" AND EXISTS (SELECT 1 FROM {_TRUE_OF[level]} WHERE l.statement = s.key AND {where})"
        " GROUP BY s.facet ORDER BY s.facet LIMIT ?",
        (key, *parameters, EXAMPLES),
    )
    return tuple(dict.fromkeys(_literal(*facts) for *facts, _ in rows))


def _literal(kind: str, text: str | None, number: float | None, term: str | None) -> str:
    if term:
        return literal_text(contract(term))
    if kind == "boolean":
        return literal_text(bool(number))
    if number is not None:
        return literal_text(int(number) if number.is_integer() and abs(number) < 2**53 else number)
    return literal_text((text or "")[:MAX_EXAMPLE])
