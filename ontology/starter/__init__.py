"""The starter vocabulary: a few hundred terms of our own selection, so that a small laboratory needs no other.

Each ``*.tsv`` has the columns ``term`` (CURIE), ``label``, ``parents``, ``synonyms`` and ``xrefs``, lists
separated by ``|``. Identifiers and labels are facts taken from the vocabularies that define them; what no
vocabulary names, or not under an identifier that we are sure of, is in our own namespace (``sillage:``).
"""

from __future__ import annotations

import csv
import hashlib
from functools import cache
from pathlib import Path

from ontology.curies import expand
from ontology.errors import IntegrityError
from ontology.merging import STARTER
from ontology.readers.vocabulary import EXACT, Definition, Vocabulary

_FOLDER = Path(__file__).parent
_COLUMNS = ["term", "label", "parents", "synonyms", "xrefs"]


def _files() -> list[Path]:
    return sorted(_FOLDER.glob("*.tsv"))


@cache
def starter_digest() -> str:
    """Return the SHA-256 in hex of the starter vocabulary's files."""
    digest = hashlib.sha256()
    for path in _files():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def read_starter() -> Vocabulary:
    """Return the starter vocabulary.

    Raises:
        IntegrityError: A file of the installation is damaged.
    """
    definitions: dict[str, Definition] = {}
    for path in _files():
        with path.open(encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            if next(rows, None) != _COLUMNS:
                raise IntegrityError(f"the starter vocabulary's {path.name} has lost its header")
            for row in rows:
                definition = _definition(row, f"{path.name}, line {rows.line_num}")
                if definition.iri in definitions:
                    raise IntegrityError(f"{path.name}, line {rows.line_num}: {row[0]} is there twice")
                definitions[definition.iri] = definition
    version = starter_digest()[:12]
    return Vocabulary(name=STARTER, version=version, format="tsv", definitions=tuple(definitions.values()))


def _definition(row: list[str], where: str) -> Definition:
    if len(row) != len(_COLUMNS):
        raise IntegrityError(f"starter vocabulary, {where}: {len(row)} columns instead of {len(_COLUMNS)}")
    term, label, parents, synonyms, xrefs = (cell.split("|") if cell else [] for cell in row)
    return Definition(
        iri=_iri(term[0], where),
        label=label[0],
        parents=tuple(_iri(parent, where) for parent in parents),
        synonyms=tuple((synonym, EXACT) for synonym in synonyms),
        xrefs=tuple(xrefs),
    )


def _iri(curie: str, where: str) -> str:
    iri = expand(curie)
    if iri is None:
        raise IntegrityError(f"starter vocabulary, {where}: {curie!r} is not a CURIE")
    return iri
