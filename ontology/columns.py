"""What a column of a table is: its own name, the harmonised names of its property, the instrument that it belongs to.

Two datasets that call one thing differently can be asked for it by one name: the customary one where there is one
(``age``), else one made from the term that their data dictionaries give (BIDS 1.11, ``TermURL``; Neurobagel,
``IsAbout``). A column keeps its own name beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ontology.branch_names import BranchNames
from ontology.column_rules import ColumnRules
from ontology.crosswalk_tables import (
    ANNOTATED,
    ASSESSMENT,
    CATEGORICAL,
    COLUMN_UNITS,
    COLUMNS,
    IS_ASSESSMENT,
    MEASURED_COLUMNS,
    SCORE_NAMES,
)
from ontology.namespaces import PREFIXES
from ontology.terms import Term, TermIndex

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD: Final = re.compile(r"[^0-9a-z]+")
_OF_A_SCORE: Final = frozenset({"score", "total", "sum", "tot", "raw", "value"})
_CUSTOMARY: Final = frozenset({*COLUMNS.values(), *CATEGORICAL})
"""Properties that stand in tables of any instrument, and say nothing of it."""
_OWN_TERMS: Final = PREFIXES["sillage"]


def snake_case(name: str) -> str:
    """Return a name in snake case: ``ManufacturersModelName`` gives ``manufacturers_model_name``."""
    return _NOT_WORD.sub("_", _CAMEL.sub("_", name.strip()).casefold()).strip("_") or name.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A questionnaire, scale or test: the text by which it was recognised, and its term where one is known."""

    text: str
    term: Term | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a column states.

    Attributes:
        name: The property that its cells are values of, under its own name.
        meanings: The properties that they are values of under names that other datasets share.
        unit: UCUM code of its numbers, where the column's name says so and its data dictionary does not.
        instrument: What it is a score or an item of.
        delimiter: What separates several values in one cell (BIDS 1.11, ``Delimiter``).
    """

    name: str
    meanings: tuple[str, ...] = ()
    unit: str | None = None
    instrument: Instrument | None = None
    delimiter: str | None = None

    @property
    def property(self) -> str:
        """The name by which it is best asked for."""
        return self.meanings[0] if self.meanings else self.name


class Columns:
    """Knows columns by name and data dictionary, with the terms of one index."""

    def __init__(self, index: TermIndex, rules: Callable[[Mapping[str, Any]], ColumnRules]) -> None:
        self._index = index
        self._rules = rules
        self._instruments = BranchNames(index, ASSESSMENT)

    def instrument(self, name: str, description: Mapping[str, Any]) -> Instrument:
        """Return the instrument that a table of ``phenotype/`` is named after (BIDS 1.11, Phenotypic data).

        Args:
            name: The file's name without extension.
            description: ``MeasurementToolMetadata`` of its data dictionary.
        """
        about = self._rules(description).about if description else None
        described = description.get("Description")
        term = self._index.match(about) if about else None
        if term is None and isinstance(described, str):
            term = self._instruments.find(described)
        return Instrument(text=name, term=term or self._instruments.find(name))

    def read(self, header: str, description: Mapping[str, Any] | None, table: Instrument | None = None) -> Column:
        """Return what a column states.

        Args:
            header: Its name, in any style.
            description: Its entry in the data dictionary.
            table: What the whole table is about, where it is a table of one instrument.
        """
        rules = self._rules(description) if description else None
        own = snake_case(header)
        words = own.replace("_", " ")
        measured = MEASURED_COLUMNS.get(words)
        about = ANNOTATED.get(rules.about or "") if rules else None
        instrument, score = self._scored(words, rules, table)
        shared = about or (measured[0] if measured else None) or score or self._by_term(rules)
        name = COLUMNS.get(words, own)
        return Column(
            name=name,
            meanings=(shared,) if shared and shared != name else (),
            unit=measured[1] if measured else COLUMN_UNITS.get(words),
            instrument=None if instrument is table and (about or measured or name in _CUSTOMARY) else instrument,
            delimiter=rules.delimiter if rules else None,
        )

    def _scored(
        self, words: str, rules: ColumnRules | None, table: Instrument | None
    ) -> tuple[Instrument | None, str | None]:
        """Return the instrument of a column, and the name of its score where the column is the score."""
        part = rules.part_of if rules and rules.about == IS_ASSESSMENT else None
        if part:
            return Instrument(text=rules.part_label or part, term=self._index.match(part)) if rules else None, None
        parts = words.split()
        while len(parts) > 1 and parts[-1] in _OF_A_SCORE:
            parts.pop()
        term = self._by_about(rules) or self._instruments.find("".join(parts), short=False)
        if term is None and table and table.term:
            named = self._instruments.find("".join(parts))
            term = named if named and named.iri == table.term.iri else None
        if term is not None:
            return Instrument(text=" ".join(parts), term=term), score_name(term)
        return self._item(parts, rules) or table, None

    def _item(self, parts: list[str], rules: ColumnRules | None) -> Instrument | None:
        """Return the instrument that a column is an item of, by what the dictionary calls it or how its name begins."""
        named = rules.long_name if rules else None
        term = self._instruments.find(named, short=False) if named else None
        if named and term:
            return Instrument(text=named, term=term)
        begun = self._instruments.beginning(parts)
        return Instrument(text=begun[0], term=begun[1]) if begun else None

    def _by_about(self, rules: ColumnRules | None) -> Term | None:
        """Return the instrument whose term the data dictionary gives for the column."""
        term = self._index.match(rules.about) if rules and rules.about else None
        return term if term and self._instruments.find(term.label) == term else None

    def _by_term(self, rules: ColumnRules | None) -> str | None:
        """Return the name that the term of a column makes, where nothing customary is known of it."""
        if rules is None or not rules.about or rules.about == IS_ASSESSMENT:
            return None
        term = self._index.match(rules.about)
        label = term.label if term else rules.about_label
        return snake_case(label) if label else None


def score_name(term: Term) -> str:
    """Return the harmonised name of an instrument's score: ``mmse``.

    That of a term of our own is the last part of its IRI, any other's is made from its label.
    """
    known = SCORE_NAMES.get(term.curie)
    if known:
        return known
    return snake_case(term.iri.removeprefix(_OWN_TERMS) if term.iri.startswith(_OWN_TERMS) else term.label)
