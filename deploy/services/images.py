"""A small container image for tests, made of what is on this machine: no registry is asked for anything."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from deploy.services.service import ServiceError
from executors.attempts.engines import Podman

NAME = "localhost/sillage-test"
FOLDERS = ("bin", "dev", "etc", "lib64", "proc", "run", "sys", "tmp", "usr/bin", "work")
LIBRARIES: tuple[str, ...] = (
    "c.so.6",
    "m.so.6",
    "dl.so.2",
    "pthread.so.0",
    "rt.so.1",
    "util.so.1",
    "z.so.1",
    "stdc++.so.6",
)
LIBRARIES += ("gcc_s.so.1", "expat.so.1")
"""What a Python that is mounted into the image needs of the C library and its like, without the first ``lib``."""

NEVER_NEEDED = ("/__pycache__", "/test", "/idlelib", "/ensurepip", "/lib2to3")

PATIENCE_S = 5.0
LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")

STORAGE = """[storage]
driver = "{driver}"
graphroot = "{folder}/images"
runroot = "{folder}/run"
"""


@contextlib.contextmanager
def podman_with_image() -> Iterator[str]:
    """Give podman a store of its own and one image in it; yields the image's name with its digest.

    Raises:
        ServiceError: podman is not here, or cannot run a container; the text says which.
    """
    program, busybox = shutil.which("podman"), shutil.which("busybox")
    if program is None or busybox is None:
        raise ServiceError("install the packages podman, runc, catatonit and busybox-static")
    folder = Path(tempfile.mkdtemp(prefix="sillage-podman-"))
    before = os.environ.get("CONTAINERS_STORAGE_CONF")
    try:
        for driver in ("overlay", "vfs"):
            (folder / "storage.conf").write_text(STORAGE.format(driver=driver, folder=folder))
            os.environ["CONTAINERS_STORAGE_CONF"] = str(folder / "storage.conf")
            problem = _trial(Podman(program), folder, Path(busybox))
            if problem is None:
                break
            _forget(folder)
        else:
            raise ServiceError(problem)
        yield _reference(Podman(program))
    finally:
        os.environ.pop("CONTAINERS_STORAGE_CONF")
        if before is not None:
            os.environ["CONTAINERS_STORAGE_CONF"] = before
        _forget(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _trial(podman: Podman, folder: Path, busybox: Path) -> str | None:
    """Import the image and run it once; returns what is wrong."""
    archive = folder / "image.tar"
    _write_archive(archive, busybox)
    try:
        made = podman.call("import", "--quiet", "--change", "ENV TOOL=of-the-image", str(archive), NAME)
        if made.returncode == 0:
            made = podman.call("run", "--rm", "--network", "none", "--log-driver", "none", *LIMITS, NAME, "/bin/true")
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"podman does not answer ({type(error).__name__})"
    return None if made.returncode == 0 else f"podman cannot run a container: {made.stderr.strip()[-300:]}"


def _reference(podman: Podman) -> str:
    told = podman.call("image", "inspect", NAME, "--format", "{{.Digest}}")
    return f"{NAME}@{told.stdout.strip()}"


def _write_archive(archive: Path, busybox: Path) -> None:
    listed = subprocess.run([str(busybox), "--list"], capture_output=True, text=True, check=True, timeout=20)
    with tarfile.open(archive, "w") as tar:
        for name in FOLDERS:
            tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
        tar.add(busybox.resolve(), "bin/busybox")
        for name in sorted(set(listed.stdout.split()) - {"busybox"}):
            link = _entry(f"bin/{name}", tarfile.SYMTYPE, 0o777)
            link.linkname = "busybox"
            tar.addfile(link)
        for path in _libraries():
            tar.add(path.resolve(), str(path).lstrip("/"))
        for path in _python_of_the_system():
            tar.add(path, str(path).lstrip("/"), filter=lambda e: None if e.name.endswith(NEVER_NEEDED) else e)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def _libraries() -> list[Path]:
    folders = [*Path("/lib").glob("*-linux-gnu"), Path("/lib64")]
    wanted = [folder / f"lib{name}" for folder in folders for name in LIBRARIES]
    return [path for path in (*wanted, *Path("/lib64").glob("ld-linux*")) if path.exists()]


def _python_of_the_system() -> list[Path]:
    """Return interpreter and library of a Python below /usr, which a sandbox has anyway and so nobody mounts."""
    interpreter = Path(sys.executable).resolve()
    if interpreter.parent != Path("/usr/bin"):
        return []
    names = [path for path in interpreter.parent.glob("python*") if path.is_symlink() and path.resolve() == interpreter]
    return [interpreter, *names, Path(sysconfig.get_path("stdlib"))]


def _forget(folder: Path) -> None:
    """Take down what podman keeps mounted, and what it stored."""
    until = time.monotonic() + PATIENCE_S
    while (folder / "images").exists() and time.monotonic() < until:
        # A monitor that cleans up after its container may mount it once more.
        subprocess.run(["umount", "--lazy", str(folder / "images" / "overlay")], check=False, capture_output=True)
        shutil.rmtree(folder / "images", ignore_errors=True)
        time.sleep(0.05)
    shutil.rmtree(folder / "run", ignore_errors=True)
