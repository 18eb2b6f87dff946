"""What a task shows of the inputs that it opened, by the record of its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SEEN = "strace"


def with_openings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task with ``opened`` at each input (null where it is not known), and one sentence about them all."""
    record = body.get("record")
    seen = record.get("inputs_observed") if isinstance(record, Mapping) else None
    if not isinstance(seen, Mapping) or not body.get("inputs"):
        return dict(body)
    known: dict[str, bool] = {}
    if seen.get("mechanism") == _SEEN or seen.get("complete"):
        known = dict.fromkeys(seen.get("opened", ()), True)
        known |= dict.fromkeys(seen.get("not_opened", ()) if seen.get("complete") else (), False)
    inputs = [{**item, "opened": known.get(item["id"])} for item in body["inputs"]]
    return {**body, "inputs": inputs, "inputs_opened": _sentence(seen, inputs)}


def _sentence(seen: Mapping[str, Any], inputs: list[dict[str, Any]]) -> str:
    reason = seen.get("reason")
    if seen.get("mechanism") != _SEEN and not seen.get("complete"):
        return "Which inputs were opened was not observed" + (f": {reason}." if reason else ".")
    opened = sum(item["opened"] is True for item in inputs)
    text = f"{opened} of {len(inputs)} inputs {'was' if opened == 1 else 'were'} opened"
    return f"{text}." if seen.get("complete") else f"{text}, perhaps more: {reason}."
