"""What planning reads from the graph, in the transaction that will write."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from catalog.backends.neo4j.connection import View
from catalog.commits.predicates import LAST_LINEAGE_KEY, PREDICATES
from catalog.commits.snapshot import NodeRow, RecordRow

_NODES = """
UNWIND $names AS name
MATCH (n:SillageNode {catalog: $catalog, iri: name}) USING INDEX n:SillageNode(catalog, iri)
RETURN n.iri, n.key, n.owner, n.type, n.version, n.first, n.sequence, n.state
"""
_EDGES = """
UNWIND $sources AS source
MATCH (n:SillageNode {catalog: $catalog, key: source}) USING INDEX n:SillageNode(catalog, key)
MATCH (n)-[e:RESTS_ON|REFERS_TO]->(t)
RETURN source, e.predicate, t.key
"""
_ALIASES_OF = """
UNWIND $records AS record
MATCH (n:SillageNode {catalog: $catalog, key: record}) USING INDEX n:SillageNode(catalog, key)
MATCH (a:SillageAlias)-[:NAMES]->(n)
RETURN record, a.name
"""
_HOLDERS = """
UNWIND $names AS name
MATCH (a:SillageAlias {catalog: $catalog, name: name}) USING INDEX a:SillageAlias(catalog, name)
MATCH (a)-[:NAMES]->(n)
RETURN DISTINCT a.name, n.key
"""
_FILES_OF = """
MATCH (n:SillageNode {catalog: $catalog, key: $record}) USING INDEX n:SillageNode(catalog, key)
MATCH (f:SillageFile)-[:RESTS_ON]->(n) WHERE f.owner = $record
RETURN f.key, f.iri
"""
_BODY = "MATCH (e:SillageEntry {catalog: $catalog, sequence: $sequence}) RETURN e.body"
_MOVE = """
MATCH (n:SillageNode {catalog: $catalog, key: $old}) USING INDEX n:SillageNode(catalog, key)
SET n.key = $new
"""


class Predicates:
    """Numbers of predicates, as this process gives them: the graph holds their names."""

    def __init__(self) -> None:
        self._keys = {curie: key for key, curie in enumerate(PREDICATES, 1)}
        self._curies = list(PREDICATES)

    def find(self, curie: str) -> int:
        """Return the number of a predicate; a new one if it has none yet."""
        key = self._keys.get(curie)
        if key is None:
            self._curies.append(curie)
            key = self._keys[curie] = len(self._curies)
        return key

    def next(self) -> int:
        """Return the first number that is free."""
        return len(self._curies) + 1

    def curie(self, key: int) -> str:
        """Return the predicate of a number."""
        return self._curies[key - 1]


def relation(key: int) -> str:
    """Return the relationship type of a predicate: lineage is kept apart, so that a walk meets nothing else."""
    return "RESTS_ON" if key <= LAST_LINEAGE_KEY else "REFERS_TO"


def _record(type: str, version: int, first: int, sequence: int, state: int) -> RecordRow:
    return RecordRow(type, version, first, sequence, state, None, "")


class StoredGraph:
    """The graph as :class:`catalog.commits.snapshot.Stored`."""

    def __init__(self, view: View, predicates: Predicates) -> None:
        self._view = view
        self._predicates = predicates

    def nodes(self, names: Collection[str]) -> Iterator[NodeRow]:
        """Yield those of ``names`` that the graph has."""
        for iri, key, owner, type, *rest in self._view.rows(_NODES, names=list(names)):
            yield iri, key, owner, None if type is None else _record(type, *rest)

    def edges_from(self, sources: Collection[int]) -> Iterator[tuple[int, int, int]]:
        """Yield the edges (source, predicate, target) that start at some nodes."""
        for source, curie, target in self._view.rows(_EDGES, sources=list(sources)):
            yield source, self._predicates.find(curie), target

    def aliases_of(self, records: Collection[int]) -> Iterator[tuple[int, str]]:
        """Yield record and name of the aliases of some records."""
        yield from self._view.rows(_ALIASES_OF, records=list(records))

    def holders(self, names: Collection[str]) -> Iterator[tuple[str, int]]:
        """Yield name and record of those of ``names`` that are aliases."""
        yield from self._view.rows(_HOLDERS, names=list(names))

    def files_of(self, record: int) -> Iterator[tuple[int, str]]:
        """Yield key and IRI of all files that the versions of a record ever listed."""
        yield from self._view.rows(_FILES_OF, record=record)

    def body(self, sequence: int) -> bytes | None:
        """Return the body of an entry."""
        row = self._view.row(_BODY, sequence=sequence)
        return None if row is None or row[0] is None else bytes(row[0])

    def move(self, *, old: int, new: int) -> None:
        """Give a node another key; edges hold on to the node, and records name their dataset by its IRI."""
        self._view.rows(_MOVE, old=old, new=new)
