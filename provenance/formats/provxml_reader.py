"""PROV-XML, read: without a document type, entities, network or a tree in memory."""

from __future__ import annotations

from collections.abc import Mapping

from ontology.errors import InvalidRequestError, NotInstalledError
from provenance.formats.provxml_names import XML_NAMESPACE, XSD_NAMESPACE, XSI_NAMESPACE, unescape_name
from provenance.formats.provxml_terms import ELEMENTS
from provenance.formats.scope import Scope
from provenance.model import ProvDocument
from provenance.statements import Pair, Statement, Statements
from provenance.values import Identifier, Literal, Value, normal_time
from provenance.vocabulary import BUILT_IN, MEMBERSHIP, NAME_TYPES, PROV, TIMES, TYPE, XSD, XSD_STRING, Kind

_P = f"{{{PROV}}}"
_DOCUMENT, _BUNDLE, _OTHER = f"{_P}document", f"{_P}bundleContent", f"{_P}other"
_SPACE = " \t\r\n"
"""What XML takes for white space, which is less than Unicode does."""
_ID, _REF = f"{_P}id", f"{_P}ref"
_XSI_TYPE, _LANGUAGE = f"{{{XSI_NAMESPACE}}}type", f"{{{XML_NAMESPACE}}}lang"


def read(data: bytes) -> ProvDocument:
    """Return the document that PROV-XML says.

    Raises:
        InvalidRequestError: Not XML, not PROV-XML, with a document type, or a name or statement that PROV-DM does
            not allow.
        NotInstalledError: The library lxml is not here.
    """
    try:
        from lxml import etree
    except ModuleNotFoundError as error:
        raise NotInstalledError("PROV-XML is read with lxml", next_step='pip install "sillage[server]"') from error
    target = _Target()
    # Without resolving, this parser hands over &amp; in XML attributes as it stands; a document that declares
    # entities of its own has a document type, and is refused at that.
    parser = etree.XMLParser(target=target, resolve_entities="internal", no_network=True, load_dtd=False)
    try:
        parser.feed(data)
        document: ProvDocument = parser.close()
    except etree.XMLSyntaxError as error:
        raise InvalidRequestError(f"the document is not XML: {error.msg}") from error
    return document


class _Names:
    """The prefixes in force, as XML declares them: what a name in a value or a tag means."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self.prefixes = dict(prefixes)
        self._scope = Scope({prefix: iri for prefix, iri in prefixes.items() if _is_usable(prefix, iri)})

    def inner(self, declared: Mapping[str | None, str]) -> _Names:
        """Return the names under an element that declares prefixes."""
        more = {prefix or "": XSD if iri == XSD_NAMESPACE else iri for prefix, iri in declared.items()}
        return _Names({**self.prefixes, **more})

    def value(self, text: str) -> Identifier:
        """Return what a qualified name in a value means."""
        return self._scope.name(text.strip(_SPACE))

    def declare_in(self, document: ProvDocument) -> None:
        """Take the prefixes over into a document, where they are still free."""
        self._scope.declare_in(document)


def _is_usable(prefix: str, iri: str) -> bool:
    return bool(iri) and iri != XSI_NAMESPACE and BUILT_IN.get(prefix, iri) == iri and (prefix != "" or iri != PROV)


class _Child:
    """An element within a statement: an argument or an attribute."""

    __slots__ = ("attributes", "names", "parts", "tag")

    def __init__(self, tag: str, attributes: Mapping[str, str], names: _Names) -> None:
        self.tag, self.attributes, self.names = tag, dict(attributes), names
        self.parts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.parts)


class _Target:
    """Takes the parser's events and makes statements of them; elements nest at most three deep."""

    def __init__(self) -> None:
        self._document = ProvDocument()
        self._container: Statements = self._document
        self._names = [_Names({})]
        self._path: list[str] = []
        self._statement: _Child | None = None
        self._children: list[_Child] = []
        self._child: _Child | None = None
        self._skipping = 0

    def doctype(self, *_: object) -> None:
        raise InvalidRequestError("PROV-XML has no document type; this document has one, and is not read")

    def start(self, tag: str, attributes: Mapping[str, str], declared: Mapping[str | None, str] | None = None) -> None:
        names = self._names[-1].inner(declared) if declared else self._names[-1]
        self._names.append(names)
        if declared and not self._skipping:
            names.declare_in(self._document)
        if self._skipping or tag == _OTHER:
            self._skipping += 1
        elif not self._path:
            if tag != _DOCUMENT:
                raise InvalidRequestError(f"PROV-XML begins with prov:document, not {tag}", field=tag)
        elif self._statement is None and tag == _BUNDLE:
            self._begin_bundle(attributes, names)
        elif self._statement is None:
            self._statement, self._children = _Child(tag, attributes, names), []
        elif self._child is None:
            self._child = _Child(tag, attributes, names)
        else:
            raise InvalidRequestError(f"{self._child.tag} holds XML, which PROV-DM has no value for", field=tag)
        self._path.append(tag)

    def _begin_bundle(self, attributes: Mapping[str, str], names: _Names) -> None:
        if self._container is not self._document or _ID not in attributes:
            raise InvalidRequestError("a bundle has a prov:id and holds no bundles", field="prov:id")
        self._container = self._document.bundle(names.value(attributes[_ID]))

    def data(self, text: str) -> None:
        if self._skipping:
            return
        if self._child is not None:
            self._child.parts.append(text)
        elif text.strip(_SPACE):
            raise InvalidRequestError(f"PROV-XML has no text here: {text.strip(_SPACE)[:40]!r}")

    def end(self, tag: str) -> None:
        self._names.pop()
        self._path.pop()
        if self._skipping:
            self._skipping -= 1
        elif self._child is not None:
            self._children.append(self._child)
            self._child = None
        elif self._statement is not None:
            for statement in _statements(self._statement, self._children):
                self._container.add(statement)
            self._statement = None
        elif tag == _BUNDLE:
            self._container = self._document

    def close(self) -> ProvDocument:
        return self._document


def _statements(told: _Child, children: list[_Child]) -> list[Statement]:
    """Return what an element states: one statement, or of a membership one for each member."""
    kind, special = ELEMENTS.get(told.tag.removeprefix(_P), (None, None)) if told.tag.startswith(_P) else (None, None)
    if kind is None:
        raise InvalidRequestError(f"PROV-XML has no element {told.tag} here", field=told.tag)
    arguments: dict[str, list[str]] = {}
    pairs: list[Pair] = [(Identifier(TYPE), Identifier(special))] if special else []
    if _XSI_TYPE in told.attributes:
        pairs.append((Identifier(TYPE), told.names.value(told.attributes[_XSI_TYPE])))
    for child in children:
        name = child.tag.removeprefix(_P)
        if child.tag.startswith(_P) and name in kind.arguments:
            arguments.setdefault(name, []).append(_argument(name, child))
        else:
            pairs.append((_attribute_name(child), _value(child)))
    id = told.names.value(told.attributes[_ID]) if _ID in told.attributes and kind.described else None
    return [Statement(kind, id, given, pairs) for given in _arguments(kind, arguments)]


def _arguments(kind: Kind, found: dict[str, list[str]]) -> list[list[str | None]]:
    several = found.pop("entity", []) if kind is MEMBERSHIP else []
    for name, values in found.items():
        if len(values) > 1:
            raise InvalidRequestError(f"prov:{name} is given more than once", field=name)
    one = [next(iter(found.get(name, ())), None) for name in kind.arguments]
    return [[one[0], member] for member in several] or [one]


def _argument(name: str, child: _Child) -> str:
    if name in TIMES:
        return normal_time(child.text.strip(_SPACE))
    reference = child.attributes.get(_REF)
    if reference is None or child.text.strip(_SPACE):
        raise InvalidRequestError(f"prov:{name} names a thing by prov:ref, and by nothing else", field=name)
    return child.names.value(reference)


def _attribute_name(child: _Child) -> Identifier:
    namespace, closed, local = child.tag[1:].rpartition("}")
    if not closed or not child.tag.startswith("{"):
        raise InvalidRequestError(f"the attribute {child.tag!r} has no namespace", field=child.tag)
    if namespace == XSD_NAMESPACE:
        namespace = XSD
    return Identifier(namespace + unescape_name(local))


def _value(child: _Child) -> Value:
    datatype, language = child.attributes.get(_XSI_TYPE), child.attributes.get(_LANGUAGE)
    if datatype is None:
        return Literal(child.text, language=language) if language else Literal(child.text)
    kind = child.names.value(datatype)
    if kind in NAME_TYPES:
        return child.names.value(child.text)
    if language and kind in (XSD_STRING, PROV + "InternationalizedString"):
        return Literal(child.text, language=language)
    return Literal(child.text, XSD_STRING if kind in (XSD_STRING, PROV + "InternationalizedString") else kind)
