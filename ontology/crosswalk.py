"""The crosswalk from BIDS to terms: participant columns and their values, suffixes, datatypes, sidecars.

Nothing is guessed: a value is mapped where its data dictionary says what it means, or where it names exactly
one term of the property's own branch; otherwise it keeps its text and has no term, and the registration
reports it. The original text always stays beside the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ontology.branch_names import BranchNames, squashed
from ontology.column_rules import MISSING, ColumnRules, parse_number
from ontology.columns import Column, Columns, Instrument
from ontology.crosswalk_tables import (
    CATEGORICAL,
    CONTRAST,
    DISEASE,
    HEALTHY,
    MODALITIES,
    MODALITY,
    NUMBER_UNITS,
    NUMBERS,
    SIDECAR,
    TASK,
    TERMS,
    TEXTS,
)
from ontology.errors import SillageError
from ontology.terms import Term, TermIndex
from ontology.units import YEAR, convert, ucum

_WITH_UNIT: Final = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([A-Za-z]+)")
_CACHED: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One statement about a property (``docs/reference/records.md``).

    Attributes:
        value: Number, text, truth value, or None where the source says that it is missing.
        original: The text found.
        unit: UCUM code.
        term: IRI of the term that the value means.
        label: Label of that term, or what the data dictionary calls the value.
        source: File that says so.
        session: Label of the session that it holds for; None where it holds for the participant.
    """

    value: float | str | bool | None
    original: str
    unit: str | None = None
    term: str | None = None
    label: str | None = None
    source: str | None = None
    session: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the value as the record holds it: ``value`` and ``original``, and the others that are not None."""
        members: dict[str, Any] = {"value": self.value, "original": self.original}
        for name in ("unit", "term", "label", "source", "session"):
            given = getattr(self, name)
            if given is not None:
                members[name] = given
        return members


class Crosswalk:
    """Maps what BIDS datasets say to terms of one index; remembers what it has mapped."""

    def __init__(self, index: TermIndex) -> None:
        self._index = index
        self._digest = ""
        self._values: dict[Any, Value] = {}
        self._acquisitions: dict[Any, dict[str, list[Value]]] = {}
        self._rules: dict[int, ColumnRules] = {}
        self._columns: Columns | None = None
        self._task_names: BranchNames | None = None

    def column(
        self, header: str, *, description: Mapping[str, Any] | None = None, table: Instrument | None = None
    ) -> Column:
        """Return what a column of a participants, sessions or phenotype table states.

        Args:
            header: Name of the column, in any style (``Age``, ``age_years``, ``dominantHand``).
            description: Its data dictionary entry, which has the first word.
            table: The instrument that the whole table is about.
        """
        return self._known_columns().read(header, description or None, table)

    def instrument(self, name: str, description: Mapping[str, Any]) -> Instrument:
        """Return the instrument that a table of ``phenotype/`` is named after.

        Args:
            name: The file's name without extension.
            description: ``MeasurementToolMetadata`` of its data dictionary.
        """
        return self._known_columns().instrument(name, description)

    def participant_property(self, column: str, *, description: Mapping[str, Any] | None = None) -> str:
        """Return the harmonised name of the property that a column states; its own where it has none."""
        return self.column(column, description=description).property

    def declared_missing(self, original: str, description: Mapping[str, Any]) -> bool:
        """Tell whether a data dictionary says that a cell stands for nothing, though it holds a word or a code."""
        return original.strip() in self._column_rules(description).missing

    def categorical(self, prop: str) -> bool:
        """Tell whether a value of this property that has no term is worth reporting."""
        rule = CATEGORICAL.get(prop)
        return rule is not None and rule.reported

    def is_diagnosis(self, value: Value) -> bool:
        """Tell whether a value (of a ``group`` column, say) means a disease, or that there is none."""
        if value.term is None:
            return False
        return value.term in self._branch(HEALTHY) or value.term in self._branch(DISEASE)

    def value(
        self,
        prop: str,
        original: str,
        *,
        description: Mapping[str, Any] | None = None,
        unit: str | None = None,
        source: str | None = None,
        session: str | None = None,
    ) -> Value:
        """Return what a cell of a table states.

        Args:
            prop: Canonical property (:meth:`participant_property`).
            original: The cell as found.
            description: The column's entry in the data dictionary (BIDS 1.11, tabular files; Neurobagel annotations).
            unit: UCUM code of its number where the dictionary gives none.
            source: File that the cell comes from.
            session: Label of the session that it holds for.
        """
        self._forget_if_changed()
        rules = self._column_rules(description) if description else None
        key = (prop, original, id(rules), unit, source, session)
        kept = self._values.get(key)
        if kept is None:
            kept = self._values[key] = self._value(prop, original, rules, (unit, source, session))
        return kept

    def _value(self, prop: str, original: str, rules: ColumnRules | None, known: tuple[str | None, ...]) -> Value:
        given, source, session = known
        text = original.strip()
        if text.casefold() in MISSING or (rules and text in rules.missing):
            return Value(value=None, original=original, source=source, session=session)
        unit = (rules.unit if rules else None) or given
        label = rules.levels.get(text) if rules else None
        term = self._level_term(prop, text, rules)
        if term is None and label is None:
            plain, unit = self._plain(prop, text, unit, rules)
        else:
            plain, unit = text, None
        return Value(
            value=plain,
            original=original,
            unit=unit,
            term=term.iri if term else (rules.term_url(text) if rules else None),
            label=term.label if term else label,
            source=source,
            session=session,
        )

    def _level_term(self, prop: str, text: str, rules: ColumnRules | None) -> Term | None:
        """Return the term of a categorical value: by its data dictionary, then by its name."""
        if rules:
            url = rules.term_url(text)
            if url:
                return self._term(url, ())
        rule = CATEGORICAL.get(prop)
        if rule is None or (rule.numbers and parse_number(text) is not None and not (rules and text in rules.levels)):
            return None
        described = rules.levels.get(text) if rules else None
        for name in (described, text):
            means = rule.words.get(name.strip().casefold()) if name else None
            term = (self._term(means, ()) if means else None) or (self._term(name, rule.roots) if name else None)
            if term is not None:
                return term
        return None

    def _plain(
        self, prop: str, text: str, unit: str | None, rules: ColumnRules | None
    ) -> tuple[float | str | bool, str | None]:
        """Return a value that is no term, and its unit where it is a number."""
        rule = CATEGORICAL.get(prop)
        number = None if rule and not rule.numbers else (rules.number(text) if rules else parse_number(text))
        if prop == "age":
            return _age(text, number, unit, rules)
        if number is not None:
            return number, unit
        if text.casefold() in {"true", "false"}:
            return text.casefold() == "true", None
        return text, None

    def acquisition(self, suffix: str, datatype: str, metadata: Mapping[str, Any]) -> dict[str, list[Value]]:
        """Return what the name and the sidecar of an acquisition state, by property.

        Args:
            suffix: BIDS suffix (``T1w``).
            datatype: BIDS datatype (``anat``).
            metadata: Its sidecars, merged by the inheritance principle.
        """
        self._forget_if_changed()
        key = (suffix, datatype, *(_hashable(metadata[name]) for name in SIDECAR if name in metadata))
        present = tuple(name for name in SIDECAR if name in metadata)
        kept = self._acquisitions.get((key, present))
        if kept is None:
            kept = self._acquisition(suffix, datatype, {name: metadata[name] for name in present})
            self._acquisitions[key, present] = kept
        return {prop: list(values) for prop, values in kept.items()}

    def _acquisition(self, suffix: str, datatype: str, metadata: Mapping[str, Any]) -> dict[str, list[Value]]:
        found = self._from_name(suffix, datatype)
        for member, (prop, root) in TERMS.items():
            for text in _texts(metadata.get(member)):
                term = self._term(text, (root,))
                found.setdefault(prop, []).append(_termed(text, term, source=member))
        for member, (prop, unit) in NUMBERS.items():
            if member in metadata:
                given = metadata.get(NUMBER_UNITS.get(member, ""))
                value = _measure(metadata[member], ucum(given) if isinstance(given, str) else unit or None, member)
                if value is not None:
                    found[prop] = [value]
        for member, prop in TEXTS.items():
            texts = _texts(metadata.get(member))
            if texts:
                found[prop] = [Value(value=text, original=text, source=member) for text in texts]
        return found

    def task(self, name: str, metadata: Mapping[str, Any]) -> Value:
        """Return the task that a recording was made during.

        Args:
            name: Entity ``task`` of its file name.
            metadata: Its sidecars; ``CogAtlasID`` has the first word, ``TaskName`` the last.
        """
        self._forget_if_changed()
        given = metadata.get("CogAtlasID")
        term = self._index.match(given) if isinstance(given, str) and given.strip() else None
        if term is None:
            term = next(filter(None, map(self._named_task, (name, *_texts(metadata.get("TaskName"))))), None)
        return _termed(name, term, source="CogAtlasID" if term and given else "task")

    def _named_task(self, text: str) -> Term | None:
        """Return the task that a label names, with or without ``task`` at its end; of ``a+b``, that of a part."""
        if self._task_names is None:
            self._task_names = BranchNames(self._index, TASK)
        for part in dict.fromkeys((text, *text.split("+"))):
            plain = squashed(part).removesuffix("task")
            found = self._task_names.find(part) or self._task_names.find(plain) or self._task_names.find(plain + "task")
            if found is not None:
                return found
        return None

    def _known_columns(self) -> Columns:
        self._forget_if_changed()
        if self._columns is None:
            self._columns = Columns(self._index, self._column_rules)
        return self._columns

    def _from_name(self, suffix: str, datatype: str) -> dict[str, list[Value]]:
        """Return modality and contrast as the file's name and folder give them."""
        found: dict[str, list[Value]] = {}
        by_suffix = self._term(f"bids-suffix:{suffix}", ())
        modality = self._term(MODALITIES[datatype], ()) if datatype in MODALITIES else None
        if by_suffix and by_suffix.iri in self._branch(CONTRAST):
            found["contrast"] = [_termed(suffix, by_suffix, source="suffix")]
        elif by_suffix and datatype == "micr" and by_suffix.iri in self._branch(MODALITY):
            modality = by_suffix
        if modality:
            found["modality"] = [_termed(datatype, modality, source="datatype")]
        return found

    def _branch(self, root: str) -> frozenset[str]:
        try:
            return self._index.descendants(root)
        except SillageError:
            return frozenset()

    def _term(self, text: str, roots: tuple[str, ...]) -> Term | None:
        """Return the one term that ``text`` names within ``roots``; None where it names none, or several."""
        known = [root for root in roots if self._branch(root)]
        return self._index.match(text, within=known) if known or not roots else None

    def _column_rules(self, description: Mapping[str, Any]) -> ColumnRules:
        rules = self._rules.get(id(description))
        if rules is None or rules.source is not description:
            if len(self._rules) > _CACHED:
                self._rules.clear()
                self._values.clear()
            rules = self._rules[id(description)] = ColumnRules(description)
        return rules

    def _forget_if_changed(self) -> None:
        digest = self._index.digest
        if digest != self._digest or len(self._values) > _CACHED or len(self._acquisitions) > _CACHED:
            self._values.clear()
            self._acquisitions.clear()
            self._columns = self._task_names = None
            self._digest = digest


def _age(
    text: str, number: float | None, unit: str | None, rules: ColumnRules | None
) -> tuple[float | str | bool, str | None]:
    """Return an age in years; ``89+`` counts as 89, the least that it can mean."""
    if number is None and text.endswith("+"):
        number = parse_number(text[:-1].strip())
    if number is None:
        return text, None
    given = YEAR if rules and rules.is_duration else unit or YEAR
    years = convert(number, given, YEAR)
    return (number, given) if years is None else (years, YEAR)


def _termed(text: str, term: Term | None, *, source: str) -> Value:
    if term is None:
        return Value(value=text, original=text, source=source)
    return Value(value=text, original=text, term=term.iri, label=term.label, source=source)


def _measure(given: Any, unit: str | None, source: str) -> Value | None:
    """Return a number of a sidecar with its unit; a text in its place is kept as text, lists are left out."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    if isinstance(given, str):
        text = given.strip()
        found = _WITH_UNIT.fullmatch(text)
        number = parse_number(found.group(1) if found and ucum(found.group(2)) == unit else text)
        if number is None:
            return Value(value=None if text.casefold() in MISSING else given, original=given, source=source)
        return Value(value=number, original=given, unit=unit, source=source)
    original = str(given)
    number = parse_number(original)  # None for NaN and infinities, which some sidecars hold
    return Value(value=number, original=original, unit=None if number is None else unit, source=source)


def _texts(given: Any) -> list[str]:
    """Return the texts that a sidecar member states: one, or a list of them."""
    items = given if isinstance(given, list) else [given]
    return [item for item in items if isinstance(item, str) and item.strip().casefold() not in MISSING]


def _hashable(given: Any) -> Any:
    """Return what tells one sidecar value from another: 1, 1.0 and True are equal to Python, and NaN never is."""
    return given if isinstance(given, str) else (type(given), repr(given))
