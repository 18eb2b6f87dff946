"""What a task says of itself: versions and switches that only the running program knows.

A task may write one JSON object to the file that the variable ``SILLAGE_REPORT`` names, such as

    {"frameworks": {"torch": "2.8.0", "cuda": "12.8", "cudnn": 91002},
     "determinism": {"deterministic_algorithms": true, "cudnn_benchmark": false}}

It goes into the record as ``reported``, as it stands: what a task says is its own statement and nobody checks it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from executors.model import TaskSpec

VARIABLE = "SILLAGE_REPORT"
FILE = ".sillage-report.json"
MOST_BYTES = 64 * 1024

_FRAMEWORKS = {
    "torch": "torch",
    "torchvision": "torchvision",
    "monai": "monai",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "cupy": "cupy",
    "nvidia-cuda-runtime": "cuda_runtime",
    "nvidia-cudnn": "cudnn",
    "nvidia-cublas": "cublas",
    "nvidia-nccl": "nccl",
}
"""Distributions that decide what a GPU computes, and what the record calls them; NVIDIA's end in ``-cu12`` or so."""

_SWITCHES = (
    "PYTHONHASHSEED",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_LAUNCH_BLOCKING",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "TF_DETERMINISTIC_OPS",
    "XLA_FLAGS",
)


def take_report(work: Path, kept: Path) -> tuple[dict[str, Any] | None, str | None]:
    """Move what a task reported out of its working folder, and return it, or what is wrong with it.

    The task is over, and hostile until proved otherwise: a link is not followed, a pipe not waited for.
    """
    try:
        (work / FILE).rename(kept)
    except FileNotFoundError:
        pass
    except OSError:
        return None, "what the task reported cannot be read"
    try:
        descriptor = os.open(kept, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, None
    except OSError:
        return None, "what the task reported cannot be read"
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None, "what the task reported is no file"
    with open(descriptor, "rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        return None, f"what the task reported is larger than {MOST_BYTES} bytes"
    try:
        told = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None, "what the task reported is no JSON"
    return (told, None) if isinstance(told, dict) else (None, "what the task reported is no JSON object")


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def frameworks(packages: Sequence[str]) -> dict[str, str]:
    """Return name and version of what decides how a GPU computes, by the environment's distributions."""
    found = {}
    for package in packages:
        name, _, version = package.partition("==")
        known = _FRAMEWORKS.get(name.lower()) or _FRAMEWORKS.get(name.lower().rpartition("-cu")[0])
        if known is not None:
            found[known] = version
    return found


def determinism(spec: TaskSpec, environ: Mapping[str, str], reported: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what decides whether a run repeats: as declared, as set in its environment, and as it said itself."""
    return {
        "declared": dict(spec.seeds),
        "variables": {name: environ[name] for name in _SWITCHES if name in environ},
        "reported": (reported or {}).get("determinism"),
    }
