"""What of a record can be searched: records into statements, the same for every search backend."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from catalog.model import Record
from catalog.search.names import (
    DATASET_PROPERTIES,
    INDEX_ENTITIES,
    RESULT,
    Level,
    built_in_names,
    canonical_name,
    fold,
    measure_name,
)
from catalog.search.statements import Statement, from_row, other_form, to_row, whole
from catalog.search.units import comparable
from ontology.errors import InvalidRequestError
from ontology.identifiers import last_part, normalise_doi
from ontology.licences import spdx_licence

__all__ = [
    "SEARCHED",
    "AcquisitionEntry",
    "DatasetEntry",
    "Entry",
    "ParticipantEntry",
    "Statement",
    "bare_doi",
    "built_in",
    "built_in_forms",
    "from_row",
    "of_dataset",
    "project",
    "said_of_dataset",
    "to_row",
    "whole",
]

MAX_LIST: Final = 32
"""Longer lists in sidecars (slice timing, frame tables) are no values that people search by, and left out."""
MAX_DEPTH: Final = 4
MAX_TEXT: Final = 4_000


@dataclass(frozen=True, slots=True)
class ParticipantEntry:
    """A participant as search knows it."""

    id: str
    label: str
    dataset: str | None
    statements: frozenset[Statement]


@dataclass(frozen=True, slots=True)
class AcquisitionEntry:
    """An acquisition as search knows it, or a result that is no image, which alone has a ``result``."""

    id: str
    label: str
    dataset: str | None
    participant: str | None
    statements: frozenset[Statement]


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """A dataset as search knows it: its names, and what it says that its records share."""

    id: str
    label: str
    title: str | None = None
    statements: frozenset[Statement] = frozenset()


Entry = ParticipantEntry | AcquisitionEntry | DatasetEntry

_OWN: Final = frozenset({"suffix", "datatype", "session", "derived"})
_INDEX: Final = re.compile(r"[0-9]{1,15}")

SEARCHED: Final = frozenset({"Dataset", "Participant", "Acquisition", "Entity"})


def project(record: Record) -> Entry:
    """Return the searchable side of a live record of a searched type.

    Raises:
        ValueError: The record is of another type.
    """
    document = record.document
    label = _clean(document.get("label") or last_part(record.id))
    dataset = record.dataset
    if record.type == "Participant":
        return ParticipantEntry(record.id, label, dataset, frozenset(_participant(document)))
    if record.type in ("Acquisition", "Entity"):
        said = frozenset(_acquisition(document) if record.type == "Acquisition" else _result(document))
        return AcquisitionEntry(record.id, label, dataset, document.get("participant"), said)
    if record.type == "Dataset":
        title = document.get("title")
        said = frozenset(_dataset(document))
        return DatasetEntry(record.id, label, _clean(title) if isinstance(title, str) else None, said)
    raise ValueError(f"records of type {record.type} are not searched")


def built_in(name: str, *, id: str, label: str) -> Statement:
    """Return ``id`` or ``label`` of a record as a statement."""
    if name == "id":
        return Statement("id", "text", text=id, original=last_part(id))
    return Statement("label", "text", text=label, original=other_form(label, "sub-"))


def of_dataset(name: str, dataset: DatasetEntry) -> tuple[Statement, ...]:
    """Return what a record has from its dataset: one of :data:`catalog.search.names.OF_DATASET`."""
    if name == "dataset":
        iri, label, title = dataset.id, dataset.label, dataset.title
        return (Statement(name, "text", text=iri, label=label, original=last_part(iri), source=title),)
    return tuple(sorted((s for s in dataset.statements if s.name == name), key=repr))


def said_of_dataset(level: Level, dataset: DatasetEntry | None) -> dict[str, tuple[Statement, ...]]:
    """Return all that a record of a level has from its dataset, by name; nothing where that is not visible."""
    names = [name for name, levels in DATASET_PROPERTIES.items() if level in levels]
    return {name: of_dataset(name, dataset) if dataset else () for name in names}


def built_in_forms(statement: Statement) -> frozenset[str]:
    """Return the folded texts that equal a built-in value; a dataset also answers to its title."""
    title = statement.source if statement.name == "dataset" else None
    return statement.forms() | ({fold(title)} if title else frozenset())


def _dataset(document: Mapping[str, Any]) -> Iterator[Statement]:
    """Yield what a dataset says that its records share."""
    for member in ("title", "description", "access_rights"):
        yield from _plain("dataset." + member, document.get(member))
    for word in _list(document.get("keywords")):
        if isinstance(word, Mapping):
            yield from _said("dataset.keyword", {"value": word.get("label"), **word}, None)
        else:
            yield from _plain("dataset.keyword", word)
    for value in _list(document.get("data_use")):
        if isinstance(value, Mapping):
            yield from _said("dataset.data_use", value, None)
    yield from _licence(_text(document.get("license")), _text(document.get("license_id")))
    for doi in (document.get("doi"), *_list(document.get("published_as"))):
        if isinstance(doi, str) and doi.strip():
            yield Statement("dataset.doi", "text", text=bare_doi(doi)[:MAX_TEXT])
    yield from _generated_by(document)


def _generated_by(document: Mapping[str, Any]) -> Iterator[Statement]:
    """Yield name and version of what generated a dataset (BIDS ``GeneratedBy``)."""
    for item in _list(document.get("generated_by")):
        name = _text(item.get("Name")) if isinstance(item, Mapping) else None
        if name:
            yield Statement("pipeline", "text", text=name)
            version = _text(str(item.get("Version") or ""))
            if version:
                yield Statement("pipeline_version", "text", text=version)


def _licence(said: str | None, spdx: str | None) -> Iterator[Statement]:
    """Yield the licence: its SPDX identifier where it has one, with its name and the text found in the source."""
    licence = spdx_licence(spdx or said or "")
    known = spdx or (licence.spdx if licence else None)
    if known or said:
        name = licence.name if licence else None
        yield Statement("dataset.license", "text", text=known or said, label=name, original=said)


def bare_doi(text: str) -> str:
    """Return a DOI without ``doi:`` or the address of its resolver; a text that is none as it stands."""
    try:
        return normalise_doi(_clean(text))
    except InvalidRequestError:
        return _clean(text).strip()


def _participant(document: Mapping[str, Any]) -> Iterator[Statement]:
    yield from _values(document.get("properties"), Level.PARTICIPANT, None)
    for session in _list(document.get("sessions")):
        if isinstance(session, Mapping):
            label = session.get("label")
            if isinstance(label, str):
                yield from _plain("session", label)
            yield from _values(session.get("properties"), Level.PARTICIPANT, label)


def _acquisition(document: Mapping[str, Any]) -> Iterator[Statement]:
    """Yield what an acquisition says; a property that was mapped to terms beats a field of the same name."""
    mapped = list(_values(document.get("properties"), Level.ACQUISITION, None))
    yield from mapped
    measures = document.get("measures")
    for key, values in measures.items() if isinstance(measures, Mapping) else ():
        for value in _list(values):
            if isinstance(value, Mapping):
                yield from _said(measure_name(str(key)), value, None)
    taken = {statement.name for statement in mapped} | built_in_names(Level.ACQUISITION) | {RESULT}
    for name in _OWN:
        if name not in taken:
            yield from _plain(name, document.get(name))
    taken |= _OWN
    entities = document.get("bids_entities")
    for key, value in entities.items() if isinstance(entities, Mapping) else ():
        name = canonical_name(str(key), Level.ACQUISITION)
        if name not in taken and name not in ("sub", "subject"):
            yield from _entity(name, value)
    metadata = document.get("metadata")
    if isinstance(metadata, Mapping):
        yield from _fields(metadata, "", taken, 0)


def _result(document: Mapping[str, Any]) -> Iterator[Statement]:
    """Yield what a result that is no image says: what an image would, and the kind of its file."""
    files = _list(document.get("files"))
    path = files[0].get("path") if files and isinstance(files[0], Mapping) else None
    _, dot, ending = str(path).rpartition("/")[2].casefold().removesuffix(".gz").rpartition(".")
    yield Statement(RESULT, "text", text=_text(ending) or "file" if dot else "file")
    yield from _acquisition({**document, "derived": True})


def _values(properties: Any, level: Level, session: str | None) -> Iterator[Statement]:
    for key, values in properties.items() if isinstance(properties, Mapping) else ():
        name = canonical_name(str(key), level)
        if name in built_in_names(level) or (name == RESULT and level is Level.ACQUISITION):
            continue
        for value in _list(values):
            if isinstance(value, Mapping):
                yield from _said(name, value, session)


def _entity(name: str, value: Any) -> Iterable[Statement]:
    if name in INDEX_ENTITIES and isinstance(value, str) and _INDEX.fullmatch(value):
        return _said(name, {"value": int(value), "original": value}, None)
    return _plain(name, value)


def _fields(fields: Mapping[str, Any], prefix: str, taken: Collection[str], depth: int) -> Iterator[Statement]:
    """Yield the scalars of a sidecar; an object's fields are named ``parent.field``."""
    for key, value in fields.items():
        name = prefix + canonical_name(str(key), Level.ACQUISITION)
        if name in taken:
            continue
        if not isinstance(value, (list, Mapping)):
            yield from _plain(name, value, "sidecar")
            continue
        items = value if isinstance(value, list) else [value]
        for item in _flat(items) if len(items) <= MAX_LIST else ():
            if not isinstance(item, Mapping):
                yield from _plain(name, item, "sidecar")
            elif depth < MAX_DEPTH:
                yield from _fields(item, name + ".", taken, depth + 1)


def _flat(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, list):
            yield from (inner for inner in item[:MAX_LIST] if not isinstance(inner, list))
        else:
            yield item


def _plain(name: str, value: Any, source: str | None = None) -> tuple[Statement, ...]:
    """Return the statement of a bare value, or nothing where it is missing."""
    return _kept(name, value, source) if isinstance(value, (str, int, float)) else ()


@lru_cache(maxsize=50_000, typed=True)
def _kept(name: str, value: str | int | float, source: str | None) -> tuple[Statement, ...]:
    """Return the statement of a bare value; sidecars repeat themselves, so it is kept."""
    return tuple(_said(name, {"value": value, "source": source}, None))


def _said(name: str, said: Mapping[str, Any], session: str | None) -> Iterator[Statement]:
    """Yield the statement of a value of ``docs/reference/records.md``, or nothing where it is missing."""
    term = _text(said.get("term"))
    kind, text, number = _typed(said.get("value"))
    if kind is None and term is None:
        return
    unit = _text(said.get("unit"))
    yield Statement(
        name,
        kind or "term",
        text=text,
        number=comparable(name, number, unit) if kind == "number" and number is not None else number,
        unit=unit,
        term=term,
        label=_text(said.get("label")),
        original=_text(said.get("original")),
        source=_text(said.get("source")),
        session=_text(said.get("session")) or _text(session),
    )


def _typed(value: Any) -> tuple[str | None, str | None, float | None]:
    """Return kind, text and number of a JSON value; (None, None, None) where there is none."""
    if isinstance(value, bool):
        return "boolean", None, float(value)
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return "number", None, number + 0.0  # no negative zero
        return "text", str(value)[:MAX_TEXT], None
    if isinstance(value, str) and value.strip():
        return "text", _clean(value)[:MAX_TEXT], None
    return None, None, None


def _text(value: Any) -> str | None:
    return _clean(value)[:MAX_TEXT] if isinstance(value, str) and value.strip() else None


def _clean(text: Any) -> str:
    """Return a text that can be stored: half a surrogate pair becomes a question mark."""
    return str(text).encode("utf-8", "replace").decode()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
