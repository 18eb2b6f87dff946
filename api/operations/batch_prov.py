"""The provenance of a batch as W3C PROV, page by page.

A batch is an activity (PROV-DM 5.1.2): it occurs over a time, acts on a cohort by a plan, and somebody answers for it.
It is no collection, whose members are entities while tasks are activities, and no bundle, which is a set of statements
and not what happened. PROV-DM has no part-whole relation of activities, so two others say it:

- ``wasInformedBy(task, batch)`` (5.1.5): the batch made the task's order, that is which files it gets at which paths
  and with what command line, and the task used it. It holds of tasks that never began, too, of which a start
  (5.1.6) could not be said.
- ``wfprov:wasPartOfWorkflowRun``, an attribute of the task, names the relation for readers of workflow runs: Workflow
  Run RO-Crate and CWLProv tell a step from the run that it is part of so.

Each page is a document that stands by itself: the batch with its sums, its plan, cohort, certificate and agent, and
some of its tasks with what they used and made. Names are the same on all pages, so that the union of the pages
(PROV-DM 5.4) is the whole. The record of each run stays with the task's own export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import batches
from api.operations.batch_lineage import roots_of
from api.operations.batch_sums import sums
from catalog.model import Record
from ontology.canonical import canonical_json
from ontology.namespaces import ASSOCIATED_WITH, GENERATED_BY, HAD_PLAN, INFORMED_BY, PART_OF_RUN, PREFIXES, USED
from provenance import vocabulary as v
from provenance.model import Literal, ProvDocument, Value, normal_time
from provenance.record import JSON_TYPE, SILLAGE, Edge, ProvNode, document_for
from provenance.values import Identifier

PAGE: Final = 1000
"""Tasks on a page."""
WORKFLOW_RUN: Final = PREFIXES["wfprov"] + "WorkflowRun"
_IN_SHORT: Final = frozenset(
    {"label", "state", "attempt", "exit_code", "reason", "reused", "runner", "start_time", "end_time"}
)
"""Members of a task that a page of its batch has; all others are in the task's own export."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPage:
    """Some tasks of a batch, with the batch and what all of them share.

    Attributes:
        batch: The batch.
        shared: The records that the batch points at, by IRI.
        tasks: These tasks.
        next: Cursor of the next page.
    """

    batch: Record
    shared: Mapping[str, Record]
    tasks: Sequence[Record]
    next: str | None

    def nodes(self, *, whole: bool = False) -> list[ProvNode]:
        """Return everything but the batch as nodes: tasks with all that is known of them, or in short."""
        found = {
            iri: ProvNode(
                id=iri, type=record.type, label=str(record.document.get("label") or ""), document=record.document
            )
            for iri, record in self.shared.items()
        }
        for task in self.tasks:
            found |= {node.id: node for node in _files(task, whole=whole)}
            document = task.document if whole else {name: task.document.get(name) for name in _IN_SHORT}
            found[task.id] = ProvNode(id=task.id, type=task.type, label=task.document["label"], document=document)
        return list(found.values())

    def edges(self) -> list[Edge]:
        """Return how all these hang together; a task that took over what another made used nothing itself."""
        principal = self.batch.document["principal"]
        edges = [(edge.source, edge.predicate, edge.target) for edge in roots_of(self.batch)]
        edges.append((self.batch.id, ASSOCIATED_WITH, principal))
        for task in self.tasks:
            document, reused = task.document, task.document.get("reused")
            edges += [(task.id, INFORMED_BY, self.batch.id), (task.id, PART_OF_RUN, self.batch.id)]
            edges += [(task.id, HAD_PLAN, document["pipeline"]), (task.id, ASSOCIATED_WITH, principal)]
            edges += [(task.id, INFORMED_BY, reused)] if reused else _used(task)
            edges += [] if reused else [(file["id"], GENERATED_BY, task.id) for file in document["outputs"]]
        return edges


def _used(task: Record) -> list[Edge]:
    return [(task.id, USED, item["id"]) for item in task.document["inputs"]]


def _files(task: Record, *, whole: bool) -> list[ProvNode]:
    """Return the files that a task was given and made; those of a whole record are told of by the record itself."""
    if whole:
        return []
    made = {file["id"]: str(file.get("path") or "").rpartition("/")[2] for file in task.document["outputs"]}
    # An input has no label: its path is that of the sandbox, and may be another one in another task.
    return [
        ProvNode(
            id=file["id"],
            type="File",
            label=made.get(file["id"], ""),
            document={name: file.get(name) for name in ("sha256", "size")},
        )
        for file in [*task.document["inputs"], *task.document["outputs"]]
    ]


def page_of(
    catalogue: Catalogue, principal: Principal, batch: Record, *, cursor: str | None, limit: int | None
) -> BatchPage:
    """Return one page of a batch; what the principal may not read is left out.

    Raises:
        InvalidRequestError: The cursor or limit is not one of ours.
    """
    page = catalogue.repository.list_records("Task", part_of=batch.id, cursor=cursor, limit=limit or PAGE)
    wanted = [*(edge.target for edge in roots_of(batch)), batch.document["principal"]]
    shared = catalogue.repository.get_many(wanted)
    return BatchPage(
        batch=batch,
        shared={iri: record for iri, record in shared.items() if principal.may(Permission.READ, record)},
        tasks=[task for task in page.items if principal.may(Permission.READ, task)],
        next=page.next,
    )


def document_of(catalogue: Catalogue, principal: Principal, page: BatchPage) -> ProvDocument:
    """Return a page of a batch as PROV."""
    document = document_for(page.nodes(), page.edges())
    document.declare("wfprov", PREFIXES["wfprov"])
    told = page.batch.document
    document.activity(
        page.batch.id,
        _attributes(catalogue, principal, page),
        start=normal_time(told["creation_time"]),
        end=normal_time(told["end_time"]) if told.get("end_time") else None,
    )
    return document


def _attributes(catalogue: Catalogue, principal: Principal, page: BatchPage) -> list[tuple[str, Value]]:
    """Return what is said of the batch itself: how it stands, its sums, and which of its items the page has."""
    told, status = page.batch.document, batches.status(catalogue, page.batch)
    pairs: list[tuple[str, Any]] = [
        (v.TYPE, Identifier(SILLAGE + "TaskBatch")),
        (v.TYPE, Identifier(WORKFLOW_RUN)),
        (v.LABEL, Literal(told["label"])),
        (SILLAGE + "state", status["state"]),
        (SILLAGE + "runner", told["runner"]),
        (SILLAGE + "participants", told["size"]),
        (SILLAGE + "items_planned", told["planned"]),
        (SILLAGE + "items_refused", told["refused_count"]),
        (SILLAGE + "items_reused", told["reused_count"]),
    ]
    whole = {"counts": status["counts"], "parameters": told["parameters"], "certificate": told.get("certificate")}
    whole |= {"resources": told.get("resources"), **sums(catalogue, principal, page.batch)}
    pairs += [(SILLAGE + name, _json(value)) for name, value in whole.items() if value]
    numbers = [task.document["item"] for task in page.tasks]
    if numbers:
        pairs += [(SILLAGE + "first_item_told", min(numbers)), (SILLAGE + "last_item_told", max(numbers))]
    pairs.append((SILLAGE + "all_items_told", page.next is None and len(numbers) == told["planned"]))
    return pairs


def _json(value: object) -> Literal:
    return Literal(canonical_json(value).decode(), JSON_TYPE)
