"""Pipelines: register immutable versions, with the files that they run and the environment that they run in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations.image_conditions import what_is_wrong
from api.operations.pipeline_versions import all_versions, find, in_order, newest, one_version
from api.operations.software import described_software
from api.wire import record_body
from catalog.model import Commit, MustBeAt, Put, Record
from executors.model import Environment, utc_now
from executors.pipelines.bundled import bundled_files
from executors.pipelines.descriptor import PipelineDescriptor
from executors.pipelines.environment import check_lock, holds_lock, image_environment, python_environment
from executors.pipelines.extension import PinnedEnvironment
from executors.pipelines.lock_file import read_lock
from ontology.canonical import canonical_json
from ontology.errors import ConflictError, InvalidRequestError, NotFoundError, ValidationFailedError
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM, SPECIALIZATION_OF

PIPELINE = frozenset({"Pipeline"})
MAX_FILES_BYTES = 50_000_000


def register_bundled(catalogue: Catalogue, principal: Principal, name: str) -> dict[str, Any]:
    """Register one of the pipelines that ship."""
    files = bundled_files(name)
    return register(catalogue, principal, json.loads(files["descriptor.json"]), files)


def register(
    catalogue: Catalogue, principal: Principal, descriptor: Mapping[str, Any], files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Register a version of a pipeline; the same again is the same version.

    Raises:
        NotPermittedError: The caller may not register pipelines.
        ValidationFailedError: The descriptor breaks a rule, something in it could only fail when it runs, or its
            environment is not what it is locked to.
        ConflictError: This version is registered with another content; versions never change.
    """
    principal.require(Permission.REGISTER_PIPELINE)
    parsed = PipelineDescriptor.parse_new(
        descriptor, files=files, said_of_condition=partial(what_is_wrong, catalogue, principal)
    )
    pinned = _pinned(parsed, files)
    environment = registered_environment(pinned, catalogue.settings.pythons)
    if parsed.files is not None and not files:
        raise ValidationFailedError(
            f"{parsed.name} names the folder {parsed.files!r}, and no files came with it", field="files"
        )
    digest = files_digest(files) if files else None
    alias = f"pipeline:{parsed.name}@{parsed.version}"
    existing = catalogue.repository.find_alias(alias)
    if existing is not None:
        return _same_or_refuse(catalogue, principal, existing, parsed, digest)
    if digest is not None:
        keep_files(catalogue.directory / "pipelines" / digest, files)
    version = _version_document(parsed, pinned, environment, digest)
    software = described_software(catalogue, parsed, pinned, files)
    catalogue.repository.commit(_registration(catalogue, principal, version, software))
    return record_body(_by_alias(catalogue, alias), principal)


def _pinned(parsed: PipelineDescriptor, files: Mapping[str, bytes]) -> PinnedEnvironment:
    """Return what the descriptor says of its environment, with the lock of the file that it names.

    Raises:
        ValidationFailedError: The file is not among the pipeline's own, or is no lock file.
    """
    name = parsed.environment.lock_file
    if name is None:
        return parsed.environment
    if name not in files:
        raise ValidationFailedError(
            f"the lock file {name!r} is not among the pipeline's files",
            field="/custom/sillage/environment/lock_file",
        )
    lock = read_lock(files[name].decode("utf-8", errors="replace"))
    return replace(parsed.environment, lock=tuple(sorted({*parsed.environment.lock, *lock})))


def _version_document(
    parsed: PipelineDescriptor, pinned: PinnedEnvironment, environment: Environment, files: str | None
) -> dict[str, Any]:
    return {
        "label": f"{parsed.name} {parsed.version}",
        "name": parsed.name,
        "description": parsed.description,
        "semver": parsed.semver or parsed.version,
        "tool_version": parsed.version,
        "descriptor": dict(parsed.document),
        "descriptor_digest": parsed.digest,
        "files_digest": files,
        "environment": {
            **pinned.to_json(),
            "digest": environment.digest or pinned.digest,
            "python": environment.python,
        },
        "level": parsed.level,
        "deprecated": False,
    }


def _registration(
    catalogue: Catalogue, principal: Principal, version: dict[str, Any], software: tuple[str, list[Put]]
) -> Commit:
    name = f"pipeline:{version['name']}"
    known = catalogue.repository.find_alias(name)
    pipeline, version_iri, now = known or new_iri(), new_iri(), utc_now()
    version = {**version, "pipeline": pipeline, "creator": principal.agent}
    fresh = Record(
        id=version_iri, type="PipelineVersion", version=1, created=now, modified=now, sequence=0, document=version
    )
    best = newest([*(all_versions(catalogue, known) if known else []), fresh]) or fresh
    document = {"label": version["name"], "name": version["name"], "description": best.document["description"]}
    runs, changes = software
    puts = [
        *changes,
        Put(id=pipeline, type="Pipeline", document={**document, "current": best.id}, aliases=[name]),
        Put(
            id=version_iri,
            type="PipelineVersion",
            document={**version, "software": runs},
            edges=[(SPECIALIZATION_OF, pipeline), (DERIVED_FROM, runs)],
            aliases=[f"{name}@{version['tool_version']}"],
        ),
    ]
    required = [MustBeAt(known, catalogue.repository.get(known).version)] if known else []
    return Commit(principal=principal.agent, action="pipeline.register", changes=puts, requirements=required)


def _same_or_refuse(
    catalogue: Catalogue, principal: Principal, iri: str, parsed: PipelineDescriptor, files: str | None
) -> dict[str, Any]:
    record = catalogue.repository.get(iri)
    if record.document["descriptor_digest"] == parsed.digest and record.document["files_digest"] == files:
        return record_body(record, principal)
    raise ConflictError(
        f"{parsed.name} {parsed.version} is registered with another content, and versions never change",
        field="tool-version",
        next_step="Raise tool-version in the descriptor.",
    )


def show(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a pipeline with its versions, or one version."""
    record = find(catalogue, principal, reference)
    body = record_body(record, principal)
    if record.type == "Pipeline":
        body["versions"] = [
            {
                "id": v.id,
                "semver": v.document["semver"],
                "created": v.created,
                "deprecated": v.document.get("deprecated", False),
                "deprecation": v.document.get("deprecation"),
            }
            for v in in_order(all_versions(catalogue, record.id))
        ]
    return body


def show_version(catalogue: Catalogue, principal: Principal, reference: str, version: str) -> dict[str, Any]:
    """Return one version of a pipeline.

    Raises:
        NotFoundError: The pipeline has no such version.
    """
    return record_body(one_version(catalogue, principal, reference, version), principal)


def environment_for(pinned: PinnedEnvironment, pythons: Sequence[Path] = ()) -> Environment:
    """Return the environment on this machine that a pipeline's pins mean.

    Args:
        pinned: What the pipeline needs.
        pythons: Interpreters of further Python environments; the first that holds what is locked is taken.

    Raises:
        ValidationFailedError: No environment of this machine is what the pipeline is locked to, or the image is
            not pinned by its digest.
    """
    if pinned.kind == "python":
        return _python_environment(pinned, pythons)
    if pinned.kind == "container":
        if not pinned.image or not pinned.digest:
            raise ValidationFailedError(
                f"the image {pinned.image!r} is not pinned by a digest",
                field="/custom/sillage/environment/image",
                next_step="Name it as NAME@sha256:DIGEST in custom.sillage.environment.image, and raise tool-version.",
            )
        return image_environment(f"{pinned.image.split('@')[0]}@sha256:{pinned.digest.removeprefix('sha256:')}")
    return Environment(kind=pinned.kind)


def registered_environment(pinned: PinnedEnvironment, pythons: Sequence[Path] = ()) -> Environment:
    """Return the environment as a registration keeps it: an image without a digest is kept, and cannot be run.

    Raises:
        ValidationFailedError: No environment of this machine is what the pipeline is locked to.
    """
    if pinned.kind == "container" and not (pinned.image and pinned.digest):
        return Environment(kind="container", image=pinned.image)
    return environment_for(pinned, pythons)


def _python_environment(pinned: PinnedEnvironment, pythons: Sequence[Path]) -> Environment:
    own = python_environment()
    for environment in (own, *(python_environment(path) for path in pythons if pinned.lock)):
        if holds_lock(pinned.lock, environment):
            return environment
    check_lock(pinned.lock, own)
    return own


def pinned_of(version: Record) -> PinnedEnvironment:
    """Return what a registered version says of its environment, its lock file read."""
    said = version.document["environment"]
    return PinnedEnvironment(
        kind=said["kind"],
        lock=tuple(said.get("lock") or ()),
        lock_file=said.get("lock_file"),
        image=said.get("image"),
        digest=said["digest"] if said["kind"] == "container" else None,
    )


def decode_files(encoded: Mapping[str, str]) -> dict[str, bytes]:
    """Return files from base64.

    Raises:
        InvalidRequestError: One is not base64.
    """
    try:
        return {path: base64.b64decode(text, validate=True) for path, text in encoded.items()}
    except binascii.Error as error:
        raise InvalidRequestError(f"a file is not base64: {error}", field="files") from error


def files_digest(files: Mapping[str, bytes]) -> str:
    """Return the digest of a set of files: SHA-256 of the canonical JSON of path to SHA-256."""
    return hashlib.sha256(
        canonical_json({path: hashlib.sha256(data).hexdigest() for path, data in files.items()})
    ).hexdigest()


def keep_files(target: Path, files: Mapping[str, bytes]) -> None:
    """Store the files of a pipeline, or of a reference case, by their digest: whole or not at all.

    Raises:
        InvalidRequestError: They are too large together, or a path leads out of their folder.
    """
    if sum(map(len, files.values())) > MAX_FILES_BYTES:
        raise InvalidRequestError("the files may have 50 MB together", field="files")
    for path in files:
        parts = PurePosixPath(path).parts
        if path.startswith("/") or ".." in parts or not parts or "\0" in path:
            raise InvalidRequestError(f"{path!r} is not a relative path", field="files")
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=".incoming-"))
    try:
        for path, data in files.items():
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            (partial / path).write_bytes(data)
        partial.chmod(0o755)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _by_alias(catalogue: Catalogue, alias: str) -> Record:
    iri = catalogue.repository.find_alias(alias)
    if iri is None:
        raise NotFoundError(f"{alias} is gone", field="pipeline")
    return catalogue.repository.get(iri)
