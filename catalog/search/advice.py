"""What to tell somebody whose query nobody fulfils: conditions that nobody can fulfil here, and what is near to them.

Only what the caller may see is spoken of.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from catalog.search.bound import All, AnyPart, Bound, CountAcquisitions, HasAcquisition, Opposite, Some
from catalog.search.conditions import name_text
from catalog.search.in_use import MAX_TEXTS, InUse
from catalog.search.index import Terms
from catalog.search.names import ANY, Level, built_in_names, fold
from catalog.search.projection import whole
from catalog.search.value_tests import Below, NumberRange
from ontology.errors import NotFoundError

_MOST: Final = 5
_NEAR: Final = 3
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")


def advice(root: Bound, *, terms: Terms, in_use: InUse) -> tuple[str, ...]:
    """Return what to tell somebody whose query is fulfilled by nobody; nothing where every condition is met by some.

    Args:
        root: The query, bound.
        terms: Where terms are looked up.
        in_use: What the backend holds, as far as the caller may see it.
    """
    found = (said for leaf in _leaves(root) for said in _Adviser(leaf, terms, in_use).advice())
    return tuple(islice(dict.fromkeys(found), _MOST))


def _leaves(bound: Bound, wanted: bool = True) -> Iterator[Some]:
    """Yield the conditions that ask for a value, which those whose opposite is wanted do not."""
    match bound:
        case Opposite(part=part):
            yield from _leaves(part, not wanted)
        case All(parts=parts) | AnyPart(parts=parts):
            for part in parts:
                yield from _leaves(part, wanted)
        case HasAcquisition(part=part):
            yield from _leaves(part, wanted)
        case CountAcquisitions(part=part) if not bound.holds(0):
            yield from _leaves(part, wanted)
        case Some(property=name, level=level, quiet=quiet) if wanted and not quiet and name != ANY:
            if name not in built_in_names(level):
                yield bound


class _Adviser:
    """Advice on one condition."""

    def __init__(self, leaf: Some, terms: Terms, in_use: InUse) -> None:
        self.level: Level = leaf.level
        self.name = leaf.property
        self.test = leaf.test
        self.terms = terms
        self.in_use = in_use

    def advice(self) -> Iterator[str]:
        if self.name not in self.in_use.names(self.level):
            yield f"no {self.level} has a value of {name_text(self.name)}{self._near()}"
        elif isinstance(self.test, Below):
            yield from self._broader(self.test)
        elif isinstance(self.test, NumberRange):
            yield from self._no_number(self.test)

    def _near(self) -> str:
        """Say which properties are called alike: those that have its name for a part come first."""
        names = sorted(self.in_use.names(self.level))
        parts = [name for name in names if f"_{self.name}_" in f"_{name}_"]
        near = parts or difflib.get_close_matches(self.name, names, n=_NEAR, cutoff=0.75)
        return f"; did you mean {' or '.join(map(name_text, near[:_NEAR]))}?" if near else ""

    def _broader(self, test: Below) -> Iterator[str]:
        """Say which values are broader than a term, where none lies under it."""
        if test.terms and self._says(*test.terms):
            return
        for iri in sorted(self.in_use.terms(self.level, self.name)):
            if test.ancestor in self.terms.descendants(iri) and self._says(iri):
                asked, broader = self._label(test.ancestor), self._label(iri)
                yield (
                    f"nothing that {self.name} says lies under {asked!r}, but some is {broader!r}, which is broader:"
                    f" under({name_text(self.name)}, '{broader}')"
                )

    def _label(self, iri: str) -> str:
        try:
            return self.terms.get(iri).label or iri
        except NotFoundError:
            return iri

    def _no_number(self, test: NumberRange) -> Iterator[str]:
        """Say that there is no number in a range, or that numbers were written so that they stayed texts."""
        if test.low is not None and test.high is not None and test.low > test.high:
            low, high = whole(test.low), whole(test.high)
            yield f"no {self.name} lies between {low} and {high}: the smaller number comes first"
            return
        texts = self.in_use.texts(self.level, self.name)
        written = sorted(filter(_DECIMAL_COMMA.fullmatch, texts)) if len(texts) < MAX_TEXTS else []
        as_texts = (text for text in written if not self._says(str(whole(float(text.replace(",", "."))))))
        if (text := next(as_texts, None)) is not None:
            yield f"some values of {self.name} have a decimal comma, like {text!r}, and are therefore no numbers"

    def _says(self, *forms: str) -> bool:
        return self.in_use.says(self.level, self.name, frozenset(map(fold, forms)))
