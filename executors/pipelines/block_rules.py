"""What is wrong with the block ``custom.sillage`` of a descriptor: each rule names the place and what is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from executors.model import Resources
from executors.pipelines.bids_app import bids_app_of, bids_app_problems
from executors.pipelines.extension import CHOICES, LEVELS, extension_of

Problem = tuple[str, str]

MEMBERS = (
    "bids_app",
    "codemeta",
    "environment",
    "files",
    "gpus",
    "inputs",
    "level",
    "network",
    "outputs",
    "resources",
    "seeds",
)
KINDS = ("python", "container", "system")
WHERE = "/custom/sillage"

_INPUT_MEMBERS = ("all", "choose", "optional", "select", "sidecars")
_MODEL_MEMBERS = ("ancestors", "architecture", "framework")
_LIMITS = {item.name for item in fields(Resources)} - {
    "gpus",
    "gpus_optional",
    "gpu_memory_gb",
    "gpu_compute_capability",
}


def extension_problems(document: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the block: JSON pointer (RFC 6901) and what is wanted."""
    custom = document.get("custom")
    if isinstance(custom, Mapping) and not isinstance(custom.get("sillage", {}), Mapping):
        return [(WHERE, "This must be an object.")]
    block = extension_of(document)
    return [
        *_members(block),
        *_gpus(block),
        *_resources(block),
        *_environment(block),
        *bids_app_problems(document, block),
        *_references(document, block),
    ]


def _members(block: Mapping[str, Any]) -> Iterator[Problem]:
    for name in block:
        if name not in MEMBERS:
            yield f"{WHERE}/{name}", f"{name!r} is not known here; known are {', '.join(MEMBERS)}."
    if block.get("level", "participant") not in LEVELS:
        yield f"{WHERE}/level", "The level is participant or group."
    if not isinstance(block.get("network", False), bool):
        yield f"{WHERE}/network", "This is true or false."
    for name in ("seeds", "codemeta"):
        if not isinstance(block.get(name, {}), Mapping):
            yield f"{WHERE}/{name}", "This must be an object."
    files = block.get("files")
    if files is not None and not (isinstance(files, str) and _is_inner(files)):
        yield f"{WHERE}/files", "This is a folder beside the descriptor, or '.' for its own."


def _is_inner(path: str) -> bool:
    return bool(path) and not path.startswith("/") and ".." not in path.split("/") and "\0" not in path


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _gpus(block: Mapping[str, Any]) -> Iterator[Problem]:
    gpus = block.get("gpus", {})
    if not isinstance(gpus, Mapping):
        yield f"{WHERE}/gpus", "This must be an object."
        return
    for name in gpus:
        if name not in ("compute_capability", "count", "memory_gb", "optional"):
            yield f"{WHERE}/gpus/{name}", f"{name!r} is not known here."
    for name in ("count", "memory_gb"):
        if not _is_amount(gpus.get(name, 0)):
            yield f"{WHERE}/gpus/{name}", "This is a number, zero or more."
    if not isinstance(gpus.get("optional", False), bool):
        yield f"{WHERE}/gpus/optional", "This is true or false."
    capability = gpus.get("compute_capability", "0.0")
    if not (isinstance(capability, str) and re.fullmatch(r"\d{1,2}\.\d", capability)):
        yield f"{WHERE}/gpus/compute_capability", "This is a text such as '8.0': the least that will do."


def _resources(block: Mapping[str, Any]) -> Iterator[Problem]:
    limits = block.get("resources", {})
    if not isinstance(limits, Mapping):
        yield f"{WHERE}/resources", "This must be an object."
        return
    for name, value in limits.items():
        if name not in _LIMITS:
            yield f"{WHERE}/resources/{name}", f"{name!r} is not known here; known are {', '.join(sorted(_LIMITS))}."
        elif not _is_amount(value):
            yield f"{WHERE}/resources/{name}", "This is a number, zero or more."


def _environment(block: Mapping[str, Any]) -> Iterator[Problem]:
    environment = block.get("environment", {})
    if not isinstance(environment, Mapping):
        yield f"{WHERE}/environment", "This must be an object."
        return
    if environment and environment.get("kind", "python") not in KINDS:
        yield f"{WHERE}/environment/kind", f"The kind is one of {', '.join(KINDS)}."
    lock = environment.get("lock", [])
    if not isinstance(lock, list) or not all(isinstance(item, str) and "==" in item for item in lock):
        yield f"{WHERE}/environment/lock", "This is a list of name==version."
    named = environment.get("lock_file")
    if named is not None and not (isinstance(named, str) and _is_inner(named)):
        yield f"{WHERE}/environment/lock_file", "This is a file among the pipeline's own."
    image = environment.get("image")
    if image is not None and not (isinstance(image, str) and "sha256:" in image):
        yield f"{WHERE}/environment/image", "An image is pinned by its digest, sha256:..."


def _references(document: Mapping[str, Any], block: Mapping[str, Any]) -> Iterator[Problem]:
    files = {item["id"] for item in document["inputs"] if item["type"] == "File"}
    app = bids_app_of(document, block)
    choosable = files | ({app.bids_dir} if app else set())
    outputs = {item["id"] for item in document.get("output-files") or []}
    for section, known, what in (("inputs", choosable, "file input"), ("outputs", outputs, "output")):
        rules = block.get(section, {})
        if not isinstance(rules, Mapping):
            yield f"{WHERE}/{section}", "This must be an object."
            continue
        for name, rule in rules.items():
            where = f"{WHERE}/{section}/{name}"
            if name not in known:
                yield where, f"The descriptor has no {what} {name!r}."
            elif not isinstance(rule, Mapping):
                yield where, "This must be an object."
            else:
                yield from _input_rule(where, rule) if section == "inputs" else _output_rule(where, rule, files)


def _input_rule(where: str, rule: Mapping[str, Any]) -> Iterator[Problem]:
    for name in rule:
        if name not in _INPUT_MEMBERS:
            yield f"{where}/{name}", f"{name!r} is not known here; known are {', '.join(_INPUT_MEMBERS)}."
    select = rule.get("select")
    if select is not None and not isinstance(select, str):
        yield f"{where}/select", "This is a condition in CQL2 text."
    for name in ("all", "optional", "sidecars"):
        if not isinstance(rule.get(name, False), bool):
            yield f"{where}/{name}", "This is true or false."
    choose = rule.get("choose")
    if choose is not None and choose not in CHOICES:
        yield f"{where}/choose", f"This is one of {', '.join(CHOICES)}."
    if choose not in (None, "all") and rule.get("all"):
        yield f"{where}/choose", f"'all' is true, and {choose!r} says something else; leave one away."


def _output_rule(where: str, rule: Mapping[str, Any], files: set[str]) -> Iterator[Problem]:
    sources = rule.get("derived_from")
    if sources is not None and not _all_of(sources, files):
        yield f"{where}/derived_from", "This is a list of file inputs of this descriptor."
    yield from _measures(f"{where}/measures", rule.get("measures", False))
    yield from _model(f"{where}/model", rule.get("model"), files)


def _all_of(names: Any, known: set[str]) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) and name in known for name in names)


def _model(where: str, rule: Any, files: set[str]) -> Iterator[Problem]:
    if rule is None:
        return
    if not isinstance(rule, Mapping) or not isinstance(rule.get("architecture"), str):
        yield where, "This is an object with architecture, and framework and ancestors where there are some."
        return
    for name in rule:
        if name not in _MODEL_MEMBERS:
            yield f"{where}/{name}", f"{name!r} is not known here; known are {', '.join(_MODEL_MEMBERS)}."
    if not isinstance(rule.get("framework", ""), str):
        yield f"{where}/framework", "This is a text."
    if not _all_of(rule.get("ancestors", []), files):
        yield f"{where}/ancestors", "This is a list of file inputs of this descriptor."


def _measures(where: str, rule: Any) -> Iterator[Problem]:
    if isinstance(rule, bool):
        return
    if not isinstance(rule, Mapping):
        yield where, "This is true, or an object with member and units."
        return
    for name in rule:
        if name not in ("member", "units"):
            yield f"{where}/{name}", f"{name!r} is not known here; known are member, units."
    if not isinstance(rule.get("member", ""), str):
        yield f"{where}/member", "This is the name of a member of the JSON object."
    units = rule.get("units", {})
    if not isinstance(units, Mapping) or not all(isinstance(unit, str) for unit in units.values()):
        yield f"{where}/units", "This is an object of UCUM codes by the name of the measure."
