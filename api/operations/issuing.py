"""The end of a certification run: its outputs are compared, and a certificate is issued or not.

This happens as the run's final event is recorded, and what comes of it is written in the same commit: there is no run
whose verdict was lost, and no certificate without its run.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from api.catalogue import Catalogue
from api.operations.admission import CERTIFICATION
from api.operations.certificates import KEY_FILE, PREDICATE, certificate_edges, signer_name
from api.operations.outputs import OUT
from api.operations.reference_files import case_file
from catalog.model import Put, Record
from executors.comparison import Verdict, compare
from executors.model import TaskEvent
from executors.states import EventKind
from ontology.canonical import canonical_json
from ontology.errors import BackendUnavailableError, SillageError
from ontology.identifiers import new_iri
from provenance.attestation import Envelope, PublicKey, Statement, Subject, seal, signing_key

logger = logging.getLogger(__name__)

TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
HARDWARE: Final = ("machine", "cpu_model")
SANDBOX: Final = ("kind", "version", "enforced", "not_enforced")
ENVIRONMENT: Final = ("kind", "digest", "python", "packages", "image")


def concluded(
    catalogue: Catalogue, task: Record, event: TaskEvent, puts: Sequence[Put]
) -> tuple[dict[str, Any], list[Put]]:
    """Return what the end of a task adds to it, and the certificate that it earns; nothing for ordinary tasks.

    Args:
        catalogue: The catalogue.
        task: The task before the event.
        event: Its final event.
        puts: The records of its outputs, which are saved already.
    """
    asked = task.document.get(CERTIFICATION)
    if asked is None:
        return {}, []
    report: dict[str, Any] = {"passed": False, "comparisons": [], "unexpected": [], "certificate": None, "detail": None}
    issued: list[Put] = []
    if event.kind is not EventKind.COMPLETE:
        report["detail"] = f"The run did not complete: {event.detail or event.reason or event.kind}"
    else:
        case = catalogue.repository.get(asked["reference"])
        report |= _compared(catalogue, case, puts)
        if report["passed"]:
            issued, said = _issued(catalogue, task, event, case, report["comparisons"])
            report |= said
    return {CERTIFICATION: {**asked, "report": report}}, issued


def _compared(catalogue: Catalogue, case: Record, puts: Sequence[Put]) -> dict[str, Any]:
    written = {
        file["path"]: (put, file)
        for put in puts
        for file in put.document.get("files") or ()
        if "commit" in put.document
    }
    comparisons = []
    for item in case.document["expected"]:
        put, file = written.pop(item["path"].removeprefix(OUT), (None, None))
        verdict = _verdict(catalogue, case, item, put)
        comparisons.append(
            {
                "path": item["path"],
                **verdict.to_json(),
                "tolerance": item["compare"],
                "sha256": file["sha256"] if file else None,
                "expected_sha256": item["sha256"],
            }
        )
    wrong = [item for item in comparisons if not item["passed"]]
    return {
        "passed": not wrong,
        "comparisons": comparisons,
        "unexpected": sorted(written),
        "detail": f"{wrong[0]['path']}: {wrong[0]['detail']}" if wrong else None,
    }


def _verdict(catalogue: Catalogue, case: Record, item: Mapping[str, Any], put: Put | None) -> Verdict:
    rule = item["compare"]
    try:
        found = None if put is None else _output(catalogue, put, item["path"].removeprefix(OUT))
        expected = None if item["file"] is None else case_file(catalogue, case, item["file"])
        return compare(rule, found, expected)
    except SillageError as error:
        return Verdict(kind=rule["kind"], passed=False, detail=error.detail)
    except Exception as error:  # What a pipeline wrote must not keep its task from ending, whatever it is.
        logger.exception("an output of a certification run could not be compared")
        return Verdict(kind=rule["kind"], passed=False, detail=f"it cannot be compared ({type(error).__name__})")


def _output(catalogue: Catalogue, put: Put, path: str) -> Path:
    derivative = catalogue.repository.get(put.document["dataset"])
    return catalogue.store.locate(catalogue.data_path(derivative), put.document["commit"], path)


def _issued(
    catalogue: Catalogue, task: Record, event: TaskEvent, case: Record, comparisons: Sequence[Mapping[str, Any]]
) -> tuple[list[Put], dict[str, Any]]:
    """Return the certificate and what the report says of it; without a signature there is none."""
    if event.record is None:
        return [], {"passed": False, "detail": "The runner keeps no record of what it runs."}
    try:
        put = _certificate(catalogue, task, event.record, case, comparisons)
    except (SillageError, OSError) as error:
        why = error.detail if isinstance(error, SillageError) else str(error.strerror)
        return [], {"detail": f"Every comparison passed, and the certificate could not be signed: {why}"}
    return [put], {"certificate": put.id}


def _certificate(
    catalogue: Catalogue,
    task: Record,
    record: Mapping[str, Any],
    case: Record,
    comparisons: Sequence[Mapping[str, Any]],
) -> Put:
    version = catalogue.repository.get(task.document["pipeline"])
    iri, days = new_iri(), int(task.document[CERTIFICATION]["days"])
    try:
        key = signing_key(catalogue.directory / KEY_FILE, signer_name(catalogue))
    except OSError as error:
        raise BackendUnavailableError(f"the signing key cannot be made: {error.strerror}") from error
    public = PublicKey(key.verifier().public)
    issued, expires = _period(days)
    predicate = {
        "id": iri,
        **_run(version, record),
        "reference": {"id": case.id, "label": case.document["label"], "digest": case.document["digest"]},
        "comparisons": [dict(item) for item in comparisons],
        "task": {"id": task.id, "record_digest": hashlib.sha256(canonical_json(dict(record))).hexdigest()},
        "signer": {"key": public.id, "catalogue": catalogue.iri, "certifier": task.document["principal"]},
        "issued": issued,
        "expires": expires,
        "policy": {"uncertified": catalogue.settings.uncertified, "days": days},
    }
    subjects = _subjects(catalogue, version, predicate["environment"])
    statement = Statement(subjects=subjects, predicate_type=PREDICATE, predicate=predicate)
    envelope = seal(statement.to_json(), key)
    document = _document(predicate, envelope, public)
    return Put(
        id=iri,
        type="Certificate",
        document=document,
        edges=certificate_edges(document),
        action="certificate.issue",
    )


def _run(version: Record, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a certificate says of what was run, in what and on what."""
    return {
        "pipeline": {
            "id": version.id,
            "name": version.document["name"],
            "version": version.document["tool_version"],
            "descriptor_digest": version.document["descriptor_digest"],
            "files_digest": version.document.get("files_digest"),
        },
        "environment": {name: record["environment"].get(name) for name in ENVIRONMENT},
        "hardware": {**{name: record["host"][name] for name in HARDWARE}, "gpus": record["gpus"]},
        "sandbox": {name: record["sandbox"].get(name) for name in SANDBOX},
    }


def _document(predicate: Mapping[str, Any], envelope: Envelope, key: PublicKey) -> dict[str, Any]:
    pipeline = predicate["pipeline"]
    return {
        "label": f"{pipeline['name']} {pipeline['version']}, certified until {predicate['expires'][:10]}",
        "pipeline": pipeline["id"],
        "pipeline_name": pipeline["name"],
        "pipeline_version": pipeline["version"],
        "reference": predicate["reference"]["id"],
        "task": predicate["task"]["id"],
        "certifier": predicate["signer"]["certifier"],
        "issued": predicate["issued"],
        "expires": predicate["expires"],
        "digest": envelope.digest,
        "key": key.id,
        "public_key": key.pem(),
        "envelope": envelope.to_json(),
        "revoked": None,
    }


def _period(days: int) -> tuple[str, str]:
    now = datetime.now(UTC)
    return now.strftime(TIME), (now + timedelta(days=days)).strftime(TIME)


def _subjects(catalogue: Catalogue, version: Record, environment: Mapping[str, Any]) -> list[Subject]:
    """Return what a certificate is about: the descriptor, each of the pipeline's own files, and its image."""
    found = [
        Subject(name="descriptor", sha256=version.document["descriptor_digest"], media_type="application/json"),
    ]
    digest = version.document.get("files_digest")
    if digest:
        folder = catalogue.directory / "pipelines" / digest
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found.append(Subject(name=f"files/{path.relative_to(folder).as_posix()}", sha256=content))
    if environment["kind"] == "container" and environment["digest"]:
        sha256 = str(environment["digest"]).removeprefix("sha256:")
        found.append(Subject(name=str(environment["image"]), sha256=sha256))
    return found
