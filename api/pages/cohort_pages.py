"""Pages of cohorts: frozen answers, what has changed since, and what ran over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.dependencies import Caller, Open
from api.operations import cohort_objects, cohorts, records
from api.pages.overlap import Overlap
from api.pages.rendering import identifier_of, names_of, page, titles_of
from api.problems import body_of, status_of
from catalog.cohorts.balance_section import section
from ontology.errors import ConflictError, InvalidRequestError, NotPermittedError, SillageError
from ontology.namespaces import INFLUENCED_BY

router = APIRouter()
MEMBERS_SHOWN = 200
PARTS = ("train", "validation", "test")


@router.post("/cohorts/freeze")
def freeze(
    catalogue: Open, principal: Caller, q: Annotated[str, Form()] = "", label: Annotated[str, Form()] = ""
) -> Response:
    """Freeze the query that the form holds, under a name."""
    cohort = cohorts.freeze(catalogue, principal, q.strip() or "TRUE", label=_label(label))
    return RedirectResponse(f"/cohorts/{cohort['id']}", 303)


@router.get("/cohorts")
def list_cohorts(request: Request, catalogue: Open, principal: Caller, cursor: str | None = None) -> Response:
    """List the frozen cohorts and the splits made of them."""
    found = records.listing(catalogue, principal, "Cohort", cursor=cursor)
    splits = records.listing(catalogue, principal, "Split") if cursor is None else {"items": []}
    return page(request, "cohorts.html", principal, page=found, splits=splits["items"])


@router.get("/cohorts/compare")
def compare(
    request: Request,
    catalogue: Open,
    principal: Caller,
    id: Annotated[list[str] | None, Query(description="Cohorts, the first of which others are taken from.")] = None,
) -> Response:
    """Show who is in which of some cohorts."""
    return _compared(request, catalogue, principal, id or [])


@router.post("/cohorts/combine")
def combine(
    request: Request,
    catalogue: Open,
    principal: Caller,
    op: Annotated[str, Form()],
    id: Annotated[list[str], Form()],
    label: Annotated[str, Form()] = "",
    newest: Annotated[bool, Form()] = False,
) -> Response:
    """Freeze what some cohorts make together."""
    conflicts = "newest" if newest else "refuse"
    try:
        made = cohort_objects.combine(catalogue, principal, op, id, label=_label(label), conflicts=conflicts)
    except (InvalidRequestError, ConflictError) as error:
        return _compared(request, catalogue, principal, id, error=error)
    return RedirectResponse(f"/cohorts/{made['id']}", 303)


@router.get("/cohorts/{id}")
def show_cohort(request: Request, id: str, catalogue: Open, principal: Caller) -> Response:
    """Show a cohort, what has changed since, and what ran over it."""
    return _shown(request, catalogue, principal, id)


@router.post("/cohorts/{id}/split")
def split(
    request: Request,
    id: str,
    catalogue: Open,
    principal: Caller,
    train: Annotated[float, Form()] = 70,
    validation: Annotated[float, Form()] = 15,
    test: Annotated[float, Form()] = 15,
    seed: Annotated[int, Form()] = 0,
    stratify: Annotated[list[str] | None, Form()] = None,
    label: Annotated[str, Form()] = "",
) -> Response:
    """Divide a cohort into parts by the percentages that the form holds."""
    shares = dict(zip(PARTS, (train, validation, test), strict=True))
    fractions = {name: share / 100 for name, share in shares.items() if share}
    try:
        made = cohort_objects.split(
            catalogue, principal, id, fractions, seed=seed, stratify=stratify or [], label=_label(label)
        )
    except InvalidRequestError as error:
        return _shown(request, catalogue, principal, id, error=error)
    return RedirectResponse(f"/splits/{made['id']}", 303)


@router.get("/splits/{id}")
def show_split(request: Request, id: str, catalogue: Open, principal: Caller) -> Response:
    """Show the parts of a split, and whether those who belong together are together."""
    found = cohort_objects.show_split(catalogue, principal, id)
    check = cohort_objects.check_split(catalogue, principal, found["id"])
    labels = names_of(catalogue, [found["cohort"], *(part["cohort"] for part in found["parts"])])
    return page(request, "split.html", principal, r=found, check=check, labels=labels)


@router.get("/cohorts/{id}/balance")
@router.get("/splits/{id}/balance")
def balance(
    request: Request,
    id: str,
    catalogue: Open,
    principal: Caller,
    by: Annotated[list[str] | None, Query()] = None,
    against: str = "",
) -> Response:
    """Show how alike the groups of a cohort, or the parts of a split, are."""
    record = records.find(catalogue, principal, id, types=cohort_objects.COHORT | cohort_objects.SPLIT)
    report, problem = None, None
    try:
        report = cohort_objects.balance(catalogue, principal, record.id, by=by or [], against=against or None)
    except InvalidRequestError as error:
        problem = body_of(error, instance="")
    return page(
        request,
        "balance.html",
        principal,
        status=400 if problem else 200,
        r={"id": record.id, "type": record.type, "label": record.document.get("label")},
        report=report,
        drawn=section(report) if report else "",
        problem=problem,
        properties=_divisible(catalogue, principal),
        by=[found["name"] for found in report["properties"]] if report else by or [],
        against=report["against"] if report else against,
    )


def _compared(
    request: Request, catalogue: Catalogue, principal: Principal, ids: list[str], *, error: SillageError | None = None
) -> Response:
    found = [cohorts.show(catalogue, principal, each) for each in dict.fromkeys(ids)]
    sets = {cohort["id"]: {member["participant"] for member in cohort["members"]} for cohort in found}
    return page(
        request,
        "compare.html",
        principal,
        status=status_of(error) if error else 200,
        cohorts=found,
        overlap=Overlap.of(sets) if len(found) > 1 else None,
        problem=body_of(error, instance="") if error else None,
        conflict=isinstance(error, ConflictError),
        may_freeze=_may_freeze(principal),
    )


def _shown(
    request: Request, catalogue: Catalogue, principal: Principal, id: str, *, error: SillageError | None = None
) -> Response:
    cohort = cohorts.show(catalogue, principal, id)
    changes = cohorts.diff(catalogue, principal, id)
    members = catalogue.repository.get_many([member["participant"] for member in cohort["members"]])
    labels = {iri: str(record.document.get("label")) for iri, record in members.items()}
    runs = catalogue.repository.edges_to([cohort["id"]], [INFLUENCED_BY])
    tasks = catalogue.repository.get_many([edge.source for edge in runs])
    named = catalogue.repository.get_many(_participants(changes))
    return page(
        request,
        "cohort.html",
        principal,
        status=status_of(error) if error else 200,
        problem=body_of(error, instance="") if error else None,
        r=cohort,
        changes=changes,
        names=names_of(catalogue, _origins(cohort)),
        labels={**labels, **{iri: str(record.document.get("label")) for iri, record in named.items()}},
        members=sorted(cohort["members"], key=lambda m: (m["dataset"], labels.get(m["participant"], "")))[
            :MEMBERS_SHOWN
        ],
        titles=titles_of(catalogue, cohort["datasets"]),
        identifier=identifier_of(catalogue, cohort["id"]),
        tasks=[{"id": iri, "type": task.type, **task.document} for iri, task in tasks.items()],
        properties=_divisible(catalogue, principal),
        may_freeze=_may_freeze(principal),
        pipelines=_runnable(catalogue, principal, id),
    )


def _runnable(catalogue: Catalogue, principal: Principal, id: str) -> list[dict[str, Any]] | None:
    """Return the pipelines that may be run over a cohort; None where the caller may run none over it."""
    if not principal.may(Permission.RUN, records.find(catalogue, principal, id)):
        return None
    page = catalogue.repository.list_records("Pipeline", limit=1000)
    current = catalogue.repository.get_many([pipeline.document["current"] for pipeline in page.items])
    found = [{"current": iri, **version.document} for iri, version in current.items()]
    return sorted(found, key=lambda version: version["name"].casefold())


def _origins(cohort: Mapping[str, Any]) -> list[str]:
    """Return what a cohort was made of: other cohorts, or the split that it is a part of."""
    named: list[str] = [cohort["part"]["split"]] if cohort.get("part") else []
    return [*named, *(cohort.get("combination") or {}).get("cohorts", ())]


def _participants(changes: Mapping[str, Any]) -> list[str]:
    """Return who is named among the changes, so that they can be called by their labels."""
    listed = [each for kind in ("added", "removed", "changed", "withdrawn") for each in changes[kind]]
    return [each if isinstance(each, str) else each["participant"] for each in listed]


def _divisible(catalogue: Catalogue, principal: Principal) -> list[str]:
    """Return the properties of participants that a report or a split may look at, those that most have first."""
    try:
        found = cohorts.properties(catalogue, principal)["items"]
    except NotPermittedError:
        return []
    common = sorted(found, key=lambda item: (-(item.get("count") or 0), item["name"]))
    people = (item["name"] for item in common if item["level"] == "participant")
    own = [name for name in people if name not in ("id", "label") and not name.startswith("dataset.")]
    return list(dict.fromkeys([*own, "dataset"]))


def _may_freeze(principal: Principal) -> bool:
    return any(Permission.FREEZE in held for held in principal.grants.values())


def _label(text: str) -> str | None:
    return text.strip()[:500] or None
