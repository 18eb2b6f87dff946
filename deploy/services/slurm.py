"""Slurm: a whole cluster on this machine, with munge, one node, two GPUs that are none, and a queue that preempts.

GPLv2; run, never shipped. Debian and its children have it as ``slurm-wlm`` and ``munge``; root is needed, because the
daemons act for other users. What other servers call their URL is here the path of the cluster's ``slurm.conf``, which
every command of Slurm takes from the environment as ``SLURM_CONF``.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from deploy.services import processes
from deploy.services.service import Instance, Service, ServiceError

_PROGRAMS = ("sbatch", "slurmctld", "slurmd", "munged", "munge")
_PACKAGES = ("slurm-wlm", "munge")
_SHARED = Path(__file__).resolve().parents[2] / ".services"
_SYSTEM = Path("/etc/slurm/slurm.conf")
_INSTALL_SECONDS = 600
_ASK_SECONDS = 15
_MUNGE_SECONDS = 10.0
_GPUS = 2
_SERVING = {"idle", "mixed", "allocated", "completing"}
_SETTINGS = """\
ClusterName=sillage
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=200
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
MinJobAge=300
KillWait=5
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:{gpus}
PartitionName=main Nodes={host} Default=YES PriorityTier=1 State=UP
PartitionName=urgent Nodes={host} PriorityTier=10 State=UP
"""


class Slurm(Service):
    """A Slurm of one node on loopback, with its own munge where none runs."""

    name: ClassVar[str] = "slurm"
    port: ClassVar[int] = 16817
    image: ClassVar[str | None] = None
    software: ClassVar[str] = "slurm"
    seconds: ClassVar[float] = 40.0

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
                ["apt-get", *command],
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
        with _alone():
            _start_munge()
        conf = _configure(instance)
        for program, pid_file in (("slurmctld", instance.pid_file), ("slurmd", _node_pid(instance))):
            if not processes.alive(pid_file):
                command = [str(shutil.which(program)), "-D", "-f", conf]
                processes.launch(command, pid_file=pid_file, log=instance.log, folder=instance.folder)

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
        """End the jobs, then the daemons; the shared cluster takes the munge with it that was started here."""
        if processes.alive(instance.pid_file):
            subprocess.run(
                ["scancel", "--user=root"],
                env=os.environ | {"SLURM_CONF": self.url(instance)},
                capture_output=True,
                timeout=_ASK_SECONDS,
                check=False,
            )
        processes.end(_node_pid(instance))
        processes.end(instance.pid_file)
        if instance.folder == _SHARED / self.name:
            processes.end(_SHARED / "munge.pid")


def _missing() -> list[str]:
    return [program for program in _PROGRAMS if shutil.which(program) is None]


def _node_pid(instance: Instance) -> Path:
    return instance.folder / "node.pid"


def _configure(instance: Instance) -> str:
    folder, host = instance.folder, socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir(exist_ok=True)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    text = _SETTINGS.format(
        folder=folder,
        host=host,
        port=instance.port,
        node_port=instance.port + 1,
        cores=max(4, os.cpu_count() or 1),
        memory=memory * 9 // 10,
        gpus=_GPUS,
    )
    for number in range(_GPUS):
        device = folder / f"fakegpu{number}"
        if not device.exists():
            os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={folder}/fakegpu[0-{_GPUS - 1}]\n")
    (folder / "slurm.conf").write_text(text)
    return str(folder / "slurm.conf")


@contextmanager
def _alone() -> Iterator[None]:
    _SHARED.mkdir(exist_ok=True)
    with (_SHARED / "munge.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _munge_works() -> bool:
    return subprocess.run(["munge", "--no-input"], capture_output=True, check=False).returncode == 0


def _start_munge() -> None:
    """Start the daemon by which Slurm's parts know each other, unless the machine has one that answers.

    Raises:
        ServiceError: It does not come up.
    """
    if _munge_works():
        return
    owner = pwd.getpwnam("munge")
    for place in (Path("/run/munge"), Path("/var/log/munge"), Path("/var/lib/munge")):
        place.mkdir(exist_ok=True)
        os.chown(place, owner.pw_uid, owner.pw_gid)
    processes.launch(
        [
            "setpriv",
            f"--reuid={owner.pw_uid}",
            f"--regid={owner.pw_gid}",
            "--clear-groups",
            str(shutil.which("munged")),
            "--foreground",
        ],
        pid_file=_SHARED / "munge.pid",
        log=_SHARED / "munge.log",
        folder=Path("/"),
    )
    until = time.monotonic() + _MUNGE_SECONDS
    while not _munge_works():
        if time.monotonic() > until:
            raise ServiceError(f"munged does not answer; its log is {_SHARED / 'munge.log'}")
        time.sleep(0.1)


SERVICE = Slurm()
