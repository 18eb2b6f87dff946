"""Tables of a BIDS dataset with the rows of some participants alone (BIDS 1.11, tabular files)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

_KEY: Final = b"participant_id"
_PREFIX: Final = b"sub-"
_MARK: Final = b"\xef\xbb\xbf"


def restrict(table: bytes, labels: Collection[str]) -> bytes | None:
    """Return a table with its head and the rows of some participants, byte for byte as they were.

    Args:
        table: A TSV file.
        labels: Participants (``sub-01``).

    Returns:
        None when the table does not say whom its rows are about.
    """
    lines = table.splitlines(keepends=True)
    if not lines:
        return table
    at = _key_column(lines)
    if at is None:
        return None
    wanted = {label.encode() for label in labels}
    kept = [line for line in lines[1:] if _label(line, at) in wanted]
    return b"".join([lines[0], *kept])


def describe(description: bytes, *, name: str, source: Mapping[str, Any]) -> bytes:
    """Return a ``dataset_description.json`` that says of what the dataset is a part; as it was where it is not JSON.

    The DOI of the whole is not the DOI of a part of it, and moves to ``SourceDatasets``.
    """
    try:
        members = json.loads(description)
    except ValueError:
        return description
    if not isinstance(members, dict):
        return description
    doi = members.pop("DatasetDOI", None)
    known = members.get("SourceDatasets")
    stated = {**source, **({"DOI": doi} if isinstance(doi, str) and doi else {})}
    members["SourceDatasets"] = [*(known if isinstance(known, list) else []), stated]
    members["Name"] = f"{members.get('Name') or 'Dataset'} ({name})"
    return (json.dumps(members, indent=2, ensure_ascii=False) + "\n").encode()


def _key_column(lines: list[bytes]) -> int | None:
    """Return the place of the column with the participants; the first one where all of it are labels."""
    head = _cells(lines[0].removeprefix(_MARK))
    if _KEY in head:
        return head.index(_KEY)
    rows = [_cells(line)[0] for line in lines[1:] if line.strip()]
    return 0 if rows and all(row.startswith(_PREFIX) for row in rows) else None


def _label(line: bytes, at: int) -> bytes:
    cells = _cells(line)
    found = cells[at] if at < len(cells) else b""
    return found if found.startswith(_PREFIX) else _PREFIX + found


def _cells(line: bytes) -> list[bytes]:
    return [cell.strip() for cell in line.rstrip(b"\r\n").split(b"\t")]
