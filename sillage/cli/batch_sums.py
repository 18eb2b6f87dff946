"""What the command line says of a batch as a whole: leakage, what it used, and why items failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sillage.cli.live_view import duration
from sillage.cli.output import People, short
from sillage.cli.run_plan import leakage

_ABOUT = ("state", "summary", "pipeline_name", "pipeline_version", "cohort", "runner", "creation_time", "end_time")
_AMOUNTS: Mapping[str, Callable[[float], str]] = {
    "wall_s": lambda amount: f"{duration(amount)} of running",
    "cpu_s": lambda amount: f"{duration(amount)} of CPU",
    "gpu_s": lambda amount: f"{duration(amount)} of GPU",
    "max_rss_bytes": lambda amount: f"at most {amount / 1e6:,.0f} MB of memory at a time",
    "gpu_joules": lambda amount: f"{amount / 3.6e6:.3g} kWh by GPUs",
    "cpu_joules_at_most": lambda amount: f"at most {amount / 3.6e6:.3g} kWh by processors",
}


def shown(people: People, body: Mapping[str, Any]) -> None:
    """Write a batch: what it is, and its sums; its items are listed by a command of their own."""
    people.fields({"id": body["id"], **{name: body[name] for name in _ABOUT if body.get(name) is not None}})
    summed(people, body)
    people.say(f"Items: sillage task items {short(body['id'])}")


def summed(people: People, body: Mapping[str, Any]) -> None:
    """Write the sums of a batch."""
    people.table([_failure(group) for group in body["failures"]], ["count", "state", "reason", "detail"])
    for line in _leakage(body):
        people.say(line)
    if body["usage"]["attempts"]:
        people.say(used(body["usage"]))


def _failure(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return one reason as a row: the commonest of its texts, and how many others there are."""
    others = len(group["details"]) - 1 + group["more_details"]
    text = group["details"][0]["detail"] if group["details"] else ""
    more = f" (and {others} other text{'s' if others != 1 else ''})" if others > 0 else ""
    return {**group, "detail": text + more}


def _leakage(body: Mapping[str, Any]) -> list[str]:
    found = body["leakage"]
    if not found:
        return []
    items = f"sillage task items {short(body['id'])} --leakage"
    return [*leakage(found), *([f"  These items: {items} {found['state']}"] if found["state"] != "clean" else [])]


def used(usage: Mapping[str, Any]) -> str:
    """Return in one sentence what all attempts together used, and of how many that is known where not of all."""
    attempts = usage["attempts"]
    told = [
        f"Used by {attempts:,} run{'s' if attempts != 1 else ''}: {duration(usage['elapsed_s'])} from first to last"
    ]
    for name, text in _AMOUNTS.items():
        known = usage["known"][name.removesuffix("_at_most")]
        if usage[name]:
            partly = f" (told of {known:,})" if known < attempts and not name.startswith("gpu") else ""
            told.append(f"{text(usage[name])}{partly}")
    return f"{', '.join(told)}."
