"""Rewriting sandbox paths to where things really lie, for commands that run without a sandbox or are replayed."""

from __future__ import annotations

import re
from collections.abc import Mapping


class PathMap:
    """Replaces whole paths and path prefixes in words of a command.

    A path counts where it begins a word or follows one of ``= : , ;``, and ends it or is followed by ``/`` or
    one of those. Longer paths win, so that a file inside a mounted folder keeps its own place.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = {path.rstrip("/") or "/": place for path, place in places.items()}
        longest_first = sorted(map(re.escape, self._places), key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![^=:,;])({'|'.join(longest_first)})(?=[/=:,;]|$)") if places else None

    def rewrite(self, word: str) -> str:
        """Return ``word`` with every path in it replaced."""
        if self._pattern is None:
            return word
        return self._pattern.sub(lambda found: self._places[found[1]], word)
