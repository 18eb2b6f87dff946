"""Slurm: a whole cluster on this machine, with munge, one node, two GPUs that are none, and a queue that preempts.

GPLv2; run, never shipped. Debian and its children have it as ``slurm-wlm`` and ``munge``; root is needed, because the
daemons act for other users. What other servers call their URL is here the path of the cluster's ``slurm.conf``, which
every command of Slurm takes from the environment as ``SLURM_CONF``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from deploy.services import processes
from deploy.services.service import Instance, Service, ServiceError

_PROGRAMS = ("sbatch", "slurmctld", "slurmd", "munged", "munge")
_PACKAGES = ("slurm-wlm", "munge")
_SYSTEM = Path("/etc/slurm/slurm.conf")
_INSTALL_SECONDS = 600
_ASK_SECONDS = 30
_MUNGE_SECONDS = 30.0
_GPUS = 2
_LEAST_CORES = 8
"""Jobs run side by side, whatever the machine has: what tests run is short, and the cluster starts it once a second."""
_SOCKET_LENGTH = 100
"""A little less than the kernel allows in the address of a socket (unix(7))."""
_SERVING = {"idle", "mixed", "allocated", "completing"}
_SETTINGS = """\
ClusterName=sillage
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={munge}
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
MinJobAge=300
BatchStartTimeout=2
KillWait=5
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 Feature=large CPUs={cores} RealMemory={memory} Gres=gpu:{gpus}
PartitionName=main Nodes={host} Default=YES PriorityTier=1 State=UP
PartitionName=urgent Nodes={host} PriorityTier=10 State=UP
"""


class Slurm(Service):
    """A Slurm of one node on loopback, with a munge of its own: no other on the machine is needed or touched."""

    name: ClassVar[str] = "slurm"
    port: ClassVar[int] = 16817
    image: ClassVar[str | None] = None
    software: ClassVar[str] = "slurm"
    seconds: ClassVar[float] = 120.0

    @property
    @override
    def given(self) -> str | None:
        """The cluster that the caller names, or the one that this machine belongs to."""
        named = super().given
        if named is None and _SYSTEM.exists() and self.ready(str(_SYSTEM)):
            return str(_SYSTEM)
        return named

    @override
    def url(self, instance: Instance) -> str:
        return str(instance.folder / "slurm.conf")

    @override
    def prepare(self, software: Path) -> None:
        if not _missing():
            return
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise ServiceError(f"{', '.join(_missing())} not found: install {' and '.join(_PACKAGES)}")
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", *_PACKAGES)):
            done = subprocess.run(
                ["apt-get", "-o", f"DPkg::Lock::Timeout={_INSTALL_SECONDS}", *command],
                env=environment,
                capture_output=True,
                text=True,
                timeout=_INSTALL_SECONDS,
                check=False,
            )
            if done.returncode != 0:
                raise ServiceError(f"`apt-get {command[0]}` failed: {done.stderr.strip()[-500:]}")

    @override
    def start(self, software: Path, instance: Instance) -> None:
        if os.geteuid() != 0:
            raise ServiceError(
                f"a Slurm of one's own needs root; name the slurm.conf of a running one in {self.variable}"
            )
        if _missing():
            raise ServiceError(f"{', '.join(_missing())} not found: install {' and '.join(_PACKAGES)}")
        socket_path = _start_munge(instance)
        conf = _configure(instance, socket_path)
        if not processes.alive(instance.pid_file):
            _launch("slurmctld", conf, instance.pid_file, instance)
        self.start_node(instance)

    def start_node(self, instance: Instance) -> None:
        """Start the node's daemon unless it runs."""
        if not processes.alive(_node_pid(instance)):
            _launch("slurmd", self.url(instance), _node_pid(instance), instance)

    def kill_node(self, instance: Instance) -> None:
        """End the node's daemon at once, as a power cut would; what its jobs started is for the caller to end."""
        processes.send(_node_pid(instance), signal.SIGKILL)
        processes.await_end(_node_pid(instance))

    @override
    def ready(self, url: str) -> bool:
        try:
            done = subprocess.run(
                ["sinfo", "--noheader", "--Node", "--format=%T"],
                env=os.environ | {"SLURM_CONF": url},
                capture_output=True,
                text=True,
                timeout=_ASK_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0 and bool(_SERVING & set(done.stdout.split()))

    @override
    def stop(self, instance: Instance) -> None:
        """End the jobs, then the daemons."""
        if processes.alive(instance.pid_file):
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    ["scancel", "--user=root"],
                    env=os.environ | {"SLURM_CONF": self.url(instance)},
                    capture_output=True,
                    timeout=_ASK_SECONDS,
                    check=False,
                )
        for pid_file in (_node_pid(instance), instance.pid_file, _munge_pid(instance)):
            processes.end(pid_file)


def _missing() -> list[str]:
    return [program for program in _PROGRAMS if shutil.which(program) is None]


def _node_pid(instance: Instance) -> Path:
    return instance.folder / "node.pid"


def _munge_pid(instance: Instance) -> Path:
    return instance.folder / "munge.pid"


def _launch(program: str, conf: str, pid_file: Path, instance: Instance) -> None:
    command = [str(shutil.which(program)), "-D", "-f", conf]
    processes.launch(command, pid_file=pid_file, log=instance.log, folder=instance.folder)


def _configure(instance: Instance, munge: Path) -> str:
    folder, host = instance.folder, socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir(exist_ok=True)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    text = _SETTINGS.format(
        folder=folder,
        host=host,
        munge=munge,
        port=instance.port,
        node_port=_node_port(instance),
        cores=max(_LEAST_CORES, os.cpu_count() or 1),
        memory=memory * 9 // 10,
        gpus=_GPUS,
    )
    for number in range(_GPUS):
        device = folder / f"fakegpu{number}"
        if not device.exists():
            _make_device(device)
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={folder}/fakegpu[0-{_GPUS - 1}]\n")
    (folder / "slurm.conf").write_text(text)
    return str(folder / "slurm.conf")


def _make_device(path: Path) -> None:
    """Make a device that Slurm takes for a GPU; in truth it is ``/dev/null``.

    Raises:
        ServiceError: This machine does not let us.
    """
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError as error:
        raise ServiceError("devices cannot be made here (mknod): run with CAP_MKNOD") from error


def _node_port(instance: Instance) -> int:
    """Return the port of the node's daemon: the one that it has, or one that is free."""
    note = instance.folder / "node-port"
    kept = int(note.read_text()) if note.exists() else instance.port + 1
    if processes.alive(_node_pid(instance)):
        return kept
    for wanted in (kept, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
            if found != instance.port:
                note.write_text(f"{found}\n")
                return found
    raise ServiceError("no port is free for the node of the cluster")


def _start_munge(instance: Instance) -> Path:
    """Start the daemon by which this Slurm's parts know each other, and return its socket.

    Raises:
        ServiceError: It does not come up.
    """
    socket_path = _socket(instance)
    if processes.alive(_munge_pid(instance)) and _munge_answers(socket_path):
        return socket_path
    processes.end(_munge_pid(instance))
    key, log = instance.folder / "munge.key", instance.folder / "munge.log"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
    places = {"key-file": key, "socket": socket_path, "pid-file": instance.folder / "munged.pid"}
    places |= {"seed-file": instance.folder / "munge.seed", "log-file": instance.folder / "munged.log"}
    words = [f"--{name}={path}" for name, path in places.items()]
    command = [str(shutil.which("munged")), "--foreground", "--force", "--origin=127.0.0.1", *words]
    processes.launch(command, pid_file=_munge_pid(instance), log=log, folder=Path("/"))
    until = time.monotonic() + _MUNGE_SECONDS
    while not _munge_answers(socket_path):
        if time.monotonic() > until or not processes.alive(_munge_pid(instance)):
            raise ServiceError(f"munged does not answer:\n{log.read_text(errors='replace')[-1000:]}")
        time.sleep(0.1)
    return socket_path


def _socket(instance: Instance) -> Path:
    """Return where munged listens: in the cluster's folder, unless its path is too long for a socket."""
    path = instance.folder / "munge.socket"
    if len(os.fsencode(path)) > _SOCKET_LENGTH:
        name = hashlib.sha256(os.fsencode(instance.folder)).hexdigest()[:12]
        path = Path(tempfile.gettempdir(), f"sillage-munge-{name}", "socket")
        path.parent.mkdir(mode=0o755, exist_ok=True)
    return path


def _munge_answers(socket_path: Path) -> bool:
    command = ["munge", "--no-input", f"--socket={socket_path}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


SERVICE = Slurm()
