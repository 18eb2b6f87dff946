"""Completing what a service that was killed did not: between a task's last entry and the release of its folder."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from api.catalogue import Catalogue
from api.task_service import keep_logs
from catalog.model import Record
from executors.states import TaskState
from ontology.errors import NotFoundError, SillageError

logger = logging.getLogger(__name__)

_TASK = "urn:uuid:"


def clear_leftovers(catalogue: Catalogue) -> None:
    """Keep the logs of ended tasks that a runner still has something of, and have it delete that.

    One process does this at a time: the one that carries the batches.
    """
    for name in _runners_with_folders(catalogue):
        try:
            runner = catalogue.runner(name)
            for task_id in runner.leftovers():
                task = _ended(catalogue, f"{_TASK}{task_id.removeprefix(_TASK)}")
                if task is not None:
                    with suppress(NotFoundError):
                        keep_logs(catalogue, runner, task.id)
                    runner.clear(task.id, attempt=task.document["attempt"])
        except (SillageError, OSError) as error:
            logger.warning("what ended tasks left with the runner %s stays (%s)", name, type(error).__name__)


def _runners_with_folders(catalogue: Catalogue) -> list[str]:
    """Return the runners in whose place something lies: one that never ran a task is not opened for this."""
    work = catalogue.directory / "work"
    places: dict[str, Path] = {path.name: path for path in work.iterdir()} if work.is_dir() else {}
    slurm = catalogue.settings.runner_folder("slurm")
    places |= {"slurm": slurm} if slurm is not None else {}
    return sorted(name for name, place in places.items() if any(place.glob("tasks/*")) or any(place.glob("gone/*")))


def _ended(catalogue: Catalogue, iri: str) -> Record | None:
    try:
        task = catalogue.repository.get(iri)
    except NotFoundError:
        return None
    return task if task.type == "Task" and TaskState(task.document["state"]).is_final else None
