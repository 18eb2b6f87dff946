"""The values that the term index answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A term: what all loaded vocabularies together say about one IRI.

    Attributes:
        iri: Its IRI.
        curie: Its compact form (``DOID:2377``); the IRI where no prefix fits.
        label: Preferred label.
        synonyms: Other names, those that mean the same first.
        parents: IRIs of the direct parents that the index knows.
        definition: What it means, in words.
        xrefs: Identifiers of the same thing in other vocabularies, as found (``ICD10CM:G35``).
        labels: Language to label.
        deprecated: Given up by its vocabulary.
        replaced_by: IRI to use instead.
        vocabulary: Name of the vocabulary that has the first word about it.
        consider: IRIs that may serve instead of a term that was given up.
    """

    iri: str
    curie: str
    label: str
    synonyms: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    definition: str | None = None
    xrefs: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    deprecated: bool = False
    replaced_by: str | None = None
    vocabulary: str = ""
    consider: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The term that a text means; ``notice`` says so when that needs saying (deprecated, renamed)."""

    term: Term
    notice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What :meth:`ontology.terms.TermIndex.load` did.

    Attributes:
        name: Name of the vocabulary; loading another source of that name replaces it.
        version: What the source calls its version.
        digest: SHA-256 of the source in hex.
        format: One of :data:`ontology.readers.FORMATS`.
        terms: How many terms it defines.
        deprecated: How many of them it has given up.
        problems: What was odd: cycles, parents that nobody defines, definitions given twice.
    """

    name: str
    version: str | None
    digest: str
    format: str
    terms: int
    deprecated: int
    problems: tuple[str, ...] = ()


class NameKind(IntEnum):
    """How a text names a term, strongest first; the order decides which reading wins."""

    IDENTIFIER = 0
    LABEL = 1
    SYNONYM = 2
    OTHER_NAME = 3
    ALTERNATIVE = 4
    XREF = 5


@dataclass(frozen=True, slots=True)
class Name:
    """One text by which a term is found; ``key`` is the form in which it is compared."""

    key: str
    text: str
    kind: NameKind
