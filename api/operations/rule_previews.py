"""What a rule would do that nobody has made yet: whom it would fire for if every dataset came in now, and whom not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records, rules
from api.operations.candidates import choices_document
from api.operations.rule_evaluation import Standings, standings
from catalog.model import Record
from catalog.search.query import Query

LOOKED_AT = 200
"""Datasets that a preview looks at, those registered last."""


def preview(
    catalogue: Catalogue,
    principal: Principal,
    *,
    when: Any,
    pipeline: str | None = None,
    parameters: dict[str, Any] | None = None,
    select: dict[str, str] | None = None,
    choose: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return whom a rule would fire for, of all that its maker may read, and which conditions the others do not meet.

    Nothing is made and nothing started. With ``pipeline`` it is also found whether that can be run so.

    Raises:
        NotPermittedError: The caller may not make rules.
        InvalidRequestError: As for :func:`api.operations.rules.add`.
        NotFoundError: There is no such pipeline.
        BackendUnavailableError: Search is away.
    """
    rules.require_may_add(principal)
    if pipeline is not None:
        choices = choices_document(select or {}, choose or {})
        rules.require_runnable(catalogue, principal, pipeline, parameters or {}, choices)
    query = rules.condition(catalogue, principal, when)
    body = _found(catalogue, principal, query)
    records.note_access(
        catalogue, principal, "rule.preview", catalogue.iri, {"query": query.text, "count": body["fires"]}
    )
    return {"query": query.text, **body}


def _found(catalogue: Catalogue, principal: Principal, query: Query) -> dict[str, Any]:
    datasets = list(_readable(catalogue, principal))
    fails: Counter[str] = Counter()
    as_a_whole, found = 0, []
    for dataset in datasets[:LOOKED_AT]:
        standing = standings(catalogue, query, dataset.id)
        if standing.everybody:
            found.append(_of_dataset(dataset, standing))
        for participant in standing.everybody:
            if participant not in standing.matching:
                failed = standing.fails(participant)
                fails.update(failed)
                as_a_whole += not failed
    return {
        "participants": sum(each["participants"] for each in found),
        "fires": sum(each["fires"] for each in found),
        "does_not_match": sum(each["does_not_match"] for each in found),
        "datasets": found,
        "truncated": len(datasets) > LOOKED_AT,
        "fails": [{"condition": text, "participants": count} for text, count in fails.most_common()],
        "fails_as_a_whole": as_a_whole,
    }


def _of_dataset(dataset: Record, standing: Standings) -> dict[str, Any]:
    everybody, firing = len(standing.everybody), len(standing.matching)
    title = dataset.document.get("title") or dataset.document.get("label")
    return {
        "id": dataset.id,
        "title": title,
        "participants": everybody,
        "fires": firing,
        "does_not_match": everybody - firing,
    }


def _readable(catalogue: Catalogue, principal: Principal) -> Iterator[Record]:
    """Yield the datasets whose versions a rule of this maker would look at, the newest first."""
    known = list(catalogue.repository.iterate("Dataset"))
    for record in reversed(known):
        if not record.withdrawn and principal.may(Permission.READ, record):
            yield record
