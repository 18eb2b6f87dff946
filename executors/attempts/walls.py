"""What the kernel says of the memory wall around a container (control groups, versions 1 and 2).

With version 1 a task that runs into its wall is held there and not killed (``memory.oom_control``), so that whoever
watches it can say why it ends. With version 2 the kernel kills at once and counts (``memory.events``).
"""

from __future__ import annotations

from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def holds_at_wall() -> bool:
    """Tell whether the kernel can hold a task at its wall: memory is accounted by version 1."""
    return (GROUPS / "memory" / "memory.oom_control").exists()


def is_at_wall(pid: int) -> bool:
    """Tell whether the control group of a process has run out of the memory that it was given."""
    try:
        lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
        for _, controllers, path in lines:
            if "memory" in controllers.split(","):
                return "under_oom 1" in (GROUPS / "memory" / path.lstrip("/") / "memory.oom_control").read_text()
        for number, _, path in lines:
            if number == "0":
                events = (GROUPS / path.lstrip("/") / "memory.events").read_text().split()
                return int(dict(zip(events[::2], events[1::2], strict=True)).get("oom_kill", "0")) > 0
    except (OSError, ValueError):
        return False
    return False
