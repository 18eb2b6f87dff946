"""What is asked of Slurm's commands, and what their answers are taken for; stand-ins print what real ones do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from executors.host import Gpu
from executors.model import Environment, Resources
from executors.slurm.commands import RefusedError, Request, Slurm
from executors.slurm.jobs import Place, Shape, read_completions, read_shape
from executors.slurm.runner import SlurmRunner
from executors.slurm.states import JobState, meaning_of
from executors.slurm.wishes import GpuKind, job_options, unfit
from executors.states import EventKind
from ontology.errors import BackendUnavailableError, InvalidRequestError, UnsupportedError

NAME = "sillage-0123456789abcdef0123"
NODES = [
    "8|16000|gpu:2(S:0)|1:30:00|main*",
    "64|500000+|gpu:a100:4,gpu:t4:1|2-00:00:00|main*",
    "4|1000|(null)|5:00|big",
]
COMPLETIONS = (
    f"JobId=12 UserId=root(0) Name={NAME} JobState=TIMEOUT Partition=main ArrayJobId=10 ArrayTaskId=2 ExitCode=0:0 \n"
    "JobId=13 UserId=root(0) Name=other JobState=COMPLETED Partition=main ArrayJobId=13 ArrayTaskId=0 ExitCode=0:0 \n"
)
A100 = GpuKind(memory_gb=40, compute_capability="8.0", type="a100", feature="ampere")
H200 = GpuKind(memory_gb=141, compute_capability="9.0", type="h200", feature="hopper")
T4 = GpuKind(memory_gb=16, compute_capability="7.5", type="t4")
SHAPE = Shape(cpu_cores=8, ram_bytes=1 << 34, gpus=4)

StandIn = Callable[..., Slurm]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Return a maker of clusters whose commands are the scripts that it is given."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def make(**commands: str) -> Slurm:
        (tmp_path / "bin").mkdir(exist_ok=True)
        for name, script in commands.items():
            path = tmp_path / "bin" / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        return Slurm(conf=tmp_path / "slurm.conf", timeout_s=60)

    return make


def _config(tmp_path: Path, storage: str) -> str:
    return (
        f"echo 'AccountingStorageType   = {storage}'; echo 'JobCompType = jobcomp/filetxt'; "
        f"echo 'JobCompLoc = {tmp_path / 'completed'}'; echo 'MaxArraySize = 51'"
    )


def test_accounts_tell_before_the_log_of_ends(cluster: StandIn, tmp_path: Path) -> None:
    (tmp_path / "completed").write_text(COMPLETIONS)
    slurm = cluster(
        scontrol=_config(tmp_path, "accounting_storage/slurmdbd"),
        sacct=f"printf '%s\\n' '10_2|NODE_FAIL|{NAME}' '10_3|CANCELLED by 0|{NAME}' '10_[4-9]|CANCELLED by 0|{NAME}'",
    )
    found = slurm.history([NAME])
    assert {place.index: job.state for place, job in found.items()} == {
        2: JobState.NODE_FAIL,
        3: JobState.CANCELLED,
        -1: JobState.CANCELLED,
    }


@pytest.mark.parametrize("sacct", ["exit 0", "echo 'sacct: error: You are not permitted.' >&2; exit 1"])
def test_without_accounts_the_log_of_ends_tells(cluster: StandIn, tmp_path: Path, sacct: str) -> None:
    (tmp_path / "completed").write_text(COMPLETIONS)
    slurm = cluster(scontrol=_config(tmp_path, "accounting_storage/slurmdbd"), sacct=sacct)
    assert {place: job.state for place, job in slurm.history([NAME]).items()} == {Place(NAME, 2): JobState.TIMEOUT}


def test_accounts_that_are_away_conclude_nothing(cluster: StandIn, tmp_path: Path) -> None:
    slurm = cluster(
        scontrol=_config(tmp_path, "accounting_storage/slurmdbd"),
        sacct="echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1",
    )
    with pytest.raises(BackendUnavailableError):
        slurm.history([NAME])


def test_a_log_of_ends_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    assert list(read_completions(tmp_path / "none", [NAME])) == []


def test_jobs_of_others_are_left_out(cluster: StandIn) -> None:
    slurm = cluster(squeue=f"printf '%s\\n' '7|0|RUNNING|None|{NAME}' '8|N/A|RUNNING|None|other' 'broken'")
    assert list(slurm.jobs()) == [Place(NAME, 0)]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("sbatch: error: Batch job submission failed: Invalid account or account/partition combination", RefusedError),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller", BackendUnavailableError),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit", BackendUnavailableError),
    ],
)
def test_refused_or_away(cluster: StandIn, tmp_path: Path, said: str, error: type[Exception]) -> None:
    slurm = cluster(sbatch=f"echo '{said}' >&2; exit 1")
    request = Request(name=NAME, script="#!/bin/sh\n", count=1, log=tmp_path / "log", options=(), environ={})
    with pytest.raises(error):
        slurm.submit(request)


def test_longest_array(cluster: StandIn, tmp_path: Path) -> None:
    assert cluster(scontrol=_config(tmp_path, "(null)")).longest_array() == 50


def test_commands_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendUnavailableError, match="not installed"):
        Slurm().jobs()


def test_shape_is_that_of_the_default_partition() -> None:
    shape = read_shape(NODES, named=False)
    assert shape == Shape(cpu_cores=64, ram_bytes=500000 << 20, gpus=5, minutes=2880)
    assert read_shape(["4|1000|(null)|infinite|big"], named=True) == Shape(4, 1000 << 20, 0, None)
    assert read_shape([], named=True) is None


def test_no_more_time_is_asked_for_than_there_is() -> None:
    resources = Resources(cpu_cores=2, ram_gb=1.0, wall_s=3600)
    wide = job_options(resources, grace_s=5, shape=SHAPE, kinds=())
    assert wide == ("--cpus-per-task=2", "--time=63", "--mem=1210M")
    narrow = job_options(resources, grace_s=5, shape=Shape(8, 1, 0, 30), kinds=())
    assert narrow[1] == "--time=30"


@pytest.mark.parametrize(
    ("members", "kinds", "expected"),
    [
        ({}, (A100, T4), ["--gres=gpu:2"]),
        ({"gpu_memory_gb": 30}, (), ["--gres=gpu:2"]),
        ({"gpu_memory_gb": 30}, (A100, H200, T4), ["--gres=gpu:2", "--constraint=ampere|hopper"]),
        ({"gpu_compute_capability": "9.0"}, (A100, H200, T4), ["--gres=gpu:2", "--constraint=hopper"]),
        ({"gpu_compute_capability": "7.0"}, (T4, A100), ["--gres=gpu:t4:2"]),
    ],
)
def test_kinds_of_gpu(members: dict[str, object], kinds: tuple[GpuKind, ...], expected: list[str]) -> None:
    resources = Resources(gpus=2, **members)  # type: ignore[arg-type]
    assert list(job_options(resources, grace_s=0, shape=SHAPE, kinds=kinds))[2:] == expected


def test_a_kind_of_gpu_that_is_nowhere() -> None:
    resources = Resources(gpus=1, gpu_compute_capability="10.0")
    with pytest.raises(UnsupportedError) as refused:
        job_options(resources, grace_s=0, shape=SHAPE, kinds=(A100, H200))
    assert refused.value.field == "resources.gpu_compute_capability"


@pytest.mark.parametrize(
    "members",
    [
        {"memory_gb": 40},
        {"memory_gb": 40, "compute_capability": "8.0"},
        {"memory_gb": 40, "compute_capability": "new", "type": "a"},
        {"memory_gb": 40, "compute_capability": "8.0", "type": "a", "colour": "green"},
    ],
)
def test_kinds_of_gpu_are_described_in_full(members: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError):
        GpuKind.of(members)


def test_the_node_looks_at_what_it_was_given() -> None:
    small = Gpu(index=0, uuid="GPU-1", model="T4", driver="1", memory_bytes=16 << 30, compute_capability="7.5")
    assert unfit(Resources(gpus=1, gpu_memory_gb=40), [small]) is not None
    assert unfit(Resources(gpus=1, gpu_compute_capability="8.0"), [small]) is not None
    assert unfit(Resources(gpus=1, gpu_memory_gb=16, gpu_compute_capability="7.5"), [small]) is None


@pytest.mark.parametrize(
    ("word", "kind", "reason"),
    [
        ("PREEMPTED", EventKind.PREEMPT, "preempted"),
        ("TIMEOUT", EventKind.FAIL, "timeout"),
        ("DEADLINE", EventKind.FAIL, "timeout"),
        ("NODE_FAIL", EventKind.ABORT, "node-failed"),
        ("OUT_OF_MEMORY", EventKind.FAIL, "out-of-memory"),
        ("CANCELLED+", EventKind.STOP, "canceled"),
        ("FAILED", EventKind.ABORT, "lost"),
        ("COMPLETED", EventKind.ABORT, "lost"),
    ],
)
def test_what_the_end_of_a_job_means(word: str, kind: EventKind, reason: str) -> None:
    meaning = meaning_of(JobState.read(word))
    assert (meaning.kind, meaning.reason) == (kind, reason)
    assert JobState.read(word).is_final


@pytest.mark.parametrize("word", ["REQUEUED", "CONFIGURING", "COMPLETING", "SUSPENDED", "SOMETHING_NEW"])
def test_what_is_not_known_is_taken_for_no_end(word: str) -> None:
    assert not JobState.read(word).is_final


def test_a_cluster_that_does_not_answer_is_said_before_there_are_tasks(tmp_path: Path) -> None:
    runner = SlurmRunner(tmp_path / "work", conf=tmp_path / "slurm.conf", timeout_s=0.5)
    try:
        with pytest.raises(BackendUnavailableError):
            runner.require(Environment())
    finally:
        runner.close()
