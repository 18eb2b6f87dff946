"""A property's terms as a tree: what an answer has, rolled up along the is-a axioms of the loaded vocabularies.

Of all ancestors of the terms in use only those are shown that say something new. Ancestors that gather the same
terms are one choice for whoever refines, so the narrowest stands for them all: a chain above a single value, and the
general part of an ontology above everything, fall away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from catalog.search.conditions import Comparison, Condition, Has, Under
from catalog.search.index import SearchIndex, Terms
from catalog.search.names import Level, canonical_name
from catalog.search.query import Query
from ontology.curies import expand, is_iri
from ontology.errors import InvalidRequestError, NotFoundError
from ontology.term_model import Term

MAX_NODES: Final = 500
"""At most so many terms are in a tree; those that gather the fewest values are left out."""
MAX_CLIMBED: Final = 5_000
"""After so many terms no further parents are looked up: no vocabulary needs them, a damaged one might."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermCount:
    """A term of a tree.

    Attributes:
        value: Its CURIE: ``under(property, value)`` asks for ``count``.
        label: Its name.
        count: Participants of the answer with the term or one below it; each counts once however many they have.
        own: Participants with exactly this term.
        parents: CURIEs of the next terms above it in this tree; several where it has several kinds of parent.
    """

    value: str
    label: str
    count: int
    own: int
    parents: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the term as it goes over the wire."""
        return {
            "value": self.value,
            "label": self.label,
            "count": self.count,
            "own": self.own,
            "parents": list(self.parents),
        }


def term_tree(
    index: SearchIndex, terms: Terms, query: Query, name: str, *, datasets: Collection[str] | None
) -> tuple[TermCount, ...]:
    """Return the terms that the participants of an answer have for a property, and the ancestors worth showing.

    Roots come first, then by count. Values that are mapped to no term are not in it; nor are terms beyond the
    :data:`~catalog.search.facets.FACET_VALUES` most frequent, though their ancestors count them.

    Raises:
        InvalidRequestError: The property is not known.
        AmbiguousError: A term of the query means several things.
    """
    used = terms_in_use(index, query, name, datasets=datasets)
    if not used:
        return ()
    level = level_of(index, name, datasets=datasets)
    graph = Ancestry.of(used, terms)
    return counted(index, graph, graph.shown(), query, property=Property(name, level), datasets=datasets)


@dataclass(frozen=True, slots=True)
class Property:
    """A property and whom it describes."""

    name: str
    level: Level

    def under(self, term: Term | str) -> Condition:
        """Return the condition for a term and all below it; for a text that is no loaded term: for itself."""
        return self._of(Under, term) if isinstance(term, Term) else self.exactly(term)

    def exactly(self, term: Term | str) -> Condition:
        """Return the condition for a term itself."""
        return self._of(lambda name, value: Comparison(name, "=", value), term)

    def _of(self, make: Any, term: Term | str) -> Condition:
        value = term.curie if isinstance(term, Term) else term
        leaf: Condition = make(canonical_name(self.name, self.level), value)
        return Has(leaf) if self.level is Level.ACQUISITION else leaf


def terms_in_use(index: SearchIndex, query: Query, name: str, *, datasets: Collection[str] | None) -> list[str]:
    """Return the CURIEs of the terms that an answer has for a property, most frequent first."""
    values = index.find(query, datasets=datasets, facets=[name], limit=1).facets[name]
    return [value.value for value in values if isinstance(value.value, str) and _is_term(value.value)]


def _is_term(value: str) -> bool:
    return is_iri(value) or expand(value) is not None


def level_of(index: SearchIndex, name: str, *, datasets: Collection[str] | None) -> Level:
    """Return whom a property describes: participants, where it is theirs as well."""
    used = {(info.level, info.name) for info in index.properties(datasets=datasets)}
    for level in Level:
        if (level, canonical_name(name, level)) in used:
            return level
    return Level.PARTICIPANT


@dataclass(frozen=True, slots=True)
class Ancestry:
    """Terms in use with everything above them.

    Attributes:
        terms: CURIE to the term; to the CURIE itself where no vocabulary that is loaded has it.
        above: CURIE to the CURIEs of all its ancestors, itself included.
        used: Those that values have.
    """

    terms: Mapping[str, Term | str]
    above: Mapping[str, frozenset[str]]
    used: frozenset[str]
    _below: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, used: Iterable[str], terms: Terms) -> Ancestry:
        """Return the ancestry of some terms, given by CURIE; one that was given up counts as what replaces it."""
        known: dict[str, Term | str] = {}
        present = dict.fromkeys(_present(curie, known, terms) for curie in used)
        parents = _parents(present, known, terms)
        return cls(known, {curie: _closure(curie, parents) for curie in parents}, frozenset(present))

    def limited_to(self, told: Collection[str], counts: Mapping[str, tuple[int, int]]) -> Ancestry:
        """Return the ancestry as if there were only some terms, with all above each.

        In use are then those of which ``own`` is told, and those under which nothing else is left.
        """
        inner = {a for curie in told for a in self.above[curie] if a != curie and curie not in self.above[a]}
        used = frozenset(curie for curie in told if counts[curie][1] or curie not in inner)
        return Ancestry(self.terms, {curie: self.above[curie].intersection(told) for curie in told}, used)

    def covered(self, curie: str) -> frozenset[str]:
        """Return the terms in use that lie at a term or below it."""
        if not self._below:
            for used in self.used:
                for ancestor in self.above[used]:
                    self._below.setdefault(ancestor, set()).add(used)
        return frozenset(self._below.get(curie, ()))

    def shown(self) -> list[str]:
        """Return the terms worth showing: those in use, and of ancestors that cover the same ones the narrowest."""
        groups: dict[frozenset[str], list[str]] = {}
        for curie in self.above:
            groups.setdefault(self.covered(curie), []).append(curie)
        chosen = {self._narrowest(group): len(covered) for covered, group in groups.items()}
        keep = sorted(chosen, key=lambda curie: (curie not in self.used, -chosen[curie], curie))
        return list(dict.fromkeys((*sorted(self.used), *keep)))[:MAX_NODES]

    def _narrowest(self, group: Sequence[str]) -> str:
        """Return the term of a group that has most of the others above it, one in use before any other."""
        return min(group, key=lambda curie: (curie not in self.used, -len(self.above[curie]), curie))

    def parents(self, shown: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return, for each term shown, the nearest of its ancestors that are shown."""
        found = {}
        for curie in shown:
            over = {a for a in self.above[curie] if a in shown and a != curie and curie not in self.above[a]}
            found[curie] = tuple(
                sorted(a for a in over if not any(a in self.above[other] for other in over if other != a))
            )
        return found


def _present(curie: str, known: dict[str, Term | str], terms: Terms) -> str:
    """Return the CURIE of the term as it is called now."""
    try:
        term = terms.resolve(curie).term
    except (NotFoundError, InvalidRequestError):
        known[curie] = curie
        return curie
    known[term.curie] = term
    return term.curie


def _parents(used: Iterable[str], known: dict[str, Term | str], terms: Terms) -> dict[str, list[str]]:
    """Return the parents of some terms, of these, and so on; ``known`` learns the terms."""
    found: dict[str, list[str]] = {}
    waiting = list(used)
    while waiting:
        curie = waiting.pop()
        if curie in found:
            continue
        term = known[curie]
        iris = term.parents if isinstance(term, Term) and len(found) < MAX_CLIMBED else ()
        found[curie] = [name for iri in iris if (name := _learn(iri, known, terms))]
        waiting += found[curie]
    return found


def _learn(iri: str, known: dict[str, Term | str], terms: Terms) -> str | None:
    """Return the CURIE of a parent; None where no vocabulary that is loaded has it."""
    try:
        term = terms.get(iri)
    except (NotFoundError, InvalidRequestError):
        return None
    known[term.curie] = term
    return term.curie


def _closure(start: str, parents: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return a term and all above it; vocabularies may have circles."""
    seen, waiting = {start}, [start]
    while waiting:
        above = [name for name in parents[waiting.pop()] if name not in seen]
        seen.update(above)
        waiting += above
    return frozenset(seen)


def counted(
    index: SearchIndex,
    graph: Ancestry,
    shown: Sequence[str],
    query: Query,
    *,
    property: Property,
    datasets: Collection[str] | None,
) -> tuple[TermCount, ...]:
    """Return the tree of some terms, each with its participants counted."""
    conditions = [
        *(property.under(graph.terms[curie]) for curie in shown),
        *(property.exactly(graph.terms[curie]) for curie in shown if curie in graph.used),
    ]
    counts = index.count_each(query, [Query(each) for each in conditions], datasets=datasets)
    own = dict(zip([curie for curie in shown if curie in graph.used], counts[len(shown) :], strict=True))
    return arranged(graph, {curie: (count, own.get(curie, 0)) for curie, count in zip(shown, counts, strict=False)})


def arranged(graph: Ancestry, counts: Mapping[str, tuple[int, int]]) -> tuple[TermCount, ...]:
    """Return the tree of some terms, given ``count`` and ``own`` of each."""
    parents = graph.parents(counts.keys())
    nodes = [
        TermCount(value=curie, label=_label(graph.terms[curie]), count=count, own=own, parents=parents[curie])
        for curie, (count, own) in counts.items()
    ]
    return tuple(sorted(nodes, key=lambda node: (bool(node.parents), -node.count, node.label, node.value)))


def _label(term: Term | str) -> str:
    return term.label if isinstance(term, Term) else term
