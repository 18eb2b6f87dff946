"""A task's folder: everything that must outlive the service lies here, written by whoever knows it first.

``spec.json``  the description, written before anything starts
``work/``      the sandbox's working folder
``stdout`` ``stderr``  what was printed, appended by the task itself
``started``    the wrapper's own line of ``/proc/self/stat``: who it is, and when it began
``status``     what bubblewrap reports: the first process of the sandbox
``container``  which engine runs the task's image, and under which name (``image`` where it has no names)
``container-end``  what that engine said of it once it was removed
``pid``        the first process of a container, as its engine reports it
``gpus``       which GPUs the task was given
``verdict``    why we ended it, written before the first signal
``exit``       the exit status, one line, written by the wrapper in one system call
``ended``      written once the final event was taken
``observing``  whether somebody sees which inputs the task opens, or why nobody does
``trace``      pipe from strace to its reader; ``watched`` what the reader looks for, ``opened`` what it found
``report.json``  what the task reported of itself, moved out of its working folder
``cancel``     present when somebody asked for the end
``waiting``    the process in whose queue it is
``lock``       held (``flock``) by the one process that watches the task
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from executors.attempts.removal import remove_tree
from executors.model import TaskSpec
from executors.serial import dump_spec, load_spec
from ontology.errors import InvalidRequestError, NotFoundError

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, told apart from a later one with the same number by the time at which it began."""

    pid: int
    start_ticks: int
    boot: str


def boot_id() -> str:
    """Return what tells this start of the machine from any other."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def folder_name(task_id: str) -> str:
    """Return the name of a task's folder: the last part of its IRI, as given otherwise.

    Raises:
        InvalidRequestError: The identifier cannot name a folder.
    """
    name = task_id.removeprefix("urn:uuid:")
    if not _SAFE.fullmatch(name):
        raise InvalidRequestError(f"{task_id!r} cannot name a task", field="id")
    return name


class TaskFolder:
    """One attempt of one task on disk."""

    def __init__(self, root: Path, task_id: str, attempt: int) -> None:
        self.task_id = task_id
        self.attempt = attempt
        self.path = root / folder_name(task_id) / str(attempt)
        self.work = self.path / "work"
        self.trace = self.path / "trace"
        self.mark = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:32]
        """What its processes bear in their environment, to be found by."""

    @classmethod
    def latest(cls, root: Path, task_id: str) -> TaskFolder | None:
        """Return the newest attempt's folder; None when there is none."""
        try:
            attempts = [int(name) for name in os.listdir(root / folder_name(task_id)) if name.isdecimal()]
        except FileNotFoundError:
            return None
        return cls(root, task_id, max(attempts)) if attempts else None

    @property
    def exists(self) -> bool:
        """Whether the description was written."""
        return (self.path / "spec.json").exists()

    def create(self, spec: TaskSpec) -> None:
        """Make the folder; it is there whole, with the description, or not at all.

        Raises:
            FileExistsError: It is there already.
            OSError: The disk refused; nothing is left.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        making = self.path.with_name(f".{uuid.uuid4()}")
        try:
            making.mkdir(mode=0o700)
            (making / "work").mkdir()
            (making / "spec.json").write_text(dump_spec(spec), encoding="utf-8", errors="surrogateescape")
            _put_in_place(making, self.path)
        except BaseException:
            remove_tree(making)
            with contextlib.suppress(OSError):
                self.path.parent.rmdir()
            raise

    def write(self, name: str, text: str) -> None:
        """Write one of our own small files so that it is seen whole or not at all."""
        partial = self.path / f".{name}"
        partial.write_text(text, encoding="utf-8", errors="surrogateescape")
        partial.rename(self.path / name)

    def read(self, name: str) -> str | None:
        """Return one of our own small files; None when it is not there."""
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            return None

    def spec(self) -> TaskSpec | None:
        """Return the description; None when it is not there or cannot be read."""
        text = self.read("spec.json")
        try:
            return None if text is None else load_spec(text)
        except ValueError:
            return None

    def started(self) -> ProcessIdentity | None:
        """Return the wrapper's identity; None when it has not begun."""
        return _identity(self.read("started"))

    def wait_here(self) -> None:
        """Note that this process will start the task when there is room for it."""
        self.write("waiting", f"{Path('/proc/self/stat').read_text().rstrip()} {boot_id()}\n")

    def wait_no_more(self) -> None:
        """Leave the task for another process to start."""
        (self.path / "waiting").unlink(missing_ok=True)

    @property
    def waits_elsewhere(self) -> bool:
        """Whether another process that lives will start the task."""
        identity = _identity(self.read("waiting"))
        return identity is not None and identity.pid != os.getpid() and is_alive(identity)

    @property
    def is_claimed(self) -> bool:
        """Whether a wrapper has begun, or we have seen to it that none can."""
        return (self.path / "started").exists()

    def claim(self) -> bool:
        """See to it that no wrapper can begin any more; False when one has."""
        try:
            with open(self.path / "started", "x", encoding="utf-8") as claim:
                claim.write("nobody\n")
        except FileExistsError:
            return False
        return True

    def exit_code(self) -> int | None:
        """Return the exit status that the wrapper wrote; None when it has not, or not wholly."""
        text = self.read("exit")
        return int(text) if text and text.endswith("\n") else None

    def gpus(self) -> tuple[int, ...]:
        """Return which GPUs the task was given."""
        text = self.read("gpus")
        return tuple(map(int, text.split(","))) if text else ()

    @property
    def sandboxed(self) -> bool:
        """Whether a sandbox was started, which then reports its own processes."""
        return (self.path / "status").exists() or self.contained

    @property
    def contained(self) -> bool:
        """Whether the sandbox is a container."""
        return (self.path / "container").exists()

    @property
    def is_unobserved(self) -> bool:
        """Whether the task was observed, and its observer is gone before the end of it."""
        return (self.read("opened") or "").rpartition("end ")[2].startswith("0")

    def verdict(self) -> tuple[str, str] | None:
        """Return why we ended this attempt, as ``(reason, detail)``; None when we did not."""
        text = self.read("verdict")
        if text is None:
            return None
        reason, detail = json.loads(text)
        return reason, detail

    def asked_to_cancel(self) -> bool:
        """Whether somebody asked for the end of this attempt."""
        return (self.path / "cancel").exists()

    def ask_to_cancel(self) -> bool:
        """Leave word that this attempt shall end, for whoever watches it; False when it ended and is deleted by now."""
        try:
            (self.path / "cancel").touch()
        except FileNotFoundError:
            return False
        return True

    def lock(self) -> int | None:
        """Become the one process that watches this attempt: a descriptor to close, or None when another is."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    @staticmethod
    def unlock(descriptor: int) -> None:
        """Let another process watch; not by closing alone, because a process being started shares the descriptor."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def printed(self, stream: str, offset: int, limit: int) -> bytes:
        """Return at most ``limit`` bytes of what was printed from ``offset`` on; nothing before it has begun.

        Raises:
            NotFoundError: The folder is being deleted, or is gone.
        """
        try:
            with open(self.path / stream, "rb") as log:
                log.seek(offset)
                return log.read(limit)
        except FileNotFoundError as error:
            if not self.exists:
                raise NotFoundError("Nothing is kept of this task.", field="id") from error
            return b""

    def delete(self) -> None:
        """Remove all attempts of this task: at once for whoever looks, so that nobody finds half of it."""
        gone = bin_of(self.path.parent.parent)
        try:
            gone.mkdir(exist_ok=True)
            aside = gone / str(uuid.uuid4())
            self.path.parent.rename(aside)
        except OSError:
            # What lies in its place while it goes must not be taken for what the task has left.
            aside = self.path.parent
            (self.path / "spec.json").unlink(missing_ok=True)
        remove_tree(aside)


def bin_of(root: Path) -> Path:
    """Return where the folders of tasks lie while they are deleted."""
    return root.with_name("gone")


def _put_in_place(made: Path, path: Path) -> None:
    try:
        made.rename(path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(error.errno, error.strerror, str(path)) from error
        raise


def _identity(line: str | None) -> ProcessIdentity | None:
    """Return the process that a line of ``/proc/PID/stat`` and the boot of the machine name; None for half a line."""
    if line is None or ")" not in line or not line.endswith("\n"):
        return None
    stat, _, boot = line.rstrip("\n").rpartition(" ")
    return ProcessIdentity(int(stat.split(" ", 1)[0]), start_ticks(stat), boot)


def start_ticks(stat: str) -> int:
    """Return the start time in clock ticks since boot from a line of ``/proc/PID/stat`` (proc(5), field 22).

    The command name before it may hold spaces and parentheses, so fields are counted from the last ``)``.
    """
    return int(stat[stat.rindex(")") + 1 :].split()[19])


def is_alive(identity: ProcessIdentity) -> bool:
    """Tell whether exactly this process is there and not a zombie."""
    if identity.boot != boot_id():
        return False
    try:
        stat = Path(f"/proc/{identity.pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return start_ticks(stat) == identity.start_ticks and stat[stat.rindex(")") + 2] != "Z"
