"""The runs among the nodes of a lineage, as the exports that are not PROV need them: a run with all that it touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ontology.namespaces import ASSOCIATED_WITH, DERIVED_FROM, GENERATED_BY
from provenance.record import Edge, ProvNode


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTold:
    """A file as an export tells of it.

    Attributes:
        id: IRI.
        path: Path in its dataset, or where it was mounted.
        dataset: IRI of its dataset, or None.
    """

    id: str
    path: str
    sha256: str | None = None
    size: int | None = None
    media_type: str | None = None
    dataset: str | None = None


class Runs:
    """What is known of the runs in a lineage; nodes that may not be told are simply not there."""

    def __init__(self, nodes: Sequence[ProvNode], edges: Sequence[Edge]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self._edges = edges
        self._makers = {source: target for source, predicate, target in edges if predicate == GENERATED_BY}
        self._described: dict[str, FileTold] = {}
        for node in nodes:
            if node.type == "File":
                self._add(node.id, node.document, node.document.get("dataset"))
            for file in node.document.get("files") or ():
                self._add(file["id"], file, node.document.get("dataset"))

    def _add(self, id: str, document: Mapping[str, Any], dataset: str | None) -> None:
        if document.get("path"):
            self._described[id] = FileTold(
                id=id,
                path=str(document["path"]),
                sha256=document.get("sha256"),
                size=document.get("size"),
                media_type=document.get("media_type"),
                dataset=dataset,
            )

    @property
    def tasks(self) -> list[ProvNode]:
        """The tasks whose documents may be told, the earliest first."""
        found = [node for node in self.nodes.values() if node.type == "Task" and node.document]
        return sorted(found, key=lambda task: (str(task.document.get("start_time") or ""), task.id))

    def inputs(self, task: ProvNode) -> list[FileTold]:
        """Return the files that a task was given."""
        return list(self._files(task.document.get("inputs") or ()))

    def outputs(self, task: ProvNode) -> list[FileTold]:
        """Return the files that a task made."""
        return list(self._files(task.document.get("outputs") or ()))

    def _files(self, said: Sequence[Mapping[str, Any]]) -> Iterator[FileTold]:
        for item in {item["id"]: item for item in said}.values():
            known = self._described.get(item["id"])
            yield known or FileTold(
                id=item["id"], path=str(item["path"]), sha256=item.get("sha256"), size=item.get("size")
            )

    def plan(self, task: ProvNode) -> ProvNode | None:
        """Return the pipeline version that a task followed."""
        return self.nodes.get(str(task.document.get("pipeline")))

    def software(self, plan: ProvNode) -> list[ProvNode]:
        """Return the software that a pipeline version is made of."""
        targets = [
            target for source, predicate, target in self._edges if source == plan.id and predicate == DERIVED_FROM
        ]
        return [
            self.nodes[target] for target in targets if target in self.nodes and self.nodes[target].type == "Software"
        ]

    def agents(self, task: ProvNode) -> list[ProvNode]:
        """Return who answers for a task."""
        targets = [
            target for source, predicate, target in self._edges if source == task.id and predicate == ASSOCIATED_WITH
        ]
        return [self.nodes[target] for target in dict.fromkeys(targets) if target in self.nodes]
