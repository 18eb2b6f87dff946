"""Watching which inputs a task opens, where the machine allows it, and saying so where it does not.

strace(1) stands beside the task and not above it: the wrapper stays the parent of the sandbox, so that exit status,
signals, accounting and ``--die-with-parent`` are what they are without. What strace writes goes through a pipe
into the few lines of awk in :mod:`executors.observation.trace`. Both live as long as the task does and do not need
the service, so a restart misses nothing.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from executors.attempts.folder import TaskFolder
from executors.attempts.processes import census, marked, send
from executors.attempts.sandbox import Launch, Sandbox
from executors.attempts.wrapper import start
from executors.model import TaskInput, TaskSpec
from executors.observation.observed import InputsObserved, not_begun, nothing_given, observed, unobserved
from executors.observation.trace import OPTIONS, READER, Seen, read_trace, watch_list, watched
from ontology.errors import UnsupportedError

log = logging.getLogger(__name__)

WATCHABLE = ("bubblewrap", "none")
"""Kinds of sandbox whose processes are all below the command that we start."""

NOTE = "observing"
LIST = "watched"
KEPT = "opened"

_TRIAL_S = 20.0
_END_S = 10.0
_HOLD_S = 2.0
_SLOW_S = 0.02
_SHELL = ("/bin/sh", "-c", 'exec "$@"', "sillage-task")
"""Without a sandbox the shell says that a command is not there, in its own words and with its own status."""

_CUT = "the process that observed the task ended before the task did"
_ENDING = "the task was still being observed"
_RING = "the task used io_uring, by which files are opened unseen"
_LOST = "some of the files that were opened could not be named"
_UNREADABLE = "what was seen of the task cannot be read any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How a task is started under observation: words before its command, and the reader's."""

    before: tuple[str, ...] = ()
    reader: tuple[str, str] = ("", "")

    def hold(self, folder: TaskFolder) -> None:
        """Hold the reading end of the pipe for a moment: should the reader die at once, strace must not wait for it."""
        if self.before:
            held = os.open(folder.trace, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            timer = threading.Timer(_HOLD_S, os.close, (held,))
            timer.daemon = True
            timer.start()

    def around(self, launch: Launch) -> Launch:
        """Return what is to be started."""
        return replace(launch, argv=(*self.before, *launch.argv))


class Observer:
    """Sees which inputs tasks open.

    Whether that works here is tried once, with a small task in the sandbox that will be used, when the first task
    with inputs comes.

    Args:
        wanted: ``auto`` (tasks with inputs, where it works), ``strace`` (every task, or the runner does not open),
            ``none``.
    """

    def __init__(self, wanted: str = "auto") -> None:
        self._wanted = wanted
        self._tried: dict[str, str | None] = {}
        self._lock = threading.Lock()

    def require(self, sandbox: Sandbox) -> None:
        """Find out now whether observing works, if it may not be done without.

        Raises:
            UnsupportedError: It was asked for and does not work here.
        """
        problem = self._problem(sandbox) if self._wanted == "strace" else None
        if problem is not None:
            hint = "Install strace and allow it to trace its own children, or set `observe` to `auto`."
            raise UnsupportedError(f"Inputs cannot be observed: {problem}.", field="observe", next_step=hint)

    def prepare(self, spec: TaskSpec, folder: TaskFolder, sandbox: Sandbox) -> Watching:
        """Make ready what observes a task; whether it is observed, and why not, is noted in its folder.

        Raises:
            OSError: The folder cannot be written.
        """
        idle = not spec.inputs and self._wanted != "strace"
        problem = None if idle else self._problem(sandbox)
        if idle or problem is not None:
            folder.write(NOTE, json.dumps({"reason": problem}))
            return Watching()
        return _prepare(spec, folder, sandbox.kind)

    def _problem(self, sandbox: Sandbox) -> str | None:
        """Return why tasks in this sandbox cannot be observed; None when they can."""
        if self._wanted == "none":
            return "the configuration says so"
        with self._lock:
            if sandbox.kind not in self._tried:
                self._tried[sandbox.kind] = problem = _trial(sandbox)
                if problem is not None:
                    log.warning("which inputs tasks open is not observed: %s", problem)
            return self._tried[sandbox.kind]


def _prepare(spec: TaskSpec, folder: TaskFolder, kind: str) -> Watching:
    places = [_places(item, spec, folder) if kind == "none" else (item.path,) for item in spec.inputs]
    folder.write(LIST, watch_list(watched(spec.inputs, places)))
    folder.trace.unlink(missing_ok=True)
    os.mkfifo(folder.trace, 0o600)
    folder.write(NOTE, json.dumps({"places": places}))
    strace, awk = _programs()
    before = (str(strace), *OPTIONS, "-o", str(folder.trace), "--")
    return Watching(before=before + (_SHELL if kind == "none" else ()), reader=(str(awk), READER))


def _places(item: TaskInput, spec: TaskSpec, folder: TaskFolder) -> tuple[str, ...]:
    """Return where a task without a sandbox may be seen to find an input: where it lies, and the link to it."""
    inside = item.path.startswith(spec.workdir.rstrip("/") + "/")
    link = folder.work / os.path.relpath(item.path, spec.workdir) if inside else folder.path / "root" / item.path[1:]
    return os.path.realpath(item.host_path), str(link)


@functools.cache
def _programs() -> tuple[str | None, str | None]:
    return shutil.which("strace"), shutil.which("awk")


def look(spec: TaskSpec, folder: TaskFolder, *, confined: bool) -> InputsObserved:
    """Return what is known by now of the inputs that a task opened."""
    text = folder.read(NOTE)
    if text is None:
        begun = folder.started() is not None
        return unobserved(confined=confined) if begun else not_begun(_ids(spec))
    note = json.loads(text)
    if "places" not in note:
        reason = note.get("reason")
        return nothing_given(confined=confined) if not spec.inputs else unobserved(confined=confined, reason=reason)
    seen = _read(spec, folder, note["places"])
    return observed(
        opened=[name for name in _ids(spec) if name in seen.opened],
        not_opened=[name for name in _ids(spec) if name not in seen.opened],
        confined=confined,
        reason=_missing(seen, folder),
        within={name: sorted(paths) for name, paths in seen.within.items()},
        unlisted=sorted(seen.unlisted),
    )


def _ids(spec: TaskSpec) -> list[str]:
    return list(dict.fromkeys(item.id for item in spec.inputs))


def _read(spec: TaskSpec, folder: TaskFolder, places: Sequence[Sequence[str]]) -> Seen:
    return read_trace(folder.path / KEPT, watched(spec.inputs, places))


def _missing(seen: Seen, folder: TaskFolder) -> str | None:
    """Return why what was seen may not be everything; None when it is."""
    if not seen.is_over:
        return _ENDING if folder.exit_code() is None else _UNREADABLE
    if not seen.saw_the_end:
        return _CUT
    if seen.used_ring:
        return _RING
    return _LOST if seen.lost else None


def wait_for_end(folder: TaskFolder) -> bool:
    """Wait until nothing more will be seen of an ended task; False when its observer did not see the end."""
    if not folder.trace.exists() or not (folder.path / "started").exists():
        return True
    until, pause = time.monotonic() + _END_S, 0.0005
    while not (seen := read_trace(folder.path / KEPT, watched((), ()))).is_over:
        if time.monotonic() > until:
            send(marked(folder.mark), signal.SIGKILL)
            return False
        if pause == _SLOW_S and census(folder.mark) == ([], True):
            return read_trace(folder.path / KEPT, watched((), ())).saw_the_end
        time.sleep(pause)
        pause = min(2 * pause, _SLOW_S)
    return seen.saw_the_end


def _trial(sandbox: Sandbox) -> str | None:
    """Observe a small task in a sandbox; return what speaks against it."""
    if sandbox.kind not in WATCHABLE:
        return "the container engine starts the task's processes, not we"
    for program, name in zip(_programs(), ("strace", "awk"), strict=True):
        if program is None:
            return f"{name} is not installed"
    try:
        with TemporaryDirectory(prefix="sillage-trial-") as top:
            return _try_in(Path(top), sandbox)
    except OSError as error:
        return f"strace cannot be tried ({type(error).__name__})"


def _try_in(top: Path, sandbox: Sandbox) -> str | None:
    given = top / "given"
    given.write_text("opened\n")
    spec = TaskSpec(
        id="trial",
        name="trial",
        command=("/bin/sh", "-c", "read -r word </inputs/a; exit 7"),
        inputs=tuple(TaskInput(id=name, host_path=given, path=f"/inputs/{name}") for name in "ab"),
    )
    folder = TaskFolder(top / "tasks", spec.id, 1)
    folder.create(spec)
    watching = _prepare(spec, folder, sandbox.kind)
    child = start(watching.around(sandbox.launch(spec, folder, ())), folder, spec.resources, watching.reader)
    os.close(child.pidfd)
    until = time.monotonic() + _TRIAL_S
    while os.waitpid(child.pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > until:
            send([child.pid, *marked(folder.mark)], signal.SIGKILL)
            os.waitpid(child.pid, 0)
            return "strace did not come to an end"
        time.sleep(0.001)
    wait_for_end(folder)
    found = look(spec, folder, confined=True)
    if found.complete and "a" in found.opened and folder.exit_code() == 7:
        return None
    said = (folder.path / "stderr").read_text(errors="replace").strip().splitlines()
    return "strace cannot trace here" + (f" ({said[0][:200]})" if said else "")
