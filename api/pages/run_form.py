"""The form that runs a pipeline: what a descriptor asks for as fields, and what was typed as a request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from api.operations.submissions import Request
from executors.pipelines.descriptor import PipelineDescriptor
from executors.pipelines.extension import CHOICES, Selection
from ontology.canonical import canonical_json
from ontology.errors import SillageError

Typed = Mapping[str, str]
"""What stands in the fields of a form, by the name of the field."""
ON = "true"
CHOICE_WORDS = {
    "one": "refuse to choose: there must be exactly one",
    "all": "take all of them",
    "first": "take the first by session and run",
    "last": "take the last by session and run",
    "each": "run one task for each",
}
NEEDED = "This is needed."
_MISSING = re.compile(r"^'[^']*' is a required property$")
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) *(s|min|h|d)")
_LENGTHS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_GROUPS = {
    "mutually-exclusive": "at most one of these may be given",
    "one-is-required": "at least one of these must be given",
    "all-or-none": "all of these are given, or none",
}


def parameters_of(descriptor: PipelineDescriptor) -> list[dict[str, Any]]:
    """Return the parameters that a person gives, each as a field."""
    app = descriptor.bids_app
    hidden = {*descriptor.selections, *(app.filled_in if app else ())}
    return [_parameter(item) for item in descriptor.inputs if item["type"] != "File" and item["id"] not in hidden]


def _parameter(item: Mapping[str, Any]) -> dict[str, Any]:
    default = item.get("default-value")
    choices = [str(each) for each in item.get("value-choices") or ()]
    kind = "flag" if item["type"] == "Flag" else "lines" if item.get("list") else "choices" if choices else "text"
    return {
        "name": item["id"],
        "label": item.get("name") or item["id"],
        "help": item.get("description") or "",
        "kind": kind,
        "number": item["type"] == "Number",
        "choices": choices,
        "required": not item.get("optional") and default is None and kind != "flag",
        "default": _text(default),
        "hint": _hint(item),
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return ON if value else ""
    return "\n".join(_text(each) for each in value) if isinstance(value, list) else str(value)


def _hint(item: Mapping[str, Any]) -> str:
    """Return in words what a value may be."""
    if item["type"] == "Flag":
        return ""
    kind = {"Number": "A whole number" if item.get("integer") else "A number"}.get(item["type"], "")
    least, most = item.get("minimum"), item.get("maximum")
    said = [kind] if kind else []
    if least is not None:
        said.append(f"{'above' if item.get('exclusive-minimum') else 'from'} {least}")
    if most is not None:
        said.append(f"{'below' if item.get('exclusive-maximum') else 'to'} {most}")
    text = " ".join(said)
    if item.get("list"):
        text = f"{text or 'Text'}, one in each line"
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def inputs_of(descriptor: PipelineDescriptor) -> list[dict[str, Any]]:
    """Return the inputs that are files, each as a group of fields."""
    known = {item["id"]: item for item in descriptor.inputs}
    app = descriptor.bids_app
    names = list(dict.fromkeys([*descriptor.selections, *((app.output_dir,) if app else ())]))
    return [_input(descriptor, known[name]) for name in names]


def _input(descriptor: PipelineDescriptor, item: Mapping[str, Any]) -> dict[str, Any]:
    name, app = item["id"], descriptor.bids_app
    rule = descriptor.selections.get(name, Selection())
    results = app is not None and name == app.output_dir
    dataset = app is not None and name == app.bids_dir
    return {
        "name": name,
        "label": item.get("name") or name,
        "help": item.get("description") or "",
        "optional": rule.optional or results,
        "select": rule.select,
        "choose": rule.choose,
        "named": not dataset,
        "narrowed": not results,
        "chosen": not results and not dataset,
        "needs_one": rule.select is None and not rule.optional and not results and not dataset,
    }


def resources_of(descriptor: PipelineDescriptor) -> list[dict[str, Any]]:
    """Return what each task may use, each as a field that holds what the pipeline suggests."""
    said = descriptor.resources
    memory = "" if said.ram_gb is None else f"{said.ram_gb:g}"
    unlimited = "" if memory else "Unless told, no limit."
    optional = "Where there is none it runs without." if said.gpus_optional else ""
    times = "Such as 90 s, 45 min or 2 h."
    return [
        {"name": "cpu_cores", "label": "Cores", "default": str(said.cpu_cores), "hint": ""},
        {"name": "ram_gb", "label": "Memory in GB", "default": memory, "hint": unlimited},
        {"name": "gpus", "label": "GPUs", "default": str(said.gpus), "hint": optional},
        {"name": "wall_s", "label": "Time at most", "default": span(said.wall_s), "hint": times},
    ]


def span(seconds: float) -> str:
    """Return a time in its largest whole unit: :func:`seconds_of` gives exactly the same back."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:.15g} s"


def seconds_of(text: str) -> str:
    """Return a time with its unit in seconds; what is none, such as a number alone, as it is."""
    found = _SPAN.fullmatch(text.strip())
    return f"{float(found[1]) * _LENGTHS[found[2]]:.15g}" if found else text.strip()


def notes_of(descriptor: PipelineDescriptor) -> list[str]:
    """Return what the descriptor says of several parameters together."""
    found = []
    for group in descriptor.document.get("groups") or []:
        names = ", ".join(group["members"])
        found += [f"{names}: {text}." for rule, text in _GROUPS.items() if group.get(rule)]
    return found


def read(descriptor: PipelineDescriptor, version: str, typed: Typed) -> Request:
    """Return the request that a filled-in form makes; a parameter that has its default is not sent."""
    files = inputs_of(descriptor)
    lines = {item["name"]: _lines(typed.get(f"input.{item['name']}", "")) for item in files}
    return Request(
        pipeline=version,
        cohort=typed.get("cohort_id", "").strip() or typed.get("cohort", "").strip() or None,
        inputs={name: found for name, found in lines.items() if found},
        parameters=dict(_values(descriptor, typed)),
        runner=typed.get("runner") or None,
        reuse=typed.get("reuse") == ON,
        select=_given(typed, "select"),
        choose=_given(typed, "choose"),
        allow_leakage=typed.get("allow_leakage", "").strip() or None,
        resources=dict(_chosen(descriptor, typed)),
    )


def _chosen(descriptor: PipelineDescriptor, typed: Typed) -> Iterator[tuple[str, str]]:
    for field in resources_of(descriptor):
        name, text = field["name"], typed.get(f"resources.{field['name']}", "").strip()
        if text and text != field["default"]:
            yield name, seconds_of(text) if name == "wall_s" else text


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _given(typed: Typed, kind: str) -> dict[str, str]:
    said = {name.partition(".")[2]: text.strip() for name, text in typed.items() if name.startswith(f"{kind}.")}
    return {name: text for name, text in said.items() if text}


def _values(descriptor: PipelineDescriptor, typed: Typed) -> Iterator[tuple[str, Any]]:
    for field in parameters_of(descriptor):
        text = typed.get(f"param.{field['name']}", "").strip()
        if field["kind"] == "flag":
            if text != field["default"]:
                yield field["name"], text == ON
        elif text and _lines(text) != _lines(field["default"]):
            yield field["name"], _lines(text) if field["kind"] == "lines" else text


def typed_of(asked: Request, descriptor: PipelineDescriptor) -> dict[str, str]:
    """Return what stands in the form for a request: :func:`read` gives it back."""
    typed = {f"param.{field['name']}": field["default"] for field in parameters_of(descriptor)}
    typed |= {f"param.{name}": _text(value) for name, value in asked.parameters.items()}
    typed |= {f"input.{name}": "\n".join(found) for name, found in asked.inputs.items()}
    typed |= {f"select.{name}": text for name, text in asked.select.items()}
    typed |= {f"choose.{name}": rule for name, rule in asked.choose.items()}
    typed |= {f"resources.{field['name']}": field["default"] for field in resources_of(descriptor)}
    typed |= {f"resources.{name}": _amount(name, value) for name, value in asked.resources.items()}
    typed |= {"cohort": asked.cohort or "", "runner": asked.runner or "", "reuse": ON if asked.reuse else ""}
    return {**typed, "allow_leakage": asked.allow_leakage or ""}


def _amount(name: str, value: Any) -> str:
    return span(float(value)) if name == "wall_s" else f"{float(value):.15g}"


def fingerprint(asked: Request) -> str:
    """Return what tells one request from another, so that only what was planned is started."""
    return hashlib.sha256(canonical_json(asdict(asked))).hexdigest()


def errors_of(error: SillageError, asked: Request, descriptor: PipelineDescriptor) -> dict[str, str]:
    """Return what is wrong, by the field that it is about; what is about none is not among it."""
    problems = [each for each in error.params.get("problems", ()) if each.get("field")]
    listed = problems or [{"field": error.field or "", "detail": error.detail}]
    found: dict[str, str] = {}
    for each in listed:
        place = _place(str(each["field"]), error, asked, descriptor)
        if place:
            found.setdefault(place, NEEDED if _MISSING.search(str(each["detail"])) else str(each["detail"]))
    return found


def _place(field: str, error: SillageError, asked: Request, descriptor: PipelineDescriptor) -> str | None:
    if field in ("cohort", "runner", "allow_leakage") or field.startswith(("select.", "resources.")):
        return field
    files = [item["name"] for item in inputs_of(descriptor)]
    name = field.lstrip("/").partition("/")[0]
    if name in files:
        return f"input.{name}"
    if any(name == item["name"] for item in parameters_of(descriptor)):
        return f"param.{name}"
    if field == "choose":
        return next((f"choose.{each}" for each, rule in asked.choose.items() if rule not in CHOICES), None)
    return _by_value(error, asked) if field in ("id", "inputs", "path") else None


def _by_value(error: SillageError, asked: Request) -> str | None:
    """Return the field in which the value stands that an error names."""
    for name, values in asked.inputs.items():
        if any(value.removeprefix("file://") in error.detail for value in values):
            return f"input.{name}"
    if asked.cohort and (asked.cohort in error.detail or not asked.inputs):
        return "cohort"
    return next((f"input.{name}" for name in asked.inputs), None)
