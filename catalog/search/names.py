"""Property names: how they are written, which are built in, and which are known before any data is there.

BIDS 1.11 spells columns in snake_case and sidecar fields in CamelCase; queries use one spelling for both.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from ontology.crosswalk_tables import COLUMNS


class Level(StrEnum):
    """Whom a property describes."""

    PARTICIPANT = "participant"
    ACQUISITION = "acquisition"


BUILT_IN: Final = frozenset({"id", "label", "dataset"})
"""Names that every participant and acquisition has, and that no column or field can take over."""

_BOTH: Final = frozenset(Level)
_IMAGES: Final = frozenset({Level.ACQUISITION})

DATASET_PROPERTIES: Final[dict[str, frozenset[Level]]] = {
    "dataset": _BOTH,
    "dataset.title": _BOTH,
    "dataset.description": _BOTH,
    "dataset.keyword": _BOTH,
    "dataset.license": _BOTH,
    "dataset.data_use": _BOTH,
    "dataset.doi": _BOTH,
    "dataset.access_rights": _BOTH,
    "pipeline": _IMAGES,
    "pipeline_version": _IMAGES,
}
"""Names that a record has from its dataset, and of whom they are said."""

OF_DATASET: Final = tuple(DATASET_PROPERTIES)

DATASET_TEXTS: Final = ("dataset.title", "dataset.description", "dataset.keyword")
"""Where full text looks, beside a record's own texts."""

RESULT: Final = "result"
"""What results that are no images have, and images never: the kind of their file (``json``, ``tsv``, ``html``)."""

MEASURE: Final = "measure."
"""How the names of measures begin."""

ALIASES: Final[dict[Level, dict[str, str]]] = {
    Level.PARTICIPANT: {"participant_id": "label"},
    Level.ACQUISITION: {
        "ses": "session",
        "acq": "acquisition",
        "ce": "ceagent",
        "trc": "tracer",
        "rec": "reconstruction",
        "dir": "direction",
        "inv": "inversion",
        "proc": "processing",
        "desc": "description",
        "res": "resolution",
        "den": "density",
        "seg": "segmentation",
        "hemi": "hemisphere",
    },
}
"""Other names of a property: the short form of BIDS entities, and the first column of ``participants.tsv``."""

INDEX_ENTITIES: Final = frozenset({"run", "echo", "flip", "inversion", "split", "chunk"})
"""BIDS entities whose value is an index (a number, perhaps with leading zeros)."""

_HUMPS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHERS: Final = re.compile(r"[^\w.]+")


@lru_cache(maxsize=16_384)
def property_name(raw: str) -> str:
    """Return the one spelling of a property name: ``MagneticFieldStrength`` is ``magnetic_field_strength``."""
    text = unicodedata.normalize("NFKC", raw).strip()
    name = _OTHERS.sub("_", _HUMPS.sub("_", text).casefold()).strip("_")
    return name or "_"


_BUILT_IN_NAMES: Final = {
    level: BUILT_IN.union(name for name, levels in DATASET_PROPERTIES.items() if level in levels) for level in Level
}


def built_in_names(level: Level) -> frozenset[str]:
    """Return the names that every record of a level has."""
    return _BUILT_IN_NAMES[level]


@lru_cache(maxsize=16_384)
def canonical_name(raw: str, level: Level) -> str:
    """Return the name under which a property of this level is indexed, its aliases followed.

    Of participants, the customary names of columns mean what the crosswalk makes of them: ``gender`` is ``sex``.
    """
    name = property_name(raw)
    if level is Level.PARTICIPANT:
        name = COLUMNS.get(name.replace("_", " "), name)
    return ALIASES[level].get(name, name)


@cache
def well_known(level: Level) -> frozenset[str]:
    """Return names that are no mistake even where nothing in the catalogue has a value of them (yet).

    Customary participant columns; BIDS entities by their long name; sidecar fields of the BIDS glossary.
    """
    table = files("catalog.search").joinpath("known_properties.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines()[1:])
    return frozenset(name for of, name in rows if of == level)


ANY: Final = "*"
"""Stands for every property of a record, where its words are looked for."""

MAX_WORD: Final = 100


@lru_cache(maxsize=65_536)
def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, each once: runs of letters and digits, without case, accents or ligatures.

    Unicode NFKD without combining marks, case folded; words are cut at 100 characters. Every backend is given
    these words, so that none has a tokeniser of its own.
    """
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = (c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    return tuple(dict.fromkeys(word[:MAX_WORD] for word in "".join(kept).split()))


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Return the form in which texts are compared: Unicode NFC, case folded, white space collapsed.

    NUL becomes U+FFFD, because many engines take it for the end of a text.
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().replace("\0", "\ufffd").split())


def measure_name(raw: str) -> str:
    """Return the property that ``measure('raw')`` stands for."""
    return MEASURE + property_name(raw)


def asks_results(name: str) -> bool:
    """Tell whether a condition on a property is one on results of pipelines, images or not."""
    return name in ("derived", "pipeline", "pipeline_version", RESULT) or name.startswith(MEASURE)
