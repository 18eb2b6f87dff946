"""From what a person types to an IRI."""

from __future__ import annotations

from catalog.backends.neo4j.connection import View
from catalog.commits.references import CANDIDATES, content_meant, names_meant, the_one

_BY_NAME = """
MATCH (n:SillageNode {catalog: $catalog, iri: $iri}) USING INDEX n:SillageNode(catalog, iri)
WHERE n:SillageRecord OR n:SillageFile RETURN n.iri
"""
_BY_ALIAS = """
MATCH (a:SillageAlias {catalog: $catalog, name: $name}) USING INDEX a:SillageAlias(catalog, name)
MATCH (a)-[:NAMES]->(n) RETURN n.iri
"""
_BY_CONTENT = """
MATCH (f:SillageFile {catalog: $catalog, sha256: $sha256}) USING INDEX f:SillageFile(catalog, sha256)
MATCH (o:SillageNode {catalog: $catalog, key: f.owner}) USING INDEX o:SillageNode(catalog, key)
RETURN f.iri, f.sequence < o.sequence AS superseded ORDER BY superseded, f.key LIMIT $limit
"""
_BY_PREFIX = """
MATCH (n:SillageNode) USING INDEX n:SillageNode(catalog, iri)
WHERE n.catalog = $catalog AND n.iri >= $low AND n.iri < $high AND (n:SillageRecord OR n:SillageFile)
RETURN n.iri ORDER BY n.iri LIMIT $limit
"""


def find_alias(view: View, alias: str) -> str | None:
    """Return the IRI of the record that holds an alias."""
    row = view.row(_BY_ALIAS, name=alias)
    return None if row is None else str(row[0])


def resolve(view: View, reference: str) -> str:
    """Return the IRI that ``reference`` means: tried as a whole name, an alias, content, then a prefix.

    Raises:
        NotFoundError: Nothing answers to it.
        AmbiguousError: Several do.
    """
    row = view.row(_BY_NAME, iri=reference)
    found = str(row[0]) if row is not None else find_alias(view, reference)
    return found or the_one(reference, _by_content(view, reference) or _by_prefix(view, reference))


def _by_content(view: View, reference: str) -> list[str]:
    sha256 = content_meant(reference)
    rows = [] if sha256 is None else view.rows(_BY_CONTENT, sha256=sha256, limit=CANDIDATES)
    return [iri for iri, superseded in rows if superseded == rows[0][1]]


def _by_prefix(view: View, reference: str) -> list[str]:
    bounds = names_meant(reference)
    if bounds is None:
        return []
    return [iri for (iri,) in view.rows(_BY_PREFIX, low=bounds[0], high=bounds[1], limit=CANDIDATES)]
