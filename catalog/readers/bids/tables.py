"""Tables of a dataset (BIDS 1.11, "Tabular files"): every row that can be read is, the rest is reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from catalog.readers.bids.documents import decode
from catalog.readers.problems import ProblemLog

BYTES = 64 * 1024 * 1024
"""Largest table that is read."""
MISSING = frozenset({"", "n/a"})


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text.

    Attributes:
        path: Where it lies.
        columns: Their names, in order.
        rows: Cells in the order of the columns, each row as long as ``columns``.
    """

    path: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def records(self) -> Iterator[dict[str, str]]:
        """Yield each row by column name."""
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))


def read_table(raw: bytes, path: str, problems: ProblemLog) -> Table | None:
    """Return the table in ``raw``, or None where there is no header; problems say what was amiss."""
    text = decode(raw, path, problems)
    if "\0" in text:
        problems.add(path, "holds NUL characters, which were left out")
        text = text.replace("\0", "")
    if "\r" in text:
        problems.add(path, "ends its lines with carriage returns; it was read, BIDS tables end them with line feeds")
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if not lines or not lines[0].strip():
        problems.add(path, "has no header line; it was not read")
        return None
    columns, kept = _header(lines[0], path, problems)
    rows = _rows(lines, kept, path, problems)
    return Table(path, columns, rows)


def _header(line: str, path: str, problems: ProblemLog) -> tuple[list[str], list[bool]]:
    """Return the columns that are kept, and for each that is there whether it is."""
    columns: list[str] = []
    kept: list[bool] = []
    for position, found in enumerate(line.split("\t"), start=1):
        name = found.strip()
        if name != found:
            problems.add(path, "the column's name has spaces around it", name)
        if not name:
            problems.add(path, f"column {position} has no name and was left out")
        elif name in columns:
            problems.add(path, "the column occurs twice; the first was read", name)
        kept.append(bool(name) and name not in columns)
        if kept[-1]:
            columns.append(name)
    return columns, kept


def _rows(lines: Sequence[str], kept: Sequence[bool], path: str, problems: ProblemLog) -> list[list[str]]:
    width = len(kept)
    whole = all(kept)
    rows: list[list[str]] = []
    blank: list[int] = []
    short: list[int] = []
    long: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            blank.append(number)
            continue
        cells = line.split("\t")
        if len(cells) < width:
            short.append(number)
            cells += [""] * (width - len(cells))
        elif len(cells) > width:
            long.append(number)
            del cells[width:]
        rows.append(cells if whole else [cell for cell, keep in zip(cells, kept, strict=True) if keep])
    for numbers, detail in (
        (blank, "blank lines were left out"),
        (short, f"rows with fewer than {width} cells were read, the others as missing"),
        (long, f"rows with more than {width} cells were read without the excess"),
    ):
        if numbers:
            problems.add(path, f"{detail}: {_lines(numbers)}")
    return rows


def _lines(numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers[:5]))
    beyond = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"line{'s' if len(numbers) > 1 else ''} {named}{beyond}"
