"""Task descriptions and events as JSON and back: kept by runners, and told by one machine to another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from executors.model import (
    Environment,
    Mount,
    Resources,
    StagedOutput,
    TaskContent,
    TaskEvent,
    TaskInput,
    TaskOutput,
    TaskSpec,
)
from executors.states import EventKind, TaskState


def dump_spec(spec: TaskSpec) -> str:
    """Return a description as one line of JSON."""
    return json.dumps(spec, default=_members, ensure_ascii=False, separators=(",", ":"))


def dump_event(event: TaskEvent) -> str:
    """Return an event as one line of JSON."""
    return json.dumps(event, default=_members, ensure_ascii=False, separators=(",", ":"))


def load_event(text: str) -> TaskEvent:
    """Return the event that :func:`dump_event` wrote.

    Raises:
        ValueError: The text is not one.
    """
    try:
        data = json.loads(text)
        data["kind"] = EventKind(data["kind"])
        data["state"] = None if data["state"] is None else TaskState(data["state"])
        data["outputs"] = tuple(map(_staged, data["outputs"]))
        return TaskEvent(**data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a task event: {error}") from error


def _staged(members: Mapping[str, Any]) -> StagedOutput:
    seen = members.get("seen")
    changed = {"host_path": Path(members["host_path"]), "seen": None if seen is None else tuple(seen)}
    return StagedOutput(**{**members, **changed})


def dump_record(record: Mapping[str, Any]) -> str:
    """Return a record of a run as one line of JSON."""
    return json.dumps(record, default=_members, ensure_ascii=False, separators=(",", ":"))


def _members(value: Any) -> Any:
    """Return what JSON is to hold of a value that it does not know: members of a dataclass, else its text.

    ``dataclasses.asdict`` would copy everything first, the names of hundreds of packages included.
    """
    if is_dataclass(value):
        return {member.name: getattr(value, member.name) for member in fields(value)}
    return str(value)


def load_spec(text: str) -> TaskSpec:
    """Return the description that :func:`dump_spec` wrote.

    Raises:
        ValueError: The text is not one.
    """
    try:
        return _spec(json.loads(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a task description: {error}") from error


def _spec(data: dict[str, Any]) -> TaskSpec:
    plain = {k: data[k] for k in ("id", "name", "workdir", "env", "network", "attempt", "plan", "parameters", "seeds")}
    plain["owner"] = data.get("owner")
    environment = dict(data["environment"])
    environment["mounts"] = _mounts(environment["mounts"])
    environment["packages"] = tuple(environment["packages"])
    return TaskSpec(
        **plain,
        command=tuple(data["command"]),
        inputs=tuple(TaskInput(**{**i, "host_path": Path(i["host_path"])}) for i in data["inputs"]),
        contents=tuple(TaskContent(**c) for c in data["contents"]),
        outputs=tuple(TaskOutput(**o) for o in data["outputs"]),
        resources=Resources(**data["resources"]),
        mounts=_mounts(data["mounts"]),
        environment=Environment(**environment),
    )


def _mounts(items: list[dict[str, str]]) -> tuple[Mount, ...]:
    return tuple(Mount(host_path=Path(item["host_path"]), path=item["path"]) for item in items)
