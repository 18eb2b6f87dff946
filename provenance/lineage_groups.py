"""Folding lineage before it is drawn: nodes that stand alike become one ("37 files")."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from provenance.lineage_graph import Edge

_ROUNDS = 64
_PLURALS = {"Entity": "Entities", "TaskBatch": "Task batches", "PipelineVersion": "Pipeline versions"}


class Drawable(Protocol):
    """Anything with an IRI, a type and a label."""

    @property
    def id(self) -> str:
        """IRI."""

    @property
    def type(self) -> str:
        """Record type."""

    @property
    def label(self) -> str:
        """What a person reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A node as it is drawn: one record, or several that stand alike.

    Attributes:
        id: IRI of the record, or of the first of several.
        type: Record type.
        label: The record's label, or how many there are.
        members: IRIs of all records that it stands for.
        focus: Whether it is what the picture is about.
    """

    id: str
    type: str
    label: str
    members: tuple[str, ...]
    focus: bool = False

    @property
    def count(self) -> int:
        """How many records it stands for."""
        return len(self.members)


def fold(
    nodes: Sequence[Drawable], edges: Sequence[Edge], *, largest: int, focus: Collection[str] = ()
) -> tuple[list[Drawn], list[Edge]]:
    """Return nodes and edges with every group of more than ``largest`` nodes that stand alike as one node.

    Two nodes stand alike when they have the same type and level, and their edges lead to and come from nodes
    that stand alike: forty participants with one image and one map each are drawn as three boxes, not 120. A
    node in ``focus`` stands like no other.
    """
    known = {node.id: node for node in nodes}
    kept = [edge for edge in edges if edge[0] in known and edge[2] in known and edge[0] != edge[2]]
    classes = _alike(known, kept, focus)
    members: dict[int, list[str]] = {}
    for id in known:
        members.setdefault(classes[id], []).append(id)
    stands_for: dict[str, str] = {}
    drawn: list[Drawn] = []
    for group in members.values():
        if len(group) > largest:
            kind = known[group[0]].type
            stands_for.update(dict.fromkeys(group, group[0]))
            drawn.append(Drawn(id=group[0], type=kind, label=_counted(len(group), kind), members=tuple(group)))
        else:
            for id in group:
                node = known[id]
                stands_for[id] = id
                drawn.append(
                    Drawn(id=id, type=node.type, label=node.label or node.type, members=(id,), focus=id in focus)
                )
    folded = dict.fromkeys((stands_for[source], predicate, stands_for[target]) for source, predicate, target in kept)
    return drawn, list(folded)


def _counted(count: int, kind: str) -> str:
    return f"{count} {_PLURALS.get(kind, kind + 's').lower()}"


def _alike(known: Mapping[str, Drawable], edges: Sequence[Edge], focus: Collection[str]) -> dict[str, int]:
    """Return a class for each node, by refining types until no class can be told apart any further."""
    level = levels(list(known), edges)
    around: dict[str, list[tuple[bool, str, str]]] = {id: [] for id in known}
    for source, predicate, target in edges:
        around[source].append((True, predicate, target))
        around[target].append((False, predicate, source))
    classes = _numbered({id: (node.type, level[id], id if id in focus else "") for id, node in known.items()})
    for _ in range(_ROUNDS):
        finer = _numbered(
            {
                id: (classes[id], frozenset((out, predicate, classes[other]) for out, predicate, other in around[id]))
                for id in known
            }
        )
        if max(finer.values(), default=0) == max(classes.values(), default=0):
            return classes
        classes = finer
    return {id: number for number, id in enumerate(known)}


def _numbered(signatures: Mapping[str, object]) -> dict[str, int]:
    numbers: dict[object, int] = {}
    return {id: numbers.setdefault(signature, len(numbers)) for id, signature in signatures.items()}


def levels(ids: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return each node's level: 0 for what rests on nothing, else one more than the highest that it rests on.

    Edges that close a cycle are passed over, so that damaged data can still be drawn.
    """
    towards: dict[str, list[str]] = {id: [] for id in ids}
    for source, _, target in edges:
        towards[source].append(target)
    level: dict[str, int] = {}
    open_: set[str] = set()
    for start in ids:
        stack = [start]
        while stack:
            node = stack[-1]
            if node in level:
                stack.pop()
                continue
            open_.add(node)
            waiting = [other for other in towards[node] if other not in level and other not in open_]
            if waiting:
                stack.append(waiting[0])
                continue
            level[node] = 1 + max((level[other] for other in towards[node] if other in level), default=-1)
            open_.discard(node)
            stack.pop()
    return level
