"""What a reader returns: a vocabulary with its definitions, before it is merged with others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EXACT = "exact"
"""Scope of a synonym that means the same; ``narrow``, ``broad`` and ``related`` are the others (OBO 1.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What one vocabulary says about one term.

    Attributes:
        iri: The term, in canonical form.
        label: Preferred label; None where only other terms mention this one.
        synonyms: ``(text, scope)``.
        parents: IRIs of direct superclasses, broader concepts, or the class of an individual.
        definition: What it means, in words.
        xrefs: Identifiers of the same thing elsewhere, as found.
        alternatives: Further identifiers of the term itself: merged terms, notations.
        labels: Language to label.
        deprecated: The vocabulary gave the term up.
        replaced_by: IRI to use instead.
        consider: IRIs that may serve instead.
    """

    iri: str
    label: str | None = None
    synonyms: tuple[tuple[str, str], ...] = ()
    parents: tuple[str, ...] = ()
    definition: str | None = None
    xrefs: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    deprecated: bool = False
    replaced_by: str | None = None
    consider: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """A vocabulary as read: its name, version, prefixes, definitions, and what was odd about it."""

    name: str
    version: str | None
    format: str
    definitions: tuple[Definition, ...]
    prefixes: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
