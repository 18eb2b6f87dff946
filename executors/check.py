"""Whether a task description makes sense, before anything is done about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import PurePosixPath

from executors.model import Resources, TaskSpec
from executors.templates import relative, template_pattern
from ontology.errors import UnsupportedError, ValidationFailedError

RESERVED = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr")
"""Folders of the sandbox itself, over which nothing may be mounted."""

_CAPABILITY = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Problem = tuple[str, str]


def check_spec(spec: TaskSpec) -> None:
    """Refuse a description that contradicts itself.

    Raises:
        ValidationFailedError: ``params['problems']`` lists ``{field, detail}`` for every contradiction.
    """
    problems = [*_command(spec), *_paths(spec), *_outputs(spec), *_resources(spec)]
    if problems:
        raise ValidationFailedError(
            f"The task description breaks {len(problems)} rule(s): {problems[0][1]}",
            field=problems[0][0],
            params={"problems": [{"field": field, "detail": detail} for field, detail in problems]},
        )


def refuse_excess(resources: Resources, *, cpu_cores: int, ram_bytes: int, gpus: int) -> None:
    """Refuse what can never be given.

    Raises:
        UnsupportedError: More is asked for than there is.
    """
    asked = {
        "cpu_cores": (resources.cpu_cores, cpu_cores, "cores"),
        "ram_gb": (resources.ram_bytes or 0, ram_bytes, "bytes of memory"),
        "gpus": (0 if resources.gpus_optional else resources.gpus, gpus, "GPUs"),
    }
    for field, (wanted, there, unit) in asked.items():
        if wanted > there:
            detail = f"The task asks for {wanted} {unit}; this runner has {there}."
            raise UnsupportedError(detail, field=f"resources.{field}", params={"available": there})


def _command(spec: TaskSpec) -> Iterator[Problem]:
    if not spec.command or not spec.command[0]:
        yield "/command", "There is no command."
    if any("\0" in word for word in spec.command):
        yield "/command", "A word of the command holds a NUL character."
    for name, value in spec.env.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            yield f"/env/{name}", "This is no name or value of an environment variable."
    if spec.attempt < 1:
        yield "/attempt", "Attempts count from 1."


def _paths(spec: TaskSpec) -> Iterator[Problem]:
    taken: set[str] = set()
    mounted = [("/mounts", mount.path) for mount in spec.all_mounts]
    mounted += [("/inputs", item.path) for item in spec.inputs]
    mounted += [("/contents", item.path) for item in spec.contents]
    for field, path in [("/workdir", spec.workdir), *mounted]:
        if not is_clean(path):
            yield field, f"{path!r} is not an absolute path without '.', '..' or a trailing slash."
        elif field != "/mounts" and _is_reserved(path):
            yield field, f"{path!r} lies in a folder of the sandbox itself."
        if path in taken:
            yield field, f"{path!r} is given twice."
        taken.add(path)


def is_clean(path: str) -> bool:
    """Tell whether a path is absolute, normal, and not the root."""
    pure = PurePosixPath(path)
    return (
        path == str(pure) and pure.is_absolute() and len(pure.parts) > 1 and ".." not in pure.parts and "\0" not in path
    )


def _is_reserved(path: str) -> bool:
    return path in RESERVED or path.startswith(tuple(f"{top}/" for top in RESERVED))


def _outputs(spec: TaskSpec) -> Iterator[Problem]:
    for number, output in enumerate(spec.outputs):
        try:
            template_pattern(relative(output.path, spec.workdir))
        except ValueError:
            yield f"/outputs/{number}/path", f"The output {output.name!r} lies outside the working folder."
        except re.error:
            yield f"/outputs/{number}/path", f"The template of {output.name!r} is malformed."


def _resources(spec: TaskSpec) -> Iterator[Problem]:
    may_be_zero = {"gpus", "gpus_optional", "disk_gb", "log_bytes"}
    for field in fields(spec.resources):
        value = getattr(spec.resources, field.name)
        if isinstance(value, str):
            if not _CAPABILITY.fullmatch(value):
                yield f"/resources/{field.name}", f"{value!r} is no compute capability, such as 8.0."
        elif value is not None and (value < 0 or (value == 0 and field.name not in may_be_zero)):
            yield f"/resources/{field.name}", f"{value} is not a possible amount."
