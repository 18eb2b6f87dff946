"""Codes without the name of their system: ``G35`` is one of ICD-10, where a loaded vocabulary refers to it.

A code is read as each system in which it is well formed, and only through a cross-reference that a loaded vocabulary
states; where these lead to several terms, the reading is ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ontology.errors import AmbiguousError, NotFoundError
from ontology.term_model import Resolution

_SYSTEMS: Final = (
    (re.compile(r"[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?"), ("ICD10CM", "ICD10", "ICD10WHO")),
    (re.compile(r"[CD]\d{6}(?:\d{3})?"), ("MESH",)),
    (re.compile(r"C\d{3,6}"), ("NCIT",)),
    (re.compile(r"C\d{7}"), ("UMLS", "UMLS_CUI")),
    (re.compile(r"\d{6,18}"), ("SNOMEDCT", "SCTID")),
)


def resolve_code(text: str, resolve: Callable[[str], Resolution]) -> Resolution:
    """Return the term that a code without its system means; the notice says how it was read.

    Args:
        text: The code.
        resolve: Looks up a CURIE, and raises NotFoundError where nothing bears it.

    Raises:
        NotFoundError: No loaded vocabulary refers to such a code.
        AmbiguousError: Several terms do; ``params['candidates']`` lists them.
    """
    code = text.strip().upper()
    found: dict[str, tuple[str, Resolution]] = {}
    for shape, systems in _SYSTEMS:
        for curie in (f"{system}:{code}" for system in systems if shape.fullmatch(code)):
            try:
                resolution = resolve(curie)
            except NotFoundError:
                continue
            found.setdefault(resolution.term.iri, (curie, resolution))
    if not found:
        raise NotFoundError(f"no loaded vocabulary refers to a code {text!r}", field="term")
    if len(found) > 1:
        terms = [(curie, resolution.term) for curie, resolution in found.values()]
        raise AmbiguousError(
            f"{text!r} may mean {', '.join(f'{term.label} ({curie})' for curie, term in terms)}",
            field="term",
            next_step="Give the code with its system, as in 'ICD10CM:G35'.",
            params={"candidates": [{"curie": term.curie, "label": term.label} for _, term in terms]},
        )
    ((curie, resolution),) = found.values()
    read = f"{text!r} was read as {curie}: {resolution.term.label} ({resolution.term.curie})"
    return Resolution(term=resolution.term, notice=f"{resolution.notice}; {read}" if resolution.notice else read)
