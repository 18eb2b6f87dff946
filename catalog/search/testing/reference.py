"""The meaning of a query, by brute force: every document read for every question.

Shares nothing with the search backends but the condition tree and the spelling of names. It knows the documents
of :class:`catalog.search.testing.world.World`, and is as slow and plain as it can be.
"""

from __future__ import annotations

import operator
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from catalog.search.conditions import (
    And,
    Between,
    Comparison,
    Condition,
    Count,
    Has,
    In,
    IsNull,
    Like,
    Not,
    Or,
    Under,
    negation,
    text_of,
)
from catalog.search.query import Query
from catalog.search.testing.terms import TERMS, SmallTerms
from ontology.errors import AmbiguousError, NotFoundError

Document = dict[str, Any]
Why = list[tuple[Any, ...]]
"""Reasons, each as condition, property, value and IRI of the acquisition."""

_ORDER: Final = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def folded(text: str) -> str:
    """Return the form in which texts are compared."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


@dataclass
class Fact:
    """One value of a document; ``also`` are other texts by which it may be asked for."""

    name: str
    value: Any
    said: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.value = _blank_is_none(self.value)
        self.said = {key: _blank_is_none(value) for key, value in self.said.items()}
        self.term: str | None = self.said.get("term")

    @property
    def missing(self) -> bool:
        """Whether it says nothing."""
        return self.value is None and not self.term

    @property
    def number(self) -> float | int | None:
        """The number that is compared: ages in weeks are brought to years."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            return None
        weeks = self.name == "age" and self.said.get("unit") == "wk"
        number = float(Fraction(self.value) * Fraction(28, 1461)) if weeks else self.value
        return int(number) if float(number).is_integer() else number

    @property
    def shown(self) -> Any:
        """The value as an answer shows it."""
        return self.value if self.number is None else self.number

    def forms(self) -> set[str]:
        """Return the texts that equal it."""
        shown = None if self.shown is None else str(self.shown)
        texts = [shown, self.said.get("original"), self.said.get("label"), self.term, *self.also]
        return {folded(text) for text in texts if text}


class Reference:
    """Answers for a caller who sees some datasets; None for all."""

    def __init__(self, documents: Mapping[str, tuple[str, Document]], visible: set[str] | None) -> None:
        seen = {i for i, (t, _) in documents.items() if t == "Dataset" and (visible is None or i in visible)}
        self.terms = SmallTerms()
        self.datasets = {iri: documents[iri][1] for iri in seen}
        self.people = {i: d for i, (t, d) in documents.items() if t == "Participant" and d["dataset"] in seen}
        self.images = {i: d for i, (t, d) in documents.items() if t == "Acquisition" and d["dataset"] in seen}

    def answer(self, query: Query) -> dict[str, Why]:
        """Return the IRI of each participant that fulfils a query, with the reasons."""
        found = {iri: self.why(query.root, iri, document) for iri, document in self.people.items()}
        return {iri: why for iri, why in found.items() if why is not None}

    def facet(self, name: str, hits: set[str]) -> Counter[Any]:
        """Return how many of some participants have each value of a property, or an acquisition that has it."""
        counts: Counter[Any] = Counter()
        for person in hits:
            own = name in ("sex", "age", "dataset")
            records = [(person, self.people[person])] if own else self._images_of(person)
            counts.update({_group(fact) for iri, document in records for fact in self.facts(iri, document, name)})
        return counts

    def says(self, name: str) -> bool:
        """Tell whether anybody who may be seen has a value of a property."""
        records = {**self.people, **self.images}
        return any(self.facts(iri, document, name) for iri, document in records.items())

    def facts(self, iri: str, document: Document, name: str) -> list[Fact]:
        """Return the values of a property, each once, missing ones left out."""
        if name in ("id", "label", "dataset"):
            return [self._built_in(iri, document, name)]
        if name in ("pipeline", "pipeline_version"):
            made = self.datasets[document["dataset"]]["generated_by"]
            said = dict.fromkeys(item["Name" if name == "pipeline" else "Version"] for item in made)
            return [Fact(name, value) for value in said if value]
        found = _of_participant(document, name) if iri in self.people else _of_acquisition(document, name)
        unique = {repr((f.value, type(f.value), sorted(f.said.items(), key=repr))): f for f in found}
        return [fact for fact in unique.values() if not fact.missing]

    def _built_in(self, iri: str, document: Document, name: str) -> Fact:
        if name == "id":
            return Fact("id", iri, also=(iri[9:],))
        if name == "label":
            label = document["label"]
            return Fact("label", label, also=(label[4:] if label.startswith("sub-") else "sub-" + label,))
        dataset = self.datasets[document["dataset"]]
        return Fact("dataset", document["dataset"], also=(document["dataset"][9:], dataset["label"], dataset["title"]))

    def _images_of(self, person: str) -> list[tuple[str, Document]]:
        found = [(iri, document) for iri, document in self.images.items() if document["participant"] == person]
        return sorted(found, key=lambda item: (item[1]["label"], item[0]))

    def why(self, condition: Condition, iri: str, document: Document, wanted: bool = True) -> Why | None:
        """Return why a condition is as wanted for a record, or None where it is not."""
        match condition:
            case Not(part=part):
                return self.why(part, iri, document, not wanted)
            case And(parts=parts) | Or(parts=parts):
                found = [self.why(part, iri, document, wanted) for part in parts]
                holding = [why for why in found if why is not None]
                every = isinstance(condition, And) == wanted
                enough = len(holding) == len(found) if every else bool(holding)
                return [reason for why in holding for reason in why] if enough else None
            case Has():
                return self._why_has(condition, iri, wanted)
            case Count(condition=inner, op=op, n=n):
                number = sum(self.why(inner, i, d) is not None for i, d in self._images_of(iri))
                text = text_of(condition if wanted else negation(condition))
                return [(text, None, number, None)] if _ORDER[op](number, n) is wanted else None
            case _:
                return self._why_leaf(condition, iri, document, wanted)

    def _why_has(self, condition: Has, iri: str, wanted: bool) -> Why | None:
        found = [(i, self.why(condition.condition, i, d)) for i, d in self._images_of(iri)]
        fulfilling = [(image, why) for image, why in found if why is not None]
        if bool(fulfilling) is not wanted:
            return None
        if not wanted:
            return [(text_of(negation(condition)), None, None, None)]
        image, why = fulfilling[0]
        return [(*reason[:3], image) for reason in why or [(text_of(condition), None, None)]]

    def _why_leaf(self, condition: Any, iri: str, document: Document, wanted: bool) -> Why | None:
        name, facts = condition.property, self.facts(iri, document, condition.property)
        against = [(text_of(negation(condition)), name, None, None)]
        if isinstance(condition, IsNull):
            if bool(facts) is wanted:
                return None
            return [(text_of(condition), name, None, None)] if wanted else _shown(negation(condition), facts)
        if isinstance(condition, Comparison) and condition.op == "<>":
            same = Comparison(name, "=", condition.value)
            equal = [fact for fact in facts if self._passes(same, fact)]
            if (bool(facts) and not equal) is not wanted:
                return None
            return _shown(condition, facts) if wanted else _shown(same, equal) or against
        passing = [fact for fact in facts if self._passes(condition, fact)]
        if bool(passing) is not wanted:
            return None
        return _shown(condition, passing) if wanted else against

    def _passes(self, condition: Condition, fact: Fact) -> bool:
        match condition:
            case Comparison(op="=", value=value):
                return self._equals(fact, value)
            case In(values=values):
                return any(self._equals(fact, value) for value in values)
            case Like(pattern=pattern):
                return any(_is_like(form, folded(pattern)) for form in fact.forms())
            case Under(term=term):
                goal = self.terms.resolve(term).term.iri
                own = [fact.term, TERMS[fact.term].replaced_by] if fact.term else []
                return any(iri is not None and self.terms.path(iri, goal) for iri in own)
            case Between(low=low, high=high):
                return _ordered(fact, ">=", low) and _ordered(fact, "<=", high)
            case Comparison(op=op, value=value):
                return _ordered(fact, op, value)
            case _:
                raise TypeError(f"no leaf: {condition!r}")

    def _equals(self, fact: Fact, value: Any) -> bool:
        if isinstance(value, bool):
            return isinstance(fact.value, bool) and fact.value == value
        if not isinstance(value, str):
            return fact.number is not None and fact.number == value
        if folded(value) in fact.forms():
            return True
        if fact.term is None:
            return False
        if TERMS[fact.term].curie.casefold() == value.casefold():
            return True
        try:
            meant = self.terms.resolve(value).term.iri
        except (AmbiguousError, NotFoundError):
            return False
        return meant in (fact.term, TERMS[fact.term].replaced_by)


def _of_participant(document: Document, name: str) -> list[Fact]:
    said = [(value, None) for value in document["properties"].get(name, [])]
    for session in document["sessions"]:
        said += [(value, session["label"]) for value in session["properties"].get(name, [])]
    return [Fact(name, value["value"], {**value, "session": session}) for value, session in said]


def _of_acquisition(document: Document, name: str) -> list[Fact]:
    metadata = document["metadata"]
    if name in ("suffix", "derived"):
        return [Fact(name, document[name])]
    if name == "session":
        label = document["session"]
        return [Fact(name, label, also=(label[4:],) if label else ())]
    if name == "run":
        run = document["bids_entities"].get("run")
        return [Fact(name, int(run), {"original": run})] if run else []
    if name == "magnetic_field_strength":
        return [Fact(name, metadata["MagneticFieldStrength"])]
    if name == "image_type":
        return [Fact(name, value) for value in metadata["ImageType"]]
    if name == "nested.part":
        return [Fact(name, metadata.get("Nested", {}).get("Part"))]
    return [Fact(name, value["value"], value) for value in document["properties"].get(name, [])]


def _shown(condition: Condition, facts: list[Fact]) -> Why:
    return [(text_of(condition), fact.name, fact.shown, None) for fact in facts]


def _group(fact: Fact) -> Any:
    """Return the literal under which a facet counts a value."""
    if fact.term:
        return TERMS[fact.term].curie
    return folded(fact.value) if isinstance(fact.value, str) else fact.shown


def _ordered(fact: Fact, op: str, bound: Any) -> bool:
    if isinstance(bound, str):
        return isinstance(fact.value, str) and bool(_ORDER[op](folded(fact.value), folded(bound)))
    return fact.number is not None and bool(_ORDER[op](fact.number, bound))


def _is_like(text: str, pattern: str) -> bool:
    """Tell whether a text is like a pattern, by trying everything; a backslash at the very end says nothing."""
    if pattern in ("", "\\"):
        return not text
    if pattern[0] == "%":
        return any(_is_like(text[start:], pattern[1:]) for start in range(len(text) + 1))
    if pattern[0] == "\\":
        return text[:1] == pattern[1] and _is_like(text[1:], pattern[2:])
    return bool(text) and pattern[0] in ("_", text[0]) and _is_like(text[1:], pattern[1:])
