"""docker and apptainer: their command lines, by a program that stands for them and notes what it was asked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from executors.attempts.apptainer import Apptainer
from executors.attempts.containers import find_engine
from executors.attempts.engines import Docker, Order, Podman
from executors.local.runner import LocalRunner
from executors.model import Environment, Resources, TaskSpec
from executors.noop import NoopRunner
from executors.pipelines.environment import image_environment
from executors.states import TaskState
from executors.testing import Recorder, task, wait_until
from ontology.errors import UnsupportedError

DIGEST = "ab" * 32
CONFIG = "cd" * 32

FAKE_DOCKER = """#!/bin/sh
echo "$@" >>"$(dirname "$0")/asked"
case "$1 $2" in
  "image inspect") [ "$3" = "tool@sha256:{digest}" ] || exit 1
    echo '[{{"Id": "sha256:{config}", "RepoDigests": ["tool@sha256:{digest}"]}}]' ;;
  "container inspect") [ -e "$(dirname "$0")/$3" ] || exit 1
    echo '[{{"Image": "sha256:{config}",'
    echo ' "State": {{"StartedAt": "2026-01-01T00:00:00Z", "OOMKilled": {oom}, "Pid": 0}}}}]' ;;
  "run --name") touch "$(dirname "$0")/$3"; echo ran; exit {code} ;;
  "rm --force") rm -f "$(dirname "$0")/$4" ;;
  "--version ") echo "Docker version 27.1.2, build 1" ;;
esac
"""

FAKE_APPTAINER = """#!/bin/sh
echo "$@" >>"$(dirname "$0")/asked"
[ "$1" = exec ] && {{ echo ran; exit 0; }}
echo "apptainer version 1.3.4"
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a program first on the path; what it is asked it notes in ``asked``."""

    def put(name: str, text: str, **members: object) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text.format(digest=DIGEST, config=CONFIG, **members))
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return folder

    return put


def order(tmp_path: Path, **members: object) -> Order:
    given: dict[str, object] = {
        "name": "sillage-x",
        "image": CONFIG,
        "command": ("tool", "--in", "/inputs/a"),
        "environ": {"MODE": "quick", "TEXT": "two\nlines"},
        "environ_file": tmp_path / "environ",
        "work": tmp_path / "work",
        "workdir": "/work",
        "mounts": ((tmp_path / "0", "/inputs/a,b"),),
        "network": False,
        "resources": Resources(cpu_cores=3, ram_gb=1.0, processes=10),
        "scratch_bytes": 4096,
        "gpus": (),
        "pid_file": tmp_path / "pid",
    }
    return Order(**{**given, **members})  # type: ignore[arg-type]


def carry_out(runner: LocalRunner, spec: TaskSpec) -> Recorder:
    recorder = Recorder()
    runner.submit(spec, recorder)
    wait_until(lambda: recorder.states.get(spec.id, TaskState.QUEUED).is_final)
    runner.close()
    return recorder


def test_docker_is_told_all_walls(tmp_path: Path) -> None:
    words = Docker("/bin/docker").run_words(order(tmp_path))
    line = " ".join(words)
    for wall in (
        "--read-only",
        "--network none",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--pull never",
        "--pids-limit 320",
        "--cpus 3",
        "--memory 1314000000 --memory-swap 1314000000",
        f"--user {os.getuid()}:{os.getgid()}",
        "--tmpfs /tmp:rw,nosuid,nodev,mode=1777,size=4096",
        "--shm-size 4096",
        "--hostname sillage",
        "--init",
    ):
        assert wall in line, wall
    assert f'type=bind,source={tmp_path / "0"},"destination=/inputs/a,b",readonly' in words
    assert words[-5:] == ["--entrypoint", "tool", CONFIG, "--in", "/inputs/a"]
    assert (tmp_path / "environ").read_text() == "MODE=quick\n"
    assert (tmp_path / "environ").stat().st_mode & 0o077 == 0
    assert "TEXT=two\nlines" in words


def test_network_and_gpus_only_where_they_were_given(tmp_path: Path) -> None:
    asked = order(tmp_path, network=True, gpus=("GPU-1", "GPU-2"))
    docker = " ".join(Docker("/bin/docker").run_words(asked))
    assert "--network host" in docker
    assert '--gpus "device=GPU-1,GPU-2"' in docker
    assert Podman("/bin/podman").gpu_options(("GPU-1",)) == ["--device", "nvidia.com/gpu=GPU-1"]
    assert "--gpus" not in Docker("/bin/docker").run_words(order(tmp_path))


def test_apptainer_is_told_all_walls_that_it_has(tmp_path: Path) -> None:
    line = " ".join(Apptainer("/bin/apptainer", tmp_path).run_words(order(tmp_path, image="/images/x.sif")))
    for wall in ("--containall", "--cleanenv", "--no-home", "--no-privs", "--drop-caps all", "--net --network none"):
        assert wall in line, wall
    assert line.endswith("/images/x.sif tool --in /inputs/a")
    assert (tmp_path / "environ").read_text() == "MODE='quick'\nTEXT='two\nlines'\n"


@pytest.mark.parametrize(("oom", "code", "reason"), [("false", 0, None), ("true", 137, "out-of-memory")])
def test_task_by_docker(tmp_path: Path, install: Install, oom: str, code: int, reason: str | None) -> None:
    programs = install("docker", FAKE_DOCKER, oom=oom, code=code)
    spec = task("tool", "x", environment=image_environment(f"tool@sha256:{DIGEST}"))
    recorder = carry_out(LocalRunner(tmp_path / "runner", container_engine="docker"), spec)
    assert recorder.last(spec.id).reason == reason
    sandbox = recorder.record(spec.id)["sandbox"]
    assert (sandbox["engine"], sandbox["version"], sandbox["image_id"]) == ("docker", "27.1.2", CONFIG)
    assert (sandbox["image_digest"], sandbox["image_verified"]) == (DIGEST, True)
    asked = (programs / "asked").read_text()
    assert "rm --force --volumes sillage-" in asked
    assert not list(programs.glob("sillage-*"))


def test_task_by_apptainer_in_an_image_that_is_what_it_is_called(tmp_path: Path, install: Install) -> None:
    install("apptainer", FAKE_APPTAINER)
    images = tmp_path / "runner" / "containers" / "images"
    images.mkdir(parents=True)
    digest = hashlib.sha256(b"image").hexdigest()
    (images / f"{digest}.sif").write_bytes(b"image")
    spec = task("tool", environment=image_environment(f"tool@sha256:{digest}"))
    recorder = carry_out(LocalRunner(tmp_path / "runner", container_engine="apptainer"), spec)
    assert recorder.states[spec.id] is TaskState.COMPLETE, recorder.last(spec.id).detail
    sandbox = recorder.record(spec.id)["sandbox"]
    assert sandbox["not_enforced"] == ["hostname"]
    assert (sandbox["image_digest"], sandbox["image_verified"]) == (digest, True)


def test_altered_sif_file_is_not_run(tmp_path: Path, install: Install) -> None:
    install("apptainer", FAKE_APPTAINER)
    images = tmp_path / "containers" / "images"
    images.mkdir(parents=True)
    (images / f"{DIGEST}.sif").write_bytes(b"altered")
    runner = LocalRunner(tmp_path, container_engine="apptainer")
    with pytest.raises(UnsupportedError):
        runner.require(image_environment(f"tool@sha256:{DIGEST}"))
    runner.close()


def test_tag_beside_a_digest_is_left_out(install: Install) -> None:
    install("docker", FAKE_DOCKER, oom="false", code=0)
    assert Docker("docker").find(f"tool:latest@sha256:{DIGEST}") is not None
    assert Docker("docker").pull_words(f"here:5000/a/tool:1@sha256:{DIGEST}")[-1] == f"here:5000/a/tool@sha256:{DIGEST}"


def test_image_of_another_digest_under_the_same_name_is_not_taken(tmp_path: Path, install: Install) -> None:
    other = FAKE_DOCKER.replace('"tool@sha256:{digest}" ] || exit 1', '"$3" ]').replace(
        '["tool@sha256:{digest}"]', '["tool@sha256:{config}"]'
    )
    install("docker", other, oom="false", code=0)
    assert Docker("docker").find(f"tool@sha256:{DIGEST}") is None


def test_no_engine_is_a_refusal_that_says_what_to_do(tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path, container_engine="none")
    assert runner.capabilities.containers == ()
    with pytest.raises(UnsupportedError) as caught:
        runner.submit(task("x", environment=image_environment(f"tool@sha256:{DIGEST}")), Recorder())
    assert caught.value.field == "environment.kind"
    assert "container_engine" in str(caught.value.next_step())
    runner.close()


def test_first_engine_that_is_installed_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Install
) -> None:
    folder = install("docker", FAKE_DOCKER, oom="false", code=0)
    install("apptainer", FAKE_APPTAINER)
    monkeypatch.setenv("PATH", str(folder))
    found = find_engine("auto", tmp_path)
    assert found is not None
    assert found.name == "docker"
    assert find_engine("podman", tmp_path) is None
    assert find_engine("none", tmp_path) is None


def test_runner_that_runs_nothing_takes_every_environment() -> None:
    NoopRunner().require(Environment(kind="container", image="x"))
