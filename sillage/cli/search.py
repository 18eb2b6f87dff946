"""``sillage cohort why-not`` and ``suggest``, and how answers are drawn in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from sillage.cli.output import People, counted, short
from sillage.cli.session import session_of

WIDTH = 40
"""Characters of the longest bar."""
_PARTS = " ▏▎▍▌▋▊▉█"

Query = Annotated[str, typer.Argument(metavar="CQL2", help="Query; see docs/reference/query-language.md.")]
Histograms = Annotated[str, typer.Option("--histogram", help="Properties whose numbers to draw, separated by commas.")]
Trees = Annotated[str, typer.Option("--tree", help="Properties whose terms to roll up, separated by commas.")]


def add_to(group: typer.Typer) -> None:
    """Put the commands into the group of cohorts."""
    group.command("why-not")(why_not)
    group.command()(suggest)


def why_not(
    context: typer.Context,
    query: Query,
    participant: Annotated[str | None, typer.Option(help="Id of a participant who was expected.")] = None,
) -> None:
    """Say what each condition of a query takes away, and which of them a participant does not meet."""
    session = session_of(context)
    with session.client() as client:
        body = client.why_not(query, participant=participant)
    session.output.answer(body, lambda people: _why_not(people, body))


def suggest(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A query, as far as it is typed.")] = "",
    at: Annotated[int | None, typer.Option(min=0, help="Place in it, in characters; unset: its end.")] = None,
) -> None:
    """Say what may be written next in a query."""
    session = session_of(context)
    with session.client() as client:
        body = client.get("cohorts/suggest", q=text, at=at)
    session.output.answer(body, lambda people: people.table(body["items"], ["text", "kind", "label", "count"]))


def names_of(text: str) -> list[str]:
    """Return the names of a list that is separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def how_many(body: Mapping[str, Any]) -> str:
    """Return how many match, in words; of some datasets the number may be rounded, or not be told."""
    suppressed = body.get("suppressed")
    if body["count"] is None:
        return f"fewer than {body['fewer_than']} participants match"
    if suppressed is None:
        return f"{counted(body['count'], 'participant')} {'matches' if body['count'] == 1 else 'match'}"
    return f"{body['count']} participants or more match, of whom you may read {suppressed['readable']}"


def draw(people: People, body: Mapping[str, Any]) -> None:
    """Draw the histograms and trees of an answer."""
    for name, drawn in body.get("histograms", {}).items():
        missing = drawn["missing"]
        without = f"{missing} without" if missing is not None else "how many are without is not told"
        people.say(f"\n{name} ({without})")
        for line in _bars(drawn):
            people.say(line)
    for name, nodes in body.get("trees", {}).items():
        people.say(f"\n{name}")
        for line in _branches(nodes):
            people.say(line)


def _bars(drawn: Mapping[str, Any]) -> Iterator[str]:
    """Yield a histogram, one line a bin."""
    bins = drawn["bins"]
    most = max((bin["count"] or 0 for bin in bins), default=0)
    edges = [_range(bin, drawn["whole"], last=bin is bins[-1]) for bin in bins]
    width = max(map(len, edges), default=0)
    for edge, bin in zip(edges, bins, strict=True):
        number = f"fewer than {bin['fewer_than']}" if bin["count"] is None else str(bin["count"])
        yield f"  {edge:>{width}}  {_bar((bin['count'] or 0) / most if most else 0)}{number}"


def _range(bin: Mapping[str, Any], whole: bool, *, last: bool) -> str:
    low, high = bin["low"], bin["high"]
    if not whole:
        return f"{low:g} to {high:g}"
    if not last:
        high -= 1
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _bar(part: float) -> str:
    """Return a bar in eighths of a character; in plain signs where the terminal knows no others."""
    if "utf" not in (sys.stdout.encoding or "").lower():
        signs = "#" * round(part * WIDTH)
    else:
        eighths = round(part * WIDTH * 8)
        signs = _PARTS[8] * (eighths // 8) + (_PARTS[eighths % 8] if eighths % 8 else "")
    return signs + " " if signs else ""


def _branches(nodes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a tree, one line a term; a term of several parents stands below each, what is below it once."""
    below: dict[str | None, list[Mapping[str, Any]]] = {}
    for node in nodes:
        for parent in node["parents"] or [None]:
            below.setdefault(parent, []).append(node)
    waiting = [(node, 0) for node in reversed(below.get(None, []))]
    seen: set[str] = set()
    while waiting:
        node, depth = waiting.pop()
        again = node["value"] in seen
        children = below.get(node["value"], [])
        own = f", {node['own']} of them itself" if node["own"] and children else ""
        more = " (see above)" if again and children else ""
        yield f"  {'  ' * depth}{node['label']} ({node['value']}): {node['count']}{own}{more}"
        if not again:
            waiting += [(child, depth + 1) for child in reversed(children)]
        seen.add(node["value"])


def _why_not(people: People, body: Mapping[str, Any]) -> None:
    for notice in body.get("notices", []):
        people.say(notice)
    rows = [row for condition in body["conditions"] for row in _rows(condition, "")]
    people.table(rows, ["condition", "alone", "without"])
    for first, second in body["excluding"]:
        people.say(f"nobody fulfils both {first} and {second}")
    people.say(how_many(body))
    if standing := body.get("participant"):
        _standing(people, standing)


def _rows(condition: Mapping[str, Any], indent: str) -> Iterator[dict[str, str]]:
    numbers = {name: "not told" if condition[name] is None else str(condition[name]) for name in ("alone", "without")}
    yield {"condition": indent + condition["condition"], **numbers}
    for part in condition.get("parts", []):
        yield from _rows(part, indent + "  ")


def _standing(people: People, standing: Mapping[str, Any]) -> None:
    people.say(f"\n{short(standing['id'])} " + ("does not fulfil:" if standing["fails"] else "fulfils every condition"))
    for failure in standing["fails"]:
        people.say(f"  {failure['condition']}")
        for name, values in failure["says"].items():
            people.say(f"    {name}: " + (", ".join(str(value["label"]) for value in values) or "nothing is said"))
        for part in failure.get("parts", []):
            people.say(f"    {'met by one image' if part['holds'] else 'met by no image'}: {part['condition']}")
