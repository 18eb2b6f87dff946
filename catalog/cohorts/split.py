"""A cohort divided into parts (training, validation, test) that keep together who belongs together.

Groups are placed one after another, the largest and rarest first, each where sizes and strata come closest to what
was asked for (after Sechidis, Tsoumakas and Vlahavas 2011, for groups instead of single examples); then groups move
for as long as that brings them closer. Ties are broken by a hash of the seed and the group, so that the same cohort,
seed and options give the same parts on every machine.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from catalog.cohorts.freezing import CohortDraft, cohort_digest, sha256_of_json, shortened
from catalog.cohorts.kinship import Kinship
from catalog.model import Record
from ontology.errors import InvalidRequestError
from ontology.namespaces import DERIVED_FROM, HAD_MEMBER

ALGORITHM: Final = "sillage-group-stratified-1"
MAX_SPLIT_PARTS: Final = 50
MAX_SEED: Final = 2**53 - 1
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_TOLERANCE: Final = 1e-6
_SIZE: Final = "*"
_SIZE_WEIGHT: Final = 20.0
"""The size of a part matters more than any one stratum of it."""
_PASSES: Final = 20
_QUANTILES: Final = 4

_FAR: Final = 0.02
_LARGE_FAMILY: Final = 20

Edges = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """What is asked for: part names to fractions (in order, summing to 1), seed, and the properties to stratify on."""

    fractions: Mapping[str, float]
    seed: int = 0
    stratify: tuple[str, ...] = ()

    @classmethod
    def of(cls, fractions: Mapping[str, float], *, seed: int = 0, stratify: Sequence[str] = ()) -> SplitPlan:
        """Return a plan that can be carried out.

        Raises:
            InvalidRequestError: A name, fraction or seed is not one, or the fractions do not sum to 1.
        """
        if not 2 <= len(fractions) <= MAX_SPLIT_PARTS:
            raise InvalidRequestError(f"give 2 to {MAX_SPLIT_PARTS} parts", field="parts")
        for name, fraction in fractions.items():
            if not _NAME.fullmatch(name):
                raise InvalidRequestError(
                    f"{name!r} is no name of a part: a letter, then up to 39 letters, digits, - or _", field="parts"
                )
            if not (math.isfinite(fraction) and 0 < fraction < 1):
                raise InvalidRequestError(f"the fraction of {name} is not between 0 and 1", field="parts")
        total = math.fsum(fractions.values())
        if abs(total - 1) > _TOLERANCE:
            raise InvalidRequestError(
                f"the fractions sum to {total:g}, not to 1", field="parts", next_step="Give fractions that sum to 1."
            )
        if not 0 <= seed <= MAX_SEED:
            raise InvalidRequestError(f"a seed is a whole number from 0 to {MAX_SEED}", field="seed")
        return cls(fractions=dict(fractions), seed=seed, stratify=tuple(dict.fromkeys(stratify)))


def assign(groups: Sequence[Sequence[str]], plan: SplitPlan, strata: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the part of each participant; a group is never divided.

    Args:
        groups: Who belongs together; everybody in exactly one.
        plan: What is asked for.
        strata: Participant to the strata that it is in; nobody needs any.

    Raises:
        InvalidRequestError: A part would be empty.
    """
    placement = _Placement(groups, plan, strata)
    placement.place()
    placement.improve()
    parts = list(plan.fractions)
    filled = set(placement.chosen)
    empty = [name for at, name in enumerate(parts) if at not in filled]
    if empty:
        raise InvalidRequestError(
            f"part {empty[0]!r} would be empty: {len(groups)} groups of people who belong together"
            f" do not fill {len(parts)} parts",
            field="parts",
            next_step="Ask for fewer parts or a larger cohort, or say by `together` what keeps people together.",
            params={"groups": len(groups), "largest": max(map(len, groups), default=0)},
        )
    return {iri: parts[placement.chosen[at]] for at, group in enumerate(groups) for iri in group}


class _Placement:
    """Groups on their way into parts: how much of each stratum is where, and how far that is from what was asked."""

    def __init__(self, groups: Sequence[Sequence[str]], plan: SplitPlan, strata: Mapping[str, Sequence[str]]) -> None:
        self._amounts = [
            Counter({_SIZE: len(group)}) + Counter(s for iri in group for s in strata.get(iri, ())) for group in groups
        ]
        self._totals: Counter[str] = sum(self._amounts, Counter())
        self._shares = list(plan.fractions.values())
        self._held: list[Counter[str]] = [Counter() for _ in self._shares]
        self.chosen = [-1] * len(groups)
        rarity = [min((self._totals[s] for s in amount if s != _SIZE), default=0) for amount in self._amounts]
        hashes = [hashlib.sha256(f"{plan.seed}\0{group[0]}".encode()).digest() for group in groups]
        self._order = sorted(range(len(groups)), key=lambda g: (-len(groups[g]), rarity[g], hashes[g]))

    def place(self) -> None:
        """Put each group where the cost grows least."""
        for group in self._order:
            costs = [self._change(group, part, 1) for part in range(len(self._shares))]
            self._move(group, costs.index(min(costs)))

    def improve(self) -> None:
        """Move single groups for as long as that helps; the cost falls with each move, so this ends."""
        for _ in range(_PASSES):
            moved = False
            for group in self._order:
                at = self.chosen[group]
                out = self._change(group, at, -1)
                gains = [0.0 if p == at else out + self._change(group, p, 1) for p in range(len(self._shares))]
                best = min(gains)
                if best < -1e-9:
                    self._move(group, gains.index(best))
                    moved = True
            if not moved:
                return

    def _change(self, group: int, part: int, sign: int) -> float:
        """Return by how much the cost changes when a group enters (1) or leaves (-1) a part."""
        held, share = self._held[part], self._shares[part]
        change = 0.0
        for stratum, amount in self._amounts[group].items():
            total = self._totals[stratum]
            gap = held[stratum] - share * total
            weight = _SIZE_WEIGHT if stratum == _SIZE else 1.0
            change += weight * (2 * sign * gap * amount + amount * amount) / total
        return change

    def _move(self, group: int, part: int) -> None:
        if self.chosen[group] >= 0:
            self._held[self.chosen[group]].subtract(self._amounts[group])
        self._held[part].update(self._amounts[group])
        self.chosen[group] = part


def strata_of(values: Mapping[str, Sequence[float | str | None]]) -> list[list[str]]:
    """Return the strata of each participant: one per property, and where there are several one for all together.

    Args:
        values: Property to one value per participant; numbers are cut at their quartiles.
    """
    rows = [_levels(name, row) for name, row in values.items()]
    found = [list(levels) for levels in zip(*rows, strict=True)]
    return [levels + (["\0".join(levels)] if len(levels) > 1 else []) for levels in found]


def _levels(name: str, row: Sequence[float | str | None]) -> list[str]:
    numbers = sorted(value for value in row if isinstance(value, float))
    cuts: list[float] = []
    if len(set(numbers)) > _QUANTILES:
        cuts = [numbers[len(numbers) * q // _QUANTILES] for q in range(1, _QUANTILES)]
    levels = []
    for value in row:
        if value is None:
            levels.append(f"{name}=")
        elif isinstance(value, float) and cuts:
            levels.append(f"{name}#{sum(value >= cut for cut in cuts)}")
        else:
            levels.append(f"{name}={value}")
    return levels


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitDraft:
    """A split ready to be written, with one cohort for each part, by its IRI."""

    document: Mapping[str, Any]
    edges: Edges
    cohorts: Mapping[str, CohortDraft]


def draft(
    cohort: Record,
    members: Sequence[Mapping[str, Any]],
    *,
    parts: Mapping[str, str],
    plan: SplitPlan,
    kin: Kinship,
    iris: tuple[str, Mapping[str, str]],
    label: str | None = None,
) -> SplitDraft:
    """Return the records of a split.

    Args:
        cohort: The cohort that is split.
        members: Those of its members that are in the split, as its document lists them.
        parts: Participant to the part that it is in.
        plan: What was asked for.
        kin: Who belongs together.
        iris: IRI of the split, and part name to the IRI of its cohort.
        label: What a person reads.
    """
    split, named = iris
    title = label or shortened(f"Split of {cohort.document['label']}")
    drafts = {
        named[name]: _part(cohort, members, parts, name=name, split=split, label=shortened(f"{title}: {name}"))
        for name in plan.fractions
    }
    document = {
        "label": title,
        "cohort": cohort.id,
        "algorithm": ALGORITHM,
        "seed": plan.seed,
        "stratify": list(plan.stratify),
        "together": {
            "asked": None if kin.asked is None else list(kin.asked),
            "properties": dict(kin.properties),
            "edges": kin.edges,
        },
        "groups": {"count": len(kin.groups), "largest": max(map(len, kin.groups)), "digest": kin.digest},
        "parts": [_stated(name, plan, named[name], drafts[named[name]]) for name in plan.fractions],
        "count": len(members),
        "withdrawn": len(cohort.document["members"]) - len(members),
        "digest": split_digest(cohort.document["digest"], plan, kin, parts),
        "datasets": sorted({member["dataset"] for member in members}),
        "members": [{"participant": m["participant"], "part": parts[m["participant"]]} for m in members],
    }
    edges = [(DERIVED_FROM, cohort.id), *((HAD_MEMBER, iri) for iri in drafts)]
    return SplitDraft(document=document, edges=edges, cohorts=drafts)


def split_digest(cohort: str, plan: SplitPlan, kin: Kinship, parts: Mapping[str, str]) -> str:
    """Return the digest of a split: of the cohort's digest, all that was asked for, who is kin, and who is where."""
    return sha256_of_json(
        {
            "cohort": cohort,
            "algorithm": ALGORITHM,
            "seed": plan.seed,
            "fractions": dict(plan.fractions),
            "stratify": list(plan.stratify),
            "groups": kin.digest,
            "members": sorted([iri, part] for iri, part in parts.items()),
        }
    )


def _stated(name: str, plan: SplitPlan, iri: str, made: CohortDraft) -> dict[str, Any]:
    count, digest = made.document["count"], made.document["digest"]
    return {"name": name, "fraction": plan.fractions[name], "count": count, "cohort": iri, "digest": digest}


def _part(
    cohort: Record,
    everybody: Sequence[Mapping[str, Any]],
    parts: Mapping[str, str],
    *,
    name: str,
    split: str,
    label: str,
) -> CohortDraft:
    members = [dict(member) for member in everybody if parts[member["participant"]] == name]
    text = f"part('{name}', '{split}')"
    document = {
        "label": label,
        "query": text,
        "query_json": {"op": "part", "args": [name, split]},
        "part": {"name": name, "split": split, "of": cohort.id},
        "ontology": cohort.document["ontology"],
        "sequence": cohort.document["sequence"],
        "count": len(members),
        "digest": cohort_digest(text, cohort.document["ontology"], members),
        "datasets": sorted({member["dataset"] for member in members}),
        "members": members,
    }
    edges = [(DERIVED_FROM, cohort.id), *((HAD_MEMBER, member["participant"]) for member in members)]
    return CohortDraft(document=document, edges=edges)


def notices(document: Mapping[str, Any]) -> list[str]:
    """Return what the person who split a cohort should know of the result."""
    said = []
    for part in document["parts"]:
        share = part["count"] / document["count"]
        if abs(share - part["fraction"]) > max(_FAR, 1 / document["count"]):
            said.append(f"part {part['name']} holds {share:.1%} of the participants, not {part['fraction']:.1%}")
    if document["withdrawn"]:
        said.append(f"{document['withdrawn']} participants were withdrawn since and are in no part")
    largest = document["groups"]["largest"]
    if largest > max(_LARGE_FAMILY, document["count"] / 10):
        named = ", ".join(document["together"]["properties"]) or "the links between records"
        said.append(f"{largest} participants belong to one group: see whether {named} really says who is kin")
    if document["groups"]["count"] == document["count"]:
        said.append("no two participants were found to belong together")
    return said
