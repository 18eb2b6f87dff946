"""What is made of frozen cohorts: combinations, balance reports, splits, exports, datasets of just their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.wire import record_body
from catalog.cohorts import combine as combining
from catalog.cohorts import split as splitting
from catalog.cohorts.balance import Group, compare, divide, left_out, one_each
from catalog.cohorts.export import MEDIA_TYPES
from catalog.cohorts.export import export as rows_of
from catalog.cohorts.frozen_values import DATASET, Column, FrozenMember, columns_of, frozen_members
from catalog.cohorts.kinship import kinship, straddling
from catalog.model import Commit, Put, Record
from catalog.search.names import Level
from ontology.errors import InvalidRequestError, NotAcceptableError
from ontology.identifiers import new_iri

COHORT = frozenset({"Cohort"})
SPLIT = frozenset({"Split"})
USUAL = ("age", "sex", "site", DATASET)
"""What a balance report compares unless told, where members have it."""
PART = "part"


def combine(
    catalogue: Catalogue,
    principal: Principal,
    op: str,
    references: Sequence[str],
    *,
    label: str | None = None,
    conflicts: str = combining.REFUSE,
) -> dict[str, Any]:
    """Freeze the union, intersection or difference of cohorts as a new cohort.

    Raises:
        InvalidRequestError: No such operation, too few cohorts, or nobody is in it.
        ConflictError: Participants were frozen in several states, and ``conflicts`` is ``refuse``.
    """
    principal.require(Permission.FREEZE)
    parts = [records.find(catalogue, principal, reference, types=COHORT) for reference in references]
    combination = combining.Combination.of(op, parts, conflicts=conflicts)
    draft = combining.combine(combination, repository=catalogue.repository, label=label)
    document = {**draft.document, "creator": principal.agent}
    put = Put(id=new_iri(), type="Cohort", document=document, edges=draft.edges)
    catalogue.repository.commit(Commit(principal=principal.agent, action="cohort.combine", changes=[put]))
    return {**record_body(catalogue.repository.get(put.id), principal), "notices": combining.notices(document)}


def split(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    fractions: Mapping[str, float],
    *,
    seed: int = 0,
    stratify: Sequence[str] = (),
    together: Sequence[str] | None = None,
    label: str | None = None,
) -> dict[str, Any]:
    """Divide a cohort into parts that keep together who belongs together; each part is a cohort.

    Raises:
        InvalidRequestError: The fractions do not sum to 1, a property is not known, or a part would be empty.
    """
    principal.require(Permission.FREEZE)
    cohort = records.find(catalogue, principal, reference, types=COHORT)
    columns = _columns(catalogue, principal, stratify, field="stratify")
    plan = splitting.SplitPlan.of(fractions, seed=seed, stratify=[column.name for column in columns])
    present = _present(catalogue, cohort)
    if not present:
        raise InvalidRequestError("all members of this cohort were withdrawn", field="cohort")
    kept = _kept_together(catalogue, principal, together)
    kin = kinship([member["participant"] for member in present], catalogue.repository, together=kept)
    parts = splitting.assign(kin.groups, plan, _strata(catalogue, cohort, columns))
    iris = (new_iri(), {name: new_iri() for name in plan.fractions})
    draft = splitting.draft(cohort, present, parts=parts, plan=plan, kin=kin, iris=iris, label=label)
    changes = [
        Put(id=iri, type="Cohort", document={**made.document, "creator": principal.agent}, edges=made.edges)
        for iri, made in draft.cohorts.items()
    ]
    document = {**draft.document, "creator": principal.agent}
    changes.append(Put(id=iris[0], type="Split", document=document, edges=draft.edges))
    catalogue.repository.commit(Commit(principal=principal.agent, action="cohort.split", changes=changes))
    return {**record_body(catalogue.repository.get(iris[0]), principal), "notices": splitting.notices(document)}


def show_split(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a split; its members are participant-level, so reading it is put on the ledger."""
    return records.show(catalogue, principal, reference, types=SPLIT)


def check_split(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Tell whether anybody who belongs together, as is known today, is in different parts of a split."""
    record = records.find(catalogue, principal, reference, types=SPLIT)
    parts = {member["participant"]: member["part"] for member in record.document["members"]}
    kin = kinship(parts, catalogue.repository, together=record.document["together"]["asked"])
    problems = [
        {
            "where": ", ".join(group),
            "detail": f"{len(group)} participants who belong together are in {' and '.join(named)}",
        }
        for group, named in straddling(parts, kin.groups)
    ]
    records.note_access(catalogue, principal, "cohort.check", record.id, {"problems": len(problems)})
    return {
        "id": record.id,
        "type": "SplitCheck",
        "valid": not problems,
        "problems": problems,
        "groups": len(kin.groups),
        "unchanged": kin.digest == record.document["groups"]["digest"],
    }


def balance(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    *,
    by: Sequence[str] = (),
    against: str | None = None,
) -> dict[str, Any]:
    """Return how alike the groups of a cohort, or the parts of a split, are in chosen properties.

    Raises:
        InvalidRequestError: A property is not known, or makes one group or too many.
    """
    record = records.find(catalogue, principal, reference, types=COHORT | SPLIT)
    columns = _columns(catalogue, principal, by, field="by") if by else _usual(catalogue, principal)
    titles = _titles(catalogue, record)
    if record.type == "Split":
        if against not in (None, PART):
            raise InvalidRequestError("a split is compared part by part", field="against")
        divided = _Divided.into_parts(catalogue, record, columns)
    else:
        dividing = _dividing(catalogue, principal, record, against)
        divided = _Divided.by_property(catalogue, record, columns, dividing, titles)
    compared = [column for column in columns if column.name != divided.against]
    report = {
        "id": record.id,
        "type": "BalanceReport",
        "label": record.document["label"],
        "against": divided.against,
        "count": sum(len(group.members) for group in divided.groups),
        "groups": [{"label": group.label, "count": len(group.members)} for group in divided.groups],
        "left_out": divided.left_out,
        "properties": compare(divided.groups, compared, titles=titles),
        "notices": divided.notices(),
    }
    records.note_access(catalogue, principal, "cohort.balance", record.id, {"by": [c.name for c in compared]})
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Divided:
    """Members in the groups to be compared, and how many are in none, by why."""

    against: str
    groups: list[Group]
    left_out: dict[str, int]

    @classmethod
    def by_property(
        cls,
        catalogue: Catalogue,
        cohort: Record,
        columns: Sequence[Column],
        dividing: Column,
        titles: Mapping[str, str],
    ) -> _Divided:
        members, gone = left_out(_frozen(catalogue, cohort, [*columns, dividing]))
        groups, missing = divide(members, dividing, titles=titles)
        return cls(against=dividing.name, groups=groups, left_out={**gone, "without_group": len(missing)})

    @classmethod
    def into_parts(cls, catalogue: Catalogue, record: Record, columns: Sequence[Column]) -> _Divided:
        groups = []
        gone: dict[str, int] = {}
        for part in record.document["parts"]:
            members, left = left_out(_frozen(catalogue, catalogue.repository.get(part["cohort"]), columns))
            groups.append(Group(label=part["name"], members=members))
            gone = {state: gone.get(state, 0) + count for state, count in left.items()}
        return cls(against=PART, groups=groups, left_out={**gone, "without_group": 0})

    def notices(self) -> list[str]:
        one = {
            "withdrawn": "participant was withdrawn since and is left out",
            "erased": "participant has no version any more that says what was frozen, and is left out",
            "without_group": f"participant has no {self.against} and is in no group",
        }
        several = {
            "withdrawn": "participants were withdrawn since and are left out",
            "erased": "participants have no version any more that says what was frozen, and are left out",
            "without_group": f"participants have no {self.against} and are in no group",
        }
        return [f"{n} {(one if n == 1 else several)[why]}" for why, n in self.left_out.items() if n]


def export(
    catalogue: Catalogue, principal: Principal, reference: str, *, format: str = "tsv", columns: Sequence[str] = ()
) -> tuple[Iterator[str], str]:
    """Return the rows of a cohort piece by piece, and their media type; the access is on the ledger before the first.

    Raises:
        NotAcceptableError: There is no such format.
        InvalidRequestError: A property is not known.
    """
    if format not in MEDIA_TYPES:
        raise NotAcceptableError(
            f"{format!r} is no format of a cohort",
            field="format",
            next_step=f"Choose one of: {', '.join(MEDIA_TYPES)}.",
        )
    cohort = records.find(catalogue, principal, reference, types=COHORT)
    wanted = _columns(catalogue, principal, columns, field="columns")
    said = {"format": format, "columns": [column.name for column in wanted], "shown": len(cohort.document["members"])}
    records.note_access(catalogue, principal, "cohort.export", cohort.id, said)
    members = _frozen(catalogue, cohort, wanted)
    rows = rows_of(cohort, members, wanted, format=format, titles=_titles(catalogue, cohort))
    return rows, MEDIA_TYPES[format]


def _columns(catalogue: Catalogue, principal: Principal, names: Sequence[str], *, field: str) -> list[Column]:
    if not names:
        return []
    catalogue.refresh_search()
    return columns_of(names, catalogue.search, datasets=principal.datasets(Permission.READ), field=field)


def _kept_together(catalogue: Catalogue, principal: Principal, names: Sequence[str] | None) -> list[str] | None:
    if names is None:
        return None
    columns = _columns(catalogue, principal, names, field="together")
    other = next((column.name for column in columns if column.level is not Level.PARTICIPANT), None)
    if other is not None:
        raise InvalidRequestError(f"{other} is said of acquisitions, not of participants", field="together")
    return [column.name for column in columns]


def _usual(catalogue: Catalogue, principal: Principal) -> list[Column]:
    catalogue.refresh_search()
    found = catalogue.search.properties(datasets=principal.datasets(Permission.READ))
    known = {info.name for info in found if info.level == Level.PARTICIPANT} | {DATASET}
    return _columns(catalogue, principal, [name for name in USUAL if name in known], field="by")


def _dividing(catalogue: Catalogue, principal: Principal, cohort: Record, against: str | None) -> Column:
    """Return the property to divide by: the one asked for, or the first usual one that makes several groups."""
    if against is not None:
        return _columns(catalogue, principal, [against], field="against")[0]
    if len(cohort.document["datasets"]) > 1:
        return Column(name=DATASET, level=Level.PARTICIPANT)
    known = {column.name: column for column in _usual(catalogue, principal)}
    return known.get("site") or known.get("sex") or known[DATASET]


def _frozen(catalogue: Catalogue, cohort: Record, columns: Sequence[Column]) -> Iterator[FrozenMember]:
    deep = any(column.level is Level.ACQUISITION for column in columns)
    return frozen_members(cohort.document, catalogue.repository, acquisitions=deep)


def _titles(catalogue: Catalogue, record: Record) -> dict[str, str]:
    """Return dataset IRI to a name that is different from the others'."""
    found = catalogue.repository.get_many(record.document["datasets"])
    names = {iri: str(dataset.document.get("label") or iri) for iri, dataset in found.items()}
    twice = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {iri: f"{name} ({iri.rsplit(':', 1)[-1][:8]})" if name in twice else name for iri, name in names.items()}


def _present(catalogue: Catalogue, cohort: Record) -> list[Mapping[str, Any]]:
    members: list[Mapping[str, Any]] = cohort.document["members"]
    known = catalogue.repository.get_many([member["participant"] for member in members])
    return [m for m in members if m["participant"] in known and not known[m["participant"]].withdrawn]


def _strata(catalogue: Catalogue, cohort: Record, columns: Sequence[Column]) -> dict[str, list[str]]:
    if not columns:
        return {}
    members = list(_frozen(catalogue, cohort, columns))
    values = one_each(members, columns, titles=_titles(catalogue, cohort))
    return dict(zip((member.participant for member in members), splitting.strata_of(values), strict=True))
