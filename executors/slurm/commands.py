"""Slurm's commands: what is asked of them, in which words, and for how long.

Every call is bounded in time, gets an environment of its own so that nothing set for other jobs (``SBATCH_...``) has an
effect, and is read by a format that we fix. ``--json`` is not used: its form changes with every release of Slurm.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from executors.slurm.states import JobState
from ontology.errors import BackendUnavailableError, UnsupportedError

PREFIX = "sillage-"
"""What the names of all our jobs begin with."""

REST = -1
"""Number of the job that stands for all of an array that ended without ever having had a job of its own."""

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG")
_PASSING = re.compile(
    r"try again|temporarily|unable to contact|timed out|connection|MaxSubmitJob|MaxJobCount|communicat|not responding|"
    r"zero bytes|slurm_persist_conn|Slurm backup controller",
    re.IGNORECASE,
)
_MISSING_JOB = re.compile(r"invalid job id", re.IGNORECASE)
_GPUS = re.compile(r"gpu(?::[^:,()]+)?:(\d+)")
_FIELD = re.compile(r"(\w+)=(\S*)")
_TAIL_BYTES = 64_000_000


class RefusedError(Exception):
    """The cluster answered, and will not take the job."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which job a task is: the name of its batch, and its number there."""

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
    """The most that one task can be given: a task never spans nodes."""

    cpu_cores: int
    ram_bytes: int
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for with ``sbatch``: one array of jobs that all need the same."""

    name: str
    script: str
    count: int
    log: Path
    options: tuple[str, ...]
    environ: Mapping[str, str]


class Slurm:
    """The commands of one cluster.

    Args:
        conf: Its ``slurm.conf``; the system's unless told.
        timeout_s: Seconds that a command may take.
    """

    def __init__(self, *, conf: Path | None = None, timeout_s: float = 30.0) -> None:
        self._timeout_s = timeout_s
        self._environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._environ["SLURM_TIME_FORMAT"] = "standard"
        chosen = str(conf) if conf is not None else os.environ.get("SLURM_CONF")
        if chosen:
            self._environ["SLURM_CONF"] = chosen
        self._config: dict[str, str] | None = None

    def submit(self, request: Request) -> str:
        """Submit an array of jobs and return its number.

        Raises:
            RefusedError: The cluster does not take it, and would not later.
            BackendUnavailableError: It did not answer, or cannot take it now; it may have taken it nevertheless.
        """
        command = (
            "sbatch",
            "--parsable",
            f"--job-name={request.name}",
            f"--array=0-{request.count - 1}",
            f"--output={request.log}",
            "--export=ALL",
            "--no-requeue",
            "--chdir=/",
            "--nodes=1",
            "--ntasks=1",
            *request.options,
        )
        printed = self._call(command, text=request.script, environ=request.environ)
        return printed.strip().partition(";")[0]

    def jobs(self) -> dict[Place, Job]:
        """Return all our jobs that the cluster's controller remembers, ended ones too.

        Raises:
            BackendUnavailableError: It did not answer.
        """
        printed = self._call(
            ("squeue", "--me", "--noheader", "--array", "--states=all", "--format=%F|%K|%T|%r|%j"), patient=True
        )
        found = [_job(line.split("|", 4)) for line in printed.splitlines() if line.count("|") >= 4]
        return {job.place: job for job in found if job is not None}

    def history(self, batches: Collection[str]) -> dict[Place, Job]:
        """Return what the cluster's accounts say of jobs that its controller has forgotten.

        Raises:
            BackendUnavailableError: They cannot be had now.
        """
        config = self._settings()
        if "none" not in config.get("AccountingStorageType", "none"):
            return self._accounted(batches)
        if "filetxt" in config.get("JobCompType", ""):
            return {job.place: job for job in read_completions(Path(config["JobCompLoc"]), batches)}
        return {}

    def _accounted(self, batches: Collection[str]) -> dict[Place, Job]:
        command = ("sacct", "--noheader", "--parsable2", "--allocations", "--starttime=now-60days")
        printed = self._call((*command, f"--name={','.join(batches)}", "--format=JobID,State,JobName"))
        found = {}
        for line in printed.splitlines():
            number, state, name = line.split("|", 2)
            array, _, index = number.partition("_")
            job = _job([array, index, state.partition(" ")[0], "", name])
            if job is not None:
                found[job.place] = job
        return found

    def cancel(self, jobs: Sequence[str]) -> None:
        """End jobs; those that are gone are no error.

        Raises:
            BackendUnavailableError: The cluster did not answer.
        """
        if jobs:
            self._tell(("scancel", "--quiet", *jobs))

    def wake(self, job: str) -> None:
        """Let the process that carries a task through look at once whether somebody asked for its end.

        Raises:
            BackendUnavailableError: The cluster did not answer.
        """
        self._tell(("scancel", "--quiet", "--batch", "--signal=USR1", job))

    def shape(self, partition: str | None) -> Shape:
        """Return the most that one task can be given.

        Raises:
            BackendUnavailableError: The cluster did not answer.
            UnsupportedError: There is no such partition, or it has no nodes.
        """
        where = () if partition is None else (f"--partition={partition}",)
        printed = self._call(("sinfo", "--noheader", "--Node", "--format=%c|%m|%G|%P", *where))
        nodes = [line.split("|") for line in printed.splitlines() if line.count("|") == 3]
        if partition is None:
            nodes = [node for node in nodes if node[3].endswith("*")] or nodes
        if not nodes:
            raise UnsupportedError(f"The cluster has no nodes in partition {partition!r}.", field="partition")
        return Shape(
            cpu_cores=max(int(node[0].rstrip("+")) for node in nodes),
            ram_bytes=max(int(node[1].rstrip("+")) for node in nodes) << 20,
            gpus=max(sum(map(int, _GPUS.findall(node[2]))) for node in nodes),
        )

    def longest_array(self) -> int:
        """Return how many jobs one array may have.

        Raises:
            BackendUnavailableError: The cluster did not answer.
        """
        return max(1, int(self._settings().get("MaxArraySize", "1001")) - 1)

    def _settings(self) -> dict[str, str]:
        if self._config is None:
            printed = self._call(("scontrol", "show", "config"))
            pairs = (line.partition("=") for line in printed.splitlines() if "=" in line)
            self._config = {name.strip(): value.strip() for name, _, value in pairs}
        return self._config

    def _tell(self, command: Sequence[str]) -> None:
        try:
            self._call(command)
        except RefusedError as refused:
            if not _MISSING_JOB.search(str(refused)):
                raise BackendUnavailableError(f"The cluster does not obey: {refused}.") from refused

    def _call(
        self,
        command: Sequence[str],
        *,
        text: str | None = None,
        environ: Mapping[str, str] | None = None,
        patient: bool = False,
    ) -> str:
        """Run a command; ``patient`` takes every failure for a passing one: nothing was asked that can be refused."""
        try:
            done = subprocess.run(
                list(command),
                input=text or "",
                env={**self._environ, **(environ or {})},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout_s,
                check=False,
            )
        except FileNotFoundError as error:
            detail, advice = f"{command[0]} is not installed here.", "Install Slurm's commands (slurm-client)."
            raise BackendUnavailableError(detail, next_step=advice) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BackendUnavailableError(f"{command[0]} did not answer in {self._timeout_s:g} s.") from error
        if done.returncode == 0:
            return done.stdout
        said = " ".join(done.stderr.split())[:300]
        if patient or _PASSING.search(said) or not said:
            raise BackendUnavailableError(f"Slurm does not answer: {said or command[0]}.")
        raise RefusedError(said)


def _job(fields: Sequence[str]) -> Job | None:
    """Return the job of ``(array, index, state, why, name)``; None for one that is not ours."""
    array, index, state, why, name = fields
    if not name.startswith(PREFIX):
        return None
    number = int(index) if index.isdecimal() else REST
    return Job(f"{array}_{index}", Place(name, number), JobState.read(state), why)


def find(jobs: Mapping[Place, Job], place: Place) -> Job | None:
    """Return the job at a place: its own, or what stands for those of its array that were ended before they began."""
    return jobs.get(place) or jobs.get(Place(place.batch, REST))


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
                    job = _job(wanted) if fields.get("Name") in batches else None
                    if job is not None:
                        yield job
    except OSError:
        return


__all__ = ["PREFIX", "Job", "Place", "RefusedError", "Request", "Shape", "Slurm", "read_completions"]
