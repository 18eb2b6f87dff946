"""OWL in OWL/XML (OWL 2 XML Serialization), read with lxml."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urljoin

from ontology.errors import InvalidRequestError
from ontology.namespaces import PREFIXES
from ontology.readers.safe_xml import parse
from ontology.readers.statements import (
    CLASS,
    NAMED_INDIVIDUAL,
    ONTOLOGY,
    OWL,
    SUBCLASS_OF,
    TYPE,
    Statement,
    interpret,
)
from ontology.readers.vocabulary import Vocabulary

_O: Final = f"{{{OWL}}}"
_XML: Final = "{http://www.w3.org/XML/1998/namespace}"
_DECLARED: Final = {"Class": CLASS, "NamedIndividual": NAMED_INDIVIDUAL}


def read(data: bytes, *, name: str) -> Vocabulary:
    """Read an ontology in OWL/XML.

    Raises:
        InvalidRequestError: The XML is broken, is no OWL/XML, or holds a forbidden entity.
    """

    def from_root(root: Any) -> Vocabulary:
        if root.tag != _O + "Ontology":
            raise InvalidRequestError("line 1: the root is not an OWL Ontology element", field="source")
        document = _OwlXml(root)
        return interpret(document.statements(), name=name, format="owl-xml", prefixes=document.prefixes)

    return parse(data, from_root)


class _OwlXml:
    """The axioms of one document, as the RDF statements that they map to (OWL 2 Mapping to RDF Graphs)."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._base = root.get(_XML + "base", "")
        self.prefixes = {
            element.get("name"): element.get("IRI", "")
            for element in root.iterchildren(_O + "Prefix")
            if element.get("name") is not None  # the empty name is a prefix too
        }
        self._axioms: dict[str, Callable[[Any], Iterator[Statement]]] = {
            _O + "Declaration": self._declaration,
            _O + "SubClassOf": self._subclass,
            _O + "EquivalentClasses": self._equivalent,
            _O + "ClassAssertion": self._individual,
            _O + "AnnotationAssertion": self._annotation,
        }

    def statements(self) -> Iterator[Statement]:
        """Yield the statements of the header, then of every axiom that matters to terms."""
        ontology = self._root.get("ontologyIRI") or "_:ontology"
        yield Statement(ontology, TYPE, ONTOLOGY)
        if self._root.get("versionIRI"):
            yield Statement(ontology, OWL + "versionIRI", self._root.get("versionIRI"))
        for element in self._root.iterchildren(_O + "Annotation"):
            yield from self._statement(ontology, element)
        for element in self._root.iterchildren(*self._axioms):
            yield from self._axioms[element.tag](element)

    def _declaration(self, element: Any) -> Iterator[Statement]:
        for entity in element.iterchildren(*(_O + name for name in _DECLARED)):
            yield Statement(self._iri(entity), TYPE, _DECLARED[entity.tag[len(_O) :]])

    def _subclass(self, element: Any) -> Iterator[Statement]:
        parts = _parts(element)
        if len(parts) == 2 and parts[0].tag == _O + "Class":
            for parent in self._genera(parts[1]):
                yield Statement(self._iri(parts[0]), SUBCLASS_OF, parent)

    def _equivalent(self, element: Any) -> Iterator[Statement]:
        parts = _parts(element)
        for named in (part for part in parts if part.tag == _O + "Class"):
            for other in (part for part in parts if part.tag == _O + "ObjectIntersectionOf"):
                for parent in self._genera(other):
                    yield Statement(self._iri(named), SUBCLASS_OF, parent)

    def _genera(self, expression: Any) -> Iterator[str]:
        """Yield the named classes that an expression lies under."""
        if expression.tag == _O + "Class":
            yield self._iri(expression)
        elif expression.tag == _O + "ObjectIntersectionOf":
            for part in expression.iterchildren(_O + "Class"):
                yield self._iri(part)

    def _individual(self, element: Any) -> Iterator[Statement]:
        parts = _parts(element)
        if len(parts) == 2 and parts[1].tag == _O + "NamedIndividual":
            yield Statement(self._iri(parts[1]), TYPE, NAMED_INDIVIDUAL)
            for parent in self._genera(parts[0]):
                yield Statement(self._iri(parts[1]), TYPE, parent)

    def _annotation(self, element: Any) -> Iterator[Statement]:
        parts = _parts(element)
        if len(parts) == 3 and parts[1].tag in (_O + "IRI", _O + "AbbreviatedIRI"):
            yield from self._statement(self._iri(parts[1]), element)

    def _statement(self, subject: str, element: Any) -> Iterator[Statement]:
        """Yield what an annotation says of its subject: its property is the first part, its value the last."""
        parts = _parts(element)
        if len(parts) < 2 or parts[0].tag != _O + "AnnotationProperty":
            return
        predicate, value = self._iri(parts[0]), parts[-1]
        if value.tag == _O + "Literal":
            language = value.get(_XML + "lang")
            yield Statement(subject, predicate, value.text or "", True, language.lower() if language else None)
        elif value.tag in (_O + "IRI", _O + "AbbreviatedIRI"):
            yield Statement(subject, predicate, self._iri(value))

    def _iri(self, element: Any) -> str:
        """Return the IRI that an element names, by attribute or by content."""
        short = element.get("abbreviatedIRI")
        if element.tag == _O + "AbbreviatedIRI":
            short = element.text or ""
        if short:
            prefix, _, local = short.strip().partition(":")
            namespace = self.prefixes.get(prefix) or PREFIXES.get(prefix)
            if namespace is None:
                raise InvalidRequestError(
                    f"line {element.sourceline}: the prefix {prefix!r} is not declared",
                    field="source",
                    params={"line": element.sourceline},
                )
            return str(namespace) + str(local)
        iri = str(element.get("IRI") or (element.text or "").strip())
        return iri if "://" in iri or iri.startswith("urn:") else urljoin(self._base, iri)


def _parts(element: Any) -> list[Any]:
    """Return the operands of an axiom, its annotations left out."""
    return [child for child in element if isinstance(child.tag, str) and child.tag != _O + "Annotation"]
