"""Datasets, participants, acquisitions, content and terms."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.access import Permission
from api.dependencies import Caller, Cursor, Limit, Open, record_answer
from api.kept_answers import keep_answer
from api.operations import datasets, records, terms
from api.schemas import Listing, Reason, RecordAnswer, RegisterDataset, RegisteredDataset, Revise

router = APIRouter(prefix="/api/v1", tags=["catalogue"])


@router.post("/datasets", status_code=201, response_model=RegisteredDataset)
def register_dataset(body: RegisterDataset, catalogue: Open, principal: Caller, response: Response) -> Any:
    """Register a dataset: take its data in, read it whole, map it to terms, version it."""
    answer = datasets.register(
        catalogue,
        principal,
        path=Path(body.path),
        reader=body.reader,
        in_place=body.in_place,
        public=body.public,
    )
    response.headers["Location"] = f"/api/v1/datasets/{answer['id']}"
    return answer


@router.get("/datasets", response_model=Listing)
def list_datasets(catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List the datasets that the caller may read."""
    return records.listing(catalogue, principal, "Dataset", cursor=cursor, limit=limit)


@router.get("/datasets/{id}", response_model=RecordAnswer)
async def show_dataset(
    id: str, catalogue: Open, principal: Caller, request: Request, version: Annotated[int | None, Query()] = None
) -> Response:
    """Show a dataset; `ETag` is its version, to be sent back in `If-Match`."""
    keep_answer(request)
    # Reading one row takes less time than handing that to a thread.
    found = records.show(catalogue, principal, id, types=datasets.DATASET, version=version, permission=Permission.COUNT)
    return record_answer(found)


@router.post("/datasets/{id}/revise", response_model=RegisteredDataset)
def revise_dataset(
    id: str,
    body: Revise,
    catalogue: Open,
    principal: Caller,
    if_match: Annotated[str | None, Header()] = None,
) -> Any:
    """Read a dataset again: what changed becomes new versions, what vanished is withdrawn."""
    return datasets.revise(catalogue, principal, id, path=Path(body.path) if body.path else None, if_match=if_match)


@router.post("/datasets/{id}/withdraw", response_model=RecordAnswer)
def withdraw_dataset(id: str, body: Reason, catalogue: Open, principal: Caller) -> Any:
    """Withdraw a dataset: a tombstone with the reason stays."""
    return datasets.withdraw(catalogue, principal, id, reason=body.reason)


@router.get("/datasets/{id}/versions", response_model=Listing)
def list_versions(id: str, catalogue: Open, principal: Caller) -> Any:
    """List the versions of a dataset's data, oldest first."""
    return datasets.versions(catalogue, principal, id)


@router.get("/datasets/{id}/report")
def show_report(id: str, catalogue: Open, principal: Caller) -> dict[str, Any]:
    """Say what was mapped to terms, what was not, and what is wrong with the dataset."""
    return datasets.report(catalogue, principal, id)


@router.get("/datasets/{id}/participants", response_model=Listing)
def list_participants(id: str, catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List a dataset's participants."""
    dataset = records.find(catalogue, principal, id, types=datasets.DATASET)
    return records.listing(catalogue, principal, "Participant", part_of=dataset.id, cursor=cursor, limit=limit)


@router.get("/participants/{id}", response_model=RecordAnswer)
def show_participant(id: str, catalogue: Open, principal: Caller) -> Response:
    """Show a participant: properties with terms and original text."""
    return record_answer(records.show(catalogue, principal, id, types=frozenset({"Participant"})))


@router.get("/participants/{id}/acquisitions", response_model=Listing)
def list_acquisitions(id: str, catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List a participant's acquisitions."""
    participant = records.find(catalogue, principal, id, types=frozenset({"Participant"}))
    return records.listing(catalogue, principal, "Acquisition", part_of=participant.id, cursor=cursor, limit=limit)


@router.get("/acquisitions/{id}", response_model=RecordAnswer)
def show_acquisition(id: str, catalogue: Open, principal: Caller) -> Response:
    """Show an acquisition: files, entities, metadata."""
    return record_answer(records.show(catalogue, principal, id, types=frozenset({"Acquisition"})))


@router.get("/entities/{sha256}")
def show_content(sha256: str, catalogue: Open, principal: Caller) -> dict[str, Any]:
    """Show where content with this SHA-256 is found, in the datasets that the caller may read."""
    return datasets.content(catalogue, principal, sha256)


@router.get("/records/{id}", response_model=RecordAnswer)
def show_record(id: str, catalogue: Open, principal: Caller) -> Response:
    """Show any record by its id, an unambiguous prefix of it, or another name that it has."""
    return record_answer(records.show(catalogue, principal, id))


@router.get("/terms", response_model=Listing)
def find_terms(
    catalogue: Open, principal: Caller, q: Annotated[str, Query(min_length=1, max_length=500)], limit: Limit = 20
) -> Any:
    """Find terms by label, synonym, CURIE or cross-reference."""
    return terms.find(catalogue, principal, q, limit=limit)


@router.post("/terms", status_code=201)
async def load_terms(
    request: Request, catalogue: Open, principal: Caller, name: Annotated[str, Query(pattern=r"^[\w.+ -]{1,200}$")]
) -> dict[str, Any]:
    """Load an ontology: the body is the file (OBO, OWL in RDF/XML or OWL/XML, Turtle); `name` is its file name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("ontology" + Path(name).suffix)
        with path.open("wb") as file:
            async for chunk in request.stream():
                file.write(chunk)
        return await run_in_threadpool(terms.load, catalogue, principal, path, name=name)


@router.get("/terms/{term:path}")
def show_term(term: str, catalogue: Open, principal: Caller) -> dict[str, Any]:
    """Show a term by CURIE, IRI or unambiguous name: parents, children, synonyms, uses."""
    return terms.show(catalogue, principal, term)
