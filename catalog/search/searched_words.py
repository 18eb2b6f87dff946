"""The words that ``matches`` looks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from catalog.search.names import words


@dataclass(frozen=True, slots=True)
class SearchedWord:
    """A word as it stands in an index, or how one begins."""

    word: str
    prefix: bool = False

    def __str__(self) -> str:
        """Return the word as it is written in a query."""
        return self.word + "*" * self.prefix


@lru_cache(maxsize=1024)
def searched_words(text: str) -> tuple[SearchedWord, ...]:
    """Return the words of a text, each once; a ``*`` right after a word makes it the beginning of one."""
    found: list[SearchedWord] = []
    for part in text.split():
        parts = words(part)
        found += [
            SearchedWord(word, index == len(parts) - 1 and part.endswith("*")) for index, word in enumerate(parts)
        ]
    return tuple(dict.fromkeys(found))
