"""Verification of a catalogue, page by page, so that others go on writing meanwhile.

Each page is read as one state of the store. Entries never change, so the ledger is held against the head that was
there at the beginning; a record, its edges, aliases and history are read together.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from catalog.backends.neo4j.check_view import check_view
from catalog.backends.neo4j.connection import STRIPES, Database, View
from catalog.backends.neo4j.ledger import MEMBERS
from catalog.backends.neo4j.migrations import expected_schema
from catalog.backends.neo4j.pages import Pages
from catalog.commits.verification import LedgerPass
from catalog.model import Problem
from ontology.errors import BackendUnavailableError
from provenance.ledger.keys import VerifierKey

_log = logging.getLogger(__name__)
_HEADS = """
MATCH (c:SillageCatalog {catalog: $catalog}) RETURN c.size, c.time, c.peaks, c.note
"""
_EXTENT = """
MATCH (e:SillageEntry) USING INDEX e:SillageEntry(catalog, sequence) WHERE e.catalog = $catalog AND e.sequence > $top
RETURN coalesce(max(e.sequence), -1)
"""
_BLOCK_EXTENT = """
MATCH (b:SillageBlock) USING INDEX b:SillageBlock(catalog, number) WHERE b.catalog = $catalog AND b.number > $top
RETURN coalesce(max(b.number), -1)
"""
_ENTRIES = f"""
MATCH (e:SillageEntry) USING INDEX e:SillageEntry(catalog, sequence)
WHERE e.catalog = $catalog AND e.sequence > $after AND e.sequence <= $last
WITH e ORDER BY e.sequence LIMIT $limit
OPTIONAL MATCH (n:SillageNode {{catalog: $catalog, iri: e.subject}}) USING INDEX n:SillageNode(catalog, iri)
WHERE e.version IS NOT NULL AND n:SillageRecord AND n.state = 2
RETURN {MEMBERS}, e.salt, e.body, n.version ORDER BY e.sequence
"""
_BLOCKS = """
MATCH (b:SillageBlock) USING INDEX b:SillageBlock(catalog, number)
WHERE b.catalog = $catalog AND b.number > $after AND b.number <= $last
RETURN b.number, b.root ORDER BY b.number LIMIT $limit
"""
_STRIPES = """
MATCH (l:SillageLock) USING INDEX l:SillageLock(catalog, stripe)
WHERE l.catalog = $catalog AND l.stripe >= 0 RETURN count(l)
"""


def check(database: Database, catalog: int, key: VerifierKey, *, trusted: str | None) -> Iterator[Problem]:
    """Yield everything that is wrong with a catalogue.

    Args:
        database: Where it is.
        catalog: Its number.
        key: Public key of the ledger.
        trusted: A signed checkpoint that was kept elsewhere.

    Raises:
        BackendUnavailableError: The server is away.
    """
    pages = Pages(database, catalog)
    try:
        missing = expected_schema() - _schema(database)
        if missing:
            yield Problem("schema", f"constraints or indexes are missing: {', '.join(sorted(missing))}")
        if pages.rows(_STRIPES)[0][0] != STRIPES:
            yield Problem("locks", "they are not all there, so that readers may see half a commit")
        yield from _check_ledger(pages, key, trusted=trusted)
        yield from check_view(pages)
    except BackendUnavailableError:
        raise
    except Exception as error:  # a damaged property can be of any kind
        _log.debug("check ended early", exc_info=True)
        yield Problem("store", f"it cannot be read to the end: {type(error).__name__}")


def _schema(database: Database) -> set[str]:
    names = database.alone("SHOW CONSTRAINTS YIELD name RETURN collect(name)")[0][0]
    return {*names, *database.alone("SHOW INDEXES YIELD name RETURN collect(name)")[0][0]}


def _check_ledger(pages: Pages, key: VerifierKey, *, trusted: str | None) -> Iterator[Problem]:
    heads, last_entry, last_block = pages.whole(_extents)
    erased: dict[str, int] = {}
    ledger = LedgerPass(
        _entries(pages, last_entry, erased),
        ((number, bytes(root)) for page in pages.walk(_BLOCKS, last=last_block) for number, root in page),
        erased=erased,
    )
    yield from ledger.verify(key, heads, trusted=trusted)


def _extents(view: View) -> tuple[list[tuple[Any, ...]], int, int]:
    """Return the head, and the last entry and block that are there beside it."""
    heads = [(size, time, bytes(peaks), note) for size, time, peaks, note in view.rows(_HEADS)]
    size = heads[0][0] if heads else 0
    entry = max(size - 1, view.rows(_EXTENT, top=size - 1)[0][0])
    return heads, entry, view.rows(_BLOCK_EXTENT, top=-1)[0][0]


def _entries(pages: Pages, last: int, erased: dict[str, int]) -> Iterator[tuple[Any, ...]]:
    """Yield entries with salt and body; what was erased by the time that a page was read is noted before it."""
    for page in pages.walk(_ENTRIES, last=last):
        erased.update((row[4], row[10]) for row in page if row[10] is not None)
        for row in page:
            salt, body = row[8:10]
            yield (*row[:8], None if salt is None else bytes(salt), None if body is None else bytes(body))
