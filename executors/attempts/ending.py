"""Ending tasks: which processes are a task's own, and how nothing of them is left.

In a sandbox the first process of its namespace is killed, and the kernel takes all others with it, however
they were detached. bubblewrap reports that process a moment after it has started; before that nothing may be
killed, because a half-made namespace whose maker is gone waits for ever. A container likewise; then its engine is asked
to remove it, which also ends what the engine's client did not live to end. Without a sandbox every process of the
tree, or with the task's mark in its environment, is killed.
"""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from executors.attempts.containers import end_container, first_process
from executors.attempts.folder import TaskFolder
from executors.attempts.processes import bears, census, command_line, descendants, marked, send

_REPORT = re.compile(r'\{ "child-pid": (\d+)')


def namespace_init(folder: TaskFolder) -> int | None:
    """Return the first process of a task's sandbox as bubblewrap reported it, while it lives."""
    pid = _reported(folder)
    return pid if pid is not None and bears(pid, folder.mark) else None


def _reported(folder: TaskFolder) -> int | None:
    if folder.contained:
        return first_process(folder)
    found = _REPORT.match(folder.read("status") or "")
    return None if found is None else int(found[1])


_LOOKS = 4
"""So often nothing must be seen of a task whose wrapper did not say how it ended."""


_OBSERVER_S = 4.0
"""So long those who observe a task may take to note its end; they go by themselves when nothing of it is left."""


def own_processes(folder: TaskFolder, wrapper: int) -> list[int]:
    """Return the task's own processes, without its wrapper and bubblewrap's or a container's own first one."""
    if folder.sandboxed:
        first = namespace_init(folder)
        below = [] if first is None else descendants(first)
        return [first] if folder.contained and first is not None and not below else below
    return list({*descendants(wrapper), *_strays(folder, wrapper)})


def kill(folder: TaskFolder, wrapper: int, *, desperate: bool = False) -> None:
    """Kill all of a task but its wrapper, which notes how it ended and follows by itself; to be repeated.

    Args:
        folder: Of the task.
        wrapper: Its wrapper.
        desperate: bubblewrap has not reported for long: kill it too, and whoever observes.
    """
    first = namespace_init(folder)
    if first is not None:
        send([first], signal.SIGKILL)
    elif desperate:
        send([pid for pid in marked(folder.mark) if pid != wrapper], signal.SIGKILL)
    elif not folder.sandboxed:
        send(own_processes(folder, wrapper), signal.SIGKILL)


def sweep(folder: TaskFolder, *, patience_s: float = 5.0) -> bool:
    """See to it that nothing of an ended task is left running; False when something will not die."""
    gone, first, reported = True, namespace_init(folder), _reported(folder) if folder.sandboxed else None
    if first is not None:
        send([first], signal.SIGKILL)
        gone = _wait_for_end(first, patience_s)
    elif reported is not None and not folder.contained:
        gone = not _is_ending(reported) or _wait_for_end(reported, patience_s)
    if reported is not None and not folder.contained and folder.exit_code() is not None:
        return gone
    # In a sandbox whose wrapper was killed, bubblewrap outlives what it has started by a moment.
    gone = _sweep_strays(folder, patience_s) and gone
    return end_container(folder) and gone


def _sweep_strays(folder: TaskFolder, patience_s: float) -> bool:
    began = time.monotonic()
    # A wrapper that was killed may have left what is between two programs; on a busy machine that takes its time.
    looks = 1 if folder.exit_code() is not None else _LOOKS
    while looks:
        left, is_certain = census(folder.mark)
        if time.monotonic() > began + patience_s:
            return not left
        spared = _observers(folder, left) if time.monotonic() < began + _OBSERVER_S else set()
        send([pid for pid in left if pid not in spared], signal.SIGKILL)
        looks -= is_certain and not left
        if looks:
            time.sleep(0.005)
    return True


def end_at_once(folder: TaskFolder, wrapper: int) -> bool:
    """Kill a task that nobody watches, wrapper and all; False when something will not die."""
    send([wrapper], signal.SIGKILL)
    return sweep(folder)


def _is_ending(pid: int) -> bool:
    """Tell whether a process is in the middle of its end: it has no memory any more, and so no environment.

    The first process of a namespace gives back its memory a moment before it takes all others with it.
    """
    try:
        return not Path(f"/proc/{pid}/environ").read_bytes()
    except ProcessLookupError:
        return True
    except OSError:
        return False


def _wait_for_end(pid: int, patience_s: float) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        return bool(poller.poll(patience_s * 1000))
    finally:
        os.close(pidfd)


def _strays(folder: TaskFolder, wrapper: int | None) -> list[int]:
    """Return processes that bear a task's mark, without its wrapper and those who observe it."""
    found = [pid for pid in marked(folder.mark) if pid != wrapper]
    spared = _observers(folder, found)
    return [pid for pid in found if pid not in spared]


def _observers(folder: TaskFolder, pids: Sequence[int]) -> set[int]:
    """Return those who observe a task: the pipe between them stands in their command lines, as in the wrapper's.

    So it does for a moment in that of the task's first process, which is about to become the command: a shell is an
    observer only once the command has ended, and then about to become the reader.
    """
    if not folder.trace.exists():
        return set()
    words = {pid: command_line(pid) for pid in pids}
    pipe, over = os.fsencode(folder.trace), folder.exit_code() is not None
    found = {pid for pid in pids if any(word.endswith(pipe) for word in words[pid])}
    return {pid for pid in found if over or words[pid][0] != b"/bin/sh"}
