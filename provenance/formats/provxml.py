"""PROV-XML (W3C Working Group Note of 30 April 2013), written; :mod:`provenance.formats.provxml_reader` reads it."""

from __future__ import annotations

import re

from ontology.errors import NotAcceptableError
from provenance.formats.names import Memo
from provenance.formats.provxml_names import XSD_NAMESPACE, XSI_NAMESPACE, QNames
from provenance.formats.provxml_reader import read as read
from provenance.formats.provxml_terms import ELEMENT_OF
from provenance.model import ProvDocument
from provenance.statements import Pair, Statement, Statements
from provenance.values import Identifier, Literal, Value
from provenance.vocabulary import KINDS, PROV, RESERVED, TIMES, TYPE, XSD_STRING

_HEAD = f'xmlns:prov="{PROV}" xmlns:xsd="{XSD_NAMESPACE}" xmlns:xsi="{XSI_NAMESPACE}"'
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TO_ESCAPE = re.compile('[&<>"\r]')
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
_ARGUMENTS = {kind: tuple((f"prov:{name}", name in TIMES) for name in kind.arguments) for kind in KINDS}


def write(document: ProvDocument) -> bytes:
    """Return the document as PROV-XML.

    Names and texts are written as the W3C's schema wants them, where XML can: an identifier whose local part is no
    NCName is written all the same (``ex:2026/7``), as others do.

    Raises:
        NotAcceptableError: A text or name has a character that XML 1.0 cannot hold.
    """
    writer = _Writer(QNames(document.namespaces))
    lines = writer.lines(document, "  ")
    for bundle in document.bundles.values():
        lines.append(f"  <prov:bundleContent prov:id={writer.quoted[bundle.id]}>")
        lines += writer.lines(bundle, "    ")
        lines.append("  </prov:bundleContent>")
    spaces = [f'xmlns:{prefix}="{_escape(iri)}"' for prefix, iri in writer.names.prefixes.items()]
    head = "\n  ".join([f"<prov:document {_HEAD}", *spaces])
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', f"{head}>", *lines, "</prov:document>", ""]).encode()


def _escape(text: str) -> str:
    """Return character data (XML 1.0, 2.4); a bare carriage return would be read as a line feed (2.11)."""
    found = _NO_CHARACTER.search(text)
    if found is not None:
        raise NotAcceptableError(
            f"XML 1.0 cannot hold the character U+{ord(found.group()):04X}",
            field="format",
            next_step="Ask for another format, such as json.",
        )
    return _TO_ESCAPE.sub(lambda one: _ESCAPED[one.group()], text)


class _Writer:
    def __init__(self, names: QNames) -> None:
        self.names = names
        self.quoted = Memo(self._quote)
        self._pairs = Memo(self._pair)
        self._tails = Memo(self._tail)

    def lines(self, container: Statements, indent: str) -> list[str]:
        """Return one line for each statement."""
        return [indent + self._statement(statement) for statement in container.statements]

    def _statement(self, statement: Statement) -> str:
        kind, id, arguments, attributes = statement
        element, attributes = _element(statement, attributes)
        parts = [f"<prov:{element}" + (">" if id is None else f" prov:id={self.quoted[id]}>")]
        quoted = self.quoted
        for (tag, is_time), given in zip(_ARGUMENTS[kind], arguments, strict=True):
            if given is not None:
                parts.append(f"<{tag}>{given}</{tag}>" if is_time else f"<{tag} prov:ref={quoted[given]}/>")
        if attributes:
            # The schema wants those of PROV first, by name; their order among themselves is that of the pairs.
            pairs = self._pairs
            parts += [pairs[pair] for pair in attributes if pair[0] in RESERVED]
            parts += [pairs[pair] for pair in attributes if pair[0] not in RESERVED]
        parts.append(f"</prov:{element}>")
        return "".join(parts)

    def _quote(self, iri: str) -> str:
        return f'"{_escape(self.names[iri])}"'

    def _pair(self, pair: Pair) -> str:
        name, value = pair
        tag = self.names.element(name)
        return f"<{tag}{self._value(value)}</{tag}>"

    def _value(self, value: Value) -> str:
        """Return what follows the name of an element: its XML attributes and its text."""
        if isinstance(value, Identifier):
            return f' xsi:type="xsd:QName">{_escape(self.names[value])}'
        text, datatype, language = value
        if language is not None:
            return f' xml:lang="{language}">{_escape(text)}'
        return self._tails[datatype] + _escape(text)

    def _tail(self, datatype: str) -> str:
        return ">" if datatype == XSD_STRING else f" xsi:type={self.quoted[datatype]}>"


def _element(statement: Statement, attributes: tuple[Pair, ...]) -> tuple[str, tuple[Pair, ...]]:
    """Return the element of a statement; a special one (``prov:plan``) says one of its types by its name."""
    for pair in attributes:
        if pair[0] == TYPE and not isinstance(pair[1], Literal):
            special = ELEMENT_OF.get((statement.kind, pair[1]))
            if special is not None:
                return special, tuple(one for one in attributes if one != pair)
    return statement.kind.keyword, attributes
