"""What a backend says about the values that it holds, and which properties a query may therefore name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from catalog.search.conditions import name_text
from catalog.search.names import Level, built_in_names, well_known
from catalog.search.projection import DatasetEntry
from ontology.errors import InvalidRequestError

MAX_TEXTS: Final = 2_000
"""So many texts of a property are looked through for a near match, and a property with more has none."""


@dataclass(frozen=True, slots=True)
class InUse:
    """What a backend says about the values it holds, as far as the caller may see them.

    Attributes:
        names: Properties that records of a level have, but for those that are built in.
        terms: To which values of a property are mapped.
        units: Of a property's values, those left out that are brought to its own unit.
        texts: Texts, originals and labels of a property's values that are texts or terms, each once, as they were
            written; at most :data:`MAX_TEXTS` of each.
        says: Whether some value of a property has one of some folded forms. Asked before ``texts``; where a backend
            answers that it has, nobody is offered a near match.
        datasets: The datasets that the caller may see.
    """

    names: Callable[[Level], Collection[str]]
    terms: Callable[[Level, str], Collection[str]]
    units: Callable[[Level, str], Collection[str]]
    texts: Callable[[Level, str], Collection[str]] = lambda level, name: ()
    says: Callable[[Level, str, Collection[str]], bool] = lambda level, name, forms: True
    datasets: Callable[[], Iterable[DatasetEntry]] = tuple


def check_property(name: str, level: Level, in_use: InUse) -> None:
    """Refuse a property that neither the catalogue nor the standard knows.

    Raises:
        InvalidRequestError: It is not known; ``params['candidates']`` has names that are spelled like it.
    """
    if name in built_in_names(level) or name in well_known(level) or name in in_use.names(level):
        return
    in_acquisitions = level is Level.PARTICIPANT
    other = Level.ACQUISITION if in_acquisitions else Level.PARTICIPANT
    if name in built_in_names(other) or name in well_known(other) or name in in_use.names(other):
        raise InvalidRequestError(
            f"{name!r} is said of {other}s, not of {level}s",
            field=name,
            next_step=f"Write it within has(): has({name_text(name)} ...)."
            if in_acquisitions
            else "Write it outside has().",
        )
    used = sorted(in_use.names(level), key=lambda n: (n not in well_known(level), n))
    near = difflib.get_close_matches(name, {*used, *well_known(level), *built_in_names(level)}, n=5, cutoff=0.6)
    known = f"Properties of {level}s here: {', '.join(used[:12])}{', ...' if len(used) > 12 else ''}."
    raise InvalidRequestError(
        f"no {level} has a property {name!r}",
        field=name,
        next_step=f"Did you mean {', '.join(near)}?" if near else known,
        params={"candidates": near},
    )
