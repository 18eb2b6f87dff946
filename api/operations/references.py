"""Reference cases: what goes into a pipeline version, and what must come out of it, to certify it by."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.operations.outputs import media_type
from api.operations.pipeline_versions import version_of
from api.operations.pipelines import files_digest, keep_files
from api.operations.pipelines import register_bundled as register_bundled_pipeline
from api.operations.reference_files import case_folder
from api.wire import page_body, record_body, summary_body
from catalog.model import Commit, Put, Record
from executors.comparison import ReferenceCase, compare, parse_reference
from executors.comparison.reference import FORMAT, INPUTS, refuse
from executors.comparison.rules import Problem, escaped
from executors.pipelines.bundled import bundled_reference
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.canonical import canonical_json
from ontology.errors import InvalidRequestError, NotFoundError, ValidationFailedError
from ontology.identifiers import new_iri
from ontology.namespaces import PART_OF

MOUNT: Final = "/inputs/reference/"
REFERENCE: Final = frozenset({"Reference"})


def register_bundled(catalogue: Catalogue, principal: Principal, name: str) -> dict[str, Any]:
    """Register one of the pipelines that ship, with its reference case where it has one."""
    body = register_bundled_pipeline(catalogue, principal, name)
    found = bundled_reference(name)
    if found is not None:
        document, files = found
        register(catalogue, principal, body["id"], document, files)
    return body


def register(
    catalogue: Catalogue, principal: Principal, pipeline: str, document: Any, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Register a reference case of a pipeline version; the same again is the same case.

    Args:
        catalogue: The catalogue.
        principal: Who asks.
        pipeline: Name, ``name@version`` or id.
        document: What ``reference.json`` holds.
        files: The files beside it by their relative paths; those that the case does not name are not kept.

    Raises:
        NotPermittedError: The caller may neither certify pipelines nor registered this version.
        ValidationFailedError: The case breaks a rule; ``params['problems']`` lists ``{field, detail}``.
    """
    certifies = principal.everywhere(Permission.CERTIFY)
    if not certifies:
        principal.require(Permission.REGISTER_PIPELINE)
    version = version_of(catalogue, principal, pipeline)
    if not certifies:
        principal.require_own(version, version.document["creator"])
    case = parse_reference(document, files)
    kept = {path: files[path] for path in case.files}
    refuse([*_misfits(version, case), *_incomparable(case, kept)])
    digest = hashlib.sha256(
        canonical_json({"case": {**document, "format": FORMAT}, "files": files_digest(kept)})
    ).hexdigest()
    alias = f"reference:{version.id}/{digest}"
    known = catalogue.repository.find_alias(alias)
    if known is None:
        keep_files(case_folder(catalogue, files_digest(kept)), kept)
        put = _put(principal, version, case, kept, digest=digest, alias=alias)
        catalogue.repository.commit(
            Commit(principal=principal.agent, action="pipeline.register-reference", changes=[put])
        )
        known = put.id
    return record_body(catalogue.repository.get(known), principal)


def listing(
    catalogue: Catalogue, principal: Principal, pipeline: str, *, cursor: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Return one page of the reference cases of a pipeline version, oldest first."""
    version = version_of(catalogue, principal, pipeline)
    page = catalogue.repository.list_records("Reference", part_of=version.id, cursor=cursor, limit=limit)
    return page_body(page, summary_body)


def chosen(catalogue: Catalogue, principal: Principal, version: Record, reference: str | None) -> Record:
    """Return the reference case that is named, or the newest of a pipeline version.

    Raises:
        NotFoundError: The version has no such case, or none at all.
    """
    if reference is not None:
        found = records.find(catalogue, principal, reference, types=REFERENCE)
        if found.document["pipeline"] != version.id:
            raise NotFoundError(f"{reference} is a case of another pipeline version", field="reference")
        return found
    cases = list(catalogue.repository.iterate("Reference", part_of=version.id))
    if not cases:
        name = f"{version.document['name']}@{version.document['tool_version']}"
        raise NotFoundError(
            f"{name} has no reference case",
            field="reference",
            next_step=f"Register one: sillage pipeline reference {name} FOLDER",
        )
    return cases[-1]


def _put(
    principal: Principal, version: Record, case: ReferenceCase, files: Mapping[str, bytes], *, digest: str, alias: str
) -> Put:
    listed = {path: _file(path, data) for path, data in files.items()}
    document = {
        "label": case.label,
        "about": case.about,
        "pipeline": version.id,
        "pipeline_name": version.document["name"],
        "pipeline_version": version.document["tool_version"],
        "digest": digest,
        "files_digest": files_digest(files),
        "inputs": {name: [_named(listed[path]) for path in paths] for name, paths in case.inputs.items()},
        "parameters": dict(case.parameters),
        "expected": [
            {**item.to_json(), "sha256": listed[item.file]["sha256"] if item.file else None} for item in case.expected
        ],
        "creator": principal.agent,
        "files": list(listed.values()),
    }
    return Put(id=new_iri(), type="Reference", document=document, edges=[(PART_OF, version.id)], aliases=[alias])


def _file(path: str, data: bytes) -> dict[str, Any]:
    return {
        "id": new_iri(),
        "path": path,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "media_type": media_type(path),
        "role": "input" if path.startswith(INPUTS) else "expected",
    }


def _named(file: Mapping[str, Any]) -> dict[str, Any]:
    return {name: file[name] for name in ("id", "path", "sha256", "size")}


def mounted(path: str) -> str:
    """Return where a task finds a file of its reference case."""
    return MOUNT + path.removeprefix(INPUTS)


def _misfits(version: Record, case: ReferenceCase) -> list[Problem]:
    """Return in what a case does not fit the pipeline: inputs that it does not know or lacks, parameters it refuses."""
    descriptor = PipelineDescriptor.parse(version.document["descriptor"])
    known = descriptor.selections
    problems = [
        (f"/inputs/{escaped(name)}", f"{descriptor.name} has no file input {name!r}; it has: {', '.join(known)}.")
        for name in case.inputs
        if name not in known
    ]
    problems += [
        ("/inputs", f"There is no file for the input {name!r}.")
        for name, rule in known.items()
        if not rule.optional and name not in case.inputs
    ]
    if problems:
        return problems
    values = {name: [mounted(path) for path in paths] for name, paths in case.inputs.items()}
    try:
        descriptor.invocation({**case.parameters, **values})
    except (ValidationFailedError, InvalidRequestError) as error:
        return _of_invocation(error, case)
    return []


def _of_invocation(error: ValidationFailedError | InvalidRequestError, case: ReferenceCase) -> list[Problem]:
    """Return what the descriptor says against the values of a case, by their places in ``reference.json``."""
    problems = []
    for said in error.params.get("problems") or [{"field": "", "detail": error.detail}]:
        name = str(said["field"]).lstrip("/").split("/")[0]
        member = "inputs" if name in case.inputs else "parameters"
        problems.append((f"/{member}/{escaped(name)}" if name else f"/{member}", str(said["detail"])))
    return problems


def _incomparable(case: ReferenceCase, files: Mapping[str, bytes]) -> list[Problem]:
    """Return the expected files that do not even pass for themselves: no image, no table, no JSON."""
    problems = []
    with tempfile.TemporaryDirectory(prefix="sillage-reference-") as folder:
        for number, item in enumerate(case.expected):
            if item.file is None:
                continue
            place = Path(folder) / str(number) / Path(item.file).name
            place.parent.mkdir()
            place.write_bytes(files[item.file])
            verdict = compare(item.compare, place, place)
            if not verdict.passed:
                problems.append((f"/expected/{number}/file", f"It cannot be compared so: {verdict.detail}."))
    return problems
