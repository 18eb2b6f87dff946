"""Reading a BIDS dataset (Brain Imaging Data Structure 1.11) from a tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from catalog.readers.bids import documents, tables
from catalog.readers.bids.acquisitions import Acquisitions, dataset_files
from catalog.readers.bids.description import PATH as DESCRIPTION
from catalog.readers.bids.description import describe
from catalog.readers.bids.genetics import INFO as GENETIC_INFO
from catalog.readers.bids.genetics import add_genetics, read_genetics
from catalog.readers.bids.gradients import EXTENSIONS as GRADIENTS
from catalog.readers.bids.gradients import Gradients
from catalog.readers.bids.layout import Layout, Sidecars
from catalog.readers.bids.mapping import Mapper
from catalog.readers.bids.names import NamedFile, NameReader
from catalog.readers.bids.participants import People
from catalog.readers.bids.recordings import Recording, attach, find_recordings
from catalog.readers.bids.schema import load_schema
from catalog.readers.bids.sorting import sort_files
from catalog.readers.bids.tables import Table
from catalog.readers.bids.timeline import add_timelines
from catalog.readers.collection import collection_paused
from catalog.readers.contents import Contents
from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document, Reading, Terms
from catalog.tree import Tree, TreeFile
from ontology.errors import InvalidRequestError

_READMES = ("README", "README.md", "README.rst", "README.txt")
_TABLE_SUFFIXES = frozenset({"participants", "samples", "scans", "sessions"})


def check_bids(files: Sequence[TreeFile]) -> None:
    """Raise unless a tree looks like a BIDS dataset: it has a description, or folders of participants.

    Raises:
        InvalidRequestError: It has neither; the error says what to give instead.
    """
    if any(file.path == DESCRIPTION or (file.path.startswith("sub-") and "/" in file.path) for file in files):
        return
    if not files:
        raise InvalidRequestError(
            "the folder is empty", field="path", next_step=f"Give the folder that holds {DESCRIPTION}."
        )
    below = sorted(file.path.rpartition("/")[0] for file in files if file.path.endswith("/" + DESCRIPTION))
    hint = (
        f"Register {below[0]} instead: {DESCRIPTION} lies there."
        if below
        else f"Add {DESCRIPTION}, or give the folder that holds it beside the sub-* folders."
    )
    raise InvalidRequestError(
        f"this is no BIDS dataset: it has neither {DESCRIPTION} nor a sub-* folder", field="path", next_step=hint
    )


def read_bids(tree: Tree, terms: Terms) -> Reading:
    """Return what a BIDS dataset holds.

    Raises:
        InvalidRequestError: The tree is no BIDS dataset.
    """
    files = tree.files()
    check_bids(files)
    with collection_paused():
        return BidsReader(tree, files, terms).reading()


class BidsReader:
    """Reads one dataset.

    Args:
        tree: Where it lies.
        files: The files of ``tree``.
        terms: The crosswalk.
    """

    def __init__(self, tree: Tree, files: Sequence[TreeFile], terms: Terms) -> None:
        self._files = files
        self._terms = terms
        self._schema = load_schema()
        self._problems = ProblemLog()
        self._contents = Contents(tree, self._problems)
        self._sorted = sort_files(tree, files, self._schema, self._problems)
        names = NameReader(self._schema)
        self._named = [names.read(file) for file in self._sorted.raw]
        self._documents = self._read_documents()
        self._sidecars = Sidecars(
            Layout(file for file in self._named if file.extension == ".json"), self._documents, self._problems
        )
        self._mapper = Mapper(terms, self._problems)

    def named_files(self) -> Sequence[NamedFile]:
        """Return the files of the raw dataset with what their names say."""
        return self._named

    def metadata(self, file: NamedFile) -> Document:
        """Return the metadata that sidecars give a file, by the inheritance principle."""
        return self._sidecars.metadata(file)[0]

    def reading(self) -> Reading:
        """Return all that the dataset holds."""
        dataset = self._describe()
        derivative = dataset["dataset_type"] == "derivative"
        found, others = find_recordings(self._named, self._schema, self._problems, derivative=derivative)
        left = attach(found, others, self._schema)
        people, acquisitions = self._read_tables(others)
        self._contents.complete(self._sorted.raw)
        self._check_names(found)
        derivatives = self._derivatives()
        recorded = [acquisitions.document(recording, derived=derivative) for recording in found]
        self._mapper.settle()
        participants = people.documents()
        dataset = self._complete(dataset, participants, recorded)
        return Reading(
            dataset=dataset,
            participants=participants,
            acquisitions=recorded,
            dataset_files=dataset_files(left, self._contents),
            derivatives=derivatives,
            problems=self._problems.collect(),
            mapped=self._mapper.mapped,
            unmapped=self._mapper.unmapped,
            skipped=self._sorted.skipped,
            files=len(self._files),
            byte_size=sum(file.size or 0 for file in self._files),
        )

    def _read_documents(self) -> dict[str, Document]:
        recorded = {suffix for suffixes in self._schema.images.values() for suffix in suffixes}
        by_path = {named.file.path: named for named in self._named if named.extension == ".json"}
        found: dict[str, Document] = {}
        for path, raw in self._contents.read((n.file for n in by_path.values()), limit=documents.BYTES):
            document = documents.read_object(raw, path, self._problems)
            if document is None:
                continue
            found[path] = document
            if by_path[path].suffix in recorded:
                documents.check_types(document, path, self._schema, self._problems)
        return found

    def _describe(self) -> Document:
        known = {named.file.path: named.file for named in self._named}
        if DESCRIPTION not in known:
            self._problems.add(DESCRIPTION, "is missing, and BIDS requires it")
        readme = ""
        for path in _READMES:
            if path in known and not readme:
                for _, raw in self._contents.read([known[path]], limit=documents.BYTES):
                    readme = documents.decode(raw, path, self._problems).replace("\0", "")
        return describe(self._documents.get(DESCRIPTION), readme, self._terms, self._problems)

    def _complete(
        self, dataset: Document, participants: Sequence[Document], acquisitions: Sequence[Document]
    ) -> Document:
        """Add to the participants what follows from all of the dataset; return the dataset with what they share."""
        genetics = read_genetics(self._documents.get(DESCRIPTION, {}), self._documents.get(GENETIC_INFO, {}))
        add_genetics(participants, genetics)
        if dataset["dataset_type"] == "raw":
            add_timelines(participants, acquisitions, self._problems)
        return {**dataset, "species": _species(participants), "genetics": genetics}

    def _read_tables(self, others: Sequence[NamedFile]) -> tuple[People, Acquisitions]:
        people = People(self._sessions(), self._mapper, self._problems)
        weighted = [named for named in others if named.extension in GRADIENTS]
        held = dict(self._contents.read((named.file for named in weighted), limit=documents.BYTES))
        gradients = Gradients(weighted, held, self._problems)
        acquisitions = Acquisitions(self._sidecars, gradients, self._contents, self._mapper, self._problems)
        known: dict[str, object] = dict.fromkeys(named.file.path for named in self._named)
        known |= dict.fromkeys(f"{named.folder.path}/{named.folder.inner}" for named in self._named)
        for named, table in self._tables(others):
            dictionary, _ = self._sidecars.metadata(named)
            if named.folder.path == "phenotype":
                people.add_phenotype(table, dictionary)
            elif named.suffix == "participants":
                people.add_participants(table, dictionary)
            elif named.suffix == "sessions":
                people.add_sessions(table, dictionary, named.folder.participant)
            elif named.suffix == "scans":
                acquisitions.add_scans(table, dictionary, known)
            else:
                acquisitions.add_samples(table, dictionary)
        return people, acquisitions

    def _tables(self, others: Sequence[NamedFile]) -> Iterable[tuple[NamedFile, Table]]:
        """Yield the tables about participants, sessions, scans and samples; that of participants first."""
        wanted = {named.file.path: named for named in others if named.extension == ".tsv" and _is_summary(named)}
        order = sorted(wanted, key=lambda path: (path != "participants.tsv", path))
        for path, raw in self._contents.read((wanted[path].file for path in order), limit=tables.BYTES):
            table = tables.read_table(raw, path, self._problems)
            if table is not None:
                yield wanted[path], table

    def _sessions(self) -> dict[str, list[str]]:
        found: dict[str, set[str]] = {}
        for named in self._named:
            folder = named.folder
            if folder.participant:
                sessions = found.setdefault(folder.participant, set())
                if folder.session:
                    sessions.add(folder.session)
        if not found:
            self._problems.add(".", "there are no sub-* folders, so there are no participants")
        return {participant: sorted(sessions) for participant, sessions in found.items()}

    def _check_names(self, found: Sequence[Recording]) -> None:
        for recording in found:
            first = recording.first
            folder = first.folder
            named = ("sub-" + first.entities["sub"], "ses-" + first.entities["ses"] if folder.session else "")
            if named != (folder.participant, folder.session):
                self._problems.add(
                    first.file.path, "is named for another participant or session than its folder; the folder counts"
                )

    def _derivatives(self) -> list[Document]:
        """Return a line about each derived dataset that lies inside; what it holds is read when it is registered."""
        described = {
            file.path.rpartition("/")[0]: file
            for file in self._sorted.derived
            if file.path.endswith("/" + DESCRIPTION) and file.path.count("/") <= 2
        }
        found: list[Document] = []
        for path, raw in self._contents.read(described.values(), limit=documents.BYTES):
            folder = path.rpartition("/")[0]
            said = documents.read_object(raw, path, self._problems) or {}
            title, generated_by = said.get("Name"), said.get("GeneratedBy")
            found.append(
                {
                    "path": folder,
                    "title": title if isinstance(title, str) else None,
                    "generated_by": generated_by if isinstance(generated_by, list) else [],
                    "files": sum(file.path.startswith(folder + "/") for file in self._sorted.derived),
                }
            )
        return found


def _species(participants: Sequence[Document]) -> list[Document]:
    """Return the species of the participants, each once and without what is said of one participant alone."""
    found: dict[str, Document] = {}
    for participant in participants:
        for value in participant["properties"].get("species", ()):
            found.setdefault(str(value.get("term") or value["value"]), {**value, "session": None})
    return [{name: given for name, given in value.items() if given is not None} for value in found.values()]


def _is_summary(named: NamedFile) -> bool:
    folder = named.folder.path
    if folder == "phenotype":
        return True
    if named.suffix in ("participants", "samples"):
        return folder == "" and not named.prefix
    return named.suffix in _TABLE_SUFFIXES and bool(named.folder.participant) and not named.folder.datatype
