"""Finding runners by name: those that ship, and those that other distributions bring by entry point.

An outside runner is a subclass of :class:`executors.runner.Runner` under the entry point group
``sillage.runners``; its factory is called as ``factory(work_root, **options)``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from executors.runner import Runner
from ontology.errors import InvalidRequestError, NotFoundError

GROUP = "sillage.runners"


def _local(work_root: Path, **options: Any) -> Runner:
    from executors.local.runner import LocalRunner

    return LocalRunner(work_root, **options)


def _noop(work_root: Path, **options: Any) -> Runner:
    from executors.noop import NoopRunner

    return NoopRunner(**options)


def _slurm(work_root: Path, **options: Any) -> Runner:
    from executors.slurm.runner import SlurmRunner

    return SlurmRunner(work_root, **options)


_BUILT_IN: dict[str, Callable[..., Runner]] = {"local": _local, "noop": _noop, "slurm": _slurm}


def runner_names() -> list[str]:
    """Return the names of all runners that can be had here, sorted."""
    return sorted({*_BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def open_runner(name: str, work_root: Path, **options: Any) -> Runner:
    """Make a runner.

    Args:
        name: ``local``, ``noop``, ``slurm``, or the name of an entry point in the group ``sillage.runners``.
        work_root: Folder that the runner may fill; one per catalogue and runner.
        options: For the runner's own factory.

    Raises:
        NotFoundError: No runner has this name; ``params['names']`` lists those that there are.
        InvalidRequestError: The plugin cannot be loaded or makes something that is no runner.
    """
    factory = _BUILT_IN.get(name) or _outside(name)
    made = factory(work_root, **options)
    if not isinstance(made, Runner):
        raise InvalidRequestError(f"The plugin {name!r} does not make a runner.", field="runner")
    return made


def _outside(name: str) -> Callable[..., Runner]:
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        names = runner_names()
        raise NotFoundError(
            f"There is no runner {name!r}.",
            field="runner",
            next_step=f"Choose one of: {', '.join(names)}.",
            params={"names": names},
        )
    try:
        loaded: Callable[..., Runner] = found[0].load()
    except Exception as error:
        raise InvalidRequestError(f"The runner plugin {name!r} cannot be loaded: {error}", field="runner") from error
    return loaded
