"""Turtle with SKOS concepts or OWL classes (RDF 1.1 Turtle; SKOS Reference), read with rdflib."""

from __future__ import annotations

from typing import Any

from ontology.errors import InvalidRequestError
from ontology.readers.statements import Statement, interpret
from ontology.readers.vocabulary import Vocabulary

_BASE = "http://relative.invalid/"  # relative IRIs must not take up the working folder of this process


def read(data: bytes, *, name: str) -> Vocabulary:
    """Read a vocabulary in Turtle.

    Raises:
        InvalidRequestError: Not UTF-8, or not Turtle; the detail names the line.
    """
    import rdflib
    from rdflib.plugins.parsers.notation3 import BadSyntax

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidRequestError(f"line {line}: not UTF-8", field="source", params={"line": line}) from error
    graph = rdflib.Graph(bind_namespaces="none")
    try:
        graph.parse(data=text, format="turtle", publicID=_BASE)
    except BadSyntax as error:
        line = error.lines + 1
        raise InvalidRequestError(f"line {line}: {_reason(error)}", field="source", params={"line": line}) from error
    except RecursionError as error:
        raise InvalidRequestError("brackets are nested too deeply", field="source") from error
    except (LookupError, ValueError, TypeError, AssertionError) as error:  # what its parser trips over when text ends
        raise InvalidRequestError("not Turtle: it ends in the middle of a statement", field="source") from error
    prefixes = {prefix: str(namespace) for prefix, namespace in graph.namespaces()}
    statements = sorted(map(_statement, graph), key=lambda s: (*s[:4], s.language or ""))
    return interpret(statements, name=name, format="turtle", prefixes=prefixes)


def _reason(error: Any) -> str:
    return str(getattr(error, "_why", "") or "not Turtle")


def _statement(triple: Any) -> Statement:
    subject, predicate, target = triple
    return Statement(_node(subject), str(predicate), *_object(target))


def _node(node: Any) -> str:
    import rdflib

    return f"_:{node}" if isinstance(node, rdflib.BNode) else str(node)


def _object(node: Any) -> tuple[str, bool, str | None]:
    import rdflib

    if isinstance(node, rdflib.Literal):
        return str(node), True, node.language.lower() if node.language else None
    return _node(node), False, None
