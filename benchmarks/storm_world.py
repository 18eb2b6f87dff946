"""What a storm of kills rages over: a small study, pipelines, a service that starts quickly, and who can be killed.

The service is ``serve`` in a process of its own. It is forked from one that has loaded the modules already, so that a
start takes a tenth of a second and hundreds of deaths a few minutes.

How often a task's sandbox was really started is counted outside of Sillage: in front of bubblewrap stands a script
that writes down the mark of the task which starts it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from executors.attempts.folder import TaskFolder, is_alive
from executors.attempts.processes import descendants, marked
from sillage.client import Client, ProblemError, ServiceAwayError

ROOT = Path(__file__).resolve().parents[1]
ONCE = "cat /proc/sys/kernel/random/uuid | tee -a ran.txt; [ -s ran.txt ] || exit 9; "
LINE = 37
"""What one run prints and notes: a UUID and the end of the line."""

PIPELINES: Mapping[str, str] = {
    "quick": "mkdir -p out && mv ran.txt out/quick.txt",
    "slow": "sleep 0.$((0x$(head -c 2 ran.txt) % 25 + 10)) && mkdir -p out && cp ran.txt out/slow.txt",
    "wordy": "mkdir -p out/deep && for n in 1 2 3 4 5 6; do echo $n >out/deep/$n.txt; done && cp ran.txt out/wordy.txt",
    "forking": "(setsid sleep 0.2 &) ; sleep 0.1 & wait; mkdir -p out && cp ran.txt out/forking.txt",
    "failing": "sleep 0.05; exit 3",
    "silent": "sleep 0.02",
}
"""Each first prints a line of its own and appends it to a file of its working folder, or fails."""

_FORKER = """
import os, sys
from pathlib import Path
import api.app, api.server, api.task_service, api.batch_worker, executors.local.runner, catalog.backends.sqlite
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0), os.dup2(null, 1)
        try:
            api.server.serve(Path(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), announce=lambda said: None)
        finally:
            os._exit(1)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


def write_study(root: Path, *, people: int, label: str) -> Path:
    """Write a BIDS dataset with one image of a few bytes for each participant."""
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": label, "BIDSVersion": "1.10.0"}))
    names = [f"sub-{label}{number:02}" for number in range(people)]
    rows = "".join(f"{name}\t{30 + number}\tF\n" for number, name in enumerate(names))
    (root / "participants.tsv").write_text("participant_id\tage\tsex\n" + rows)
    for name in names:
        folder = root / name / "anat"
        folder.mkdir(parents=True)
        (folder / f"{name}_T1w.nii.gz").write_bytes(f"{label} {name}".encode())
        (folder / f"{name}_T1w.json").write_text(json.dumps({"MagneticFieldStrength": 3}))
    return root


def descriptor(name: str) -> dict[str, Any]:
    """Return the descriptor of one of :data:`PIPELINES`."""
    return {
        "name": name,
        "description": "A pipeline that notes each of its runs",
        "tool-version": "1.0.0",
        "schema-version": "0.5",
        "command-line": "sh run.sh [IMAGES]",
        "inputs": [{"id": "images", "name": "Images", "type": "File", "list": True, "value-key": "[IMAGES]"}],
        "output-files": [{"id": "notes", "name": "Notes", "path-template": "out/**/*.txt", "optional": True}],
        "custom": {
            "sillage": {
                "level": "participant",
                "files": ".",
                "environment": {"kind": "system"},
                "resources": {"wall_s": 60, "disk_gb": 0.1},
                "inputs": {"images": {"select": "suffix = 'T1w'", "all": True}},
            }
        },
    }


def register_pipelines(client: Client, folder: Path) -> None:
    for name, body in PIPELINES.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "run.sh").write_text(f'cat "$@" >/dev/null; {ONCE}{body}\n')
        client.register_pipeline(descriptor(name), folder / name)


class Service:
    """A service on a catalogue that is killed and started again.

    Args:
        catalog: The catalogue's folder.
        folder: For the count of starts, and what the service says.
    """

    def __init__(self, catalog: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.catalog = catalog
        self.starts = folder / "starts"
        self.said = folder / "service.log"
        self._place = _held_port()
        self.port = int(self._place.getsockname()[1])
        self.pid = 0
        self._token = (catalog / "keys" / "administrator.token").read_text().strip()
        with self.said.open("ab") as said:
            self._forker = subprocess.Popen(
                [sys.executable, "-c", _FORKER, str(catalog), str(self.port)],
                cwd=ROOT,
                env={**os.environ, "PATH": f"{_counting(folder, self.starts)}:{os.environ['PATH']}"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )

    def client(self, timeout: float = 120) -> Client:
        """Return a client of the service, whether it is up or not."""
        return Client(url=f"http://127.0.0.1:{self.port}", token=self._token, timeout=timeout)

    def start(self) -> None:
        """Start the service; it answers a moment later."""
        self._tell("start\n")
        self.pid = int(self._hear())

    def kill(self) -> None:
        """Kill the service and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self._hear()
        self.pid = 0

    def wait_until_up(self, seconds: float = 120) -> None:
        """Wait until the service answers.

        Raises:
            TimeoutError: It does not.
        """
        until = time.monotonic() + seconds
        with self.client(timeout=10) as client:
            while time.monotonic() < until:
                try:
                    client.request("GET", "/health")
                    return
                except (ServiceAwayError, ProblemError):
                    time.sleep(0.02)
        raise TimeoutError(f"the service did not come up: {self.said.read_text()[-2000:]}")

    def close(self) -> None:
        """End the service and what it was forked from."""
        if self.pid:
            self.kill()
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        self._forker.stdin.close()
        self._forker.wait(30)
        self._forker.stdout.close()
        self._place.close()

    def runs(self) -> Counter[str]:
        """Return how often the sandbox of each attempt was started, by its mark."""
        return Counter(self.starts.read_text().split()) if self.starts.exists() else Counter()

    def _tell(self, line: str) -> None:
        assert self._forker.stdin is not None
        self._forker.stdin.write(line)
        self._forker.stdin.flush()

    def _hear(self) -> str:
        assert self._forker.stdout is not None
        return self._forker.stdout.readline().strip()


def _counting(folder: Path, starts: Path) -> Path:
    """Put a script in front of bubblewrap that notes which task starts it; return its folder."""
    programs = folder / "programs"
    programs.mkdir()
    script = programs / "bwrap"
    note = f'[ -z "$SILLAGE_TASK" ] || echo "$SILLAGE_TASK" >>{starts}'
    script.write_text(f'#!/bin/sh\n{note}\nexec {shutil.which("bwrap")} "$@"\n')
    script.chmod(0o755)
    return programs


def _held_port() -> socket.socket:
    """Return a socket with a port that nobody else is given while the service is down; the service may listen on it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def task_folders(catalog: Path) -> list[TaskFolder]:
    """Return the folder of every attempt that the local runner keeps; they come and go meanwhile."""
    root, found = catalog / "work" / "local" / "tasks", []
    for task in _listed(root):
        found += [TaskFolder(root, task, int(name)) for name in _listed(root / task) if name.isdecimal()]
    return found


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def living(catalog: Path) -> Iterator[tuple[str, int]]:
    """Yield what belongs to running tasks, as kind and process: wrapper, strace, bwrap, inside."""
    for folder in task_folders(catalog):
        identity = folder.started()
        if identity is None or folder.exit_code() is not None or not is_alive(identity):
            continue
        yield "wrapper", identity.pid
        seen = 0
        for pid in descendants(identity.pid):
            name = _name(pid)
            kind = name if name in ("strace", "bwrap") else "inside" if seen else ""
            seen += name == "bwrap"
            if kind:
                yield kind, pid
        for pid in marked(folder.mark):
            if "awk" in _name(pid):
                yield "reader", pid


def left_running(catalog: Path, marks: Mapping[str, int]) -> list[int]:
    """Return the processes that are left of any task that was started."""
    return sorted({pid for mark in marks for pid in marked(mark)} | {pid for _, pid in living(catalog)})


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
