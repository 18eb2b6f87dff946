"""The DOIs under which a dataset is published here, kept in its own record, so that cohorts can be asked by them."""

from __future__ import annotations

import json

from api.access import Principal
from api.catalogue import Catalogue
from catalog.model import Commit, MustBeAt, Put, Record
from ontology.errors import ConflictError

_ATTEMPTS = 5


def tell_dataset(catalogue: Catalogue, principal: Principal, subject: Record, doi: str, *, published: bool) -> None:
    """Add the DOI of a dataset, or of one of its versions, to the dataset's ``published_as``, or take it away.

    A dataset that others write all the while stays without it: the DOI itself is minted by then.
    """
    iri = subject.id if subject.type == "Dataset" else subject.document.get("dataset")
    if subject.type not in ("Dataset", "DatasetVersion") or not isinstance(iri, str):
        return
    for _ in range(_ATTEMPTS):
        dataset = catalogue.repository.get(iri)
        before = list(dataset.document.get("published_as", []))
        after = [other for other in before if other != doi] + ([doi] if published else [])
        if dataset.withdrawn or after == before:
            return
        try:
            catalogue.repository.commit(_commit(catalogue, principal, dataset, after))
        except ConflictError:
            continue
        return


def _commit(catalogue: Catalogue, principal: Principal, dataset: Record, dois: list[str]) -> Commit:
    edges = [(edge.predicate, edge.target) for edge in catalogue.repository.edges_from([dataset.id])]
    put = Put(
        id=dataset.id,
        type="Dataset",
        document={**dataset.document, "published_as": dois},
        edges=edges,
        aliases=_aliases(catalogue, dataset),
    )
    return Commit(
        principal=principal.agent,
        action="dataset.publish",
        changes=[put],
        requirements=[MustBeAt(dataset.id, dataset.version)],
    )


def _aliases(catalogue: Catalogue, record: Record) -> list[str]:
    """Return the names by which a record is found, as the entry that wrote it states them."""
    stored = catalogue.repository.body(record.sequence)
    return list(json.loads(stored.body).get("aliases", [])) if stored is not None else []
