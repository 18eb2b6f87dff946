"""Union, intersection and difference of frozen cohorts: a new frozen cohort that says what it is made of.

Members come as they were frozen, with version and digest: combining reads nothing anew. A participant that was
frozen in two states cannot silently be one of them, and one that was withdrawn since joins no new cohort.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from catalog.cohorts.comparison import SET_OPERATIONS, sequence_of
from catalog.cohorts.freezing import CohortDraft, cohort_digest, shortened
from catalog.model import Record
from catalog.repository import Repository
from ontology.errors import ConflictError, InvalidRequestError
from ontology.identifiers import last_part
from ontology.namespaces import DERIVED_FROM, HAD_MEMBER

MAX_PARTS: Final = 100
REFUSE, NEWEST = "refuse", "newest"
CONFLICTS: Final = (REFUSE, NEWEST)
_CQL2: Final = {"union": ("or", " OR "), "intersection": ("and", " AND "), "difference": ("and", " AND NOT ")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Which cohorts are combined, and how.

    Attributes:
        op: ``union``, ``intersection`` or ``difference`` (the first without all others).
        parts: The cohorts; where their order means nothing they are sorted, so that equal combinations are equal.
        conflicts: ``refuse``, or ``newest`` to take a participant that was frozen in several states as it was
            frozen last.
    """

    op: str
    parts: tuple[Record, ...]
    conflicts: str = REFUSE

    @classmethod
    def of(cls, op: str, parts: Sequence[Record], *, conflicts: str = REFUSE) -> Combination:
        """Return a combination that can be made.

        Raises:
            InvalidRequestError: No such operation, fewer than two cohorts, too many, or one named twice.
        """
        if op not in SET_OPERATIONS:
            raise InvalidRequestError(
                f"{op!r} is no way to combine cohorts",
                field="op",
                next_step=f"Choose one of: {', '.join(SET_OPERATIONS)}.",
            )
        if conflicts not in CONFLICTS:
            raise InvalidRequestError(f"conflicts is one of {', '.join(CONFLICTS)}", field="conflicts")
        if not 2 <= len(parts) <= MAX_PARTS:
            raise InvalidRequestError(f"give 2 to {MAX_PARTS} cohorts", field="cohorts")
        if len({part.id for part in parts}) < len(parts):
            raise InvalidRequestError("a cohort is named twice", field="cohorts")
        fixed = 1 if op == "difference" else 0
        rest = sorted(parts[fixed:], key=lambda part: part.id)
        return cls(op=op, parts=(*parts[:fixed], *rest), conflicts=conflicts)

    @property
    def text(self) -> str:
        """The combination in the syntax of CQL2, each cohort as the predicate ``cohort('IRI')``."""
        return _CQL2[self.op][1].join(f"cohort('{part.id}')" for part in self.parts)

    @property
    def json(self) -> dict[str, Any]:
        """The combination as CQL2 JSON (21-065r2, Annex C)."""
        calls: list[dict[str, Any]] = [{"op": "cohort", "args": [part.id]} for part in self.parts]
        if self.op == "difference":
            calls[1:] = [{"op": "not", "args": [call]} for call in calls[1:]]
        return {"op": _CQL2[self.op][0], "args": calls}


def combine(combination: Combination, *, repository: Repository, label: str | None = None) -> CohortDraft:
    """Return the cohort that a combination makes.

    Args:
        combination: From :meth:`Combination.of`.
        repository: Where it is looked up who was withdrawn.
        label: What a person reads; made of the parts' labels when not given.

    Raises:
        InvalidRequestError: Nobody is in it.
        ConflictError: Participants were frozen in several states, and ``conflicts`` is ``refuse``.
    """
    chosen, changed = _chosen(combination)
    if changed and combination.conflicts == REFUSE:
        raise ConflictError(
            f"{changed} of {len(chosen)} participants were frozen in different states by these cohorts",
            field="cohorts",
            next_step="Freeze the cohorts anew from the same state, or take them as frozen last (conflicts=newest).",
            params={"changed": changed},
        )
    known = repository.get_many(chosen.keys())
    members = [chosen[iri] for iri in sorted(chosen) if iri in known and not known[iri].withdrawn]
    if not members:
        raise InvalidRequestError(
            f"nobody is in the {combination.op}, so there is nothing to freeze",
            field="cohorts",
            params={"withdrawn": len(chosen)},
        )
    document = _document(combination, members, label=label, changed=changed, withdrawn=len(chosen) - len(members))
    edges = [(DERIVED_FROM, part.id) for part in combination.parts]
    return CohortDraft(document=document, edges=edges + [(HAD_MEMBER, member["participant"]) for member in members])


def _document(
    combination: Combination,
    members: Sequence[Mapping[str, Any]],
    *,
    label: str | None,
    changed: int,
    withdrawn: int,
) -> dict[str, Any]:
    ontologies = {part.document["ontology"] for part in combination.parts}
    ontology = ontologies.pop() if len(ontologies) == 1 else None
    datasets = sorted({member["dataset"] for member in members})
    return {
        "label": label or shortened(_label(combination, datasets)),
        "query": combination.text,
        "query_json": combination.json,
        "combination": {
            "op": combination.op,
            "cohorts": [part.id for part in combination.parts],
            "changed": changed,
            "withdrawn": withdrawn,
        },
        "ontology": ontology,
        "sequence": min(member["sequence"] for member in members),
        "count": len(members),
        "digest": cohort_digest(combination.text, ontology, members),
        "datasets": datasets,
        "members": members,
    }


def notices(document: Mapping[str, Any]) -> list[str]:
    """Return what the person who combined cohorts should know of the result."""
    made = document["combination"]
    said = []
    if made["changed"]:
        said.append(f"{made['changed']} participants were frozen in different states; each is as it was frozen last")
    if made["withdrawn"]:
        said.append(f"{made['withdrawn']} participants were withdrawn since and were left out")
    if document["ontology"] is None:
        said.append("the cohorts were frozen under different vocabularies; each says which")
    return said


def _chosen(combination: Combination) -> tuple[dict[str, dict[str, Any]], int]:
    """Return each participant of the result as it is to be frozen, and how many were frozen in several states."""
    tables = [_entries(part) for part in combination.parts]
    inside = SET_OPERATIONS[combination.op](*(set(table) for table in tables))
    # Who is taken away says nothing about the state of who stays.
    sources = tables[:1] if combination.op == "difference" else tables
    chosen: dict[str, dict[str, Any]] = {}
    changed = 0
    for iri in inside:
        states = [table[iri] for table in sources if iri in table]
        changed += len({state["digest"] for state in states}) > 1
        chosen[iri] = max(states, key=lambda state: state["sequence"])
    return chosen, changed


def _entries(part: Record) -> dict[str, dict[str, Any]]:
    return {
        member["participant"]: {**member, "sequence": sequence_of(member, part.document)}
        for member in part.document["members"]
    }


def _label(combination: Combination, datasets: Iterable[str]) -> str:
    """Return a label; a part that not everybody who reads the result may read is named by its id alone."""
    shown = set(datasets)
    names = [
        str(part.document["label"])
        if set(part.document.get("datasets") or ()) <= shown
        else f"cohort {last_part(part.id)[:8]}"
        for part in combination.parts
    ]
    if combination.op == "difference":
        return f"{names[0]} without {' and '.join(names[1:])}"
    return f"{combination.op.capitalize()} of {' and '.join(names)}"
