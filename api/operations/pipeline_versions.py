"""Versions of a pipeline: which one a name means, which is the newest, and which are no longer to be used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.wire import record_body
from catalog.model import Commit, MustBeAt, Put, Record
from catalog.search.versions import VersionKey, version_key
from ontology.errors import InvalidRequestError, NotFoundError
from ontology.namespaces import SPECIALIZATION_OF

ANY = frozenset({"Pipeline", "PipelineVersion"})
_SERIES = re.compile(r"v?(\d+(?:\.\d+)?)")
"""What stands for the newest version of a series: ``1`` or ``1.2``."""
_PRE_RELEASE = re.compile(r"v?\d+\.\d+\.\d+-")


def find(catalogue: Catalogue, principal: Principal, reference: str) -> Record:
    """Return the pipeline, or the version of one, that a name, ``name@version``, ``name@1.2`` or id means.

    ``name@1`` and ``name@1.2`` stand for the newest version of that series that is neither deprecated nor a
    pre-release, unless a version is called just so.
    """
    named = catalogue.repository.find_alias(f"pipeline:{reference}")
    return records.find(catalogue, principal, named or _of_series(catalogue, reference) or reference, types=ANY)


def version_of(catalogue: Catalogue, principal: Principal, reference: str) -> Record:
    """Return a pipeline version; a pipeline stands for its newest.

    Raises:
        NotFoundError: There is no such pipeline or version.
    """
    try:
        record = find(catalogue, principal, reference)
    except NotFoundError as error:
        raise NotFoundError(
            f"no pipeline answers to {reference!r}",
            field="pipeline",
            next_step="`sillage pipeline list` shows what is registered; "
            "`sillage pipeline register NAME` registers a bundled one.",
        ) from error
    return record if record.type == "PipelineVersion" else catalogue.repository.get(record.document["current"])


def _of_series(catalogue: Catalogue, reference: str) -> str | None:
    name, at, series = reference.rpartition("@")
    found = _SERIES.fullmatch(series)
    pipeline = catalogue.repository.find_alias(f"pipeline:{name}") if at and found else None
    if pipeline is None or found is None:
        return None
    prefix = found[1] + "."
    versions = [v for v in all_versions(catalogue, pipeline) if _number(v).startswith(prefix) and not _is_behind(v)]
    best = newest(versions)
    return best.id if best else None


def all_versions(catalogue: Catalogue, pipeline: str) -> list[Record]:
    """Return every version of a pipeline."""
    edges = catalogue.repository.edges_to([pipeline], [SPECIALIZATION_OF])
    found = catalogue.repository.get_many({edge.source for edge in edges}).values()
    return [record for record in found if record.type == "PipelineVersion"]


def in_order(versions: Iterable[Record]) -> list[Record]:
    """Return versions from the oldest to the newest.

    Those in use come after those that are deprecated or pre-releases; then numbers count (Semantic Versioning
    2.0.0, or PEP 440), and a text that is no version comes before all that are. Of equals the one that was
    registered last is the newest.
    """
    return sorted(versions, key=lambda v: (not _is_behind(v), *_order(v), v.created, v.id))


def newest(versions: Iterable[Record]) -> Record | None:
    """Return the newest version; None where there is none."""
    return next(reversed(in_order(versions)), None)


def _number(version: Record) -> str:
    return str(version.document["semver"]).removeprefix("v")


def _order(version: Record) -> tuple[bool, VersionKey]:
    key = version_key(_number(version))
    return (key is not None, key or ((), ()))


def _is_behind(version: Record) -> bool:
    return bool(version.document.get("deprecated")) or _PRE_RELEASE.match(_number(version)) is not None


def one_version(catalogue: Catalogue, principal: Principal, reference: str, version: str) -> Record:
    """Return the version of a pipeline that an address names: the pipeline by name or id, then its version.

    Raises:
        NotFoundError: There is no such pipeline, or it has no such version.
    """
    record = find(catalogue, principal, reference)
    return version_of(catalogue, principal, f"{record.document['name']}@{version}")


def deprecate(
    catalogue: Catalogue,
    principal: Principal,
    reference: str,
    version: str,
    *,
    reason: str,
    replaced_by: str | None = None,
) -> dict[str, Any]:
    """Mark a version as no longer to be used; results made with it stay what they are.

    Raises:
        NotPermittedError: The caller may not register pipelines, or somebody else registered this version.
        InvalidRequestError: It is to be replaced by itself.
    """
    record = _own_version(catalogue, principal, reference, version)
    other = version_of(catalogue, principal, replaced_by) if replaced_by else None
    if other is not None and other.id == record.id:
        raise InvalidRequestError("a version cannot replace itself", field="replaced_by")
    mark = {"reason": reason.strip(), "replaced_by": other.id if other else None}
    return _mark(catalogue, principal, record, mark)


def reinstate(catalogue: Catalogue, principal: Principal, reference: str, version: str) -> dict[str, Any]:
    """Take the mark of deprecation away again.

    Raises:
        NotPermittedError: The caller may not register pipelines, or somebody else registered this version.
    """
    return _mark(catalogue, principal, _own_version(catalogue, principal, reference, version), None)


def _own_version(catalogue: Catalogue, principal: Principal, reference: str, version: str) -> Record:
    principal.require(Permission.REGISTER_PIPELINE)
    record = one_version(catalogue, principal, reference, version)
    principal.require_own(record, record.document["creator"])
    return record


def _mark(
    catalogue: Catalogue, principal: Principal, version: Record, mark: Mapping[str, Any] | None
) -> dict[str, Any]:
    document = {**version.document, "deprecated": mark is not None, "deprecation": mark}
    pipeline = catalogue.repository.get(version.document["pipeline"])
    others = [v for v in all_versions(catalogue, pipeline.id) if v.id != version.id]
    best = newest([*others, replace(version, document=document)]) or version
    changes = [
        rewritten(catalogue, version, document),
        rewritten(catalogue, pipeline, {**pipeline.document, "current": best.id}),
    ]
    action = "pipeline.deprecate" if mark else "pipeline.reinstate"
    required = [MustBeAt(version.id, version.version), MustBeAt(pipeline.id, pipeline.version)]
    catalogue.repository.commit(
        Commit(principal=principal.agent, action=action, changes=changes, requirements=required)
    )
    return record_body(catalogue.repository.get(version.id), principal)


def rewritten(catalogue: Catalogue, record: Record, document: Mapping[str, Any]) -> Put:
    """Return the change that gives a pipeline or a version of one another document, and leaves the rest of it."""
    edges = [(edge.predicate, edge.target) for edge in catalogue.repository.edges_from([record.id])]
    name = f"pipeline:{record.document['name']}"
    alias = name if record.type == "Pipeline" else f"{name}@{record.document['tool_version']}"
    return Put(id=record.id, type=record.type, document=document, edges=edges, aliases=[alias])


def deprecation_notice(version: Record) -> str | None:
    """Return what somebody who runs a version is told, when it is deprecated."""
    mark = version.document.get("deprecation")
    if not mark:
        return None
    return f"{version.document['label']} is deprecated: {mark['reason']}"
