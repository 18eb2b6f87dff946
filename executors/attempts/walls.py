"""What the kernel says of the memory wall around a container (control groups, versions 1 and 2).

A task that runs into its wall is killed there by the kernel, which counts that: in ``memory.oom_control`` with version
1, in ``memory.events`` with version 2. With version 1 the count is gone with the container, a few milliseconds later,
and podman does not write it down; so we have the kernel tell us (``cgroup.event_control``). Holding a task at its wall
instead of killing it (``memory.oom_control`` again) is no way out: what it does in a system call then fails with an
error that is not its own, and it goes on.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


class MemoryWall:
    """The wall around one container, from when its first process is known.

    Attributes:
        descriptor: Becomes readable when something happens at the wall; None where nobody tells, and it is enough to
            ask now and then.
    """

    def __init__(self, pid: int) -> None:
        self.descriptor: int | None = None
        self._counts: int | None = None
        self._told = 0
        self._hit = False
        with contextlib.suppress(OSError, ValueError):
            self._open(pid)

    def _open(self, pid: int) -> None:
        lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
        for number, controllers, path in lines:
            if "memory" in controllers.split(","):
                group = GROUPS / "memory" / path.lstrip("/")
                self._counts = os.open(group / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
                self._be_told(group / "cgroup.event_control")
                return
            if number == "0" and (GROUPS / path.lstrip("/") / "memory.events").exists():
                self._counts = os.open(GROUPS / path.lstrip("/") / "memory.events", os.O_RDONLY | os.O_CLOEXEC)

    def _be_told(self, control: Path) -> None:
        descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            control.write_text(f"{descriptor} {self._counts}")
        except OSError:
            os.close(descriptor)
            raise
        self.descriptor = descriptor

    def was_hit(self) -> bool:
        """Tell whether the kernel has killed anything in the container for want of memory."""
        self._hit = self._hit or self._is_hit()
        return self._hit

    def _is_hit(self) -> bool:
        if self._counts is None:
            return False
        told = self._take()
        try:
            words = os.pread(self._counts, 4096, 0).split()
        except OSError:
            # The group is gone, of which we are told as well.
            return self._told > 1
        killed = int(dict(zip(words[::2], words[1::2], strict=False)).get(b"oom_kill", 0))
        return told > 0 or killed > 0

    def _take(self) -> int:
        try:
            told = 0 if self.descriptor is None else os.eventfd_read(self.descriptor)
        except BlockingIOError:
            told = 0
        self._told += told
        return told

    def close(self) -> None:
        """Give back the descriptors."""
        for descriptor in (self.descriptor, self._counts):
            if descriptor is not None:
                os.close(descriptor)
        self.descriptor = self._counts = None
