"""The disk fills while results are saved: nothing is lost, and the service goes on by itself once there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from executors.testing import wait_until
from sillage.client import Client

BIG = "mkdir out; head -c 9000000 /dev/urandom >out/big.txt; echo done >out/small.txt; date +%N\n"


@pytest.fixture
def small_store(catalog: Path) -> Iterator[Path]:
    """The folder for data, on a disk of its own that can be made larger."""
    folder = catalog / "store"
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "sillage-test", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here: run as root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_results_wait_for_room_and_are_saved_once(
    small_store: Path, study: Path, register_copy: Callable[..., Any], client: Client, bubblewrap: str, catalog: Path
) -> None:
    client.register_dataset(study)
    register_copy(BIG)
    member = client.find_cohort("TRUE")["items"][0]["id"]
    images = client.get(f"participants/{member}/acquisitions")["items"]
    image = next(item["id"] for item in images if item["suffix"] == "T1w")
    task = client.run("copy", inputs={"images": [image]})["id"]
    ended = catalog / "work" / "local" / "tasks" / task.removeprefix("urn:uuid:") / "1" / "exit"
    wait_until(ended.exists)
    assert client.get(f"tasks/{task}", wait=2)["state"] == "RUNNING"
    assert client.get("datasets")["total"] == 1
    assert client.post("check")["valid"] is True
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_store)], check=True)
    after = client.wait(task)
    assert (after["state"], after["attempt"]) == ("COMPLETE", 1), after["detail"]
    assert sorted(output["size"] for output in after["outputs"]) == [5, 9000000]
    assert len(client.request("GET", f"/api/v1/tasks/{task}/logs").content) == 10
    assert client.post("check")["valid"] is True
