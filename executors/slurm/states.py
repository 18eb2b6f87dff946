"""What Slurm says of a job, and what that means for its task (``squeue``, "JOB STATE CODES")."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from executors.states import EventKind


class JobState(StrEnum):
    """State of a job as far as it matters to us, spelled as Slurm spells it."""

    WAITING = "PENDING"
    ACTIVE = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    PREEMPTED = "PREEMPTED"
    NODE_FAIL = "NODE_FAIL"
    BOOT_FAIL = "BOOT_FAIL"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    DEADLINE = "DEADLINE"

    @classmethod
    def read(cls, word: str) -> JobState:
        """Return the state that a word of Slurm's stands for; one that is not known is taken for an active one."""
        try:
            return cls(word.rstrip("+"))
        except ValueError:
            return _ALSO.get(word.rstrip("+"), cls.ACTIVE)

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self not in (JobState.WAITING, JobState.ACTIVE)


_ALSO = {
    "REVOKED": JobState.CANCELLED,
    "REQUEUED": JobState.WAITING,
    "REQUEUE_HOLD": JobState.WAITING,
    "REQUEUE_FED": JobState.WAITING,
    "SPECIAL_EXIT": JobState.WAITING,
    "RESV_DEL_HOLD": JobState.WAITING,
    "CONFIGURING": JobState.ACTIVE,
    "COMPLETING": JobState.ACTIVE,
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an ended job makes of a task that did not say itself how it ended."""

    kind: EventKind
    reason: str
    detail: str


_MEANINGS = {
    JobState.CANCELLED: Meaning(EventKind.STOP, "canceled", "The job was canceled on the cluster."),
    JobState.TIMEOUT: Meaning(EventKind.FAIL, "timeout", "The task took longer than the cluster allows."),
    JobState.DEADLINE: Meaning(EventKind.FAIL, "timeout", "The task could not end before its deadline."),
    JobState.PREEMPTED: Meaning(EventKind.PREEMPT, "preempted", "The cluster gave the node to a more urgent job."),
    JobState.NODE_FAIL: Meaning(EventKind.ABORT, "node-failed", "The node on which the task ran failed."),
    JobState.BOOT_FAIL: Meaning(EventKind.ABORT, "node-failed", "The node that was to run the task did not start."),
    JobState.OUT_OF_MEMORY: Meaning(
        EventKind.FAIL, "out-of-memory", "The task used more memory than the cluster gave it."
    ),
}

LOST = Meaning(EventKind.ABORT, "lost", "The job is gone and left no word of how the task ended.")
REQUEUED = Meaning(
    EventKind.PREEMPT,
    "requeued",
    "The cluster took the node back and put the job into its queue again; the task is begun again only by a retry.",
)
AGAIN = frozenset({JobState.PREEMPTED, JobState.NODE_FAIL, JobState.BOOT_FAIL})
"""Ends of a job that never took its task up after which the same is simply submitted again."""


def meaning_of(state: JobState | None) -> Meaning:
    """Return what an ended job's state makes of its task; ``lost`` where it explains nothing."""
    return LOST if state is None else _MEANINGS.get(state, LOST)


HOPELESS = (
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "PartitionDown",
    "PartitionInactive",
    "BadConstraints",
    "JobHeld",
    "AccountNotAllowed",
    "InvalidAccount",
    "InvalidQOS",
    "QOSMaxWallDuration",
    "AssocMaxWallDuration",
    "Dependency",
    "launch failed",
)
"""Reasons for waiting, or what they begin with, that somebody has to do something about."""
