"""What is new gets an IRI, what is known keeps it, what is equal stays untouched, what is gone is withdrawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from catalog.model import Change, Commit, MustBeAt, Put, Record, Requirement, Withdraw
from catalog.readers.reading import Document, Reading
from catalog.registration.known import Known, acquisition_key
from catalog.registration.model import Counts, Plan, VersionInfo
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM, PART_OF, SPECIALIZATION_OF

REVISION_OF = "prov:wasRevisionOf"
STEWARDED = ("access_rights", "published_as")
"""Members of a Dataset that people decide after registration; a new reading leaves them alone."""

_OURS = frozenset({DERIVED_FROM, PART_OF})
"""Predicates of edges that a reading states anew for participants and acquisitions."""


class Planner:
    """Makes one plan.

    Args:
        known: What the catalogue says so far.
        reading: What the data say now.
        version: Which version of the data was read.
        label: What to call a dataset that has no title.
    """

    def __init__(self, known: Known, reading: Reading, version: VersionInfo, label: str | None) -> None:
        self._known = known
        self._reading = reading
        self._version = version
        self._label = label
        self._dataset = known.dataset.id if known.dataset else new_iri()
        self._changes: list[Change] = []
        self._requirements: list[Requirement] = []
        self._revised: list[str] = []
        self._added = self._withdrawn = 0
        self._counts = Counts(
            participants=len(reading.participants),
            acquisitions=len(reading.acquisitions),
            files=reading.files,
            bytes=reading.byte_size,
        )

    def plan(self, principal: str, action: str) -> Plan:
        """Return the plan; ``action`` names its ledger entries."""
        participants = self._plan_participants()
        self._plan_acquisitions(participants)
        version = self._plan_version()
        return Plan(
            commit=Commit(
                principal=principal,
                action=action,
                changes=self._with_kept_edges(),
                requirements=self._requirements,
            ),
            dataset=self._dataset,
            version=version,
            counts=self._counts,
            problems=self._reading.problems,
            added=self._added,
            revised=len(self._revised),
            withdrawn=self._withdrawn,
        )

    def _plan_participants(self) -> dict[str, str]:
        """Plan the participants and return label to IRI."""
        known = dict(self._known.participants)
        edges = ((PART_OF, self._dataset),)
        iris: dict[str, str] = {}
        for found in self._reading.participants:
            before = known.pop(found["label"], None)
            document = {**found, "dataset": self._dataset}
            iris[found["label"]] = self._put("Participant", before, document, edges)
        self._withdraw(known.values())
        return iris

    def _plan_acquisitions(self, participants: Mapping[str, str]) -> None:
        known = dict(self._known.acquisitions)
        part_of = (PART_OF, self._dataset)
        for found in self._reading.acquisitions:
            before = known.pop(acquisition_key(found), None)
            if before is not None and before.id in self._known.generated:
                continue  # A task wrote it, with its lineage; the data on disk say less.
            participant = participants[found["participant"]]
            document = {
                **found,
                "dataset": self._dataset,
                "participant": participant,
                "files": with_ids(found["files"], before),
            }
            self._put("Acquisition", before, document, ((DERIVED_FROM, participant), part_of))
        self._withdraw(record for record in known.values() if record.id not in self._known.generated)

    def _plan_version(self) -> str:
        """Plan the Dataset and its version, which go first; return the version's IRI.

        The Dataset is written whenever anything else is, so that each revision moves it and a second one that
        was planned on the same state is refused.
        """
        known = self._known
        before = known.current if self._is_same_version() else None
        iri = before.id if before else new_iri()
        dataset = self._dataset_document(iri)
        document = self._version_document(str(dataset["label"]), before)
        changed = before is None or before.document != document
        if not changed and not self._changes and known.dataset is not None and known.dataset.document == dataset:
            return iri
        first: list[Change] = [self._dataset_put(dataset)]
        if changed:
            self._require(before)
            first.append(Put(id=iri, type="DatasetVersion", document=document, edges=self._version_edges(before)))
        self._require(known.dataset)
        self._changes[:0] = first
        return iri

    def _is_same_version(self) -> bool:
        """Tell whether the data are those of the current version, under the same name."""
        if self._known.current is None:
            return False
        current = self._known.current.document
        named = self._version.name is None or self._version.name == current.get("name")
        if self._version.tree is not None:
            return named and self._version.tree == current.get("tree")
        return named and current.get("digest") == content_digest(self._reading)

    def _dataset_document(self, current: str) -> Document:
        before = self._known.dataset.document if self._known.dataset else {}
        document: Document = {**self._reading.dataset, "counts": self._counts.to_json(), "current": current}
        document["label"] = document["title"] or self._label or before.get("label") or document["label"]
        document["doi"] = document["doi"] or before.get("doi")
        document["data_path"] = self._version.data_path or before.get("data_path")
        document["datalad_id"] = self._version.datalad_id or before.get("datalad_id")
        document["source"] = self._version.source or before.get("source")
        return document | {name: before[name] for name in STEWARDED if name in before}

    def _dataset_put(self, document: Document) -> Put:
        kept = self._known.edges_from([self._dataset]) if self._known.dataset else ()
        names = {"datalad": document["datalad_id"], "source": document["source"]}
        return Put(
            id=self._dataset,
            type="Dataset",
            document=document,
            edges=[(edge.predicate, edge.target) for edge in kept],
            aliases=[f"{kind}:{name}" for kind, name in names.items() if name],
        )

    def _version_document(self, label: str, before: Record | None) -> Document:
        name = self._version.name or (before.document["name"] if before else str(self._known.versions + 1))
        reading = self._reading
        return {
            "label": f"{label}, version {name}",
            "dataset": self._dataset,
            "name": name,
            "commit": before.document.get("commit") if before else self._version.commit,
            "tree": before.document.get("tree") if before else self._version.tree,
            "ontology": self._version.ontology,
            "counts": self._counts.to_json(),
            "report": {
                "mapped": reading.mapped,
                "unmapped": reading.unmapped,
                "problems": [problem.to_json() for problem in reading.problems],
                "derivatives": list(reading.derivatives),
                "skipped": reading.skipped,
            },
            "digest": content_digest(reading),
            "files": with_ids(reading.dataset_files, before),
        }

    def _version_edges(self, before: Record | None) -> list[tuple[str, str]]:
        if before is not None:
            return [(edge.predicate, edge.target) for edge in self._known.edges_from([before.id])]
        edges = [(SPECIALIZATION_OF, self._dataset)]
        if self._known.current is not None:
            edges.append((REVISION_OF, self._known.current.id))
        return edges

    def _put(self, kind: str, before: Record | None, document: Document, edges: Sequence[tuple[str, str]]) -> str:
        if before is None:
            iri = new_iri()
            self._added += 1
        elif before.document == document:
            return before.id
        else:
            iri = before.id
            self._revised.append(iri)
            self._require(before)
        self._changes.append(Put(id=iri, type=kind, document=document, edges=edges))
        return iri

    def _withdraw(self, gone: Iterable[Record]) -> None:
        for record in gone:
            self._withdrawn += 1
            self._require(record)
            said = {"label": record.document.get("label"), "dataset": self._dataset}
            self._changes.append(Withdraw(id=record.id, document=said, reason="no longer in the data"))

    def _require(self, record: Record | None) -> None:
        if record is not None:
            self._requirements.append(MustBeAt(record.id, record.version))

    def _with_kept_edges(self) -> Sequence[Change]:
        """Return the changes, those of revised records with the edges that others have given them."""
        if not self._revised:
            return self._changes
        kept: dict[str, list[tuple[str, str]]] = {}
        for edge in self._known.edges_from(self._revised):
            if edge.predicate not in _OURS:
                kept.setdefault(edge.source, []).append((edge.predicate, edge.target))
        return [
            replace(change, edges=[*change.edges, *kept[change.id]])
            if isinstance(change, Put) and change.id in kept
            else change
            for change in self._changes
        ]


def with_ids(files: Sequence[Document], before: Record | None) -> list[Document]:
    """Return ``files`` with an IRI each: a file is the same while its path and content are."""
    if before is None:
        return [{"id": new_iri(), **file} for file in files]
    known = {file["path"]: file for file in before.document.get("files", ())}
    return [{"id": _known_id(known.get(file["path"]), file) or new_iri(), **file} for file in files]


def _known_id(before: Mapping[str, Any] | None, file: Document) -> str | None:
    if before is None or before.get("size") != file["size"]:
        return None
    known, found = before.get("sha256"), file["sha256"]
    # A checksum that becomes known, because the content arrived, does not make another file of it.
    return before["id"] if known is None or found is None or known == found else None


def content_digest(reading: Reading) -> str:
    """Return a digest of what a version of the data holds: path, checksum and size of each file that is read."""
    digest = hashlib.sha256()
    files = [file for acquisition in reading.acquisitions for file in acquisition["files"]]
    lines = sorted(f"{f['path']}\0{f['sha256'] or ''}\0{f['size']}\n" for f in (*files, *reading.dataset_files))
    digest.update("".join(lines).encode())
    return digest.hexdigest()
