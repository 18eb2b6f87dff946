"""Hostile and oversized values, names and questions are answered as the SQL form answers them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.model import Put
from catalog.search.elasticsearch import ElasticsearchIndex, answering, facets
from catalog.search.index import SearchIndex
from catalog.search.names import property_name
from catalog.search.query import Query, parse, parse_json
from catalog.search.sqlite import SqlIndex
from catalog.search.testing import MemoryRepository, SmallTerms
from catalog.search.testing.backends import PATIENT

LONG = "\u0390" * 4000
VALUES = [
    *("plain", "PLAIN", "a*b", "a?b", "a\\b", '"', "'", "\x00", "a\x1fb", "a\x1eb", "\x1cc", "*", "?", "\\", "%", "_"),
    *("\U0001f9e0", "e\u0301", "Straße", "2024-01-31", "2024", "34", "true", "\ud7ff", "\ue000", "\U0010ffff"),
    *(LONG, "\U0001f9e0" * 4000, "x" * 4000, LONG[:3999] + "x", "a.*[b]", "name:x AND y", "{}"),
]
NAMES = ["note", "n" * 3000, "wild*?card", "Über.Maß", "a" * 390 + "b"]


def value(said: Any, **more: Any) -> dict[str, Any]:
    return {"value": said, "original": str(said)[:50], **more}


@pytest.fixture(scope="module")
def pair(elasticsearch_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SearchIndex, SearchIndex]]:
    """An index on Elasticsearch and the SQL form, of people who say every value of every property."""
    repository = MemoryRepository()
    repository.put(Put(id="urn:uuid:d", type="Dataset", document={"label": "ds"}))
    for number, said in enumerate(VALUES):
        properties = {name: [value(said), value(VALUES[number - 1])] for name in NAMES}
        properties["age"] = [value(number - 5.5), value(1e300 * number), value(-(0.1**number))]
        label = "sub-" + (said * 3 if len(said) > 3999 else said)
        document = {"label": label, "dataset": "urn:uuid:d", "properties": properties}
        image = {"label": f"i{number}", "dataset": "urn:uuid:d", "participant": f"urn:uuid:{number:03}a"}
        repository.put(Put(id=f"urn:uuid:{number:03}a", type="Participant", document=document))
        for copy in range(2):
            metadata = {"Note": said if copy else said.upper(), "Echo": number / 7}
            found = image | {"metadata": metadata}
            repository.put(Put(id=f"urn:uuid:{number:03}{copy}c", type="Acquisition", document=found))
    sql = SqlIndex.open(tmp_path_factory.mktemp("sql") / "search.sqlite", SmallTerms())
    name = f"test-hostile-{os.getpid()}"
    index = ElasticsearchIndex.open(elasticsearch_url, SmallTerms(), name=name, limits=PATIENT)
    try:
        for each in (index, sql):
            each.catch_up(repository)
        assert list(index.check(repository)) == []
        yield index, sql
    finally:
        index.drop()
        index.close()
        sql.close()


def same(pair: tuple[SearchIndex, SearchIndex], query: Query, **options: Any) -> int:
    found, expected = (index.find(query, datasets=None, limit=1000, **options) for index in pair)
    assert found == expected, query.text[:200]
    return found.count


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize("said", VALUES, ids=range(len(VALUES)))
def test_values_are_found_and_are_only_values(pair: tuple[SearchIndex, SearchIndex], said: str) -> None:
    literal = quoted(said)
    assert same(pair, parse(f"note = {literal}")) >= 1
    like = said.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    for condition in (
        f"note LIKE {quoted(like[:5000])}",
        f"note LIKE {quoted('%' + like[:3] + '%')}",
        f"note > {literal}",
        f"note <= {literal}",
        f"note NOT IN ({literal}, 'x')",
        f"has(note = {literal} AND echo >= 0)",
        f"count(note = {literal}) = 2",
        f"label LIKE {quoted('sub-' + like[:5] + '%')}",
    ):
        same(pair, parse(condition))


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_length_and_spelling_are_names(pair: tuple[SearchIndex, SearchIndex], name: str) -> None:
    index, sql = pair
    canonical = property_name(name)
    assert index.properties() == sql.properties()
    assert same(pair, parse(f'"{canonical}" IS NOT NULL'), facets=[canonical]) == len(VALUES)


def test_facets_of_spellings_and_of_very_many_values(
    pair: tuple[SearchIndex, SearchIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    for many in (10_000, 3):
        monkeypatch.setattr(facets, "_BUCKETS", many)
        monkeypatch.setattr(facets, "_GROUPS", many)
        same(pair, parse("age > 0"), facets=["note", "age", "echo", "dataset"], explain=True)
        same(pair, parse("TRUE"), facets=["note", "echo"])
    assert pair[0].facet_properties() == pair[1].facet_properties()
    assert pair[0].extent("age") == pair[1].extent("age")
    assert pair[0].extent("echo") == pair[1].extent("echo")


def test_members_come_in_pages(pair: tuple[SearchIndex, SearchIndex], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_PAGE", 4)
    index, sql = pair
    for text in ("TRUE", "age > 3", "FALSE", "label = 'plain' OR label = '*'"):
        assert index.members(parse(text), datasets=None) == sql.members(parse(text), datasets=None)


def test_pages_with_hostile_labels_have_everybody_once(pair: tuple[SearchIndex, SearchIndex]) -> None:
    cursor, seen = None, list[str]()
    while True:
        page, expected = (index.find(parse("TRUE"), datasets=None, cursor=cursor, limit=3) for index in pair)
        assert page == expected
        seen += [hit.id for hit in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == len(VALUES)


def nest(depth: int, name: str, number: float) -> Any:
    """Return a condition that nests conjunctions, disjunctions and negations so deep."""
    deep: Any = {"op": "=", "args": [{"property": "note"}, "plain"]}
    for level in range(depth):
        leaf = {"op": ">", "args": [{"property": name}, level * number]}
        other = {"op": "not", "args": [deep]} if level % 3 else deep
        deep = {"op": "and" if level % 2 else "or", "args": [leaf, other, leaf]}
    return deep


@pytest.mark.parametrize("depth", [4, 8, 17, 23])
def test_deep_queries_are_answered(pair: tuple[SearchIndex, SearchIndex], depth: int) -> None:
    for said in (nest(depth, "age", 1), {"op": ">=", "args": [{"op": "count", "args": [nest(depth, "echo", 0.1)]}, 2]}):
        query = parse_json(said)
        found = pair[0].find(query, datasets=None, explain=True, limit=1000)
        assert all(hit.explanation for hit in found.items)  # says that it holds, from the values themselves
        assert pair[0].count_each(parse("TRUE"), [query], datasets=None) == (found.count,)
        if depth < 5:  # SQLite's parser does not go deeper
            same(pair, query)


@pytest.mark.parametrize("pattern", ["%a" * 300, "%" * 2000 + "x", "_" * 4000, "a%" * 9 + "b", "%n%" + "_" * 90 + "%"])
def test_patterns_of_any_kind_are_decided(pair: tuple[SearchIndex, SearchIndex], pattern: str) -> None:
    same(pair, parse(f"note LIKE '{pattern}'"))
    same(pair, parse(f"has(note LIKE '{pattern}')"))
