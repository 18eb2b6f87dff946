"""Programs that run container images: what each is told so that a task gets what bubblewrap would give it.

podman is what the tests run. The command lines of docker and apptainer are made by the same code and tested as
command lines; ``docs/howto/run-containers.md`` says which is which.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import re
import resource
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from executors.model import GIGABYTE, Resources

CALL_S = 60.0
PULL_S = 3600.0
THREADS_PER_PROCESS = 32
"""The engine's wall counts threads, the task's limit processes: the wall is for what outruns the watcher."""

SLACK_BYTES = 64_000_000
"""Memory between a task's limit, which the watcher notices and explains, and the engine's wall behind it."""

_HANDED_ON = (
    "HOME",
    "PATH",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINER_HOST",
    "DOCKER_HOST",
)
DIGEST = re.compile(r"sha256:([0-9a-f]{64})$")
_ENVIRON_LINE = 30_000
_MOST = {"nofile": 1 << 20, "nproc": 1 << 15}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that is on this machine.

    Attributes:
        run_by: What names exactly this image to the engine.
        id: Digest of its configuration in hex (OCI image specification, ``config``); None for a SIF file.
        digest: The digest that it was asked for by, and has.
    """

    run_by: str
    id: str | None
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What an engine says of a container that has ended, or that it never started."""

    ran: bool
    out_of_memory: bool
    image_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One container to be run.

    Attributes:
        name: Its name, by which it is found again whatever becomes of us.
        image: What to run, as the engine names it.
        command: Argument vector inside.
        environ: Environment to add to the image's own.
        environ_file: Where to write it, so that no value shows in the list of processes.
        work: Working folder on this machine, and ``workdir`` inside.
        workdir: See ``work``.
        mounts: Read-only files and folders: where they lie, and their path inside.
        network: Whether it shares the machine's network.
        resources: Its limits.
        scratch_bytes: Size of ``/tmp`` and of ``/dev/shm``.
        gpus: Devices by the driver's own name.
        pid_file: Where the engine is to write the number of the container's first process.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    environ_file: Path
    work: Path
    workdir: str
    mounts: tuple[tuple[Path, str], ...]
    network: bool
    resources: Resources
    scratch_bytes: int
    gpus: tuple[str, ...]
    pid_file: Path


class Engine(ABC):
    """A program that runs images."""

    name: ClassVar[str]
    keeps_containers: ClassVar[bool]
    """Whether containers are the engine's own, with names, and outlive the client that asked for them."""

    writes_pid: ClassVar[bool] = True
    """Whether it writes the number of a container's first process into a file, and need not be asked for it."""

    not_enforced: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, program: str) -> None:
        self.program = program

    def environ(self) -> dict[str, str]:
        """Return what the engine's client needs of our environment; nothing of it gets into a container."""
        return {name: os.environ[name] for name in _HANDED_ON if name in os.environ}

    def call(self, *words: str, timeout: float = CALL_S) -> subprocess.CompletedProcess[str]:
        """Ask the engine something.

        Raises:
            OSError: It cannot be started.
            subprocess.TimeoutExpired: It does not answer.
        """
        return subprocess.run(
            [*self.words(), *words], capture_output=True, text=True, timeout=timeout, check=False, env=self.environ()
        )

    def words(self) -> list[str]:
        """Return the program with the options that every call needs on this machine."""
        return [self.program]

    @functools.cached_property
    def version(self) -> str | None:
        """Its version."""
        found = re.search(r"\d+(\.\d+)+", self.call("--version").stdout)
        return found[0] if found else None

    @abstractmethod
    def find(self, reference: str) -> Image | None:
        """Return the image that a reference with a digest names, verified; None when it is not on this machine."""

    @abstractmethod
    def pull_words(self, reference: str) -> list[str]:
        """Return the command by which a person gets an image."""

    @abstractmethod
    def run_words(self, order: Order) -> list[str]:
        """Return the command that runs a container in the foreground."""

    def ended(self, name: str) -> Ended | None:
        """Return what became of a container; None when there is none of this name."""
        return None

    def first_process(self, name: str) -> int | None:
        """Return the first process of a running container; None when it does not run."""
        return None

    def remove(self, name: str) -> bool:
        """Kill and remove a container; harmless when there is none. False when it is still there."""
        return True


class OciEngine(Engine):
    """What podman and docker have in common: nearly all."""

    keeps_containers = True

    @override
    def find(self, reference: str) -> Image | None:
        """By the digest of its manifest, as registries name it, or else of its configuration (the image's ID)."""
        asked = DIGEST.search(reference)
        if asked is None:
            return None
        digest = asked[1]
        for name in (_without_tag(reference), digest):
            done = self.call("image", "inspect", name)
            if done.returncode == 0:
                found: dict[str, Any] = json.loads(done.stdout)[0]
                identifier = str(found["Id"]).removeprefix("sha256:")
                known = [found.get("Digest") or "", *(found.get("RepoDigests") or []), f"sha256:{identifier}"]
                if digest in {known.rpartition("sha256:")[2] for known in known}:
                    return Image(run_by=identifier, id=identifier, digest=digest)
        return None

    @override
    def pull_words(self, reference: str) -> list[str]:
        return [self.name, "pull", _without_tag(reference)]

    @override
    def run_words(self, order: Order) -> list[str]:
        scratch = str(order.scratch_bytes)
        words = [*self.words(), "run", "--name", order.name, "--pull", "never"]
        words += ["--read-only", "--tmpfs", f"/tmp:rw,nosuid,nodev,mode=1777,size={scratch}"]  # noqa: S108
        words += ["--shm-size", scratch, "--network", "host" if order.network else "none", "--hostname", "sillage"]
        words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        words += ["--user", f"{os.getuid()}:{os.getgid()}", "--workdir", order.workdir]
        words += [*self.own_options(order), *self.limits(order.resources), *self.gpu_options(order.gpus)]
        words += [*_environ_options(order), *mount_options(order)]
        return [*words, "--entrypoint", order.command[0], order.image, *order.command[1:]]

    @abstractmethod
    def own_options(self, order: Order) -> list[str]:
        """Return the options in which the engines differ."""

    @abstractmethod
    def gpu_options(self, gpus: Sequence[str]) -> list[str]:
        """Return what shows these GPUs to a container, and no others."""

    def controllers(self) -> frozenset[str]:
        """Return which control groups the engine can set limits by."""
        return frozenset({"memory", "pids", "cpu"})

    def limits(self, resources: Resources) -> list[str]:
        """Return the walls behind the limits that the watcher looks after."""
        there = self.controllers()
        words = [f"--ulimit={name}={most}:{most}" for name, most in _rlimits(resources)]
        if "pids" in there:
            words += ["--pids-limit", str(resources.processes * THREADS_PER_PROCESS)]
        if "cpu" in there:
            words += ["--cpus", str(resources.cpu_cores)]
        if "memory" in there and resources.ram_bytes is not None:
            most = str(resources.ram_bytes * 5 // 4 + SLACK_BYTES)
            words += ["--memory", most, "--memory-swap", most]
        return words

    @override
    def ended(self, name: str) -> Ended | None:
        done = self.call("container", "inspect", name)
        if done.returncode != 0:
            return None
        found: dict[str, Any] = json.loads(done.stdout)[0]
        state = found["State"]
        return Ended(
            ran=not str(state.get("StartedAt") or "0001").startswith("0001"),
            out_of_memory=bool(state.get("OOMKilled")),
            image_id=str(found["Image"]).removeprefix("sha256:"),
        )

    @override
    def first_process(self, name: str) -> int | None:
        done = self.call("container", "inspect", name)
        return int(json.loads(done.stdout)[0]["State"]["Pid"]) or None if done.returncode == 0 else None

    @override
    def remove(self, name: str) -> bool:
        return self.call("rm", "--force", "--volumes", name).returncode == 0


class Podman(OciEngine):
    """podman, with or without root."""

    name = "podman"
    _told: dict[str, Any] | None = None

    @override
    def words(self) -> list[str]:
        """Add what podman needs to be told where there is no systemd, or no crun."""
        words = [self.program, "--events-backend", "none"]
        if not Path("/run/systemd/system").is_dir():
            words += ["--cgroup-manager", "cgroupfs"]
        if shutil.which("crun") is None and shutil.which("runc") is not None:
            words += ["--runtime", "runc"]
        return words

    @override
    def own_options(self, order: Order) -> list[str]:
        words = ["--pidfile", str(order.pid_file), "--log-driver", "passthrough", "--read-only-tmpfs=false"]
        words += ["--http-proxy=false", "--passwd=false", "--unsetenv", "TERM"]
        words += ["--security-opt", "label=disable"]
        if not order.network:
            words += ["--no-hosts"]
        if os.getuid() != 0:
            words += ["--userns", "keep-id"]
        return words + (["--init"] if self._has_init() else [])

    @staticmethod
    def _has_init() -> bool:
        places = [Path("/usr/libexec/podman/catatonit"), Path("/usr/lib/podman/catatonit")]
        return shutil.which("catatonit") is not None or any(place.exists() for place in places)

    @override
    def gpu_options(self, gpus: Sequence[str]) -> list[str]:
        return [word for gpu in gpus for word in ("--device", f"nvidia.com/gpu={gpu}")]

    @override
    def controllers(self) -> frozenset[str]:
        if self._told is None:
            done = self.call("info", "--format", "json")
            self._told = json.loads(done.stdout)["host"] if done.returncode == 0 else {}
        return frozenset(self._told.get("cgroupControllers") or ())


class Docker(OciEngine):
    """docker. What it runs is the daemon's: its own client only waits."""

    name = "docker"
    writes_pid = False

    @override
    def environ(self) -> dict[str, str]:
        """Leave out the client's configuration: it may put the address of a proxy into every container."""
        return {**super().environ(), "DOCKER_CONFIG": "/nonexistent"}

    @override
    def own_options(self, order: Order) -> list[str]:
        return ["--init", "--log-driver", "none"]

    @override
    def gpu_options(self, gpus: Sequence[str]) -> list[str]:
        return ["--gpus", f'"device={",".join(gpus)}"'] if gpus else []


def _without_tag(reference: str) -> str:
    """Return ``NAME@sha256:DIGEST`` of a reference that may have a tag besides: engines do not take both."""
    name, _, digest = reference.partition("@")
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}@{digest}"


def _rlimits(resources: Resources) -> list[tuple[str, int]]:
    """Return limits of single processes: none above our own, because an engine may not be able to raise its own."""
    limits = [("core", 0), ("fsize", max(resources.disk_bytes, resources.log_bytes))]
    for name, number in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        most = resource.getrlimit(number)[1]
        limits.append((name, _MOST[name] if most == resource.RLIM_INFINITY else min(most, _MOST[name])))
    return limits


def _environ_options(order: Order) -> list[str]:
    """Pass the environment in a file; what a line of that file cannot hold shows in the list of processes."""
    lines, words = [], []
    for name, value in order.environ.items():
        if "\n" in value or "\r" in value or len(value) > _ENVIRON_LINE:
            words += ["--env", f"{name}={value}"]
        else:
            lines.append(f"{name}={value}\n")
    order.environ_file.touch(mode=0o600)
    order.environ_file.write_text("".join(lines), encoding="utf-8")
    return ["--env-file", str(order.environ_file), *words]


def mount_options(order: Order, kind: str = "bind", writable: str | None = None) -> list[str]:
    """Return what mounts the working folder and, read-only, everything else; the engines differ in two words."""
    work = [f"type={kind}", f"source={order.work}", f"destination={order.workdir}", *([writable] if writable else [])]
    words = ["--mount", _row(work)]
    for lies, inside in order.mounts:
        marked = "ro" if writable else "readonly"
        words += ["--mount", _row([f"type={kind}", f"source={lies}", f"destination={inside}", marked])]
    return words


def _row(fields: Sequence[str]) -> str:
    """Return one line of CSV (RFC 4180), which is how engines read mounts: a path may hold a comma."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()


def scratch_bytes(resources: Resources) -> int:
    """Return the size of each folder that is kept in memory."""
    most = 2 * GIGABYTE
    return min(most, resources.ram_bytes or most, max(resources.disk_bytes, 1 << 20))
