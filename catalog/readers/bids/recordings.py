"""Images and recordings of a dataset, and which files go with which.

One acquisition is one recording with the files that serve it alone: all formats of one name (a ``.vhdr`` with
its ``.eeg``), every file of a recording that is a folder, all splits of one run. A file that serves several
is none's own; they name it as shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from catalog.readers.bids.layout import Layout
from catalog.readers.bids.names import Entities, NamedFile
from catalog.readers.bids.schema import BidsSchema
from catalog.readers.problems import ProblemLog

BESIDE_IGNORES = ("recording", "space", "split")
"""Keys that a trace or a table of sensors has beyond those of the recording that it goes with."""
_TIMED = frozenset({"events", "physio", "physioevents", "stim"})
_STILL = frozenset({"sbref", "noRF"})
_LABELLED = frozenset({"aslcontext", "asllabeling"})
_MEG_SYSTEM = frozenset({"calibration", "crosstalk"})


@dataclass(slots=True)
class Recording:
    """One acquisition in the making.

    Attributes:
        images: Its files, sorted by path.
        own: The files that serve it alone.
        shared: Paths of files that serve it and others, from the root inwards.
    """

    images: list[NamedFile]
    own: list[NamedFile] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)

    @property
    def first(self) -> NamedFile:
        """The file by which the recording is known."""
        return self.images[0]

    @property
    def label(self) -> str:
        """The name of the first file without its extension (and without the number of a split)."""
        return _without_split(self.first)


def _without_split(file: NamedFile) -> str:
    if "split" not in file.entities:
        return file.stem
    return "_".join(part for part in file.stem.split("_") if not part.startswith("split-"))


def find_recordings(
    files: Sequence[NamedFile], schema: BidsSchema, problems: ProblemLog, *, derivative: bool
) -> tuple[list[Recording], list[NamedFile]]:
    """Return the recordings among ``files``, and the files that are none."""
    recordings: dict[tuple[str, str], Recording] = {}
    others: list[NamedFile] = []
    for file in files:
        if not _is_recording(file, schema, problems, derivative=derivative):
            others.append(file)
            continue
        key = (file.folder.path, _without_split(file))
        known = recordings.get(key)
        if known is None:
            recordings[key] = Recording([file])
        else:
            known.images.append(file)
    return list(recordings.values()), others


def _is_recording(file: NamedFile, schema: BidsSchema, problems: ProblemLog, *, derivative: bool) -> bool:
    folder = file.folder
    if not folder.participant or not folder.datatype or not file.suffix:
        return False
    if folder.datatype == "meg" and file.entities.get("acq") in _MEG_SYSTEM:
        return False
    ruled = schema.is_image(folder.datatype, file.suffix, file.extension)
    if not ruled and file.extension not in schema.extensions:
        return False
    if not ruled and not derivative:
        problems.add(
            file.file.path, f"suffix {file.suffix} with {file.extension} is not known in {folder.datatype}; it was read"
        )
    return True


def attach(recordings: Sequence[Recording], others: Sequence[NamedFile], schema: BidsSchema) -> list[NamedFile]:
    """Give each recording the files that serve it alone and the names of those shared; return all not given."""
    layout = Layout(others, ignore=BESIDE_IGNORES)
    beside = [_beside(recording.first, layout, schema) for recording in recordings]
    served: dict[str, list[Recording]] = {}
    for recording, files in zip(recordings, beside, strict=True):
        for file in files:
            served.setdefault(file.file.path, []).append(recording)
    owners = {file.file.path: _owner(file, served.get(file.file.path, ())) for file in others}
    for recording, files in zip(recordings, beside, strict=True):
        for file in files:
            if owners[file.file.path] is recording:
                recording.own.append(file)
            else:
                recording.shared.append(file.file.path)
    return [file for file in others if owners[file.file.path] is None]


def _owner(file: NamedFile, served: Sequence[Recording]) -> Recording | None:
    """Return the one recording that ``file`` is own to: the only one served, or the only one of its very name."""
    if file.folder.datatype == "":
        return None
    if len(served) == 1:
        return served[0]
    mine = _compared(file.entities)
    exact = [recording for recording in served if _compared(recording.first.entities) == mine]
    return exact[0] if len(exact) == 1 else None


def _compared(entities: Entities) -> dict[str, str]:
    return {key: value for key, value in entities.items() if key not in BESIDE_IGNORES}


def _beside(image: NamedFile, layout: Layout, schema: BidsSchema) -> list[NamedFile]:
    """Return the files that go with ``image``, in its folder and those around it."""
    found: list[NamedFile] = []
    for level in image.folder.levels:
        for kind in layout.kinds(level):
            if _goes_with(kind[0], image, schema):
                found += layout.in_folder(level, kind, image.entities)
    return found


def _goes_with(suffix: str, image: NamedFile, schema: BidsSchema) -> bool:
    """Tell whether files with this suffix go with ``image`` where their entities agree."""
    if suffix == image.suffix:
        return True
    if image.folder.datatype not in schema.beside.get(suffix, ()):
        return False
    if suffix in _TIMED:
        return image.suffix not in _STILL
    return suffix not in _LABELLED or image.suffix == "asl"
