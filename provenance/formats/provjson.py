"""PROV-JSON (W3C member submission of 24 April 2013), written and read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring as quote
from typing import Any

from ontology.errors import InvalidRequestError
from provenance.formats.names import Names
from provenance.formats.scope import Scope, load_json, member_text
from provenance.model import Bundle, ProvDocument
from provenance.statements import Statement, Statements
from provenance.values import Identifier, Literal, Value, normal_time, value_of
from provenance.vocabulary import (
    BY_KEYWORD,
    KINDS,
    MEMBERSHIP,
    NAME_TYPES,
    PROV,
    TIMES,
    XSD_BOOLEAN,
    XSD_DATETIME,
    XSD_STRING,
    Kind,
)

_KEYS = {kind: tuple(f'"prov:{name}":' for name in kind.arguments) for kind in KINDS}


def write(document: ProvDocument) -> bytes:
    """Return the document as PROV-JSON, one statement on a line."""
    writer = _Writer(document.namespaces)
    sections = writer.sections(document)
    bundles = [
        f"{quote(writer.names[bundle.id])}:{{{_joined(writer.sections(bundle))}}}"
        for bundle in document.bundles.values()
    ]
    if bundles:
        sections.append('"bundle":{\n' + ",\n".join(bundles) + "\n}")
    head = dict(writer.names.prefixes)
    if "" in document.namespaces:
        head["default"] = document.namespaces[""]
    sections.insert(0, f'"prefix":{json.dumps(head, ensure_ascii=False)}')
    return f"{{{_joined(sections)}}}\n".encode()


def _joined(sections: list[str]) -> str:
    return ",\n".join(sections)


class _Writer:
    def __init__(self, namespaces: Mapping[str, str]) -> None:
        self.names = Names(namespaces, str, reserved=("default",))
        self._values: dict[Value, str] = {}
        self._anonymous = 0

    def sections(self, container: Statements) -> list[str]:
        """Return one JSON member for each kind of statement that the container has."""
        rows: dict[Kind, dict[str, str]] = {}
        repeated: set[tuple[Kind, str]] = set()
        for statement in container.statements:
            kind = statement.kind
            section = rows.setdefault(kind, {})
            if statement.id is not None:
                key = quote(self.names[statement.id])
            else:
                self._anonymous += 1
                key = f'"_:n{self._anonymous}"'
            text = self._object(statement)
            if key in section:
                repeated.add((kind, key))
                text = f"{section[key]},{text}"
            section[key] = text
        for kind, key in repeated:
            rows[kind][key] = f"[{rows[kind][key]}]"
        return [
            f'"{kind.keyword}":{{\n' + ",\n".join([f"{key}:{text}" for key, text in rows[kind].items()]) + "\n}"
            for kind in KINDS
            if kind in rows
        ]

    def _object(self, statement: Statement) -> str:
        names = self.names
        members = [
            f"{key}{quote(names[given])}"
            for key, given in zip(_KEYS[statement.kind], statement.arguments, strict=True)
            if given is not None
        ]
        attributes = statement.attributes
        if attributes:
            grouped: dict[str, list[str]] = {}
            for name, value in attributes:
                grouped.setdefault(name, []).append(self._value(value))
            for written, texts in grouped.items():
                one = texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"
                members.append(f"{quote(names[written])}:{one}")
        return f"{{{','.join(members)}}}"

    def _value(self, value: Value) -> str:
        text = self._values.get(value)
        if text is None:
            text = self._values[value] = self._new_value(value)
        return text

    def _new_value(self, value: Value) -> str:
        if isinstance(value, Identifier):
            return f'{{"$":{quote(self.names[value])},"type":"xsd:QName"}}'
        text, datatype, language = value
        if language is not None:
            return f'{{"$":{quote(text)},"lang":{quote(language)}}}'
        if datatype == XSD_STRING:
            return quote(text)
        if datatype == XSD_BOOLEAN and text in ("true", "false"):
            return text
        return f'{{"$":{quote(text)},"type":{quote(self.names[datatype])}}}'


def read(data: bytes) -> ProvDocument:
    """Return the document that PROV-JSON says.

    Raises:
        InvalidRequestError: Not JSON, not PROV-JSON, or a name or statement that PROV-DM does not allow.
    """
    root = _mapping(load_json(data), "the document")
    document = ProvDocument()
    scope = Scope(_prefixes(root))
    scope.declare_in(document)
    _read_sections(root, document, scope, bundles=True)
    for key, content in _mapping(root.get("bundle", {}), "bundle").items():
        inner = _mapping(content, key)
        inside = scope.inner(_prefixes(inner))
        inside.declare_in(document)
        # Other readers resolve a bundle's own name by the bundle's own prefixes too.
        _read_sections(inner, document.bundle(inside.name(key)), inside, bundles=False)
    return document


def _prefixes(root: Mapping[str, Any]) -> dict[str, str]:
    found = _mapping(root.get("prefix", {}), "prefix")
    return {("" if key == "default" else key): member_text(iri, key) for key, iri in found.items()}


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"PROV-JSON wants an object for {where}", field=where)
    return value


def _read_sections(root: Mapping[str, Any], container: ProvDocument | Bundle, scope: Scope, *, bundles: bool) -> None:
    for keyword, section in root.items():
        if keyword == "prefix" or (keyword == "bundle" and bundles):
            continue
        kind = BY_KEYWORD.get(keyword)
        if kind is None:
            raise InvalidRequestError(f"PROV-JSON has no section {keyword!r} here", field=keyword)
        for key, content in _mapping(section, keyword).items():
            for one in content if isinstance(content, list) else [content]:
                _read_statement(kind, key, _mapping(one, key), container, scope)


def _read_statement(
    kind: Kind, key: str, content: dict[str, Any], container: ProvDocument | Bundle, scope: Scope
) -> None:
    id: Identifier | None = None if key.startswith("_:") and not kind.element else scope.name(key)
    if not kind.described:
        # Other writers give these statements an identifier, which PROV-DM does not know.
        id = None
    arguments: list[Any] = []
    for name in kind.arguments:
        given = content.pop(f"prov:{name}", None)
        arguments.append(_time(given, name, scope) if name in TIMES and given is not None else given)
    attributes = [
        (scope.name(name), _read_value(value, name, scope))
        for name, given in content.items()
        for value in (given if isinstance(given, list) else [given])
    ]
    members = arguments[1] if kind is MEMBERSHIP and isinstance(arguments[1], list) else None
    for member in members if members is not None else [None]:
        if members is not None:
            arguments[1] = member
        resolved: list[str | None] = [
            given if given is None or name in TIMES else scope.name(member_text(given, name))
            for name, given in zip(kind.arguments, arguments, strict=True)
        ]
        container.add(Statement(kind, id, resolved, attributes))


def _time(given: Any, name: str, scope: Scope) -> str:
    if isinstance(given, dict) and scope.name(str(given.get("type"))) == XSD_DATETIME:
        given = given.get("$")
    return normal_time(member_text(given, name))


def _read_value(value: Any, where: str, scope: Scope) -> Value:
    if isinstance(value, dict):
        return _read_typed(value, where, scope)
    if value is None or isinstance(value, list):
        raise InvalidRequestError(f"PROV-JSON has no value of this form for {where!r}", field=where)
    return value_of(value)


def _read_typed(value: dict[str, Any], where: str, scope: Scope) -> Value:
    text, kind, language = value.get("$"), value.get("type"), value.get("lang")
    if not value.keys() <= {"$", "type", "lang"} or text is None:
        raise InvalidRequestError(f"a typed value of {where!r} has '$' and 'type' or 'lang'", field=where)
    if not isinstance(text, str):
        text = json.dumps(text)
    if language is not None:
        return Literal(text, language=member_text(language, where))
    if kind is None:
        return Literal(text)
    datatype = scope.name(member_text(kind, where))
    if datatype in NAME_TYPES:
        return scope.name(text)
    return Literal(text, XSD_STRING if datatype in (XSD_STRING, PROV + "InternationalizedString") else datatype)
