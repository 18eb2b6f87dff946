"""Values with their terms, each worked out once, and the account of what found a term and what did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document, Terms

Values = dict[str, list[Document]]


class Mapper:
    """The crosswalk as the BIDS reader uses it.

    Args:
        terms: The crosswalk.
        problems: Where values without a term are noted.
    """

    def __init__(self, terms: Terms, problems: ProblemLog) -> None:
        self._terms = terms
        self._problems = problems
        self._values: dict[tuple[str, str, str, str | None], Document] = {}
        self._properties: dict[str, str] = {}
        self._categorical: dict[str, bool] = {}
        self._imaging: dict[tuple[str, str, int], tuple[Document, Values]] = {}
        self.mapped: dict[str, dict[str, int]] = {}
        self.unmapped: dict[str, dict[str, int]] = {}

    def property_of(self, column: str) -> str:
        """Return the property that a column states."""
        found = self._properties.get(column)
        if found is None:
            found = self._properties[column] = self._terms.participant_property(column)
        return found

    def knows(self, column: str) -> bool:
        """Tell whether the column's name means the same in whatever table it stands."""
        prop = self.property_of(column)
        return self._is_categorical(prop) or _plain(prop) != _plain(column)

    def cell(
        self, column: str, original: str, *, source: str, description: Any = None, session: str | None = None
    ) -> Document | None:
        """Return a cell of the table ``source`` as a value, or None where it is missing."""
        key = (column, original, source, session)
        found = self._values.get(key)
        if found is None:
            about = description if isinstance(description, dict) else None
            found = self._terms.value(
                self.property_of(column), original, description=about, source=source, session=session
            ).to_json()
            self._values[key] = found
        if found.get("value") is None:
            return None
        self._count(self.property_of(column), found, source, column)
        return found

    def imaging(self, suffix: str, datatype: str, metadata: Document) -> Values:
        """Return the properties that suffix, datatype and sidecar of a recording state."""
        key = (suffix, datatype, id(metadata))
        known = self._imaging.get(key)
        if known is None:
            found = self._terms.acquisition(suffix, datatype, metadata)
            properties = {name: [value.to_json() for value in values] for name, values in found.items()}
            # The metadata are kept beside the answer so that their identity is not given to another object.
            known = self._imaging[key] = (metadata, properties)
        for name, stated in known[1].items():
            for value in stated:
                if value.get("value") is not None:
                    self._count(name, value, "", name)
        return known[1]

    def _count(self, prop: str, value: Mapping[str, Any], source: str, column: str) -> None:
        original = value.get("original", value.get("value"))
        text = original if isinstance(original, str) else str(original)
        if value.get("term"):
            counts = self.mapped.setdefault(prop, {})
        elif self._is_categorical(prop):
            counts = self.unmapped.setdefault(prop, {})
            if text not in counts:
                self._problems.add(source or ".", f"{text!r} found no term; it is kept as text", column)
        else:
            return
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
