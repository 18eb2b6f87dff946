"""OBO flat files (OBO Flat File Format 1.2 and 1.4), read leniently enough for files as they are published.

Own parser, because the strict ones (fastobo, and pronto above it) refuse whole releases for one unescaped
character in a cross-reference: the Disease Ontology of 2016-08-12 is such a file. Only ``[Term]`` stanzas
become terms; relations and instances are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ontology.curies import OBO, expand, is_iri
from ontology.errors import InvalidRequestError
from ontology.readers.vocabulary import EXACT, Definition, Vocabulary

_STANZA = re.compile(r"\[([A-Za-z][\w-]*)\]\s*(?:!.*)?")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "W": " ", "t": "\t"}
_COMMENT = re.compile(r"\s+!(?:\s.*)?$")
_MODIFIERS = re.compile(r"\s*(?<!\\)\{[^{}]*\}\s*$")
_SCOPES = {"EXACT", "NARROW", "BROAD", "RELATED"}
Tags = dict[str, list[tuple[str, int]]]


def read(data: bytes, *, name: str) -> Vocabulary:
    """Read an OBO file.

    Raises:
        InvalidRequestError: Not UTF-8, or a line that is not OBO; the detail names the line.
    """
    stanzas = _stanzas(_decode(data))
    _, header, _ = next(stanzas)
    ontology = _first(header, "ontology") or name
    document = _Document(ontology, _id_spaces(header))
    for kind, tags, line in stanzas:
        if kind == "Term":
            document.add(tags, line)
    return Vocabulary(
        name=ontology.rsplit("/", 1)[-1].lower(),
        version=_first(header, "data-version"),
        format="obo",
        definitions=document.finish(),
        prefixes=document.prefixes,
        problems=tuple(document.problems),
    )


class _Document:
    """Collects the terms of one file."""

    def __init__(self, ontology: str, prefixes: dict[str, str]) -> None:
        self.ontology = ontology
        self.prefixes = prefixes
        self.problems: list[str] = []
        self._terms: dict[str, Definition] = {}
        self._merged_into: dict[str, str] = {}

    def iri(self, identifier: str) -> str:
        """Return the IRI of an OBO identifier (OBO 1.4, section 5.9)."""
        found = expand(identifier, self.prefixes)
        return found or f"{OBO}{self.ontology}#{identifier}"

    def iris(self, tags: Tags, tag: str) -> list[str]:
        """Return the IRIs that are the values of ``tag``."""
        return [self.iri(_plain(value).split()[0]) for value, _ in tags.get(tag, ()) if _plain(value)]

    def add(self, tags: Tags, line: int) -> None:
        """Add the stanza that starts at ``line``."""
        identifier = _first(tags, "id")
        if not identifier:
            raise _broken(line, "a [Term] without an id")
        iri = self.iri(identifier)
        if iri in self._terms:
            self.problems.append(f"line {line}: {identifier} is defined again; the first definition is kept")
            return
        alternatives = tuple(_plain(value) for value, _ in tags.get("alt_id", ()))
        for alternative in alternatives:
            self._merged_into.setdefault(self.iri(alternative), iri)
        label = _first(tags, "name")
        if label is None:
            self.problems.append(f"line {line}: {identifier} has no name")
        replaced = self.iris(tags, "replaced_by")
        self._terms[iri] = Definition(
            iri=iri,
            label=label,
            synonyms=tuple(_synonyms(tags)),
            parents=tuple(self._parents(tags)),
            definition=_definition(tags),
            xrefs=tuple(_xrefs(tags)),
            alternatives=alternatives,
            deprecated=_first(tags, "is_obsolete") == "true",
            replaced_by=replaced[0] if replaced else None,
            consider=tuple(self.iris(tags, "consider")),
        )

    def _parents(self, tags: Tags) -> Iterator[str]:
        yield from self.iris(tags, "is_a")
        for value, _ in tags.get("intersection_of", ()):
            parts = _plain(value).split()
            if len(parts) == 1:  # the genus: what is defined as "A and ..." is an A
                yield self.iri(parts[0])

    def finish(self) -> tuple[Definition, ...]:
        """Return all terms; a given-up term that was merged into another points to it."""
        return tuple(
            _replaced(term, self._merged_into[iri])
            if term.deprecated and term.replaced_by is None and iri in self._merged_into
            else term
            for iri, term in self._terms.items()
        )


def _replaced(term: Definition, by: str) -> Definition:
    import dataclasses

    return dataclasses.replace(term, replaced_by=by)


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _broken(line, "not UTF-8") from error


def _broken(line: int, what: str) -> InvalidRequestError:
    return InvalidRequestError(f"line {line}: {what}", field="source", params={"line": line})


def _stanzas(text: str) -> Iterator[tuple[str, Tags, int]]:
    """Yield the header (kind ``""``), then each stanza with its tags and first line."""
    kind, start = "", 1
    tags: Tags = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("!"):
            continue
        if line.startswith("["):
            found = _STANZA.fullmatch(line)
            if found is None:
                raise _broken(number, "a stanza that does not end")
            yield kind, tags, start
            kind, tags, start = found.group(1), {}, number
            continue
        tag, colon, value = line.partition(":")
        if not colon or " " in tag:
            raise _broken(number, "neither a stanza nor 'tag: value'")
        tags.setdefault(tag, []).append((value.strip(), number))
    yield kind, tags, start


def _id_spaces(header: Tags) -> dict[str, str]:
    spaces = {}
    for value, _ in header.get("idspace", ()):
        parts = value.split()
        if len(parts) >= 2 and is_iri(parts[1]):
            spaces[parts[0]] = parts[1]
    return spaces


def _first(tags: Tags, tag: str) -> str | None:
    values = tags.get(tag)
    return (_plain(values[0][0]) or None) if values else None


def _plain(value: str) -> str:
    """Return an unquoted value without its trailing comment and modifiers, escapes undone."""
    if "!" in value:
        value = _COMMENT.sub("", value)
    if value.endswith("}"):
        value = _MODIFIERS.sub("", value)
    return _unescape(value.strip())


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found.group(1), found.group(1)), text)


def _quoted(value: str, line: int) -> tuple[str, str]:
    """Return the quoted text at the start of ``value``, and what follows it."""
    found = _QUOTED.match(value)
    if found is None:
        raise _broken(line, "a quoted text that does not end")
    return " ".join(_unescape(found.group(1)).split()), value[found.end() :]


def _synonyms(tags: Tags) -> Iterator[tuple[str, str]]:
    for value, line in tags.get("synonym", ()):
        text, rest = _quoted(value, line)
        scope = rest.split(None, 1)[0] if rest and not rest.startswith("[") else "RELATED"
        yield text, (scope if scope in _SCOPES else "RELATED").lower()
    for tag, scope in (("exact_synonym", EXACT), ("narrow_synonym", "narrow"), ("broad_synonym", "broad")):
        for value, line in tags.get(tag, ()):  # OBO 1.0
            yield _quoted(value, line)[0], scope


def _definition(tags: Tags) -> str | None:
    for value, line in tags.get("def", ()):
        return _quoted(value, line)[0] or None
    return None


def _xrefs(tags: Tags) -> Iterator[str]:
    for tag in ("xref", "xref_analog"):
        for value, _ in tags.get(tag, ()):
            text = value.split(' "', 1)[0]
            yield _plain(text)
