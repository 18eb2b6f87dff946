"""Pages of records: datasets, participants, acquisitions, terms; and any id at all."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.access import Permission
from api.dependencies import Caller, Open
from api.operations import datasets, identity_links, records, terms
from api.pages.rendering import can_read_data, identifier_of, page, pictures_of, titles_of
from api.pages.resting import made_by
from api.wire import record_body

router = APIRouter()
PAGES = {
    "Dataset": "datasets",
    "Participant": "participants",
    "Acquisition": "acquisitions",
    "Entity": "acquisitions",
    "Cohort": "cohorts",
    "Split": "splits",
    "Task": "tasks",
    "TaskBatch": "tasks",
    "Rule": "rules",
    "RuleEvaluation": "evaluations",
    "Pipeline": "pipelines",
    "PipelineVersion": "pipelines",
    "Certificate": "certificates",
}


@router.get("/id/{id:path}")
def any_record(request: Request, id: str, catalogue: Open, principal: Caller) -> Response:
    """Open whatever an id names."""
    record = records.find(catalogue, principal, id)
    if record.type in PAGES:
        return RedirectResponse(f"/{PAGES[record.type]}/{record.id}", 303)
    body = record_body(record, principal)
    if record.type == "Identifier":
        return RedirectResponse(f"/doi/{record.document['doi']}", 303)
    readable = can_read_data(principal, record)
    picture = next((p["src"] for p in pictures_of([body])), None) if record.type == "File" and readable else None
    made = made_by(catalogue, principal, record) if record.type == "File" else None
    return page(request, "record.html", principal, r=body, readable=readable, picture=picture, made=made)


@router.get("/datasets")
def list_datasets(request: Request, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """List datasets."""
    found = records.listing(catalogue, principal, "Dataset", cursor=cursor)
    return page(request, "datasets.html", principal, page=found)


@router.get("/datasets/{id}")
def show_dataset(request: Request, id: str, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """Show a dataset: facts, participants or results, versions, the mapping report.

    Whoever may only count is shown the facts: no participant, and nothing that was found in one.
    """
    record = records.find(catalogue, principal, id, types=datasets.DATASET, permission=Permission.COUNT)
    whole = principal.may(Permission.READ, record)
    raw = record.document.get("dataset_type") != "derivative"
    members = None
    results: dict[str, Any] | None = None
    if raw and whole:
        members = records.listing(catalogue, principal, "Participant", part_of=record.id, cursor=cursor, limit=200)
    elif whole:
        found = [records.listing(catalogue, principal, t, part_of=record.id) for t in ("Acquisition", "Entity")]
        results = {"items": [item for listing in found for item in listing["items"]]}
    return page(
        request,
        "dataset.html",
        principal,
        r=record_body(record, principal),
        participants=members,
        results=results,
        whole=whole,
        versions=datasets.versions(catalogue, principal, record.id)["items"],
        report=datasets.report(catalogue, principal, record.id) if raw and whole else None,
        identifier=identifier_of(catalogue, record.id),
        titles=titles_of(catalogue, [s for s in record.document.get("source_datasets") or [] if isinstance(s, str)]),
    )


@router.get("/participants/{id}")
def show_participant(request: Request, id: str, catalogue: Open, principal: Caller) -> Response:
    """Show a participant: properties with terms, who else is the same person, and acquisitions, derived ones too."""
    body = records.show(catalogue, principal, id, types=frozenset({"Participant"}))
    acquisitions = records.about(catalogue, principal, body["id"])
    same = identity_links.same_as(catalogue, principal, body["id"])
    return page(
        request,
        "participant.html",
        principal,
        r=body,
        acquisitions=acquisitions,
        same=same,
        titles=titles_of(catalogue, [body["dataset"], *(each["dataset"] for each in same)]),
    )


@router.get("/acquisitions/{id}")
def show_acquisition(request: Request, id: str, catalogue: Open, principal: Caller) -> Response:
    """Show an acquisition or another output: pictures, files, properties, sidecar."""
    record = records.find(catalogue, principal, id, types=frozenset({"Acquisition", "Entity"}))
    body = records.show(catalogue, principal, record.id)
    readable = can_read_data(principal, record)
    participant = catalogue.repository.get_many([body["participant"]] if body.get("participant") else [])
    return page(
        request,
        "acquisition.html",
        principal,
        r=body,
        readable=readable,
        pictures=pictures_of(body["files"]) if readable else [],
        titles=titles_of(catalogue, [body["dataset"]]),
        made=made_by(catalogue, principal, record),
        may_run=readable and principal.may(Permission.RUN, record),
        participant_label=next((r.document.get("label") for r in participant.values()), None),
    )


@router.get("/terms")
def find_terms(request: Request, catalogue: Open, principal: Caller, q: str = "") -> Response:
    """Find terms."""
    found = terms.find(catalogue, principal, q, limit=50)["items"] if q.strip() else None
    return page(request, "terms.html", principal, q=q, found=found, vocabularies=catalogue.terms.vocabularies())


@router.get("/terms/{term:path}")
def show_term(request: Request, term: str, catalogue: Open, principal: Caller) -> Response:
    """Show a term."""
    principal.require(Permission.READ)
    return page(request, "term.html", principal, t=terms.show(catalogue, principal, term))
