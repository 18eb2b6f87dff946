"""What a data dictionary says about one column (BIDS 1.11, tabular files), and Neurobagel's annotations in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from ontology.curies import expand
from ontology.units import ucum

MISSING: Final = frozenset({"", "n/a", "na", "nan", "null", "#n/a", "<na>"})
"""What stands for a value that is not there; BIDS allows ``n/a`` alone, tables hold the others too."""

_NOTHING: Final = frozenset(
    {
        "n/a",
        "missing",
        "missing value",
        "missing data",
        "data missing",
        "no data",
        "not available",
        "not collected",
        "not recorded",
        "not acquired",
        "not administered",
        "unavailable",
    }
)
"""Meanings of a level that say that there is no value; ``unknown`` and ``refused`` are answers."""

_TEXT_FORMATS: Final = frozenset({"string", "label", "rrid", "uri"})
"""Formats of BIDS 1.11 whose values are texts even where they look like numbers."""

_NUMBER: Final = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?|[+-]?\.\d+")
_EURO: Final = re.compile(r"[+-]?\d+,\d+")
_DURATION: Final = re.compile(r"P(?:(\d+(?:\.\d+)?)Y)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)D)?")
_ANNOTATION_PREFIXES: Final = {
    "snomed": "http://purl.bioontology.org/ontology/SNOMEDCT/",
    "ncit": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl#",
    "nb": "http://neurobagel.org/vocab/",
}


class ColumnRules:
    """The entry of one column in a data dictionary, read once.

    Attributes:
        source: The entry itself.
        levels: Value to what it means, in words.
        missing: Values that stand for nothing.
        unit: UCUM code of its numbers.
        about: IRI of what the column is about: Neurobagel's ``IsAbout``, or ``TermURL``.
        about_label: What the dictionary calls that.
        part_of: IRI of the instrument that the column is an item of (Neurobagel's ``IsPartOf``).
        part_label: What the dictionary calls it.
        long_name: The column's name in words.
        delimiter: What separates several values in one cell.
        is_text: Its values are no numbers, whatever they look like.
        is_duration: Its numbers are written as ISO 8601 durations.
    """

    def __init__(self, source: Mapping[str, Any]) -> None:
        self.source = source
        annotations = _mapping(source.get("Annotations"))
        self.levels: dict[str, str] = {}
        self._urls: dict[str, str] = {}
        self._read_levels(_mapping(source.get("Levels")), "Description")
        self._read_levels(_mapping(annotations.get("Levels")), "Label")
        self.missing = frozenset(
            [*_texts(annotations.get("MissingValues")), *_texts(source.get("MissingValues"))]
            + [value for value, meaning in self.levels.items() if meaning.strip(" .").casefold() in _NOTHING]
        )
        units = source.get("Units")
        self.unit = ucum(units) if isinstance(units, str) else None
        about, part_of = _mapping(annotations.get("IsAbout")), _mapping(annotations.get("IsPartOf"))
        self.about = _url(about) or _url(source)
        self.about_label = _text(about.get("Label"))
        self.part_of, self.part_label = _url(part_of), _text(part_of.get("Label"))
        self.long_name = _text(source.get("LongName"))
        self.delimiter = delimiter if isinstance(delimiter := source.get("Delimiter"), str) and delimiter else None
        self.is_text = _text(source.get("Format")) in _TEXT_FORMATS
        self._format = (_url(_mapping(annotations.get("Format"))) or "").rsplit("/", 1)[-1]
        self.is_duration = self._format == "FromISO8601"

    def _read_levels(self, levels: Mapping[str, Any], word: str) -> None:
        for value, meaning in levels.items():
            if isinstance(meaning, str):
                self.levels.setdefault(str(value), meaning)
                continue
            entry = _mapping(meaning)
            described = entry.get(word) or entry.get("Label") or entry.get("Description")
            if isinstance(described, str):
                self.levels[str(value)] = described
            url = _url(entry)
            if url:
                self._urls[str(value)] = url

    def term_url(self, value: str) -> str | None:
        """Return the IRI that the dictionary gives for a value."""
        return self._urls.get(value)

    def number(self, text: str) -> float | None:
        """Return the number that ``text`` is, in the notation that the dictionary declares."""
        if self.is_text:
            return None
        if self._format == "FromEuro" and _EURO.fullmatch(text):
            return parse_number(text.replace(",", "."))
        if self._format == "FromBounded" and text.endswith("+"):
            return parse_number(text[:-1])
        if self.is_duration:
            return _years(text)
        return parse_number(text)


def parse_number(text: str) -> float | None:
    """Return the number that ``text`` is; None for ``007``, ``1,5``, ``inf``, words, and what no float can hold."""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if isfinite(number) else None


def _years(text: str) -> float | None:
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    years, months, days = (float(part or 0) for part in found.groups())
    return years + months / 12 + days / 365.25


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _text(given: Any) -> str | None:
    return given.strip() or None if isinstance(given, str) else None


def _texts(given: Any) -> list[str]:
    return [str(item) for item in given] if isinstance(given, list) else []


def _url(entry: Mapping[str, Any]) -> str | None:
    url = entry.get("TermURL")
    return expand(url.strip(), _ANNOTATION_PREFIXES) if isinstance(url, str) and url.strip() else None
