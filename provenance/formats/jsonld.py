"""PROV-JSONLD (W3C member submission of 2024), written and read; the context is written into the document.

Nothing is fetched: a document whose context is not the submission's, by address or by content, is refused. A
``mentionOf``, for which the submission has no term, is written with one of our own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring as quote
from typing import Any

from ontology.errors import InvalidRequestError
from provenance.formats.jsonld_context import CONTEXT, GENERAL_DELIMITER, ID_TERMS, PLAIN_TERMS, TERMS, URLS
from provenance.formats.names import Memo, Names
from provenance.formats.scope import Scope, load_json, member_text
from provenance.model import Bundle, ProvDocument
from provenance.statements import Statement, Statements
from provenance.values import Identifier, Literal, Value, normal_time, value_of
from provenance.vocabulary import BY_TYPE, ENTITY, KINDS, MEMBERSHIP, NAME_TYPES, TIMES, VALUE, XSD_STRING, Kind

_KEYS = {kind: tuple(f'"{name}":' for name in kind.arguments) for kind in KINDS}
_BY_TERM = {term: Identifier(name) for name, term in PLAIN_TERMS.items()}


def write(document: ProvDocument) -> bytes:
    """Return the document as PROV-JSONLD, one statement on a line."""
    writer = _Writer(document.namespaces)
    lines = writer.lines(document)
    for bundle in document.bundles.values():
        inner = ",\n".join(writer.lines(bundle))
        lines.append(f'{{"@type":"Bundle","@id":{writer.names[bundle.id]},"@context":[],"@graph":[{inner}]}}')
    prefixes = json.dumps(writer.names.prefixes, ensure_ascii=False)
    context = json.dumps(CONTEXT, separators=(",", ":"))
    body = ",\n".join(lines)
    return f'{{"@context":[{prefixes},\n{context}],\n"@graph":[\n{body}\n]}}\n'.encode()


def _local(text: str) -> str | None:
    # JSON-LD reads "a://b" as an IRI whatever "a" is (JSON-LD 1.1, 5.2.2).
    return None if text.startswith("//") else text


class _Writer:
    def __init__(self, namespaces: Mapping[str, str]) -> None:
        self.names = Names(namespaces, _local, reserved=TERMS, boundary=GENERAL_DELIMITER, finish=quote)
        self._values = Memo(self._new_value)

    def lines(self, container: Statements) -> list[str]:
        """Return one JSON object for each statement."""
        names = self.names
        lines = []
        for kind, id, arguments, attributes in container.statements:
            members = [f'"@type":"{kind.type}"']
            if id is not None:
                members.append(f'"@id":{names[id]}')
            members += [
                key + names[given] for key, given in zip(_KEYS[kind], arguments, strict=True) if given is not None
            ]
            if attributes:
                members += self._attributes(kind, attributes)
            lines.append(f"{{{','.join(members)}}}")
        return lines

    def _attributes(self, kind: Kind, attributes: tuple[tuple[Identifier, Value], ...]) -> list[str]:
        grouped: dict[str, list[str]] = {}
        for name, value in attributes:
            text = self._values[name if name in ID_TERMS else "", value]
            grouped.setdefault(self._term(kind, name), []).append(text)
        return [f"{term}:[{','.join(texts)}]" for term, texts in grouped.items()]

    def _term(self, kind: Kind, name: str) -> str:
        # The submission scopes the short term "value" to entities.
        term = PLAIN_TERMS.get(name)
        return self.names[name] if term is None or (name == VALUE and kind is not ENTITY) else f'"{term}"'

    def _new_value(self, key: tuple[str, Value]) -> str:
        name, value = key
        if isinstance(value, Identifier):
            return self.names[value] if name else f'{{"@id":{self.names[value]}}}'
        text, datatype, language = value
        if language is not None:
            return f'{{"@value":{quote(text)},"@language":{quote(language)}}}'
        if datatype == XSD_STRING:
            return f'{{"@value":{quote(text)}}}'
        return f'{{"@value":{quote(text)},"@type":{self.names[datatype]}}}'


def read(data: bytes) -> ProvDocument:
    """Return the document that PROV-JSONLD says.

    Raises:
        InvalidRequestError: Not JSON, not in the shape of the submission, under a foreign context, or with a name
            or statement that PROV-DM does not allow.
    """
    root = load_json(data)
    if not isinstance(root, dict) or not isinstance(root.get("@graph"), list) or "@context" not in root:
        raise InvalidRequestError("PROV-JSONLD is an object with '@context' and a list '@graph'")
    document = ProvDocument()
    scope = Scope(_prefixes(root["@context"]))
    scope.declare_in(document)
    for item in root["@graph"]:
        if not isinstance(item, dict):
            raise InvalidRequestError("'@graph' holds objects", field="@graph")
        if _type(item) == "Bundle" and "@graph" in item:
            _read_bundle(item, document, scope)
        else:
            _read_statement(item, document, scope)
    return document


def _read_bundle(item: dict[str, Any], document: ProvDocument, scope: Scope) -> None:
    inside = scope.inner(_prefixes(item.get("@context", [])))
    inside.declare_in(document)
    bundle = document.bundle(inside.name(member_text(item.get("@id"), "@id")))
    graph = item["@graph"]
    if not isinstance(graph, list) or not all(isinstance(one, dict) for one in graph):
        raise InvalidRequestError("'@graph' holds objects", field="@graph")
    for one in graph:
        _read_statement(one, bundle, inside)


def _type(item: dict[str, Any]) -> str:
    return member_text(item.get("@type"), "@type").removeprefix("prov:")


def _prefixes(context: Any) -> dict[str, str]:
    prefixes: dict[str, str] = {}
    for one in context if isinstance(context, list) else [context]:
        if isinstance(one, str):
            if one not in URLS:
                raise InvalidRequestError(f"the context {one!r} is not that of PROV-JSONLD", field="@context")
        elif isinstance(one, dict):
            _read_context(one, prefixes)
        else:
            raise InvalidRequestError("a context is an address or an object", field="@context")
    return prefixes


def _read_context(context: dict[str, Any], prefixes: dict[str, str]) -> None:
    for term, meaning in context.items():
        known = CONTEXT.get(term)
        if isinstance(known, dict):
            if not isinstance(meaning, dict) or meaning.get("@id") != known.get("@id"):
                raise InvalidRequestError(f"the context gives {term!r} another meaning", field=term)
        elif term == "@vocab":
            prefixes[""] = member_text(meaning, term)
        elif isinstance(meaning, str) and not term.startswith("@"):
            prefixes[term] = meaning


def _read_statement(item: dict[str, Any], container: ProvDocument | Bundle, scope: Scope) -> None:
    kind = BY_TYPE.get(_type(item))
    if kind is None:
        raise InvalidRequestError(f"{item['@type']!r} is not a statement of PROV-JSONLD", field="@type")
    named = item.get("@id")
    id = None if named is None or not kind.described else scope.name(member_text(named, "@id"))
    arguments: dict[str, Any] = {}
    attributes: list[tuple[Identifier, Value]] = []
    for key, given in item.items():
        name = key.removeprefix("prov:")
        if key in ("@type", "@id"):
            continue
        if name in kind.arguments:
            arguments[name] = given
            continue
        attribute = _BY_TERM.get(name) or scope.name(key)
        values = given if isinstance(given, list) else [given]
        attributes += [(attribute, _read_value(value, name, scope)) for value in values]
    several = arguments.get("entity") if kind is MEMBERSHIP else None
    for member in several if isinstance(several, list) else [several]:
        if several is not None:
            arguments["entity"] = member
        resolved = [_argument(arguments.get(name), name, scope) for name in kind.arguments]
        container.add(Statement(kind, id, resolved, attributes))


def _argument(given: Any, name: str, scope: Scope) -> str | None:
    if given is None:
        return None
    if isinstance(given, dict):
        given = given.get("@value" if name in TIMES else "@id")
    text = member_text(given, name)
    return normal_time(text) if name in TIMES else scope.name(text)


def _read_value(value: Any, term: str, scope: Scope) -> Value:
    if isinstance(value, str):
        return scope.name(value) if term in ("type", "role", "location") else Literal(value)
    if not isinstance(value, dict):
        if isinstance(value, bool | int | float):
            return value_of(value)
        raise InvalidRequestError(f"PROV-JSONLD has no value of this form for {term!r}", field=term)
    if value.keys() == {"@id"}:
        return scope.name(member_text(value["@id"], term))
    if "@value" not in value or not value.keys() <= {"@value", "@type", "@language"}:
        raise InvalidRequestError(f"a value of {term!r} has '@value' and '@type' or '@language'", field=term)
    given = value["@value"]
    text = given if isinstance(given, str) else json.dumps(given)
    if "@language" in value:
        return Literal(text, language=member_text(value["@language"], term))
    if "@type" not in value:
        return value_of(given) if isinstance(given, str | bool | int | float) else Literal(text)
    datatype = scope.name(member_text(value["@type"], term))
    if datatype in NAME_TYPES:
        return scope.name(text)
    return Literal(text) if datatype == XSD_STRING else Literal(text, datatype)
