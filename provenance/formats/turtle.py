"""PROV-O in Turtle and TriG (RDF 1.1), written; :mod:`provenance.formats.turtle_reader` reads both.

Each relation is said by its binary property, and also by a qualified node when it carries more than its two
ends. TriG is Turtle with a named graph for each bundle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ontology.errors import NotAcceptableError
from provenance import vocabulary as v
from provenance.formats.names import Memo, Names
from provenance.formats.prov_o import AS_IN_BUNDLE, ATTRIBUTES, ELEMENT_TIMES, RELATIONS, SUBTYPES
from provenance.formats.turtle_reader import read as read
from provenance.model import ProvDocument
from provenance.statements import Pair, Statement, Statements
from provenance.values import Identifier, Value
from provenance.vocabulary import MENTION, RDF, RDFS, TIMES, TYPE, XSD_STRING, Kind

_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_-])?")
_QUOTED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TO_QUOTE = re.compile(r'["\\\x00-\x1f\x7f]')
_BREAK = " ;\n    "


def write_turtle(document: ProvDocument) -> bytes:
    """Return the document as Turtle.

    Raises:
        NotAcceptableError: The document has bundles, which need named graphs, or says what PROV-O cannot.
    """
    if document.bundles:
        raise NotAcceptableError(
            "Turtle has no named graphs, so it cannot hold the bundles of this document",
            next_step="Ask for TriG (application/trig).",
        )
    return write_trig(document)


def write_trig(document: ProvDocument) -> bytes:
    """Return the document as TriG: Turtle, and a named graph for each bundle.

    Raises:
        NotAcceptableError: The document says what PROV-O cannot: two relations of one identifier, or two
            mentions of one entity.
    """
    terms = _Terms(document.namespaces)
    blocks = _Graph(terms).blocks(document)
    for bundle in document.bundles.values():
        inner = "\n".join(_Graph(terms).blocks(bundle))
        blocks.append(f"{terms[bundle.id]} {{\n{inner}\n}}" if inner else f"{terms[bundle.id]} {{ }}")
    prefixes = {**v.BUILT_IN, "rdfs": RDFS, **terms.prefixes}
    head = [f"@prefix {prefix}: <{iri}> ." for prefix, iri in prefixes.items()]
    return "\n".join([*head, "", *blocks, ""]).encode()


class _Terms(dict[str, str]):
    """A memo from IRI to Turtle term: a prefixed name where that is plain, the IRI in brackets otherwise."""

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        super().__init__()
        known = {prefix: iri for prefix, iri in namespaces.items() if prefix != "rdfs"}
        self.prefixes = dict(Names(known, str).prefixes)
        self._by_iri = {iri: prefix for prefix, iri in self.prefixes.items()} | {RDFS: "rdfs"}
        self._by_iri |= {iri: prefix for prefix, iri in v.BUILT_IN.items()}
        self._values = Memo(self._new_value)
        self.pairs = Memo(self._new_pair)

    def __missing__(self, iri: str) -> str:
        cut = max(iri.rfind("#"), iri.rfind("/"), iri.rfind(":"), iri.rfind(";")) + 1
        prefix = self._by_iri.get(iri[:cut])
        plain = prefix is not None and _PLAIN.fullmatch(iri, cut)
        text = self[iri] = f"{prefix}:{iri[cut:]}" if plain else f"<{iri}>"
        return text

    def time(self, time: str) -> str:
        """Return a time as a typed literal."""
        return f'"{time}"^^xsd:dateTime'

    def _new_pair(self, pair: Pair) -> str:
        predicate = ATTRIBUTES.get(pair[0], pair[0])
        return f"{'a' if predicate == RDF + 'type' else self[predicate]} {self._values[pair[1]]}"

    def _new_value(self, value: Value) -> str:
        if isinstance(value, Identifier):
            return self[value]
        text, datatype, language = value
        quoted = f'"{_TO_QUOTE.sub(_quote, text)}"'
        if language is not None:
            return f"{quoted}@{language}"
        return quoted if datatype == XSD_STRING else f"{quoted}^^{self[datatype]}"


def _quote(found: re.Match[str]) -> str:
    character = found.group()
    return _QUOTED.get(character) or f"\\u{ord(character):04X}"


class _Graph:
    """One graph: the document's own statements, or those of a bundle, gathered by subject."""

    def __init__(self, terms: _Terms) -> None:
        self._terms = terms
        self._subjects: dict[str, list[str]] = {}
        self._qualified: set[tuple[Kind, str | None, str | None]] = set()

    def blocks(self, container: Statements) -> list[str]:
        """Return one block of text for each subject."""
        self._check(container.statements)
        for statement in container.statements:
            if statement.kind.element:
                self._element(statement)
            else:
                self._relation(statement)
        return [f"{subject} {_BREAK.join(dict.fromkeys(said))} ." for subject, said in self._subjects.items()]

    def _check(self, statements: Iterable[Statement]) -> None:
        """Find the pairs that need a qualified node, and what PROV-O cannot say."""
        simple: dict[tuple[Kind, str | None, str | None], Statement] = {}
        named: set[str] = set()
        mentions: set[str | None] = set()
        for statement in statements:
            kind = statement.kind
            if kind is MENTION and statement.arguments[0] in mentions:
                raise NotAcceptableError(f"PROV-O cannot say two mentions of one entity: {statement.arguments[0]}")
            if kind is MENTION:
                mentions.add(statement.arguments[0])
            if kind.element or not kind.described:
                continue
            if statement.id is not None:
                if statement.id in named:
                    raise NotAcceptableError(f"PROV-O cannot say two relations of one identifier: {statement.id}")
                named.add(statement.id)
            pair = (kind, statement.arguments[0], statement.arguments[1])
            if not _is_simple(statement) or simple.setdefault(pair, statement) != statement:
                self._qualified.add(pair)

    def _element(self, statement: Statement) -> None:
        kind = statement.kind
        said = self._subject(str(statement.id))
        said.append(f"a prov:{kind.type}")
        for name, time in zip(kind.arguments, statement.arguments, strict=True):
            if time is not None:
                said.append(f"{self._terms[ELEMENT_TIMES[name]]} {self._terms.time(time)}")
        pairs = self._terms.pairs
        said += [pairs[pair] for pair in statement.attributes]

    def _relation(self, statement: Statement) -> None:
        kind, id, arguments, attributes = statement
        mapping = RELATIONS[kind]
        said = self._subject(str(arguments[0]))
        subtypes = [str(value) for name, value in attributes if name == TYPE and value in SUBTYPES]
        if arguments[1] is not None:
            target = self._terms[arguments[1]]
            if kind is v.DERIVATION:
                said += [f"{self._terms[SUBTYPES[one][0]]} {target}" for one in subtypes]
            said.append(f"{self._terms[mapping.binary]} {target}")
        if kind is MENTION:
            said.append(f"{self._terms[AS_IN_BUNDLE]} {self._terms[str(arguments[2])]}")
        if mapping.qualified is None or (kind, arguments[0], arguments[1]) not in self._qualified:
            return
        one_subtype = kind is v.DERIVATION and len(subtypes) == 1
        link = self._terms[SUBTYPES[subtypes[0]][1] if one_subtype else mapping.qualified]
        node = self._node(statement, f"a prov:{kind.type}" if not one_subtype else "")
        if id is None:
            said.append(f"{link} [ {' ; '.join(node)} ]")
        else:
            said.append(f"{link} {self._terms[id]}")
            self._subject(id).extend(node)

    def _node(self, statement: Statement, typed: str) -> list[str]:
        said = [typed] if typed else []
        properties = RELATIONS[statement.kind].properties
        names = statement.kind.arguments[1:]
        for name, predicate, given in zip(names, properties, statement.arguments[1:], strict=True):
            if given is not None:
                term = self._terms.time(given) if name in TIMES else self._terms[given]
                said.append(f"{self._terms[predicate]} {term}")
        pairs = self._terms.pairs
        return said + [pairs[pair] for pair in statement.attributes]

    def _subject(self, iri: str) -> list[str]:
        return self._subjects.setdefault(self._terms[iri], [])


def _is_simple(statement: Statement) -> bool:
    """Tell whether the binary property says the whole statement."""
    arguments, attributes = statement.arguments, statement.attributes
    if statement.id is not None or arguments[1] is None or any(arguments[2:]):
        return False
    if statement.kind is v.DERIVATION and len(attributes) == 1:
        name, value = attributes[0]
        return name == TYPE and value in SUBTYPES
    return not attributes
