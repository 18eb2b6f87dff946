"""Registration: from a reading to the one commit that brings a dataset, or its next version, into the catalogue."""

from __future__ import annotations

from catalog.readers.collection import collection_paused
from catalog.readers.reading import Reading
from catalog.registration.known import Known
from catalog.registration.model import Counts, Plan, VersionInfo
from catalog.registration.planner import Planner
from catalog.repository import Repository
from ontology.errors import ConflictError

__all__ = ["Counts", "Plan", "VersionInfo", "is_current", "plan"]


def plan(
    repository: Repository,
    *,
    reading: Reading,
    dataset: str | None = None,
    version: VersionInfo,
    principal: str,
    label: str | None = None,
) -> Plan:
    """Return the commit that registers ``reading`` as a new dataset, or revises ``dataset`` to it.

    The commit requires that the dataset, and every record that it writes again, is still at the version that
    the plan was made on: two revisions at a time cannot mix.

    Args:
        repository: Where the dataset is or will be; only read.
        reading: What a reader found.
        dataset: IRI of the dataset to revise; None to register a new one.
        version: Which version of the data was read.
        principal: IRI of the caller.
        label: What to call a dataset that has no title of its own.

    Raises:
        ConflictError: To be registered as new, and registered already (``params['dataset']`` says as what).
        NotFoundError: There is no such dataset to revise.
    """
    with collection_paused():
        if dataset is None:
            _refuse_twice(repository, version)
            return Planner(Known.nothing(), reading, version, label).plan(principal, "dataset.register")
        return Planner(Known.of(repository, dataset), reading, version, label).plan(principal, "dataset.revise")


def is_current(repository: Repository, dataset: str, version: VersionInfo) -> bool:
    """Tell whether reading this version again would change nothing: same git tree, same name, same ontology.

    This is what makes looking at an unchanged dataset cheap; :func:`plan` finds out the long way.

    Raises:
        NotFoundError: There is no such dataset.
    """
    current = repository.get(dataset).document.get("current")
    if current is None or version.tree is None:
        return False
    said = repository.get(current).document
    named = version.name is None or version.name == said.get("name")
    return named and (version.tree, version.ontology) == (said.get("tree"), said.get("ontology"))


def _refuse_twice(repository: Repository, version: VersionInfo) -> None:
    if version.datalad_id is None:
        return
    known = repository.find_alias(f"datalad:{version.datalad_id}")
    if known is not None:
        raise ConflictError(
            "this DataLad dataset is registered already",
            field="path",
            next_step=f"To take in another version of it: sillage dataset revise {known}",
            params={"dataset": known},
        )
