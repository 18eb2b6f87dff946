"""What a command line that starts a task says on standard error, beside its answer."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

from api.batch_worker import LOCK_FILE, is_served
from sillage.client import Client

SILLAGE = str(Path(sys.executable).with_name("sillage"))
DESCRIPTOR = {
    "name": "hello",
    "description": "Says hello.",
    "tool-version": "1.0.0",
    "schema-version": "0.5",
    "command-line": "sleep [SECONDS]",
    "inputs": [{"id": "seconds", "name": "Seconds", "type": "Number", "optional": True, "value-key": "[SECONDS]"}],
    "custom": {"sillage": {"environment": {"kind": "system"}}},
}
REMARK = "hello@1.0.0 is uncertified: it was never certified. Certify it: sillage pipeline certify hello@1.0.0"


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    from api.catalogue import create

    create(tmp_path / "cat")
    with Client(catalog=tmp_path / "cat") as client:
        client.register_pipeline(DESCRIPTOR)
    return tmp_path / "cat"


def sillage(catalog: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [SILLAGE, "--catalog", str(catalog), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def test_without_a_service_the_next_step_is_told(catalog: Path, bubblewrap: str) -> None:
    done = sillage(catalog, "--json", "run", "hello", "--param", "seconds=600", "--no-wait")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert REMARK in done.stderr
    assert "sillage serve" in done.stderr
    assert "--no-wait" in done.stderr
    done = sillage(catalog, "task", "cancel", body["id"])
    assert done.returncode == 0, done.stderr
    with Client(catalog=catalog) as client:
        assert client.wait(body["id"])["state"] == "CANCELED"


def test_whoever_waits_is_told_how_the_pipeline_stands_once(catalog: Path, bubblewrap: str) -> None:
    done = sillage(catalog, "run", "hello", "--param", "seconds=0")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is uncertified") == 1
    assert REMARK in done.stderr
    assert "sillage serve" not in done.stderr


def test_what_is_served_is_told_by_the_lock(tmp_path: Path) -> None:
    assert not is_served(tmp_path)
    (tmp_path / "work").mkdir()
    lock = tmp_path / "work" / LOCK_FILE
    lock.touch()
    assert not is_served(tmp_path)
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert is_served(tmp_path)
    assert not is_served(tmp_path)
