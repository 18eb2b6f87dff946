"""What a text in a query may stand for besides itself, and what it may be a slip of."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

from catalog.search.names import fold
from catalog.search.projection import bare_doi
from ontology.licences import spdx_licence

LIKENESS: Final = 0.75
"""Ratio of :class:`difflib.SequenceMatcher` from which two texts count as spelled alike."""
MAX_COMPARED: Final = 100
"""Longer texts are no slips of anything."""
_PLAIN: Final = frozenset({"true", "false"})


def also_means(name: str, text: str) -> frozenset[str]:
    """Return further folded forms of a literal: of a licence its SPDX identifier, of a DOI the bare one."""
    if name == "dataset.license":
        licence = spdx_licence(text)
        return frozenset({fold(licence.spdx)} if licence else ())
    if name == "dataset.doi":
        return frozenset({fold(bare_doi(text))})
    return frozenset()


def near_match(text: str, said: Collection[str], texts: Collection[str]) -> str | None:
    """Return the one of some texts that is spelled most like a literal; None where one equals it, or none is like it.

    Args:
        text: The literal.
        said: All its folded forms.
        texts: What is in use, as it was written.
    """
    wanted = fold(text)
    if not wanted or wanted in _PLAIN or _is_number(wanted) or len(wanted) > MAX_COMPARED:
        return None
    known: dict[str, str] = {}
    for used in sorted(texts):
        known.setdefault(fold(used), used)
    if not known.keys().isdisjoint(said):
        return None
    short = [used for used in known if len(used) <= MAX_COMPARED]
    near = difflib.get_close_matches(wanted, short, n=1, cutoff=LIKENESS)
    return known[near[0]] if near else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
