"""Recordings as the documents of acquisitions, with what sidecars, tables and gradients say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from catalog.readers.bids.gradients import Gradients
from catalog.readers.bids.layout import Sidecars
from catalog.readers.bids.mapping import Mapper, Values, add_value, measured
from catalog.readers.bids.names import NamedFile
from catalog.readers.bids.recordings import Recording
from catalog.readers.bids.schema import load_schema
from catalog.readers.bids.tables import MISSING, Table
from catalog.readers.bids.timeline import stated_time
from catalog.readers.contents import Contents
from catalog.readers.media_types import media_type
from catalog.readers.problems import ProblemLog
from catalog.readers.reading import Document

_KEYS = frozenset({"participant_id", "sample_id", "filename"})


class Acquisitions:
    """Makes the documents of acquisitions.

    Args:
        sidecars: Merged metadata.
        gradients: Knows the weighting of diffusion series.
        contents: Knows the checksums of files.
        mapper: Turns what was found into values.
        problems: Where odd content is noted.
    """

    def __init__(
        self,
        sidecars: Sidecars,
        gradients: Gradients,
        contents: Contents,
        mapper: Mapper,
        problems: ProblemLog,
    ) -> None:
        self._sidecars = sidecars
        self._gradients = gradients
        self._contents = contents
        self._mapper = mapper
        self._problems = problems
        self._fields = load_schema().metadata
        self._scans: dict[str, Values] = {}
        self._samples: dict[tuple[str, str], Values] = {}

    def add_scans(self, table: Table, dictionary: Document, known: Mapping[str, object]) -> None:
        """Read ``scans.tsv``: what it says about the files that it names."""
        folder = table.path.rpartition("/")[0]
        if "filename" not in table.columns:
            self._problems.add(table.path, "has no column filename; it was not read", "filename")
            return
        for row in table.records():
            path = f"{folder}/{row['filename'].strip().removeprefix('./')}"
            if path.rstrip("/") not in known:
                self._problems.add(table.path, "names files that are not there", "filename")
                continue
            self._add_row(self._scans.setdefault(path.rstrip("/"), {}), row, table, dictionary)

    def add_samples(self, table: Table, dictionary: Document) -> None:
        """Read ``samples.tsv``: what it says about the tissue that was imaged."""
        if not {"participant_id", "sample_id"} <= set(table.columns):
            self._problems.add(table.path, "has no columns participant_id and sample_id; it was not read")
            return
        for row in table.records():
            key = (row["participant_id"].strip(), row["sample_id"].strip().removeprefix("sample-"))
            if key in self._samples:
                self._problems.add(table.path, "a sample has more than one row; the first was read", "sample_id")
                continue
            self._add_row(self._samples.setdefault(key, {}), row, table, dictionary)

    def document(self, recording: Recording, *, derived: bool) -> Document:
        """Return one acquisition as records hold it, without ``dataset``."""
        first = recording.first
        folder = first.folder
        metadata, _ = self._sidecars.metadata(first)
        found: Document = {
            "label": recording.label,
            "participant": folder.participant,
            "session": folder.session or None,
            "suffix": first.suffix,
            "datatype": folder.datatype,
            "bids_entities": first.entities,
            "properties": self._properties(recording, metadata),
            "metadata": metadata,
            "files": [file_document(image, "image", self._contents) for image in recording.images]
            + [file_document(other, _role_beside(other, first), self._contents) for other in recording.own],
            "derived": derived,
        }
        if recording.shared:
            found["shared"] = recording.shared
        measures = self._measures(metadata) if derived else {}
        if measures:
            found["measures"] = measures
        return found

    def _measures(self, metadata: Document) -> Values:
        """Return the numbers that a result's sidecar holds beside the fields of BIDS: what was measured in it."""
        return {
            name: [measured(given, source=name)]
            for name, given in metadata.items()
            if isinstance(given, int | float) and not isinstance(given, bool) and name not in self._fields
        }

    def _properties(self, recording: Recording, metadata: Document) -> Values:
        first = recording.first
        stated = self._mapper.imaging(first.suffix, first.folder.datatype, metadata, first.entities.get("task"))
        more: list[Values] = []
        if self._scans:
            paths = dict.fromkeys(_scan_path(image) for image in recording.images)
            more += [row for path in paths if (row := self._scans.get(path))]
        if "sample" in first.entities:
            sample = self._samples.get((first.folder.participant, first.entities["sample"]))
            more += [sample] if sample else []
        weighting = self._gradients.values(first)
        if weighting:
            more.append(weighting)
        if not any("acq_time" in row for row in more):
            moment = stated_time(metadata)
            more += [{"acq_time": [moment]}] if moment else []
        if not any(more):
            return stated
        properties = {name: list(values) for name, values in stated.items()}
        for values in more:
            for name, listed in values.items():
                for value in listed:
                    add_value(properties, name, value)
        return properties

    def _add_row(self, into: Values, row: Mapping[str, str], table: Table, dictionary: Document) -> None:
        for column, cell in row.items():
            if column in _KEYS or cell in MISSING:
                continue
            description = dictionary.get(column)
            for prop, value in self._mapper.cell(column, cell, source=table.path, description=description):
                add_value(into, prop, value)


def _scan_path(image: NamedFile) -> str:
    """Return the path by which ``scans.tsv`` names a file: for one inside of a folder, the folder."""
    folder = image.folder
    return f"{folder.path}/{folder.inner}" if folder.inner else image.file.path


def _role_beside(file: NamedFile, image: NamedFile) -> str:
    """Return the role of a file that goes with ``image``."""
    return "sidecar" if file.extension == ".json" and file.suffix == image.suffix else "associated"


def file_document(named: NamedFile, role: str, contents: Contents) -> Document:
    """Return a file as records hold it, without ``id``."""
    file = named.file
    return {
        "path": file.path,
        "sha256": contents.sha256(file),
        "size": file.size,
        "media_type": media_type(file.path),
        "role": role,
    }


def dataset_files(left: Sequence[NamedFile], contents: Contents) -> list[Document]:
    """Return the files that belong to no single acquisition."""
    return [file_document(named, "sidecar" if named.extension == ".json" else "associated", contents) for named in left]
