"""Reading records: by any name, with permission, and with the trace that reading participants leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.wire import page_body, record_body, summary_body
from catalog.commits.references import the_one
from catalog.model import Commit, Durability, Note, Page, Record
from ontology.errors import AmbiguousError, NotFoundError, NotPermittedError
from ontology.identifiers import is_record_iri
from ontology.namespaces import DERIVED_FROM

PARTICIPANT_LEVEL = frozenset({"Participant", "Acquisition", "Entity", "File"})
LISTS_PARTICIPANTS = frozenset({"Cohort", "Split", "IdentityLink"})
"""Not about one participant, but saying who is in them."""
PRIVATE = frozenset({"Token", "Grant"})
OF_SEVERAL_DATASETS = frozenset({"Cohort", "Split", "Task", "TaskBatch", "RuleEvaluation", "Model", "IdentityLink"})
"""Read by whoever may read all the datasets that they rest on, which no index of the repository answers."""
GOVERNED = PARTICIPANT_LEVEL | {"Dataset", "DatasetVersion"}


def find(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    *,
    types: frozenset[str] | None = None,
    permission: Permission = Permission.READ,
) -> Record:
    """Return the record that ``reference`` names, if the principal holds ``permission`` on it.

    Raises:
        NotFoundError: Nothing of these types answers to it, or the principal may not read it.
        NotPermittedError: It may be read, but not this done to it.
        AmbiguousError: Several records answer to it.
    """
    record = _seen(catalogue, principal, reference, permission)
    if types is not None and record.type not in types:
        wanted = " or ".join(sorted(types))
        raise NotFoundError(f"{reference} is a {record.type}, not a {wanted}", field="id")
    principal.require(permission, record)
    return record


def _seen(catalogue: Catalogue, principal: Principal, reference: str, permission: Permission) -> Record:
    """Return the record that a name means among those that the principal may see; any other is as if absent."""
    named = is_record_iri(reference)
    candidates = [reference] if named else _candidates(catalogue, reference)
    found = catalogue.repository.get_many(candidates)
    seen = [found[iri] for iri in candidates if iri in found and _may_see(principal, found[iri], permission)]
    if not seen and named:
        raise NotFoundError(f"there is no record {reference}", field="id")
    return found[the_one(reference, [record.id for record in seen])]


def _candidates(catalogue: Catalogue, reference: str) -> list[str]:
    try:
        return [catalogue.repository.resolve(reference)]
    except AmbiguousError as error:
        return list(error.params["candidates"])
    except (NotFoundError, UnicodeEncodeError):  # Half a surrogate pair is in no name.
        return []


def _may_see(principal: Principal, record: Record, permission: Permission) -> bool:
    if record.type in PRIVATE and not principal.everywhere(Permission.MANAGE_ACCESS):
        return False
    return principal.may(Permission.COUNT if permission is Permission.COUNT else Permission.READ, record)


def show(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    *,
    types: frozenset[str] | None = None,
    version: int | None = None,
    permission: Permission = Permission.READ,
) -> dict[str, Any]:
    """Return a record as it goes over the wire; reading one about a participant is put on the ledger."""
    record = find(catalogue, principal, reference, types=types, permission=permission)
    if version is not None:
        record = catalogue.repository.get(record.id, version=version)
    if record.type in PARTICIPANT_LEVEL | LISTS_PARTICIPANTS:
        note_access(catalogue, principal, f"{record.type.lower()}.read", record.id)
    return record_body(record, principal)


def about(catalogue: Catalogue, principal: Principal, participant: str) -> list[dict[str, Any]]:
    """Return what was acquired from a participant and what was derived from it, as listings show it."""
    found = [
        *catalogue.repository.iterate("Acquisition", part_of=participant),
        *_derived(catalogue, participant),
    ]
    return [summary_body(record) for record in found if principal.may(Permission.READ, record)]


def _derived(catalogue: Catalogue, participant: str) -> list[Record]:
    """Return the images that tasks made of a participant: the direct effects of its acquisitions."""
    acquisitions = [edge.source for edge in catalogue.repository.edges_to([participant], [DERIVED_FROM])]
    effects = catalogue.repository.edges_to(acquisitions, [DERIVED_FROM]) if acquisitions else []
    known = catalogue.repository.get_many({edge.source for edge in effects})
    mine = [record for record in known.values() if record.document.get("participant") == participant]
    return sorted(mine, key=lambda record: (record.created, record.id))


def note_access(
    catalogue: Catalogue, principal: Principal, action: str, subject: str, body: dict[str, Any] | None = None
) -> None:
    """Write an access entry before what was asked for is disclosed.

    It survives the death of any process; only a power cut may take the last ones (``Durability.PROCESS``).
    """
    catalogue.repository.commit(
        Commit(
            principal=principal.agent,
            action=action,
            changes=[Note(subject=subject, body=body)],
            durability=Durability.PROCESS,
        )
    )


def readable_page(
    principal: Principal, page: Page[Record], present: Callable[[Record], Mapping[str, Any]], *, cursor: str | None
) -> dict[str, Any]:
    """Return what the principal may read of a page, as ``{items, total, next}``.

    ``total`` is the repository's for whoever may read every dataset. For anybody else that number would tell of
    records that do not exist for them, and the right one can only be had by reading every record: it is the number
    of items where the whole listing is on this page, and else None.
    """
    items = [record for record in page.items if principal.may(Permission.READ, record)]
    total: int | None = page.total
    if principal.datasets(Permission.READ) is not None:
        total = len(items) if cursor is None and page.next is None else None
    return {"items": [present(record) for record in items], "total": total, "next": page.next}


def listing(
    catalogue: Catalogue,
    principal: Principal,
    type: str,
    *,
    part_of: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """Return one page of the records of a type that the principal may read.

    Raises:
        NotPermittedError: The type is private and the principal does not manage access.
    """
    if type in PRIVATE and not principal.everywhere(Permission.MANAGE_ACCESS):
        raise NotPermittedError(f"listing {type} records needs access.manage")
    # What a dataset says of itself is for whoever may count its participants, too.
    needed = Permission.COUNT if type == "Dataset" else Permission.READ
    datasets = principal.datasets(needed) if type in GOVERNED else None
    page = catalogue.repository.list_records(type, datasets=datasets, part_of=part_of, cursor=cursor, limit=limit)
    items = [record for record in page.items if principal.may(needed, record)]
    if type in PARTICIPANT_LEVEL:
        note_access(catalogue, principal, f"{type.lower()}.list", part_of or catalogue.iri, {"shown": len(items)})
    if type in GOVERNED or type not in OF_SEVERAL_DATASETS:
        return page_body(replace(page, items=items), summary_body)
    return readable_page(principal, page, summary_body, cursor=cursor)
