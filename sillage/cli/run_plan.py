"""What ``sillage run --plan`` says to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sillage.cli.output import People, counted, short


def planned(people: People, plan: Mapping[str, Any]) -> None:
    """Write a plan: the tasks, on whom it cannot run and why, and what stands in the way or should be known."""
    people.table(
        [
            {**item, "participant": short(item["participant"]), "inputs": sum(item["inputs"].values())}
            for item in plan["items"]
        ],
        ["label", "participant", "inputs", "byte_size", "leakage"],
    )
    if plan["tasks"] > len(plan["items"]):
        people.say(f"... the first {len(plan['items'])} of {plan['tasks']}")
    people.table(plan["reasons"], ["count", "detail"])
    people.say(
        f"{counted(plan['tasks'], 'task')} of {plan['pipeline_name']} {plan['pipeline_version']} would be run by "
        f"{plan['runner']}; on {plan['refused_count']} it cannot be run."
    )
    for sentence in _sentences(plan):
        people.say(sentence)
    people.say("Nothing was started." if plan["starts"] else "Nothing was started, and as it is nothing would be.")


def leakage(found: Mapping[str, Any]) -> list[str]:
    """Return what was found of leakage in several items, with the way for each kind."""
    said = [f"Leakage: {found['state']}, {found['reason']}."]
    for each in found["relations"]:
        if each["path"]:
            nodes = " -> ".join(_node(node) for node in each["path"]["nodes"])
            said.append(f"  {each['items']} {each['said']}, such as: {nodes}")
    return said


def _node(node: Mapping[str, Any]) -> str:
    return f"{node['type'].lower()} {short(node['id'])}" if node["id"] else str(node["label"])


def _sentences(plan: Mapping[str, Any]) -> list[str]:
    said = []
    if plan["looked_at"] < plan["participants"]:
        said.append(f"Looked at: the first {plan['looked_at']} of {plan['participants']} participants.")
    if plan["reused_count"] is not None:
        said.append(f"{plan['reused_count']} of them would take over what is done.")
    said.append(f"Certificate: {plan['certificate']['state']}, {plan['certificate']['reason']}.")
    if plan["leakage"]:
        said += leakage(plan["leakage"])
    if plan["unregistered"]:
        said.append(f"Registered when it starts: {', '.join(plan['unregistered'])}.")
    if plan["usual"]:
        said.append(f"So far a task of it took {plan['usual']['median_s']:g} s (median of {plan['usual']['tasks']}).")
    return said
