"""Watching one running task: its end, its limits, and the order to stop.

No sleeping loop: the watcher blocks on the wrapper's pidfd and on a wake-up descriptor; the limits that only
polling can see (memory, disk, number of processes, log size) are looked at a few times a second, and not at
all in tasks that are over before that.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from dataclasses import dataclass

from executors.attempts.ending import kill, namespace_init, own_processes
from executors.attempts.folder import TaskFolder
from executors.attempts.processes import TreeUsage, descendants, send, usage
from executors.attempts.walls import MemoryWall
from executors.attempts.wrapper import Child
from executors.model import TaskSpec, utc_now
from executors.model import Usage as Look

FIRST_LOOK_S = 0.05
LOOK_S = 0.2
LOOK_AT_FLOOD_S = 0.02
LOOK_AT_START_S = 0.02
KILL_AGAIN_S = 0.05
DESPERATE_S = 3.0
BROKEN = "The process that observed the task was ended, and the task could open no file any more."
CUT_NOTE = b"\n[sillage: what was printed after this was not kept]\n"


@dataclass(slots=True)
class Usage:
    """What a task used, as far as looking at it now and then shows."""

    looks: int = 0
    peak_rss: int = 0
    peak_processes: int = 0
    user_s: float = 0.0
    system_s: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0

    def see(self, seen: TreeUsage, processes: int) -> None:
        """Take in one look."""
        self.looks += 1
        self.peak_rss = max(self.peak_rss, seen.rss)
        self.peak_processes = max(self.peak_processes, processes)
        self.user_s = max(self.user_s, seen.user_s)
        self.system_s = max(self.system_s, seen.system_s)
        self.read_bytes = max(self.read_bytes, seen.read_bytes)
        self.written_bytes = max(self.written_bytes, seen.written_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why we ended a task: ``canceled``, or the limit that it broke."""

    reason: str
    detail: str
    gently: bool = False


class Watch:
    """Watches one attempt until its wrapper has ended, or until told to let go."""

    def __init__(self, spec: TaskSpec, folder: TaskFolder, child: Child, *, began: float, grace_s: float) -> None:
        self.usage = Usage()
        self.verdict: Verdict | None = None
        self._spec = spec
        self._folder = folder
        self._child = child
        self.look: Look | None = None
        """What was last seen."""
        self._began = began
        self._work_bytes = 0
        self._deadline = began + spec.resources.wall_s
        self._grace_s = grace_s
        self._kill_at: float | None = None
        self._next_disk_look = 0.0
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._letting_go = False
        self._latest = TreeUsage()
        self._processes = 0
        self._poller = select.poll()
        self._wall: MemoryWall | None = None
        self._printed_little = True

    def wake(self) -> None:
        """Look now rather than at the next turn: somebody asked for the task's end."""
        os.eventfd_write(self._wake, 1)

    def let_go(self) -> None:
        """Stop watching and leave the task alone."""
        self._letting_go = True
        self.wake()

    def run(self) -> bool:
        """Watch until the wrapper has ended; False when told to let go before that."""
        self._poller.register(self._child.pidfd, select.POLLIN)
        self._poller.register(self._wake, select.POLLIN)
        pause = LOOK_AT_START_S if self._folder.contained else FIRST_LOOK_S
        while True:
            ready = {descriptor for descriptor, _ in self._poller.poll(max(0.0, self._until_next(pause)) * 1000)}
            if self._child.pidfd in ready:
                self._look_at_wall()
                return True
            if self._wake in ready:
                os.eventfd_read(self._wake)
            if self._letting_go:
                return False
            self._turn()
            pause = self._pause()

    def close(self) -> None:
        """Give back the descriptors."""
        if self._wall is not None:
            self._wall.close()
        os.close(self._wake)
        os.close(self._child.pidfd)

    def _pause(self) -> float:
        if self._folder.contained and self._wall is None:
            return LOOK_AT_START_S
        return LOOK_S if self._printed_little else LOOK_AT_FLOOD_S

    def _look_at_wall(self) -> None:
        """Notice at its end that the kernel ended it, quicker than we look."""
        if self.verdict is None and self._wall is not None and self._wall.was_hit():
            self.verdict = self._out_of_memory()
            self._write_verdict(self.verdict)

    def _until_next(self, pause: float) -> float:
        now = time.monotonic()
        if self._kill_at is not None:
            return min(pause, self._kill_at - now) if self._kill_at > now else KILL_AGAIN_S
        return min(pause, self._deadline - now)

    def _turn(self) -> None:
        self._look()
        if self.verdict is None:
            self.verdict = self._judge()
            if self.verdict is not None:
                self._begin_to_end(self.verdict)
        elif self._wall is not None:
            self._wall.was_hit()  # Or the descriptor stays readable.
        self.look = Look(
            at=utc_now(),
            wall_s=round(time.monotonic() - self._began, 3),
            cpu_s=round(self._latest.user_s + self._latest.system_s, 3),
            rss_bytes=self._latest.rss,
            processes=self._processes,
            work_bytes=self._work_bytes,
        )
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill(self._kill_at)

    def _look(self) -> None:
        """See what the task uses; in a sandbox its first process is bubblewrap's, and knows of those that ended."""
        first = namespace_init(self._folder)
        if first is None and self._folder.contained:
            return  # Its engine is still busy, which is not the task's to answer for.
        if self._wall is None and self._folder.contained and first is not None:
            self._wall = MemoryWall(first, outside=self._child.pid)
            if self._wall.descriptor is not None:
                self._poller.register(self._wall.descriptor, select.POLLIN)
        own = descendants(self._child.pid if first is None else first)
        self._latest = usage(own if first is None else [first, *own])
        self._processes = len(own)
        self.usage.see(self._latest, len(own))
        self._printed_little = not cut_logs(self._folder, limit=self._spec.resources.log_bytes)

    def _judge(self) -> Verdict | None:
        limits = self._spec.resources
        if self._folder.asked_to_cancel():
            return Verdict(reason="canceled", detail="The task was canceled.", gently=True)
        if self._folder.is_unobserved:
            return Verdict(reason="fault", detail=BROKEN)
        if time.monotonic() >= self._deadline:
            detail = f"The task took longer than the {limits.wall_s:g} s that it was given."
            return Verdict(reason="timeout", detail=detail, gently=True)
        if limits.ram_bytes is not None and self._latest.rss > limits.ram_bytes:
            return self._out_of_memory()
        if self._wall is not None and self._wall.was_hit():
            return self._out_of_memory()
        if self._processes > limits.processes:
            detail = f"The task had more than the {limits.processes} processes that it was given."
            return Verdict(reason="processes", detail=detail)
        if self._disk_is_over():
            detail = f"The task wrote more than the {limits.disk_gb:g} GB that it was given."
            return Verdict(reason="disk", detail=detail)
        return None

    def _out_of_memory(self) -> Verdict:
        given = self._spec.resources.ram_gb
        amount = "it was given" if given is None else f"the {given:g} GB that it was given"
        return Verdict(reason="out-of-memory", detail=f"The task used more memory than {amount}.")

    def _disk_is_over(self) -> bool:
        """Walk the working folder, and rest twenty times as long as that took."""
        now = time.monotonic()
        if now < self._next_disk_look:
            return False
        self._work_bytes = size = folder_size(self._folder.work, enough=self._spec.resources.disk_bytes)
        self._next_disk_look = now + 20 * (time.monotonic() - now)
        return size > self._spec.resources.disk_bytes

    def _begin_to_end(self, verdict: Verdict) -> None:
        self._write_verdict(verdict)
        own = own_processes(self._folder, self._child.pid) if verdict.gently else []
        send(own, signal.SIGTERM)
        self._kill_at = time.monotonic() + (self._grace_s if own else 0.0)

    def _write_verdict(self, verdict: Verdict) -> None:
        with contextlib.suppress(OSError):
            self._folder.write("verdict", json.dumps([verdict.reason, verdict.detail]))

    def _kill(self, since: float) -> None:
        kill(self._folder, self._child.pid, desperate=time.monotonic() > since + DESPERATE_S)


def cut_logs(folder: TaskFolder, *, limit: int) -> bool:
    """Keep each log at its limit: the task appends, so what it writes next starts at the cut. False when none was over.

    Raises:
        OSError: One cannot be written.
    """
    cut = False
    for name in ("stdout", "stderr"):
        path = folder.path / name
        try:
            if path.stat().st_size > limit + len(CUT_NOTE):
                with open(path, "r+b") as log:
                    log.truncate(limit)
                    log.seek(limit)
                    log.write(CUT_NOTE)
                cut = True
        except FileNotFoundError:
            continue
    return cut


def folder_size(path: os.PathLike[str], *, enough: int) -> int:
    """Return the bytes that a folder takes on its disk, or the first sum beyond ``enough``."""
    total = 0
    queue: list[os.PathLike[str] | str] = [path]
    while queue and total <= enough:
        try:
            with os.scandir(queue.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        queue.append(entry.path)
        except OSError:
            continue
    return total
