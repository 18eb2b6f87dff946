"""Reading records, files and edges. Every function takes the view, so that callers choose the snapshot."""

from __future__ import annotations

from collections.abc import Collection

from catalog.backends.neo4j.connection import View
from catalog.commits.records import file_of, page_start, past_version, record_of, version_of
from catalog.commits.snapshot import ERASED
from catalog.model import Edge, Page, Record
from ontology.errors import NotFoundError

_ENTRY = "OPTIONAL MATCH (e:SillageEntry {catalog: $catalog, sequence: n.sequence})"
_RECORD = f"""
{_ENTRY} RETURN n.key, n.iri, n.type, n.version, n.created, e.time, n.sequence, n.state, e.body
"""
_FILE = f"""
MATCH (o:SillageNode {{catalog: $catalog, key: n.owner}}) USING INDEX o:SillageNode(catalog, key)
{_ENTRY} RETURN n.iri, n.position, o.dataset, o.iri, o.version, o.created, e.time, n.sequence, o.state, e.body
"""
_NAMED = """
UNWIND $names AS name
MATCH (n:SillageNode {catalog: $catalog, iri: name}) USING INDEX n:SillageNode(catalog, iri)
"""
_IS_RECORD, _IS_FILE = "WHERE n:SillageRecord", "WHERE n:SillageFile"
_CONTENT = """
MATCH (n:SillageFile {catalog: $catalog, sha256: $sha256}) USING INDEX n:SillageFile(catalog, sha256)
"""
_LISTED = """
MATCH (n:SillageRecord) USING INDEX n:SillageRecord(catalog, type, state, key)
WHERE n.catalog = $catalog AND n.type = $type AND n.state = 0 AND n.key > $after
"""
_PARTS = """
MATCH (w:SillageNode {catalog: $catalog, iri: $part_of}) USING INDEX w:SillageNode(catalog, iri)
MATCH (n:SillageRecord)-[:RESTS_ON|REFERS_TO]->(w) WHERE n.type = $type AND n.state = 0 AND n.key > $after
"""
_VERSIONS = """
MATCH (e:SillageEntry {catalog: $catalog, subject: $iri}) USING INDEX e:SillageEntry(catalog, subject)
WHERE e.version IS NOT NULL RETURN e.version, e.time, e.sequence, e.body ORDER BY e.version
"""
_SINCE = """
MATCH (e:SillageEntry) USING INDEX e:SillageEntry(catalog, sequence)
WHERE e.catalog = $catalog AND e.sequence > $after AND e.version IS NOT NULL
MATCH (n:SillageNode {catalog: $catalog, iri: e.subject}) USING INDEX n:SillageNode(catalog, iri)
WHERE n.sequence = e.sequence
RETURN n.key, n.iri, n.type, n.version, n.created, e.time, n.sequence, n.state, e.body ORDER BY e.sequence LIMIT $limit
"""
_EDGES_FROM = f"""
{_NAMED} MATCH (n)-[e:RESTS_ON|REFERS_TO]->(t)
RETURN n.iri, e.predicate, t.iri ORDER BY n.key, t.key, e.predicate
"""
_EDGES_TO = f"""
{_NAMED} MATCH (s)-[e:RESTS_ON|REFERS_TO]->(n)
RETURN s.iri, e.predicate, n.iri ORDER BY s.key, n.key, e.predicate
"""


def get(view: View, iri: str) -> Record:
    """Return the current version of a record or file.

    Raises:
        NotFoundError: There is none.
    """
    row = view.row(_NAMED + _IS_RECORD + _RECORD, names=[iri])
    if row is not None:
        return record_of(row)
    row = view.row(_NAMED + _IS_FILE + _FILE, names=[iri])
    if row is not None:
        return file_of(row)
    raise NotFoundError(f"there is nothing by the name of {iri}", field="id")


def get_many(view: View, ids: Collection[str]) -> dict[str, Record]:
    """Return the current versions of those of ``ids`` that exist."""
    names = list(dict.fromkeys(ids))
    found = {row[1]: record_of(row) for row in view.rows(_NAMED + _IS_RECORD + _RECORD, names=names)}
    if rest := [name for name in names if name not in found]:
        found.update((row[0], file_of(row)) for row in view.rows(_NAMED + _IS_FILE + _FILE, names=rest))
    return found


def versions(view: View, iri: str) -> list[Record]:
    """Return all versions of a record, oldest first.

    Raises:
        NotFoundError: No such record.
    """
    row = view.row(_NAMED + _IS_RECORD + _RECORD, names=[iri])
    if row is None:
        raise NotFoundError(f"there is no record {iri}", field="id")
    current, erased = record_of(row), row[7] == ERASED
    return [past_version(current, *past, erased=erased) for past in view.rows(_VERSIONS, iri=iri)]


def get_version(view: View, iri: str, version: int) -> Record:
    """Return one version of a record or file.

    Raises:
        NotFoundError: No such record, file or version.
        WithdrawnError: Its body was erased.
    """
    return version_of(get(view, iri), version, lambda: versions(view, iri))


def list_records(
    view: View,
    type: str,
    *,
    datasets: Collection[str] | None,
    part_of: str | None,
    cursor: str | None,
    limit: int,
    counted: bool = True,
) -> Page[Record]:
    """Return a page of records; without ``counted`` the total is that of the page.

    Raises:
        InvalidRequestError: The cursor or limit is not one of ours.
    """
    after = page_start(cursor, limit)
    chosen = _LISTED if part_of is None else _PARTS
    if datasets is not None:
        chosen += "AND n.dataset IN $datasets\n"
    asked = {"type": type, "part_of": part_of, "datasets": None if datasets is None else list(datasets)}
    page = f"{chosen} WITH DISTINCT n ORDER BY n.key LIMIT $limit {_RECORD} ORDER BY n.key"
    rows = view.rows(page, **asked, after=after, limit=limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    total = len(rows)
    if counted and (more or cursor is not None):
        total = view.rows(f"{chosen} RETURN count(DISTINCT n)", **asked, after=-1)[0][0]
    return Page(items=[record_of(row) for row in rows], total=total, next=str(rows[-1][0]) if more else None)


def edges(view: View, end: str, ids: Collection[str], predicates: Collection[str] | None) -> list[Edge]:
    """Return the edges that have one of ``ids`` at their ``source`` or ``target`` end."""
    rows = view.rows(_EDGES_FROM if end == "source" else _EDGES_TO, names=list(dict.fromkeys(ids))) if ids else []
    return [Edge(*row) for row in rows if predicates is None or row[1] in predicates]


def files_by_sha256(view: View, sha256: str) -> list[Record]:
    """Return the files with this content, those of current versions first."""
    rows = view.rows(f"{_CONTENT} {_FILE} ORDER BY n.sequence < o.sequence, n.key", sha256=sha256)
    return [file_of(row) for row in rows]


def records_since(view: View, sequence: int, limit: int) -> list[Record]:
    """Return records last written after ``sequence``, in ledger order."""
    return [record_of(row) for row in view.rows(_SINCE, after=sequence, limit=limit)]
