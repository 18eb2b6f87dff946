"""Terms of one branch by their names as columns and file names write them: without spaces, case and punctuation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ontology.errors import SillageError
from ontology.terms import Term, TermIndex

SHORT = 4
"""Names with fewer letters (``AQ``, ``CDR``) mean too many things to be recognised without being asked for."""

_NOT_WORD = re.compile(r"[\W_]+")


def squashed(text: str) -> str:
    """Return letters and digits of a text in small letters: ``N-Back`` gives ``nback``."""
    return _NOT_WORD.sub("", text.casefold())


class BranchNames:
    """Finds terms of one branch; a name that several of them bear finds none.

    Args:
        index: Where the terms are.
        root: CURIE or IRI of the branch, which is not itself found.
    """

    def __init__(self, index: TermIndex, root: str) -> None:
        named: dict[str, set[str]] = {}
        self._index = index
        try:
            own = index.get(root).iri
            below = sorted(index.descendants(own) - {own})
        except SillageError:
            below = []
        for iri in below:
            term = index.get(iri)
            for name in () if term.deprecated else (term.label, *term.synonyms):
                named.setdefault(squashed(name), set()).add(iri)
        self._named = {name: iris.pop() for name, iris in named.items() if name and len(iris) == 1}

    def find(self, text: str, *, short: bool = True) -> Term | None:
        """Return the term that a text names; ``short``: also by a name of few letters."""
        name = squashed(text)
        iri = self._named.get(name) if short or len(name) >= SHORT else None
        return self._index.get(iri) if iri else None

    def beginning(self, words: Sequence[str]) -> tuple[str, Term] | None:
        """Return the first words that name a term, as many as do, and the term; never all words, or few letters."""
        for length in range(len(words) - 1, 0, -1):
            found = self.find("".join(words[:length]), short=False)
            if found is not None:
                return " ".join(words[:length]), found
        return None
