"""From RDF statements to definitions: OWL classes and individuals, SKOS concepts.

The readers of RDF/XML, OWL/XML and Turtle all hand their statements over in one shape, so that one place
knows what an annotation property means.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from ontology.curies import OBO, canonical_iri, expand, is_iri
from ontology.namespaces import PREFIXES
from ontology.readers.vocabulary import EXACT, Definition, Vocabulary

RDF: Final = PREFIXES["rdf"]
RDFS: Final = PREFIXES["rdfs"]
OWL: Final = PREFIXES["owl"]
SKOS: Final = PREFIXES["skos"]
_DCTERMS: Final = PREFIXES["dcterms"]
_OIO: Final = "http://www.geneontology.org/formats/oboInOwl#"
_DC: Final = "http://purl.org/dc/elements/1.1/"

TYPE: Final = RDF + "type"
SUBCLASS_OF: Final = RDFS + "subClassOf"
EQUIVALENT: Final = OWL + "equivalentClass"
INTERSECTION: Final = OWL + "intersectionOf"
NAMED_INDIVIDUAL: Final = OWL + "NamedIndividual"
CLASS: Final = OWL + "Class"
ONTOLOGY: Final = OWL + "Ontology"
FIRST: Final = RDF + "first"
REST: Final = RDF + "rest"

_CLASSES: Final = frozenset({CLASS, RDFS + "Class", OWL + "DeprecatedClass", SKOS + "Concept"})
_SYNONYMS: Final = {
    _OIO + "hasExactSynonym": EXACT,
    SKOS + "altLabel": EXACT,
    _OIO + "shorthand": EXACT,
    OBO + "IAO_0000118": EXACT,
    "http://www.ebi.ac.uk/efo/alternative_term": EXACT,
    _OIO + "hasNarrowSynonym": "narrow",
    _OIO + "hasBroadSynonym": "broad",
    _OIO + "hasRelatedSynonym": "related",
    _OIO + "hasSynonym": "related",
    SKOS + "hiddenLabel": "related",
}
_LABELS: Final = (SKOS + "prefLabel", RDFS + "label")
_DEFINITIONS: Final = (
    OBO + "IAO_0000115",
    SKOS + "definition",
    _OIO + "hasDefinition",
    PREFIXES["prov"] + "definition",
    _DCTERMS + "description",
    _DC + "description",
)
_XREFS: Final = (_OIO + "hasDbXref", SKOS + "exactMatch", SKOS + "closeMatch", OWL + "sameAs")
_ALTERNATIVES: Final = (_OIO + "hasAlternativeId", SKOS + "notation")
_REPLACED_BY: Final = (OBO + "IAO_0100001", _DCTERMS + "isReplacedBy")
_VERSIONS: Final = (OWL + "versionIRI", OWL + "versionInfo", _DCTERMS + "hasVersion", _DC + "date")
_DEPRECATED: Final = OWL + "deprecated"
_OBSOLETE: Final = frozenset({OWL + "DeprecatedClass", _OIO + "ObsoleteClass"})
_REFERENCE: Final = re.compile(r"https?://\S+|\b[A-Za-z][A-Za-z0-9]*[:_][A-Za-z0-9_-]*\d\b")
_NOT_PARENTS: Final = frozenset({*_OBSOLETE, OWL + "Thing", RDFS + "Resource", SKOS + "Concept", NAMED_INDIVIDUAL})


class Statement(NamedTuple):
    """One RDF triple.

    Attributes:
        subject: IRI, or a blank node starting with ``_:``.
        predicate: IRI.
        object: IRI, blank node, or the text of a literal.
        is_literal: Whether ``object`` is a text.
        language: Language tag of the text, in lower case.
    """

    subject: str
    predicate: str
    object: str
    is_literal: bool = False
    language: str | None = None


Facts = dict[str, list[Statement]]


def interpret(
    statements: Iterable[Statement], *, name: str, format: str, prefixes: Mapping[str, str] | None = None
) -> Vocabulary:
    """Return the vocabulary that RDF statements describe.

    Args:
        statements: In any order.
        name: What to call the vocabulary if it does not name itself.
        format: The format that was read.
        prefixes: Prefixes that the source declares.
    """
    graph = _Graph(statements)
    header, version = graph.header()
    definitions = tuple(graph.definitions(prefixes or {}))
    unnamed = sum(d.label is None for d in definitions)
    return Vocabulary(
        name=_name(header) or name,
        version=version,
        format=format,
        definitions=definitions,
        prefixes={k: v for k, v in (prefixes or {}).items() if k and v},
        problems=(f"{unnamed} terms have no label in this source",) if unnamed else (),
    )


class _Graph:
    """Statements by subject and predicate."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._facts: defaultdict[str, Facts] = defaultdict(dict)
        self._narrower: defaultdict[str, list[str]] = defaultdict(list)
        for statement in statements:
            self._facts[statement.subject].setdefault(statement.predicate, []).append(statement)
            if statement.predicate == SKOS + "narrower" and not statement.is_literal:
                self._narrower[statement.object].append(statement.subject)

    def header(self) -> tuple[str | None, str | None]:
        """Return IRI and version of the one ontology or concept scheme that the file describes."""
        headers = {
            subject: next((text for p in _VERSIONS for text in _texts(facts, (p,))), None)
            for subject, facts in self._facts.items()
            if {t.object for t in facts.get(TYPE, ())} & {ONTOLOGY, SKOS + "ConceptScheme"}
        }
        if len(headers) == 1:
            return next(iter(headers.items()))
        versions = {version for version in headers.values() if version}
        return None, versions.pop() if len(versions) == 1 else None  # several in one file: it goes by its file name

    def definitions(self, prefixes: Mapping[str, str]) -> Iterator[Definition]:
        """Yield every class, concept and individual that has an IRI."""
        for subject, facts in list(self._facts.items()):
            types = {statement.object for statement in facts.get(TYPE, ())}
            if subject.startswith("_:") or not self._is_term(types, facts):
                continue
            yield self._definition(subject, facts, types, prefixes)

    @staticmethod
    def _is_term(types: set[str], facts: Facts) -> bool:
        return bool(types & _CLASSES) or NAMED_INDIVIDUAL in types or (SUBCLASS_OF in facts and not types)

    def _definition(self, subject: str, facts: Facts, types: set[str], prefixes: Mapping[str, str]) -> Definition:
        label, labels = _labels(facts)
        iri = canonical_iri(subject)
        parents = [canonical_iri(parent) for parent in self._parents(subject, facts, types)]
        replaced = _references(_texts(facts, _REPLACED_BY), prefixes)
        consider = _references(_texts(facts, (_OIO + "consider",)), prefixes)
        return Definition(
            iri=iri,
            label=label,
            labels=labels,
            synonyms=tuple(
                (text, scope) for predicate, scope in _SYNONYMS.items() for text in _texts(facts, (predicate,))
            ),
            parents=tuple(p for p in sorted(set(parents)) if p not in _NOT_PARENTS and p != iri),
            definition=next(iter(_texts(facts, _DEFINITIONS, english=True)), None),
            xrefs=tuple(dict.fromkeys(_texts(facts, _XREFS))),
            alternatives=tuple(_texts(facts, _ALTERNATIVES)),
            deprecated=bool(_OBSOLETE & (types | set(parents))) or _is_true(facts, _DEPRECATED),
            replaced_by=replaced[0] if len(replaced) == 1 else None,
            consider=(*consider, *(replaced if len(replaced) > 1 else ())),
        )

    def _parents(self, subject: str, facts: Facts, types: set[str]) -> Iterator[str]:
        for predicate in (SUBCLASS_OF, EQUIVALENT):
            for statement in facts.get(predicate, ()):
                if statement.object.startswith("_:"):
                    yield from self._genera(statement.object)
                elif predicate == SUBCLASS_OF and not statement.is_literal:
                    yield statement.object
        for predicate in (SKOS + "broader", SKOS + "broaderGeneric", SKOS + "broaderTransitive"):
            yield from (s.object for s in facts.get(predicate, ()) if not s.is_literal)
        yield from self._narrower.get(subject, ())
        if NAMED_INDIVIDUAL in types:
            yield from sorted(t for t in types if not t.startswith((OWL, "_:")))

    def _genera(self, node: str) -> Iterator[str]:
        """Yield the named classes of an intersection: what is "A and ..." is an A (OWL 2, section 8.1.1)."""
        seen = set()
        for statement in self._facts.get(node, {}).get(INTERSECTION, ()):
            cell = statement.object
            while cell.startswith("_:") and cell not in seen:
                seen.add(cell)
                facts = self._facts.get(cell, {})
                yield from (s.object for s in facts.get(FIRST, ()) if not s.object.startswith("_:"))
                cell = next((s.object for s in facts.get(REST, ())), "")


def _labels(facts: Facts) -> tuple[str | None, dict[str, str]]:
    """Return the preferred label (untagged, then English, then any) and the label of each language."""
    plain: list[str] = []
    labels: dict[str, str] = {}
    for predicate in _LABELS:
        for statement in facts.get(predicate, ()):
            text = " ".join(statement.object.split())
            if text and statement.language:
                labels.setdefault(statement.language, text)
            elif text:
                plain.append(text)
    english = labels.get("en") or next((labels[tag] for tag in sorted(labels) if tag.startswith("en-")), None)
    if SKOS + "prefLabel" in facts and english:
        return english, labels
    return (plain[0] if plain else english or (labels[min(labels)] if labels else None)), labels


def _texts(facts: Facts, predicates: Iterable[str], *, english: bool = False) -> list[str]:
    statements = [s for predicate in predicates for s in facts.get(predicate, ()) if not s.object.startswith("_:")]
    if english:
        statements.sort(key=lambda s: s.language not in (None, "en"))
    return [text for s in statements if (text := " ".join(s.object.split()))]


def _references(texts: Iterable[str], prefixes: Mapping[str, str]) -> list[str]:
    """Return the IRIs that texts name: a CURIE, an IRI, or prose with identifiers in it (``Use DUO_0000042``)."""
    found: dict[str, None] = {}
    for text in texts:
        for reference in _REFERENCE.findall(text):
            curie = reference if is_iri(reference) or ":" in reference else reference.replace("_", ":", 1)
            iri = expand(curie, prefixes)
            if iri:
                found[iri] = None
    return list(found)


def _is_true(facts: Facts, predicate: str) -> bool:
    return any(text in {"true", "1"} for text in _texts(facts, (predicate,)))


def _name(header: str | None) -> str | None:
    """Return a short name from an ontology's IRI: ``http://purl.obolibrary.org/obo/duo.owl`` gives ``duo``."""
    if header is None or not is_iri(header):
        return None
    last = re.split(r"[/#:]", header.rstrip("/#"))[-1]
    return re.sub(r"\.(owl|obo|ttl|rdf|xml)$", "", last).lower() or None
