"""The register of certificates: list, show, hand on, revoke, and all that rests on one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import pipelines, records
from api.operations.certificates import (
    KEY_FILE,
    REVOKED,
    certificate_edges,
    certificates_of,
    judged,
    standing,
    statement_of,
)
from api.operations.pipeline_versions import version_of
from api.wire import page_body, record_body
from catalog.model import Commit, MustBeAt, Put, Record
from executors.model import utc_now
from ontology.errors import ConflictError
from provenance.attestation import public_key

CERTIFICATE = frozenset({"Certificate"})
MAX_DERIVED = 10_000


def listing(
    catalogue: Catalogue,
    principal: Principal,
    *,
    pipeline: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """Return one page of certificates, oldest first, each with what it counts for now."""
    principal.require(Permission.READ)
    version = version_of(catalogue, principal, pipeline).id if pipeline else None
    page = catalogue.repository.list_records("Certificate", part_of=version, cursor=cursor, limit=limit)
    versions = catalogue.repository.get_many({record.document["pipeline"] for record in page.items})
    return page_body(page, lambda record: _summary(catalogue, record, versions[record.document["pipeline"]]))


def _summary(catalogue: Catalogue, certificate: Record, version: Record) -> dict[str, Any]:
    members = ("label", "pipeline", "pipeline_name", "pipeline_version", "certifier", "issued", "expires", "digest")
    found = judged(catalogue, certificate, version)
    return {
        "id": certificate.id,
        "type": certificate.type,
        "version": certificate.version,
        "created": certificate.created,
        **{name: certificate.document[name] for name in members},
        "state": found.state.value,
        "reason": found.reason,
    }


def show(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a certificate: its envelope, what the envelope says, and what it counts for now."""
    certificate = records.find(catalogue, principal, reference, types=CERTIFICATE)
    found = judged(catalogue, certificate, catalogue.repository.get(certificate.document["pipeline"]))
    statement = statement_of(certificate, public_key(catalogue.directory / KEY_FILE))
    return {
        **record_body(certificate, principal),
        "state": found.state.value,
        "reason": found.reason,
        "notes": list(found.notes),
        "statement": statement.to_json() if statement else None,
    }


def envelope(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a certificate's DSSE envelope, as it was signed."""
    certificate = records.find(catalogue, principal, reference, types=CERTIFICATE)
    return dict(certificate.document["envelope"])


def revoke(catalogue: Catalogue, principal: Principal, reference: str, *, reason: str) -> dict[str, Any]:
    """Take a certificate back, and return the first page of what rests on it.

    ``standing`` says how the pipeline version stands without it: another certificate may still be in force.

    Raises:
        NotPermittedError: The caller may not certify pipelines.
        ConflictError: It was revoked before.
    """
    certificate = records.find(catalogue, principal, reference, types=CERTIFICATE)
    principal.require(Permission.CERTIFY)
    if certificate.document.get(REVOKED):
        said = certificate.document[REVOKED]
        raise ConflictError(f"it was revoked on {said['time'][:10]}: {said['reason']}", field="id")
    mark = {"time": utc_now(), "by": principal.agent, "reason": reason.strip()}
    put = Put(
        id=certificate.id,
        type=certificate.type,
        document={**certificate.document, REVOKED: mark},
        edges=certificate_edges(certificate.document),
        reason=mark["reason"],
    )
    required = [MustBeAt(certificate.id, certificate.version)]
    catalogue.repository.commit(
        Commit(principal=principal.agent, action="certificate.revoke", changes=[put], requirements=required)
    )
    version = catalogue.repository.get(certificate.document["pipeline"])
    return {
        **record_body(catalogue.repository.get(certificate.id), principal),
        "standing": standing(catalogue, version).to_json(),
        "dependents": dependents(catalogue, principal, certificate.id),
    }


def dependents(
    catalogue: Catalogue, principal: Principal, reference: str, *, cursor: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Return one page of the tasks that started under a certificate, each with everything that was derived from it.

    A result of several of these tasks is listed with each. What may not be read is left out.
    """
    certificate = records.find(catalogue, principal, reference, types=CERTIFICATE)
    page = catalogue.repository.list_records("Task", part_of=certificate.id, cursor=cursor, limit=limit)
    records.note_access(catalogue, principal, "certificate.dependents", certificate.id)
    return records.readable_page(principal, page, lambda task: _dependent(catalogue, principal, task), cursor=cursor)


def _dependent(catalogue: Catalogue, principal: Principal, task: Record) -> dict[str, Any]:
    below = catalogue.repository.lineage(task.id, direction="down", limit=MAX_DERIVED)
    nodes = [node for node in below.nodes if node.id != task.id]
    if not principal.everywhere(Permission.READ):
        known = catalogue.repository.get_many([node.id for node in nodes])
        nodes = [node for node in nodes if node.id in known and principal.may(Permission.READ, known[node.id])]
    return {
        "id": task.id,
        "type": task.type,
        "label": task.document["label"],
        "state": task.document["state"],
        "started": task.document.get("start_time"),
        "outputs": [{"id": file["id"], "path": file["path"]} for file in task.document["outputs"]],
        "derived": [{"id": node.id, "type": node.type, "label": node.label, "depth": node.depth} for node in nodes],
        "truncated": below.truncated,
    }


def history(catalogue: Catalogue, version: Record) -> list[dict[str, Any]]:
    """Return every certificate of a pipeline version, newest first, with what it counts for now."""
    return [_summary(catalogue, certificate, version) for certificate in certificates_of(catalogue, version.id)]


def pipeline(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a pipeline with its versions, or one version, each with how it stands."""
    return _with_standing(catalogue, pipelines.show(catalogue, principal, reference))


def pipeline_version(catalogue: Catalogue, principal: Principal, reference: str, version: str) -> dict[str, Any]:
    """Return one version of a pipeline with how it stands."""
    return _with_standing(catalogue, pipelines.show_version(catalogue, principal, reference, version))


def _with_standing(catalogue: Catalogue, body: dict[str, Any]) -> dict[str, Any]:
    """Add how versions stand to a version, to the versions of a pipeline, or to the current ones of a listing."""
    if body["type"] == "PipelineVersion":
        return {**body, "standing": standing(catalogue, catalogue.repository.get(body["id"])).to_json()}
    known = catalogue.repository.get_many([version["id"] for version in body["versions"]])
    versions = [
        {**version, "standing": standing(catalogue, known[version["id"]]).to_json()} for version in body["versions"]
    ]
    current = next((version["standing"] for version in versions if version["id"] == body.get("current")), None)
    return {**body, "versions": versions, "standing": current}


def pipeline_list(
    catalogue: Catalogue, principal: Principal, *, cursor: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Return one page of pipelines, each with how its newest version stands."""
    page = records.listing(catalogue, principal, "Pipeline", cursor=cursor, limit=limit)
    known = catalogue.repository.get_many([item["current"] for item in page["items"]])
    return {**page, "items": [_listed(catalogue, item, known[item["current"]]) for item in page["items"]]}


def _listed(catalogue: Catalogue, item: Mapping[str, Any], current: Record) -> dict[str, Any]:
    found = standing(catalogue, current)
    return {
        **item,
        "semver": current.document["semver"],
        "standing": found.state.value,
        "standing_reason": found.reason,
    }
