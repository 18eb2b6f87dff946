"""A cohort run on a real cluster by way of the API and the command line; the catalogue notices no difference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sillage.client import Client

SILLAGE = str(Path(sys.executable).with_name("sillage"))
QUERY = "under(diagnosis, 'demyelinating disease') AND has(suffix = 'T1w')"


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, slurm_conf: str, bubblewrap: str) -> Path:
    """Settings of a catalogue that runs on the cluster of the tests, in a folder beside it."""
    folder = tmp_path / "shared"
    monkeypatch.setenv("SILLAGE_SLURM_CONF", slurm_conf)
    monkeypatch.setenv("SILLAGE_SLURM_FOLDER", str(folder))
    monkeypatch.setenv("SILLAGE_SLURM_OPTIONS", json.dumps(["--comment=sillage"]))
    monkeypatch.setenv("SILLAGE_SANDBOX", "bubblewrap")
    return folder


@pytest.mark.usefixtures("registered")
def test_a_batch_runs_on_the_cluster(client: Client, register_copy: Callable[..., Any], shared: Path) -> None:
    register_copy()
    cohort = client.freeze_cohort(QUERY)
    batch = client.wait(client.run("copy", cohort=cohort["id"], runner="slurm")["id"])
    assert (batch["state"], batch["complete"], batch["total"]) == ("COMPLETE", 2, 2)
    task = client.get(f"tasks/{batch['items'][0]['id']}")
    assert task["record"]["sandbox"]["kind"] == "bubblewrap"
    assert task["record"]["inputs_observed"]["mechanism"] in ("strace", "declared-mounts")
    assert task["outputs"][0]["path"].endswith("_T1w_size.txt")
    assert "done" in "".join(client.stream(f"tasks/{task['id']}/logs"))
    assert list((shared / "batches").glob("sillage-*"))
    assert client.post("check")["valid"] is True


@pytest.mark.usefixtures("registered")
def test_a_run_is_sent_to_the_cluster_from_the_command_line(
    client: Client, catalog: Path, register_copy: Callable[..., Any]
) -> None:
    register_copy()
    cohort = client.freeze_cohort(QUERY)
    client.close()
    command = [SILLAGE, "--catalog", str(catalog), "run", "copy", "--cohort", cohort["id"], "--runner", "slurm"]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([*command, "--json"], env=environ, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "COMPLETE"
