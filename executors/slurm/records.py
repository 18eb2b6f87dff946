"""Records of runs of which nobody saw the end, or that never began: what is known, and nothing that is not."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from executors.attempts.folder import TaskFolder
from executors.attempts.outcome import as_utc, digest_logs, time_of
from executors.capture import Outcome, ResourceUse, Run, task_record
from executors.model import TaskSpec

_KNOWN_HERE = ("ended", "exit_code", "signal", "reason", "detail", "logs")


def record_without_a_run(spec: TaskSpec, folder: TaskFolder, outcome: Outcome) -> dict[str, Any]:
    """Return the record of a task that this machine was to run, and whose command did not begin."""
    ended = as_utc(time_of(folder.path / "exit") or time.time())
    run = Run(
        spec=spec,
        started=ended,
        ended=ended,
        outcome=outcome,
        use=ResourceUse(wall_s=0.0),
        logs=digest_logs(folder),
        sandbox={"kind": "unknown", "enforced": [], "not_enforced": []},
    )
    return task_record(run)


def record_from_here(spec: TaskSpec, folder: TaskFolder, outcome: Outcome) -> Mapping[str, Any]:
    """Return the record of a run of which no node told the end: what it told at the beginning, and the end.

    What is not known is left empty: this machine is not the one on which the task ran.
    """
    record = {**record_without_a_run(spec, folder, outcome), "host": {}, "network": spec.network}
    draft = folder.read("draft.json")
    return record if draft is None else {**json.loads(draft), **{name: record[name] for name in _KNOWN_HERE}}
