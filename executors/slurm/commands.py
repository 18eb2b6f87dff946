"""Slurm's commands: what is asked of them, in which words, and for how long.

Every call is bounded in time, gets an environment of its own so that nothing set for other jobs (``SBATCH_...``) has an
effect, and is read by a format that we fix. ``--json`` is not used: its form changes with every release of Slurm.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from executors.slurm.jobs import Job, Place, Shape, read_accounts, read_completions, read_job, read_shape
from ontology.errors import BackendUnavailableError, UnsupportedError

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG")
_PASSING = re.compile(
    r"try again|temporarily|unable to contact|timed out|connection|MaxSubmitJob|MaxJobCount|communicat|not responding|"
    r"zero bytes|slurm_persist_conn|Slurm backup controller",
    re.IGNORECASE,
)
_NAMES_AT_ONCE = 1000
"""So many names of batches fit into one word of a command line."""

_MISSING_JOB = re.compile(r"invalid job id", re.IGNORECASE)


class RefusedError(Exception):
    """The cluster answered, and will not take the job."""


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
        self._shapes: dict[str | None, Shape] = {}

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
        found = [read_job(line.split("|", 4)) for line in printed.splitlines() if line.count("|") >= 4]
        return {job.place: job for job in found if job is not None}

    def history(self, batches: Collection[str]) -> dict[Place, Job]:
        """Return what can be had of jobs that the controller has forgotten: from accounts, else from its log of ends.

        Raises:
            BackendUnavailableError: There are accounts, and they do not answer now.
        """
        config = self._settings()
        found: dict[Place, Job] = {}
        if "filetxt" in config.get("JobCompType", ""):
            found = {job.place: job for job in read_completions(Path(config["JobCompLoc"]), batches)}
        if "none" not in config.get("AccountingStorageType", "none"):
            found |= {job.place: job for job in self._accounted(sorted(batches))}
        return found

    def _accounted(self, batches: Sequence[str]) -> Iterator[Job]:
        """Yield jobs from the accounts; where there is no ``sacct``, or it may not be asked, there are none."""
        if shutil.which("sacct", path=self._environ.get("PATH")) is None:
            return
        command = ("sacct", "--noheader", "--parsable2", "--allocations", "--starttime=now-60days")
        for start in range(0, len(batches), _NAMES_AT_ONCE):
            names = ",".join(batches[start : start + _NAMES_AT_ONCE])
            try:
                printed = self._call((*command, f"--name={names}", "--format=JobID,State,JobName"))
            except RefusedError:
                return
            yield from read_accounts(printed.splitlines())

    def cancel(self, jobs: Sequence[tuple[str, str]]) -> None:
        """End jobs, each given by its batch's name and its number; those that are gone are no error.

        Raises:
            BackendUnavailableError: The cluster did not answer.
        """
        by_name: dict[str, list[str]] = {}
        for name, number in jobs:
            by_name.setdefault(name, []).append(number)
        for name, numbers in by_name.items():
            self._tell(("scancel", "--quiet", f"--name={name}", *numbers))

    def wake(self, name: str, number: str) -> None:
        """Let the process that carries a task through look at once whether somebody asked for its end.

        Raises:
            BackendUnavailableError: The cluster did not answer.
        """
        self._tell(("scancel", "--quiet", "--batch", "--signal=USR1", f"--name={name}", number))

    def shape(self, partition: str | None) -> Shape:
        """Return the most that one task can be given, asked for once.

        Raises:
            BackendUnavailableError: The cluster did not answer.
            UnsupportedError: There is no such partition, or it has no nodes.
        """
        if partition in self._shapes:
            return self._shapes[partition]
        where = () if partition is None else (f"--partition={partition}",)
        command = ("sinfo", "--noheader", "--Node", "--format=%c|%m|%G|%l|%P", *where)
        shape = read_shape(self._call(command, patient=True).splitlines(), named=partition is not None)
        if shape is None:
            raise UnsupportedError(f"The cluster has no nodes in partition {partition!r}.", field="partition")
        self._shapes[partition] = shape
        return shape

    def longest_array(self) -> int:
        """Return how many jobs one array may have.

        Raises:
            BackendUnavailableError: The cluster did not answer.
        """
        return max(1, int(self._settings().get("MaxArraySize", "1001")) - 1)

    def _settings(self) -> dict[str, str]:
        if self._config is None:
            printed = self._call(("scontrol", "show", "config"), patient=True)
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
