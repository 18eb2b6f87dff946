"""Models as records: written when a task has trained one, or when somebody registers one that was made elsewhere.

A model is its weights: two files with the same bytes are one model, wherever they lie. Of its training a record says
what is certain: the participants whom the inputs of the task rest on, found in the graph, and whether these are all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import leakage, records
from api.operations.path_inputs import is_path, registered_file
from api.wire import page_body, record_body
from catalog.leakage.exposure import KNOWN, exposure_of
from catalog.model import Commit, MustBeAbsent, MustBeAt, Page, Put, Record, Requirement
from executors.model import TaskEvent
from executors.pipelines.descriptor import PipelineDescriptor
from executors.pipelines.extension import ModelRule
from executors.states import EventKind
from ontology.errors import ConflictError, InvalidRequestError, NotFoundError
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM, GENERATED_BY, INFLUENCED_BY, USED

MODEL: Final = frozenset({"Model"})
WEIGHTS: Final = "dcat:distribution"
"""From a model to a file with its weights; what rests on the file does not rest on it by way of the model."""
UNKNOWN: Final = "unknown"
DISTRIBUTIONS: Final = {"pytorch": "torch", "sklearn": "scikit-learn"}
"""Names of frameworks whose Python distribution has another one."""
APPLIED: Final = 100


def model_alias(digest: str) -> str:
    """Return the name under which a model is found by the SHA-256 of its weights."""
    return f"model:{digest}"


def trained(
    catalogue: Catalogue, task: Record, event: TaskEvent, puts: Sequence[Put]
) -> tuple[list[Put], list[Requirement]]:
    """Return the records of the models that a task has trained, to be written with its outputs.

    Weights that are known already are the same model, which then has one more training.

    Args:
        catalogue: The catalogue.
        task: The task before the event.
        event: Its final event.
        puts: The records of its outputs.
    """
    if event.kind is not EventKind.COMPLETE or not puts:
        return [], []
    descriptor = PipelineDescriptor.parse(catalogue.repository.get(task.document["pipeline"]).document["descriptor"])
    rules = {name: hint.model for name, hint in descriptor.outputs.items() if hint.model is not None}
    found = {
        file["sha256"]: (file, rules[file["name"]])
        for put in puts
        for file in put.document.get("files") or ()
        if file.get("name") in rules
    }
    if not found:
        return [], []
    catalogue.model_memory.refresh(catalogue.repository)
    training = _training(catalogue, task)
    packages = ((event.record or {}).get("environment") or {}).get("packages") or ()
    made: list[Put] = []
    required: list[Requirement] = []
    for file, rule in found.values():
        put, requirement = _trained(catalogue, file, _design(rule, packages), training)
        made.append(put)
        required.append(requirement)
    return made, required


def _design(rule: ModelRule, packages: Iterable[str]) -> dict[str, Any]:
    name = (rule.framework or "").lower()
    wanted = DISTRIBUTIONS.get(name, name)
    versions = dict(item.lower().split("==", 1) for item in packages if "==" in item)
    return {"architecture": rule.architecture, "framework": rule.framework, "framework_version": versions.get(wanted)}


def _training(catalogue: Catalogue, task: Record) -> dict[str, Any]:
    """Return what is known of a training: who it was on, what it began from, and what cannot be attributed."""
    repository, memory = catalogue.repository, catalogue.model_memory
    ancestry = memory.ancestry(repository)
    inputs = [item["id"] for item in task.document["inputs"]]
    reach = ancestry.rests_on(inputs)
    given = [item["id"] for item in task.document["inputs"] if not item.get("companion")]
    direct = ancestry.models_at(given)
    data = [iri for iri in given if iri not in direct]
    nobodys = [iri for iri, people in ancestry.whose(data).items() if not people]
    unattributed = [iri for iri in nobodys if not _rests_on_somebody(ancestry.rests_on([iri]))]
    said = ("pipeline", "pipeline_name", "pipeline_version", "cohort")
    return {
        "people": reach.people,
        "ancestors": reach.models,
        "unattributed": len(unattributed),
        "datasets": set(task.document["datasets"]),
        "run": {"task": task.id, **{name: task.document.get(name) for name in said}},
        "empty": not data,
    }


def _rests_on_somebody(reach: Any) -> bool:
    return bool(reach.people or reach.models)


def _trained(
    catalogue: Catalogue, file: Mapping[str, Any], design: Mapping[str, Any], training: Mapping[str, Any]
) -> tuple[Put, Requirement]:
    run = training["run"]
    held = catalogue.repository.find_alias(model_alias(file["sha256"]))
    before = None if held is None else catalogue.repository.get(held)
    iri = new_iri() if before is None else before.id
    ancestors, people = _apart(catalogue, iri, training)
    unknown = training["unattributed"] or training["empty"]
    document: dict[str, Any] = {
        "label": f"{design['architecture']} {file['sha256'][:8]}, by {run['pipeline_name']} {run['pipeline_version']}",
        "digest": file["sha256"],
        "size": file["size"],
        "file": file["id"],
        **design,
        "training_data": UNKNOWN if unknown else KNOWN,
        "unattributed": training["unattributed"],
        "trainings": [run],
        "cohorts": [run["cohort"]] if run["cohort"] else [],
        "ancestors": sorted(ancestors),
        "participants": len(people),
        "datasets": sorted(training["datasets"]),
    }
    if before is None:
        return _put(catalogue, iri, document, people, action="model.train"), MustBeAbsent(iri)
    people |= set(_people_of(catalogue, before))
    merged = {
        **before.document,
        "training_data": KNOWN if KNOWN == document["training_data"] == before.document["training_data"] else UNKNOWN,
        "unattributed": before.document["unattributed"] + document["unattributed"],
        "trainings": [*before.document["trainings"], run],
        "cohorts": sorted({*before.document["cohorts"], *document["cohorts"]}),
        "ancestors": sorted({*before.document["ancestors"], *ancestors}),
        "participants": len(people),
        "datasets": sorted({*before.document["datasets"], *document["datasets"]}),
    }
    return _put(catalogue, iri, merged, people, action="model.train"), MustBeAt(iri, before.version)


def _apart(catalogue: Catalogue, iri: str, training: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Return the ancestors and people of a training, without what would make a model its own ancestor.

    A model whose weights came out of training as they were before, or as an earlier model's were, is that model: it
    has seen what lies between, but does not rest on itself.
    """
    memory, repository = catalogue.model_memory, catalogue.repository
    people, ancestors = set(training["people"]), set(training["ancestors"]) - {iri}
    for ancestor in sorted(ancestors):
        exposure = exposure_of(ancestor, memory.models, repository)
        if iri in exposure.next:
            ancestors.discard(ancestor)
            people |= exposure.through.keys()
    return ancestors, people


def _put(catalogue: Catalogue, iri: str, document: Mapping[str, Any], people: Collection[str], *, action: str) -> Put:
    edges: list[tuple[str, str]] = [(GENERATED_BY, str(run["task"])) for run in document["trainings"]]
    edges += [(DERIVED_FROM, model) for model in document["ancestors"]]
    edges += [(DERIVED_FROM, participant) for participant in sorted(people)]
    edges += [(INFLUENCED_BY, cohort) for cohort in document["cohorts"]]
    edges.append((WEIGHTS, str(document["file"])))
    return Put(
        id=iri, type="Model", document=document, edges=edges, aliases=[model_alias(document["digest"])], action=action
    )


def _people_of(catalogue: Catalogue, model: Record) -> list[str]:
    """Return whom a model itself was trained on, as far as is known."""
    own = set(model.document["ancestors"])
    edges = catalogue.repository.edges_from([model.id], [DERIVED_FROM])
    return [edge.target for edge in edges if edge.target not in own]


def register(
    catalogue: Catalogue,
    principal: Principal,
    *,
    file: str,
    architecture: str,
    framework: str | None = None,
    trained_on: Sequence[str] = (),
    ancestors: Sequence[str] = (),
    training_data_unknown: bool = False,
) -> dict[str, Any]:
    """Register a model that was not trained here, and say whom it was trained on, or that this is not known.

    Args:
        catalogue: The catalogue.
        principal: Who says so.
        file: Id of the file with the weights, or a path on this machine.
        architecture: What kind of model it is.
        framework: What it was made with.
        trained_on: Cohorts of those whom it was trained on.
        ancestors: Models that it began from.
        training_data_unknown: It was trained on others, too, or on nobody knows whom.

    Raises:
        NotPermittedError: The caller may not run pipelines.
        InvalidRequestError: It is not said whom it was trained on, or the file is not one file with a known digest.
        ConflictError: These weights are a model already.
    """
    principal.require(Permission.RUN)
    if not trained_on and not training_data_unknown:
        raise InvalidRequestError(
            "it must be said whom the model was trained on",
            field="trained_on",
            next_step="Name cohorts (--trained-on), or say that it is not known (--training-data-unknown).",
        )
    weights = _weights(catalogue, principal, file)
    cohorts = [records.find(catalogue, principal, each, types=frozenset({"Cohort"})) for each in trained_on]
    catalogue.model_memory.refresh(catalogue.repository)
    behind = {find(catalogue, principal, each).id for each in ancestors}
    design = {"architecture": architecture.strip(), "framework": framework, "framework_version": None}
    document = {
        **_stated(weights, design, cohorts),
        "training_data": UNKNOWN if training_data_unknown else KNOWN,
        "ancestors": sorted(behind),
        "registered_by": principal.agent,
    }
    digest, people = document["digest"], _members(cohorts)
    put = _put(catalogue, new_iri(), document, people, action="model.register")
    _write(catalogue, principal, put, digest)
    return show(catalogue, principal, put.id)


def _write(catalogue: Catalogue, principal: Principal, put: Put, digest: str) -> None:
    commit = Commit(
        principal=principal.agent, action="model.register", changes=[put], requirements=[MustBeAbsent(put.id)]
    )
    try:
        catalogue.repository.commit(commit)
    except ConflictError as error:
        held = catalogue.repository.find_alias(model_alias(digest))
        raise ConflictError(f"these weights are the model {held} already", field="file") from error


def _members(cohorts: Iterable[Record]) -> dict[str, str]:
    """Return the members of some cohorts, each with its dataset."""
    listed = (member for cohort in cohorts for member in cohort.document["members"])
    return {member["participant"]: member["dataset"] for member in listed}


def _stated(weights: Record, design: Mapping[str, Any], cohorts: Sequence[Record]) -> dict[str, Any]:
    """Return the members of a model that was not trained here, as far as they follow from its file and cohorts."""
    digest, people = str(weights.document["sha256"]), _members(cohorts)
    return {
        "label": f"{design['architecture']} {digest[:8]}",
        "digest": digest,
        "size": weights.document.get("size"),
        "file": weights.id,
        **design,
        "unattributed": 0,
        "trainings": [],
        "cohorts": sorted({cohort.id for cohort in cohorts}),
        "participants": len(people),
        "datasets": sorted({*people.values(), str(weights.dataset)}),
    }


def _weights(catalogue: Catalogue, principal: Principal, reference: str) -> Record:
    if is_path(reference):
        reference = registered_file(catalogue, principal, Path(reference.removeprefix("file://")))
    record = records.find(catalogue, principal, reference, permission=Permission.READ_DATA)
    files = record.document.get("files") or []
    if record.type != "File" and len(files) == 1:
        record = catalogue.repository.get(files[0]["id"])
    if record.type != "File" or not record.document.get("sha256"):
        raise InvalidRequestError(
            f"{reference} is not one file with a known checksum", field="file", next_step="Name the file of weights."
        )
    return record


def find(catalogue: Catalogue, principal: Principal, reference: str) -> Record:
    """Return the model that a reference means: its id, or that of a file or output with its weights.

    Raises:
        NotFoundError: Nothing answers to it, or it is no model.
    """
    held = catalogue.repository.find_alias(model_alias(reference))
    record = records.find(catalogue, principal, held or reference)
    if record.type != "Model":
        catalogue.model_memory.refresh(catalogue.repository)
        model = catalogue.model_memory.model_of(record)
        if model is None:
            raise NotFoundError(f"{reference} is a {record.type}, and no model is known by it", field="id")
        record = records.find(catalogue, principal, model)
    return record


def listing(
    catalogue: Catalogue, principal: Principal, *, cursor: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Return one page of the models that the caller may see, oldest first."""
    principal.require(Permission.READ)
    page = catalogue.repository.list_records("Model", cursor=cursor, limit=limit)
    seen = [record for record in page.items if principal.may(Permission.READ, record)]
    catalogue.model_memory.refresh(catalogue.repository)
    known = catalogue.model_memory.models.values()
    total = sum(1 for record in known if not record.withdrawn and principal.may(Permission.READ, record))
    return page_body(Page(seen, total, page.next), _summary)


def _summary(record: Record) -> dict[str, Any]:
    members = ("label", "digest", "architecture", "framework", "framework_version", "training_data", "participants")
    return {
        "id": record.id,
        "type": record.type,
        "version": record.version,
        "created": record.created,
        **{name: record.document[name] for name in members},
        "ancestors": len(record.document["ancestors"]),
    }


def show(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a model: whom it was trained on in numbers, what is behind it, and what it was used on.

    ``behind`` lists the models that it began from, at any depth; ``people`` counts all whom these and it have seen.
    """
    record = find(catalogue, principal, reference)
    catalogue.model_memory.refresh(catalogue.repository)
    exposure = catalogue.model_memory.exposure(record.id, catalogue.repository)
    behind = catalogue.repository.get_many(list(exposure.next))
    seen = [each for iri, each in behind.items() if principal.may(Permission.READ, each)]
    return {
        **record_body(record, principal),
        "people": len(exposure.through),
        "unknown": [iri if iri == record.id or _may(principal, behind.get(iri)) else None for iri in exposure.unknown],
        "behind": [{**_summary(each), "before": exposure.next[each.id]} for each in seen],
        "behind_hidden": len(exposure.next) - len(seen),
        "applied": applications(catalogue, principal, record),
    }


def _may(principal: Principal, record: Record | None) -> bool:
    return record is not None and principal.may(Permission.READ, record)


def applications(catalogue: Catalogue, principal: Principal, model: Record) -> dict[str, Any]:
    """Return the newest tasks that used a model's weights, wherever these lay, among those that the caller may see."""
    files = [file.id for file in catalogue.repository.files_by_sha256(str(model.document["digest"]))]
    tasks = {edge.source for edge in catalogue.repository.edges_to(files, [USED])} if files else set()
    known = catalogue.repository.get_many(tasks)
    seen = [each for each in known.values() if each.type == "Task" and principal.may(Permission.READ, each)]
    seen.sort(key=lambda each: (each.created, each.id), reverse=True)
    items = [
        {
            "id": each.id,
            "type": each.type,
            "label": each.document["label"],
            "state": each.document["state"],
            "pipeline_name": each.document.get("pipeline_name"),
            "leakage": (each.document.get("leakage") or {}).get("state"),
        }
        for each in seen[:APPLIED]
    ]
    return {"items": items, "total": len(seen)}


def check(
    catalogue: Catalogue, principal: Principal, reference: str, *, cohort: str, limit: int = 100
) -> dict[str, Any]:
    """Return who of a cohort was in the training of a model; that somebody looked is put on the ledger."""
    model = find(catalogue, principal, reference)
    people = records.find(catalogue, principal, cohort, types=frozenset({"Cohort"}))
    records.note_access(catalogue, principal, "model.check", model.id, {"cohort": people.id})
    return leakage.check(catalogue, principal, model, people, limit=limit)
