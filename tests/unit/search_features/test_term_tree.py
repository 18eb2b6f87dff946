"""Trees of terms: who is counted where, and which ancestors are shown."""

from __future__ import annotations

from catalog.model import Put
from catalog.search.index import SearchIndex
from catalog.search.query import Query, Under, parse
from catalog.search.rollup import Ancestry, TermCount, term_tree
from catalog.search.testing import MemoryRepository, Questioner, SmallTerms, World
from catalog.search.testing.terms import OBO

DISEASE, DEMYELINATING, AUTOIMMUNE, MS, RELAPSING = "X:1", "X:2", "X:3", "X:4", "X:5"


def shown(*used: str) -> dict[str, tuple[str, ...]]:
    """Return the terms that a tree of some terms shows, with their parents."""
    graph = Ancestry.of(used, SmallTerms())
    return graph.parents(graph.shown())


def test_a_chain_above_one_value_is_not_shown() -> None:
    assert shown(RELAPSING) == {RELAPSING: ()}
    assert shown(MS, RELAPSING) == {MS: (), RELAPSING: (MS,)}


def test_of_ancestors_that_gather_the_same_the_narrowest_is_shown() -> None:
    assert shown(DEMYELINATING, AUTOIMMUNE) == {DEMYELINATING: (DISEASE,), AUTOIMMUNE: (DISEASE,), DISEASE: ()}
    assert shown(AUTOIMMUNE, MS) == {AUTOIMMUNE: (), MS: (AUTOIMMUNE,)}


def test_a_term_stands_below_each_of_its_parents() -> None:
    found = shown(DEMYELINATING, AUTOIMMUNE, MS)
    assert found[MS] == (DEMYELINATING, AUTOIMMUNE)
    assert found[DISEASE] == ()


def test_unknown_terms_are_roots_and_replaced_ones_are_what_they_are_now() -> None:
    assert shown("Y:9", "X:6") == {"Y:9": (), MS: ()}


def test_counts_are_of_participants_and_never_sums(index: SearchIndex) -> None:
    repository = MemoryRepository()
    people = [["X_5"], ["X_4", "X_5"], ["X_2", "X_3"], ["X_7"], [], ["X_6"], ["Q_1"]]
    for number, terms in enumerate(people):
        said = {"diagnosis": [{"value": term, "term": OBO + term, "label": term} for term in terms]}
        document = {"label": f"sub-{number}", "properties": said}
        repository.put(
            Put(id=f"urn:uuid:{number:08}-0000-4000-8000-000000000000", type="Participant", document=document)
        )
    index.catch_up(repository)
    tree = {node.value: node for node in term_tree(index, SmallTerms(), parse("TRUE"), "diagnosis", datasets=None)}
    assert {curie: (node.count, node.own) for curie, node in tree.items()} == {
        "X:1": (4, 0),
        "X:2": (4, 1),
        "X:3": (4, 1),
        "X:4": (3, 2),
        "X:5": (2, 2),
        "X:7": (1, 1),
        "Q:1": (1, 1),
    }
    assert tree["X:4"].parents == ("X:2", "X:3")
    assert tree["X:1"].label == "disease"


def test_nodes_agree_with_under_on_random_catalogues(index: SearchIndex, world: World, questioner: Questioner) -> None:
    index.catch_up(world.repository)
    seen: list[TermCount] = []
    for _ in range(6):
        query, visible = questioner.query(), world.visible()
        for name in ("diagnosis", "contrast"):
            seen += (nodes := term_tree(index, SmallTerms(), query, name, datasets=visible))
            level = "has({})" if name == "contrast" else "{}"
            for node in nodes:
                under = Query(Under(name, node.value)).text
                both = parse(f"({query.text}) AND {level.format(under)}")
                assert index.find(both, datasets=visible, limit=1).count == node.count
                assert node.own <= node.count
                assert set(node.parents) <= {each.value for each in nodes}
    assert seen
