"""What the documents of a random catalogue say, read in the plainest way that there is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

Document = dict[str, Any]

LICENCES: Final = {
    "cc0": ("CC0-1.0", "Creative Commons Zero v1.0 Universal"),
    "cc by 4.0": ("CC-BY-4.0", "Creative Commons Attribution 4.0 International"),
    "https://creativecommons.org/publicdomain/zero/1.0/": ("CC0-1.0", ""),
}
OF_ACQUISITIONS: Final = (
    *("suffix", "session", "derived", "run", "magnetic_field_strength", "image_type", "nested.part", "contrast"),
    *("measure.snr", "measure.tool", "result"),
)
OF_DATASETS: Final = (
    *("dataset.title", "dataset.description", "dataset.keyword", "dataset.license", "dataset.data_use"),
    *("dataset.doi", "dataset.access_rights"),
)
OF_PIPELINES: Final = ("pipeline", "pipeline_version")


def folded(text: str) -> str:
    """Return the form in which texts are compared."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def words(text: str) -> set[str]:
    """Return the words of a text."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return set(re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c))))


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


@dataclass
class Fact:
    """One value of a document; ``also`` are other texts by which it may be asked for."""

    name: str
    value: Any
    said: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.value = _blank_is_none(self.value)
        self.said = {key: _blank_is_none(value) for key, value in self.said.items()}
        self.term: str | None = self.said.get("term")

    @property
    def missing(self) -> bool:
        """Whether it says nothing."""
        return self.value is None and not self.term

    @property
    def number(self) -> float | int | None:
        """The number that is compared: ages in weeks are brought to years."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            return None
        weeks = self.name == "age" and self.said.get("unit") == "wk"
        number = float(Fraction(self.value) * Fraction(28, 1461)) if weeks else self.value
        return int(number) if float(number).is_integer() else number

    @property
    def shown(self) -> Any:
        """The value as an answer shows it."""
        return self.value if self.number is None else self.number

    @property
    def kinds(self) -> set[str]:
        """What kind of value it is; ``term`` as well where it is mapped to one."""
        own = {bool: "boolean", int: "number", float: "number", str: "text"}.get(type(self.value), "term")
        return {own, "term"} if self.term else {own}

    def forms(self) -> set[str]:
        """Return the texts that equal it."""
        shown = None if self.shown is None else str(self.shown)
        texts = [shown, self.said.get("original"), self.said.get("label"), self.term, *self.also]
        return {folded(text) for text in texts if text}

    def words(self) -> set[str]:
        """Return the words by which it is found, where it is a text or a term."""
        if not isinstance(self.value, str) and not self.term:
            return set()
        texts = (self.value, self.said.get("original"), self.said.get("label"))
        return {word for text in texts if isinstance(text, str) for word in words(text)}


def facts_of(type: str, document: Document, name: str) -> list[Fact]:
    """Return the values of a property that a record has of its own, each once, missing ones left out."""
    found = _of_participant(document, name) if type == "Participant" else _of_acquisition(type, document, name)
    return _once(found)


def names_of(type: str, document: Document) -> Iterator[str]:
    """Yield the names of the properties that a record may have of its own."""
    if type != "Participant":
        yield from OF_ACQUISITIONS
        return
    sessions = (session["properties"] for session in document["sessions"])
    yield from dict.fromkeys(("session", *document["properties"], *(name for said in sessions for name in said)))


def facts_of_dataset(iri: str, dataset: Document, name: str) -> list[Fact]:
    """Return what records have from their dataset."""
    member = name.removeprefix("dataset.")
    if name == "dataset":
        return [Fact(name, iri, {"label": dataset["label"], "original": iri[9:]}, also=(dataset["title"],))]
    if name in OF_PIPELINES:
        key = "Name" if name == "pipeline" else "Version"
        return [Fact(name, text) for text in dict.fromkeys(item[key] for item in dataset["generated_by"]) if text]
    if name == "dataset.keyword":
        return [Fact(name, word) for word in dataset["keywords"]]
    if name == "dataset.data_use":
        return _once(Fact(name, value["value"], value) for value in dataset["data_use"])
    if name == "dataset.doi":
        dois = (bare_doi(doi) for doi in (dataset["doi"], *dataset["published_as"]) if doi)
        return [Fact(name, doi) for doi in dois]
    if name == "dataset.license":
        text = dataset["license"]
        spdx, label = LICENCES.get((text or "").casefold(), (text, None))
        return [Fact(name, spdx, {"original": text, "label": label})] if text else []
    return _once([Fact(name, dataset[member])])


def bare_doi(text: str) -> str:
    """Return a DOI without what may stand before it."""
    return text.lower().removeprefix("https://doi.org/").removeprefix("doi:")


def _once(found: Any) -> list[Fact]:
    unique = {repr((f.value, type(f.value), sorted(f.said.items(), key=repr))): f for f in found}
    return [fact for fact in unique.values() if not fact.missing]


def _of_participant(document: Document, name: str) -> list[Fact]:
    if name == "session":
        return [_session(session["label"]) for session in document["sessions"]]
    said = [(value, None) for value in document["properties"].get(name, [])]
    for session in document["sessions"]:
        said += [(value, session["label"]) for value in session["properties"].get(name, [])]
    return [Fact(name, value["value"], {**value, "session": session}) for value, session in said]


def _session(label: str) -> Fact:
    return Fact("session", label, also=(label[4:],))


def _of_acquisition(type: str, document: Document, name: str) -> list[Fact]:
    if name == "result":
        ending = document["files"][0]["path"].rpartition(".")[2].casefold() if type == "Entity" else ""
        return [Fact(name, "file" if "/" in ending else ending)] if ending else []
    if name == "derived":
        return [Fact(name, type == "Entity" or document[name])]
    if name == "suffix":
        return [Fact(name, document[name])]
    if name == "session":
        return [_session(document["session"])] if document["session"] else []
    if name.startswith("measure."):
        return [Fact(name, value["value"], value) for value in document["measures"].get(name[8:], [])]
    return [] if type == "Entity" else _of_image(document, name)


def _of_image(document: Document, name: str) -> list[Fact]:
    metadata = document["metadata"]
    if name == "run":
        run = document["bids_entities"].get("run")
        return [Fact(name, int(run), {"original": run})] if run else []
    if name == "magnetic_field_strength":
        return [Fact(name, metadata["MagneticFieldStrength"])]
    if name == "image_type":
        return [Fact(name, value) for value in metadata["ImageType"]]
    if name == "nested.part":
        return [Fact(name, metadata.get("Nested", {}).get("Part"))]
    return [Fact(name, value["value"], value) for value in document["properties"].get(name, [])]
