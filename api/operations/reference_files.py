"""Where the files of reference cases lie: by the digest of all of them, like those of pipelines."""

from __future__ import annotations

from pathlib import Path

from api.catalogue import Catalogue
from catalog.model import Record
from ontology.errors import NotFoundError

FOLDER = "references"


def case_folder(catalogue: Catalogue, digest: str) -> Path:
    """Return the folder of a case's files."""
    return catalogue.directory / FOLDER / digest


def case_file(catalogue: Catalogue, case: Record, path: str) -> Path:
    """Return where a file of a reference case lies.

    Raises:
        NotFoundError: It is gone.
    """
    place = case_folder(catalogue, case.document["files_digest"]) / path
    if not place.is_file():
        raise NotFoundError(f"a file of the reference case {case.id} is not on this machine", field="reference")
    return place
