"""Rewriting sandbox paths to where things really lie, for commands that run without a sandbox or are replayed."""

from __future__ import annotations

import re
from collections.abc import Mapping


class PathMap:
    """Replaces whole paths and path prefixes in words of a command.

    A path counts where no character of a path stands before it (``--out=/work/x``, ``cat</work/x``), and it ends
    there or goes on with ``/``. Longer paths win, so that a file inside a mounted folder keeps its own place.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = {path.rstrip("/") or "/": place for path, place in places.items()}
        longest_first = sorted(map(re.escape, self._places), key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![\w./~-])({'|'.join(longest_first)})(?![\w.-])") if places else None

    def rewrite(self, word: str) -> str:
        """Return ``word`` with every path in it replaced."""
        if self._pattern is None:
            return word
        return self._pattern.sub(lambda found: self._places[found[1]], word)
