"""The meaning of a query, by brute force: every document read for every question.

Shares nothing with the search backends but the condition tree and the spelling of names. It knows the documents
of :class:`catalog.search.testing.world.World`, and is as slow and plain as it can be.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from catalog.search.conditions import (
    And,
    Comparison,
    Condition,
    Count,
    Has,
    IsNull,
    Matches,
    Not,
    Or,
    negation,
    properties_of,
    text_of,
)
from catalog.search.query import Query
from catalog.search.testing.facts import (
    OF_DATASETS,
    OF_PIPELINES,
    Document,
    Fact,
    facts_of,
    facts_of_dataset,
    folded,
    names_of,
)
from catalog.search.testing.leaves import ORDER, Leaves
from catalog.search.testing.terms import TERMS

Why = list[tuple[Any, ...]]
"""Reasons, each as condition, property, value and IRI of the acquisition."""

_OF_RESULTS: Final = ("derived", "result", *OF_PIPELINES)


class Reference:
    """Answers for a caller who sees some datasets; None for all."""

    def __init__(self, documents: Mapping[str, tuple[str, Document]], visible: set[str] | None) -> None:
        seen = {i for i, (t, _) in documents.items() if t == "Dataset" and (visible is None or i in visible)}
        self.datasets = {iri: documents[iri][1] for iri in seen}
        self.types = {iri: type for iri, (type, _) in documents.items()}
        inside = {i: d for i, (t, d) in documents.items() if t != "Dataset" and d["dataset"] in seen}
        self.people = {i: d for i, d in inside.items() if self.types[i] == "Participant"}
        self.images = {i: d for i, d in inside.items() if self.types[i] != "Participant"}
        self.leaves = Leaves()

    def answer(self, query: Query) -> dict[str, Why]:
        """Return the IRI of each participant that fulfils a query, with the reasons."""
        found = {iri: self.why(query.root, iri, document) for iri, document in self.people.items()}
        return {iri: why for iri, why in found.items() if why is not None}

    def selected(self, query: Query, person: str) -> list[str]:
        """Return the acquisitions of a participant that fulfil a condition on one, by label."""
        found = self._images_of(person, query.root) if person in self.types else []
        return [iri for iri, document in found if self.why(query.root, iri, document) is not None]

    def facet(self, name: str, hits: set[str]) -> Counter[Any]:
        """Return how many of some participants have each value of a property, or an acquisition that has it."""
        counts: Counter[Any] = Counter()
        for person in hits:
            own = name in ("sex", "age", "dataset", *OF_DATASETS)
            records = [(person, self.people[person])] if own else self._images_of(person)
            counts.update({_group(fact) for iri, document in records for fact in self.facts(iri, document, name)})
        return counts

    def extent(self, name: str) -> tuple[str, float, float] | None:
        """Return whose numbers a property has, and their range."""
        for level, records in (("participant", self.people), ("acquisition", self.images)):
            facts = [fact for iri, document in records.items() for fact in self.facts(iri, document, name)]
            numbers = [float(fact.number) for fact in facts if fact.number is not None]
            if numbers:
                return level, min(numbers), max(numbers)
        return None

    def properties(self) -> dict[tuple[str, str], tuple[set[str], int]]:
        """Return kinds and number of records for each property, by level and name."""
        found: dict[tuple[str, str], tuple[set[str], int]] = {}
        for level, records in (("participant", self.people), ("acquisition", self.images)):
            shared = OF_DATASETS if level == "participant" else OF_PIPELINES
            for iri, document in records.items():
                for name in (*names_of(self.types[iri], document), *shared):
                    facts = self.facts(iri, document, name)
                    kinds, count = found.get((level, name), (set(), 0))
                    if facts:
                        found[level, name] = (kinds.union(*(fact.kinds for fact in facts)), count + 1)
        return found

    def says(self, name: str) -> bool:
        """Tell whether anybody who may be seen has a value of a property."""
        records = {**self.people, **self.images}
        return any(self.facts(iri, document, name) for iri, document in records.items())

    def facts(self, iri: str, document: Document, name: str) -> list[Fact]:
        """Return the values of a property, each once, missing ones left out."""
        if name == "id":
            return [Fact("id", iri, also=(iri[9:],))]
        if name == "label":
            label = document["label"]
            return [Fact("label", label, also=(label[4:] if label.startswith("sub-") else "sub-" + label,))]
        if name in ("dataset", *OF_DATASETS, *OF_PIPELINES):
            return facts_of_dataset(document["dataset"], self.datasets[document["dataset"]], name)
        return facts_of(self.types[iri], document, name)

    def _images_of(self, person: str, condition: Condition | None = None) -> list[tuple[str, Document]]:
        """Return a participant's acquisitions, with results that are no images where a condition asks about results."""
        found = [(iri, document) for iri, document in self.images.items() if document["participant"] == person]
        asked = {name.partition(".")[0] for name in properties_of(condition)} if condition is not None else {"measure"}
        if asked.isdisjoint((*_OF_RESULTS, "measure")):
            found = [(iri, document) for iri, document in found if self.types[iri] == "Acquisition"]
        return sorted(found, key=lambda item: (item[1]["label"], item[0]))

    def why(self, condition: Condition, iri: str, document: Document, wanted: bool = True) -> Why | None:
        """Return why a condition is as wanted for a record, or None where it is not."""
        match condition:
            case Not(part=part):
                return self.why(part, iri, document, not wanted)
            case And(parts=parts) | Or(parts=parts):
                every = isinstance(condition, And) == wanted
                return _joined([self.why(part, iri, document, wanted) for part in parts], every)
            case Has():
                return self._why_has(condition, iri, wanted)
            case Count(condition=inner, op=op, n=n):
                number = sum(self.why(inner, i, d) is not None for i, d in self._images_of(iri, inner))
                text = text_of(condition if wanted else negation(condition))
                return [(text, None, number, None)] if ORDER[op](number, n) is wanted else None
            case Matches(property=name, words=text):
                words = [Matches(name, word) for word in _parts(text)]
                return _joined([self._why_word(word, iri, document, wanted) for word in words], wanted)
            case _:
                return self._why_leaf(condition, iri, document, wanted)

    def _why_has(self, condition: Has, iri: str, wanted: bool) -> Why | None:
        images = self._images_of(iri, condition.condition)
        found = [(i, self.why(condition.condition, i, d)) for i, d in images]
        fulfilling = [(image, why) for image, why in found if why is not None]
        if bool(fulfilling) is not wanted:
            return None
        if not wanted:
            return [(text_of(negation(condition)), None, None, None)]
        image, why = fulfilling[0]
        return [(*reason[:3], image) for reason in why or [(text_of(condition.condition), None, None)]]

    def _why_word(self, condition: Matches, iri: str, document: Document, wanted: bool) -> Why | None:
        names = [condition.property] if condition.property else [*names_of(self.types[iri], document), *OF_DATASETS[:3]]
        facts = [fact for name in names for fact in self.facts(iri, document, name)]
        word, starts = condition.words.removesuffix("*"), condition.words.endswith("*")
        passing = [f for f in facts if any(w.startswith(word) if starts else w == word for w in f.words())]
        if bool(passing) is not wanted:
            return None
        return (
            _shown(condition, passing) if wanted else [(text_of(negation(condition)), condition.property, None, None)]
        )

    def _why_leaf(self, condition: Any, iri: str, document: Document, wanted: bool) -> Why | None:
        name, facts = condition.property, self.facts(iri, document, condition.property)
        against = [(text_of(negation(condition)), name, None, None)]
        if isinstance(condition, IsNull):
            if bool(facts) is wanted:
                return None
            return [(text_of(condition), name, None, None)] if wanted else _shown(negation(condition), facts)
        if isinstance(condition, Comparison) and condition.op == "<>":
            same = Comparison(name, "=", condition.value)
            equal = [fact for fact in facts if self.leaves.passes(same, fact)]
            if (bool(facts) and not equal) is not wanted:
                return None
            return _shown(condition, facts) if wanted else _shown(same, equal) or against
        passing = [fact for fact in facts if self.leaves.passes(condition, fact)]
        if bool(passing) is not wanted:
            return None
        return _shown(condition, passing) if wanted else against


def _joined(found: list[Why | None], every: bool) -> Why | None:
    holding = [why for why in found if why is not None]
    enough = len(holding) == len(found) if every else bool(holding)
    return [reason for why in holding for reason in why] if enough else None


def _parts(text: str) -> list[str]:
    """Return the words of a full-text condition as they are looked for."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    found = [word for part in bare.split() for word in re.findall(r"[^\W_]+(?:\*$)?", part)]
    return list(dict.fromkeys(found))


def _shown(condition: Condition, facts: list[Fact]) -> Why:
    return [(text_of(condition), fact.name, fact.shown, None) for fact in facts]


def _group(fact: Fact) -> Any:
    """Return the literal under which a facet counts a value."""
    if fact.term:
        return TERMS[fact.term].curie
    return folded(fact.value) if isinstance(fact.value, str) else fact.shown
