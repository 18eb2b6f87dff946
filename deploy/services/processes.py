"""Servers as processes of their own, known by a file with their process id and birth.

The birth keeps a stale file from naming a process of somebody else that got the same id.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_PAUSE = 0.05
_PATIENCE = 30.0
# The shell goes at once, so that the server is nobody's child and no one has to wait for it.
_DETACH = '"$@" >>"$LOG" 2>&1 </dev/null & echo $!'


def launch(
    command: Sequence[str], *, pid_file: Path, log: Path, folder: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Start a server that outlives its caller, and note its process id."""
    done = subprocess.run(
        ["sh", "-c", _DETACH, "sh", *command],
        env={**(os.environ if environment is None else environment), "LOG": str(log)},
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        start_new_session=True,
    )
    note(int(done.stdout), pid_file)


def note(pid: int, pid_file: Path) -> None:
    """Note which process is the server."""
    pid_file.write_text(f"{pid} {_birth(pid)}\n")


def alive(pid_file: Path) -> bool:
    """Tell whether the process that was noted still runs."""
    return _process(pid_file) is not None


def send(pid_file: Path, number: signal.Signals) -> None:
    """Send a signal to the process that was noted and to those that it started, if it still runs."""
    if (pid := _process(pid_file)) is not None:
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(pid), number)


def end(pid_file: Path) -> None:
    """Ask the process to end, and make it end when it does not; return when it is gone."""
    for number, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, _PATIENCE)):
        send(pid_file, signal.SIGCONT)
        send(pid_file, number)
        if await_end(pid_file, patience):
            break
    pid_file.unlink(missing_ok=True)


def await_end(pid_file: Path, seconds: float = _PATIENCE) -> bool:
    """Wait until the process is gone; tell whether it is."""
    until = time.monotonic() + seconds
    while alive(pid_file):
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True


def _process(pid_file: Path) -> int | None:
    try:
        pid, birth = pid_file.read_text().split(maxsplit=1)
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if _birth(int(pid)) == birth.strip() else None


def _birth(pid: int) -> str:
    """Return when a process began, in whatever unit the system has; nothing for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "gone" if fields[0] in "ZX" else fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return "gone"
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip() or "gone"
