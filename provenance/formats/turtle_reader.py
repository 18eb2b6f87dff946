"""Turtle and TriG (RDF 1.1), read without any network or library: a tokeniser and a parser.

Terms keep their spelling, so that a literal comes back letter for letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import urljoin

from ontology.errors import InvalidRequestError
from provenance.formats.graph_reader import Blank, Graph, Term, Triple, read_graph
from provenance.formats.provn_grammar import PN_BASE, PN_CHARACTERS
from provenance.formats.scope import Scope
from provenance.model import ProvDocument
from provenance.values import Identifier, Literal
from provenance.vocabulary import RDF, XSD, XSD_BOOLEAN, XSD_STRING

_ESCAPED = r"\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}"
_LOCAL_ESCAPED = r"%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?#@%]"
_LOCAL = (
    rf"(?:[{PN_BASE}_:0-9]|{_LOCAL_ESCAPED})"
    rf"(?:(?:[{PN_CHARACTERS}.:-]|{_LOCAL_ESCAPED})*(?:[{PN_CHARACTERS}:-]|{_LOCAL_ESCAPED}))?"
)
_PREFIX = f"[{PN_BASE}](?:[{PN_CHARACTERS}.-]*[{PN_CHARACTERS}-])?"
_TOKEN = re.compile(
    rf"""
    (?P<space>(?:[ \t\r\n]+|\#[^\n\r]*)+)
  | (?P<iri><(?:[^\x00-\x20<>"{{}}|^`\\]|{_ESCAPED})*>)
  | (?P<long>\"\"\"(?:\\.|"{{1,2}}(?!")|[^"\\])*\"\"\"|'''(?:\\.|'{{1,2}}(?!')|[^'\\])*''')
  | (?P<string>"(?:\\.|[^"\\\n\r])*"|'(?:\\.|[^'\\\n\r])*')
  | (?P<blank>_:[{PN_BASE}_0-9](?:[{PN_CHARACTERS}.-]*[{PN_CHARACTERS}-])?)
  | (?P<name>(?:{_PREFIX})?:(?:{_LOCAL})?)
  | (?P<at>@[A-Za-z]+(?:-[A-Za-z0-9]+)*)
  | (?P<number>[+-]?(?:[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+\.?[eE][+-]?[0-9]+|[0-9]+))
  | (?P<word>[A-Za-z]+)
  | (?P<mark>\^\^|[.;,\[\](){{}}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPES = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_END = ("end", "", -1)
_DEPTH = 100
_RDF_TYPE = Identifier(RDF + "type")


def read(data: bytes) -> ProvDocument:
    """Return the document that PROV-O in Turtle or TriG says.

    Raises:
        InvalidRequestError: Not UTF-8 or not TriG (the detail has line and column), or RDF that is not PROV-O.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequestError("the document is not UTF-8") from error
    parser = _Parser(text)
    graphs = parser.graphs()
    document = ProvDocument()
    Scope(parser.prefixes).declare_in(document)
    read_graph(graphs.pop(None), document)
    for name, graph in graphs.items():
        if not isinstance(name, Identifier):
            raise InvalidRequestError("a bundle needs an identifier, and this graph is named by a blank node")
        read_graph(graph, document.bundle(name))
    return document


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan()
        self._current = next(self._tokens, _END)
        self._base = ""
        self._graph: Graph = []
        self._blank = 0
        self._labels: dict[str, Blank] = {}
        self._depth = 0
        self.prefixes: dict[str, str] = {}

    def graphs(self) -> dict[Term | None, Graph]:
        """Parse everything; the default graph has the name None."""
        graphs: dict[Term | None, Graph] = {None: self._graph}
        default = self._graph
        while self._current is not _END:
            kind, text, _ = self._current
            if kind == "at" or (kind == "word" and text.upper() in ("PREFIX", "BASE")):
                self._directive()
                continue
            if text == "{" and kind == "mark":
                self._block()
                continue
            if kind == "word" and text.upper() == "GRAPH":
                self._advance()
            subject, described = self._subject()
            if self._is_mark("{"):
                self._graph = graphs.setdefault(subject, [])
                self._block()
                self._graph = default
                continue
            if not (described and self._is_mark(".")):
                self._predicates(subject)
            self._mark(".")
        return graphs

    def _block(self) -> None:
        self._mark("{")
        while not self._is_mark("}"):
            subject, described = self._subject()
            if not (described and (self._is_mark(".") or self._is_mark("}"))):
                self._predicates(subject)
            if not self._is_mark("}"):
                self._mark(".")
        self._mark("}")

    def _directive(self) -> None:
        word = self._current[1]
        self._advance()
        if word.lstrip("@").upper() == "PREFIX":
            name = self._take("name")
            self.prefixes[name[: name.index(":")]] = self._iri(self._take("iri"))
        elif word.lstrip("@").upper() == "BASE":
            self._base = self._iri(self._take("iri"))
        else:
            self._fail("@prefix or @base")
        if word.startswith("@"):
            self._mark(".")

    def _subject(self) -> tuple[Term, bool]:
        """Return a subject, and whether it is a blank node that was described in place."""
        if self._is_mark("["):
            start = len(self._graph)
            return self._anonymous(), len(self._graph) > start
        term = self._term()
        if isinstance(term, Literal):
            self._fail("a subject")
        return term, False

    def _predicates(self, subject: Term) -> None:
        while True:
            if self._current[:2] == ("word", "a"):
                self._advance()
                predicate: Term = _RDF_TYPE
            else:
                predicate = self._term()
            if not isinstance(predicate, Identifier):
                self._fail("a property")
            while True:
                self._graph.append(Triple(subject, predicate, self._term()))
                if not self._is_mark(","):
                    break
                self._advance()
            if not self._is_mark(";"):
                return
            while self._is_mark(";"):
                self._advance()
            if self._is_mark(".") or self._is_mark("]") or self._is_mark("}"):
                return

    def _term(self) -> Term:
        kind, text, _ = self._current
        if kind == "iri":
            self._advance()
            return Identifier(self._iri(text))
        if kind == "name":
            self._advance()
            return self._name(text)
        if kind == "blank":
            self._advance()
            return self._labels.setdefault(text, Blank(text))
        if kind in ("string", "long"):
            return self._literal(text[3:-3] if kind == "long" else text[1:-1])
        if kind == "number":
            self._advance()
            whole = not re.search(r"[.eE]", text)
            return Literal(text, XSD + ("integer" if whole else "double" if "e" in text.lower() else "decimal"))
        if kind == "word" and text in ("true", "false"):
            self._advance()
            return Literal(text, XSD_BOOLEAN)
        if text == "[":
            return self._anonymous()
        if text == "(":
            raise InvalidRequestError(f"{self._place()}: PROV-O does not use RDF lists")
        self._fail("a term")

    def _anonymous(self) -> Blank:
        self._mark("[")
        self._depth += 1
        if self._depth > _DEPTH:
            raise InvalidRequestError("the document is nested too deeply")
        self._blank += 1
        node = Blank(f"[]{self._blank}")
        if not self._is_mark("]"):
            self._predicates(node)
        self._mark("]")
        self._depth -= 1
        return node

    def _literal(self, body: str) -> Literal:
        self._advance()
        text = _unescape(body)
        if self._current[0] == "at":
            return Literal(text, language=self._take("at")[1:])
        if not self._is_mark("^^"):
            return Literal(text)
        self._advance()
        datatype = self._term()
        if not isinstance(datatype, Identifier):
            self._fail("a datatype")
        return Literal(text) if datatype == XSD_STRING else Literal(text, datatype)

    def _iri(self, token: str) -> str:
        iri = _unescape(token[1:-1])
        return urljoin(self._base, iri) if self._base else iri

    def _name(self, text: str) -> Identifier:
        prefix, _, local = text.partition(":")
        if prefix not in self.prefixes:
            raise InvalidRequestError(f"{self._place()}: the prefix {prefix!r} is not declared", field=text)
        if "\\" in local:
            local = re.sub(r"\\(.)", r"\1", local)
        return Identifier(self.prefixes[prefix] + local)

    def _is_mark(self, mark: str) -> bool:
        return self._current[1] == mark and self._current[0] == "mark"

    def _mark(self, mark: str) -> None:
        if not self._is_mark(mark):
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

    def _scan(self) -> Iterator[tuple[str, str, int]]:
        text, at, end = self._text, 0, len(self._text)
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None:
                raise InvalidRequestError(f"{self._place(at)}: {text[at]!r} does not belong here")
            if found.lastgroup != "space":
                yield str(found.lastgroup), found.group(), at
            at = found.end()

    def _place(self, at: int | None = None) -> str:
        offset = self._current[2] if at is None else at
        before = self._text[:offset] if offset >= 0 else self._text
        return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"

    def _fail(self, wanted: str) -> NoReturn:
        found = repr(self._current[1]) if self._current is not _END else "the end"
        raise InvalidRequestError(f"{self._place()}: {wanted} is wanted, not {found}")


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
        raise InvalidRequestError(f"{found.group()!r} is not an escape of Turtle")
    return _ESCAPES[character]
