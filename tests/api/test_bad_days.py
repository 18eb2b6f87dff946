"""Killed services, full disks, hostile pipelines: nothing acknowledged is lost, and the catalogue stays sound."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors.testing import wait_until
from sillage.client import Client, ProblemError

PATIENCE_S = 120.0
SILLAGE = str(Path(sys.executable).with_name("sillage"))
KILLS = int(os.environ.get("SILLAGE_TEST_KILLS", "4"))


def start(catalog: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        [SILLAGE, "--catalog", str(catalog), *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_after(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Kill a command with SIGKILL after a while; return what it had acknowledged on standard output."""
    try:
        out, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate()
    return out


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_registration_killed_at_any_moment_is_whole_or_absent(catalog: Path, study: Path, seed: int) -> None:
    moment = random.Random(seed).uniform(0.5, 2.5)
    acknowledged = kill_after(start(catalog, "dataset", "register", str(study)), moment)
    with Client(catalog=catalog) as client:
        found = client.get("datasets")["items"]
        assert len(found) <= 1
        if acknowledged:
            assert len(found) == 1
        for dataset in found:
            assert len(client.get(f"datasets/{dataset['id']}/participants")["items"]) == 4
        assert client.post("check")["valid"] is True
        if not found:
            assert client.register_dataset(study)["participants"] == 4
            assert client.post("check")["valid"] is True


@pytest.mark.parametrize("seed", range(KILLS))
def test_tasks_survive_the_death_of_the_service(
    catalog: Path, study: Path, register_copy: Callable[..., Any], client: Client, bubblewrap: str, seed: int
) -> None:
    client.register_dataset(study)
    register_copy("sleep 0.4; mkdir -p out; echo once >> out/ran.txt\n")
    client.close()
    moment = random.Random(100 + seed).uniform(0.9, 3.0)
    with Client(catalog=catalog) as again:
        cohort = again.freeze_cohort("TRUE")["id"]
    kill_after(start(catalog, "run", "copy", "--cohort", cohort), moment)
    with Client(catalog=catalog) as later:
        tasks = later.get("tasks")["items"]
        for task in tasks:
            ended = later.wait(task["id"])
            assert ended["state"] == "COMPLETE", ended.get("detail")
            assert ended["outputs"][0]["size"] == len("once\n")
        assert len(tasks) in (0, 4)
        assert later.post("check")["valid"] is True


def run_one(client: Client, registered: dict[str, Any]) -> dict[str, Any]:
    """Run the pipeline on one participant and return the task."""
    member = client.find_cohort("sex = 'female' AND age < 50")["items"][0]["id"]
    images = [a["id"] for a in client.get(f"participants/{member}/acquisitions")["items"] if a["suffix"] == "T1w"]
    return client.wait(client.run("copy", inputs={"images": images})["id"])


@pytest.mark.parametrize(
    ("command", "wall_s", "reason"),
    [
        ("exit 3\n", 300, "exit-code"),
        ("kill -SEGV $$\n", 300, "signal"),
        ("trap '' TERM; sleep 600 & sleep 600\n", 3, "timeout"),
        ("mkdir out; head -c 300000000 /dev/zero > out/big.txt\n", 300, "disk"),
        ("mkdir out; ln -s /etc/passwd out/stolen.txt\n", 300, "output-refused"),
    ],
)
def test_a_pipeline_that_goes_wrong_ends_in_an_error_that_says_why(
    client: Client,
    registered: dict[str, Any],
    register_copy: Callable[..., Any],
    bubblewrap: str,
    command: str,
    wall_s: int,
    reason: str,
) -> None:
    register_copy(command, wall_s=wall_s)
    task = run_one(client, registered)
    assert (task["state"], task["reason"]) == ("EXECUTOR_ERROR", reason), task["detail"]
    assert task["outputs"] == []
    assert task["record"]["ended"]
    assert client.post("check")["valid"] is True


def test_a_pipeline_sees_only_what_it_was_given(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str, catalog: Path
) -> None:
    register_copy(
        f"mkdir out; ls {catalog} > out/catalogue.txt 2>/dev/null; ls /inputs/* > out/inputs.txt;"
        " (echo x > /inputs/x) 2>/dev/null || echo refused > out/write.txt;"
        " (exec 3<>/dev/tcp/127.0.0.1/1) 2>/dev/null; ls /sys/class/net > out/network.txt 2>/dev/null; true\n"
    )
    task = run_one(client, registered)
    assert task["state"] == "COMPLETE", task["detail"]
    sizes = {output["path"]: output["size"] for output in task["outputs"]}
    assert sizes["catalogue.txt"] == 0
    assert "write.txt" in sizes


def test_a_failed_task_can_be_run_again_and_keeps_its_first_record(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str
) -> None:
    register_copy("exit 1\n")
    task = run_one(client, registered)
    again = client.wait(client.post(f"tasks/{task['id']}/retry")["id"])
    assert (again["state"], again["attempt"]) == ("EXECUTOR_ERROR", 2)
    actions = [e["action"] for e in client.get("audit/entries", subject=task["id"], limit=100)["items"]]
    assert actions.count("task.fail") == 2
    assert actions.count("task.retry") == 1
    with pytest.raises(ProblemError) as refused:
        client.post(f"tasks/{task['id']}/cancel")
    assert refused.value.status == 409


def running() -> str:
    """Return the command lines of all processes."""
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_a_task_that_is_cancelled_leaves_nothing_running(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str
) -> None:
    mark = f"sleep 600.{os.getpid()}"
    register_copy(f"{mark} & {mark}\n", wall_s=600)
    member = client.find_cohort("sex = 'female' AND age < 50")["items"][0]["id"]
    image = client.get(f"participants/{member}/acquisitions")["items"][1]["id"]
    task = client.run("copy", inputs={"images": [image]})
    wait_until(lambda: client.get(f"tasks/{task['id']}")["state"] == "RUNNING" and mark in running())
    client.post(f"tasks/{task['id']}/cancel")
    assert client.wait(task["id"])["state"] == "CANCELED"
    assert mark not in running()


def test_what_a_cohort_cannot_run_on_is_reported_item_by_item(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], bubblewrap: str, catalog: Path
) -> None:
    register_copy()
    cohort = client.freeze_cohort("TRUE")
    store = catalog / "store" / client.get(f"datasets/{registered['id']}")["data_path"]
    image = next(store.glob("sub-02/anat/*_T1w.nii.gz"))
    target = image.resolve()
    target.parent.chmod(0o755)
    target.chmod(0o644)
    target.unlink()
    batch = client.wait(client.run("copy", cohort=cohort["id"])["id"])
    assert batch["state"] == "EXECUTOR_ERROR"
    states = {item["label"]: item["state"] for item in batch["items"]}
    assert states["copy sub-02"] == "SYSTEM_ERROR"
    assert [state for label, state in states.items() if label != "copy sub-02"] == ["COMPLETE"] * 3
    assert client.post("check")["valid"] is False


def test_parameters_and_inputs_that_are_wrong_are_refused_before_anything_is_written(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any]
) -> None:
    register_copy()
    before = client.get("tasks")["total"]
    for options in (
        {"inputs": {"nothing": ["x"]}},
        {"inputs": {"images": [registered["id"]]}},
        {"inputs": {}},
        {"parameters": {"nothing": 1}, "inputs": {}},
        {"runner": "nowhere", "inputs": {}},
    ):
        with pytest.raises(ProblemError) as refused:
            client.run("copy", **options)
        assert 400 <= refused.value.status < 500, options
    assert client.get("tasks")["total"] == before


def test_two_registrations_at_once_are_both_whole(catalog: Path, study: Path, other_study: Path) -> None:
    processes = [start(catalog, "dataset", "register", str(path)) for path in (study, other_study)]
    assert [process.wait(PATIENCE_S) for process in processes] == [0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    with Client(catalog=catalog) as client:
        assert client.get("datasets")["total"] == 2
        assert client.find_cohort("TRUE")["count"] == 8
        assert client.post("check")["valid"] is True


def test_data_that_no_record_came_to_name_are_removed_in_the_end(
    client: Client, catalog: Path, study: Path, other_study: Path
) -> None:
    from catalog.versions.store import DataStore

    abandoned = DataStore(catalog / "store").take_in(other_study).path
    kept = catalog / "store" / client.get(f"datasets/{client.register_dataset(study)['id']}")["data_path"]
    assert abandoned.exists()
    for path in (abandoned, kept):
        os.utime(path, (1, 1))
    client.register_dataset(other_study)
    assert (abandoned.exists(), kept.exists()) == (False, True)
    assert client.post("check")["valid"] is True


def test_a_pipeline_that_no_runner_here_can_run_is_refused_and_not_run_otherwise(
    client: Client, registered: dict[str, Any], register_copy: Callable[..., Any], tmp_path: Path
) -> None:
    digest = "sha256:" + "0" * 64
    register_copy(name="boxed", extension={"environment": {"kind": "container", "image": f"example/tool@{digest}"}})
    register_copy(name="online", extension={"network": True})
    cohort = client.freeze_cohort("TRUE")["id"]
    for name, status, says in (("boxed", 501, "image"), ("online", 403, "network")):
        with pytest.raises(ProblemError) as refused:
            client.run(name, cohort=cohort)
        assert refused.value.status == status
        assert says in str(refused.value)
    assert client.get("tasks")["total"] == 0


def test_a_folder_is_registered_once(client: Client, registered: dict[str, Any], study: Path) -> None:
    with pytest.raises(ProblemError) as refused:
        client.register_dataset(study)
    assert refused.value.status == 409
    assert registered["id"] in str(refused.value.next_step)
    client.post(f"datasets/{registered['id']}/withdraw", {"reason": "registered by mistake"})
    assert client.register_dataset(study)["participants"] == 4


def test_loaded_terms_survive_a_restore(client: Client, tmp_path: Path) -> None:
    from api.archive import restore

    ontology = tmp_path / "own.obo"
    ontology.write_text("format-version: 1.2\n\n[Term]\nid: OWN:1\nname: quite our own disease\n")
    client.load_terms(ontology)
    client.download("backup", tmp_path / "backup.tar")
    assert (tmp_path / "backup.tar").stat().st_mode & 0o077 == 0
    restore(tmp_path / "backup.tar", tmp_path / "restored")
    with Client(catalog=tmp_path / "restored") as other:
        assert other.get("terms/OWN:1")["label"] == "quite our own disease"
    for path in (tmp_path / "restored", tmp_path / "restored" / "keys"):
        assert path.stat().st_mode & 0o077 == 0
