"""Reading the ledger: entries, bodies, proofs, the signed head."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.backends.neo4j.connection import View
from catalog.commits import proofs
from catalog.commits.entries import entry_of, page_of, refuse_limit, verbs_of
from catalog.model import Page
from catalog.repository import Entered, StoredBody
from ontology.errors import IntegrityError, NotFoundError
from provenance.ledger.entry import Entry
from provenance.ledger.merkle import BLOCK, RangeRoot

MEMBERS = "e.sequence, e.time, e.principal, e.action, e.subject, e.version, e.reason, e.body_digest"
"""What an entry is made of, in the order of :class:`provenance.ledger.entry.Entry`."""
_SIZE = "MATCH (c:SillageCatalog {catalog: $catalog}) RETURN c.size"
_NOTE = "MATCH (c:SillageCatalog {catalog: $catalog}) RETURN c.note"
_IN_ORDER = "MATCH (e:SillageEntry) USING INDEX e:SillageEntry(catalog, sequence) WHERE e.catalog = $catalog"
_OF_SUBJECT = (
    "MATCH (e:SillageEntry) USING INDEX e:SillageEntry(catalog, subject) "
    "WHERE e.catalog = $catalog AND e.subject = $subject"
)
_LEAVES = f"""
{_IN_ORDER} AND e.sequence >= $begin AND e.sequence < $end RETURN {MEMBERS} ORDER BY e.sequence
"""
_BLOCKS = """
MATCH (b:SillageBlock) USING INDEX b:SillageBlock(catalog, number)
WHERE b.catalog = $catalog AND b.number >= $begin AND b.number < $end RETURN b.root ORDER BY b.number
"""
_WHOLE = f"""
{_IN_ORDER} AND e.sequence > $after RETURN {MEMBERS}, e.salt, e.body ORDER BY e.sequence LIMIT $limit
"""
_EXPORTED = 1_000
_BODY = "MATCH (e:SillageEntry {catalog: $catalog, sequence: $sequence}) RETURN e.salt, e.body"


def size(view: View) -> int:
    """Return the number of entries."""
    return int(_head(view, _SIZE))


def checkpoint(view: View) -> str:
    """Return the signed head."""
    return _head(view, _NOTE)


def _head(view: View, query: str) -> str:
    row = view.row(query)
    if row is None or row[0] is None:
        raise IntegrityError("the ledger has lost its head")
    return str(row[0])


def entries(
    view: View, *, after: int, limit: int, subject: str | None, action: str | None, principal: str | None
) -> Page[Entry]:
    """Return a page of entries, in order; see :meth:`catalog.repository.Repository.entries`.

    Raises:
        InvalidRequestError: The limit is out of bounds.
    """
    refuse_limit(limit)
    chosen = _IN_ORDER if subject is None else _OF_SUBJECT
    asked = {"subject": subject, "principal": principal, "action": action, "low": "", "high": ""}
    if principal is not None:
        chosen += " AND e.principal = $principal"
    if action is not None and action.endswith(".*"):
        chosen += " AND e.action >= $low AND e.action < $high"
        asked["low"], asked["high"] = verbs_of(action)
    elif action is not None:
        chosen += " AND e.action = $action"
    chosen += " AND e.sequence > $after"
    page = f"{chosen} RETURN {MEMBERS} ORDER BY e.sequence LIMIT $limit"
    rows = view.rows(page, **asked, after=after, limit=limit + 1)
    if subject is None and principal is None and action is None:
        total = size(view)
    else:
        total = view.rows(f"{chosen} RETURN count(e)", **asked, after=-1)[0][0]
    return page_of([entry_of(row) for row in rows], total=total, limit=limit)


def body(view: View, sequence: int) -> StoredBody | None:
    """Return the salted body of an entry.

    Raises:
        NotFoundError: No such entry.
    """
    row = view.row(_BODY, sequence=sequence) if -1 < sequence < 1 << 63 else None
    if row is None:
        raise NotFoundError(f"there is no entry {sequence}", field="sequence")
    return None if row[1] is None else StoredBody(bytes(row[0]), bytes(row[1]))


def export(view: View, *, after: int) -> list[Entered]:
    """Return the entries after ``after`` with their bodies, as many as one answer should hold."""
    found = []
    for *members, salt, content in view.rows(_WHOLE, after=after, limit=_EXPORTED):
        whole = None if content is None else StoredBody(bytes(salt), bytes(content))
        found.append(Entered(entry_of(tuple(members)), whole))
    return found


def inclusion(view: View, sequence: int, tree_size: int | None) -> list[bytes]:
    """Return the audit path of an entry.

    Raises:
        NotFoundError: It is not in that tree.
    """
    return proofs.inclusion(sequence, tree_size, size(view), _roots(view))


def consistency(view: View, first: int, second: int | None) -> list[bytes]:
    """Return the proof that an earlier ledger begins a later one.

    Raises:
        InvalidRequestError: Not ``0 < first <= second <= size``.
    """
    return proofs.consistency(first, second, size(view), _roots(view))


def _roots(view: View) -> RangeRoot:
    def root(begin: int, end: int) -> bytes:
        whole = begin + (end - begin) // BLOCK * BLOCK
        blocks = view.rows(_BLOCKS, begin=begin // BLOCK, end=whole // BLOCK) if whole > begin else []
        return proofs.range_root(
            begin, end, blocks=(bytes(root) for (root,) in blocks), leaves=_leaves(view, whole, end)
        )

    return root


def _leaves(view: View, begin: int, end: int) -> Iterator[bytes]:
    for row in view.rows(_LEAVES, begin=begin, end=end) if end > begin else ():
        yield entry_of(row).leaf_hash()
