"""Verification of the view: records, edges, aliases and files against the bodies they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from catalog.backends.neo4j.connection import View
from catalog.backends.neo4j.pages import PAGE, Pages
from catalog.commits.consistency import StoredRecord, check_record, mentioned_files
from catalog.model import Problem
from ontology.namespaces import LINEAGE, PART_OF

Row = tuple[Any, ...]

_RECORDS = """
MATCH (n:SillageNode) USING INDEX n:SillageNode(catalog, key)
WHERE n.catalog = $catalog AND n.key > $after AND n:SillageRecord
WITH n ORDER BY n.key LIMIT $limit
OPTIONAL MATCH (e:SillageEntry {catalog: $catalog, sequence: n.sequence})
OPTIONAL MATCH (m:SillageEntry {catalog: $catalog, sequence: n.first})
RETURN n.key, n.iri, n.type, n.version, n.state, n.dataset, n.label, e.subject, e.version, e.body,
  COLLECT { MATCH (n)-[r:RESTS_ON|REFERS_TO]->(t) RETURN [r.predicate, t.iri, type(r)] },
  COLLECT { MATCH (a:SillageAlias)-[:NAMES]->(n) RETURN a.name },
  COUNT { MATCH (f:SillageFile)-[:RESTS_ON]->(n) WHERE f.owner = n.key AND f.sequence = n.sequence },
  COLLECT { MATCH (h:SillageEntry {catalog: $catalog, subject: n.iri}) WHERE h.version IS NOT NULL
    RETURN [count(h), max(h.version), max(h.sequence), min(h.sequence)] },
  n.sequence, n.first, n.created = m.time
ORDER BY n.key
"""
_UNKNOWN = """
MATCH (e:SillageEntry) USING INDEX e:SillageEntry(catalog, sequence)
WHERE e.catalog = $catalog AND e.sequence > $after AND e.version = 1
WITH e ORDER BY e.sequence LIMIT $limit
OPTIONAL MATCH (n:SillageNode {catalog: $catalog, iri: e.subject}) USING INDEX n:SillageNode(catalog, iri)
RETURN e.sequence, e.subject, coalesce(n:SillageRecord, false) ORDER BY e.sequence
"""
_FILES = """
MATCH (f:SillageFile) USING INDEX f:SillageFile(catalog, key) WHERE f.catalog = $catalog AND f.key > $after
WITH f ORDER BY f.key LIMIT $limit
OPTIONAL MATCH (o:SillageNode {catalog: $catalog, key: f.owner}) USING INDEX o:SillageNode(catalog, key)
RETURN f.key, f.iri, f.sequence, o.iri, f.position, f.sha256, f.label,
  COUNT { MATCH (f)-[:RESTS_ON|REFERS_TO]->() },
  COUNT { MATCH (f)-[:RESTS_ON {predicate: $part_of}]->(o) }
ORDER BY f.key
"""
_BODIES = """
UNWIND $sequences AS sequence
MATCH (e:SillageEntry {catalog: $catalog, sequence: sequence}) USING INDEX e:SillageEntry(catalog, sequence)
RETURN sequence, e.body
"""
_SUPERSEDED = """
MATCH (e:SillageEntry) USING INDEX e:SillageEntry(catalog, sequence)
WHERE e.catalog = $catalog AND e.sequence > $after AND e.version IS NOT NULL AND e.body IS NOT NULL
MATCH (n:SillageNode {catalog: $catalog, iri: e.subject}) USING INDEX n:SillageNode(catalog, iri)
WHERE n.version > e.version
RETURN e.sequence, n.key, e.body ORDER BY e.sequence LIMIT $limit
"""
_OWNERS = """
UNWIND $names AS name
MATCH (f:SillageNode {catalog: $catalog, iri: name}) USING INDEX f:SillageNode(catalog, iri) WHERE f:SillageFile
RETURN f.iri, f.owner, f.sequence
"""
_STRAY_EDGES = """
MATCH (n:SillageNode) USING INDEX n:SillageNode(catalog, key)
WHERE n.catalog = $catalog AND n.key >= 0 AND NOT n:SillageRecord AND NOT n:SillageFile
MATCH (n)-[e:RESTS_ON|REFERS_TO]->() RETURN count(e)
"""
_STRAY_ALIASES = """
MATCH (a:SillageAlias) USING INDEX a:SillageAlias(catalog, name) WHERE a.catalog = $catalog AND a.name >= ''
AND COUNT { MATCH (a)-[:NAMES]->(n) WHERE n:SillageRecord } <> 1 RETURN count(a)
"""


def check_view(pages: Pages) -> Iterator[Problem]:
    """Yield every difference between the view and what the ledger says."""
    for rows in pages.walk(_RECORDS):
        for row in rows:
            yield from _check_record(row)
    for rows in pages.walk(_UNKNOWN):
        for _, subject, known in rows:
            if not known:
                yield Problem(f"record {subject}", "it is missing, or not at the version that the ledger ends with")
    yield from _check_files(pages)
    yield from _check_superseded(pages)
    if stray := pages.rows(_STRAY_EDGES)[0][0]:
        yield Problem("edges", f"{stray} start at neither a record nor a file")
    if stray := pages.rows(_STRAY_ALIASES)[0][0]:
        yield Problem("aliases", f"{stray} do not belong to exactly one record")


def _check_record(row: Row) -> Iterator[Problem]:
    iri, version, body, edges, aliases, files = row[1], row[3], row[9], row[10], row[11], row[12]
    history, (sequence, first, dated) = row[13][0], row[14:17]
    stored = StoredRecord._make((*row[1:9], None if body is None else bytes(body)))
    problems, listed = check_record(stored, [(curie, target) for curie, target, _ in edges], set(aliases))
    yield from problems
    if any((relation == "RESTS_ON") != (curie in LINEAGE) for curie, _, relation in edges):
        yield Problem(f"record {iri}", "an edge is not of the relation of its predicate")
    if listed != files:
        yield Problem(f"record {iri}", f"it lists {listed} files, and {files} are there")
    count, last_version, last, earliest = history
    if not count:
        yield Problem(f"record {iri}", "it was never entered in the ledger")
    elif count != last_version:
        yield Problem(f"record {iri}", f"the ledger has {count} versions, numbered up to {last_version}")
    elif (version, sequence, first) != (last_version, last, earliest) or not dated:
        yield Problem(f"record {iri}", "it is not at the version that the ledger ends with")


def _check_files(pages: Pages) -> Iterator[Problem]:
    def page(view: View) -> tuple[list[Row], dict[int, Mapping[str, Row]]]:
        rows = view.rows(_FILES, after=after, limit=PAGE, part_of=PART_OF)
        sequences = sorted({row[2] for row in rows})
        bodies = view.rows(_BODIES, sequences=sequences) if sequences else []
        return rows, {sequence: mentioned_files(body and bytes(body)) for sequence, body in bodies}

    after = -1
    while True:
        rows, mentions = pages.whole(page)
        for _, iri, sequence, owner, position, sha256, label, edges, memberships in rows:
            if mentions.get(sequence, {}).get(iri) != (owner, position, sha256, label):
                yield Problem(f"file {iri}", "its record, place, checksum or label is not what the body says")
            if (edges, memberships) != (1, 1):
                yield Problem(f"file {iri}", "it is not exactly part of its record")
        if not rows:
            return
        after = rows[-1][0]


def _check_superseded(pages: Pages) -> Iterator[Problem]:
    """Files that only earlier versions list stay where they were: they are part of lineages."""
    for rows in pages.walk(_SUPERSEDED):
        for sequence, record, stored in rows:
            body = bytes(stored)
            names = list(mentioned_files(body)) if b'"files":[{' in body else []
            found = {name: (owner, at) for name, owner, at in (pages.rows(_OWNERS, names=names) if names else ())}
            for name in names:
                owner, at = found.get(name, (None, -1))
                if owner != record or at < sequence:
                    yield Problem(f"file {name}", f"entry {sequence} lists it, and it is not there")
