"""A cohort as a table or as linked data: one row per member, streamed, with chosen properties as they were frozen.

TSV is written as BIDS tables are (BIDS 1.11, tabular files: ``n/a`` for what is missing, nothing quoted). CSV follows
RFC 4180; a text that a spreadsheet would take for a formula gets an apostrophe before it. JSON-LD is a
``prov:Collection`` with the context of our records, its members being the participants themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from catalog.cohorts.frozen_values import Column, FrozenMember
from catalog.model import Record
from catalog.search.projection import Statement
from catalog.search.units import OWN_UNIT, is_comparable
from ontology.context import record_context

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "tsv": "text/tab-separated-values; charset=utf-8",
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonld": "application/ld+json",
}
HEADS: Final = ("participant", "label", "dataset", "dataset_title", "version", "digest", "state")

_SEVERAL: Final = "|"
_MISSING: Final = "n/a"
_BREAKS: Final = re.compile(r"[\t\r\n\v\f\x85\u2028\u2029\0]+")
_QUOTED: Final = re.compile(r'[",\r\n]')
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What spreadsheets begin a formula with, in their full width too (OWASP, CSV injection)."""

_Cell = str | int | float | None


def export(
    cohort: Record,
    members: Iterable[FrozenMember],
    columns: Sequence[Column],
    *,
    format: str,
    titles: Mapping[str, str],
) -> Iterator[str]:
    """Yield a cohort piece by piece, in UTF-8 text.

    Args:
        cohort: The cohort.
        members: Its members as they were frozen.
        columns: Properties to tell of each.
        format: One of :data:`MEDIA_TYPES`.
        titles: Dataset IRI to what a person calls it.
    """
    if format == "jsonld":
        return _jsonld(cohort, members, columns, titles)
    line = _csv_line if format == "csv" else _tsv_line
    return _table(members, columns, titles, line)


def _table(
    members: Iterable[FrozenMember],
    columns: Sequence[Column],
    titles: Mapping[str, str],
    line: Callable[[Sequence[_Cell]], str],
) -> Iterator[str]:
    yield line([*HEADS, *(head for column in columns for head in _heads(column))])
    for member in members:
        row: list[_Cell] = [member.participant, member.label, member.dataset, titles.get(member.dataset)]
        row += [member.version, member.digest, member.state.value]
        for column, statements in zip(columns, member.values(columns), strict=True):
            row += _cells(column, statements)
        yield line(row)


def _heads(column: Column) -> list[str]:
    name = f"property_{column.name}" if column.name in HEADS else column.name
    return [name, *(f"{name}_{kind}" for kind in _beside(column))]


def _beside(column: Column) -> list[str]:
    """Return what stands beside a property's value: its unit, its term."""
    return [head for head, kind in (("unit", "number"), ("term", "term")) if kind in column.kinds]


def _cells(column: Column, statements: Sequence[Statement]) -> list[_Cell]:
    shown = {
        "unit": [unit_of(statement) for statement in statements],
        "term": [statement.term for statement in statements],
    }
    values = [statement.value if statement.kind != "term" else statement.label for statement in statements]
    return [_joined(values), *(_joined(shown[head]) for head in _beside(column))]


def _joined(values: Iterable[Any]) -> _Cell:
    """Return the one value, or each different one once."""
    known = list(dict.fromkeys(value for value in values if value is not None))
    if not known:
        return None
    if len(known) == 1 and isinstance(known[0], int | float) and not isinstance(known[0], bool):
        return known[0]
    return _SEVERAL.join(_text(value) for value in known)


def unit_of(statement: Statement) -> str | None:
    """Return the unit (UCUM) in which a statement's number stands."""
    if statement.kind != "number":
        return None
    own = OWN_UNIT.get(statement.name)
    return own if own and (not statement.unit or is_comparable(statement.name, statement.unit)) else statement.unit


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _tsv_line(cells: Sequence[_Cell]) -> str:
    return "\t".join(_MISSING if cell in (None, "") else _BREAKS.sub(" ", _text(cell)) for cell in cells) + "\n"


def _csv_line(cells: Sequence[_Cell]) -> str:
    return ",".join(_csv_cell(cell) for cell in cells) + "\r\n"


def _csv_cell(cell: _Cell) -> str:
    if cell is None:
        return ""
    text = _text(cell).replace("\0", " ")
    if isinstance(cell, str) and text.startswith(_FORMULA):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def _jsonld(
    cohort: Record, members: Iterable[FrozenMember], columns: Sequence[Column], titles: Mapping[str, str]
) -> Iterator[str]:
    kept = {
        name: cohort.document[name]
        for name in ("label", "query", "ontology", "sequence", "count", "digest", "combination", "part")
        if cohort.document.get(name) is not None
    }
    # A combination and a part hold IRIs of other cohorts, which are what this one derives from.
    sources = [*(kept.pop("combination", {}).get("cohorts", ())), *filter(None, [kept.pop("part", {}).get("of")])]
    head = {"@context": record_context(), "id": cohort.id, "type": "Cohort", "created": cohort.created, **kept}
    if sources:
        head["prov:wasDerivedFrom"] = [{"id": iri} for iri in sources]
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "members": [\n'
    between = ""
    for member in members:
        yield between + json.dumps(_node(member, columns, titles), ensure_ascii=False)
        between = ",\n"
    yield "\n]}\n"


def _node(member: FrozenMember, columns: Sequence[Column], titles: Mapping[str, str]) -> dict[str, Any]:
    node: dict[str, Any] = {"id": member.participant, "type": "Participant"}
    node |= {"label": member.label} if member.label is not None else {}
    node |= {"dataset": member.dataset, "dataset_title": titles.get(member.dataset, member.dataset)}
    node |= {"version": member.version, "digest": member.digest, "state": member.state.value}
    if columns:
        said = zip(columns, member.values(columns), strict=True)
        node["properties"] = {column.name: [_value(s) for s in statements] for column, statements in said}
    return node


def _value(statement: Statement) -> dict[str, Any]:
    members = {
        "value": statement.value,
        "unit": unit_of(statement),
        "term": statement.term,
        "label": statement.label,
        "original": statement.original,
        "source": statement.source,
        "session": statement.session,
    }
    return {name: value for name, value in members.items() if value is not None}
