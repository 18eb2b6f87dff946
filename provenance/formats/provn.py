"""PROV-N (W3C Recommendation of 30 April 2013), written; :mod:`provenance.formats.provn_reader` reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from provenance.formats.names import Names
from provenance.formats.provn_grammar import LOCAL_ESCAPED, LOCAL_PLAIN, LOCAL_SPECIAL
from provenance.formats.provn_reader import read as read
from provenance.model import ProvDocument
from provenance.statements import Statements
from provenance.values import Identifier, Value
from provenance.vocabulary import KINDS, MENTION, XSD_INT, XSD_STRING

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,8}")
_QUOTED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_TO_QUOTE = re.compile(r'["\\\x00-\x1f\x7f]')
_KEYWORDS = {kind: kind.keyword for kind in KINDS} | {MENTION: "prov:mentionOf"}


def write(document: ProvDocument) -> bytes:
    """Return the document as PROV-N, one statement on a line."""
    writer = _Writer(document.namespaces)
    lines = writer.lines(document, "  ")
    for bundle in document.bundles.values():
        lines.append(f"  bundle {writer.names[bundle.id]}")
        lines += writer.lines(bundle, "    ")
        lines.append("  endBundle")
    head = ["document"]
    if "" in document.namespaces:
        head.append(f"  default <{document.namespaces['']}>")
    head += [f"  prefix {prefix} <{iri}>" for prefix, iri in writer.names.prefixes.items()]
    return "\n".join([*head, "", *lines, "endDocument", ""]).encode()


def _local(text: str) -> str | None:
    """Return a local part as production [54] PN_LOCAL spells it, None if it cannot (PROV-N 3.7.1)."""
    if LOCAL_PLAIN.fullmatch(text):
        return text
    escaped = LOCAL_SPECIAL.sub(r"\\\g<0>", text)
    if escaped[:1] in ("-", "."):
        escaped = "\\" + escaped
    if escaped.endswith("."):
        escaped = escaped[:-1] + "\\."
    return escaped if not escaped or LOCAL_ESCAPED.fullmatch(escaped) else None


class _Writer:
    def __init__(self, namespaces: Mapping[str, str]) -> None:
        self.names = Names(namespaces, _local, missing="-")

    def lines(self, container: Statements, indent: str) -> list[str]:
        """Return the statements as lines."""
        names, value_text = self.names, self._value
        write = names.__getitem__
        heads = {kind: f"{indent}{keyword}(" for kind, keyword in _KEYWORDS.items()}
        lines = []
        for kind, id, arguments, attributes in container.statements:
            text = ", ".join(map(write, arguments))
            if id is not None:
                text = f"{names[id]}{', ' if kind.element else '; '}{text}" if text else names[id]
            if attributes:
                pairs = [f"{names[name]}={value_text(value)}" for name, value in attributes]
                text = f"{text}, [{', '.join(pairs)}]"
            lines.append(f"{heads[kind]}{text})")
        return lines

    def _value(self, value: Value) -> str:
        if isinstance(value, Identifier):
            return f"'{self.names[value]}'"
        text, datatype, language = value
        quoted = f'"{text}"' if text.isalnum() or not _TO_QUOTE.search(text) else f'"{_TO_QUOTE.sub(_quote, text)}"'
        if datatype == XSD_STRING:
            return quoted
        if datatype == XSD_INT and _INTEGER.fullmatch(text):
            return text
        return f"{quoted}@{language}" if language is not None else f"{quoted} %% {self.names[datatype]}"


def _quote(found: re.Match[str]) -> str:
    character = found.group()
    return _QUOTED.get(character) or f"\\u{ord(character):04X}"
