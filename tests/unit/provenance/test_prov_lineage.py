"""Lineage as a graph: reach, cycles, folding, layout and the picture."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from ontology.errors import InvalidRequestError
from provenance.lineage import CSS, fold, layout, levels, reach, to_svg, would_close_cycle
from provenance.record import ProvNode

USED, MADE, PART = "prov:used", "prov:wasGeneratedBy", "dcterms:isPartOf"
DIAMOND = [("d", MADE, "b"), ("d", MADE, "c"), ("b", USED, "a"), ("c", USED, "a"), ("d", "dcterms:subject", "x")]


def test_up_and_down_reach_each_node_once() -> None:
    up = reach(DIAMOND, "d", direction="up")
    assert up.depths == {"d": 0, "b": 1, "c": 1, "a": 2}
    assert len(up.edges) == 4
    assert not up.truncated
    down = reach(DIAMOND, "a", direction="down")
    assert down.depths == {"a": 0, "b": 1, "c": 1, "d": 2}
    assert reach(DIAMOND, "nobody", direction="up").depths == {"nobody": 0}


def test_depth_and_limit_cut_short_and_say_so() -> None:
    one = reach(DIAMOND, "d", direction="up", depth=1)
    assert (set(one.depths), one.truncated) == ({"d", "b", "c"}, True)
    assert reach(DIAMOND, "d", direction="up", depth=2).truncated is False
    assert reach(DIAMOND, "d", direction="up", depth=0).depths == {"d": 0}
    limited = reach(DIAMOND, "d", direction="up", limit=2)
    assert (len(limited.depths), limited.truncated) == (2, True)


def test_bad_questions_are_refused() -> None:
    with pytest.raises(InvalidRequestError):
        reach([], "a", direction="sideways")
    with pytest.raises(InvalidRequestError):
        reach([], "a", direction="up", depth=-1)


def test_cycles_are_seen_before_they_close() -> None:
    assert would_close_cycle(DIAMOND, [("a", USED, "d")]) == ["a", "d", "b", "a"]
    assert would_close_cycle(DIAMOND, [("a", USED, "a")]) == ["a", "a"]
    assert would_close_cycle(DIAMOND, [("a", "dcterms:subject", "d")]) is None
    assert would_close_cycle(DIAMOND, [("e", USED, "d"), ("e", USED, "a")]) is None
    assert would_close_cycle([], [("a", USED, "b"), ("b", USED, "a")]) == ["a", "b", "a"]


def test_a_chain_of_ten_thousand_is_followed() -> None:
    chain = [(str(n), USED, str(n - 1)) for n in range(1, 10_001)]
    assert reach(chain, "10000", direction="up").depths["0"] == 10_000
    assert would_close_cycle(chain, [("0", USED, "10000")]) is not None
    assert levels([str(n) for n in range(10_001)], chain)["10000"] == 10_000


def study(participants: int) -> tuple[list[ProvNode], list[tuple[str, str, str]]]:
    nodes = [ProvNode(id="task", type="Task", label="train"), ProvNode(id="set", type="Dataset", label="study")]
    edges = []
    for n in range(participants):
        nodes.append(ProvNode(id=f"f{n}", type="File", label=f"sub-{n:02}.nii.gz"))
        nodes.append(ProvNode(id=f"p{n}", type="Participant", label=f"sub-{n:02}"))
        edges += [("task", USED, f"f{n}"), (f"f{n}", "prov:wasDerivedFrom", f"p{n}"), (f"p{n}", PART, "set")]
    return nodes, edges


def test_whole_chains_that_stand_alike_are_folded() -> None:
    nodes, edges = study(37)
    drawn, kept = fold(nodes, edges, largest=8)
    assert sorted(node.label for node in drawn) == ["37 files", "37 participants", "study", "train"]
    assert next(node for node in drawn if node.type == "File").count == 37
    assert len(kept) == 3


def test_small_groups_and_the_focus_are_not_folded() -> None:
    nodes, edges = study(5)
    assert len(fold(nodes, edges, largest=8)[0]) == 12
    nodes, edges = study(37)
    drawn, _ = fold(nodes, edges, largest=8, focus=["f3"])
    labels = {node.label for node in drawn}
    assert {"36 files", "36 participants", "sub-03.nii.gz", "sub-03"} <= labels
    assert [node.id for node in drawn if node.focus] == ["f3"]


def test_a_chain_is_not_folded_into_itself() -> None:
    nodes = [ProvNode(id=str(n), type="File", label=str(n)) for n in range(300)]
    edges = [(str(n), "prov:wasDerivedFrom", str(n - 1)) for n in range(1, 300)]
    assert len(fold(nodes, edges, largest=2)[0]) == 300


def test_layout_is_layered_ordered_and_the_same_each_time() -> None:
    nodes, edges = study(6)
    laid = layout(nodes, edges)
    assert laid == layout(nodes, edges)
    at = {node.node.id: node for node in laid.nodes}
    assert at["set"].level == 0
    assert at["p0"].x > at["set"].x
    assert at["task"].x > at["f0"].x > at["p0"].x
    for level in range(4):
        column = sorted(node.y for node in laid.nodes if node.level == level)
        assert all(below - above >= 44 for above, below in pairwise(column))
    assert all(0 <= x <= laid.width and 0 <= y <= laid.height for edge in laid.edges for x, y in edge.points)
    assert all(node.y >= 0 and node.y + 44 <= laid.height for node in laid.nodes)


def test_long_edges_go_around_the_levels_between() -> None:
    nodes = [ProvNode(id=one, type="File", label=one) for one in "abc"]
    edges = [("c", "prov:wasDerivedFrom", "b"), ("b", "prov:wasDerivedFrom", "a"), ("c", "prov:wasDerivedFrom", "a")]
    laid = layout(nodes, edges)
    (long,) = [edge for edge in laid.edges if (edge.source, edge.target) == ("c", "a")]
    assert len(long.points) == 4
    between = next(node for node in laid.nodes if node.node.id == "b")
    assert all(not between.y <= y <= between.y + 44 for _, y in long.points[1:3])


def test_odd_graphs_are_drawn() -> None:
    assert to_svg(layout([], [])).startswith("<svg")
    alone = [ProvNode(id="a", type="File")]
    assert len(layout(alone, [("a", USED, "a"), ("a", USED, "gone")]).edges) == 0
    nodes = [ProvNode(id=one, type="File") for one in "ab"]
    assert len(layout(nodes, [("a", USED, "b"), ("b", USED, "a")]).nodes) == 2


def test_a_thousand_nodes_are_quick() -> None:
    nodes = [ProvNode(id=str(n), type="File", label=str(n)) for n in range(1000)]
    edges = [(str(n), USED, str((n * 7919) % n)) for n in range(1, 1000)]
    edges += [(str(n), USED, str((n * 104729) % n)) for n in range(1, 1000)]
    start = time.process_time()
    to_svg(layout(nodes, list(dict.fromkeys(edges))))
    assert time.process_time() - start < 5


def test_the_picture_is_well_formed_and_tells_all() -> None:
    hostile = "sub-01 <script>\"&' " + "long " * 20
    nodes = [ProvNode(id="t", type="Task", label=hostile), ProvNode(id="f", type="File", label="f.nii")]
    laid = layout(nodes, [("t", USED, "f")], focus=["t"])
    svg = to_svg(laid, title="Lineage of <x>", link=lambda node: f"/id/{node.id}?a=1&b=2" if node.id == "f" else None)
    root = ET.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("aria-label") == "Lineage of <x>"
    titles = [one.text for one in root.iter(f"{space}title")]
    assert f"Task: {hostile}" in titles
    assert "prov:used" in titles
    links = [one.get("href") for one in root.iter(f"{space}a")]
    assert links == ["/id/f?a=1&b=2"]
    assert any("\N{HORIZONTAL ELLIPSIS}" in (one.text or "") for one in root.iter(f"{space}text"))
    assert any(one.get("class") == "activity focus" for one in root.iter(f"{space}g"))
    assert CSS.strip() in svg
    assert "<style>" not in to_svg(laid, styled=False)
