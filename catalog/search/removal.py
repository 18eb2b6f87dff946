"""Why an answer is small: what each condition of a query takes away, and which of them a participant does not meet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from catalog.search.conditions import (
    EVERYTHING,
    And,
    Comparison,
    Condition,
    Has,
    Not,
    Or,
    all_of,
    properties_of,
    text_of,
)
from catalog.search.index import FacetValue, Reason, SearchIndex
from catalog.search.query import Query
from ontology.errors import InvalidRequestError, NotFoundError

MAX_PAIRED: Final = 12
"""Of more conditions than these pairs are not tried: they grow with the square."""
MAX_SAID: Final = 20
"""At most so many values of a property are told of one participant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What one condition of a query does.

    Attributes:
        condition: The condition as CQL2 text.
        alone: How many participants fulfil it, whatever the others say.
        without: How many would match if it were left out.
        parts: Of ``has(a AND b)`` the same for ``a`` and ``b``: how many have an acquisition with it, and how many
            would match if the acquisition had to fulfil only the rest.
    """

    condition: str
    alone: int
    without: int
    parts: tuple[Removal, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as it goes over the wire."""
        body: dict[str, Any] = {"condition": self.condition, "alone": self.alone, "without": self.without}
        return body | ({"parts": [part.to_json() for part in self.parts]} if self.parts else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A condition that a participant does not meet, and what is said of it instead.

    Attributes:
        condition: The condition as CQL2 text.
        says: Property to the values that the participant (or its acquisitions) has; none where it is missing.
        parts: Of ``has(a AND b)``: which of them some acquisition does meet.
    """

    condition: str
    says: Mapping[str, tuple[FacetValue, ...]]
    parts: tuple[tuple[str, bool], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as it goes over the wire."""
        said = {name: [{"value": v.value, "label": v.label} for v in values] for name, values in self.says.items()}
        body: dict[str, Any] = {"condition": self.condition, "says": said}
        parts = [{"condition": condition, "holds": holds} for condition, holds in self.parts]
        return body | ({"parts": parts} if parts else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one participant stands to a query."""

    id: str
    fails: tuple[Failure, ...]
    holds: tuple[Reason, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as it goes over the wire."""
        return {
            "id": self.id,
            "fails": [failure.to_json() for failure in self.fails],
            "holds": [reason.to_json() for reason in self.holds],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """Why an answer is as small as it is.

    Attributes:
        count: How many match.
        conditions: What must hold at once, as it stands in the query.
        excluding: Pairs of conditions that somebody fulfils, but nobody both.
        participant: How the participant stands that was asked about.
    """

    count: int
    conditions: tuple[Removal, ...]
    excluding: tuple[tuple[str, str], ...] = ()
    participant: Standing | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as it goes over the wire."""
        body: dict[str, Any] = {
            "count": self.count,
            "conditions": [removal.to_json() for removal in self.conditions],
            "excluding": [list(pair) for pair in self.excluding],
        }
        return body | ({"participant": self.participant.to_json()} if self.participant else {})


def why_not(
    index: SearchIndex, query: Query, *, datasets: Collection[str] | None, participant: str | None = None
) -> WhyNot:
    """Return what each condition of a query takes away; of a participant, which it does not meet.

    Raises:
        InvalidRequestError: A property or term is not known.
        AmbiguousError: A term means several things.
        NotFoundError: No such participant is visible.
    """
    parts = conjuncts(query.root)
    standing = None if participant is None else standing_of(index, query, participant, datasets=datasets)
    count = index.find(query, datasets=datasets, limit=1).count
    removals = tuple(removed(index, parts, datasets=datasets))
    return WhyNot(
        count=count,
        conditions=removals,
        excluding=excluding(index, parts, removals, datasets=datasets),
        participant=standing,
    )


def conjuncts(condition: Condition) -> tuple[Condition, ...]:
    """Return what must hold at once: the parts of ``AND``, and of ``NOT (a OR b)``."""
    match condition:
        case And(parts=parts):
            return parts
        case Not(part=Or(parts=parts)):
            return tuple(each.part if isinstance(each, Not) else Not(each) for each in parts)
        case _:
            return (condition,)


def removed(
    index: SearchIndex,
    parts: Sequence[Condition],
    *,
    datasets: Collection[str] | None,
    among: Condition = EVERYTHING,
) -> list[Removal]:
    """Return what each of some conditions takes away from those whom ``among`` finds."""
    everybody = Query(among)
    alone = index.count_each(everybody, [Query(part) for part in parts], datasets=datasets)
    found = []
    for at, (part, number) in enumerate(zip(parts, alone, strict=True)):
        others = Query(all_of((among, *parts[:at], *parts[at + 1 :])))
        inner = at_once(part)
        rests = [Has(all_of((*inner[:i], *inner[i + 1 :]))) for i in range(len(inner))]
        without, *rest = index.count_each(others, [Query(EVERYTHING), *map(Query, rests)], datasets=datasets)
        singly = index.count_each(everybody, [Query(Has(each)) for each in inner], datasets=datasets) if inner else ()
        parts_of_it = tuple(
            Removal(condition=text_of(Has(each)), alone=by_itself, without=otherwise)
            for each, by_itself, otherwise in zip(inner, singly, rest, strict=True)
        )
        found.append(Removal(condition=text_of(part), alone=number, without=without, parts=parts_of_it))
    return found


def at_once(part: Condition) -> tuple[Condition, ...]:
    """Return what ``has(a AND b)`` asks of one acquisition at once."""
    return part.condition.parts if isinstance(part, Has) and isinstance(part.condition, And) else ()


def excluding(
    index: SearchIndex, parts: Sequence[Condition], removals: Sequence[Removal], *, datasets: Collection[str] | None
) -> tuple[tuple[str, str], ...]:
    """Return the pairs of conditions that nobody fulfils both, though somebody does either."""
    possible = [part for part, removal in zip(parts, removals, strict=True) if removal.alone]
    if not 2 <= len(possible) <= MAX_PAIRED:
        return ()
    pairs = list(combinations(possible, 2))
    counts = index.count_each(Query(EVERYTHING), [Query(all_of(pair)) for pair in pairs], datasets=datasets)
    return tuple((text_of(a), text_of(b)) for (a, b), count in zip(pairs, counts, strict=True) if not count)


def standing_of(index: SearchIndex, query: Query, participant: str, *, datasets: Collection[str] | None) -> Standing:
    """Return which conditions of a query a participant meets, with what is said of it where it does not.

    Raises:
        InvalidRequestError: A property or term is not known.
        AmbiguousError: A term means several things.
        NotFoundError: No such participant is visible.
    """
    alone = Query(Comparison("id", "=", participant))
    if index.find(alone, datasets=datasets, limit=1).count != 1:
        raise NotFoundError(f"no participant {participant}", field="participant")
    fails: list[Failure] = []
    holds: list[Reason] = []
    for part in conjuncts(query.root):
        both = Query(all_of((alone.root, part)))
        answer = index.find(both, datasets=datasets, explain=True, limit=1)
        if answer.count:
            holds += [reason for reason in answer.items[0].explanation if reason.property != "id"]
        else:
            fails.append(_failure(index, alone, part, datasets))
    return Standing(id=participant, fails=tuple(fails), holds=tuple(holds))


def _failure(index: SearchIndex, alone: Query, part: Condition, datasets: Collection[str] | None) -> Failure:
    inner = tuple(Has(each) for each in at_once(part))
    met = index.count_each(alone, [Query(each) for each in inner], datasets=datasets)
    says = {name: _said(index, alone, name, datasets) for name in sorted(properties_of(part))}
    return Failure(
        condition=text_of(part),
        says=says,
        parts=tuple((text_of(each), bool(count)) for each, count in zip(inner, met, strict=True)),
    )


def _said(index: SearchIndex, alone: Query, name: str, datasets: Collection[str] | None) -> tuple[FacetValue, ...]:
    """Return the values of a property that one participant or its acquisitions have; none of a built-in name."""
    try:
        return index.find(alone, datasets=datasets, facets=[name], limit=1).facets[name][:MAX_SAID]
    except InvalidRequestError:
        return ()
