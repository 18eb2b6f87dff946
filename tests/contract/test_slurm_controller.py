"""A cluster whose controller goes away: afterwards it gives numbers of jobs again, so no other test uses this one."""

from __future__ import annotations

from pathlib import Path

from deploy.services.server import Server
from executors.states import EventKind, TaskState
from executors.testing import Recorder, task, wait_until
from tests.contract.slurm_world import HELD, PATIENCE_S, ask, ended, folder_of, job_of, let_go, opened, up

NOTE = "noted-while-it-ran"


def test_the_controller_is_away_for_a_while(slurm_cluster: Server, tmp_path: Path, calm_conf: Path) -> None:
    recorder, runner = Recorder(), opened(tmp_path, calm_conf, timeout_s=2)
    first = up(runner, recorder, f"echo up; {HELD}")
    # A controller that has only written down that the job waits would start it a second time.
    ask(calm_conf, "scontrol", "update", f"JobId={job_of(runner, first)}", f"Comment={NOTE}")
    wait_until(lambda: _is_saved(calm_conf), PATIENCE_S)
    slurm_cluster.kill()
    let_go(folder_of(runner, first))
    second = task("echo late")
    runner.submit(second, recorder)
    assert ended(runner, first, recorder) == (TaskState.COMPLETE, None)
    assert second.id not in recorder.states
    slurm_cluster.start()
    assert ended(runner, second, recorder) == (TaskState.COMPLETE, None)
    assert recorder.kinds(second.id).count(EventKind.START) == 1
    runner.close()


def _is_saved(conf: Path) -> bool:
    """Tell whether the controller has written down what was noted; it has no such file while it writes a new one."""
    try:
        return NOTE.encode() in (conf.parent / "state" / "job_state").read_bytes()
    except FileNotFoundError:
        return False
