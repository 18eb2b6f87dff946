"""The record of a run in DataLad's form (DataLad handbook, "datalad run"): what ``datalad rerun`` repeats.

The command of the record is the program :mod:`executors.rerun.repeat`, which lies in the dataset, followed by the
command that ran, word by word as it ran in the sandbox.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PROGRAM = "code/rerun.py"
"""Where the program lies in a dataset."""


def datalad_run_record(
    command: Sequence[str],
    *,
    run_file: str,
    inputs: Iterable[str],
    outputs: Iterable[str],
    extra_inputs: Iterable[str] = (),
    exit_code: int = 0,
    dataset_id: str | None = None,
) -> dict[str, Any]:
    """Return a record that ``datalad rerun`` accepts, with paths relative to the dataset's root.

    Args:
        command: What was run, as it ran in the sandbox.
        run_file: Path in the dataset of the description that the program lays the run out from.
        inputs: Paths in the dataset that DataLad is to get first.
        outputs: Paths in the dataset that the run wrote.
        extra_inputs: What else must be there: the pipeline's own files, where they are annexed.
        exit_code: What the command exited with.
        dataset_id: The dataset's DataLad UUID.
    """
    record: dict[str, Any] = {
        "chain": [],
        "cmd": [_plain(word) for word in ("python3", PROGRAM, run_file, *command)],
        "exit": exit_code,
        "extra_inputs": sorted(map(_pattern, extra_inputs)),
        "inputs": sorted(map(_pattern, inputs)),
        "outputs": sorted(map(_pattern, outputs)),
        "pwd": ".",
    }
    if dataset_id is not None:
        record["dsid"] = dataset_id
    return record


def datalad_run_message(record: Mapping[str, Any], title: str) -> str:
    """Return the commit message in which ``datalad rerun`` finds a run record."""
    body = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True)
    return f"[DATALAD RUNCMD] {title}\n\n=== Do not change lines below ===\n{body}\n^^^ Do not change lines above ^^^\n"


def _plain(word: str) -> str:
    """Return a word that DataLad takes as it stands: braces are placeholders to it."""
    return word.replace("{", "{{").replace("}", "}}")


def _pattern(path: str) -> str:
    """Return a path that DataLad takes for nothing but that path: inputs and outputs are patterns to it."""
    return _plain(glob.escape(path))
