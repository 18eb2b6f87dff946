"""What the service and a node tell each other through the shared folder; whoever dies, it is still there.

In a task's folder, beside what :mod:`executors.attempts.folder` lists:

``batch``      which job is to carry it through: name of the batch and number in it, before it is submitted
``job``        the job's number on the cluster, once it is known
``agent``      which job has taken it up: its number, and its place; whoever makes this file is the only one that
               ever does
``draft.json`` the record as far as the node knew it when the command began
``event-1``    what came, in order, as the node tells it
``usage.json`` what the task used when the node last looked
``interrupted``  present when the cluster asked the node to end the task
``taken``      how many events the service has taken, and ``end`` when the last one was among them

A batch has a folder of its own, ``batches/NAME``, with ``tasks.json`` and what its jobs print.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from executors.attempts.folder import TaskFolder, folder_name
from executors.model import TaskEvent, Usage
from executors.serial import dump_event, load_event
from executors.slurm.jobs import PREFIX, Place

NOBODY = "nobody"
_LINE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What every job of a batch must know.

    Attributes:
        tasks: Root of the tasks' folders.
        sandbox: As the runner's own setting.
        container_engine: As the runner's own setting.
        container_pull: As the runner's own setting.
        observe: As the runner's own setting.
        grace_s: Seconds between asking a task to end and killing it.
        items: Name of the folder and attempt of each task, by number.
    """

    tasks: str
    sandbox: str
    container_engine: str = "auto"
    container_pull: bool = False
    observe: str = "auto"
    grace_s: float
    items: Sequence[tuple[str, int]]

    def write(self, folder: Path) -> None:
        """Leave the orders in a batch's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / ".tasks.json"
        partial.write_text(json.dumps(asdict(self)))
        partial.rename(folder / "tasks.json")

    @classmethod
    def read(cls, folder: Path) -> Orders:
        """Return the orders of a batch.

        Raises:
            OSError: They are not there.
            ValueError: They cannot be read.
        """
        data = json.loads((folder / "tasks.json").read_text())
        return cls(**{**data, "items": [(name, attempt) for name, attempt in data["items"]]})

    def folder(self, index: int) -> TaskFolder:
        """Return the folder of one of its tasks."""
        name, attempt = self.items[index]
        return TaskFolder(Path(self.tasks), name, attempt)


@dataclass(frozen=True, slots=True)
class Carrier:
    """The job that took a task up."""

    job: str
    place: Place


class Post:
    """One task's folder as a letter box."""

    def __init__(self, folder: TaskFolder) -> None:
        self.folder = folder

    @property
    def place(self) -> Place | None:
        """Which job carries the task through, or is to; None before it is about to be submitted."""
        agent = self.agent
        if agent is not None:
            return agent.place
        text = self.folder.read("batch")
        return _place(text.split()) if text else None

    @place.setter
    def place(self, place: Place) -> None:
        self.folder.write("batch", f"{place.batch} {place.index}")

    @property
    def job(self) -> str | None:
        """The job's number: of the one that took the task up, else of the one that was submitted."""
        agent = self.agent
        return agent.job if agent is not None else self.folder.read("job")

    @property
    def agent(self) -> Carrier | None:
        """Which job has taken the task up; None when none has, or when we have seen to it that none can."""
        text = self.folder.read("agent")
        if not text or text == NOBODY:
            return None
        job, *place = text.split()
        return Carrier(job, _place(place))

    @property
    def is_barred(self) -> bool:
        """Whether we have seen to it that no job can take the task up."""
        return self.folder.read("agent") == NOBODY

    def claim(self, carrier: Carrier | None = None) -> bool:
        """Be the one that takes the task up, or see to it that nobody can; False when somebody has before.

        The name is there in the moment in which the file is: it is written aside, and linked (link(2)). Over a
        network, a link that was made may be reported as one that was there; the number of links tells.
        """
        who = NOBODY if carrier is None else f"{carrier.job} {carrier.place.batch} {carrier.place.index}"
        partial = self.folder.path / f".agent-{uuid4().hex}"
        partial.write_text(who)
        try:
            os.link(partial, self.folder.path / "agent")
        except FileExistsError:
            return partial.stat().st_nlink == 2
        finally:
            partial.unlink(missing_ok=True)
        return True

    def tell(self, number: int, event: TaskEvent) -> None:
        """Leave an event for the service, so that it is seen whole or not at all, and outlives the node."""
        partial = self.folder.path / f".event-{number}"
        with open(partial, "w", encoding="utf-8") as stream:
            stream.write(dump_event(event))
            stream.flush()
            os.fsync(stream.fileno())
        partial.rename(self.folder.path / f"event-{number}")

    def event(self, number: int) -> TaskEvent | None:
        """Return an event that a node left; None when it is not there (yet)."""
        text = self.folder.read(f"event-{number}")
        try:
            return None if text is None else load_event(text)
        except ValueError:
            return None

    def count(self) -> int:
        """Return how many events were left."""
        return sum(1 for name in os.listdir(self.folder.path) if name.startswith("event-"))

    @property
    def taken(self) -> int:
        """How many events the service has taken."""
        text = self.folder.read("taken")
        return int(text.split()[0]) if text else 0

    @property
    def is_over(self) -> bool:
        """Whether the final event was taken."""
        return (self.folder.read("taken") or "").endswith("end")

    def note_usage(self, usage: Usage) -> None:
        """Leave what the task used when the node last looked."""
        self.folder.write("usage.json", json.dumps(asdict(usage)))

    def usage(self) -> Usage | None:
        """Return what the node left last; None where it has not looked yet."""
        text = self.folder.read("usage.json")
        return None if text is None else Usage(**json.loads(text))

    def take(self, number: int, *, final: bool) -> None:
        """Note that an event was taken."""
        self.folder.write("taken", f"{number} end" if final else str(number))


def _place(words: Sequence[str]) -> Place:
    name, index = words
    return Place(name, int(index))


def batch_folder(root: Path, name: str) -> Path:
    """Return the folder of a batch."""
    return root / "batches" / name


def last_line(folder: Path, index: int) -> str:
    """Return the last that a job of a batch printed; nothing where that cannot be seen from here."""
    try:
        lines = (folder / f"{index}.log").read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:_LINE] for line in reversed(lines) if line.strip()), "").rstrip(".")


def ended_batches(root: Path) -> Iterator[Path]:
    """Yield the folders of batches of which no task can still need them."""
    for folder in (root / "batches").glob(f"{PREFIX}*"):
        try:
            orders = Orders.read(folder)
        except (OSError, ValueError):
            continue
        folders = [orders.folder(index) for index in range(len(orders.items))]
        if not any(task.exists and not Post(task).is_over for task in folders):
            yield folder


def item(folder: TaskFolder) -> tuple[str, int]:
    """Return by what orders name a task."""
    return folder_name(folder.task_id), folder.attempt
