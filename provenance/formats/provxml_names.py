"""IRIs as names of XML: an ``xs:QName`` for an identifier, a tag for an attribute.

The local part of such a name is an NCName: it begins with a letter or underscore and has no punctuation but ``-``,
``_`` and ``.`` (Namespaces in XML 1.0, production 4). An IRI is cut where that holds, which may be within what looks
like one word: ``urn:uuid:7aa4...`` is ``urn:uuid:7`` and ``aa4...``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from provenance.vocabulary import PROV, XSD

XSD_NAMESPACE = "http://www.w3.org/2001/XMLSchema"
"""The namespace of XML Schema, which has no ``#`` in XML and has one in RDF and in PROV-DM."""
XSI_NAMESPACE = "http://www.w3.org/2001/XMLSchema-instance"
XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"

_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME = f"{_START}\\-.0-9\u00b7\u0300-\u036f\u203f-\u2040"
NCNAME = re.compile(f"[{_START}][{_NAME}]*")
"""Production 4 of Namespaces in XML 1.0, with the characters of XML 1.0, fifth edition."""
_LAST_NAME = re.compile(f"[{_START}][{_NAME}]*\\Z")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_BOUNDARY = re.compile(r".*[#/:;?=&,]", re.DOTALL)
_LOOKS_ESCAPED = re.compile(r"_x(?:[0-9A-F]{4}){1,2}_")
_RESERVED_PREFIXES = frozenset({"prov", "xsd", "xsi"})
_RESERVED_NAMESPACES = frozenset({XSD_NAMESPACE, XSI_NAMESPACE, XML_NAMESPACE, "http://www.w3.org/2000/xmlns/"})


class QNames(dict[str, str]):
    """A memo from IRI to qualified name; looking an IRI up writes it, and may make a prefix.

    Args:
        namespaces: The document's prefixes. Those that XML keeps for itself are not used.

    Attributes:
        prefixes: All prefixes to be declared but ``prov``, ``xsd`` and ``xsi``.
    """

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        super().__init__()
        self.prefixes = {
            prefix: iri
            for prefix, iri in namespaces.items()
            if _PREFIX.fullmatch(prefix)
            and not prefix.lower().startswith("xml")
            and prefix not in _RESERVED_PREFIXES
            and iri not in _RESERVED_NAMESPACES
        }
        self._by_iri = {iri: prefix for prefix, iri in self.prefixes.items()} | {PROV: "prov", XSD: "xsd"}
        self._declared = sorted(self._by_iri, key=len, reverse=True)
        self._made = 0

    def __missing__(self, iri: str) -> str:
        namespace, local = self._split(iri)
        text = self[iri] = f"{self._prefix(namespace)}:{local}"
        return text

    def element(self, iri: str) -> str:
        """Return an IRI as a tag; characters that a tag cannot have are escaped (``_x0020_``)."""
        namespace, local = self._split(iri)
        if not local:
            namespace, local = iri[:-1], iri[-1]
        return f"{self._prefix(namespace)}:{escape_name(local)}"

    def _split(self, iri: str) -> tuple[str, str]:
        """Return namespace and local part: an NCName where one can be had."""
        for namespace in self._declared:
            if iri.startswith(namespace) and NCNAME.fullmatch(iri, len(namespace)):
                return namespace, iri[len(namespace) :]
        found = _LAST_NAME.search(iri)
        if found is not None and found.start() > iri.index(":"):
            return iri[: found.start()], found.group()
        for namespace in self._declared:
            if iri.startswith(namespace):
                return namespace, iri[len(namespace) :]
        boundary = _BOUNDARY.match(iri)
        cut = boundary.end() if boundary else iri.index(":") + 1
        return iri[:cut], iri[cut:]

    def _prefix(self, namespace: str) -> str:
        prefix = self._by_iri.get(namespace)
        if prefix is None:
            while prefix is None or prefix in self.prefixes:
                self._made += 1
                prefix = f"ns{self._made}"
            self.prefixes[prefix] = namespace
            self._by_iri[namespace] = prefix
        return prefix


def escape_name(local: str) -> str:
    """Return a local part as an NCName: what cannot stand in one as ``_xHHHH_``, and so what looks like that.

    The library ``prov`` reads and writes tags in the same way.
    """
    if NCNAME.fullmatch(local) and not _LOOKS_ESCAPED.search(local):
        return local
    parts = []
    for index, character in enumerate(local):
        if character == "_" and _LOOKS_ESCAPED.match(local, index):
            parts.append("_x005F_")
        elif NCNAME.fullmatch(character if index == 0 else f"a{character}"):
            parts.append(character)
        else:
            code = ord(character)
            parts.append(f"_x{code:04X}_" if code <= 0xFFFF else f"_x{code:08X}_")
    return "".join(parts)


def unescape_name(local: str) -> str:
    """Undo :func:`escape_name`; what is no code of a character stays as it stands."""
    return _LOOKS_ESCAPED.sub(_unescaped, local) if "_x" in local else local


def _unescaped(found: re.Match[str]) -> str:
    code = int(found.group()[2:-1], 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else found.group()
