"""Small records for the tests of repositories: this project's own, and those of backends that others write."""

from __future__ import annotations

import hashlib
from typing import Any

from catalog.model import Change, Commit, Committed, Put, Requirement
from catalog.repository import Repository
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM, PART_OF

ME = "urn:uuid:00000000-0000-4000-8000-000000000001"
YOU = "urn:uuid:00000000-0000-4000-8000-000000000002"


def do(repository: Repository, *changes: Change, need: tuple[Requirement, ...] = (), **members: Any) -> Committed:
    """Commit changes, as :data:`ME` unless told."""
    return repository.commit(
        Commit(**{"principal": ME, "action": "test.write", **members}, changes=changes, requirements=need)
    )


def dataset(label: str = "a dataset", **members: Any) -> Put:
    """Return a new dataset."""
    return Put(id=new_iri(), type="Dataset", document={"label": label, **members})


def participant(of: str, label: str = "sub-01", **members: Any) -> Put:
    """Return a new participant of a dataset."""
    return Put(
        id=new_iri(),
        type="Participant",
        document={"label": label, "dataset": of, **members},
        edges=[(PART_OF, of)],
    )


def listed(path: str, content: bytes | None = None, **members: Any) -> dict[str, Any]:
    """Return a file as a document lists it."""
    sha256 = None if content is None else hashlib.sha256(content).hexdigest()
    return {"id": new_iri(), "path": path, "sha256": sha256, "size": 3, "role": "image", **members}


def chain(repository: Repository, length: int) -> list[str]:
    """Commit records each of which is derived from the one before it, and return their names."""
    names = [new_iri() for _ in range(length)]
    pairs = zip(names[1:], names, strict=False)
    first = Put(id=names[0], type="Entity", document={"label": "0"})
    rest = [Put(id=name, type="Entity", document={}, edges=[(DERIVED_FROM, before)]) for name, before in pairs]
    do(repository, first, *rest)
    return names


def clean(repository: Repository) -> bool:
    """Tell whether a check finds nothing wrong."""
    return list(repository.check()) == []
