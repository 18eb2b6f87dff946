"""From RDF triples in PROV-O back to statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ontology.errors import InvalidRequestError
from provenance import vocabulary as v
from provenance.formats.prov_o import (
    AS_IN_BUNDLE,
    ATTRIBUTES,
    ELEMENT_CLASSES,
    ELEMENT_TIMES,
    INSTANTS,
    INVERSES,
    RELATIONS,
    SUBTYPES,
)
from provenance.statements import Statement, Statements
from provenance.values import Identifier, Literal, Value, normal_time
from provenance.vocabulary import PROV, RDF, TIMES, TYPE, Kind


class Blank(str):
    """A blank node, by its label in the file."""

    __slots__ = ()


Term = Identifier | Blank | Literal


class Triple(NamedTuple):
    """One RDF triple."""

    subject: Term
    predicate: Identifier
    object: Term


Graph = list[Triple]

_RDF_TYPE = RDF + "type"
_NAMES = {predicate: Identifier(name) for name, predicate in ATTRIBUTES.items()}
_BINARY = {mapping.binary: kind for kind, mapping in RELATIONS.items()}
_BINARY_SUBTYPES = {binary: subtype for subtype, (binary, _) in SUBTYPES.items()}
_QUALIFIED = {mapping.qualified: kind for kind, mapping in RELATIONS.items() if mapping.qualified}
_QUALIFIED_SUBTYPES = {qualified: subtype for subtype, (_, qualified) in SUBTYPES.items()}
_STRUCTURE = {
    *_BINARY,
    *_BINARY_SUBTYPES,
    *_QUALIFIED,
    *_QUALIFIED_SUBTYPES,
    *ELEMENT_TIMES.values(),
    *INVERSES,
    *INSTANTS,
    AS_IN_BUNDLE,
}
_KIND_CLASSES = {f"{PROV}{kind.type}" for kind in v.KINDS}


def read_graph(graph: Graph, container: Statements) -> None:
    """Add what a graph says to a document or bundle.

    Raises:
        InvalidRequestError: The graph describes things that are no PROV, or relates blank nodes.
    """
    _Reader(graph, container).read()


class _Reader:
    def __init__(self, graph: Graph, container: Statements) -> None:
        self._container = container
        self._about: dict[Term, list[Triple]] = {}
        self._inverted: Graph = []
        for triple in graph:
            if triple.predicate in INVERSES:
                # prov:generated and its like say the same from the other end.
                triple = Triple(triple.object, Identifier(INVERSES[triple.predicate]), triple.subject)
            self._about.setdefault(triple.subject, []).append(triple)
        self._nodes: set[Term] = set()
        self._covered: set[tuple[Kind, str | None, str | None]] = set()
        self._instants: set[tuple[Kind, str | None, str | None]] = set()

    def read(self) -> None:
        """Read elements, then relations with nodes, then those without; refuse what is left."""
        for subject in self._about:
            self._read_elements(subject)
        for subject, triples in self._about.items():
            for triple in triples:
                if triple.predicate in _QUALIFIED or triple.predicate in _QUALIFIED_SUBTYPES:
                    self._read_qualified(subject, triple)
        for subject, triples in self._about.items():
            self._read_binaries(subject, triples)
        self._refuse_the_rest()

    def _read_elements(self, subject: Term) -> None:
        triples = self._about[subject]
        classes = {str(t.object) for t in triples if t.predicate == _RDF_TYPE and isinstance(t.object, Identifier)}
        kinds = list(dict.fromkeys(ELEMENT_CLASSES[one] for one in classes if one in ELEMENT_CLASSES))
        for kind in sorted(kinds, key=v.KINDS.index):
            arguments: list[str | None] = [
                self._time(triples, ELEMENT_TIMES[name]) if kind is v.ACTIVITY else None for name in kind.arguments
            ]
            attributes = list(self._attributes(triples))
            self._container.add(Statement(kind, _identifier(subject), arguments, attributes))

    def _read_qualified(self, subject: Term, link: Triple) -> None:
        node = link.object
        if isinstance(node, Literal):
            raise InvalidRequestError(f"{link.predicate} leads to a literal", field=link.predicate)
        subtype = _QUALIFIED_SUBTYPES.get(link.predicate)
        kind = v.DERIVATION if subtype else _QUALIFIED[link.predicate]
        triples = self._about.get(node, [])
        arguments: list[str | None] = [_identifier(subject)]
        for name, predicate in zip(kind.arguments[1:], RELATIONS[kind].properties, strict=True):
            arguments.append(self._time(triples, predicate) if name in TIMES else self._reference(triples, predicate))
        attributes = list(self._attributes(triples, without=RELATIONS[kind].properties))
        if subtype:
            attributes.append((Identifier(TYPE), Identifier(subtype)))
        id = node if isinstance(node, Identifier) else None
        self._container.add(Statement(kind, id, arguments, attributes))
        self._nodes.add(node)
        self._covered.add((kind, arguments[0], arguments[1]))
        if kind in INSTANTS.values():
            self._instants.add((kind, arguments[0], arguments[2]))

    def _read_binaries(self, subject: Term, triples: Sequence[Triple]) -> None:
        subtyped: set[Term] = set()
        for triple in triples:
            subtype = _BINARY_SUBTYPES.get(triple.predicate)
            if subtype and not self._is_covered(v.DERIVATION, triple):
                subtyped.add(triple.object)
                self._relate(v.DERIVATION, triple, [(Identifier(TYPE), Identifier(subtype))])
        for triple in triples:
            kind = _BINARY.get(triple.predicate)
            if kind is None:
                self._read_instant(triple)
            elif kind is v.MENTION:
                bundle = self._reference(triples, AS_IN_BUNDLE)
                pair = [_identifier(subject), _identifier(triple.object)]
                self._container.add(Statement(kind, None, [*pair, bundle]))
            elif not self._is_covered(kind, triple) and not (kind is v.DERIVATION and triple.object in subtyped):
                self._relate(kind, triple, [])

    def _read_instant(self, triple: Triple) -> None:
        kind = INSTANTS.get(triple.predicate)
        if kind is None:
            return
        time = _time_of(triple)
        if (kind, str(triple.subject), time) not in self._instants:
            self._container.add(Statement(kind, None, [_identifier(triple.subject), None, time]))

    def _is_covered(self, kind: Kind, triple: Triple) -> bool:
        return (kind, triple.subject, triple.object) in self._covered

    def _relate(self, kind: Kind, triple: Triple, attributes: list[tuple[Identifier, Value]]) -> None:
        pair = [_identifier(triple.subject), _identifier(triple.object)]
        self._container.add(Statement(kind, None, pair, attributes))

    def _attributes(self, triples: Sequence[Triple], without: Sequence[str] = ()) -> Iterator[tuple[Identifier, Value]]:
        for _, predicate, value in triples:
            if predicate in _STRUCTURE or predicate in without:
                continue
            if isinstance(value, Blank):
                raise InvalidRequestError(f"the value of {predicate} is a blank node", field=predicate)
            if predicate != _RDF_TYPE or value not in _KIND_CLASSES:
                yield _NAMES.get(predicate, predicate), value

    def _reference(self, triples: Sequence[Triple], predicate: str) -> str | None:
        found = {triple.object for triple in triples if triple.predicate == predicate}
        if len(found) > 1:
            raise InvalidRequestError(f"a relation has several values of {predicate}", field=predicate)
        return _identifier(found.pop()) if found else None

    def _time(self, triples: Sequence[Triple], predicate: str) -> str | None:
        found = {_time_of(triple) for triple in triples if triple.predicate == predicate}
        if len(found) > 1:
            raise InvalidRequestError(f"several values of {predicate}", field=predicate)
        return found.pop() if found else None

    def _refuse_the_rest(self) -> None:
        for subject, triples in self._about.items():
            if subject in self._nodes:
                continue
            classes = {t.object for t in triples if t.predicate == _RDF_TYPE}
            if classes & ELEMENT_CLASSES.keys():
                continue
            extra = next((t.predicate for t in triples if t.predicate not in _STRUCTURE), None)
            if extra is not None:
                raise InvalidRequestError(
                    f"{subject} has {extra} but is no entity, activity, agent or relation of PROV", field=str(subject)
                )


def _identifier(term: Term) -> Identifier:
    if not isinstance(term, Identifier):
        what = "a literal" if isinstance(term, Literal) else "a blank node"
        raise InvalidRequestError(f"PROV relates things that have identifiers, and {what} has none")
    return term


def _time_of(triple: Triple) -> str:
    if not isinstance(triple.object, Literal):
        raise InvalidRequestError(f"{triple.predicate} wants a time", field=triple.predicate)
    return normal_time(triple.object.text)
