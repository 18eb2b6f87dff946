"""Pipelines that mean harm, through the whole service: contained, ended, recorded, and the catalogue stays sound."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors.testing import wait_until
from sillage.client import Client

MARK = f"sleep 98765.{os.getpid()}"

ENDS = {
    "not-text": ("mkdir out; echo x >out/$(printf 'a\\377').txt", "EXECUTOR_ERROR", "output-refused"),
    "newline": ("mkdir out; echo x >\"out/$(printf 'a\\nb').txt\"", "EXECUTOR_ERROR", "output-refused"),
    "pipe": ("mkdir out; mkfifo out/a.txt", "EXECUTOR_ERROR", "output-refused"),
    "escaping-folder": ("ln -s /inputs out", "COMPLETE", None),
    "hard-link": ('mkdir out; ln "$1" out/a.txt', "EXECUTOR_ERROR", "exit-code"),
    "bomb": (f"n=0; while [ $n -lt 40 ]; do {MARK} & n=$((n+1)); done; wait", "EXECUTOR_ERROR", "processes"),
    "detached": (f"trap '' TERM HUP; (setsid sh -c '({MARK} &) ; {MARK}' &) ; sleep 0.1", "COMPLETE", None),
    "temporary": ("head -c 300000000 /dev/zero >/tmp/a 2>/dev/null && exit 9; exit 0", "COMPLETE", None),
    "memory-disk": ("head -c 300000000 /dev/zero >/dev/shm/a 2>/dev/null && exit 9; exit 0", "COMPLETE", None),
    "input": ('chmod 777 "$1" 2>/dev/null && exit 9; (echo x >"$1") 2>/dev/null && exit 9; exit 0', "COMPLETE", None),
    "signals": ("kill -9 -1; kill -9 1; exit 0", "COMPLETE", None),
    "flood": ("yes | head -c 40000000", "COMPLETE", None),
}


@pytest.mark.usefixtures("registered", "bubblewrap")
def test_whatever_a_pipeline_does_the_catalogue_stays_sound(
    client: Client, register_copy: Callable[..., Any], catalog: Path
) -> None:
    member = client.find_cohort("TRUE")["items"][0]["id"]
    images = client.get(f"participants/{member}/acquisitions")["items"]
    image = next(item["id"] for item in images if item["suffix"] == "T1w")
    limits = {"resources": {"wall_s": 300, "disk_gb": 0.1, "processes": 20, "log_bytes": 100_000}}
    tasks = {}
    for name, (command, _, _) in ENDS.items():
        register_copy(f"{command}\n", name=name, extension=limits)
        tasks[name] = client.run(name, inputs={"images": [image]})["id"]
    ended = {name: client.wait(iri) for name, iri in tasks.items()}
    found = {name: (task["state"], task["reason"]) for name, task in ended.items()}
    assert found == {name: (state, reason) for name, (_, state, reason) in ENDS.items()}
    for name, task in ended.items():
        assert task["outputs"] == [], name
        assert task["record"]["ended"], name
    assert ended["flood"]["record"]["logs"]["stdout"]["size"] < 200_000
    assert MARK not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert client.get("datasets")["total"] == 1
    assert client.post("check")["valid"] is True
    wait_until(lambda: not any((catalog / "work" / "local" / "tasks").iterdir()))
