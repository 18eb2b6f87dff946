"""PROV-JSON (W3C member submission of 24 April 2013), written and read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring as quote
from typing import Any

from ontology.errors import InvalidRequestError
from provenance.formats.names import Memo, Names
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
        f"{writer.names[bundle.id]}:{{{_joined(writer.sections(bundle))}}}" for bundle in document.bundles.values()
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


def _array(texts: list[str]) -> str:
    return f"[{','.join(texts)}]"


class _Writer:
    def __init__(self, namespaces: Mapping[str, str]) -> None:
        self.names = Names(namespaces, str, reserved=("default",), finish=quote)
        self._identifiers = Memo(self._identifier)
        self._tails = Memo(self._tail)
        self._anonymous = 0

    def sections(self, container: Statements) -> list[str]:
        """Return one JSON member for each kind of statement that the container has."""
        kinds: dict[Kind, list[Statement]] = {kind: [] for kind in KINDS}
        for statement in container.statements:
            kinds[statement[0]].append(statement)
        found = []
        for kind, told in kinds.items():
            if told:
                lines = self._elements(told) if kind.element else self._relations(kind, told)
                found.append(f'"{kind.keyword}":{{\n{_joined(lines)}\n}}')
        return found

    def _elements(self, statements: list[Statement]) -> list[str]:
        names, members = self.names, self._members
        return _merged([names[one[1]] for one in statements], [members(one) for one in statements])

    def _relations(self, kind: Kind, statements: list[Statement]) -> list[str]:
        names, number = self.names, self._anonymous
        first, second = _KEYS[kind][:2]
        keys: list[str] = []
        texts: list[str] = []
        for one in statements:
            _, id, arguments, attributes = one
            number += 1
            keys.append(f'"_:n{number}"' if id is None else names[id])
            if attributes or arguments[1] is None or any(arguments[2:]):
                texts.append(self._members(one))
            else:
                texts.append(f"{first}{names[arguments[0]]},{second}{names[arguments[1]]}")
        self._anonymous = number
        return _merged(keys, texts)

    def _members(self, statement: Statement) -> str:
        kind, _, arguments, attributes = statement
        names, members = self.names, []
        if arguments:
            pairs = zip(_KEYS[kind], arguments, strict=True)
            members = [key + names[given] for key, given in pairs if given is not None]
        if len(dict(attributes)) == len(attributes):
            value_text = self._value
            return ",".join(members + [f"{names[name]}:{value_text(value)}" for name, value in attributes])
        grouped: dict[str, list[str]] = {}
        for name, value in attributes:
            grouped.setdefault(names[name], []).append(self._value(value))
        members += [f"{name}:{texts[0] if len(texts) == 1 else _array(texts)}" for name, texts in grouped.items()]
        return ",".join(members)

    def _value(self, value: Value) -> str:
        if isinstance(value, Identifier):
            return self._identifiers[value]
        text, datatype, language = value
        if language is not None:
            return f'{{"$":{quote(text)},"lang":{quote(language)}}}'
        tail = self._tails[datatype]
        if not tail:
            return quote(text)
        if datatype == XSD_BOOLEAN and text in ("true", "false"):
            return text
        return f'{{"$":{quote(text)}{tail}'

    def _identifier(self, iri: Identifier) -> str:
        return f'{{"$":{self.names[iri]},"type":"xsd:QName"}}'

    def _tail(self, datatype: str) -> str:
        return "" if datatype == XSD_STRING else f',"type":{self.names[datatype]}}}'


def _merged(keys: list[str], texts: list[str]) -> list[str]:
    """Return the lines of a section; statements that share an identifier and contradict each other as an array."""
    if len(set(keys)) == len(keys):
        return [f"{key}:{{{text}}}" for key, text in zip(keys, texts, strict=True)]
    grouped: dict[str, list[str]] = {}
    for key, text in zip(keys, texts, strict=True):
        grouped.setdefault(key, []).append(f"{{{text}}}")
    return [f"{key}:{found[0] if len(found) == 1 else _array(found)}" for key, found in grouped.items()]


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
    id = None if key.startswith("_:") and not kind.element else scope.name(key)
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
