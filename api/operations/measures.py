"""What results say in numbers: measures read from files that a pipeline's descriptor declares to hold them.

A measure that cannot be read is listed with its reason, and is no failure of the task: the file is kept as it is.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from executors.pipelines.extension import MeasuresRule

MAX_BYTES: Final = 1_000_000
MAX_MEASURES: Final = 500
MAX_PROBLEMS: Final = 20
MAX_TEXT: Final = 200
MAX_NAME: Final = 100
_MISSING: Final = frozenset({"", "n/a"})


@dataclass(slots=True)
class Measures:
    """What a file says: values by name as records hold them, and what of it could not be read."""

    values: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    problems: list[dict[str, str]] = field(default_factory=list)


def read_measures(file: Path, *, path: str, rule: MeasuresRule) -> Measures:
    """Return the measures in a file: a flat JSON object, or a tab-separated table of one row.

    Args:
        file: Where it lies.
        path: Its path in the dataset, as source and for problems.
        rule: What the descriptor says about it.
    """
    found = Measures()
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES} bytes")
        text = content.decode("utf-8-sig")
        said = _row(text) if path.endswith(".tsv") else _object(text, rule.member)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return Measures(problems=[_problem(path, "", f"no measures could be read: {reason}")])
    for name, value in said:
        _take(found, name, value, path, rule)
    if len(found.problems) > MAX_PROBLEMS:
        more = len(found.problems) - MAX_PROBLEMS
        found.problems[MAX_PROBLEMS:] = [_problem(path, "", f"{more} further measures could not be read")]
    return found


def _object(text: str, member: str | None) -> Iterable[tuple[str, Any]]:
    document = json.loads(text)
    if member is not None:
        document = document.get(member) if isinstance(document, dict) else None
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object" if member is None else f"its member {member!r} is no JSON object")
    return document.items()


def _row(text: str) -> Iterable[tuple[str, Any]]:
    rows = list(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = [row for row in rows if row]
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        raise ValueError("a table of measures has a line of names and one line of values")
    return ((name, _typed(value)) for name, value in zip(*rows, strict=True))


def _typed(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _take(found: Measures, name: str, value: Any, path: str, rule: MeasuresRule) -> None:
    """Add one measure, or what is wrong with it; one without a value says nothing."""
    if value is None or (isinstance(value, str) and value.strip().casefold() in _MISSING):
        return
    wrong = _wrong(name, value)
    if wrong is None and name not in found.values and len(found.values) >= MAX_MEASURES:
        wrong = f"a result has at most {MAX_MEASURES} measures"
    if wrong is not None:
        found.problems.append(_problem(path, name[:MAX_NAME], wrong))
        return
    said = {"value": value, "unit": rule.units.get(name), "source": path}
    found.values.setdefault(name, []).append({key: part for key, part in said.items() if part is not None})


def _wrong(name: str, value: Any) -> str | None:
    if not name.strip() or len(name) > MAX_NAME:
        return f"the name of a measure has 1 to {MAX_NAME} characters"
    if isinstance(value, str):
        return f"a text has at most {MAX_TEXT} characters" if len(value) > MAX_TEXT else None
    if isinstance(value, Mapping | list):
        return "it is no single value"
    return None if _is_finite(value) else "it is no finite number"


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _problem(path: str, name: str, detail: str) -> dict[str, str]:
    return {"path": path, "field": name, "detail": detail}
