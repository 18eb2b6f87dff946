"""The report of an evidence pack: one HTML page for people, with nothing outside it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from provenance.ledger.entry import Entry
from provenance.lineage import layout, to_svg
from provenance.record import Edge, ProvNode

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--paper:#fff;--band:#f6f8fa}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#30363d;--paper:#0d1117;--band:#161b22}}
body{margin:0 auto;max-width:72rem;padding:2rem 1.25rem 4rem;font:15px/1.5 system-ui,sans-serif;
color:var(--ink);background:var(--paper)}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.2rem 0 .5rem}
p.lead{color:var(--soft);margin:.25rem 0 1rem}table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line)}
thead th{background:var(--band)}th[scope=row]{white-space:nowrap;width:12rem;font-weight:600}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}pre{background:var(--band);padding:.7rem;overflow-x:auto;
white-space:pre-wrap;overflow-wrap:anywhere}figure{margin:.5rem 0;overflow-x:auto}
@media print{body{max-width:none;padding:0;font-size:11px}h2{break-after:avoid}tr,pre{break-inside:avoid}
figure svg{max-width:100%;height:auto}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the report is made from.

    Attributes:
        title: Name of the result.
        nodes: Every record and file in its lineage.
        edges: The edges between them.
        made: When the pack was made (UTC, RFC 3339).
    """

    title: str
    nodes: Sequence[ProvNode]
    edges: Sequence[Edge]
    made: str


def render(report: Report, subject: str, *, entries: Sequence[Entry], checkpoint: str) -> str:
    """Return the page."""
    by_id = {node.id: node for node in report.nodes}
    tasks = [node for node in report.nodes if node.type == "Task"]
    makers = _makers_of(report, subject)
    origin, size = [*checkpoint.split("\n"), "", ""][:2]
    facts = [
        ("Result", subject),
        ("Kind", by_id[subject].type if subject in by_id else ""),
        ("Pack made", report.made),
        ("Ledger", f"{origin}, {size} entries when this pack was made, {len(entries)} of them in it"),
        ("Rests on", _census(report.nodes, subject)),
    ]
    sections = [
        _section("In short", _facts(facts)),
        _section("Lineage", f"<figure>{_picture(report, subject)}</figure>"),
        *(_task(task, by_id, report.edges) for task in tasks if task.id in makers),
        _earlier([task for task in tasks if task.id not in makers]),
        _files(report.nodes),
        _ledger(entries),
        _section("How to verify this", _HOW),
    ]
    title = escape(f"Evidence: {report.title}")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        '<p class="lead">What this result was made from, how, when and by whom. The proof is in the files '
        "beside this page.</p>\n" + "\n".join(filter(None, sections)) + "\n</main>\n</body>\n</html>\n"
    )


_LONG = 8
"""Lists of more members are folded."""
_HOW = (
    "<p>Unpack <code>verify.py</code> and run <code>python3 verify.py PACK --key KEY</code>, where KEY is the "
    "laboratory's verifier key, asked for by another way than this pack. <code>README.txt</code> says more.</p>"
)


def _makers_of(report: Report, subject: str) -> set[str]:
    """Return the tasks that made the subject, or the record that the subject is a file of."""
    owners = {subject} | {
        target for source, predicate, target in report.edges if source == subject and predicate == "dcterms:isPartOf"
    }
    return {
        target for source, predicate, target in report.edges if source in owners and predicate == "prov:wasGeneratedBy"
    }


def _census(nodes: Sequence[ProvNode], subject: str) -> str:
    counts: dict[str, int] = {}
    for node in nodes:
        if node.id != subject:
            counts[node.type] = counts.get(node.type, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def _picture(report: Report, subject: str) -> str:
    return to_svg(layout(report.nodes, report.edges, focus=[subject]), title=f"Lineage of {report.title}")


def _section(heading: str, content: str) -> str:
    return f"<section>\n<h2>{escape(heading)}</h2>\n{content}\n</section>"


def _facts(rows: Iterable[tuple[str, Any]]) -> str:
    told = [
        f'<tr><th scope="row">{escape(name)}</th><td>{_cell(value)}</td></tr>'
        for name, value in rows
        if value not in (None, "", [], {})
    ]
    return f"<table>{''.join(told)}</table>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    """Return a value for people: what is nested line by line, long lists folded away."""
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, Mapping):
        rows = [(str(name).replace("_", " "), _cell(one)) for name, one in value.items()]
        return "<br>".join(f"{escape(name)}: {told}" for name, told in rows if told)
    if isinstance(value, list | tuple):
        told = ", ".join(map(_cell, value))
        return told if len(value) <= _LONG else f"<details><summary>{len(value)}</summary>{told}</details>"
    text = str(value)
    is_code = text.startswith("urn:") or (len(text) == 64 and text.isalnum())
    return f"<code>{escape(text)}</code>" if is_code else escape(text)


def _task(task: ProvNode, by_id: Mapping[str, ProvNode], edges: Sequence[Edge]) -> str:
    """Tell how the result was made: command, environment, machine, inputs and outputs."""
    document = task.document
    found = document.get("record")
    record: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    linked = {
        predicate: [_name(by_id, target) for source, predicate_, target in edges if (source, predicate_) == pair]
        for predicate in ("prov:hadPlan", "prov:wasAssociatedWith", "prov:wasInfluencedBy")
        for pair in [(task.id, predicate)]
    }
    facts = [
        ("Task", task.id),
        ("Pipeline", "; ".join(linked["prov:hadPlan"])),
        ("By", "; ".join(linked["prov:wasAssociatedWith"])),
        ("For", "; ".join(linked["prov:wasInfluencedBy"])),
        ("Started", document.get("start_time") or record.get("started")),
        ("Ended", document.get("end_time") or record.get("ended")),
        ("State", document.get("state")),
        ("Exit code", document.get("exit_code")),
        *((name.replace("_", " ").capitalize(), record.get(name)) for name in _TOLD),
    ]
    command = record.get("command") or []
    parts = [_facts(facts)]
    if command:
        parts.insert(0, f"<pre><code>{escape(shlex.join(map(str, command)))}</code></pre>")
    for name in ("inputs", "outputs"):
        files = document.get(name) or record.get(name) or []
        if files:
            parts.append(f"<h3>{name.capitalize()}</h3>")
            parts.append(
                _table(("Path", "SHA-256", "Bytes"), ((f.get("path"), f.get("sha256"), f.get("size")) for f in files))
            )
    return _section(f"How it was made: {task.label or 'task'}", "\n".join(parts))


_TOLD = ("parameters", "environment", "seeds", "host", "gpus", "sandbox", "inputs_observed", "resources", "warnings")


def _name(by_id: Mapping[str, ProvNode], id: str) -> str:
    node = by_id.get(id)
    return node.label if node and node.label else id


def _earlier(tasks: Sequence[ProvNode]) -> str:
    if not tasks:
        return ""
    rows = (
        (
            task.label,
            task.document.get("start_time"),
            task.document.get("state"),
            task.document.get("exit_code"),
            task.id,
        )
        for task in tasks
    )
    return _section("Earlier steps", _table(("Task", "Started", "State", "Exit code", "Id"), rows))


def _files(nodes: Sequence[ProvNode]) -> str:
    rows = [
        (node.document.get("path") or node.label, node.document.get("sha256"), node.document.get("size"), node.id)
        for node in nodes
        if node.type == "File"
    ]
    return _section("Files that it rests on", _table(("Path", "SHA-256", "Bytes", "Id"), rows)) if rows else ""


def _ledger(entries: Sequence[Entry]) -> str:
    rows = (
        (one.sequence, one.time, one.action, one.subject, one.version, one.principal, one.reason)
        for one in sorted(entries, key=lambda one: one.sequence)
    )
    heads = ("Entry", "Time", "Action", "Subject", "Version", "By", "Reason")
    return _section("Ledger entries", _table(heads, rows))
