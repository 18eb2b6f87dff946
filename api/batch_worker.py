"""The worker of a service that carries batches forward: plans them, feeds runners, cancels, tries again, closes.

One thread, and over all processes that have a catalogue open one worker: a lock on a file says which, and the kernel
gives it on when its holder dies. All that must outlive a process is in the ledger, so the next one goes on from there.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from api.access import Principal
from api.catalogue import Catalogue
from api.leftovers import clear_leftovers
from api.operations.batch_work import cancel_some, plan_some, retry_some
from api.operations.batches import Phase, change_batch, counts, end_batch
from api.operations.task_specs import PENDING, state_node, task_put
from api.rule_watch import RuleWatch
from api.task_service import TaskService
from catalog.model import Commit, Durability, MustBeAt, Record
from executors.states import EventKind, TaskState
from ontology.errors import (
    BackendUnavailableError,
    NotFoundError,
    RequirementFailedError,
    SillageError,
    StorageFullError,
    UnauthenticatedError,
)

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the ledger is looked at for what other processes wrote, and runners that took nothing are asked again."""
SMALLEST_WINDOW, LARGEST_WINDOW = 32, 512
FED_WHILE_PLANNING = 64
"""Tasks handed over between two pieces of planning: what a batch cannot run, and how long it takes, is known soon."""
LONGEST_PAUSE_S = 30.0
LOCK_FILE = "batches.lock"


def is_served(directory: Path) -> bool:
    """Tell whether a process has a catalogue open and carries its tasks and batches."""
    try:
        descriptor = os.open(directory / "work" / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@dataclass(slots=True)
class Course:
    """What the worker remembers of a batch; all of it can be found out again.

    Attributes:
        flying: Tasks that were handed over and have not ended.
        cursor: Up to where waiting tasks were handed over.
        stopped: Running tasks that were told to stop.
        members: Participants of its cohort.
        pause_until: Nothing is done before (monotonic).
        pause_s: How long the last pause was.
    """

    flying: set[str] = field(default_factory=set)
    cursor: str | None = None
    stopped: set[str] = field(default_factory=set)
    members: Sequence[str] | None = None
    pause_until: float = 0.0
    pause_s: float = 0.0


class BatchWorker:
    """Carries the batches of one catalogue forward until it is stopped."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._service = TaskService(catalogue)
        self._rules = RuleWatch(catalogue)
        self._courses: dict[str, Course] = {}
        self._ended: set[str] = set()
        self._guard = threading.Lock()
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._lock: int | None = None
        self._waited = False
        self._owed, self._ask_at, self._ask_pause_s = False, -2 * LONGEST_PAUSE_S, LOOK_S
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)

    def start(self) -> None:
        """Begin; the worker is stopped before the catalogue is closed."""
        self._catalogue.task_news.follow(self._heard)
        self._catalogue.before_close.append(self.stop)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the piece of work at hand; what is not done goes on at the next start."""
        self._stopping.set()
        self._news.set()
        self._thread.join()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _heard(self, iri: str, ended: bool) -> None:
        if ended and self._lock is not None:
            with self._guard:
                self._ended.add(iri)
        self._news.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            busy = False
            try:
                busy = self._is_mine() and self._turn()
                self._ask_again()
            except SillageError as error:
                logger.warning("batches wait: %s", error.detail)
            except Exception:
                logger.exception("a piece of work on a batch failed")
            if not busy:
                self._news.wait(LOOK_S)
                self._news.clear()

    def _is_mine(self) -> bool:
        """Tell whether this process carries batches; take up what the last holder of the lock left."""
        if self._lock is not None:
            return True
        folder = self._catalogue.directory / "work"
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            self._waited = True
            return False
        self._lock = descriptor
        for batch in self._open_batches():
            self._course(batch).flying = self._unended(batch.document["window"])
        if self._waited:
            # Another process held it: what runs of its tasks is watched by nobody now.
            self._service.resume()
        clear_leftovers(self._catalogue)
        return True

    def _ask_again(self) -> None:
        """Ask runners for ends that could not be recorded, each time later: a full disk may have room again."""
        now, unrecorded = time.monotonic(), self._catalogue.task_news.unrecorded
        if unrecorded.is_set():
            unrecorded.clear()
            recently = now < self._ask_at + 2 * LONGEST_PAUSE_S
            self._ask_pause_s = min(LONGEST_PAUSE_S, 2 * self._ask_pause_s) if recently else LOOK_S
            self._ask_at, self._owed = now + self._ask_pause_s, True
        if self._owed and self._lock is not None and now >= self._ask_at:
            self._owed = False
            self._service.resume()

    def _open_batches(self) -> list[Record]:
        edges = self._catalogue.repository.edges_to([self._catalogue.iri], [PENDING])
        found = self._catalogue.repository.get_many([edge.source for edge in edges])
        return [record for record in found.values() if record.type == "TaskBatch"]

    def _course(self, batch: Record) -> Course:
        return self._courses.setdefault(batch.id, Course())

    def _turn(self) -> bool:
        """Do one piece of work on each batch; tell whether there may be more at once."""
        with self._guard:
            ended, self._ended = self._ended, set()
        for course in self._courses.values():
            course.flying -= ended
        busy = self._rules.turn()
        for batch in self._open_batches():
            course = self._course(batch)
            if self._stopping.is_set() or time.monotonic() < course.pause_until:
                continue
            try:
                busy |= self._step(batch, course)
            except RequirementFailedError:
                busy = True  # Somebody else changed it: look again.
            except (BackendUnavailableError, StorageFullError) as error:
                self._pause(batch, course, error)
        return busy

    def _pause(self, batch: Record, course: Course, error: SillageError) -> None:
        """Let a batch wait while something that it needs is away, each time longer; say so on the batch."""
        course.pause_s = min(LONGEST_PAUSE_S, 2 * course.pause_s or LOOK_S)
        course.pause_until = time.monotonic() + course.pause_s
        self._catalogue.paces.pause_planning(batch.id)
        if batch.document["held_back"] != error.detail:
            self._note(batch, {"held_back": error.detail}, "task.hold-batch")

    def _note(self, batch: Record, members: Mapping[str, object], action: str) -> None:
        change_batch(self._catalogue, batch.id, lambda _: members, action=action, durability=Durability.PROCESS)

    def _unended(self, tasks: Iterable[str]) -> set[str]:
        known = self._catalogue.repository.get_many(set(tasks))
        return {iri for iri, task in known.items() if not TaskState(task.document["state"]).is_final}

    def _step(self, batch: Record, course: Course) -> bool:
        document = batch.document
        if document["canceling"]:
            return self._cancel(batch, course) or self._close(batch.id, course)
        course.stopped.clear()
        busy = False
        if document["retry_before"] is not None:
            busy = self._retry(batch, course)
        elif document["phase"] == Phase.PLANNING:
            busy = self._plan(batch, course)
        return self._feed(batch.id, course) or busy or self._close(batch.id, course)

    def _retry(self, batch: Record, course: Course) -> bool:
        again = retry_some(self._catalogue, batch)
        course.flying -= again
        course.cursor = None
        if not again:
            self._note(batch, {"retry_before": None}, "task.requeue-batch")
        return True

    def _plan(self, batch: Record, course: Course) -> bool:
        if course.members is None:
            cohort = self._catalogue.repository.get(batch.document["cohort"])
            course.members = [member["participant"] for member in cohort.document["members"]]
        principal = self._principal(batch)
        if principal is not None:
            position = int(batch.document["position"])
            self._catalogue.paces.begin_planning(batch.id)
            plan_some(self._catalogue, principal, batch, course.members)
            looked_at = self._catalogue.repository.get(batch.id).document["position"] - position
            self._catalogue.paces.note_planning(batch.id, looked_at)
        return True

    def _principal(self, batch: Record) -> Principal | None:
        """Return who submitted a batch, with what it may do now; without one the batch is cancelled."""
        try:
            return self._catalogue.identity.principal_of(batch.document["principal"])
        except UnauthenticatedError as error:
            self._note(batch, {"canceling": True, "held_back": error.detail}, "task.cancel-batch")
            return None

    def _feed(self, iri: str, course: Course) -> bool:
        """Hand waiting tasks over while the window has room for a good part of it; tell whether any were."""
        batch = self._catalogue.repository.get(iri)
        if batch.document["canceling"]:
            return True
        window = self._window(batch)
        room = window - len(course.flying)
        if room < max(1, window // 4):
            return False
        if batch.document["phase"] == Phase.PLANNING:
            room = min(room, FED_WHILE_PLANNING)
        picked = self._waiting(batch, course, room)
        if not picked:
            return False
        flying = {*course.flying, *(task.id for task in picked)}
        # Written down before the runner hears of them: after a crash it is asked about these, and no others.
        self._note(batch, {"window": sorted(flying), "held_back": None}, "task.feed-batch")
        course.flying = flying
        taken = True
        for number, task in enumerate(picked):
            try:
                taken &= self._service.hand_over(task)
            except Exception:
                # Whatever it was: these were not handed over, and nobody else will do it.
                course.flying -= {each.id for each in picked[number:]}
                course.cursor = None
                raise
        if not taken:
            self._service.resume()
        course.pause_s = 0.0
        return True

    def _window(self, batch: Record) -> int:
        cores = self._catalogue.runner(batch.document["runner"]).capabilities.cpu_cores
        return max(SMALLEST_WINDOW, min(LARGEST_WINDOW, 4 * cores))

    def _waiting(self, batch: Record, course: Course, room: int) -> list[Record]:
        """Return the next tasks that wait, in the order of the cohort; after the last, those that came back."""
        node = state_node(batch.id, TaskState.QUEUED)
        for start in dict.fromkeys((course.cursor, None)):
            cursor = start
            while True:
                page = self._catalogue.repository.list_records("Task", part_of=node, cursor=cursor, limit=room)
                found = [task for task in page.items if task.id not in course.flying]
                if found:
                    course.cursor = page.next
                    return found
                if page.next is None:
                    break
                cursor = page.next
        return []

    def _cancel(self, batch: Record, course: Course) -> bool:
        if cancel_some(self._catalogue, batch, course.flying):
            return True
        busy = False
        for task in self._catalogue.repository.get_many(course.flying - course.stopped).values():
            busy |= self._stop_one(task)
            # Not before: one that moved meanwhile is looked at again.
            course.stopped.add(task.id)
        return busy

    def _stop_one(self, task: Record) -> bool:
        state = TaskState(task.document["state"])
        if state.is_final:
            return False
        if state is not TaskState.CANCELING:
            self._catalogue.repository.commit(
                Commit(
                    principal=task.document["principal"],
                    action=f"task.{EventKind.CANCEL}",
                    changes=[task_put(self._catalogue, task.id, {**task.document, "state": TaskState.CANCELING.value})],
                    requirements=[MustBeAt(task.id, task.version)],
                )
            )
        try:
            self._catalogue.runner(task.document["runner"]).cancel(task.id)
        except NotFoundError:
            self._service.resume()
        return True

    def _close(self, iri: str, course: Course) -> bool:
        """End a batch when nothing of it is left to do; look for ends that another process recorded."""
        before, course.flying = len(course.flying), self._unended(course.flying)
        batch = self._catalogue.repository.get(iri)
        document = batch.document
        planned = document["phase"] != Phase.PLANNING or document["canceling"]
        if not planned or document["retry_before"] is not None or course.flying:
            return len(course.flying) < before
        if any(not state.is_final for state in counts(self._catalogue, iri)):
            return False
        end_batch(self._catalogue, batch)
        self._courses.pop(iri, None)
        self._catalogue.paces.forget(iri)
        return True
