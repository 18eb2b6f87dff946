"""Tasks in container images: chosen by digest, confined like any other task, and ended by the name of their container.

An engine's containers are not below the task's wrapper in the tree of processes, and outlive the engine's client. So
the folder of a task says which engine has a container of which name for it (``container``), and whoever ends the task
asks that engine to remove it, whatever became of the wrapper, the client and the service.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from executors.attempts.apptainer import Apptainer
from executors.attempts.engines import CALL_S, PULL_S, Docker, Engine, Image, Order, Podman, scratch_bytes
from executors.attempts.folder import TaskFolder
from executors.attempts.processes import command_line, descendants, send
from executors.attempts.sandbox import (
    ALL_PROMISES,
    MARKER,
    Launch,
    Sandbox,
    gpu_names,
    mount_points,
    read_only_contents,
    task_environ,
)
from executors.model import Environment, TaskSpec
from ontology.errors import BackendUnavailableError, UnsupportedError

if TYPE_CHECKING:
    from executors.attempts.attempt import Machine

log = logging.getLogger(__name__)


class Containers:
    """What a runner knows of images on its machine.

    Args:
        wanted: ``auto`` (the first engine that is installed), ``podman``, ``docker``, ``apptainer`` or ``none``.
        folder: For the few files that every container shows, and for SIF files.
        pull: Whether an image that is not here may be fetched from its registry.
    """

    def __init__(self, wanted: str, folder: Path, *, pull: bool = False) -> None:
        self._engine = find_engine(wanted, folder / "images")
        self._folder = folder
        self._pull = pull
        self._found: dict[str, Image] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The engine that runs images here, if any."""
        return () if self._engine is None else (self._engine.name,)

    def require(self, environment: Environment) -> None:
        """Refuse an image that cannot be run, before any task waits for it.

        Raises:
            UnsupportedError: There is no engine, or the image is not on this machine and may not be fetched.
            BackendUnavailableError: The engine does not answer.
        """
        if environment.kind != "container":
            return
        engine = self._require_engine()
        if not self._pull and self._find(engine, environment.image or "") is None:
            raise _absent(engine, environment.image or "")

    def machine(self, machine: Machine, spec: TaskSpec, folder: TaskFolder) -> Machine:
        """Return what an attempt of this task is to run on: as it is, or with a container for its sandbox."""
        if spec.environment.kind != "container" or self._engine is None:
            return machine
        return replace(machine, sandbox=ContainerSandbox(self, self._engine, folder), warning=None)

    def image(self, engine: Engine, reference: str) -> Image:
        """Return the image to be run, fetched when it may be.

        Raises:
            UnsupportedError: It is not on this machine, and may not be fetched or cannot be.
        """
        found = self._find(engine, reference)
        if found is None and self._pull and engine.keeps_containers:
            engine.call(*engine.pull_words(reference)[1:], timeout=PULL_S)
            found = self._find(engine, reference)
        if found is None:
            raise _absent(engine, reference)
        return found

    def accounts(self) -> tuple[tuple[Path, str], ...]:
        """Return the files by which a program finds the name of its user, and of no user of this machine."""
        uid, gid = os.getuid(), os.getgid()
        texts = {"passwd": f"task:x:{uid}:{gid}:task:/tmp:/bin/sh\n", "group": f"task:x:{gid}:\n"}
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            if not (self._folder / name).exists():
                partial = self._folder / f".{name}-{os.getpid()}-{threading.get_ident()}"
                partial.write_text(text)
                partial.rename(self._folder / name)
        return tuple((self._folder / name, f"/etc/{name}") for name in texts)

    def _require_engine(self) -> Engine:
        if self._engine is None:
            raise UnsupportedError(
                "There is no program here that runs container images.",
                field="environment.kind",
                next_step="Install podman, or let container_engine name one that is installed.",
            )
        return self._engine

    def _find(self, engine: Engine, reference: str) -> Image | None:
        with self._lock:
            if reference not in self._found:
                try:
                    found = engine.find(reference)
                except (OSError, ValueError, subprocess.TimeoutExpired) as error:
                    raise BackendUnavailableError(f"{engine.name} does not answer ({type(error).__name__}).") from error
                if found is None:
                    return None
                self._found[reference] = found
            return self._found[reference]


def find_engine(wanted: str, images: Path) -> Engine | None:
    """Return the engine to use; None when there is none, or none is wanted.

    Args:
        wanted: ``podman``, ``docker``, ``apptainer``, ``none``, or ``auto`` for the first of them that is installed.
        images: Folder of SIF files, for apptainer.
    """
    for name in ("podman", "docker", "apptainer") if wanted == "auto" else (wanted,):
        program = shutil.which(name) or (shutil.which("singularity") if name == "apptainer" else None)
        if program is None:
            continue
        if name == "apptainer":
            return Apptainer(program, images)
        return Podman(program) if name == "podman" else Docker(program)
    return None


class ContainerSandbox(Sandbox):
    """One task in an image: read-only root, its inputs alone, no network unless asked, no powers."""

    kind = "container"
    enforced = frozenset(ALL_PROMISES)

    def __init__(self, containers: Containers, engine: Engine, folder: TaskFolder) -> None:
        self._containers = containers
        self._engine = engine
        self._folder = folder

    @override
    def launch(self, spec: TaskSpec, folder: TaskFolder, gpus: tuple[int, ...]) -> Launch:
        """Return the command, and note in the task's folder by which name its container can be ended.

        Raises:
            UnsupportedError: The image is not on this machine.
        """
        image = self._containers.image(self._engine, spec.environment.image or "")
        order = Order(
            name=f"sillage-{folder.mark}",
            image=image.run_by,
            command=spec.argv,
            environ={**task_environ(spec, gpus), MARKER: folder.mark},
            environ_file=folder.path / "environ",
            work=folder.work,
            workdir=spec.workdir,
            mounts=(*self._containers.accounts(), *_neutral(spec, folder)),
            network=spec.network,
            resources=spec.resources,
            scratch_bytes=scratch_bytes(spec.resources),
            gpus=gpu_names(gpus),
            pid_file=folder.path / "pid",
        )
        held: dict[str, str | None] = {"engine": self._engine.name, "program": self._engine.program, "name": order.name}
        held |= {"image_id": image.id, "digest": image.digest}
        folder.write("container" if self._engine.keeps_containers else "image", json.dumps(held))
        argv = tuple(self._engine.run_words(order))
        own = {**self._engine.environ(), MARKER: folder.mark}
        return Launch(argv=argv, environ=own, nested=mount_points(spec, folder), bounded=False)

    @override
    def describe(self) -> dict[str, object]:
        missing = self._engine.not_enforced
        held = held_container(self._folder) or json.loads(self._folder.read("image") or "{}")
        ran = json.loads(self._folder.read("container-end") or "{}").get("image_id")
        return {
            "kind": self.kind,
            "enforced": [name for name in ALL_PROMISES if name not in missing],
            "not_enforced": [name for name in ALL_PROMISES if name in missing],
            "engine": self._engine.name,
            "version": self._engine.version,
            "image_id": held.get("image_id"),
            "image_digest": held.get("digest"),
            "image_verified": ran is not None and ran == held.get("image_id")
            if self._engine.keeps_containers
            else "digest" in held,
        }


def _neutral(spec: TaskSpec, folder: TaskFolder) -> list[tuple[Path, str]]:
    """Return what is mounted, by links in the task's folder: no place of data shows in the list of processes."""
    places = [(mount.host_path, mount.path) for mount in spec.all_mounts]
    places += [(item.host_path, item.path) for item in spec.inputs]
    places += [(lies, path) for path, lies in read_only_contents(spec, folder)]
    links = folder.path / "mounts"
    links.mkdir(exist_ok=True)
    mounts = []
    for number, (lies, path) in enumerate(places):
        link = links / str(number)
        link.unlink(missing_ok=True)
        link.symlink_to(lies.resolve())
        mounts.append((link, path))
    return mounts


def held_container(folder: TaskFolder) -> dict[str, str | None] | None:
    """Return what a task's folder says of its container; None when it has none that an engine keeps."""
    held: dict[str, str | None] | None = json.loads(folder.read("container") or "null")
    return held


def first_process(folder: TaskFolder) -> int | None:
    """Return the first process of a task's container, as its engine wrote it down or says it when asked."""
    number = (folder.read("pid") or "").strip()
    if number.isdecimal():
        return int(number)
    held = held_container(folder)
    engine = None if held is None else find_engine(str(held["engine"]), folder.path)
    if held is None or engine is None or engine.writes_pid:
        return None
    try:
        pid = engine.first_process(str(held["name"]))
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return None
    if pid:
        folder.write("pid", str(pid))
    return pid


def never_ran(folder: TaskFolder) -> bool:
    """Tell whether a task's container was removed without its command ever having begun."""
    return json.loads(folder.read("container-end") or '{"ran": true}').get("ran") is not True


def end_container(folder: TaskFolder) -> bool:
    """Kill and remove a task's container, and keep what its engine says of how it ended; harmless to repeat.

    Returns:
        False when it is still there, or its engine does not answer.
    """
    held = held_container(folder)
    engine = None if held is None else find_engine(str(held["engine"]), folder.path)
    if held is None or folder.read("container-end") is not None:
        return True
    if engine is None:
        log.error("%s is gone, and may still run a task", held["engine"])
        return False
    try:
        ended = engine.ended(str(held["name"]))
        if ended is None or not ended.ran:
            _end_half_made(str(held["name"]), engine)
        gone = ended is None or engine.remove(str(held["name"]))
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        log.exception("%s does not answer", engine.name)
        return False
    if gone:
        _note(folder, {} if ended is None else {"ran": ended.ran, "image_id": ended.image_id})
    if ended is not None and ended.out_of_memory and folder.verdict() is None:
        detail = "The task used more memory than it was given: the kernel ended it."
        folder.write("verdict", json.dumps(["out-of-memory", detail]))
    return gone


def _end_half_made(name: str, engine: Engine) -> None:
    """End what podman's monitor holds of a container that was made and never begun.

    podman, killed between making a container and starting it, has not written down that there is a process.
    """
    for number in os.listdir("/proc"):
        words = command_line(int(number)) if number.isdecimal() else []
        if words[:1] and Path(os.fsdecode(words[0])).name == "conmon" and os.fsencode(name) in words:
            runtime, identifier = (os.fsdecode(words[words.index(flag) + 1]) for flag in (b"-r", b"-c"))
            delete = [runtime, "delete", "--force", identifier]
            subprocess.run(delete, capture_output=True, timeout=CALL_S, check=False, env=engine.environ())
            below = descendants(int(number))
            send([*below, int(number)], signal.SIGKILL)


def _note(folder: TaskFolder, said: dict[str, object]) -> None:
    try:
        folder.write("container-end", json.dumps(said))
    except OSError:
        log.warning("the end of a container could not be noted: its engine will be asked again")


def _absent(engine: Engine, reference: str) -> UnsupportedError:
    command = " ".join(engine.pull_words(reference))
    return UnsupportedError(
        f"The image {reference} is not on this machine, and none is fetched unless container_pull is set.",
        field="environment.image",
        next_step=f"Fetch it: {command}",
        params={"image": reference, "engine": engine.name},
    )
