"""A term index of eight terms: two parents, a term that was given up, and a name that means two things."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ontology.errors import AmbiguousError, NotFoundError
from ontology.term_model import Resolution, Term

OBO: Final = "http://purl.obolibrary.org/obo/"


def _term(number: int, label: str, *parents: int, replaced_by: int | None = None) -> Term:
    return Term(
        iri=f"{OBO}X_{number}",
        curie=f"X:{number}",
        label=label,
        parents=tuple(f"{OBO}X_{parent}" for parent in parents),
        deprecated=replaced_by is not None,
        replaced_by=f"{OBO}X_{replaced_by}" if replaced_by else None,
    )


TERMS: Final[dict[str, Term]] = {
    term.iri: term
    for term in (
        _term(1, "disease"),
        _term(2, "demyelinating disease", 1),
        _term(3, "autoimmune disease", 1),
        _term(4, "multiple sclerosis", 2, 3),
        _term(5, "relapsing multiple sclerosis", 4),
        _term(6, "disseminated sclerosis", replaced_by=4),
        _term(7, "male"),
        _term(8, "female"),
    )
}
SYNONYMS: Final = {"ms": [f"{OBO}X_4"], "boys": [f"{OBO}X_7"], "cold": [f"{OBO}X_1", f"{OBO}X_2"]}


class SmallTerms:
    """Terms as :class:`catalog.search.index.Terms` asks for them."""

    digest = "0" * 64

    def get(self, ref: str) -> Term:
        """Return the term with this IRI or CURIE, or raise NotFoundError."""
        for term in TERMS.values():
            if ref in (term.iri, term.curie):
                return term
        raise NotFoundError(f"no term {ref!r}")

    def resolve(self, text: str, *, within: Collection[str] = ()) -> Resolution:
        """Return the term that a text means, or raise NotFoundError or AmbiguousError."""
        key = text.strip().casefold()
        found = [t.iri for t in TERMS.values() if key in (t.iri.casefold(), t.curie.casefold(), t.label)]
        found = found or SYNONYMS.get(key, [])
        if len(found) > 1:
            raise AmbiguousError(f"{text!r} may mean several things", params={"candidates": found})
        if not found:
            raise NotFoundError(f"no term {text!r}", params={"near": []})
        term = TERMS[found[0]]
        if term.replaced_by:
            return Resolution(term=TERMS[term.replaced_by], notice=f"{term.curie} was given up")
        return Resolution(term=term)

    def find(self, text: str, *, limit: int = 20) -> list[Term]:
        """Return terms whose label begins so."""
        return [term for term in TERMS.values() if term.label.startswith(text.casefold())][:limit]

    def descendants(self, iri: str) -> frozenset[str]:
        """Return the IRIs of a term and of all terms below it."""
        return frozenset(other for other in TERMS if self._chain(other, iri))

    def path(self, descendant: str, ancestor: str) -> list[Term]:
        """Return the shortest chain of is-a axioms from one term up to another, both included."""
        return [TERMS[iri] for iri in self._chain(descendant, ancestor)]

    def _chain(self, start: str, goal: str) -> list[str]:
        if start == goal:
            return [start]
        chains = [chain for parent in TERMS[start].parents if (chain := self._chain(parent, goal))]
        return [start, *min(chains, key=len)] if chains else []
