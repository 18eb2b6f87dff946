"""One server of a kind, however it runs: start it, wait for it, stop it, and let it fail in the ways servers fail."""

from __future__ import annotations

import fcntl
import random
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from deploy.services import containers, processes
from deploy.services.service import Instance, Service, ServiceError

ROOT = Path(__file__).resolve().parents[2] / ".services"
NAMES = ("neo4j", "elasticsearch", "slurm")
_PAUSE = 0.2
_GIVEN_SECONDS = 30.0
_PORTS = range(20_000, 32_000)
"""Below those that a system gives to whoever connects: such a one could be taken while a server starts on it."""
_TAIL_LINES = 15


def service(name: str) -> Service:
    """Return the kind of server of this name.

    Raises:
        ServiceError: There is no such kind.
    """
    if name not in NAMES:
        raise ServiceError(f"there is no service {name}; there are {', '.join(NAMES)}")
    kind: Service = import_module(f"deploy.services.{name}").SERVICE
    return kind


def _in_container(kind: Service, instance: Instance) -> bool:
    """Start a server in a container; False where there is no engine, or none that gets and runs the image."""
    if kind.image is None or containers.engine() is None:
        return False
    try:
        containers.run(kind, instance)
    except ServiceError:
        containers.remove(instance)
        return False
    return True


def url_of(name: str) -> str:
    """Return the URL of a server that answers: the one that was given, else the shared one, started if need be.

    Several processes may call this at once; one starts the server and the others wait for it.

    Raises:
        ServiceError: There is none, and none can be started.
    """
    kind = service(name)
    if (given := kind.given) is not None:
        until = time.monotonic() + _GIVEN_SECONDS
        while not kind.ready(given):
            if time.monotonic() > until:
                raise ServiceError(f"{kind.variable} is set, and nothing answers there")
            time.sleep(_PAUSE)
        return given
    return Server(kind).start()


@dataclass
class Server:
    """A server of ours. The shared one of its kind, unless it is given a folder of its own.

    Attributes:
        kind: What it is.
        folder: Where its data, log and process id lie.
        seed_port: First port that is tried; the port is then kept.
    """

    kind: Service
    folder: Path = field(default=Path())
    seed_port: int = 0

    def __post_init__(self) -> None:
        if self.folder == Path():
            self.folder = ROOT / self.kind.name
            self.seed_port = self.seed_port or self.kind.port

    @property
    def url(self) -> str | None:
        """Its URL, when it was started once; it keeps it when it is started again."""
        port = self._port()
        return None if port is None else self.kind.url(self._instance())

    def start(self) -> str:
        """Start it unless it runs, wait until it answers, and return its URL.

        Raises:
            ServiceError: It cannot be started, or did not answer in time; the end of its log is in the text.
        """
        with _locked(self.folder / "lock"):
            if not self.is_running():
                self._launch()
            return self._await()

    def stop(self) -> None:
        """Stop it in an orderly way. A process keeps its data; a container does not."""
        with _locked(self.folder / "lock"):
            instance = self._instance()
            if containers.name_of(instance) is not None:
                containers.remove(instance)
            else:
                self.kind.stop(instance)

    def kill(self) -> None:
        """End it at once, as a power cut would; :meth:`start` starts it again on the same data and port."""
        instance = self._instance()
        if (name := containers.name_of(instance)) is not None:
            containers.call("kill", name)
        else:
            processes.send(instance.pid_file, signal.SIGKILL)
            processes.await_end(instance.pid_file)

    def pause(self) -> None:
        """Let it answer nothing, with its connections open, until :meth:`resume`."""
        self._signal("pause", signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal("unpause", signal.SIGCONT)

    def is_running(self) -> bool:
        """Tell whether it runs, whether or not it answers."""
        instance = self._instance()
        if (name := containers.name_of(instance)) is not None:
            return containers.is_running(name)
        return processes.alive(instance.pid_file)

    def _launch(self) -> None:
        instance = self._instance()
        if (name := containers.name_of(instance)) is not None:
            containers.call("start", name)
            return
        if instance.port == 0 or not _is_free(instance.port):
            instance = Instance(self.folder, _free_port(self.seed_port))
        (self.folder / "port").write_text(f"{instance.port}\n")
        if not _in_container(self.kind, instance):
            self.kind.start(_software(self.kind), instance)
        (self.folder / "url").write_text(self.kind.url(instance) + "\n")

    def _await(self) -> str:
        url, until = self.url, time.monotonic() + self.kind.seconds
        assert url is not None
        while not self.kind.ready(url):
            if not self.is_running():
                raise ServiceError(f"{self.kind.name} ended while it started:\n{self._log()}")
            if time.monotonic() > until:
                raise ServiceError(f"{self.kind.name} did not answer in {self.kind.seconds:.0f} s:\n{self._log()}")
            time.sleep(_PAUSE)
        return url

    def _signal(self, verb: str, number: signal.Signals) -> None:
        instance = self._instance()
        if (name := containers.name_of(instance)) is not None:
            containers.call(verb, name)
        else:
            processes.send(instance.pid_file, number)

    def _log(self) -> str:
        instance = self._instance()
        if (name := containers.name_of(instance)) is not None:
            return containers.log_of(name)
        text = instance.log.read_text(errors="replace") if instance.log.exists() else ""
        return "\n".join(text.splitlines()[-_TAIL_LINES:]) + f"\n(the whole log is {instance.log})"

    def _instance(self) -> Instance:
        return Instance(self.folder, self._port() or 0)

    def _port(self) -> int | None:
        note = self.folder / "port"
        return int(note.read_text()) if note.exists() else None


def _software(kind: Service) -> Path:
    """Return the folder with what the server needs, fetched once for all servers of its kind."""
    target = ROOT / "software" / kind.software
    with _locked(ROOT / "software" / f"{kind.software}.lock"):
        if not target.exists():
            building = target.with_suffix(".new")
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True)
            kind.prepare(building)
            building.rename(target)
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _free_port(seed: int) -> int:
    return next(port for port in (seed, *random.SystemRandom().sample(_PORTS, len(_PORTS))) if port and _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
