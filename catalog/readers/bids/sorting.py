"""Which files of a tree belong to the raw dataset, and which are left out on purpose or for cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from catalog.readers.bids.ignore import ignored
from catalog.readers.bids.schema import BidsSchema
from catalog.readers.problems import ProblemLog
from catalog.tree import Tree, TreeFile
from ontology.errors import SillageError

IGNORE_FILE = ".bidsignore"
_IGNORE_BYTES = 1024 * 1024


@dataclass(slots=True)
class Sorted:
    """The files of a tree: those to be read, those of derived datasets, and how many were left out and why."""

    raw: list[TreeFile] = field(default_factory=list)
    derived: list[TreeFile] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, why: str) -> None:
        """Count a file that is left out."""
        self.skipped[why] = self.skipped.get(why, 0) + 1


def sort_files(tree: Tree, files: Sequence[TreeFile], schema: BidsSchema, problems: ProblemLog) -> Sorted:
    """Return the files of a tree, sorted."""
    is_ignored = _read_ignore(tree, files, problems)
    result = Sorted()
    for file in files:
        path = file.path
        top, slash, _ = path.partition("/")
        if not path.isascii() and not _encodes(path):
            problems.add(ascii(path), "its name is no Unicode; it was left out")
            result.skip("names that are no Unicode")
        elif slash and top in schema.opaque:
            result.skip(top)
            if top == "derivatives":
                result.derived.append(file)
        elif file.link and not file.present:
            problems.add(path, "is a link that leaves the folder or leads to no file; it was not followed")
            result.skip("links")
        elif path.startswith(".") or "/." in path:
            result.skip("hidden")
        elif is_ignored(path):
            result.skip(IGNORE_FILE)
        else:
            result.raw.append(file)
    return result


def _read_ignore(tree: Tree, files: Sequence[TreeFile], problems: ProblemLog) -> Callable[[str], bool]:
    if not any(file.path == IGNORE_FILE for file in files):
        return lambda path: False
    try:
        content = tree.read(IGNORE_FILE, limit=_IGNORE_BYTES)
    except SillageError as error:
        problems.add(IGNORE_FILE, f"could not be read: {error.detail}")
        return lambda path: False
    return ignored(content.decode("utf-8", errors="replace"))


def _encodes(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
