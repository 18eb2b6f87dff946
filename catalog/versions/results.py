"""Datasets of results as they are before there are any: made, asked whether they hold some, looked into by key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.versions.annex import find_object, sha256e_key
from catalog.versions.dataset import BRANCH, dataset_blobs, initialise, refresh_index
from catalog.versions.git import Repository
from catalog.versions.git_tree import GitTree
from catalog.versions.history import Blob, commit, head, write_working_tree
from catalog.versions.objects import AnnexObjects, synchronise_all
from catalog.versions.surroundings import Surroundings
from ontology.errors import NotFoundError

BIDS_VERSION = "1.11.0"
_NOT_BIDS = "*.html\n**/figures\n**/*_desc-*.json\n*.npz\n"
_ATTRIBUTES = b"""\
* annex.backend=SHA256E
* annex.largefiles=anything
**/.git* annex.largefiles=nothing
/.bidsignore annex.largefiles=nothing
/README.md annex.largefiles=largerthan=1MiB
/dataset_description.json annex.largefiles=largerthan=1MiB
/code/** annex.largefiles=largerthan=1MiB
/.gitmodules annex.largefiles=nothing
"""
# Narrower than for a folder that was taken in: every output is in the annex, whatever its name, and a run that is
# repeated by hand must put it there as well, or it seems to have changed.
_BESIDE = ("code/", "sourcedata/", ".datalad/")
_OWN = frozenset({"dataset_description.json", "README.md", ".bidsignore", ".gitattributes", ".gitmodules"})


def describe_results(name: str, description: Mapping[str, Any]) -> bytes:
    """Return the ``dataset_description.json`` of a derivative dataset (BIDS 1.11, derived dataset)."""
    members = {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": "derivative", **description}
    return json.dumps(members, indent=2, ensure_ascii=False).encode() + b"\n"


def create_results(path: Path, identifier: str, description: bytes, surroundings: Surroundings) -> None:
    """Make a dataset without results at ``path``, which does not exist.

    Raises:
        OSError: The disk refused.
        BackendUnavailableError: git or git-annex failed.
    """
    repository = initialise(path)
    objects = AnnexObjects(repository.annex)
    blobs = {blob.path: blob for blob in dataset_blobs(identifier)}
    blobs[".gitattributes"] = Blob(".gitattributes", "100644", _ATTRIBUTES)
    blobs["dataset_description.json"] = Blob("dataset_description.json", "100644", description)
    # Reports, figures and measures of pipelines have no place of their own in BIDS yet.
    blobs[".bidsignore"] = Blob(".bidsignore", "100644", _NOT_BIDS.encode())
    blobs |= {blob.path: blob for blob in surroundings.blobs(objects)}
    for folder in surroundings.folders:
        blobs |= {blob.path: blob for blob in surroundings.folder_blobs(objects, folder)}
    commit(repository, branch=BRANCH, parent=None, message="Create the derivative dataset", blobs=list(blobs.values()))
    write_working_tree(path, blobs.values())
    refresh_index(repository)
    synchronise_all(path)


def is_unused(repository: Repository) -> bool:
    """Tell whether a dataset of results holds none yet."""
    found = head(repository)
    if found is None:
        return True
    entries = GitTree(repository.path, found[0]).entries
    return all(path in _OWN or path.startswith(_BESIDE) for path in entries)


def object_of(repository: Repository, path: str, *, sha256: str, size: int) -> Path:
    """Return where the content of an output lies that was saved at ``path``; the commit need not be looked into.

    Raises:
        NotFoundError: It is not here.
    """
    place = find_object(str(repository.annex / "objects"), sha256e_key(path, sha256=sha256, size=size))
    if place is None:
        raise NotFoundError(f"{path}: its content is not here", field="path")
    return Path(place)
