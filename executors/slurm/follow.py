"""Following one attempt from the service: each event that its node leaves is handed on, exactly one of them final.

A node that dies says nothing. Then the cluster is asked what became of the job, and the end is told from here.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from executors.attempts.folder import TaskFolder
from executors.attempts.outcome import STATES
from executors.capture import Outcome
from executors.model import TaskEvent, TaskSpec
from executors.runner import EventSink
from executors.slurm.jobs import Job, Place
from executors.slurm.post import Post
from executors.slurm.records import record_from_here
from executors.slurm.states import HOPELESS, LOST, JobState, Meaning, meaning_of
from executors.states import EventKind, TaskState
from ontology.errors import ConflictError

log = logging.getLogger(__name__)

CANCELED = Meaning(EventKind.STOP, "canceled", "The task was canceled before it began.")
_STATES = {**STATES, EventKind.PREEMPT: TaskState.PREEMPTED}
_DOUBTFUL = ("lost", "signal")


class Following:
    """One attempt as the service sees it. Not safe for several threads: the dispatcher calls for one at a time."""

    def __init__(self, spec: TaskSpec, folder: TaskFolder, sink: EventSink, lock: int) -> None:
        self.spec = spec
        self.post = Post(folder)
        self.finished = threading.Event()
        """Set once the runner has forgotten this attempt."""
        self.concluding = False
        """Whether the final event is being delivered; the one who takes it may release the task then."""
        self.discard = False
        """Whether the folder is to be deleted once the final event was taken."""
        self.letting_go = False
        """Whether nothing more may be emitted."""
        self.busy = False
        """Whether a thread of the dispatcher's is about it."""
        self.unsure = False
        """Whether it may have been submitted, or not: only the cluster knows."""
        self.absent_since: float | None = None
        """Since when the cluster has no living job for it."""
        self.cancel_at: float | None = None
        """When somebody asked for its end."""
        self.submissions = 0
        """How often it was submitted from here."""
        self._sink = sink
        self._lock = lock
        self._taken = self.post.taken
        self._question: TaskEvent | None = None
        self._meaning: Meaning | None = None
        self._warned = False

    @property
    def place(self) -> Place | None:
        """Which job is to carry it through."""
        return self.post.place

    @property
    def has_question(self) -> bool:
        """Whether its end can be told only once the cluster says what became of the job."""
        return self._question is not None and self._meaning is None

    def has_news(self) -> bool:
        """Tell whether there is something to be handed on."""
        if self._meaning is not None:
            return True
        return self._question is None and (self.post.folder.path / f"event-{self._taken + 1}").exists()

    def settle(self, meaning: Meaning) -> None:
        """Have the task end so, unless its node has said how it ended, and nothing that happened speaks against it."""
        self._meaning = meaning

    def answer(self, state: JobState | None, printed: str = "") -> None:
        """Take what the cluster says of the ended job, and the last that it printed."""
        self._meaning = meaning_of(state)
        if self._meaning is LOST and self.post.agent is None:
            detail = f"The job ended before it took the task up: {printed or 'it printed nothing'}."
            self._meaning = Meaning(EventKind.ABORT, "not-started", detail)

    def advance(self) -> bool:
        """Hand on what there is; True when the task is over here, its final event taken or not."""
        while not self.letting_go:
            event = self.post.event(self._taken + 1)
            if event is not None and event.state is not None and event.state.is_final:
                return self._end_as_told(event)
            if event is None:
                return self._meaning is not None and self._end_from_here(self._meaning)
            self._deliver(event)
            self._taken += 1
            self.post.take(self._taken, final=False)
        return False

    def remark(self, job: Job) -> None:
        """Say once that the job waits for something that does not come by itself."""
        if not self._warned and job.state is JobState.WAITING and job.why.startswith(HOPELESS):
            self._warned = True
            detail = f"The cluster does not start the job: {job.why}."
            self._deliver(TaskEvent(kind=EventKind.WARN, attempt=self.spec.attempt, reason="held", detail=detail))

    def release_lock(self) -> None:
        """Let another process follow this attempt; harmless to repeat."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            self.post.folder.unlock(lock)

    def _end_as_told(self, event: TaskEvent) -> bool:
        """Hand on how the node says that the task ended, unless the cluster is to be asked why first."""
        if event.kind in (EventKind.FAIL, EventKind.ABORT) and self._is_doubtful(event):
            if self._meaning is None:
                self._question = event
                return False
            if self._meaning.reason != "lost":
                event = _amended(event, self._meaning)
        return self._end(event)

    def _is_doubtful(self, event: TaskEvent) -> bool:
        return event.reason in _DOUBTFUL or (self.post.folder.path / "interrupted").exists()

    def _end_from_here(self, meaning: Meaning) -> bool:
        """Tell the end of a task whose node did not, once it is certain that none can begin it any more."""
        if self.post.agent is None and not self.post.is_barred and not self.post.claim():
            self._meaning, self.absent_since = None, None
            return False
        if self.post.folder.asked_to_cancel() and meaning.kind is not EventKind.STOP:
            meaning = replace(meaning, kind=EventKind.STOP, reason="canceled", detail="The task was canceled.")
        kind = EventKind.ABORT if meaning.kind is EventKind.FAIL and not self._taken else meaning.kind
        outcome = Outcome(exit_code=None, reason=meaning.reason, detail=meaning.detail)
        event = TaskEvent(
            kind=kind,
            state=_STATES[kind],
            attempt=self.spec.attempt,
            reason=meaning.reason,
            detail=meaning.detail,
            record=record_from_here(self.spec, self.post.folder, outcome),
        )
        return self._end(event)

    def _end(self, event: TaskEvent) -> bool:
        self.concluding = True
        if self._deliver(event):
            try:
                if self.discard:
                    self.post.folder.delete()
                else:
                    self.post.take(self._taken + 1, final=True)
            except OSError:
                log.warning("the end of task %s could not be noted; its final event will come twice", self.spec.id)
        return True

    def _deliver(self, event: TaskEvent) -> bool:
        """Hand an event on; False when it was not taken and must be delivered again."""
        if self.letting_go:
            return False
        try:
            self._sink(self.spec.id, event)
        except ConflictError:
            log.warning("event %s of task %s was refused: the ledger is ahead", event.kind, self.spec.id)
        except Exception:
            log.exception("event %s of task %s was not taken", event.kind, self.spec.id)
            return False
        return True


def _amended(event: TaskEvent, meaning: Meaning) -> TaskEvent:
    """Return a final event with what the cluster knows of its cause."""
    record = None
    if event.record is not None:
        record = {**event.record, "reason": meaning.reason, "detail": meaning.detail}
    return replace(
        event,
        kind=meaning.kind,
        state=_STATES[meaning.kind],
        reason=meaning.reason,
        detail=meaning.detail,
        record=record,
    )
