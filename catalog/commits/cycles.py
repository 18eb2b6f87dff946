"""Refusing edges by which a thing would rest on itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

Causes = Callable[[Iterable[int]], Mapping[int, Sequence[int]]]
"""Gives what each of some nodes directly rests on."""


def find_cycle(sources: Iterable[int], causes: Causes) -> list[int] | None:
    """Return a cycle that can be reached from ``sources``, as keys from a node back to itself; None if there is none.

    Args:
        sources: Nodes at which an added edge starts *and* which something may rest on: any new cycle goes through
            one of them. Where new records only point at older ones, as in the registration of a dataset, there
            are none, and nothing is walked.
        causes: What nodes rest on once the edges are there.
    """
    done: set[int] = set()
    for start in sources:
        cycle = _walk(start, causes, done)
        if cycle is not None:
            return cycle
    return None


def _walk(start: int, causes: Causes, done: set[int]) -> list[int] | None:
    """Search depth first from ``start``, never entering ``done``, to which all finished nodes are added."""
    if start in done:
        return None
    path: list[int] = [start]
    on_path = {start}
    branches = [iter(causes((start,)).get(start, ()))]
    while branches:
        target = next(branches[-1], None)
        if target is None:
            branches.pop()
            finished = path.pop()
            on_path.discard(finished)
            done.add(finished)
        elif target in on_path:
            return [*path[path.index(target) :], target]
        elif target not in done:
            path.append(target)
            on_path.add(target)
            branches.append(iter(causes((target,)).get(target, ())))
    return None
