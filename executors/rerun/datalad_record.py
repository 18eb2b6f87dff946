"""The record of a run in DataLad's form (DataLad handbook, "datalad run"): what ``datalad rerun`` repeats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from executors.model import StagedOutput, TaskSpec
from executors.rewrite import PathMap


def datalad_run_record(
    spec: TaskSpec,
    places: Mapping[str, str] | None = None,
    *,
    outputs: Sequence[StagedOutput | str],
    exit_code: int = 0,
    dataset_id: str | None = None,
) -> dict[str, Any]:
    """Return a record that ``datalad rerun`` accepts, with paths relative to the dataset's root.

    Args:
        spec: What was run.
        places: For sandbox paths (inputs, pipeline folder, working folder), their path in the dataset; by
            default the working folder is the root, and everything else its path without the first slash.
        outputs: The outputs, or their paths in the dataset.
        exit_code: What the command exited with.
        dataset_id: The dataset's DataLad UUID.
    """
    extra = {mount.path: mount.path.lstrip("/") for mount in spec.mounts}
    extra |= {item.path: item.path.lstrip("/") for item in spec.contents}
    inputs = {item.path: item.path.lstrip("/") for item in spec.inputs}
    moved = PathMap({**extra, **inputs, spec.workdir: ".", **(places or {})})
    record: dict[str, Any] = {
        "chain": [],
        "cmd": [moved.rewrite(word) for word in spec.command],
        "exit": exit_code,
        "extra_inputs": sorted(map(moved.rewrite, extra)),
        "inputs": sorted(map(moved.rewrite, inputs)),
        "outputs": sorted(item if isinstance(item, str) else item.path for item in outputs),
        "pwd": ".",
    }
    if dataset_id is not None:
        record["dsid"] = dataset_id
    return record


def datalad_run_message(record: Mapping[str, Any], title: str) -> str:
    """Return the commit message in which ``datalad rerun`` finds a run record."""
    body = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True)
    return f"[DATALAD RUNCMD] {title}\n\n=== Do not change lines below ===\n{body}\n^^^ Do not change lines above ^^^\n"
