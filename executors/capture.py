"""The record of a run: one JSON document that says what was run, on what, where, and what came of it.

What is known of the inputs is said as it is: which of them were opened, where that could be seen, and otherwise
that under the sandbox only the declared files could be read. See ``docs/reference/tasks.md`` for every member.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from executors.host import Gpu, gpu_document, host_document
from executors.model import Environment, StagedOutput, TaskSpec
from executors.observation.energy import Energy, unmetered
from executors.observation.observed import InputsObserved, unobserved
from executors.observation.reported import determinism, frameworks

FORMAT = "sillage-task-record/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedInput:
    """An input as it was when it was mounted."""

    id: str
    path: str
    sha256: str | None
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUse:
    """What a run used; None where it could not be seen.

    Attributes:
        wall_s: From start to end.
        user_s: CPU seconds in user mode, of all its processes.
        system_s: CPU seconds in the kernel, likewise.
        cpu_source: ``wait4`` (exact) or ``polled`` (the last fifth of a second may be missing).
        max_rss_bytes: Greatest memory: of the largest single process (wait4) or of the tree (polled).
        max_rss_source: ``wait4`` or ``polled``.
        peak_processes: Greatest number seen at one time.
        read_bytes: Fetched from disks (polled).
        written_bytes: Sent to disks (polled).
    """

    wall_s: float
    user_s: float | None = None
    system_s: float | None = None
    cpu_source: str | None = None
    max_rss_bytes: int | None = None
    max_rss_source: str | None = None
    peak_processes: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDigest:
    """What is kept of one stream."""

    sha256: str
    size: int
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    exit_code: int | None
    signal: int | None = None
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that :func:`task_record` needs of one run."""

    spec: TaskSpec
    started: str
    ended: str
    outcome: Outcome
    inputs: Sequence[ObservedInput] = ()
    outputs: Sequence[StagedOutput] = ()
    use: ResourceUse
    logs: Mapping[str, LogDigest] = field(default_factory=dict)
    sandbox: Mapping[str, Any]
    environ: Mapping[str, str] = field(default_factory=dict)
    gpus: Sequence[Gpu] = ()
    warnings: Sequence[str] = ()
    observed: InputsObserved | None = None
    energy: Energy | None = None
    reported: Mapping[str, Any] | None = None


def task_record(run: Run) -> dict[str, Any]:
    """Return the record of a run as one JSON document."""
    spec = run.spec
    confined = "filesystem" in run.sandbox.get("enforced", ())
    return {
        "format": FORMAT,
        "task": spec.id,
        "name": spec.name,
        "attempt": spec.attempt,
        "plan": dict(spec.plan),
        "command": list(spec.argv),
        "workdir": spec.workdir,
        "parameters": dict(spec.parameters),
        "environment": environment_document(spec.environment),
        "environment_variables": dict(run.environ),
        "seeds": dict(spec.seeds),
        "determinism": determinism(spec, run.environ, run.reported),
        "frameworks": frameworks(spec.environment.packages),
        "reported": None if run.reported is None else dict(run.reported),
        "host": host_document(),
        "gpus": [gpu_document(gpu) for gpu in run.gpus],
        "network": spec.network or "network" not in run.sandbox.get("enforced", ()),
        "inputs": [asdict(item) for item in run.inputs],
        "inputs_observed": (run.observed or unobserved(confined=confined)).document(),
        "outputs": [
            {"name": item.name, "path": item.path, "sha256": item.sha256, "size": item.size} for item in run.outputs
        ],
        "started": run.started,
        "ended": run.ended,
        "exit_code": run.outcome.exit_code,
        "signal": run.outcome.signal,
        "reason": run.outcome.reason,
        "detail": run.outcome.detail,
        "resources": asdict(run.use),
        "energy": asdict(run.energy or unmetered(len(run.gpus), run.use.wall_s)),
        "limits": asdict(spec.resources),
        "logs": {name: asdict(log) for name, log in run.logs.items()},
        "sandbox": dict(run.sandbox),
        "warnings": list(run.warnings),
    }


def environment_document(environment: Environment) -> dict[str, Any]:
    """Return what the record says of an environment."""
    return {
        "kind": environment.kind,
        "digest": environment.digest,
        "python": environment.python,
        "image": environment.image,
        "packages": list(environment.packages),
    }
