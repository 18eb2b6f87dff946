"""What a task is: its description in the shape of a GA4GH TES task, and the events that it emits.

Plain values. A description says which files are mounted where, what is run on them and what is owed; it
knows nothing of catalogues, participants or datasets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from executors.states import EventKind, TaskState, transition

GIGABYTE = 1_000_000_000


def utc_now() -> str:
    """Return the present time in UTC, RFC 3339 with microseconds and ``Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInput:
    """A file or folder that the task may read (TES 1.1, ``tesInput``).

    Attributes:
        id: Name by which the caller knows it (a content name or a descriptor's input id).
        host_path: Where it lies on this machine; symbolic links are followed once, when it is mounted.
        path: Absolute POSIX path inside the sandbox.
        sha256: Digest that the content must have; None when it is not known. Never given for a folder.
        size: Size in bytes that the content must have; None when it is not known.
    """

    id: str
    host_path: Path
    path: str
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContent:
    """A small text file that the task finds at ``path`` (TES 1.1, ``tesInput.content``).

    Below the working folder it can be changed by the task; elsewhere it is read-only.
    """

    path: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutput:
    """A file that the task owes (TES 1.1, ``tesOutput``).

    Attributes:
        name: The descriptor's output id.
        path: Path inside the sandbox, absolute below the working folder or relative to it. May hold the
            wildcards ``*``, ``?``, ``[...]`` and ``**`` (any depth); a folder stands for all files in it.
        optional: When False and nothing is there, the task has failed.
    """

    name: str
    path: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A read-only folder that the environment needs: an interpreter, the pipeline's own files."""

    host_path: Path
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the task asks for and may not exceed (TES 1.1, ``tesResources``; the rest is ours).

    Attributes:
        cpu_cores: Slots that it takes; also the thread count that numerical libraries are told.
        ram_gb: Memory of the whole process tree; None for what the machine has.
        disk_gb: Size of the working folder and of any one file.
        gpus: GPUs that it takes.
        gpus_optional: Run without a GPU when there are too few.
        gpu_memory_gb: Memory that each of them must have; None for any.
        gpu_compute_capability: Least CUDA compute capability that each of them must have (``"8.0"``); None for any.
        processes: Processes alive at one time.
        wall_s: Seconds from start to end.
        log_bytes: Bytes kept of each of standard output and standard error.
    """

    cpu_cores: int = 1
    ram_gb: float | None = None
    disk_gb: float = 50.0
    gpus: int = 0
    gpus_optional: bool = False
    gpu_memory_gb: float | None = None
    gpu_compute_capability: str | None = None
    processes: int = 512
    wall_s: float = 24 * 3600.0
    log_bytes: int = 10_000_000

    @property
    def ram_bytes(self) -> int | None:
        """Memory limit in bytes."""
        return None if self.ram_gb is None else int(self.ram_gb * GIGABYTE)

    @property
    def gpu_memory_bytes(self) -> int:
        """Memory that each GPU must have, in bytes."""
        return int((self.gpu_memory_gb or 0) * GIGABYTE)

    @property
    def disk_bytes(self) -> int:
        """Disk limit in bytes."""
        return int(self.disk_gb * GIGABYTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The pinned environment that a command runs in.

    Attributes:
        kind: ``python`` (a locked Python environment), ``container`` (an image) or ``system`` (``/usr`` alone).
        digest: SHA-256 in hex of what pins it; None for ``system``.
        packages: ``name==version`` of every distribution, sorted.
        python: Version of the interpreter.
        image: Image name with its digest, for ``container``.
        mounts: Folders that it needs.
        executables: Commands that it provides, by name: ``{"python": "/env/bin/python"}``.
    """

    kind: str = "system"
    digest: str | None = None
    packages: tuple[str, ...] = ()
    python: str | None = None
    image: str | None = None
    mounts: tuple[Mount, ...] = ()
    executables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """Description of one task (TES 1.1, ``tesTask`` with one executor).

    Attributes:
        id: Identifier; the service uses the Task record's IRI.
        name: For people.
        command: Argument vector; never a shell string.
        inputs: Files to be mounted, read-only and alone.
        contents: Small files that we write for it.
        outputs: Files that it owes.
        workdir: Working folder inside the sandbox, the only one that is writable beside ``/tmp``.
        env: Environment variables, complete: nothing is inherited from the service.
        resources: Limits and slots.
        network: Whether it may use the network.
        mounts: Further read-only folders (the pipeline's own files).
        environment: What it runs in.
        attempt: 1 for the first; a retry raises it.
        plan: Pipeline, version and descriptor digest, for the record.
        parameters: Every parameter with defaults resolved, for the record.
        seeds: Random seeds and determinism flags that the pipeline declares, for the record.
        owner: Among whom a runner shares out fairly: the principal who asked for it. None shares with nobody known.
    """

    id: str
    name: str
    command: tuple[str, ...]
    inputs: tuple[TaskInput, ...] = ()
    contents: tuple[TaskContent, ...] = ()
    outputs: tuple[TaskOutput, ...] = ()
    workdir: str = "/work"
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    network: bool = False
    mounts: tuple[Mount, ...] = ()
    environment: Environment = field(default_factory=Environment)
    attempt: int = 1
    plan: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, Any] = field(default_factory=dict)
    owner: str | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        """The command with its first word replaced by what the environment calls so (``python``)."""
        return (self.environment.executables.get(self.command[0], self.command[0]), *self.command[1:])

    @property
    def all_mounts(self) -> tuple[Mount, ...]:
        """Every read-only folder: the environment's, then the pipeline's."""
        return self.environment.mounts + self.mounts


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedOutput:
    """An output as it lies in the task's working folder, hashed (TES 1.1, ``tesOutputFileLog``).

    Attributes:
        name: Name of the :class:`TaskOutput` that it answers.
        path: POSIX path relative to the working folder.
        host_path: Where it lies until the task is released.
        sha256: Digest in hex.
        size: Bytes.
        seen: Device, inode, size, and times of modification and change when it was hashed: as long as they stay,
            whoever saves it need not read it again.
    """

    name: str
    path: str
    host_path: Path
    sha256: str
    size: int
    seen: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a task used when it was last looked at.

    Attributes:
        at: When that was (UTC, RFC 3339).
        wall_s: Seconds since its command began.
        cpu_s: CPU seconds of all its processes so far, in user mode and in the kernel.
        rss_bytes: Memory of its processes now, shared pages counted once.
        processes: Processes that are alive.
        work_bytes: What its working folder takes on the disk, as last walked.
        gpu_percent: Mean load of its GPUs; None without a GPU, or where nobody tells.
        gpu_memory_bytes: Memory in use on its GPUs; None likewise.
    """

    at: str
    wall_s: float
    cpu_s: float
    rss_bytes: int
    processes: int
    work_bytes: int
    gpu_percent: float | None = None
    gpu_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """One thing that happened to a task; the service makes each a ledger entry.

    Attributes:
        kind: What happened.
        time: When (UTC, RFC 3339).
        state: State that it leads to; None for remarks (``warn``, ``progress``).
        attempt: Which attempt it belongs to.
        reason: Short fixed code where it ended badly: ``exit-code``, ``signal``, ``timeout``,
            ``out-of-memory``, ``disk``, ``processes``, ``output-missing``, ``output-refused``,
            ``command-not-found``, ``input-changed``, ``input-missing``, ``sandbox``, ``lost``, ``fault``.
        detail: One sentence for a person; never a participant's label.
        exit_code: Of the command, where it ended by itself or by a signal (128 + signal).
        progress: Between 0 and 1, for ``progress``.
        outputs: With the final event: what was collected.
        record: With the final event: the record of the run (``docs/reference/tasks.md``).
    """

    kind: EventKind
    time: str = field(default_factory=utc_now)
    state: TaskState | None = None
    attempt: int = 1
    reason: str | None = None
    detail: str | None = None
    exit_code: int | None = None
    progress: float | None = None
    outputs: tuple[StagedOutput, ...] = ()
    record: Mapping[str, Any] | None = None

    def apply(self, state: TaskState) -> TaskState:
        """Return the state of a task in ``state`` after this event.

        Raises:
            IllegalTransitionError: The state does not allow it.
        """
        return transition(state, self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTask:
    """What the service believes of an unfinished task, for reconciliation after a restart.

    Attributes:
        task_id: Its identifier.
        state: Last state in the ledger.
        attempt: Present attempt.
        spec: Its description, when the service has it; a runner that kept its own copy does without.
    """

    task_id: str
    state: TaskState
    attempt: int = 1
    spec: TaskSpec | None = None
