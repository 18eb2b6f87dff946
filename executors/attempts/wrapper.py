"""The wrapper: a few lines of POSIX shell around every task, which outlive the service.

It says who it is, runs the command in the background of nothing and nobody, and writes down how it ended.
A shell rather than Python because it costs one millisecond instead of ten. It is the leader of its own
session, so signals to the service's terminal do not reach it, and it is bubblewrap's parent, so that
``--die-with-parent`` ends the sandbox with it and not with the service.
"""

from __future__ import annotations

import fcntl
import os
import signal
from dataclasses import dataclass
from typing import Any

from executors.attempts.folder import TaskFolder, boot_id
from executors.attempts.sandbox import OPTIONS_FD, STATUS_FD, Launch
from executors.model import Resources

SCRIPT = r"""
cd "$1" || exit 70
boot=$2
ulimit -c 0 2>/dev/null
ulimit -f "$3" 2>/dev/null
awk=$4 reader=$5
read -r stat </proc/self/stat
set -C
{ printf '%s %s\n' "$stat" "$boot" >started; } 2>/dev/null || exit 75
[ -z "$awk" ] || {
  exec 3<>trace 4<trace 5>trace 3>&-
  ("$awk" "$reader" "$1/watched" - pipe="$1/trace" <&4 4<&- 5>&- >|opened 2>/dev/null &)
  exec 4<&-
}
shift 5
(cd work && exec "$@" 5>&-)
status=$?
exec 5>&-
printf '%s\n' "$status" >exit
"""
"""``read`` and ``printf`` are built in: nothing but the command itself is started.

``set -C`` makes the file ``started`` a claim that only one wrapper can win: when a service dies in the very
moment of a start, and the next one starts the task again, the command still runs once.

The reader of a trace (:mod:`executors.observation`) is nobody's child, so that it does not count as the task's. It
is born with its end of the pipe, and the wrapper holds the other end until the command has ended: a command that is
over before the reader has begun is read all the same.
"""

_BLOCK = 512
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Child:
    """A wrapper that was started: its process number and a descriptor that becomes readable when it ends."""

    pid: int
    pidfd: int


def start(launch: Launch, folder: TaskFolder, resources: Resources, reader: tuple[str, str] = ("", "")) -> Child:
    """Start a task's wrapper in a session of its own, with no descriptor of ours but those it needs.

    Args:
        launch: What to run.
        folder: Of the task.
        resources: Its limits.
        reader: awk and what it is to do with the trace of an observed task; empty when nothing is observed.

    Raises:
        OSError: The machine cannot start a process.
    """
    blocks = str(max(resources.disk_bytes, resources.log_bytes) // _BLOCK + 1) if launch.bounded else "unlimited"
    argv = ["/bin/sh", "-c", SCRIPT, "sillage-task", str(folder.path), boot_id(), blocks, *reader, *launch.argv]
    actions: list[tuple[Any, ...]] = [*_close_ours(), (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    for number, name in ((1, "stdout"), (2, "stderr")):
        actions.append((os.POSIX_SPAWN_OPEN, number, str(folder.path / name), _APPEND, 0o600))
    options = -1
    try:
        if launch.options is not None:
            options = _memory_file(launch.options)
            actions.append((os.POSIX_SPAWN_OPEN, STATUS_FD, str(folder.path / "status"), _APPEND, 0o600))
            actions.append((os.POSIX_SPAWN_DUP2, options, OPTIONS_FD))
        pid = os.posix_spawn(
            "/bin/sh",
            argv,
            launch.environ,
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=_DEFAULT_SIGNALS,
        )
    finally:
        if options >= 0:
            os.close(options)
    return Child(pid, os.pidfd_open(pid))


def _memory_file(content: bytes) -> int:
    """Return a descriptor above those that the wrapper uses, from which ``content`` can be read once."""
    low = os.memfd_create("options")
    try:
        os.write(low, content)
        os.lseek(low, 0, os.SEEK_SET)
        return fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, OPTIONS_FD + 1)
    finally:
        os.close(low)


def _close_ours() -> list[tuple[int, ...]]:
    """Return what closes every descriptor that somebody made inheritable: a task gets none of them."""
    actions: list[tuple[int, ...]] = []
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        try:
            if number > 2 and os.get_inheritable(number):
                actions.append((os.POSIX_SPAWN_CLOSE, number))
        except OSError:
            continue
    return actions
