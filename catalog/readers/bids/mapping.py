"""Values with their terms, each worked out once, and the account of what found a term and what did not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document, Terms
from ontology.columns import Column, Instrument
from ontology.crosswalk import Value
from ontology.crosswalk_tables import NUMBER_UNITS, SIDECAR

Values = dict[str, list[Document]]
Stated = Sequence[tuple[str, Document]]
"""Properties and what is said of each."""

_GROUP = "group"
_DIAGNOSIS = "diagnosis"
_ASSESSMENT = "assessment"
_UNITS = frozenset(NUMBER_UNITS.values())
_PLAIN = (str, int, float, bool)
_NUMBERS = {"age": "is no number (a decimal comma needs the format FromEuro in the data dictionary)"}
"""What is said of a text in a column that everybody compares as a number."""


class Mapper:
    """The crosswalk as the BIDS reader uses it.

    What a sidecar states is asked member by member: of the thousands of sidecars of a dataset most say the same
    in most members, and only what differs is worked out again.

    Args:
        terms: The crosswalk.
        problems: Where values without a term are noted.
    """

    def __init__(self, terms: Terms, problems: ProblemLog) -> None:
        self._terms = terms
        self._problems = problems
        self._cells: dict[tuple[str, str, int, str], tuple[Any, Stated]] = {}
        self._columns: dict[tuple[str, int, str], tuple[Any, Column]] = {}
        self._nothing: dict[tuple[str, str, str], int] = {}
        self._tasks: dict[tuple[str, Any, Any], Stated] = {}
        self._categorical: dict[str, bool] = {}
        self._reported: set[str] = {_ASSESSMENT, *_NUMBERS}
        self._named: dict[tuple[str, str], Stated] = {}
        self._members: dict[tuple[str, type, Any, Any], Stated] = {}
        self._uses: dict[int, tuple[Stated, int]] = {}
        self.mapped: dict[str, dict[str, int]] = {}
        self.unmapped: dict[str, dict[str, int]] = {}

    def knows(self, header: str, description: Any, table: Instrument | None = None) -> bool:
        """Tell whether the column means the same in whatever table it stands."""
        column = self.column(header, description, table)
        return bool(column.meanings) or self._is_categorical(column.name) or _plain(column.name) != _plain(header)

    def instrument(self, name: str, description: Any) -> Instrument:
        """Return the instrument that a table of ``phenotype/`` is named after."""
        return self._terms.instrument(name, description if isinstance(description, dict) else {})

    def cell(
        self,
        header: str,
        original: str,
        *,
        source: str,
        description: Any = None,
        session: str | None = None,
        table: Instrument | None = None,
    ) -> Stated:
        """Return what a cell of the table ``source`` states: nothing where it is missing.

        The same words mean the same in every table with the same data dictionary, and are worked out once.
        """
        key = (header, original, id(description), table.text if table else "")
        found = self._cells.get(key)
        if found is None:
            # The description is kept beside the answer so that its identity is not given to another object.
            found = self._cells[key] = (description, self._read_cell(header, original, description, table))
        if not found[1]:
            self._note_nothing(original, source, header, description)
        where = {"source": source} if session is None else {"source": source, "session": session}
        stated = []
        for prop, value in found[1]:
            if "term" in value or prop in self._reported:
                self._count(prop, value, source, header)
            stated.append((prop, value | where))
        return stated

    def imaging(self, suffix: str, datatype: str, metadata: Document, task: str | None = None) -> Values:
        """Return the properties that suffix, datatype, sidecar and task of a recording state."""
        stated = [self._from_name(suffix, datatype)]
        if task:
            stated.append(self._from_task(task, metadata))
        stated += [self._from_member(name, metadata) for name in SIDECAR if name in metadata and name not in _UNITS]
        properties: Values = {}
        for found in stated:
            if found:
                self._use(found)
            for prop, value in found:
                properties.setdefault(prop, []).append(value)
        return properties

    def settle(self) -> None:
        """Add what recordings state, and what was read as missing, to the account; to be called once, at the end."""
        for (source, header, code), times in self._nothing.items():
            cells = "1 cell" if times == 1 else f"{times} cells"
            self._problems.add(source, f"{code!r} was read as missing, as the data dictionary says: {cells}", header)
        for found, times in self._uses.values():
            for prop, value in found:
                self._count(prop, value, ".", prop, times)
        self._uses.clear()

    def _use(self, found: Stated) -> None:
        """Note that a recording states ``found``; counted when all are read, since it is the same for most."""
        known = self._uses.get(id(found))
        self._uses[id(found)] = (found, 1 if known is None else known[1] + 1)

    def _from_name(self, suffix: str, datatype: str) -> Stated:
        key = (suffix, datatype)
        known = self._named.get(key)
        if known is None:
            known = self._named[key] = self._ask(suffix, datatype, {})
        return known

    def _from_task(self, task: str, metadata: Document) -> Stated:
        key = (task, repr(metadata.get("TaskName")), repr(metadata.get("CogAtlasID")))
        known = self._tasks.get(key)
        if known is None:
            known = self._tasks[key] = tuple(_stated([("task", self._terms.task(task, metadata))]))
        return known

    def _from_member(self, name: str, metadata: Document) -> Stated:
        given = metadata[name]
        unit_name = NUMBER_UNITS.get(name)
        unit = metadata.get(unit_name) if unit_name else None
        if not isinstance(given, _PLAIN) or not (unit is None or isinstance(unit, str)):
            return self._ask_member(name, {name: given} | ({unit_name: unit} if unit_name else {}))
        key = (name, type(given), given, unit)
        known = self._members.get(key)
        if known is None:
            said = {name: given} if unit is None else {name: given, str(unit_name): unit}
            known = self._members[key] = self._ask_member(name, said)
        return known

    def _ask_member(self, name: str, said: Document) -> Stated:
        """Return what one member states; the name that goes with it is any, and what it states is left out."""
        found = self._ask("T1w", "anat", said)
        return tuple((prop, value) for prop, value in found if value.get("source") == name)

    def _ask(self, suffix: str, datatype: str, metadata: Document) -> Stated:
        found = self._terms.acquisition(suffix, datatype, metadata)
        return tuple(_stated((prop, value) for prop, values in found.items() for value in values))

    def _read_cell(self, header: str, original: str, description: Any, table: Instrument | None) -> Stated:
        column = self.column(header, description, table)
        about = description if isinstance(description, dict) else None
        texts = original.split(column.delimiter) if column.delimiter else [original]
        stated: list[tuple[str, Document]] = []
        for text in texts:
            for prop in (column.name, *column.meanings):
                value = self._terms.value(prop, text, description=about, unit=column.unit)
                stated += _stated([(prop, value)])
                if prop == _GROUP and value.term and self._terms.is_diagnosis(value):
                    stated += _stated([(_DIAGNOSIS, value)])
        return (*stated, *_assessed(column.instrument)) if stated else ()

    def column(self, header: str, description: Any, table: Instrument | None = None) -> Column:
        """Return what a column states, by its name and its data dictionary."""
        key = (header, id(description), table.text if table else "")
        known = self._columns.get(key)
        if known is None:
            about = description if isinstance(description, dict) else None
            known = self._columns[key] = (description, self._terms.column(header, description=about, table=table))
            self._reported |= {prop for prop in (known[1].name, *known[1].meanings) if self._is_categorical(prop)}
        return known[1]

    def _note_nothing(self, original: str, source: str, header: str, description: Any) -> None:
        """Count a cell that the data dictionary alone makes a missing one: that is said, and never silent."""
        if isinstance(description, dict) and self._terms.declared_missing(original, description):
            key = (source, header, original.strip())
            self._nothing[key] = self._nothing.get(key, 0) + 1

    def _count(self, prop: str, value: Mapping[str, Any], source: str, column: str, times: int = 1) -> None:
        if "term" in value:
            counts = self.mapped.setdefault(prop, {})
        elif isinstance(value["value"], str) and (prop in _NUMBERS or self._is_categorical(prop)):
            counts = self.unmapped.setdefault(prop, {})
        else:
            return
        text = value["original"]
        if text not in counts and "term" not in value:
            shown = text if len(text) <= 80 else text[:77] + "..."
            lacks = _NUMBERS.get(prop, "found no term")
            self._problems.add(source, f"{shown!r} {lacks}; it is kept as text", column)
        counts[text] = counts.get(text, 0) + times

    def _is_categorical(self, prop: str) -> bool:
        found = self._categorical.get(prop)
        if found is None:
            found = self._categorical[prop] = self._terms.categorical(prop)
        return found


def _assessed(instrument: Instrument | None) -> list[tuple[str, Document]]:
    """Return that a participant was assessed with an instrument."""
    if instrument is None:
        return []
    term = instrument.term
    value = Value(
        value=term.label if term else instrument.text,
        original=instrument.text,
        term=term.iri if term else None,
        label=term.label if term else None,
    )
    return [(_ASSESSMENT, value.to_json())]


def _stated(values: Iterable[tuple[str, Value]]) -> list[tuple[str, Document]]:
    return [(prop, value.to_json()) for prop, value in values if value.value is not None]


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def measured(value: float | int | str, *, source: str, unit: str | None = None) -> Document:
    """Return a value that was read from a file rather than stated in a table."""
    found: Document = {"value": value, "original": str(value), "source": source}
    return found | {"unit": unit} if unit else found


def add_value(into: Values, name: str, value: Document) -> None:
    """Append ``value`` to a property, unless the property says it already."""
    known = into.get(name)
    if known is None:
        into[name] = [value]
    elif value not in known:
        known.append(value)
