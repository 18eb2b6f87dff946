"""A broken descriptor is refused with its reasons, and never breaks what reads it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from executors.pipelines.command import Invocation
from executors.pipelines.descriptor import PipelineDescriptor
from ontology.errors import SillageError

SOUND: dict[str, Any] = {
    "name": "tool",
    "description": "A tool.",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "python run.py [IMAGES] [LEVEL] [FAST] [OUT]",
    "environment-variables": [{"name": "LEVEL", "value": "[LEVEL]"}],
    "inputs": [
        {"id": "images", "name": "i", "type": "File", "list": True, "value-key": "[IMAGES]"},
        {"id": "level", "name": "l", "type": "Number", "value-key": "[LEVEL]", "default-value": 1, "optional": True},
        {
            "id": "fast",
            "name": "f",
            "type": "Flag",
            "value-key": "[FAST]",
            "command-line-flag": "--fast",
            "optional": True,
        },
    ],
    "output-files": [
        {"id": "out", "name": "o", "path-template": "out/[LEVEL].json", "value-key": "[OUT]"},
        {"id": "conf", "name": "c", "path-template": "c.txt", "file-template": ["level=[LEVEL]"], "optional": True},
        {
            "id": "cond",
            "name": "d",
            "conditional-path-template": [{"level > 1": "a"}, {"default": "b"}],
            "optional": True,
        },
    ],
    "custom": {
        "sillage": {
            "level": "group",
            "files": "scripts",
            "environment": {"kind": "python", "lock": ["numpy==2.0"]},
            "gpus": {"count": 1, "optional": True},
            "inputs": {"images": {"select": "suffix = 'T1w'", "all": True}},
            "outputs": {"out": {"derived_from": ["images"]}},
        }
    },
}

ODD = [None, 0, -1, 2**40, 1e308, "", "x", "[IMAGES]", "[LEVEL", "a\0b", "'\"$(x)`", "../..", [], [[]], ["a"], {}, True]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member and item of a JSON value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield (*path, key)
        yield from places(inner, (*path, key))


def test_the_sound_one_is_sound() -> None:
    assert PipelineDescriptor.parse(SOUND).invocation({"images": ["/inputs/a"], "level": 2}).outputs == {
        "out": "out/2.json",
        "conf": "c.txt",
        "cond": "a",
    }


@settings(deadline=None)
@given(st.data())
def test_broken_descriptors_are_refused_with_reasons(data: st.DataObject) -> None:
    broken = copy.deepcopy(SOUND)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(broken))))
        holder = broken
        for key in path[:-1]:
            holder = holder[key]
        if data.draw(st.booleans()):
            holder[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        else:
            del holder[path[-1]]
    made = attempt(json.dumps(broken))
    if isinstance(made, SillageError):
        assert made.detail
        assert all(problem["detail"] for problem in made.params.get("problems", []))
    else:
        assert all(isinstance(word, str) for word in made.argv)
        assert all(not path.startswith(("/", "..")) for path in made.outputs.values())


def attempt(text: str) -> Invocation | SillageError:
    """Return what a descriptor would run, or why it is refused; anything else is a fault."""
    try:
        return PipelineDescriptor.parse(text).invocation({"images": ["/inputs/a b"], "level": 2, "fast": True})
    except SillageError as error:
        return error
