"""Servers in containers, where Docker or podman answers."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from deploy.services.service import Instance, Service, ServiceError

_SECONDS = 20
_PULL_SECONDS = 600


@lru_cache(maxsize=1)
def engine() -> str | None:
    """Return the container engine that answers here, if any."""
    for name in ("docker", "podman"):
        if shutil.which(name) is None:
            continue
        try:
            done = subprocess.run([name, "info"], capture_output=True, check=False, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return name
    return None


def run(service: Service, instance: Instance) -> None:
    """Start a container of the service's image; its name is noted in the instance's folder.

    Raises:
        ServiceError: The engine refused.
    """
    name = f"sillage-{service.name}-{instance.port}"
    call("rm", "--force", name, check=False)
    assert service.image is not None
    _note(instance).write_text(name)
    call("run", "--detach", "--name", name, *service.container_options(instance.port), service.image)


def name_of(instance: Instance) -> str | None:
    """Return the container of an instance, if it has one."""
    note = _note(instance)
    return note.read_text() if note.exists() else None


def is_running(name: str) -> bool:
    """Tell whether a container runs."""
    return call("inspect", "--format", "{{.State.Running}}", name, check=False).strip() == "true"


def log_of(name: str) -> str:
    """Return the last lines that a container printed."""
    return call("logs", "--tail", "30", name, check=False)


def remove(instance: Instance) -> None:
    """Stop a container and forget it, its data too."""
    if (name := name_of(instance)) is not None:
        call("stop", name, check=False)
        call("rm", "--force", "--volumes", name, check=False)
        _note(instance).unlink()


def call(*arguments: str, check: bool = True) -> str:
    """Run a command of the engine and return what it printed.

    Raises:
        ServiceError: It failed, or there is no engine any more.
    """
    if (program := engine()) is None:
        raise ServiceError("no container engine answers any more")
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=_PULL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"`{program} {arguments[0]}` did not end in {_PULL_SECONDS} s") from error
    if check and done.returncode != 0:
        raise ServiceError(f"`{program} {arguments[0]}` failed: {done.stderr.strip()[-500:]}")
    return done.stdout + done.stderr


def _note(instance: Instance) -> Path:
    return instance.folder / "container"
