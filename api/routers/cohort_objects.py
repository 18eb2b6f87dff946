"""What is made of frozen cohorts: combinations, balance reports, splits and exports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import Field

from api.dependencies import Caller, Cursor, Limit, Open, json_answer, record_answer
from api.operations import cohort_datasets, cohort_objects, records
from api.schemas import Body, Listing, RecordAnswer
from catalog.cohorts.balance_plots import plot as drawing
from catalog.cohorts.balance_section import section
from catalog.cohorts.combine import MAX_PARTS
from ontology.errors import InvalidRequestError

router = APIRouter(prefix="/api/v1", tags=["cohorts"])
Names = Annotated[str, Query(description="Properties, separated by commas.", max_length=2000)]


class CombineCohorts(Body):
    """Cohorts to make one of."""

    op: Literal["union", "intersection", "difference"]
    cohorts: list[str] = Field(max_length=MAX_PARTS, description="Ids; a difference is the first without all others.")
    label: str | None = Field(default=None, max_length=500)
    conflicts: Literal["refuse", "newest"] = Field(
        default="refuse", description="What to do about participants that were frozen in several states."
    )


class SplitCohort(Body):
    """How to divide a cohort."""

    parts: dict[str, float] = Field(
        default_factory=lambda: {"train": 0.7, "validation": 0.15, "test": 0.15},
        description="Part names to fractions, which sum to 1.",
    )
    seed: int = Field(default=0, description="The same seed gives the same parts.")
    stratify: list[str] = Field(default_factory=list, max_length=10, description="Properties to keep alike.")
    together: list[str] | None = Field(
        default=None,
        max_length=20,
        description="Properties of which equal values keep people together; unset: those that say who is family.",
    )
    label: str | None = Field(default=None, max_length=500)


class MaterialiseCohort(Body):
    """Where to make a dataset of a cohort's files."""

    path: str = Field(description="A folder that is not there yet, or empty.", min_length=1)
    share: bool = Field(default=True, description="Share content; otherwise it stays with the siblings.")


@router.post("/cohorts/combine", status_code=201, response_model=RecordAnswer)
def combine(body: CombineCohorts, catalogue: Open, principal: Caller, response: Response) -> Any:
    """Freeze the union, intersection or difference of cohorts as a new cohort."""
    made = cohort_objects.combine(
        catalogue, principal, body.op, body.cohorts, label=body.label, conflicts=body.conflicts
    )
    response.headers["Location"] = f"/api/v1/cohorts/{made['id']}"
    return made


@router.get("/cohorts/{id}/balance")
def balance(
    id: str,
    catalogue: Open,
    principal: Caller,
    by: Names = "",
    against: Annotated[str | None, Query(description="What divides the members into groups.")] = None,
    format: Literal["json", "svg", "html"] = "json",
    plot: Annotated[str | None, Query(description="With `svg`: which property to draw.")] = None,
) -> Response:
    """Say how alike the groups of a cohort, or the parts of a split, are: as JSON, one drawing, or HTML."""
    if format == "svg" and not plot:
        raise InvalidRequestError("say which property to draw", field="plot", next_step="For instance plot=age.")
    named = _names(by) or ([plot] if format == "svg" and plot else [])
    report = cohort_objects.balance(catalogue, principal, id, by=named, against=against)
    if format == "svg":
        return Response(drawing(report, str(plot)), media_type="image/svg+xml")
    return HTMLResponse(section(report)) if format == "html" else json_answer(report)


@router.post("/cohorts/{id}/split", status_code=201, response_model=RecordAnswer)
def split(id: str, body: SplitCohort, catalogue: Open, principal: Caller, response: Response) -> Any:
    """Divide a cohort into parts that keep siblings and records of one person together; each part is a cohort."""
    made = cohort_objects.split(
        catalogue,
        principal,
        id,
        body.parts,
        seed=body.seed,
        stratify=body.stratify,
        together=body.together,
        label=body.label,
    )
    response.headers["Location"] = f"/api/v1/splits/{made['id']}"
    return made


@router.get("/cohorts/{id}/export", response_class=StreamingResponse)
def export(
    id: str,
    catalogue: Open,
    principal: Caller,
    format: Annotated[str, Query(description="`tsv`, `csv` or `jsonld`.")] = "tsv",
    columns: Names = "",
) -> StreamingResponse:
    """Stream a cohort, one row per member, with chosen properties as they were frozen."""
    rows, media_type = cohort_objects.export(catalogue, principal, id, format=format, columns=_names(columns))
    return StreamingResponse(rows, media_type=media_type)


@router.post("/cohorts/{id}/materialise", status_code=201)
def materialise(id: str, body: MaterialiseCohort, catalogue: Open, principal: Caller, request: Request) -> Any:
    """Make a DataLad dataset of just a cohort's files, on the machine of the catalogue; not over the network."""
    return cohort_datasets.materialise(
        catalogue,
        principal,
        id,
        Path(body.path),
        local=getattr(request.app.state, "in_process", False),
        share=body.share,
    )


@router.get("/splits", response_model=Listing)
def list_splits(catalogue: Open, principal: Caller, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """List the splits."""
    return records.listing(catalogue, principal, "Split", cursor=cursor, limit=limit)


@router.get("/splits/{id}", response_model=RecordAnswer)
def show_split(id: str, catalogue: Open, principal: Caller) -> Response:
    """Show a split with its parts and members."""
    return record_answer(cohort_objects.show_split(catalogue, principal, id))


@router.get("/splits/{id}/check")
def check_split(id: str, catalogue: Open, principal: Caller) -> dict[str, Any]:
    """Tell whether anybody who belongs together, as is known today, is in different parts."""
    return cohort_objects.check_split(catalogue, principal, id)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
