"""Environments: what a task runs in, captured once and named by a digest."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from executors.model import Environment, Mount
from ontology.canonical import canonical_json
from ontology.errors import InvalidRequestError, ValidationFailedError

ENVIRONMENT_FOLDER = "/env"
"""Where a virtual environment lies in the sandbox: at the same place on every machine."""

_SURVEY = """
import json, sys
from importlib import metadata
print(json.dumps({
    "packages": [[d.metadata["Name"], d.version] for d in metadata.distributions()],
    "python": ".".join(map(str, sys.version_info[:3])),
    "prefix": sys.prefix, "base_prefix": sys.base_prefix,
}))
"""


def python_environment(executable: Path | None = None) -> Environment:
    """Return a Python environment as it is installed: the service's own, or that of another interpreter.

    Its digest is the SHA-256 of canonical JSON of the interpreter's version and the sorted ``name==version`` of
    every distribution. Captured once for each state of its ``site-packages``.

    Raises:
        InvalidRequestError: ``executable`` is no Python interpreter.
    """
    path = Path(sys.executable) if executable is None else executable
    return _captured(path, _last_change(path))


def _last_change(executable: Path) -> int:
    """Return when anything was last installed or removed beside an interpreter."""
    folders = executable.parent.parent.glob("lib/python3*/site-packages")
    return max((folder.stat().st_mtime_ns for folder in folders), default=0)


@functools.lru_cache(maxsize=16)
def _captured(executable: Path, changed: int) -> Environment:
    found = _survey(executable)
    packages = sorted({f"{normalise_name(name)}=={version}" for name, version in found["packages"] if name})
    mounts, python = _layout(executable, Path(found["prefix"]), Path(found["base_prefix"]))
    return Environment(
        kind="python",
        digest=environment_digest(python=found["python"], packages=packages),
        packages=tuple(packages),
        python=found["python"],
        mounts=mounts,
        executables={"python": python, "python3": python},
    )


def _survey(executable: Path) -> dict[str, Any]:
    if executable == Path(sys.executable):
        return {
            "packages": [(item.metadata["Name"], item.version) for item in metadata.distributions()],
            "python": ".".join(map(str, sys.version_info[:3])),
            "prefix": sys.prefix,
            "base_prefix": sys.base_prefix,
        }
    try:
        done = subprocess.run(
            [str(executable), "-I", "-c", _SURVEY], capture_output=True, text=True, timeout=60, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise InvalidRequestError("That is no Python interpreter.", field="environment") from error
    return found


def normalise_name(name: str) -> str:
    """Return a distribution's name in its one normal form (PyPA name normalisation)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def environment_digest(*, python: str, packages: list[str]) -> str:
    """Return the digest that names an environment: SHA-256 in hex of canonical JSON (RFC 8785)."""
    return hashlib.sha256(canonical_json({"packages": sorted(packages), "python": python})).hexdigest()


def _layout(executable: Path, prefix: Path, base: Path) -> tuple[tuple[Mount, ...], str]:
    """Return the folders that an interpreter needs, and its path in the sandbox.

    A virtual environment is mounted at :data:`ENVIRONMENT_FOLDER`; the installation that it was made from keeps
    its place, because the environment points there by absolute path.
    """
    real = executable.resolve()
    places = {base, base.resolve(), real.parent.parent}
    mounts = [Mount(host_path=place, path=str(place)) for place in sorted(places) if not _is_system(place)]
    if prefix == base:
        return tuple(mounts), str(real)
    mounts.insert(0, Mount(host_path=prefix, path=ENVIRONMENT_FOLDER))
    inner = executable.absolute().relative_to(prefix) if executable.is_relative_to(prefix) else Path("bin/python")
    return tuple(mounts), f"{ENVIRONMENT_FOLDER}/{inner}"


def _is_system(place: Path) -> bool:
    return place == Path("/") or place.is_relative_to("/usr")


def check_lock(lock: tuple[str, ...], environment: Environment) -> None:
    """Refuse to run a pipeline in an environment that does not hold what it is locked to.

    Raises:
        ValidationFailedError: A distribution is missing or has another version; ``params['problems']`` lists them.
    """
    problems = _lock_problems(lock, environment)
    if problems:
        raise ValidationFailedError(
            f"The environment does not hold what the pipeline is locked to: {problems[0]['detail']}",
            field="environment",
            next_step="Lock what is installed, or name an interpreter that holds the lock in the setting `pythons`.",
            params={"problems": problems},
        )


def holds_lock(lock: tuple[str, ...], environment: Environment) -> bool:
    """Tell whether an environment holds what a pipeline is locked to."""
    return not _lock_problems(lock, environment)


def _lock_problems(lock: tuple[str, ...], environment: Environment) -> list[dict[str, str]]:
    installed = dict(item.split("==", 1) for item in environment.packages)
    problems = []
    for number, item in enumerate(lock):
        name, _, version = item.partition("==")
        there = installed.get(normalise_name(name.strip()))
        if there != version.strip():
            detail = f"{item} is wanted; {'it is not installed' if there is None else there + ' is installed'}."
            problems.append({"field": f"/custom/sillage/environment/lock/{number}", "detail": detail})
    return problems


def image_environment(image: str) -> Environment:
    """Return the environment that a container image pinned by its digest is.

    Raises:
        InvalidRequestError: The image is not pinned.
    """
    _, found, digest = image.rpartition("sha256:")
    if not found or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise InvalidRequestError(f"{image!r} is not pinned by a sha256 digest.", field="environment.image")
    return Environment(kind="container", digest=digest, image=image)
