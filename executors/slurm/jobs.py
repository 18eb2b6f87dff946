"""What a cluster says of jobs and nodes, read from the words that its commands print."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from executors.slurm.states import JobState

PREFIX = "sillage-"
"""What the names of all our jobs begin with."""

REST = -1
"""Number of the job that stands for all of an array that ended without ever having had a job of its own."""

_GPUS = re.compile(r"gpu(?::[^:,()]+)?:(\d+)")
_FIELD = re.compile(r"(\w+)=(\S*)")
_LIMIT = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
_TAIL_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Which job a task is: the name of its batch, and its number there.

    Numbers of jobs come again when a controller lost its memory; the name of a batch never does.
    """

    batch: str
    index: int


@dataclass(frozen=True, slots=True)
class Job:
    """What the cluster says of one job.

    Attributes:
        id: As commands take it: ``17_3``.
        place: By which it is known to us.
        state: What it is doing.
        why: Why it waits, in Slurm's own word.
    """

    id: str
    place: Place
    state: JobState
    why: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """The most that one task can be given: a task never spans nodes.

    Attributes:
        cpu_cores: Cores of the largest node.
        ram_bytes: Memory of the node that has most.
        gpus: GPUs of the node that has most.
        minutes: Longest time that the partition gives a job; None where it has no limit.
    """

    cpu_cores: int
    ram_bytes: int
    gpus: int
    minutes: int | None = None


def read_job(fields: Sequence[str]) -> Job | None:
    """Return the job of ``(array, index, state, why, name)``; None for one that is not ours."""
    array, index, state, why, name = fields
    if not name.startswith(PREFIX):
        return None
    number = int(index) if index.isdecimal() else REST
    return Job(f"{array}_{index}", Place(name, number), JobState.read(state), why)


def find(jobs: Mapping[Place, Job], place: Place) -> Job | None:
    """Return the job at a place: its own, or what stands for those of its array that were ended before they began."""
    return jobs.get(place) or jobs.get(Place(place.batch, REST))


def read_accounts(lines: Iterable[str]) -> Iterator[Job]:
    """Yield our jobs from ``sacct --parsable2`` with ``JobID,State,JobName``; its state may add who canceled."""
    for line in lines:
        number, state, name = line.split("|", 2)
        array, _, index = number.partition("_")
        job = read_job([array, index, state.partition(" ")[0], "", name])
        if job is not None:
            yield job


def read_completions(path: Path, batches: Collection[str]) -> Iterator[Job]:
    """Yield the jobs of some batches that ``jobcomp/filetxt`` has noted; ``sacct -c`` cannot read arrays there.

    The newest 64 MB of the file are read. Where it cannot be read there are none.
    """
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL_BYTES))
            for line in stream:
                if PREFIX.encode() in line:
                    fields = dict(_FIELD.findall(line.decode(errors="replace")))
                    wanted = [fields.get(k, "") for k in ("ArrayJobId", "ArrayTaskId", "JobState", "", "Name")]
                    job = read_job(wanted) if fields.get("Name") in batches else None
                    if job is not None:
                        yield job
    except OSError:
        return


def read_shape(lines: Iterable[str], *, named: bool) -> Shape | None:
    """Return the most that one task can be given, from ``sinfo --Node --format=%c|%m|%G|%l|%P``; None without nodes.

    Args:
        lines: What it printed.
        named: Whether it was asked for one partition; otherwise the default one counts, which bears a ``*``.
    """
    nodes = [line.split("|") for line in lines if line.count("|") == 4]
    if not named:
        nodes = [node for node in nodes if node[4].endswith("*")] or nodes
    if not nodes:
        return None
    limits = [_minutes(node[3]) for node in nodes]
    bounded = [limit for limit in limits if limit is not None]
    return Shape(
        cpu_cores=max(int(node[0].rstrip("+")) for node in nodes),
        ram_bytes=max(int(node[1].rstrip("+")) for node in nodes) << 20,
        gpus=max(sum(map(int, _GPUS.findall(node[2]))) for node in nodes),
        minutes=max(bounded) if len(bounded) == len(limits) else None,
    )


def _minutes(limit: str) -> int | None:
    """Return the minutes of ``[days-][hours:]minutes:seconds``; None for ``infinite`` and for what is not known."""
    found = _LIMIT.fullmatch(limit)
    if found is None:
        return None
    days, hours, minutes, _ = (int(part or 0) for part in found.groups())
    return max(1, (days * 24 + hours) * 60 + minutes)
