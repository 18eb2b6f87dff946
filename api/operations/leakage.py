"""Leakage: whether a task would use a model on people whom it was trained on, decided before it starts.

What is decided is written into the task. The policy (setting ``leakage``) says what follows: it is recorded, warned of
in the task's remarks, or refused, item by item. Nothing that a task says names anybody whom its readers may not read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from api.access import Permission, Principal, governing
from api.catalogue import Catalogue
from api.operations.planning import Plan, PlannedTask
from catalog.leakage.exposure import Exposure, Finding, State
from catalog.leakage.people import Relation, Ties, identity_path, ties_of
from catalog.leakage.scans import scans_of
from catalog.model import Record
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.errors import LeakageError

PATHS: Final = 3
"""Paths that a task names."""
REASON: Final = "leakage"
"""Reason of a task that was not let start because of it."""
SOMEBODY: Final = "somebody you may not see"
SAID: Final = {
    Relation.PARTICIPANT: "in its training",
    Relation.PERSON: "in its training under another record",
    Relation.CONTENT: "with the very scan of somebody in its training",
    Relation.FAMILY: "of the family of somebody in its training",
}

Input = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found of one task.

    Attributes:
        state: In one word.
        models: The models, each with how the task comes by it: ``input``, or ``result`` of it among its inputs.
        people: How many participants it runs on.
        findings: Who of them has to do with the training of which of the models; one entry for each pair.
        unknown: Models of which, or behind which, training data are not known.
        unattributed: Inputs of which it is not known whose data they are.
    """

    state: State
    models: Mapping[str, str]
    people: int
    findings: Sequence[Finding]
    unknown: Sequence[str]
    unattributed: int

    @property
    def shared(self) -> int:
        """How many participants have to do with the training of a model."""
        return len({finding.participant for finding in self.findings})

    def relations(self) -> dict[str, int]:
        """Return how many participants are related how, each counted once by the strongest relation."""
        order = list(Relation)
        strongest: dict[str, Relation] = {}
        for finding in self.findings:
            held = strongest.get(finding.participant, finding.relation)
            strongest[finding.participant] = min(held, finding.relation, key=order.index)
        counts = {relation.value: list(strongest.values()).count(relation) for relation in Relation}
        return {name: number for name, number in counts.items() if number}


class Judge:
    """Decides leakage for some tasks of one pipeline, on one state of the catalogue.

    Args:
        catalogue: The catalogue.
        descriptor: The pipeline; None where no task is asked about.
    """

    def __init__(self, catalogue: Catalogue, descriptor: PipelineDescriptor | None) -> None:
        self._catalogue, self._memory = catalogue, catalogue.model_memory
        self._memory.refresh(catalogue.repository)
        self._ancestry = self._memory.ancestry(catalogue.repository)
        self._ties: dict[str, Ties] = {}
        # A pipeline that trains takes models to begin from, and may go on with the same people.
        hints = descriptor.outputs.values() if descriptor is not None else ()
        trains = any(hint.model is not None for hint in hints)
        self.is_needed = bool(self._memory.models) and not trains

    def prepare(self, items: Iterable[Sequence[Input]], records: Iterable[Record] = ()) -> None:
        """Read at once what the judging of several tasks will need.

        Args:
            items: The inputs of each.
            records: What was read of them already.
        """
        self._ancestry.know(records)
        ids = {item["id"] for inputs in items for item in inputs if not item.get("companion")}
        direct = self._ancestry.models_at(ids)
        data = [iri for iri in ids if iri not in direct]
        if self._ancestry.rests_on(data).models or direct:
            self._tie(set().union(*self._ancestry.whose(data).values()))

    def judge(self, inputs: Sequence[Input]) -> Verdict | None:
        """Return what is found of a task with these inputs; None where there is no model, or it trains one."""
        if not self.is_needed:
            return None
        given = dict.fromkeys(item["id"] for item in inputs if not item.get("companion"))
        direct = self._ancestry.models_at(given)
        data = [iri for iri in given if iri not in direct]
        reach = self._ancestry.rests_on(data)
        models = dict.fromkeys(sorted(reach.models), "result")
        models |= dict.fromkeys(direct.values(), "input")
        if not models or not data:
            return None
        whose = self._ancestry.whose(data)
        people = sorted(set().union(*whose.values()))
        self._tie(people)
        exposures = [self.exposure(model) for model in models]
        scans = self._ancestry.scans(data, reach, people)
        findings = [each for model in models for each in self._findings(model, people, scans)]
        unknown = sorted({model for exposure in exposures for model in exposure.unknown})
        unattributed = sum(1 for owners in whose.values() if not owners)
        doubt = bool(unknown or unattributed)
        return Verdict(
            state=State.SHARED if findings else State.UNKNOWN if doubt else State.CLEAN,
            models=models,
            people=len(people),
            findings=findings,
            unknown=unknown,
            unattributed=unattributed,
        )

    def exposure(self, model: str) -> Exposure:
        """Return whom a model has seen."""
        return self._memory.exposure(model, self._catalogue.repository)

    def findings(self, model: str, people: Collection[str]) -> list[Finding]:
        """Return who of some participants has to do with the training of a model."""
        self._tie(people)
        return self._findings(model, people, scans_of(people, self._catalogue.repository))

    def _findings(self, model: str, people: Collection[str], scans: Mapping[str, Collection[str]]) -> list[Finding]:
        seen = self._memory.scans(model, self._catalogue.repository) if scans else {}
        twins: dict[str, set[str]] = {}
        for digest in scans.keys() & seen.keys():
            for iri in scans[digest]:
                twins.setdefault(iri, set()).update(seen[digest])
        return self.exposure(model).findings(people, self._ties, twins)

    def _tie(self, people: Collection[str]) -> None:
        missing = [iri for iri in people if iri not in self._ties]
        if missing:
            self._ties.update(ties_of(missing, self._catalogue.repository))

    def path(self, finding: Finding) -> list[str]:
        """Return the way from a participant to the model that is used.

        The person's records from the one that is used to the one in the training, then scan, training task, models.
        """
        known_as = [finding.trained_on]
        if finding.relation is Relation.PERSON:
            known_as = identity_path(finding.participant, finding.trained_on, self._catalogue.repository)
        return [*known_as[:-1], *self._training_path(finding)]

    def _training_path(self, finding: Finding) -> list[str]:
        first = self._memory.models[finding.chain[0]]
        for run in first.document["trainings"]:
            task = self._catalogue.repository.get(run["task"])
            reach = self._memory.training(task, self._catalogue.repository)
            if finding.trained_on in reach.people:
                return [*reach.path(finding.trained_on), task.id, *finding.chain]
        cohorts = self._catalogue.repository.get_many(first.document["cohorts"])
        held = (iri for iri, cohort in cohorts.items() if _has(cohort, finding.trained_on))
        return [finding.trained_on, *([cohort] if (cohort := next(held, None)) else []), *finding.chain]


def _has(cohort: Record, participant: str) -> bool:
    return any(member["participant"] == participant for member in cohort.document.get("members") or ())


def said(catalogue: Catalogue, verdict: Verdict) -> str:
    """Return a verdict as one sentence that names no participant."""
    known = catalogue.model_memory.models
    labels = ", ".join(str(known[iri].document["label"]) for iri in verdict.models)
    if verdict.state is State.CLEAN:
        return f"none of the participants has to do with the training of {labels}"
    if verdict.state is State.SHARED:
        parts = [f"{number} {SAID[Relation(name)]}" for name, number in verdict.relations().items()]
        return f"{verdict.shared} of the {verdict.people} participants that {labels} is used on: {', '.join(parts)}"
    doubts = []
    if verdict.unknown:
        own = [iri for iri in verdict.unknown if iri in verdict.models]
        what = "it was" if own else "a model that it began from was"
        doubts.append(f"it is not known whom all {what} trained on")
    if verdict.unattributed:
        doubts.append(f"it is not known whose data {verdict.unattributed} of the inputs are")
    return f"whether {labels} was trained on these people cannot be told: {'; '.join(doubts)}"


def screened(catalogue: Catalogue, principal: Principal, plan: Plan, common: Mapping[str, Any]) -> Plan:
    """Return a plan in which each task says what was found, and what the policy refuses is refused.

    Args:
        catalogue: The catalogue.
        principal: Who submits it.
        plan: The tasks that could run.
        common: Members of these tasks: their pipeline, and why leakage is allowed, if it is.
    """
    version = catalogue.repository.get(common["pipeline"])
    judge = Judge(catalogue, PipelineDescriptor.parse(version.document["descriptor"]))
    if not judge.is_needed:
        return plan
    inputs = [[item.to_json() for item in task.inputs] for task in plan.tasks]
    judge.prepare(inputs, (record for task in plan.tasks for item in task.inputs for record in (item.file, item.owner)))
    after = Plan(refused=list(plan.refused))
    for task, given in zip(plan.tasks, inputs, strict=True):
        verdict = judge.judge(given)
        if verdict is None:
            after.tasks.append(task)
            continue
        reason = _allowance(principal, task, common.get("allow_leakage"))
        member = document(catalogue, judge, verdict, datasets=task.datasets, allowed=reason)
        if member["decision"] == "refused":
            detail = refusal(member).detail
            after.refused.append(
                {"participant": task.participant, "field": "inputs", "detail": detail, "leakage": member}
            )
        else:
            after.tasks.append(replace(task, leakage=member))
    return after


def _allowance(principal: Principal, task: PlannedTask, reason: str | None) -> str | None:
    """Return why leakage is allowed, where the caller may allow it for all data of the task."""
    held = principal.datasets(Permission.ALLOW_LEAKAGE)
    return reason if held is None or task.datasets <= held else None


def document(
    catalogue: Catalogue, judge: Judge, verdict: Verdict, *, datasets: Collection[str], allowed: str | None
) -> dict[str, Any]:
    """Return the member ``leakage`` of a task.

    Args:
        catalogue: The catalogue.
        judge: Who judged.
        verdict: What was found.
        datasets: Those that the task reads: of anybody else nothing is said that could be followed.
        allowed: Why leakage is allowed; None where it is not.
    """
    policy = catalogue.settings.leakage
    decision = "recorded"
    if verdict.state is State.SHARED and policy == "refuse":
        decision = "refused"
    elif verdict.state is not State.CLEAN and policy != "record":
        decision = "warned"
    if allowed and verdict.state is not State.CLEAN:
        decision = "allowed"
    known = catalogue.model_memory.models
    return {
        "state": verdict.state.value,
        "policy": policy,
        "decision": decision,
        "reason": said(catalogue, verdict),
        "allowed": allowed if decision == "allowed" else None,
        "models": [
            {"id": iri, "digest": known[iri].document["digest"], "by": by} for iri, by in sorted(verdict.models.items())
        ],
        "people": verdict.people,
        "shared": verdict.shared,
        "relations": verdict.relations(),
        "unattributed": verdict.unattributed,
        "unknown": len(verdict.unknown),
        "paths": [_path(catalogue, judge, finding, datasets) for finding in verdict.findings[:PATHS]],
        "sequence": catalogue.repository.sequence,
    }


def _path(catalogue: Catalogue, judge: Judge, finding: Finding, datasets: Collection[str]) -> dict[str, Any]:
    way = judge.path(finding)
    known = catalogue.repository.get_many([*way, finding.participant])
    allowed = frozenset(datasets)

    def told(iri: str) -> dict[str, Any]:
        return _node(iri, known.get(iri), open=iri in known and governing(known[iri]) <= allowed)

    nodes = [told(iri) for iri in way]
    return {"relation": finding.relation.value, "participant": told(finding.participant)["id"], "nodes": nodes}


def _node(iri: str, record: Record | None, *, open: bool) -> dict[str, Any]:
    type = record.type if record is not None else "External"
    return {"id": iri, "type": type} if open else {"id": None, "type": type, "label": SOMEBODY}


def remark(member: Mapping[str, Any] | None) -> str | None:
    """Return what a task must carry as a remark because of leakage; None where there is nothing to warn of."""
    if member is None or member["decision"] not in ("warned", "allowed"):
        return None
    allowed = f" (allowed: {member['allowed']})" if member["allowed"] else ""
    return f"Leakage {member['state']}: {member['reason']}{allowed}"


def at_start(catalogue: Catalogue, task: Record) -> dict[str, Any]:
    """Return the member ``leakage`` of a task as it is when the task starts, and its remarks with it.

    Raises:
        LeakageError: The policy is ``refuse``, and it would use a model on people of its training.
    """
    catalogue.model_memory.refresh(catalogue.repository)
    if not catalogue.model_memory.models:
        return {}
    version = catalogue.repository.get(task.document["pipeline"])
    judge = Judge(catalogue, PipelineDescriptor.parse(version.document["descriptor"]))
    verdict = judge.judge(task.document["inputs"])
    if verdict is None:
        return {}
    allowed = (task.document.get("leakage") or {}).get("allowed")
    member = document(catalogue, judge, verdict, datasets=task.document["datasets"], allowed=allowed)
    if member["decision"] == "refused":
        raise refusal(member)
    warned, remarks = remark(member), task.document.get("remarks") or []
    return {"leakage": member} | ({"remarks": [*remarks, warned]} if warned and warned not in remarks else {})


def refused(plan: Plan) -> LeakageError:
    """Return the error that refuses the one task of a plan of which nothing is left."""
    return refusal(plan.refused[-1]["leakage"])


def refusal(member: Mapping[str, Any]) -> LeakageError:
    """Return the error that refuses a task."""
    return LeakageError(f"the policy refuses it: {member['reason']}", field="inputs", params={"leakage": dict(member)})


def check(
    catalogue: Catalogue, principal: Principal, model: Record, cohort: Record, *, limit: int = 100
) -> dict[str, Any]:
    """Return how a model stands to a cohort before anything is run: who was in its training, and by what way.

    Args:
        catalogue: The catalogue.
        principal: Who asks; whom they may not read is only counted.
        model: The model.
        cohort: The cohort.
        limit: So many participants are named.
    """
    people = sorted({member["participant"] for member in cohort.document["members"]})
    judge = Judge(catalogue, None)
    found = judge.findings(model.id, people)
    unknown = judge.exposure(model.id).unknown
    verdict = Verdict(
        state=State.SHARED if found else State.UNKNOWN if unknown else State.CLEAN,
        models={model.id: "input"},
        people=len(people),
        findings=found,
        unknown=unknown,
        unattributed=0,
    )
    return {
        "model": model.id,
        "cohort": cohort.id,
        "state": verdict.state.value,
        "reason": said(catalogue, verdict),
        "people": len(people),
        "shared": verdict.shared,
        "relations": verdict.relations(),
        "unknown": len(unknown),
        "items": [_told(catalogue, principal, judge, finding) for finding in found[:limit]],
        "truncated": len(found) > limit,
    }


def _told(catalogue: Catalogue, principal: Principal, judge: Judge, finding: Finding) -> dict[str, Any]:
    """Return a finding with the names of all that the caller may read."""
    way = judge.path(finding)
    known = catalogue.repository.get_many([*way, finding.participant])

    def told(iri: str) -> dict[str, Any]:
        record = known.get(iri)
        seen = record is not None and principal.may(Permission.READ, record)
        node = _node(iri, record, open=seen)
        if seen and record is not None:
            node["label"] = str(record.document.get("label") or record.document.get("path") or "")
        return node

    return {
        "participant": told(finding.participant),
        "relation": finding.relation.value,
        "path": [told(iri) for iri in way],
    }
