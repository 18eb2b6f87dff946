"""Collecting what a task wrote: by its declared templates, hashed on the way, and nothing that lies elsewhere.

The task is hostile until proved otherwise: a link may point out of the working folder, a pipe may block
whoever opens it, a name may hold anything. No process of the task is alive any more when this runs.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from executors.attempts.folder import TaskFolder
from executors.model import StagedOutput, TaskOutput, TaskSpec
from executors.templates import has_wildcards, relative, template_pattern

MAX_FILES = 200_000
_MAX_LINKS = 40
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG})
"""What the kernel says of a folder that its task closed, or nested too deep; all else is the disk's doing or ours."""


Digested = tuple[str, int, tuple[int, ...]]
"""SHA-256, size, and what tells whether the file has changed since."""


class OutputRefusedError(Exception):
    """An output that is there and cannot be taken; the text says why, without its name."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What was found, and what is wrong with the rest: ``(reason, detail)`` of the first problem or None."""

    outputs: tuple[StagedOutput, ...]
    problem: tuple[str, str] | None = None


def collect(spec: TaskSpec, folder: TaskFolder) -> Collected:
    """Find, check and hash every declared output."""
    found: list[StagedOutput] = []
    taken: dict[str, Digested] = {}
    for output in spec.outputs:
        try:
            paths = list(matches(output, spec, folder.work))
            if not paths and not output.optional:
                return Collected(tuple(found), ("output-missing", f"The output {output.name!r} is not there."))
            for path in paths:
                found.append(_stage(output.name, path, spec, folder.work, taken))
        except OutputRefusedError as error:
            return Collected(tuple(found), ("output-refused", f"The output {output.name!r} {error}."))
        except OSError as error:
            if error.errno not in _CLOSED:
                raise
            said = f"cannot be looked for: a folder there cannot be read ({error.strerror})"
            return Collected(tuple(found), ("output-refused", f"The output {output.name!r} {said}."))
    return Collected(tuple(found))


def _stage(name: str, path: str, spec: TaskSpec, work: Path, taken: dict[str, Digested]) -> StagedOutput:
    place = inside(path, spec.workdir, work)
    if path not in taken:
        taken[path] = digest_regular(place)
    sha256, size, seen = taken[path]
    return StagedOutput(name=name, path=path, host_path=place, sha256=sha256, size=size, seen=seen)


def matches(output: TaskOutput, spec: TaskSpec, work: Path) -> Iterator[str]:
    """Yield the relative path of every file that an output's template names, sorted.

    Raises:
        OutputRefusedError: There are too many, or a link leads out of the working folder.
    """
    template = relative(output.path, spec.workdir)
    if has_wildcards(template):
        wanted = template_pattern(template)
        yield from sorted(path for path in _walk(work, "") if wanted.fullmatch(path))
        return
    place = inside(template, spec.workdir, work)
    if place.is_dir():
        yield from sorted(_walk(place, "" if template == "." else template))
    elif _mode(place):
        yield template


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    """Yield files and links below a folder, relative to the working folder; links are not entered."""
    queue, seen = [(str(folder), prefix)], 0
    while queue:
        here, above = queue.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                path = f"{above}/{entry.name}" if above else entry.name
                if entry.is_dir(follow_symlinks=False):
                    queue.append((entry.path, path))
                    continue
                seen += 1
                if seen > MAX_FILES:
                    raise OutputRefusedError(f"is more than {MAX_FILES} files")
                yield path


def inside(path: str, workdir: str, work: Path) -> Path:
    """Return where a path of the sandbox lies, every link resolved as the task would have seen it.

    Raises:
        OutputRefusedError: A link leads out of the working folder, or in a circle.
    """
    base = PurePosixPath(workdir)
    todo = list(PurePosixPath(path).parts)[::-1]
    here: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            if not here:
                raise OutputRefusedError("is a link that leads out of the working folder")
            here.pop()
            continue
        place = work.joinpath(*here, part)
        if not stat.S_ISLNK(_mode(place)):
            here.append(part)
            continue
        links += 1
        target = PurePosixPath(os.readlink(place))
        if target.is_absolute():
            home = next((top for top in (base, PurePosixPath(work)) if target.is_relative_to(top)), None)
            if home is None:
                raise OutputRefusedError("is a link that leads out of the working folder")
            here, target = [], target.relative_to(home)
        if links > _MAX_LINKS:
            raise OutputRefusedError("is a link that leads in a circle")
        todo += list(target.parts)[::-1]
    return work.joinpath(*here)


def _mode(place: Path) -> int:
    """Return what has this name, as ``st_mode`` of a link itself where it is one; 0 when nothing has.

    Raises:
        OSError: It lies in a folder that may not be entered: nobody can tell.
    """
    try:
        return os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def digest_regular(path: Path) -> Digested:
    """Return SHA-256 and size of a regular file, and what its inode looked like.

    Raises:
        OutputRefusedError: It is something else, cannot be read, or its name is not text.
    """
    try:
        str(path).encode()
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except UnicodeEncodeError as error:
        raise OutputRefusedError("has a name that is not UTF-8") from error
    except OSError as error:
        raise OutputRefusedError(f"cannot be read ({error.strerror})") from error
    with open(descriptor, "rb", buffering=0) as stream:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OutputRefusedError("is not a regular file")
        seen = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        return hashlib.file_digest(stream, "sha256").hexdigest(), about.st_size, seen


def remove_mount_points(nested: Sequence[Path], work: Path) -> None:
    """Remove the empty folders that a sandbox made in the working folder to mount something there."""
    for place in nested:
        while place != work:
            try:
                if place.is_dir():
                    place.rmdir()
                elif place.stat().st_size == 0:
                    place.unlink()
            except OSError:
                break
            place = place.parent
