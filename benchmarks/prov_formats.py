"""Writing PROV of 10,000 activities: ours against the library ``prov``.

    python benchmarks/prov_formats.py [--activities N] [--rounds N] [--format NAME] [--json]

Two things are timed, for both libraries: from catalogue records and edges to bytes ("from records"), and from a
document that is there already to bytes ("write"). The rounds alternate who begins; reported is the median, with both
absolute values, under the interpreter's usual settings. Before the timing the answers are compared: ours is read by
``prov`` and must equal its own document (Turtle: both are parsed by rdflib and must have the same named subjects).
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
import uuid
import warnings
from collections.abc import Callable
from typing import Any

from provenance.formats import write
from provenance.model import ProvDocument
from provenance.record import NAMESPACES, Edge, ProvNode, document_for

THEIR_NAMES = {"sha256": "sillage:sha256", "size": "dcat:byteSize", "exit_code": "sillage:exit_code"}
THEIR_NAMES |= {"semver": "schema:softwareVersion"}
THEIR_TYPES = {"PipelineVersion": ["prov:Plan"], "Agent": ["prov:Person"]}
BUDGETS = {"json": 10, "turtle": 25, "n": 15}
THEIRS = {"json": {"format": "json"}, "turtle": {"format": "rdf", "rdf_format": "turtle"}, "n": {"format": "provn"}}


def records(activities: int) -> tuple[list[ProvNode], list[Edge]]:
    """Return a catalogue's worth of tasks: each with a plan, an agent, one input, one output."""
    numbers = iter(range(10**9))

    def iri() -> str:
        return f"urn:uuid:{uuid.UUID(int=next(numbers) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128, version=4)}"

    plan, agent = iri(), iri()
    nodes = [
        ProvNode(id=plan, type="PipelineVersion", label="image-qc 1.0.0", document={"semver": "1.0.0"}),
        ProvNode(id=agent, type="Agent", label="Operator", document={"kind": "person"}),
    ]
    edges: list[Edge] = []
    for number in range(activities):
        task, used, made = iri(), iri(), iri()
        label = f"sub-{number:05}"
        times = {"start_time": "2026-11-21T10:00:00.000000Z", "end_time": "2026-11-21T10:05:00.000000Z"}
        digest = f"{number:064x}"
        nodes += [
            ProvNode(id=task, type="Task", label=f"image-qc {label}", document={**times, "exit_code": 0}),
            ProvNode(id=used, type="File", label=label, document={"sha256": digest, "size": number}),
            ProvNode(id=made, type="Entity", label=f"{label}_qc", document={}),
        ]
        edges += [
            (task, "prov:used", used),
            (made, "prov:wasGeneratedBy", task),
            (made, "prov:wasDerivedFrom", used),
            (task, "prov:hadPlan", plan),
            (task, "prov:wasAssociatedWith", agent),
        ]
    return nodes, edges


def their_document(nodes: list[ProvNode], edges: list[Edge]) -> Any:
    """Return the same document, made with the library ``prov`` as its tutorial does it."""
    import prov.model

    document = prov.model.ProvDocument()
    for prefix, namespace in NAMESPACES.items():
        document.add_namespace(prefix, namespace)

    def name(iri: str) -> str:
        return iri.replace("urn:", "", 1)

    for node in nodes:
        told = node.document
        types = [f"sillage:{node.type}", *THEIR_TYPES.get(node.type, ())]
        pairs = [("prov:type", document.valid_qualified_name(one)) for one in types] + [("prov:label", node.label)]
        pairs += [(THEIR_NAMES[key], value) for key, value in told.items() if key in THEIR_NAMES]
        if node.type == "Task":
            document.activity(name(node.id), told["start_time"], told["end_time"], pairs)
        else:
            (document.agent if node.type == "Agent" else document.entity)(name(node.id), pairs)
    relate = {
        "prov:used": document.usage,
        "prov:wasGeneratedBy": document.generation,
        "prov:wasDerivedFrom": document.derivation,
    }
    plans = {source: target for source, predicate, target in edges if predicate == "prov:hadPlan"}
    for source, predicate, target in edges:
        if predicate in relate:
            relate[predicate](name(source), name(target))
        elif predicate == "prov:wasAssociatedWith":
            document.association(name(source), name(target), name(plans[source]))
    return document


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(ours: ProvDocument, theirs: Any) -> None:
    """Stop if the two libraries do not say the same."""
    import prov.model
    import rdflib

    for name, format in (("json", "json"), ("n", "provn")):
        back = prov.model.ProvDocument.deserialize(content=write(ours, name).decode(), format=format)
        if back != theirs:
            sys.exit(f"{name}: the documents differ")
    counts = []
    for content in (write(ours, "turtle").decode(), theirs.serialize(**THEIRS["turtle"])):
        graph = rdflib.Graph()
        graph.parse(data=content, format="turtle")
        counts.append(len({one for one in graph.subjects() if isinstance(one, rdflib.URIRef)}))
    if counts[0] != counts[1]:
        sys.exit(f"turtle: {counts[0]} subjects against {counts[1]}")


def measure(activities: int, rounds: int, names: list[str]) -> list[dict[str, Any]]:
    """Return two rows for each format."""
    nodes, edges = records(activities)
    ours, theirs = document_for(nodes, edges), their_document(nodes, edges)
    compare(ours, theirs)
    rows = []
    for name in names:
        calls: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "from records": (
                lambda name=name: write(document_for(nodes, edges), name),
                lambda name=name: their_document(nodes, edges).serialize(**THEIRS[name]),
            ),
            "write": (lambda name=name: write(ours, name), lambda name=name: theirs.serialize(**THEIRS[name])),
        }
        for what, pair in calls.items():
            times: tuple[list[float], list[float]] = ([], [])
            for number in range(rounds):
                for who in (0, 1) if number % 2 == 0 else (1, 0):
                    times[who].append(timed(pair[who]))
            one, other = (statistics.median(taken) for taken in times)
            rows.append(
                {
                    "format": name,
                    "what": what,
                    "activities": activities,
                    "ours_s": round(one, 4),
                    "prov_s": round(other, 4),
                    "ratio": round(other / one, 1),
                    "budget": BUDGETS[name],
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="PROV writers against the library prov.")
    parser.add_argument("--activities", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--format", choices=sorted(BUDGETS), action="append", help="only this one; may be repeated")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = measure(asked.activities, asked.rounds, asked.format or list(BUDGETS))
    if asked.json:
        print(json.dumps({"benchmark": "prov_formats", "rows": rows}, indent=1))
        return
    print(f"{'format':8} {'what':13} {'ours':>9} {'prov':>9} {'ratio':>7} {'budget':>7}")
    for row in rows:
        print(
            f"{row['format']:8} {row['what']:13} {row['ours_s']:8.3f}s {row['prov_s']:8.3f}s {row['ratio']:6.1f}x "
            f"{row['budget']:6}x"
        )


if __name__ == "__main__":
    main()
