"""The process tree of a task: what it uses, and its end (proc(5))."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from executors.local.sandbox import MARKER

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """What the processes below a wrapper use at one moment.

    ``rss`` counts each process's own pages and the largest shared part once, so that a program that forks
    is not charged many times for the same library. ``counters`` holds CPU seconds and bytes by process.
    """

    pids: tuple[int, ...] = ()
    rss: int = 0
    counters: dict[int, tuple[float, int, int]] = field(default_factory=dict)


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


def marked(marker: str) -> list[int]:
    """Return every process whose environment bears a task's mark, wherever it has gone."""
    wanted = f"{MARKER}={marker}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            environ = Path("/proc", name, "environ").read_bytes()
        except OSError:
            continue
        if wanted in environ.split(b"\0"):
            found.append(int(name))
    return found


def usage(pids: Iterable[int]) -> TreeUsage:
    """Return what these processes use now; those that are gone are left out."""
    alive, own, shared = [], 0, 0
    counters: dict[int, tuple[float, int, int]] = {}
    for pid in pids:
        try:
            resident, common = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
            counters[pid] = _counters(pid)
        except (OSError, ValueError):
            continue
        alive.append(pid)
        own += max(resident - common, 0)
        shared = max(shared, common)
    return TreeUsage(tuple(alive), (own + shared) * _PAGE, counters)


def _counters(pid: int) -> tuple[float, int, int]:
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat[stat.rindex(")") + 2 :].split()
    seconds = (int(fields[11]) + int(fields[12])) / _TICK
    try:
        lines = Path(f"/proc/{pid}/io").read_text().split("\n")
        numbers = dict(line.split(": ") for line in lines if line)
        return seconds, int(numbers["read_bytes"]), int(numbers["write_bytes"])
    except (OSError, KeyError, ValueError):
        return seconds, 0, 0


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes, some of which may be gone."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
