"""Which datasets here a dataset says that it was made of (BIDS 1.11, ``SourceDatasets``: DOI, URL, Version).

Only said, never acted on: whether a label means the same person in both is for a steward to tell.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from api.access import Permission, Principal
from api.catalogue import Catalogue
from catalog.cohorts.identity import links_about
from catalog.model import Record
from ontology.errors import InvalidRequestError
from ontology.identifiers import normalise_doi


def named_sources(
    catalogue: Catalogue, principal: Principal, dataset: Record, *, folder: Path | None
) -> list[dict[str, Any]]:
    """Return the datasets here that a dataset names as its sources, each with the command that links their people.

    Left out is what the caller may not read, and a source to which every participant is linked already.

    Args:
        catalogue: The catalogue.
        principal: Who registered it.
        dataset: What was registered.
        folder: Where it was read from, whence relative addresses lead; None where that is not known.
    """
    stated = [each for each in dataset.document.get("source_datasets") or () if isinstance(each, Mapping)]
    if not stated:
        return []
    others = [other for other in catalogue.repository.iterate("Dataset") if other.id != dataset.id]
    here = _Named(catalogue, [other for other in others if principal.may(Permission.READ, other)])
    found: dict[str, dict[str, Any]] = {}
    for said in stated:
        for source, by in here.meant(said, folder):
            found.setdefault(source.id, _told(dataset, source, by, said))
    linked = _linked(catalogue, dataset) if found else {}
    everybody = int((dataset.document.get("counts") or {}).get("participants") or 0)
    told = [{**each, "linked": linked.get(iri, 0)} for iri, each in found.items()]
    return [each for each in told if each["linked"] < everybody]


def source_name(path: Path) -> str:
    """Return the name by which a folder that was copied is known again: a digest, for paths can name people."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()


class _Named:
    """Datasets by what others may call them."""

    def __init__(self, catalogue: Catalogue, datasets: list[Record]) -> None:
        self._by_id = {dataset.id: dataset for dataset in datasets}
        self._by_doi: dict[str, Record] = {}
        self._by_folder: dict[Path, Record] = {}
        for dataset in datasets:
            for doi in (dataset.document.get("doi"), *(dataset.document.get("published_as") or ())):
                if doi:
                    self._by_doi.setdefault(str(doi).lower(), dataset)
            if dataset.document.get("data_path"):
                self._by_folder[catalogue.data_path(dataset).resolve()] = dataset
        self._catalogue = catalogue

    def meant(self, said: Mapping[str, Any], folder: Path | None) -> Iterator[tuple[Record, str]]:
        """Yield the datasets that one source may mean, each with the member that names it."""
        url = said.get("URL")
        for member, text in (("DOI", said.get("DOI")), ("URL", url)):
            doi = _doi(text)
            if doi in self._by_doi:
                yield self._by_doi[doi], member
        if isinstance(url, str) and url in self._by_id:
            yield self._by_id[url], "URL"
        place = _place(url, folder)
        if place is not None:
            known = self._catalogue.repository.find_alias(f"source:{source_name(place)}")
            dataset = self._by_id.get(known or "") or self._by_folder.get(place)
            if dataset is not None:
                yield dataset, "URL"


def _doi(text: object) -> str:
    """Return the DOI that a text is, in small letters; empty when it is none."""
    with suppress(InvalidRequestError):
        return normalise_doi(text).lower() if isinstance(text, str) else ""
    return ""


def _place(url: object, folder: Path | None) -> Path | None:
    """Return the folder of this machine that an address means: relative to the dataset, or a ``file`` URL."""
    if not isinstance(url, str) or not url or folder is None:
        return None
    with suppress(ValueError, OSError, RuntimeError):
        parts = urlsplit(url)
        if parts.scheme in ("", "file") and not parts.netloc:
            return (folder / unquote(parts.path)).resolve()
    return None


def _told(dataset: Record, source: Record, by: str, said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "dataset": source.id,
        "title": source.document.get("title") or source.document.get("label"),
        "named_by": by,
        "version": str(said["Version"]) if said.get("Version") else None,
        "command": f"sillage dataset derived-from {dataset.id} {source.id}",
    }


def _linked(catalogue: Catalogue, dataset: Record) -> dict[str, int]:
    """Return how many participants of a dataset are linked to participants of which other datasets."""
    own = {record.id for record in catalogue.repository.iterate("Participant", part_of=dataset.id)}
    pairs = [link.document["participants"] for link in links_about(own, catalogue.repository)]
    known = catalogue.repository.get_many({iri for pair in pairs for iri in pair})
    people: dict[str, set[str]] = {}
    for first, second in pairs:
        for one, other in ((first, second), (second, first)):
            if one in own:
                people.setdefault(str(known[other].dataset), set()).add(one)
    return {iri: len(who) for iri, who in people.items()}
