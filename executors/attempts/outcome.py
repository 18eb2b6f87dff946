"""How a run ended: from what the wrapper wrote, what we did to it, and what it owes, to one final event."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from executors.attempts.containers import never_ran
from executors.attempts.folder import TaskFolder
from executors.attempts.watch import BROKEN, CUT_NOTE, Usage
from executors.capture import LogDigest, Outcome, ResourceUse
from executors.states import EventKind, TaskState

_NO_COMMAND = re.compile(rb"not found|no such file|permission denied|failed to exec", re.IGNORECASE)
"""What engines and the first process of a container say of a command that is not there."""

_SMALL_FILE = 1 << 16

_OUR_DOING = {"canceled": EventKind.STOP, "fault": EventKind.ABORT}

STATES = {
    EventKind.COMPLETE: TaskState.COMPLETE,
    EventKind.FAIL: TaskState.EXECUTOR_ERROR,
    EventKind.ABORT: TaskState.SYSTEM_ERROR,
    EventKind.STOP: TaskState.CANCELED,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """The kind of the final event, and how the run ended."""

    kind: EventKind
    outcome: Outcome


def classify(folder: TaskFolder, verdict: tuple[str, str] | None, *, watched_through: bool = True) -> Ending:
    """Decide how a run ended, before its outputs are looked at.

    Args:
        folder: What the wrapper wrote.
        verdict: Why we ended it, as ``(reason, detail)``; None when we did not.
        watched_through: Whether its observer, if it had one, lived to its end. Without it the kernel refuses the task
            every system call that was to be seen.
    """
    code = folder.exit_code()
    if verdict is not None:
        kind = _OUR_DOING.get(verdict[0], EventKind.FAIL)
        return Ending(kind, Outcome(exit_code=code, signal=_signal(code), reason=verdict[0], detail=verdict[1]))
    if code is None and _is_full(folder):
        detail = "The disk for tasks is full: how the command ended could not be noted."
        return Ending(EventKind.ABORT, Outcome(exit_code=None, reason="disk", detail=detail))
    if code is None:
        detail = "The task's processes are gone and left no exit status: the machine or somebody ended them."
        return Ending(EventKind.ABORT, Outcome(exit_code=None, reason="lost", detail=detail))
    if code == 0:
        return Ending(EventKind.COMPLETE, Outcome(exit_code=0))
    if not watched_through:
        return Ending(EventKind.ABORT, Outcome(exit_code=code, signal=_signal(code), reason="fault", detail=BROKEN))
    return _failure(code, folder)


def _is_full(folder: TaskFolder) -> bool:
    """Tell whether the disk for tasks has no room for another small file."""
    there = os.statvfs(folder.path)
    return there.f_bavail * there.f_frsize < _SMALL_FILE


def _failure(code: int, folder: TaskFolder) -> Ending:
    said = _head(folder.path / "stderr", 4096)
    if folder.sandboxed and code == 1 and said.startswith(b"bwrap: ") and b"execvp" not in said:
        first_line = said.decode(errors="replace").splitlines()[0]
        return Ending(EventKind.ABORT, Outcome(exit_code=None, reason="sandbox", detail=f"No sandbox: {first_line}"))
    if folder.contained and never_ran(folder) and not _NO_COMMAND.search(said):
        detail = f"No container: {said.decode(errors='replace').partition(chr(10))[0]}"
        return Ending(EventKind.ABORT, Outcome(exit_code=None, reason="sandbox", detail=detail))
    if _not_found(code, said, folder):
        detail = "The command is not there or cannot be executed."
        return Ending(EventKind.FAIL, Outcome(exit_code=code, reason="command-not-found", detail=detail))
    number = _signal(code)
    if number == signal.SIGXFSZ:
        detail = "The task wrote a file larger than it was given space for."
        return Ending(EventKind.FAIL, Outcome(exit_code=code, signal=number, reason="disk", detail=detail))
    if number is not None:
        detail = f"The command was ended by {signal.Signals(number).name}."
        return Ending(EventKind.FAIL, Outcome(exit_code=code, signal=number, reason="signal", detail=detail))
    detail = f"The command exited with status {code}."
    return Ending(EventKind.FAIL, Outcome(exit_code=code, reason="exit-code", detail=detail))


def _not_found(code: int, said: bytes, folder: TaskFolder) -> bool:
    if folder.contained:
        return _NO_COMMAND.search(said) is not None and (never_ran(folder) or said.startswith(b"ERROR (catatonit"))
    if folder.sandboxed:
        return code == 1 and said.startswith(b"bwrap: execvp")
    return code in (126, 127) and said.startswith((b"sillage-task:", b"/bin/sh:"))


def _signal(code: int | None) -> int | None:
    """Return the signal in a shell's exit status (128 and its number), where there is one."""
    if code is None or code <= 128:
        return None
    try:
        return signal.Signals(code - 128).value
    except ValueError:
        return None


def _head(path: Path, size: int) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(size)
    except FileNotFoundError:
        return b""


def digest_logs(folder: TaskFolder) -> dict[str, LogDigest]:
    """Return digest and size of what is kept of each stream."""
    found = {}
    for name in ("stdout", "stderr"):
        try:
            with open(folder.path / name, "rb", buffering=0) as stream:
                size = os.fstat(stream.fileno()).st_size
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
                stream.seek(max(0, size - len(CUT_NOTE)))
                cut = stream.read() == CUT_NOTE
        except FileNotFoundError:
            continue
        found[name] = LogDigest(sha256=digest, size=size, truncated=cut)
    return found


def resource_use(usage: Usage, wall_s: float, waited: tuple[float, float, int] | None, own_peak: int) -> ResourceUse:
    """Return what a run used.

    Args:
        usage: What looking at it showed.
        wall_s: From start to end.
        waited: User seconds, system seconds and greatest memory in bytes by wait4(2); None in a sandbox, whose
            processes nobody of ours waits for, and after a restart.
        own_peak: The service's own greatest memory, with which every child's account begins (a fork shares
            it until the child executes something), so that only more than this says anything of the task.
    """
    seen = usage.looks > 0
    times = waited[:2] if waited is not None else (usage.user_s, usage.system_s) if seen else None
    peak, source = (usage.peak_rss, "polled") if seen else (None, None)
    if waited is not None and waited[2] > max(own_peak, peak or 0):
        peak, source = waited[2], "wait4"
    return ResourceUse(
        wall_s=round(wall_s, 6),
        user_s=None if times is None else times[0],
        system_s=None if times is None else times[1],
        cpu_source=None if times is None else "polled" if waited is None else "wait4",
        max_rss_bytes=peak,
        max_rss_source=source,
        peak_processes=usage.peak_processes if seen else None,
        read_bytes=usage.read_bytes if seen else None,
        written_bytes=usage.written_bytes if seen else None,
    )


def time_of(path: Path) -> float | None:
    """Return when a file was last written, in seconds since 1970; None when it is not there."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def as_utc(seconds: float) -> str:
    """Return a time in UTC, RFC 3339 with microseconds and ``Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
