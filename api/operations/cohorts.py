"""Cohorts: ask, freeze, show, compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import counting, records
from api.operations.small_counts import Scopes, merged_properties, scopes_of
from api.wire import record_body
from catalog import cohorts
from catalog.model import Commit, Put
from catalog.search.cql2_text import MAX_BYTES
from catalog.search.histogram import histogram
from catalog.search.query import Query, parse, parse_json
from catalog.search.removal import standing_of
from catalog.search.removal import why_not as explain_removal
from catalog.search.rollup import term_tree
from catalog.search.suggestion import MOST
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
    scopes = scopes_of(catalogue.search, principal, parsed) if principal.count_only else None
    if scopes is not None:
        counting.asked_of_all(scopes, parsed, (*facets, *histograms, *trees))
    answer = catalogue.search.find(
        parsed if scopes is None else scopes.readable.asked(parsed),
        datasets=principal.datasets(Permission.READ),
        facets=facets if scopes is None else [name for name in facets if scopes.readable.knows(name)],
        explain=explain,
        cursor=cursor,
        limit=limit,
    )
    body = {**answer.to_json(), "total": answer.count, "query": parsed.text, "query_json": parsed.json}
    if scopes is not None:
        body |= counting.counts_of(scopes, answer, parsed, facets=facets)
        # What nobody among the readable has, others may have who are counted.
        body["notices"] = [*answer.notices, *scopes.notices]
    draw = _Drawing(catalogue, principal, scopes, parsed)
    body["histograms"] = {name: draw.histogram(name) for name in histograms}
    body["trees"] = {name: draw.tree(name) for name in trees}
    noted = {"query": parsed.text, "count": body["count"], "shown": [hit.id for hit in answer.items]}
    records.note_access(catalogue, principal, "cohort.query", catalogue.iri, noted)
    return body


@dataclass(frozen=True, slots=True)
class _Drawing:
    """Draws one answer, by what the principal may read and count; ``scopes`` where that differs."""

    catalogue: Catalogue
    principal: Principal
    scopes: Scopes | None
    query: Query

    def histogram(self, name: str) -> dict[str, Any]:
        if self.scopes is not None:
            return counting.histogram(self.scopes, self.query, name)
        datasets = self.principal.datasets(Permission.READ)
        return histogram(self.catalogue.search, self.query, name, datasets=datasets).to_json()

    def tree(self, name: str) -> list[dict[str, Any]]:
        terms = self.catalogue.terms
        if self.scopes is not None:
            return counting.tree(self.scopes, terms, self.query, name)
        datasets = self.principal.datasets(Permission.READ)
        return [node.to_json() for node in term_tree(self.catalogue.search, terms, self.query, name, datasets=datasets)]


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
    search, readable = catalogue.search, principal.datasets(Permission.READ)
    if principal.count_only:
        scopes = scopes_of(search, principal, parsed)
        counting.asked_of_all(scopes, parsed, ())
        body = {**counting.why_not(scopes, parsed), "notices": list(scopes.notices)}
        if asked is not None:
            standing = standing_of(search, scopes.readable.asked(parsed), asked, datasets=readable)
            body["participant"] = standing.to_json()
    else:
        body = explain_removal(search, parsed, datasets=readable, participant=asked).to_json()
    noted = {"query": parsed.text, "count": body["count"]}
    records.note_access(catalogue, principal, "cohort.why-not", asked or catalogue.iri, noted)
    return {**body, "query": parsed.text}


def suggest(catalogue: Catalogue, principal: Principal, text: str, at: int | None) -> dict[str, Any]:
    """Return what may stand at a place of a query that somebody types.

    Values are suggested that at least :data:`SHARED` participants have, so that nothing is told of a single one and
    typing leaves no entries; where one may only count, values of as many as one is told of, and no numbers.

    Raises:
        InvalidRequestError: The text is longer than any query.
    """
    if len(text) > MAX_BYTES:
        raise InvalidRequestError(f"a query has at most {MAX_BYTES} characters", field="q")
    catalogue.refresh_search()
    search, terms, place = catalogue.search, catalogue.terms, len(text) if at is None else at
    readable = principal.datasets(Permission.READ)
    found = [each.to_json() for each in suggestions(search, terms, text, place, datasets=readable, least=SHARED)]
    for scope in scopes_of(search, principal).counted if principal.count_only else ():
        datasets, least = scope.only or scope.datasets, max(scope.least, SHARED)
        others = suggestions(search, terms, text, place, datasets=datasets, least=least)
        found = _joined(found, [replace(each, count=None).to_json() for each in others])
    return {"items": found, "total": len(found), "next": None}


def _joined(found: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return two lists as one, each suggestion once, at the better of its places."""
    ranked: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
    for at, each in (*enumerate(found), *enumerate(others)):
        key = (each["kind"], each["text"])
        before = ranked.get(key, (at, each))
        ranked[key] = (min(at, before[0]), before[1])
    return [each for _, each in sorted(ranked.values(), key=lambda pair: pair[0])][:MOST]


def properties(catalogue: Catalogue, principal: Principal) -> dict[str, Any]:
    """Return the properties that have values among what the caller may read or count.

    The numbers that somebody is told who may only count are a question like any other, and put on the ledger.
    """
    catalogue.refresh_search()
    if principal.count_only:
        items = merged_properties(scopes_of(catalogue.search, principal))
        records.note_access(catalogue, principal, "cohort.properties", catalogue.iri, {"properties": len(items)})
    else:
        found = catalogue.search.properties(datasets=principal.datasets(Permission.READ))
        items = [item.to_json() for item in found]
    return {"items": items, "total": len(items), "next": None}


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
