"""The suite that every runner passes: bind :class:`RunnerContract` in a test module of your own.

    class TestMine(RunnerContract):
        def open_runner(self, work_root):
            return MyRunner(work_root)

A runner that declares not to do something says so in ``without``; see :class:`executors.testing.harness.RunnerSuite`.

Needs pytest. What a runner declares in its capabilities is asserted, and so is what it declares not to do.
"""

from executors.testing.harness import Recorder, needs, task, wait_until
from executors.testing.hostile import HostileTasks
from executors.testing.lifecycle import Lifecycle
from executors.testing.outputs import Outputs
from executors.testing.restart import Restart

__all__ = ["Recorder", "RunnerContract", "needs", "task", "wait_until"]


class RunnerContract(Lifecycle, Outputs, HostileTasks, Restart):
    """Everything that is asked of a runner."""
