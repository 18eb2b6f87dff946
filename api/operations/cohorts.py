"""Cohorts: ask, freeze, show, compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.wire import record_body
from catalog import cohorts
from catalog.model import Commit, Put
from catalog.search.cql2_text import MAX_BYTES
from catalog.search.histogram import histogram
from catalog.search.query import Query, parse, parse_json
from catalog.search.removal import why_not as explain_removal
from catalog.search.rollup import term_tree
from catalog.search.suggestion import suggest as suggestions
from ontology.errors import InvalidRequestError
from ontology.identifiers import new_iri

MAX_PAGE = 1000
COHORT = frozenset({"Cohort"})
SHARED = 2
PARTICIPANT = frozenset({"Participant"})


def parse_query(query: Any) -> Query:
    """Return the query that a text or a CQL2-JSON document says.

    Raises:
        InvalidRequestError: It is neither, or malformed.
    """
    if isinstance(query, str):
        return parse(query)
    if isinstance(query, dict):
        return parse_json(query)
    raise InvalidRequestError("a query is CQL2 text or a CQL2-JSON object", field="query")


def find(
    catalogue: Catalogue,
    principal: Principal,
    query: Any,
    *,
    facets: Sequence[str] = (),
    histograms: Sequence[str] = (),
    trees: Sequence[str] = (),
    explain: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """Return the participants that match, with facets, histograms, trees and explanations when asked.

    Raises:
        InvalidRequestError: The query is malformed, or names an unknown property or term.
        AmbiguousError: A term means several things.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequestError(f"limit must be between 1 and {MAX_PAGE}", field="limit")
    parsed = parse_query(query)
    catalogue.refresh_search()
    datasets, search = principal.datasets(Permission.READ), catalogue.search
    answer = search.find(parsed, datasets=datasets, facets=facets, explain=explain, cursor=cursor, limit=limit)
    spread = {name: histogram(search, parsed, name, datasets=datasets) for name in histograms}
    rolled = {name: term_tree(search, catalogue.terms, parsed, name, datasets=datasets) for name in trees}
    records.note_access(
        catalogue,
        principal,
        "cohort.query",
        catalogue.iri,
        {"query": parsed.text, "count": answer.count, "shown": [hit.id for hit in answer.items]},
    )
    return {
        **answer.to_json(),
        "histograms": {name: found.to_json() for name, found in spread.items()},
        "trees": {name: [node.to_json() for node in nodes] for name, nodes in rolled.items()},
        "total": answer.count,
        "query": parsed.text,
        "query_json": parsed.json,
    }


def why_not(
    catalogue: Catalogue, principal: Principal, query: Any, *, participant: str | None = None
) -> dict[str, Any]:
    """Return what each condition of a query takes away; of a participant, which it does not meet and what it has.

    Raises:
        InvalidRequestError: As for :func:`find`.
        NotFoundError: The participant is not one that the caller may read.
    """
    parsed = parse_query(query)
    asked = records.find(catalogue, principal, participant, types=PARTICIPANT).id if participant else None
    catalogue.refresh_search()
    found = explain_removal(catalogue.search, parsed, datasets=principal.datasets(Permission.READ), participant=asked)
    subject = asked or catalogue.iri
    records.note_access(catalogue, principal, "cohort.why-not", subject, {"query": parsed.text, "count": found.count})
    return {**found.to_json(), "query": parsed.text}


def suggest(catalogue: Catalogue, principal: Principal, text: str, at: int | None) -> dict[str, Any]:
    """Return what may stand at a place of a query that somebody types.

    Values are suggested that at least :data:`SHARED` participants have, so that nothing is told of a single one and
    typing leaves no entries.

    Raises:
        InvalidRequestError: The text is longer than any query.
    """
    if len(text) > MAX_BYTES:
        raise InvalidRequestError(f"a query has at most {MAX_BYTES} characters", field="q")
    catalogue.refresh_search()
    found = suggestions(
        catalogue.search,
        catalogue.terms,
        text,
        len(text) if at is None else at,
        datasets=principal.datasets(Permission.READ),
        least=SHARED,
    )
    return {"items": [each.to_json() for each in found], "total": len(found), "next": None}


def properties(catalogue: Catalogue, principal: Principal) -> dict[str, Any]:
    """Return the properties that have values among what the caller may read."""
    catalogue.refresh_search()
    found = catalogue.search.properties(datasets=principal.datasets(Permission.READ))
    return {"items": [item.to_json() for item in found], "total": len(found), "next": None}


def freeze(catalogue: Catalogue, principal: Principal, query: Any, *, label: str | None = None) -> dict[str, Any]:
    """Freeze the present answer to a query as a Cohort record that can be cited, run on and compared.

    Raises:
        InvalidRequestError: As for :func:`find`; or nobody matches.
    """
    principal.require(Permission.FREEZE)
    catalogue.refresh_search()
    draft = cohorts.freeze(
        parse_query(query),
        catalogue.search,
        repository=catalogue.repository,
        terms_digest=catalogue.terms.digest,
        datasets=principal.datasets(Permission.READ),
        label=label,
    )
    if not draft.document["members"]:
        raise InvalidRequestError(
            "nobody matches this query, so there is nothing to freeze",
            field="query",
            next_step="Ask it with `sillage cohort find` first.",
        )
    document = {
        **draft.document,
        "datasets": sorted({member["dataset"] for member in draft.document["members"]}),
        "creator": principal.agent,
    }
    put = Put(id=new_iri(), type="Cohort", document=document, edges=draft.edges)
    catalogue.repository.commit(Commit(principal=principal.agent, action="cohort.freeze", changes=[put]))
    return record_body(catalogue.repository.get(put.id), principal)


def show(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a frozen cohort; its members are participant-level, so reading it is put on the ledger."""
    record = records.find(catalogue, principal, reference, types=COHORT)
    records.note_access(catalogue, principal, "cohort.read", record.id)
    return record_body(record, principal)


def diff(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return what has changed since a cohort was frozen: who would join, who would leave, whose data changed."""
    record = records.find(catalogue, principal, reference, types=COHORT)
    catalogue.refresh_search()
    found = cohorts.diff(
        record.document,
        catalogue.search,
        repository=catalogue.repository,
        datasets=principal.datasets(Permission.READ),
    )
    records.note_access(catalogue, principal, "cohort.diff", record.id)
    return {"id": record.id, "type": "CohortDiff", **asdict(found)}
