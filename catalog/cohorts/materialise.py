"""A DataLad dataset with just a cohort's files, which shares the content of those that it comes from.

Nothing is copied that the disk can share: annexed content keeps its key and is hard-linked (or reflinked) from the
source's annex; where that is not possible it stays there, and the source is a sibling from which ``datalad get``
brings it. What is in git itself is small and is committed again. Tables are restricted to the rows of the members.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from catalog.cohorts.restricted_tables import describe, restrict
from catalog.model import Problem
from catalog.versions.annex import find_object, parse_key
from catalog.versions.dataset import BRANCH, dataset_blobs, initialise, refresh_index, remove_tree
from catalog.versions.folder import DESCRIPTION_LIMIT, is_description
from catalog.versions.git import Repository, git_annex, require_success
from catalog.versions.git_tree import LINK, GitEntry, GitTree
from catalog.versions.history import Blob, annexed, commit, write_working_tree
from catalog.versions.objects import AnnexObjects, full_disk_reported, synchronise_all
from ontology.errors import ConflictError, InvalidRequestError, SillageError

DESCRIPTION: Final = "dataset_description.json"
_TOP_FILES: Final = (".json", ".bval", ".bvec")
_WHOLE_FOLDERS: Final = ("stimuli/",)
_PHENOTYPE: Final = "phenotype/"
_TABLE: Final = ".tsv"
_INHERITED: Final = re.compile(r"[a-z]+-[A-Za-z0-9+]+_")
"""Tables that files below inherit (``task-rest_events.tsv``) are about nobody in particular."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A dataset that members of the cohort come from.

    Attributes:
        iri: Its record.
        title: What a person calls it.
        path: Folder of its repository.
        commit: The commit at which the cohort was frozen.
        labels: Labels of the members that come from it.
        folder: Where its files go, with a slash at the end; empty for the root.
        sibling: Name of the source as a sibling.
        in_store: Whether the repository is the catalogue's own.
    """

    iri: str
    title: str
    path: Path
    commit: str
    labels: frozenset[str]
    folder: str
    sibling: str
    in_store: bool


@dataclass(slots=True, kw_only=True)
class Materialised:
    """What was made.

    Attributes:
        path: The folder.
        datalad_id: Identifier of the dataset.
        commit: Full name of its commit.
        files: How many files it holds.
        byte_size: Of all their content, here or not.
        shared: How many share their content with the source.
        absent: How many have their content elsewhere.
        problems: What was left out, and why.
    """

    path: Path
    datalad_id: str
    commit: str = ""
    files: int = 0
    byte_size: int = 0
    shared: int = 0
    absent: int = 0
    problems: list[Problem] = field(default_factory=list)


def materialise(
    target: Path,
    sources: Sequence[Source],
    *,
    cohort: Mapping[str, str],
    share: bool = True,
    progress: Progress | None = None,
) -> Materialised:
    """Make a dataset at ``target``, whole or not at all.

    Args:
        target: A folder that is not there, or empty.
        sources: Where the members come from; a source in a folder of its own for each if there are several.
        cohort: ``id``, ``label`` and ``digest`` of the cohort.
        share: Whether content is shared; otherwise all of it stays with the siblings.
        progress: Called with the number of files done and the number of files in all.

    Raises:
        ConflictError: The folder is there and not empty.
        InvalidRequestError: It cannot be made there.
        NotFoundError: The data of a source are not here any more.
        StorageFullError: The disk is full; nothing is left behind.
        BackendUnavailableError: The disk, git or git-annex failed.
    """
    target = target.absolute()
    _require_free(target, sources)
    identifier = str(uuid.uuid4())
    with full_disk_reported(), _built_aside(target) as building:
        repository = initialise(building)
        work = _Work(repository, Materialised(path=target, datalad_id=identifier), share=share)
        for source in sources:
            work.take(source, cohort)
        if len(sources) > 1:
            work.describe_whole(sources, cohort)
        blobs = sorted([*dataset_blobs(identifier), *work.share(progress)], key=lambda blob: blob.path)
        message = f"Materialise a cohort\n\n{cohort['label']}\n{cohort['id']}\nDigest: {cohort['digest']}\n"
        work.made.commit = commit(repository, branch=BRANCH, parent=None, message=message, blobs=blobs)
        _add_siblings(repository, sources, work.located, share=share)
        write_working_tree(building, blobs)
        refresh_index(repository)
        synchronise_all(building)
    return work.made


@dataclass(frozen=True, slots=True)
class _Annexed:
    """A file to come: its path in the new dataset, its key, and where its content lies, if it is here."""

    path: str
    key: str
    size: int
    content: Path | None
    source: Source


class _Work:
    """A dataset in the making."""

    def __init__(self, repository: Repository, made: Materialised, *, share: bool) -> None:
        self.made = made
        self._sharing = share
        self.located: dict[str, set[str]] = {}
        self._objects = AnnexObjects(repository.annex)
        self._blobs: list[Blob] = []
        self._annexed: list[_Annexed] = []

    def take(self, source: Source, cohort: Mapping[str, str]) -> None:
        """List what of a source belongs to the cohort, and take in what has to be written anew."""
        tree = GitTree(source.path, source.commit)
        objects = str(tree.repository.annex / "objects")
        plain: list[tuple[str, GitEntry]] = []
        for file in tree.files():
            kind = _kind(file.path, source.labels)
            if kind is None:
                continue
            try:
                entry = tree.resolve(file.path)
                if kind == "table":
                    self._take_table(tree, file.path, source)
                elif entry.key is None:
                    plain.append((file.path, entry))
                else:
                    found = find_object(objects, entry.key.name)
                    content = None if found is None else Path(found)
                    size = entry.key.size or 0
                    self._annexed.append(_Annexed(source.folder + file.path, entry.key.name, size, content, source))
            except SillageError as error:
                self._left_out(source.folder + file.path, error.detail)
        self._take_plain(tree, plain, source, cohort)

    def describe_whole(self, sources: Sequence[Source], cohort: Mapping[str, str]) -> None:
        """Describe the whole of several datasets: a BIDS study dataset, each source below ``sourcedata``."""
        members = {
            "Name": cohort["label"],
            "BIDSVersion": "1.11.0",
            "DatasetType": "study",
            "SourceDatasets": [{"URL": source.iri} for source in sources],
        }
        self._write(DESCRIPTION, (json.dumps(members, indent=2, ensure_ascii=False) + "\n").encode())
        lines = [f"# {cohort['label']}", "", f"A cohort: {cohort['id']}", "", "| dataset | folder |", "|---|---|"]
        lines += [f"| {source.title} | {source.folder} |" for source in sources]
        self._write("README.md", ("\n".join(lines) + "\n").encode())

    def share(self, progress: Progress | None) -> Iterator[Blob]:
        """Share the content of what is annexed; yield all blobs of the dataset."""
        yield from self._blobs
        for done, file in enumerate(self._annexed, start=1):
            here = self._is_shared(file)
            if file.content is not None:
                self.located.setdefault(file.source.sibling, set()).add(file.key)
            blob = annexed(file.path, file.key)
            yield blob if here else Blob(blob.path, LINK, blob.data)
            self.made.files += 1
            self.made.byte_size += file.size
            self.made.shared += here
            self.made.absent += not here
            if progress is not None:
                progress(done, len(self._annexed))

    def _is_shared(self, file: _Annexed) -> bool:
        if not self._sharing or file.content is None:
            return False
        if file.source.in_store and not _is_protected(file.content):
            # `git annex fsck` lifts the protection of content with several names. Ours is to have it, if it is whole.
            if not _is_whole(file.content, file.key):
                self._left_out(file.path, "its content is damaged; see `sillage check`")
                return False
            file.content.chmod(0o444)
        return self._objects.share(file.content, file.key)

    def _take_plain(
        self,
        tree: GitTree,
        plain: Sequence[tuple[str, GitEntry]],
        source: Source,
        cohort: Mapping[str, str],
    ) -> None:
        contents = tree.contents([entry for _, entry in plain if entry.size <= DESCRIPTION_LIMIT])
        for path, entry in plain:
            large = entry.size > DESCRIPTION_LIMIT
            content = (tree.contents([entry]) if large else contents).get(entry.oid)
            if content is None:
                self._left_out(source.folder + path, "git does not have its content")
                continue
            if path == DESCRIPTION:
                content = describe(content, name=cohort["label"], source={"URL": source.iri})
            self._write(source.folder + path, content, mode=entry.mode, in_git=not large)

    def _take_table(self, tree: GitTree, path: str, source: Source) -> None:
        found = tree.read(path)
        restricted = restrict(found, source.labels)
        if restricted is None and _INHERITED.match(path):
            restricted = found
        if restricted is None:
            self._left_out(source.folder + path, "it does not say whom its rows are about")
            return
        self._write(source.folder + path, restricted, in_git=False)

    def _write(self, path: str, content: bytes, *, mode: str = "100644", in_git: bool = True) -> None:
        """Put a content into git, or into the annex where it is large, or must be destroyable."""
        self.made.files += 1
        self.made.byte_size += len(content)
        if in_git:
            self._blobs.append(Blob(path, mode, content))
            return
        with tempfile.TemporaryDirectory(prefix="sillage-") as folder:
            staged = Path(folder) / "content"
            staged.write_bytes(content)
            key, _ = self._objects.take(staged, path)
        self._blobs.append(annexed(path, key))

    def _left_out(self, path: str, why: str) -> None:
        self.made.problems.append(Problem(path, why))


def _kind(path: str, labels: frozenset[str]) -> str | None:
    """Return what is to be done with a file of a source: ``file``, ``table`` to restrict, or None to leave it out."""
    top, slash, _ = path.partition("/")
    if slash:
        if top in labels or path.startswith(_WHOLE_FOLDERS):
            return "file"
        if path.startswith(_PHENOTYPE):
            return "table" if path.endswith(_TABLE) else "file" if path.endswith(".json") else None
        return None
    if path.endswith(_TABLE):
        return "table"
    return "file" if is_description(path, 0) or path.endswith(_TOP_FILES) else None


def _require_free(target: Path, sources: Sequence[Source]) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConflictError(f"{target} exists and is not an empty folder", field="DIR")
    if not target.parent.is_dir():
        raise InvalidRequestError(f"{target.parent} is not a folder", field="DIR", next_step="Make it first.")
    real = target.resolve()
    if any(real.is_relative_to(source.path.resolve()) for source in sources):
        raise InvalidRequestError(f"{target} lies within a dataset that the cohort comes from", field="DIR")


@contextmanager
def _built_aside(target: Path) -> Iterator[Path]:
    """Build a dataset beside its place and put it there when it is whole; leave nothing when it fails."""
    aside = target.parent / f".{target.name}.{uuid.uuid4().hex}"
    aside.mkdir(mode=0o700)
    try:
        yield aside / "dataset"
        if target.exists():
            target.rmdir()
        os.rename(aside / "dataset", target)
    finally:
        remove_tree(aside)


def _is_protected(content: Path) -> bool:
    return not content.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


def _is_whole(content: Path, key: str) -> bool:
    known = parse_key(key)
    if known is None or known.sha256 is None:
        return False
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == known.sha256


def _add_siblings(
    repository: Repository, sources: Sequence[Source], located: Mapping[str, set[str]], *, share: bool
) -> None:
    """Make each source a sibling, and have git-annex know what content it has."""
    given = []
    for source in sources:
        at = GitTree(source.path, source.commit).repository
        identity = at.try_git("config", "--local", "--get", "annex.uuid").stdout.decode().strip()
        repository.git("config", f"remote.{source.sibling}.url", str(source.path))
        # Content comes from there, history does not: it is about others as well.
        repository.git("config", f"remote.{source.sibling}.annex-sync", "false")
        if identity:
            repository.git("config", f"remote.{source.sibling}.annex-uuid", identity)
            given += [f"{key} {identity} 1\n" for key in sorted(located.get(source.sibling, ()))]
    if share:
        repository.git("config", "annex.hardlink", "true")
    if given:
        output = git_annex(repository.path, "setpresentkey", "--batch", "--quiet", given="".join(given).encode())
        require_success("git annex setpresentkey", output)


def result(made: Materialised, sources: Sequence[Source]) -> dict[str, Any]:
    """Return what was made as it goes over the wire."""
    return {
        "path": str(made.path),
        "datalad_id": made.datalad_id,
        "commit": made.commit,
        "participants": sum(len(source.labels) for source in sources),
        "files": made.files,
        "bytes": made.byte_size,
        "shared": made.shared,
        "absent": made.absent,
        "siblings": [{"name": s.sibling, "dataset": s.iri, "folder": s.folder or "."} for s in sources],
        "problems": [{"path": p.where, "detail": p.detail} for p in made.problems],
    }
