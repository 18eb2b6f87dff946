"""Certification: a reference case is run as a task like any other; what comes of it decides (:mod:`.issuing`)."""

from __future__ import annotations

from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records, references
from api.operations.admission import CERTIFICATION
from api.operations.certificates import State, named
from api.operations.pipeline_versions import version_of
from api.operations.task_specs import task_put
from api.task_service import TaskService
from api.wire import record_body
from catalog.model import Commit, Record
from executors.model import utc_now
from executors.pipelines.descriptor import PipelineDescriptor
from executors.states import EventKind, TaskState, transition
from ontology.identifiers import new_iri


def certify(
    catalogue: Catalogue,
    principal: Principal,
    pipeline: str,
    *,
    reference: str | None = None,
    runner: str | None = None,
    days: int | None = None,
) -> dict[str, Any]:
    """Run a reference case of a pipeline version; return the task before it has run.

    When it ends, its member ``certification.report`` has each comparison, and the certificate where all passed.

    Args:
        catalogue: The catalogue.
        principal: Who certifies.
        pipeline: Name, ``name@version`` or id.
        reference: Id of a reference case; the newest of the version unless told.
        runner: Runner; the catalogue's own unless told.
        days: Days for which the certificate holds; as the settings say unless told.

    Raises:
        NotPermittedError: The caller may not certify pipelines.
        NotFoundError: There is no such pipeline, or it has no reference case.
        InvalidRequestError: There is no such runner.
    """
    principal.require(Permission.CERTIFY)
    version = version_of(catalogue, principal, pipeline)
    case = references.chosen(catalogue, principal, version, reference)
    name = runner or catalogue.settings.runner
    catalogue.runner(name)
    task = _document(version, case)
    task |= {"runner": name, "principal": principal.agent}
    task[CERTIFICATION]["days"] = days or catalogue.settings.certificate_days
    put = task_put(catalogue, new_iri(), task)
    catalogue.repository.commit(Commit(principal=principal.agent, action="pipeline.certify", changes=[put]))
    TaskService(catalogue).submit(catalogue.repository.get(put.id))
    return record_body(records.find(catalogue, principal, put.id), principal)


def _document(version: Record, case: Record) -> dict[str, Any]:
    descriptor = PipelineDescriptor.parse(version.document["descriptor"])
    inputs = [
        {
            "id": file["id"],
            "input": name,
            "path": references.mounted(file["path"]),
            "sha256": file["sha256"],
            "size": file["size"],
            "part_of": case.id,
        }
        for name, files in case.document["inputs"].items()
        for file in files
    ]
    return {
        "name": descriptor.name,
        "label": f"Certification of {named(version)}",
        "pipeline": version.id,
        "pipeline_name": descriptor.name,
        "pipeline_version": descriptor.version,
        "level": descriptor.level,
        "cohort": None,
        "participant": None,
        "parameters": dict(case.document["parameters"]),
        "datasets": [],
        "inputs": inputs,
        "outputs": [],
        "exit_code": None,
        "state": transition(TaskState.UNKNOWN, EventKind.SUBMIT).value,
        "attempt": 1,
        "creation_time": utc_now(),
        "certificate": {"state": State.UNCERTIFIED.value, "id": None, "reason": "it runs in order to be certified"},
        "remarks": [],
        CERTIFICATION: {"reference": case.id, "reference_label": case.document["label"], "report": None},
    }
