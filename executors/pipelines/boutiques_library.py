"""The one place that knows the library ``boutiques``, loaded when first needed.

It validates descriptors and invocations. Its command lines are not used: it evaluates conditions with
``eval``, writes configuration files wherever a template says while only asked what would be run, and
substitutes one value into another. :mod:`executors.pipelines.command` does that part, and tests hold it
equal to the library where the library is right.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

_NAMED = re.compile(r"'([^']+)' (?:is a required property|was unexpected)")

Problem = tuple[str, str]
"""JSON pointer (RFC 6901) and what is wrong there."""


@functools.cache
def descriptor_schema() -> dict[str, Any]:
    """Return the JSON schema of a descriptor that ships with the library (Boutiques 0.5)."""
    text = resources.files("boutiques").joinpath("schema/descriptor.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def descriptor_problems(document: Mapping[str, Any]) -> list[Problem]:
    """Return everything that the schema and the library's own rules find wrong with a descriptor."""
    problems = _schema_problems(document, descriptor_schema())
    return problems or _rule_problems(document)


def _schema_problems(document: Any, schema: dict[str, Any]) -> list[Problem]:
    from jsonschema import Draft4Validator  # type: ignore[import-untyped]

    errors = sorted(Draft4Validator(schema).iter_errors(document), key=lambda error: list(map(str, error.path)))
    places = [_place(error) for error in errors]
    problems = [
        (place, _shorten(_wording(error)))
        for place, error in zip(places, errors, strict=True)
        if not (error.validator == "anyOf" and any(other.startswith(f"{place}/") for other in places))
    ]
    return list(dict.fromkeys(problems))


def _wording(error: Any) -> str:
    """Return what the schema says, without the part of the document itself, which its place names."""
    if not isinstance(error.instance, dict | list):
        return str(error.message)
    return str(error.message).replace(repr(error.instance), "This", 1)


def _place(error: Any) -> str:
    """Return a pointer to what is wrong; of a member that is missing or too many, to that member itself."""
    named = _NAMED.search(error.message) if error.validator in ("required", "additionalProperties") else None
    return pointer([*error.absolute_path, *([named[1]] if named else [])])


def _rule_problems(document: Mapping[str, Any]) -> list[Problem]:
    from boutiques.validator import DescriptorValidationError, validate_descriptor

    try:
        validate_descriptor(copy.deepcopy(dict(document)))
    except DescriptorValidationError as error:
        lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
        return [(_about(line, document), _shorten(line)) for line in lines]
    except Exception as error:
        shared = list(value_key_problems(document))  # It stumbles over these where there are no groups.
        return shared or [("", f"The library cannot make sense of it ({type(error).__name__}: {_shorten(str(error))})")]
    return []


def _about(line: str, document: Mapping[str, Any]) -> str:
    """Return a pointer to the input, output or group that a message of the library names first in quotes."""
    parts = line.split('"')
    named = parts[1] if len(parts) > 2 else None
    for section in ("inputs", "output-files", "groups"):
        for number, item in enumerate(document.get(section) or []):
            if named is not None and named in (item.get("id"), item.get("value-key")):
                return f"/{section}/{number}"
    return ""


def invocation_problems(document: Mapping[str, Any], values: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with values for a descriptor that was found valid."""
    from boutiques.invocationSchemaHandler import generateInvocationSchema

    schema = generateInvocationSchema(copy.deepcopy(dict(document)), validateWrtMetaSchema=False)
    return _schema_problems(dict(values), schema)


def value_key_problems(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the value-keys that several inputs or outputs share, unless at most one of these can have a value.

    That is so for the members of a group that is ``mutually-exclusive`` (Boutiques 0.5, groups).
    """
    exclusive = [set(group["members"]) for group in document.get("groups") or [] if group.get("mutually-exclusive")]
    holders: dict[str, set[str]] = {}
    for section in ("inputs", "output-files"):
        for number, item in enumerate(document.get(section) or []):
            key = item.get("value-key")
            if not key:
                continue
            known = holders.setdefault(key, set())
            if known and not any({*known, item["id"]} <= group for group in exclusive):
                others = " and ".join(map(repr, sorted(known)))
                yield f"/{section}/{number}/value-key", f"{key} is the value-key of {others} already; each has its own."
            known.add(item["id"])


def default_problems(document: Mapping[str, Any]) -> list[Problem]:
    """Return the default values that the descriptor's own rules for the input refuse: range, choices, kind, number."""
    from boutiques.invocationSchemaHandler import generateInvocationSchema

    schema = generateInvocationSchema(copy.deepcopy(dict(document)), validateWrtMetaSchema=False)
    problems = []
    for number, item in enumerate(document["inputs"]):
        value, rule = item.get("default-value"), schema["properties"].get(item["id"])
        if value is None or rule is None:
            continue
        if not item.get("list") and isinstance(value, list) and len(value) == 1:
            value = value[0]
        found = _schema_problems(value, rule)
        problems += [(f"/inputs/{number}/default-value", f"As a default: {said}") for _, said in found]
    return problems


def pointer(path: Any) -> str:
    """Return a JSON pointer (RFC 6901) for a path of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _shorten(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:297]}..."
