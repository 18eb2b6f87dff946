"""What would happen if a pipeline were run so: looked at before anything is written, registered or started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any, Final

from api.access import Principal
from api.batch_memory import Judged
from api.catalogue import Catalogue
from api.operations import certificates, records
from api.operations.batch_work import task_document
from api.operations.chosen_resources import with_chosen
from api.operations.input_files import PlannedInput
from api.operations.leakage import screened
from api.operations.leakage_sums import WORST, leakage_sum, strongest
from api.operations.planning import Plan, PlannedTask
from api.operations.reuse import reused
from api.operations.submissions import Request, Submission, checked, standing_members
from api.operations.task_specs import state_node
from api.task_paces import duration_of
from executors.states import TaskState
from ontology.errors import InvalidRequestError
from ontology.identifiers import new_iri

LOOKED_AT: Final = 1000
"""Participants of a cohort that are planned; of a larger one the plan says that it is of the first."""
NAMED: Final = 100
"""Tasks, and participants on whom it cannot run, that a plan names."""
SAMPLE: Final = 50
"""Tasks of the same version that are read to learn how long one takes."""
_ORDER: Final = [state.value for state in WORST]


def plan_run(catalogue: Catalogue, principal: Principal, asked: Request) -> dict[str, Any]:
    """Return what a submission would do: how many tasks, on whom not and why, how the pipeline stands, leakage.

    Nothing is written but the entry that somebody looked. What the policies of the catalogue refuse is said, with
    ``starts`` false, and raises nothing; what is wrong with the request itself is raised as for the run.

    Raises:
        NotPermittedError: The caller may not run pipelines, or not on these data.
        NotFoundError: There is no such pipeline, cohort, runner or input.
        InvalidRequestError: An input or condition is not one.
        ValidationFailedError: A parameter has a name or value that the pipeline does not take.
        UnsupportedError: The runner does not run pipelines of this kind.
    """
    submission = checked(catalogue, principal, asked, registers=False)
    standing = certificates.standing(catalogue, submission.version)
    common = {**submission.common, **standing_members(catalogue, submission.version, standing)}
    catalogue.refresh_search()
    looked_at = submission.members[:LOOKED_AT] if submission.is_by_participant else submission.members
    plan = screened(catalogue, principal, _planned(submission, looked_at), common)
    admitted = standing.state is certificates.State.CERTIFIED or catalogue.settings.uncertified != "refuse"
    about = submission.cohort.id if submission.cohort is not None else submission.version.id
    records.note_access(catalogue, principal, "task.plan", about, {"shown": len(plan.tasks) + len(plan.refused)})
    return {
        "type": "RunPlan",
        **{name: common[name] for name in ("pipeline", "pipeline_name", "pipeline_version", "level")},
        **{name: common[name] for name in ("cohort", "runner", "parameters", "choices", "reuse", "remarks")},
        "starts": bool(admitted and plan.tasks),
        "admitted": admitted,
        "certificate": common["certificate"],
        "participants": len(submission.members),
        "looked_at": len(looked_at),
        "tasks": len(plan.tasks),
        "items": [_item(task) for task in plan.tasks[:NAMED]],
        "refused_count": len(plan.refused),
        "refused": [_refusal(item) for item in plan.refused[:NAMED]],
        "reasons": _reasons(plan.refused),
        "leakage": _leakage(catalogue, plan, unplanned=len(submission.members) - len(looked_at)),
        "reused_count": _reused(catalogue, principal, plan.tasks, common) if asked.reuse and admitted else None,
        "unregistered": _unregistered(plan.tasks),
        "resources": asdict(with_chosen(submission.descriptor.resources, common.get("resources"))),
        "suggested": asdict(submission.descriptor.resources),
        "usual": _usual(catalogue, submission.version.id),
    }


def _planned(submission: Submission, members: Sequence[str]) -> Plan:
    """Return the tasks, and on whom it cannot run; a group or named inputs that cannot run are no error here."""
    if submission.is_by_participant:
        return submission.planner.plan_members(members, submission.inputs)
    return submission.planner.plan(cohort=submission.cohort, named=submission.inputs)


def _item(task: PlannedTask) -> dict[str, Any]:
    own = [item for item in task.inputs if not item.companion]
    return {
        "label": task.label,
        "participant": task.participant,
        "inputs": dict(Counter(item.input for item in own)),
        "files": [_name(item) for item in own[:NAMED]],
        "byte_size": sum(item.file.document.get("size") or 0 for item in task.inputs),
        "leakage": task.leakage["decision"] if task.leakage else None,
    }


def _name(item: PlannedInput) -> str:
    return str(item.file.document["path"])


def _refusal(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item.get(name) for name in ("participant", "field", "detail")}


def _reasons(refused: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return why it cannot run, each reason once, those of most participants first."""
    counted = Counter((item.get("field"), item["detail"]) for item in refused)
    return [{"field": field, "detail": detail, "count": count} for (field, detail), count in counted.most_common()]


def _leakage(catalogue: Catalogue, plan: Plan, *, unplanned: int) -> dict[str, Any] | None:
    """Return what was found of models among the inputs of all tasks; None where no task uses one.

    Args:
        catalogue: The catalogue.
        plan: The tasks that were planned.
        unplanned: Participants that were not looked at.
    """
    found = [(task.participant, task.leakage) for task in plan.tasks if task.leakage]
    found += [(item.get("participant"), item["leakage"]) for item in plan.refused if item.get("leakage")]
    if not found:
        return None
    judged = [(None, Judged.of(member)) for _, member in found]
    looked_at = len(plan.tasks) + len(plan.refused)
    worst = min((member for _, member in found), key=lambda member: _ORDER.index(member["state"]))

    def way(place: int, relation: str) -> Mapping[str, Any] | None:
        return next((path for path in found[place][1]["paths"] if path["relation"] == relation), None)

    told = leakage_sum(catalogue, judged, looked_at=looked_at, size=looked_at + unplanned, way=way) or {}
    for each in told["relations"]:
        whose = [who for (who, _), (_, one) in zip(found, judged, strict=True) if strongest(one) == each["relation"]]
        each["participants"] = [who for who in whose if who][:NAMED]
    # What is found of one task is said of it in more words than a sum has.
    one = {"reason": worst["reason"]} if len(found) == 1 else {}
    return {**told, **one, "policy": worst["policy"], "paths": worst["paths"]}


def _reused(catalogue: Catalogue, principal: Principal, tasks: Sequence[PlannedTask], common: Mapping[str, Any]) -> int:
    """Return how many tasks would take over what was done before."""
    documents = (task_document(task, common) for task in tasks)
    return sum(1 for document in documents if reused(catalogue, principal, new_iri(), document).get("reused"))


def _unregistered(tasks: Sequence[PlannedTask]) -> list[str]:
    """Return the names of files given by path that will be registered when it starts."""
    return sorted({_name(item) for task in tasks for item in task.inputs if item.owner.version == 0})


def _usual(catalogue: Catalogue, version: str) -> dict[str, Any] | None:
    """Return how long a task of this version took before; None where none ran here."""
    done = catalogue.repository.list_records("Task", part_of=state_node(version, TaskState.COMPLETE), limit=SAMPLE)
    durations = [took for task in done.items if (took := duration_of(task.document)) is not None]
    return {"tasks": len(durations), "median_s": round(median(durations), 1)} if durations else None


def request_of(task: Mapping[str, Any], inputs: Mapping[str, Sequence[str]]) -> Request:
    """Return the request that a task or batch came from, to ask for the same or nearly the same again.

    Raises:
        InvalidRequestError: It runs a reference case of a certification.
    """
    if task.get("certification"):
        raise InvalidRequestError("a certification is run again by certifying the pipeline", field="like")
    choices = task.get("choices") or {}
    return Request(
        pipeline=task["pipeline"],
        cohort=task.get("cohort"),
        inputs=inputs,
        parameters=task.get("parameters") or {},
        runner=task.get("runner"),
        reuse=bool(task.get("reuse")),
        select={name: said["select"] for name, said in choices.items() if said.get("select")},
        choose={name: said["choose"] for name, said in choices.items() if said.get("choose")},
        allow_leakage=task.get("allow_leakage"),
        resources=task.get("resources") or {},
    )
