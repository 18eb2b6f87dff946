"""The process tree of a task: what it uses, and its end (proc(5))."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from executors.attempts.sandbox import MARKER

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """What a tree of processes uses at one moment, and has used so far.

    ``rss`` counts each process's own pages and the largest shared part once, so that a program that forks
    is not charged many times for the same library. The rest includes children that have ended, because the
    kernel adds what they used to the parent that waited for them.
    """

    pids: tuple[int, ...] = ()
    rss: int = 0
    user_s: float = 0.0
    system_s: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0


def descendants(pid: int) -> list[int]:
    """Return every process below ``pid``, parents before children."""
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children(queue.pop())
        found += below
        queue += below
    return found


def children(pid: int) -> list[int]:
    """Return the children of every thread of a process; none when it is gone."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        for thread in threads:
            with open(f"/proc/{pid}/task/{thread}/children") as listing:
                found += map(int, listing.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def marked(mark: str) -> list[int]:
    """Return every process whose environment bears a task's mark, wherever it has gone."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and bears(int(name), mark)]


def bears(pid: int, mark: str) -> bool:
    """Tell whether a process is there, alive, and bears a task's mark in the environment that it began with."""
    return f"{MARKER}={mark}".encode() in (_environment(pid) or b"").split(b"\0")


def census(mark: str) -> tuple[list[int], bool]:
    """Return every process that bears a task's mark, and whether that is certain.

    It is not while any process is in the middle of execve(2), when it has no environment: it may bear the mark.
    """
    found, is_certain = [], True
    for pid in [int(name) for name in os.listdir("/proc") if name.isdecimal()]:
        environ = _environment(pid)
        if environ == b"":
            is_certain = is_certain and not _is_between_programs(pid)
        elif environ is not None and f"{MARKER}={mark}".encode() in environ.split(b"\0"):
            found.append(pid)
    return found, is_certain


def _environment(pid: int) -> bytes | None:
    """Return the environment that a process began with; None when it is gone or may not be looked at."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None


def _is_between_programs(pid: int) -> bool:
    try:
        return lacks_environment(Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return False


def lacks_environment(stat: str) -> bool:
    """Tell from ``/proc/PID/stat`` whether a process has memory, and its environment is not laid out there yet.

    Fields 23 (``vsize``) and 51 (``env_end``) of proc(5), of a process that may be looked at. An empty environment has
    an end too; what is ending and the kernel's own threads have no memory.
    """
    fields = stat[stat.rindex(")") + 2 :].split()
    return int(fields[20]) > 0 and int(fields[48]) == 0


def command_line(pid: int) -> list[bytes]:
    """Return the words that a process was started with; none when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def usage(pids: Iterable[int]) -> TreeUsage:
    """Return what these processes use; those that are gone are left out."""
    alive: list[int] = []
    own = shared = 0
    totals = [0.0, 0.0, 0.0, 0.0]
    for pid in pids:
        try:
            resident, common = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
            totals = [total + part for total, part in zip(totals, _used(pid), strict=True)]
        except (OSError, ValueError):
            continue
        alive.append(pid)
        own += max(resident - common, 0)
        shared = max(shared, common)
    user, system, read, written = totals
    return TreeUsage(tuple(alive), (own + shared) * _PAGE, user, system, int(read), int(written))


def _used(pid: int) -> tuple[float, float, int, int]:
    """Return user seconds, system seconds, bytes read and written, of a process and the children it waited for."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    user, system, user_below, system_below = map(int, stat[stat.rindex(")") + 2 :].split()[11:15])
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
        numbers = dict(line.split(": ") for line in lines)
        transferred = int(numbers["read_bytes"]), int(numbers["write_bytes"])
    except (OSError, KeyError, ValueError):
        transferred = 0, 0
    return (user + user_below) / _TICK, (system + system_below) / _TICK, *transferred


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes, some of which may be gone."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
