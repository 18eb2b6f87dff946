"""What the kernel says of the memory wall around a container (control groups, versions 1 and 2).

A task that runs into its wall is killed there by the kernel, which counts that: in ``memory.oom_control`` with version
1, in ``memory.events`` with version 2. With version 1 the count is gone with the container, a few milliseconds later,
and podman does not write it down; so we have the kernel tell us (``cgroup.event_control``). Holding a task at its wall
instead of killing it (``memory.oom_control`` again) is no way out: what it does in a system call then fails with an
error that is not its own, and it goes on.

The kernel also tells once that a group goes. Whoever looks only then has one word and does not know which it was, so
there is a second descriptor, which is told of nothing else: events go in the order in which they were asked for last,
and once the second is told, the first was.
"""

from __future__ import annotations

import contextlib
import os
import select
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
PROCESSES = Path("/proc")
GONE_S = 2.0
"""More than enough for the kernel to tell that a group is gone; it takes some hundredths of a second."""

_NEVER = 1 << 62


class MemoryWall:
    """The wall around one container, from when its first process is known.

    Args:
        pid: The container's first process.
        outside: A process that is not in the container. Where both are in one group, the engine made none, and what
            the kernel counts there is not the container's.

    Attributes:
        descriptor: Becomes readable when something happens at the wall; None where nobody tells, and it is enough to
            ask now and then.
    """

    def __init__(self, pid: int, *, outside: int) -> None:
        self.descriptor: int | None = None
        self._gone: int | None = None
        self._counts: int | None = None
        self._told = 0
        self._hit = False
        with contextlib.suppress(OSError, ValueError):
            folder = _memory_group(pid)
            if folder is not None and folder != _memory_group(outside):
                self._open(folder)

    def _open(self, folder: Path) -> None:
        events = folder / "memory.events"
        if events.exists():
            self._counts = os.open(events, os.O_RDONLY | os.O_CLOEXEC)
            return
        self._counts = os.open(folder / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        used = os.open(folder / "memory.usage_in_bytes", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._gone = _told_of(folder, f"{used} {_NEVER}")
        finally:
            os.close(used)
        self.descriptor = _told_of(folder, f"{self._counts}")

    def was_hit(self) -> bool:
        """Tell whether the kernel has killed anything in the container for want of memory; takes what it has told."""
        self._told += self._take()
        self._hit = self._hit or self._is_hit()
        return self._hit

    def _is_hit(self) -> bool:
        if self._counts is None:
            return False
        try:
            words = os.pread(self._counts, 4096, 0).split()
        except OSError:
            return self._was_hit_before_it_went()
        killed = int(dict(zip(words[::2], words[1::2], strict=False)).get(b"oom_kill", 0))
        return self._told > 0 or killed > 0

    def _was_hit_before_it_went(self) -> bool:
        if self._told == 1 and self._gone is not None:
            poller = select.poll()
            poller.register(self._gone, select.POLLIN)
            poller.poll(GONE_S * 1000)
            self._told += self._take()
        return self._told > 1

    def _take(self) -> int:
        try:
            return 0 if self.descriptor is None else os.eventfd_read(self.descriptor)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Give back the descriptors."""
        for descriptor in (self.descriptor, self._gone, self._counts):
            if descriptor is not None:
                os.close(descriptor)
        self.descriptor = self._gone = self._counts = None


def _memory_group(pid: int) -> Path | None:
    """Return the folder of the group that accounts for a process's memory; None where none does."""
    lines = [line.split(":", 2) for line in (PROCESSES / str(pid) / "cgroup").read_text().splitlines()]
    for number, controllers, path in lines:
        if "memory" in controllers.split(","):
            return GROUPS / "memory" / path.lstrip("/")
        if number == "0" and (GROUPS / path.lstrip("/") / "memory.events").exists():
            return GROUPS / path.lstrip("/")
    return None


def _told_of(folder: Path, what: str) -> int:
    """Return a descriptor by which the kernel tells of something in a group of version 1.

    Raises:
        OSError: It does not.
    """
    descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        (folder / "cgroup.event_control").write_text(f"{descriptor} {what}")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
