"""Values with their terms, each worked out once, and the account of what found a term and what did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document, Terms
from ontology.crosswalk import Value

Values = dict[str, list[Document]]
Stated = Sequence[tuple[str, Document]]
"""Properties and what is said of each."""

_GROUP = "group"
_DIAGNOSIS = "diagnosis"


class Mapper:
    """The crosswalk as the BIDS reader uses it.

    Args:
        terms: The crosswalk.
        problems: Where values without a term are noted.
    """

    def __init__(self, terms: Terms, problems: ProblemLog) -> None:
        self._terms = terms
        self._problems = problems
        self._cells: dict[tuple[str, str, str, str | None], Stated] = {}
        self._categorical: dict[str, bool] = {}
        self._json: dict[int, tuple[Value, Document]] = {}
        self.mapped: dict[str, dict[str, int]] = {}
        self.unmapped: dict[str, dict[str, int]] = {}

    def knows(self, column: str, description: Any) -> bool:
        """Tell whether the column means the same in whatever table it stands."""
        prop = self._property(column, description)
        return self._is_categorical(prop) or _plain(prop) != _plain(column)

    def cell(
        self, column: str, original: str, *, source: str, description: Any = None, session: str | None = None
    ) -> Stated:
        """Return what a cell of the table ``source`` states: nothing where it is missing."""
        key = (column, original, source, session)
        found = self._cells.get(key)
        if found is None:
            found = self._cells[key] = self._read_cell(key, description if isinstance(description, dict) else None)
        for prop, value in found:
            self._count(prop, value, source, column)
        return found

    def imaging(self, suffix: str, datatype: str, metadata: Document) -> Values:
        """Return the properties that suffix, datatype and sidecar of a recording state."""
        properties: Values = {}
        for name, values in self._terms.acquisition(suffix, datatype, metadata).items():
            stated = [found for value in values if (found := self._as_json(value))["value"] is not None]
            for found in stated:
                self._count(name, found, ".", name)
            if stated:
                properties[name] = stated
        return properties

    def _read_cell(self, key: tuple[str, str, str, str | None], description: Document | None) -> Stated:
        column, original, source, session = key
        prop = self._property(column, description)
        value = self._terms.value(prop, original, description=description, source=source, session=session)
        if value.value is None:
            return ()
        stated = [(prop, self._as_json(value))]
        if prop == _GROUP and value.term and self._terms.is_diagnosis(value):
            stated.append((_DIAGNOSIS, stated[0][1]))
        return stated

    def _property(self, column: str, description: Any) -> str:
        about = description if isinstance(description, dict) else None
        return self._terms.participant_property(column, description=about)

    def _as_json(self, value: Value) -> Document:
        """Return a value as records hold it; the crosswalk hands out equal values as one object."""
        known = self._json.get(id(value))
        if known is None:
            # The value is kept beside its form so that its identity is not given to another object.
            known = self._json[id(value)] = (value, value.to_json())
        return known[1]

    def _count(self, prop: str, value: Mapping[str, Any], source: str, column: str) -> None:
        if "term" in value:
            counts = self.mapped.setdefault(prop, {})
        elif isinstance(value["value"], str) and self._is_categorical(prop):
            counts = self.unmapped.setdefault(prop, {})
        else:
            return
        text = value["original"]
        if text not in counts and "term" not in value:
            self._problems.add(source, f"{text!r} found no term; it is kept as text", column)
        counts[text] = counts.get(text, 0) + 1

    def _is_categorical(self, prop: str) -> bool:
        found = self._categorical.get(prop)
        if found is None:
            found = self._categorical[prop] = self._terms.categorical(prop)
        return found


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def measured(value: float | int | str, *, source: str, unit: str | None = None) -> Document:
    """Return a value that was read from a file rather than stated in a table."""
    found: Document = {"value": value, "original": str(value), "source": source}
    return found | {"unit": unit} if unit else found


def add_values(into: Values, name: str, values: Sequence[Document]) -> None:
    """Append ``values`` to a property, leaving out what it says already."""
    known = into.setdefault(name, [])
    known += [value for value in values if value not in known]
