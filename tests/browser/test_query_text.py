"""The builder's own idea of a query against the server's: the same canonical text, whatever the query."""

from __future__ import annotations

import random

from playwright.sync_api import Page

from catalog.search.conditions import (
    Between,
    Comparison,
    Condition,
    Count,
    Has,
    In,
    IsNull,
    Like,
    Matches,
    Under,
    Within,
    all_of,
    any_of,
    negation,
)
from catalog.search.query import Query, parse

ROUND_TRIP = """async (queries) => {
  const { fromServer, finished, asTest, fromTest } = await import("/static/search/tree.js");
  const { textOf } = await import("/static/search/cql.js");
  const again = (node) => {
    const test = asTest(node);
    if (test) return fromTest(test);
    return node.args ? { ...node, args: node.args.map((each) => (each && each.op ? again(each) : each)) } : node;
  };
  const text = (tree) => { const done = finished(tree); return done === null ? "TRUE" : textOf(done); };
  return queries.map((query) => [text(fromServer(query)), text(again(fromServer(query)))]);
}"""
TEXTS = ("FLAIR", "o'brien", "<b>x</b>", "50%", "a\\_b", "DOID:2377", "", "two  words", "é")


def leaf(dice: random.Random, names: tuple[str, ...]) -> Condition:
    """Return a random condition on one property."""
    name, text, number = dice.choice(names), dice.choice(TEXTS), dice.choice((0, 3, -2, 1.5, 0.001, 40000))
    made: list[Condition] = [
        Comparison(name, dice.choice(("=", "<>", "<", "<=", ">", ">=")), number),
        Comparison(name, dice.choice(("=", "<>", ">=")), text),
        Comparison(name, "=", dice.random() < 0.5),
        Between(name, min(number, 1), max(number, 7)),
        Between(name, "2020", "2021"),
        In(name, tuple(dict.fromkeys((text, "T1w", "x")))),
        In(name, (1, 2.5)),
        Like(name, f"%{text}%"),
        IsNull(name),
        Under(name, text or "x"),
        Matches(None, "two words"),
        Matches(name, "words*"),
        Within(name, "2020-01/.."),
    ]
    return dice.choice(made)


def condition(dice: random.Random, depth: int, names: tuple[str, ...], *, person: bool = True) -> Condition:
    """Return a random condition."""
    if depth == 0 or dice.random() < 0.25:
        return leaf(dice, names)
    parts = [condition(dice, depth - 1, names, person=person) for _ in range(dice.randint(1, 3))]
    inner = condition(dice, depth - 1, ("suffix", "echo_time", "derived"), person=False)
    made: list[Condition] = [all_of(parts), any_of(parts), negation(parts[0])]
    if person:
        made += [Has(inner), Count(inner, dice.choice((">=", "=", "<", "<>")), dice.randint(0, 4))]
    return dice.choice(made)


def test_the_builder_writes_every_query_as_the_server_does(desk: Page) -> None:
    dice = random.Random(4)
    names = ("age", "diagnosis", "dataset.license", "and", "Odd name")
    queries = [parse(Query(condition(dice, 3, names)).text) for _ in range(400)]
    written = desk.evaluate(ROUND_TRIP, [query.json for query in queries])
    for query, (as_shown, as_edited) in zip(queries, written, strict=True):
        assert as_shown == query.text
        assert parse(as_edited).text == as_edited


def test_opening_every_editor_changes_nothing_but_the_order_of_alternatives(desk: Page) -> None:
    texts = [
        "age BETWEEN 30 AND 50",
        "age > 30 AND sex = 'F'",
        "(age > 3 AND age < 7) OR sex = 'F'",
        "NOT age >= 3.5",
        "diagnosis IS NOT NULL",
        "NOT under(diagnosis, 'DOID:2377')",
        "under(diagnosis, 'a') OR under(diagnosis, 'b')",
        "sex = 'F' AND (under(diagnosis, 'a') OR diagnosis IN ('x', 'y'))",
        "label LIKE '%50\\%%'",
        "NOT has(suffix = 'T1w' AND NOT echo_time > 0.1)",
        "count(TRUE) >= 2",
        "count(suffix = 'T1w') = 2 OR NOT matches('a b')",
        "within(age, 'P10Y/P15Y')",
        "matches(notes, 'motor*')",
    ]
    queries = [parse(text) for text in texts]
    written = desk.evaluate(ROUND_TRIP, [query.json for query in queries])
    assert [edited for _, edited in written] == [query.text for query in queries]
