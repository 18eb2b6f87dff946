"""What a task needs, in the words of ``sbatch``; and whether the GPUs that came are the ones that were asked for.

Slurm knows GPUs by names that each site chooses: types (``gpu:a100:1``) or features of nodes (``--constraint``). What
memory and compute capability stand behind such a name is for the catalogue's settings to say. Where they say nothing,
any GPU is asked for, and the node looks at what it was given before the command runs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from executors.host import Gpu
from executors.model import GIGABYTE, Resources
from executors.slurm.jobs import Shape
from ontology.errors import InvalidRequestError, UnsupportedError

_AGENT_BYTES = 256 << 20
"""Memory that what carries a task through needs beside the task itself."""
_MARGIN_S = 120.0
"""Time that a job is given beyond its task's: the node ends the task exactly, the cluster only makes sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuKind:
    """A kind of GPU that a cluster has.

    Attributes:
        memory_gb: Memory of one.
        compute_capability: Its CUDA compute capability (``"8.0"``).
        type: Its type in ``gres.conf``; None where types are not told apart.
        feature: Feature of the nodes that have it, in ``slurm.conf``; None likewise.
    """

    memory_gb: float
    compute_capability: str
    type: str | None = None
    feature: str | None = None

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> GpuKind:
        """Return the kind that a setting describes.

        Raises:
            InvalidRequestError: It is not described in full.
        """
        try:
            kind = cls(**members)
            _version(kind.compute_capability)
        except (TypeError, ValueError) as error:
            detail = f"A kind of GPU is not described in full: {error}."
            raise InvalidRequestError(detail, field="slurm_gpus") from error
        if not (kind.type or kind.feature):
            raise InvalidRequestError("A kind of GPU needs a type or a feature to be asked for by.", field="slurm_gpus")
        return kind

    def suits(self, resources: Resources) -> bool:
        """Tell whether it is what a task asks for."""
        return _is_enough(int(self.memory_gb * GIGABYTE), self.compute_capability, resources)


def job_options(resources: Resources, *, grace_s: float, shape: Shape, kinds: Sequence[GpuKind]) -> tuple[str, ...]:
    """Return what a task asks for in the words of ``sbatch``.

    The time is no more than the partition gives at all: a job that asks for more would wait for ever.

    Raises:
        UnsupportedError: No kind of GPU of this cluster is what it asks for.
    """
    minutes = math.ceil((resources.wall_s + grace_s + _MARGIN_S) / 60)
    minutes = minutes if shape.minutes is None else min(minutes, shape.minutes)
    options = [f"--cpus-per-task={resources.cpu_cores}", f"--time={minutes}"]
    if resources.ram_bytes is not None:
        options.append(f"--mem={math.ceil((resources.ram_bytes + _AGENT_BYTES) / (1 << 20))}M")
    if resources.gpus:
        options += gpu_options(resources, kinds)
    return tuple(options)


def gpu_options(resources: Resources, kinds: Sequence[GpuKind]) -> list[str]:
    """Return how the GPUs are asked for: of any kind, by features, or by the first type that is enough.

    Raises:
        UnsupportedError: The cluster's kinds are known, and none of them is enough.
    """
    if not kinds or not wants_a_kind(resources):
        return [f"--gres=gpu:{resources.gpus}"]
    suited = [kind for kind in kinds if kind.suits(resources)]
    if not suited:
        field = "resources.gpu_memory_gb" if resources.gpu_memory_gb else "resources.gpu_compute_capability"
        detail = f"None of the cluster's {len(kinds)} kinds of GPU is what the task asks for."
        raise UnsupportedError(detail, field=field, next_step="Ask for less, or describe more kinds in slurm_gpus.")
    features = [kind.feature for kind in suited if kind.feature]
    if features and len(features) == len(suited):
        return [f"--gres=gpu:{resources.gpus}", f"--constraint={'|'.join(dict.fromkeys(features))}"]
    typed = next(kind.type for kind in suited if kind.type)
    return [f"--gres=gpu:{typed}:{resources.gpus}"]


def wants_a_kind(resources: Resources) -> bool:
    """Tell whether a task asks for more of a GPU than that it is one."""
    return bool(resources.gpus and (resources.gpu_memory_gb or resources.gpu_compute_capability))


def unfit(resources: Resources, gpus: Collection[Gpu]) -> str | None:
    """Return why the GPUs that a job was given are not what its task asked for; None when they are."""
    for gpu in gpus:
        if not _is_enough(gpu.memory_bytes, gpu.compute_capability, resources):
            return f"The cluster gave a GPU ({gpu.model}) that has less than the task asks for."
    return None


def _is_enough(memory_bytes: int, capability: str | None, resources: Resources) -> bool:
    wanted = resources.gpu_compute_capability
    enough = capability is None or wanted is None or _version(capability) >= _version(wanted)
    return enough and memory_bytes >= resources.gpu_memory_bytes


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)
