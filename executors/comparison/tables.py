"""Tables (TSV, and CSV after RFC 4180), column by column and row by row."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from executors.comparison.model import DifferentError, Tolerance, differences

LARGEST: Final = 64_000_000
TOLD: Final = 20
"""So many columns that differ are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    names: Sequence[str]
    rows: Sequence[Sequence[str]]

    def column(self, name: str) -> list[str]:
        place = self.names.index(name)
        return [row[place] for row in self.rows]


@dataclass(slots=True)
class _Column:
    """What is known of one column of both."""

    different: int = 0
    first_row: int | None = None
    largest_absolute: float = 0.0
    largest_relative: float = 0.0
    example: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "different": self.different,
            "first_row": self.first_row,
            "largest_absolute": self.largest_absolute,
            "largest_relative": self.largest_relative,
        }


def compare_tables(rule: Mapping[str, Any], found: Path, expected: Path) -> tuple[bool, str, dict[str, Any]]:
    """Compare two tables: the same columns, as many rows in the same order, each cell within its column's tolerance.

    A column without a tolerance must have the same text. The order of columns says nothing.

    Raises:
        DifferentError: They cannot be compared: other columns or rows, or one is no table.
        OSError: One cannot be read.
    """
    there, wanted = _read(found), _read(expected)
    ignored = set(rule.get("ignore", ()))
    names = [name for name in wanted.names if name not in ignored]
    missing = [name for name in names if name not in there.names]
    added = [name for name in there.names if name not in ignored and name not in names]
    if missing or added:
        said = [*(f"column {name!r} is missing" for name in missing), *(f"column {name!r} is new" for name in added)]
        raise DifferentError(", ".join(said[:TOLD]), missing=missing[:TOLD], added=added[:TOLD])
    if len(there.rows) != len(wanted.rows):
        raise DifferentError(
            f"{len(there.rows)} rows and not {len(wanted.rows)}",
            rows=len(there.rows),
            expected_rows=len(wanted.rows),
        )
    columns = {name: _compare(there.column(name), wanted.column(name), _tolerance(rule, name)) for name in names}
    return _answer(columns, len(wanted.rows))


def _answer(columns: Mapping[str, _Column], rows: int) -> tuple[bool, str, dict[str, Any]]:
    numbers = {"rows": rows, "columns": {name: column.to_json() for name, column in columns.items()}}
    wrong = [(name, column) for name, column in columns.items() if column.different]
    if wrong:
        name, column = wrong[0]
        more = f" (and {len(wrong) - 1} more columns)" if len(wrong) > 1 else ""
        where = f"{column.different} of {rows} rows, first row {column.first_row}: {column.example}"
        return False, f"column {name!r} differs in {where}{more}", numbers
    return True, f"{len(columns)} columns of {rows} rows within tolerance", numbers


def _tolerance(rule: Mapping[str, Any], name: str) -> Tolerance | None:
    given = rule.get("columns", {}).get(name, rule.get("default"))
    return None if given is None else Tolerance.of(given)


def _compare(found: Sequence[str], expected: Sequence[str], tolerance: Tolerance | None) -> _Column:
    column = _Column()
    for number, (there, wanted) in enumerate(zip(found, expected, strict=True), 1):
        if there != wanted and not _is_near(column, there, wanted, tolerance):
            column.different += 1
            if column.first_row is None:
                column.first_row, column.example = number, f"{there[:40]!r} and not {wanted[:40]!r}"
    return column


def _is_near(column: _Column, found: str, expected: str, tolerance: Tolerance | None) -> bool:
    """Tell whether two texts are numbers near enough to each other; note how far they are apart."""
    if tolerance is None:
        return False
    try:
        there, wanted = float(found), float(expected)
    except ValueError:
        return False
    absolute, relative = differences(there, wanted)
    column.largest_absolute = max(column.largest_absolute, absolute)
    column.largest_relative = max(column.largest_relative, relative)
    return tolerance.allows(there, wanted)


def _read(path: Path) -> _Table:
    if path.stat().st_size > LARGEST:
        raise DifferentError(f"it has more than {LARGEST} bytes")
    separator = "," if path.name.lower().endswith(".csv") else "\t"
    try:
        text = path.read_bytes().decode("utf-8-sig")
        # In TSV as BIDS has it a quotation mark is a character like any other.
        stream = io.StringIO(text, newline="")
        rows = csv.reader(stream) if separator == "," else csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        lines = [row for row in rows if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DifferentError("it is no table in UTF-8") from error
    if not lines:
        raise DifferentError("it is empty")
    names = lines[0]
    if len(set(names)) != len(names):
        raise DifferentError("two of its columns have one name")
    ragged = next((number for number, row in enumerate(lines[1:], 1) if len(row) != len(names)), None)
    if ragged is not None:
        raise DifferentError(f"row {ragged} has another number of cells than there are columns")
    return _Table(names=names, rows=lines[1:])
