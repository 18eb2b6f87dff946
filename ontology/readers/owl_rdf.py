"""OWL in RDF/XML (RDF 1.1 XML Syntax), read with lxml: some ten times faster than a general RDF library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin

from ontology.errors import InvalidRequestError
from ontology.readers.safe_xml import parse
from ontology.readers.statements import FIRST, RDF, REST, TYPE, Statement, interpret
from ontology.readers.vocabulary import Vocabulary

_XML: Final = "{http://www.w3.org/XML/1998/namespace}"
_LANG: Final = _XML + "lang"
_BASE: Final = _XML + "base"
_R: Final = f"{{{RDF}}}"
_ABOUT, _ID, _NODE_ID, _RESOURCE = _R + "about", _R + "ID", _R + "nodeID", _R + "resource"
_PARSE_TYPE, _DATATYPE, _DESCRIPTION = _R + "parseType", _R + "datatype", _R + "Description"
_SYNTAX: Final = frozenset({_ABOUT, _ID, _NODE_ID, _RESOURCE, _PARSE_TYPE, _DATATYPE, _LANG, _BASE})
_MAX_DEPTH: Final = 200


def read(data: bytes, *, name: str) -> Vocabulary:
    """Read an ontology in RDF/XML.

    Raises:
        InvalidRequestError: The XML is broken, is no RDF/XML, or holds a forbidden entity.
    """

    def from_root(root: Any) -> Vocabulary:
        prefixes = {prefix: namespace for prefix, namespace in root.nsmap.items() if prefix}
        return interpret(RdfXml(root).statements(), name=name, format="rdf-xml", prefixes=prefixes)

    return parse(data, from_root)


class _Scope(NamedTuple):
    """What an element inherits: base IRI, language, and how deep it lies."""

    base: str
    language: str | None
    depth: int

    def of(self, element: Any) -> _Scope:
        """Return the scope of an element within this one.

        Raises:
            InvalidRequestError: It lies too deep.
        """
        if self.depth >= _MAX_DEPTH:
            raise _broken(element, "elements are nested too deeply")
        language = element.get(_LANG)
        return _Scope(
            element.get(_BASE, self.base),
            self.language if language is None else (language.lower() or None),
            self.depth + 1,
        )


class RdfXml:
    """The statements of one RDF/XML document."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._blank = 0
        self._found: list[Statement] = []

    def statements(self) -> Iterator[Statement]:
        """Yield all statements, node element by node element.

        Raises:
            InvalidRequestError: An element breaks the RDF/XML grammar; the detail names the line.
        """
        outside = _Scope("", None, 0)
        is_list = self._root.tag == _R + "RDF"
        scope = outside.of(self._root) if is_list else outside
        for element in self._root if is_list else [self._root]:
            if isinstance(element.tag, str):
                self._node(element, scope)
                yield from self._found
                self._found.clear()

    def _new_blank(self) -> str:
        self._blank += 1
        return f"_:b{self._blank}"

    def _node(self, element: Any, outer: _Scope) -> str:
        """Read a node element (section 7.2.11); return its subject."""
        scope = outer.of(element)
        subject = self._subject(element, scope)
        if element.tag != _DESCRIPTION:
            self._say(subject, TYPE, _iri(element.tag))
        self._attributes(element, subject, scope)
        for child in element:
            if isinstance(child.tag, str):
                self._property(child, subject, scope)
        return subject

    def _subject(self, element: Any, scope: _Scope) -> str:
        about = element.get(_ABOUT)
        if about is not None:
            return _resolve(about, scope.base)
        if element.get(_ID) is not None:
            return _resolve("#" + element.get(_ID), scope.base)
        if element.get(_NODE_ID) is not None:
            return "_:n" + str(element.get(_NODE_ID))
        return self._new_blank()

    def _attributes(self, element: Any, subject: str, scope: _Scope) -> None:
        """Read property attributes (section 7.2.21)."""
        for attribute, value in element.attrib.items():
            if attribute in _SYNTAX or not attribute.startswith("{") or attribute.startswith(_XML):
                continue
            if attribute == _R + "type":
                self._say(subject, TYPE, _resolve(value, scope.base))
            else:
                self._found.append(Statement(subject, _iri(attribute), value, True, scope.language))

    def _property(self, element: Any, subject: str, outer: _Scope) -> None:
        """Read a property element (section 7.2.14)."""
        scope = outer.of(element)
        predicate = _iri(element.tag)
        kind = element.get(_PARSE_TYPE)
        children = [child for child in element if isinstance(child.tag, str)]
        if element.get(_RESOURCE) is not None:
            target = _resolve(element.get(_RESOURCE), scope.base)
            self._say(subject, predicate, target)
            self._attributes(element, target, scope)
        elif element.get(_NODE_ID) is not None:
            self._say(subject, predicate, "_:n" + str(element.get(_NODE_ID)))
        elif kind == "Collection":
            self._collection(children, subject, predicate, scope)
        elif kind == "Resource":
            self._nested(children, subject, predicate, scope)
        elif children and kind is None:
            if len(children) > 1:
                raise _broken(children[1], "a property element holds two nodes")
            self._say(subject, predicate, self._node(children[0], scope))
        else:
            self._literal(element, subject, predicate, scope)

    def _literal(self, element: Any, subject: str, predicate: str, scope: _Scope) -> None:
        if any(a not in _SYNTAX and a.startswith("{") for a in element.attrib):
            target = self._new_blank()  # an empty property element with property attributes
            self._say(subject, predicate, target)
            self._attributes(element, target, scope)
            return
        text = "".join(element.itertext(with_tail=False))
        language = None if element.get(_DATATYPE) is not None else scope.language
        self._found.append(Statement(subject, predicate, text, True, language))

    def _nested(self, children: list[Any], subject: str, predicate: str, scope: _Scope) -> None:
        target = self._new_blank()
        self._say(subject, predicate, target)
        for child in children:
            self._property(child, target, scope)

    def _collection(self, children: list[Any], subject: str, predicate: str, scope: _Scope) -> None:
        cell, link = subject, predicate
        for child in children:
            following = self._new_blank()
            self._say(cell, link, following)
            self._say(following, FIRST, self._node(child, scope))
            cell, link = following, REST
        self._say(cell, link, RDF + "nil")

    def _say(self, subject: str, predicate: str, target: str) -> None:
        self._found.append(Statement(subject, predicate, target))


def _iri(name: str) -> str:
    return name[1:].replace("}", "", 1)


def _resolve(reference: str, base: str) -> str:
    return reference if "://" in reference or reference.startswith("urn:") else urljoin(base, reference)


def _broken(element: Any, what: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"line {element.sourceline}: {what}", field="source", params={"line": element.sourceline}
    )
