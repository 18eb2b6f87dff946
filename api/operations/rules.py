"""Rules on ingest: when a version of a dataset comes in, whoever fulfils a condition is given to a pipeline.

What a rule did with each version of each dataset is a record of its own (:mod:`api.operations.rule_evaluation`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import records
from api.operations.candidates import choices_document, read_choices
from api.operations.cohorts import parse_query
from api.operations.image_conditions import what_is_wrong
from api.operations.pipeline_versions import version_of
from api.operations.planning import Planner
from api.wire import record_body
from catalog.model import Commit, MustBeAt, Put, Record
from catalog.search.query import Query
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.errors import ConflictError, InvalidRequestError
from ontology.identifiers import new_iri
from ontology.namespaces import ASSOCIATED_WITH

RULE = frozenset({"Rule"})
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def add(
    catalogue: Catalogue,
    principal: Principal,
    *,
    name: str,
    when: Any,
    pipeline: str,
    parameters: Mapping[str, Any] | None = None,
    select: Mapping[str, str] | None = None,
    choose: Mapping[str, str] | None = None,
    runner: str | None = None,
    existing: bool = False,
    enabled: bool = True,
) -> dict[str, Any]:
    """Make a rule; it acts on behalf of its maker, with what they may do when it acts.

    ``when`` is a condition on participants (CQL2); ``pipeline`` a name (the newest version at that time), a series or a
    version; the rest is as for :func:`api.operations.tasks.submit`. With ``existing`` it also acts on what is there;
    one that is not ``enabled`` begins when it is.

    Raises:
        NotPermittedError: The caller may not run pipelines.
        ConflictError: There is a rule of this name.
        InvalidRequestError: Name, condition, input or parameter is not one.
        NotFoundError: There is no such pipeline.
    """
    require_may_add(principal)
    alias = free_alias(catalogue, name)
    choices = choices_document(select or {}, choose or {})
    require_runnable(catalogue, principal, pipeline, parameters or {}, choices)
    if runner is not None:
        catalogue.runner(runner)
    query = condition(catalogue, principal, when)
    document = {
        "label": name,
        "name": name,
        "query": query.text,
        "query_json": query.json,
        "pipeline": pipeline,
        "parameters": dict(parameters or {}),
        "choices": choices,
        "runner": runner,
        "enabled": enabled,
        "after": -1 if existing else catalogue.repository.sequence,
        "creator": principal.agent,
    }
    put = Put(id=new_iri(), type="Rule", document=document, edges=_edges(document), aliases=[alias])
    catalogue.repository.commit(Commit(principal=principal.agent, action="rule.add", changes=[put]))
    catalogue.task_news.tell(put.id)
    return record_body(catalogue.repository.get(put.id), principal)


def require_may_add(principal: Principal) -> None:
    """Require what whoever makes a rule must be allowed.

    Raises:
        NotPermittedError: The caller may not run pipelines, or not freeze cohorts.
    """
    principal.require(Permission.RUN)
    principal.require(Permission.FREEZE)


def condition(catalogue: Catalogue, principal: Principal, when: Any) -> Query:
    """Return the condition of a rule, once it was understood.

    Raises:
        InvalidRequestError: It is none, or asks for what is not known.
        AmbiguousError: A term means several things.
    """
    query = parse_query(when)
    catalogue.refresh_search()
    catalogue.search.find(query, datasets=principal.datasets(Permission.READ), limit=1)
    return query


def free_alias(catalogue: Catalogue, name: str) -> str:
    """Return the name under which the repository will keep a rule.

    Raises:
        InvalidRequestError: A rule cannot be called that.
        ConflictError: One is.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"{name!r} is no name for a rule", field="name", next_step="Small letters, digits and hyphens, at most 64."
        )
    if catalogue.repository.find_alias(f"rule:{name}") is not None:
        raise ConflictError(
            f"there is a rule {name!r} already", field="name", next_step="Rules never change; choose another name."
        )
    return f"rule:{name}"


def require_runnable(
    catalogue: Catalogue,
    principal: Principal,
    pipeline: str,
    parameters: Mapping[str, Any],
    choices: Mapping[str, Mapping[str, str]],
) -> None:
    """Require that a pipeline can be run so, whoever it is run on.

    Raises:
        NotFoundError: There is no such pipeline.
        ValidationFailedError: A parameter is missing, unknown or of the wrong kind.
        InvalidRequestError: A condition on images, or what is done with several, is not one.
    """
    version = version_of(catalogue, principal, pipeline)
    descriptor = PipelineDescriptor.parse(version.document["descriptor"])
    descriptor.check_parameters(parameters)
    for name, choice in choices.items():
        said = what_is_wrong(catalogue, principal, choice["select"]) if "select" in choice else None
        if said is not None:
            raise InvalidRequestError(
                f"the condition for input {name!r} cannot be asked: {said}", field=f"select.{name}"
            )
    Planner(catalogue, principal, descriptor, parameters=parameters, choices=read_choices(choices))


def _edges(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(ASSOCIATED_WITH, document["creator"])]


def find(catalogue: Catalogue, principal: Principal, reference: str) -> Record:
    """Return the rule that a name or id means.

    Raises:
        NotFoundError: There is none.
    """
    named = catalogue.repository.find_alias(f"rule:{reference}")
    return records.find(catalogue, principal, named or reference, types=RULE)


def show(catalogue: Catalogue, principal: Principal, reference: str) -> dict[str, Any]:
    """Return a rule."""
    return record_body(find(catalogue, principal, reference), principal)


def enable(catalogue: Catalogue, principal: Principal, reference: str, *, enabled: bool) -> dict[str, Any]:
    """Let a rule act, or no more; versions that came while it did not act are acted on when it does again.

    Raises:
        NotPermittedError: The caller may not run pipelines, or somebody else made the rule.
    """
    principal.require(Permission.RUN)
    rule = find(catalogue, principal, reference)
    principal.require_own(rule, rule.document["creator"])
    if rule.document["enabled"] is enabled:
        return record_body(rule, principal)
    document = {**rule.document, "enabled": enabled}
    put = Put(id=rule.id, type="Rule", document=document, edges=_edges(document), aliases=[f"rule:{document['name']}"])
    catalogue.repository.commit(
        Commit(
            principal=principal.agent,
            action="rule.enable" if enabled else "rule.disable",
            changes=[put],
            requirements=[MustBeAt(rule.id, rule.version)],
        )
    )
    catalogue.task_news.tell(rule.id)
    return record_body(catalogue.repository.get(rule.id), principal)
