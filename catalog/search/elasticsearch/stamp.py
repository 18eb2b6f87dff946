"""The stamp: what an index covers, and who is writing to it; one document, changed only by compare and set.

Who wants to write puts a token into the stamp first, and others wait for it. A writer shows that it lives by writing
the stamp again; when nothing was heard of it for long enough, another takes its place and repeats its batch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from catalog.search.elasticsearch.connection import IndexGoneError, LostRaceError, Server
from catalog.search.elasticsearch.schema import FORMAT, STAMP, writing

_PAUSE: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What an index says of itself.

    Attributes:
        index: The generation that it belongs to.
        applied: Sequence number of the ledger entry up to which the index covers the repository; -1 when empty.
        entry: Leaf hash of that entry.
        writer: Token of whoever is writing.
        datasets: Entry of the newest batch that changed a dataset.
        long: Level and name of the properties of which some value is filed under its digest alone.
        version: Sequence number and primary term of this version of the document.
        format: How the index is laid out.
    """

    index: str
    applied: int = -1
    entry: str = ""
    writer: str | None = None
    datasets: int = -1
    long: frozenset[tuple[str, str]] = frozenset()
    version: tuple[int, int] = (-1, -1)
    format: str = FORMAT


def read(server: Server, target: str) -> Stamp | None:
    """Return the stamp of an index or of an alias; None where there is no index, or nothing in it.

    Raises:
        BackendUnavailableError: The server is away.
    """
    try:
        found = server.ask("GET", f"/{target}/_doc/{STAMP}")
    except IndexGoneError:
        return None
    return _from_json(found)


def write(server: Server, stamp: Stamp) -> Stamp:
    """Write a stamp in place of the version that it was made from; the first one where it has none.

    Raises:
        LostRaceError: Another was written meanwhile.
        IndexGoneError: The index was removed.
        BackendUnavailableError: As for :func:`read`.
    """
    state = {
        "applied": stamp.applied,
        "entry": stamp.entry,
        "writer": stamp.writer,
        "datasets": stamp.datasets,
        "long": sorted(stamp.long),
        "format": stamp.format,
    }
    sequence, term = stamp.version
    condition = {"op_type": "create"} if sequence < 0 else {"if_seq_no": str(sequence), "if_primary_term": str(term)}
    body = {"kind": STAMP, "state": state}
    done = server.ask("PUT", f"/{writing(stamp.index)}/_doc/{STAMP}", body, require_alias="true", **condition)
    return replace(stamp, version=(done["_seq_no"], done["_primary_term"]))


def claimed(server: Server, stamp: Stamp, *, patience: float) -> Stamp:
    """Return a stamp with a token of ours, so that nobody else writes; waits for whoever does.

    Raises:
        LostRaceError: The index has changed meanwhile; look at it again.
        BackendUnavailableError: As for :func:`read`.
    """
    if stamp.writer is not None:
        _wait(server, stamp, patience)
    mine = write(server, replace(stamp, writer=uuid4().hex))
    if stamp.writer is not None:  # of a dead writer's batch some may be there already, and must be seen
        server.ask("POST", f"/{stamp.index}/_refresh")
    return mine


def _wait(server: Server, stamp: Stamp, patience: float) -> None:
    """Wait until a writer was not heard of for long enough; whatever it does meanwhile ends the wait."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        time.sleep(_PAUSE)
        now = read(server, stamp.index)
        if now is None or now.version != stamp.version:
            raise LostRaceError("another process has written to the search index")


def _from_json(found: Mapping[str, Any]) -> Stamp:
    state = found["_source"]["state"]
    return Stamp(
        index=found["_index"],
        applied=state["applied"],
        entry=state["entry"],
        writer=state["writer"],
        datasets=state["datasets"],
        long=frozenset((level, name) for level, name in state["long"]),
        version=(found["_seq_no"], found["_primary_term"]),
        format=state["format"],
    )
