"""Turning a task description into a command that is confined, by bubblewrap or not at all.

See ``docs/explanation/sandbox.md`` for what each way holds and what it does not.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from typing_extensions import override

from executors.attempts.folder import TaskFolder
from executors.host import list_gpus
from executors.model import GIGABYTE, TaskSpec
from executors.observation.reported import FILE as REPORT_FILE
from executors.observation.reported import VARIABLE as REPORT
from executors.rewrite import PathMap
from ontology.errors import UnsupportedError

OPTIONS_FD = 9
"""Descriptor on which bubblewrap reads its options, so that no path shows in the list of processes."""

STATUS_FD = 8
"""Descriptor on which bubblewrap reports the first process of the sandbox."""

ALL_PROMISES = (
    "filesystem",
    "network",
    "processes",
    "ipc",
    "hostname",
    "capabilities",
    "environment",
)
"""What a sandbox can enforce; the record of every run says which were, and which were not."""

MARKER = "SILLAGE_TASK"
"""Environment variable by which a task's processes are found again: without a sandbox all, with one bubblewrap's."""

NO_NESTING = ("--unshare-user", "--disable-userns")
"""A task that cannot make user namespaces of its own reaches less of the kernel; where the kernel allows it."""

_TMP_BYTES = 2 * GIGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What the wrapper is to start.

    Attributes:
        argv: Command as the machine sees it.
        environ: Its environment, complete.
        options: Bytes to be read on :data:`OPTIONS_FD`; None when nothing reads there.
        nested: Folders inside the working folder that serve as mount points and are removed afterwards.
        bounded: Whether the size of a file is limited by the wrapper; else the sandbox does it by itself.
    """

    argv: tuple[str, ...]
    environ: dict[str, str]
    options: bytes | None = None
    nested: tuple[Path, ...] = ()
    bounded: bool = True


class Sandbox(ABC):
    """A way to confine a command."""

    kind: ClassVar[str]
    enforced: ClassVar[frozenset[str]]

    @abstractmethod
    def launch(self, spec: TaskSpec, folder: TaskFolder, gpus: tuple[int, ...]) -> Launch:
        """Return the command for a task whose folder was prepared."""

    def describe(self) -> dict[str, object]:
        """Return what the record says of the sandbox."""
        return {
            "kind": self.kind,
            "enforced": [name for name in ALL_PROMISES if name in self.enforced],
            "not_enforced": [name for name in ALL_PROMISES if name not in self.enforced],
        }


def task_environ(spec: TaskSpec, gpus: tuple[int, ...]) -> dict[str, str]:
    """Return the task's whole environment: nothing comes from the service's own."""
    threads = str(spec.resources.cpu_cores)
    # An image knows best where its own programs are.
    programs = {} if spec.environment.kind == "container" else {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return {
        "HOME": "/tmp",  # noqa: S108
        "LANG": "C.UTF-8",
        **programs,
        "TMPDIR": "/tmp",  # noqa: S108
        REPORT: f"{spec.workdir}/{REPORT_FILE}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "CUDA_VISIBLE_DEVICES": ",".join(gpu_names(gpus)) if gpus else "",
        **spec.env,
    }


def gpu_names(gpus: tuple[int, ...]) -> tuple[str, ...]:
    """Return what CUDA is to know the GPUs by: the device's own name, or its number where no driver tells one."""
    names = {gpu.index: gpu.uuid for gpu in list_gpus()}
    return tuple(names.get(number, str(number)) for number in gpus)


class PlainSandbox(Sandbox):
    """No sandbox: the command runs as the service's own user, with paths rewritten to where things lie.

    Inputs are linked into a folder tree of the same shape, so that a command that looks beside an input finds
    what it would find in a sandbox, and so that no odd character of a real path gets into a command.
    """

    kind = "none"
    enforced = frozenset({"environment"})

    @override
    def launch(self, spec: TaskSpec, folder: TaskFolder, gpus: tuple[int, ...]) -> Launch:
        root = folder.path / "root"
        scratch = folder.path / "tmp"
        scratch.mkdir(exist_ok=True)
        places = {spec.workdir: str(folder.work), "/tmp": str(scratch)}  # noqa: S108
        places |= {mount.path: str(mount.host_path) for mount in spec.all_mounts}
        links = [(item.path, item.host_path) for item in spec.inputs] + read_only_contents(spec, folder)
        for path, lies in links:
            place = _place_of(path, spec, folder, root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(lies.absolute())
            places[path] = str(place)
        rewrite = PathMap(places).rewrite
        environ = {name: rewrite(value) for name, value in task_environ(spec, gpus).items()}
        environ[MARKER] = folder.mark
        return Launch(argv=tuple(map(rewrite, spec.argv)), environ=environ)


def _place_of(path: str, spec: TaskSpec, folder: TaskFolder, root: Path) -> Path:
    prefix = spec.workdir.rstrip("/") + "/"
    return folder.work / path.removeprefix(prefix) if path.startswith(prefix) else root / path.lstrip("/")


class BubblewrapSandbox(Sandbox):
    """bubblewrap: own mount, process, IPC, host-name, control-group and (unless asked) network namespaces."""

    kind = "bubblewrap"
    enforced = frozenset(ALL_PROMISES)

    def __init__(self, program: str, base: list[str]) -> None:
        self._program = program
        self._base = base

    @override
    def launch(self, spec: TaskSpec, folder: TaskFolder, gpus: tuple[int, ...]) -> Launch:
        options = [*self._base, *_sized_tmpfs("/tmp", spec), *_sized_tmpfs("/dev/shm", spec)]  # noqa: S108
        if spec.network:
            options += ["--share-net", *_try("/etc/resolv.conf", "/etc/hosts", "/etc/ssl", "/etc/ca-certificates")]
        if gpus:
            options += _gpu_options(gpus)
        options += ["--bind", str(folder.work), spec.workdir]
        for mount in spec.all_mounts:
            options += ["--ro-bind", str(mount.host_path), mount.path]
        for item in spec.inputs:
            options += ["--ro-bind", str(item.host_path), item.path]
        for path, lies in read_only_contents(spec, folder):
            options += ["--ro-bind", str(lies), path]
        options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", spec.workdir]
        for name, value in task_environ(spec, gpus).items():
            options += ["--setenv", name, value]
        return Launch(
            argv=(self._program, "--args", str(OPTIONS_FD), "--json-status-fd", str(STATUS_FD), "--", *spec.argv),
            environ={"PATH": "/usr/bin:/bin", MARKER: folder.mark},
            options=b"".join(os.fsencode(option) + b"\0" for option in options),
            nested=mount_points(spec, folder),
        )

    @override
    def describe(self) -> dict[str, object]:
        return {**super().describe(), "version": bubblewrap_version(self._program)}


def _base_options(shared: Path) -> list[str]:
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    options += ["--hostname", "sillage", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        top = Path("/", name)
        if top.is_symlink():
            options += ["--symlink", os.readlink(top), str(top)]
        elif top.is_dir():
            options += ["--ro-bind", str(top), str(top)]
    options += _try("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/nsswitch.conf")
    for name in ("passwd", "group"):
        options += ["--ro-bind", str(shared / name), f"/etc/{name}"]
    return [*options, "--proc", "/proc", "--dev", "/dev"]


def _try(*paths: str) -> list[str]:
    return [word for path in paths for word in ("--ro-bind-try", path, path)]


def _sized_tmpfs(path: str, spec: TaskSpec) -> list[str]:
    size = min(_TMP_BYTES, spec.resources.ram_bytes or _TMP_BYTES, max(spec.resources.disk_bytes, 1 << 20))
    return ["--size", str(size), "--perms", "1777", "--tmpfs", path]


def _gpu_options(gpus: tuple[int, ...]) -> list[str]:
    devices = [f"/dev/nvidia{number}" for number in gpus]
    devices += ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"]
    options = [word for device in devices for word in ("--dev-bind-try", device, device)]
    return [*options, "--ro-bind-try", "/sys", "/sys"]


def mount_points(spec: TaskSpec, folder: TaskFolder) -> tuple[Path, ...]:
    """Return the places in the working folder over which something is mounted."""
    inside = [mount.path for mount in spec.all_mounts] + [item.path for item in spec.inputs]
    prefix = spec.workdir.rstrip("/") + "/"
    return tuple(folder.work / path.removeprefix(prefix) for path in inside if path.startswith(prefix))


def read_only_contents(spec: TaskSpec, folder: TaskFolder) -> list[tuple[str, Path]]:
    """Return path and place of each small file that we write outside the working folder."""
    prefix = spec.workdir.rstrip("/") + "/"
    outside = [item.path for item in spec.contents if not item.path.startswith(prefix)]
    return [(path, folder.path / "contents" / str(number)) for number, path in enumerate(outside)]


def find_sandbox(wanted: str, shared: Path) -> tuple[Sandbox, str | None]:
    """Return the sandbox to use, and why it is less than bubblewrap where it is.

    Args:
        wanted: ``bubblewrap``, ``none``, or ``auto`` for bubblewrap where it works.
        shared: Folder for the few files that every sandbox shows.

    Raises:
        UnsupportedError: bubblewrap was asked for and does not work here.
    """
    if wanted == "none":
        return PlainSandbox(), "tasks run without a sandbox because the configuration says so"
    program = shutil.which("bwrap")
    problem = "bubblewrap (bwrap) is not installed" if program is None else None
    if program is not None:
        _write_accounts(shared)
        base = _base_options(shared)
        for options in ([*NO_NESTING, *base], base):
            problem = _trial(program, options)
            if problem is None:
                return BubblewrapSandbox(program, options), None
    if wanted == "bubblewrap":
        raise UnsupportedError(f"No sandbox: {problem}.", field="sandbox", next_step="Install bubblewrap.")
    return PlainSandbox(), f"tasks run without a sandbox: {problem}"


def _write_accounts(shared: Path) -> None:
    """Write the accounts that tasks are shown; those of an earlier service may have them mounted, and keep theirs."""
    uid, gid = os.getuid(), os.getgid()
    shared.mkdir(parents=True, exist_ok=True)
    for name, text in (("passwd", f"task:x:{uid}:{gid}:task:/tmp:/bin/sh\n"), ("group", f"task:x:{gid}:\n")):
        partial = shared / f".{name}-{uuid4().hex}"
        partial.write_text(text)
        partial.rename(shared / name)


def _trial(program: str, options: list[str]) -> str | None:
    command = [program, *options, "--", "/usr/bin/true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap cannot be started ({type(error).__name__})"
    return None if done.returncode == 0 else f"bubblewrap does not work here ({done.stderr.strip()[:200]})"


@functools.cache
def bubblewrap_version(program: str) -> str | None:
    """Return bubblewrap's version."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    return done.stdout.strip().removeprefix("bubblewrap ") or None
