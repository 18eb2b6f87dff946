"""A process that is coming to its end is told from one that lives and one that is gone."""

import os
import signal

from executors.attempts.ending import _is_ending, _wait_for_end


def test_a_process_without_memory_is_coming_to_its_end() -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    assert not _is_ending(child)
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert _is_ending(child)
    assert _wait_for_end(child, 5.0)
    os.waitpid(child, 0)
    assert not _is_ending(child)
    assert _wait_for_end(child, 5.0)
