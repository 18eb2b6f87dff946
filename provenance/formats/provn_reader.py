"""PROV-N, read: a tokeniser and a parser for the grammar of the Recommendation.

Beside the grammar it takes ``mentionOf`` without the prefix, as the common writers spell it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from ontology.errors import InvalidRequestError
from provenance.formats.provn_grammar import LOCAL, PREFIX, TOKEN
from provenance.formats.scope import Scope
from provenance.model import Bundle, ProvDocument
from provenance.statements import Statement
from provenance.values import Identifier, Literal, Value, integer_type, normal_time
from provenance.vocabulary import BY_KEYWORD, NAME_TYPES, TIMES, XSD_STRING, Kind

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPES = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_NAME = re.compile(rf"(?:{PREFIX}):(?:{LOCAL})?|{LOCAL}")
_PARTS = re.compile(r"([^\\:]*:)?(.*)", re.DOTALL)
_END: tuple[str, str, int] = ("end", "", -1)


def read(data: bytes) -> ProvDocument:
    """Return the document that PROV-N says.

    Raises:
        InvalidRequestError: Not UTF-8 or not PROV-N (the detail has line and column), or a name or statement that
            PROV-DM does not allow.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequestError("the document is not UTF-8") from error
    return _Parser(text).document()


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    at, end = 0, len(text)
    while at < end:
        found = TOKEN.match(text, at)
        if found is None:
            raise InvalidRequestError(f"{_place(text, at)}: {text[at]!r} does not belong here")
        if found.lastgroup != "space":
            yield str(found.lastgroup), found.group(), at
        at = found.end()


def _place(text: str, at: int) -> str:
    before = text[:at]
    return f"line {before.count(chr(10)) + 1}, column {at - before.rfind(chr(10))}"


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._current = next(self._tokens, _END)
        self._scope = Scope({})

    def document(self) -> ProvDocument:
        """Parse ``document ... endDocument``."""
        self._word("document")
        document = ProvDocument()
        self._scope = self._declarations(Scope({}))
        self._scope.declare_in(document)
        # The grammar puts bundles last; examples of the Recommendation itself do not.
        while self._current[1] != "endDocument":
            if self._current[1] == "bundle":
                self._bundle(document)
            else:
                self._statement(document)
        self._word("endDocument")
        if self._current is not _END:
            self._fail("the end")
        return document

    def _bundle(self, document: ProvDocument) -> None:
        self._word("bundle")
        written = self._take("integer" if self._current[0] == "integer" else "name")
        outer, self._scope = self._scope, self._declarations(self._scope)
        self._scope.declare_in(document)
        # A bundle's own name too is read by the bundle's own declarations (PROV-N 3.1.3).
        bundle = document.bundle(self._name(written))
        while self._current[1] != "endBundle":
            self._statement(bundle)
        self._word("endBundle")
        self._scope = outer

    def _declarations(self, scope: Scope) -> Scope:
        prefixes: dict[str, str] = {}
        while self._current[:2] in (("name", "prefix"), ("name", "default")):
            word = self._take("name")
            prefix = self._take("name") if word == "prefix" else ""
            prefixes[prefix] = _unescape(self._take("iri")[1:-1])
        return scope.inner(prefixes)

    def _statement(self, container: ProvDocument | Bundle) -> None:
        at = self._current
        keyword = self._take("name")
        kind = BY_KEYWORD.get("mentionOf" if keyword == "prov:mentionOf" else keyword)
        if kind is None:
            self._fail("a statement", at)
        self._mark("(")
        id = self._identifier() if kind.element else None
        arguments: list[str | None] = []
        if not kind.element:
            arguments.append(self._argument(kind, 0))
            if self._current[1] == ";":
                self._mark(";")
                first = arguments.pop()
                id = None if first is None else Identifier(first)
                arguments.append(self._argument(kind, 0))
        attributes: list[tuple[Identifier, Value]] = []
        while self._current[1] == ",":
            self._mark(",")
            if self._current[1] == "[":
                attributes = self._attributes()
                break
            arguments.append(self._argument(kind, len(arguments)))
        self._mark(")")
        try:
            container.add(Statement(kind, id, arguments, attributes))
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{_place(self._text, at[2])}: {error.detail}", field=error.field) from error

    def _argument(self, kind: Kind, index: int) -> str | None:
        if self._current[1] == "-":
            self._mark("-")
            return None
        if index < len(kind.arguments) and kind.arguments[index] in TIMES:
            return normal_time(self._take("time"))
        return self._identifier()

    def _attributes(self) -> list[tuple[Identifier, Value]]:
        self._mark("[")
        pairs: list[tuple[Identifier, Value]] = []
        while self._current[1] != "]":
            if pairs:
                self._mark(",")
            name = self._identifier()
            self._mark("=")
            pairs.append((name, self._literal()))
        self._mark("]")
        return pairs

    def _literal(self) -> Value:
        kind = self._current[0]
        if kind == "integer":
            number = self._take("integer")
            return Literal(number, integer_type(int(number)) if len(number) < 40 else integer_type(2**64))
        if kind == "quoted":
            return self._name(self._take("quoted")[1:-1])
        quotes = 3 if kind == "long" else 1
        text = _unescape(self._take("long" if kind == "long" else "string")[quotes:-quotes])
        if self._current[0] == "language":
            return Literal(text, language=self._take("language")[1:])
        if self._current[0] != "typed":
            return Literal(text)
        self._take("typed")
        datatype = self._identifier()
        if datatype in NAME_TYPES:
            return self._scope.name(text)
        return Literal(text, XSD_STRING if datatype == XSD_STRING else datatype)

    def _identifier(self) -> Identifier:
        # A number stands where a local part of the default namespace may.
        kind = "integer" if self._current[0] == "integer" else "name"
        return self._name(self._take(kind))

    def _name(self, written: str) -> Identifier:
        if _NAME.fullmatch(written) is None:
            self._fail("a qualified name")
        if "\\" not in written:
            return self._scope.name(written)
        prefix, local = _PARTS.fullmatch(written).groups("")  # type: ignore[union-attr]
        return Identifier(self._scope.name(prefix) + re.sub(r"\\(.)", r"\1", local))

    def _word(self, word: str) -> None:
        if self._current[1] != word:
            self._fail(word)
        self._advance()

    def _mark(self, mark: str) -> None:
        if self._current[1] != mark or self._current[0] == "string":
            self._fail(repr(mark))
        self._advance()

    def _take(self, kind: str) -> str:
        if self._current[0] != kind:
            self._fail(f"a {kind}")
        text = self._current[1]
        self._advance()
        return text

    def _advance(self) -> None:
        self._current = next(self._tokens, _END)

    def _fail(self, wanted: str, at: tuple[str, str, int] | None = None) -> NoReturn:
        _, text, offset = at or self._current
        if offset < 0:
            raise InvalidRequestError(f"the document ends where {wanted} is wanted")
        raise InvalidRequestError(f"{_place(self._text, offset)}: {wanted} is wanted, not {text!r}")


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(found: re.Match[str]) -> str:
    four, eight, character = found.groups()
    if character is None:
        code = int(four or eight, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise InvalidRequestError(f"{found.group()} is not a character")
        return chr(code)
    if character not in _ESCAPES:
        raise InvalidRequestError(f"{found.group()!r} is not an escape of PROV-N")
    return _ESCAPES[character]
