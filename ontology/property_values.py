"""What a word means as a value of one property: within the branch of terms where the property's values lie.

``AD`` among diagnoses is a disease, whatever else a loaded vocabulary calls so, and ``control`` is a healthy one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ontology.crosswalk_tables import CATEGORICAL, ROOTS
from ontology.errors import NotFoundError
from ontology.term_model import Resolution


class Resolver(Protocol):
    """What is asked of :class:`ontology.terms.TermIndex`."""

    def resolve(self, text: str, *, within: Collection[str] = ()) -> Resolution:
        """Return the term that a text means."""

    def descendants(self, iri: str) -> frozenset[str]:
        """Return the IRIs of a term and of all terms below it."""


def resolve_value(terms: Resolver, name: str, text: str) -> Resolution:
    """Return the term that a text means as a value of a property; where none there does, that it means at all.

    Args:
        terms: Where terms are looked up.
        name: The property, by its canonical name.
        text: CURIE, IRI, label, synonym or cross-reference.

    Raises:
        AmbiguousError: Several terms answer equally well.
        NotFoundError: None does.
    """
    roots = [root for root in ROOTS.get(name, ()) if _is_known(terms, root)]
    if not roots:
        return terms.resolve(text)
    rule = CATEGORICAL.get(name)
    meant = rule.words.get(" ".join(text.split()).casefold()) if rule else None
    try:
        return terms.resolve(meant or text, within=roots)
    except NotFoundError:
        return terms.resolve(text)


def _is_known(terms: Resolver, root: str) -> bool:
    try:
        return bool(terms.descendants(root))
    except NotFoundError:
        return False
