"""Why a participant is in an answer: the values and axioms that made each condition hold.

Works on the statements of one page of hits, so that every backend explains alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from catalog.search.binding import (
    All,
    AnyPart,
    Bound,
    CountAcquisitions,
    HasAcquisition,
    Opposite,
    Some,
    present_meaning,
)
from catalog.search.conditions import negation, text_of
from catalog.search.index import Reason, Terms
from catalog.search.names import ANY, BUILT_IN, OF_DATASET, Level
from catalog.search.projection import DatasetEntry, Statement, built_in, said_of_dataset
from catalog.search.value_tests import Below
from ontology.errors import InvalidRequestError, NotFoundError


@dataclass(frozen=True, slots=True)
class Described:
    """A participant or acquisition with those of its statements that a query asks about."""

    id: str
    label: str
    statements: Mapping[str, Sequence[Statement]]
    acquisitions: Sequence[Described] = field(default=())
    """Of a participant: those that may be seen, by label and IRI."""

    def said(self, name: str) -> Sequence[Statement]:
        """Return the statements of a property; for ``*`` all that are the record's own."""
        if name != ANY:
            return self.statements.get(name, ())
        own = (said for name, said in self.statements.items() if name not in _NOT_OWN)
        return [statement for said in own for statement in said]


_NOT_OWN = frozenset({*BUILT_IN, *OF_DATASET})


def describe(
    id: str,
    label: str,
    said: Iterable[Statement],
    *,
    level: Level,
    dataset: DatasetEntry | None,
    acquisitions: Sequence[Described] = (),
) -> Described:
    """Return a record as it is explained: with its own statements, its names, and what it has from its dataset.

    Args:
        id: Its IRI.
        label: Its label.
        said: Those of its own statements that a query asks about.
        level: What it is.
        dataset: Its dataset, where that may be seen.
        acquisitions: Of a participant: those that may be seen, by label and IRI.
    """
    statements: dict[str, tuple[Statement, ...]] = {}
    for statement in said:
        statements[statement.name] = (*statements.get(statement.name, ()), statement)
    statements |= {name: (built_in(name, id=id, label=label),) for name in ("id", "label")}
    return Described(id, label, statements | said_of_dataset(level, dataset), acquisitions)


def properties_asked(bound: Bound) -> frozenset[str]:
    """Return the names of all properties that a bound query asks about, of either level."""
    match bound:
        case Some(property=name):
            return frozenset({name})
        case All(parts=parts) | AnyPart(parts=parts):
            return frozenset().union(*(properties_asked(part) for part in parts))
        case Opposite(part=part) | HasAcquisition(part=part) | CountAcquisitions(part=part):
            return properties_asked(part)


def asks_acquisitions(bound: Bound) -> bool:
    """Tell whether a bound query looks at acquisitions."""
    match bound:
        case HasAcquisition() | CountAcquisitions():
            return True
        case All(parts=parts) | AnyPart(parts=parts):
            return any(asks_acquisitions(part) for part in parts)
        case Opposite(part=part):
            return asks_acquisitions(part)
        case _:
            return False


class Explainer:
    """Explains the hits of one bound query."""

    def __init__(self, root: Bound, terms: Terms) -> None:
        self.root = root
        self.terms = terms

    def explain(self, participant: Described) -> tuple[Reason, ...] | None:
        """Return the reasons for which a participant fulfils the query; None if it does not."""
        reasons = self._why(self.root, participant, True)
        return None if reasons is None else tuple(reasons)

    def _why(self, bound: Bound, record: Described, wanted: bool) -> list[Reason] | None:
        """Return why ``bound`` is as ``wanted`` for a record; None if it is not."""
        match bound:
            case Opposite(part=part):
                return self._why(part, record, not wanted)
            case All(parts=parts):
                return self._joined(parts, record, wanted, every=wanted)
            case AnyPart(parts=parts):
                return self._joined(parts, record, wanted, every=not wanted)
            case HasAcquisition():
                return self._has(bound, record, wanted)
            case CountAcquisitions():
                return self._count(bound, record, wanted)
            case Some():
                return self._some(bound, record, wanted)

    def _joined(self, parts: Sequence[Bound], record: Described, wanted: bool, *, every: bool) -> list[Reason] | None:
        found = [self._why(part, record, wanted) for part in parts]
        holding = [reasons for reasons in found if reasons is not None]
        if (every and len(holding) < len(found)) or (not every and not holding):
            return None
        return [reason for reasons in holding for reason in reasons]

    def _some(self, bound: Some, record: Described, wanted: bool) -> list[Reason] | None:
        passing = [s for s in record.said(bound.property) if bound.test.passes(s)]
        if bool(passing) is not wanted:
            return None
        if not wanted:
            asked = None if bound.property == ANY else bound.property
            absent = Reason(condition=text_of(negation(bound.condition)), property=asked)
            return [] if bound.quiet else [absent]
        return [self._reason(bound, statement) for statement in sorted(passing, key=repr)]

    def _reason(self, bound: Some, statement: Statement) -> Reason:
        chain = self._chain(statement.term, bound.test.ancestor) if isinstance(bound.test, Below) else ()
        if bound.property in BUILT_IN:
            # The other forms of a built-in value are ways to ask for it, not where it was found.
            statement = replace(statement, original=None, source=None)
        return Reason(
            condition=text_of(bound.condition),
            property=statement.name,
            value=statement.value,
            original=statement.original,
            unit=statement.unit,
            label=label_of(statement, self.terms),
            term=statement.term,
            source=statement.source,
            session=statement.session,
            chain=chain,
        )

    def _chain(self, term: str | None, ancestor: str) -> tuple[Mapping[str, str], ...]:
        if term is None:
            return ()
        try:
            path = self.terms.path(term, ancestor) or self.terms.path(present_meaning(term, self.terms), ancestor)
        except (NotFoundError, InvalidRequestError):
            path = self.terms.path(present_meaning(term, self.terms), ancestor)
        return tuple({"curie": step.curie, "label": step.label} for step in path)

    def _fulfilling(self, part: Bound, record: Described) -> list[tuple[Described, list[Reason]]]:
        found = ((acquisition, self._why(part, acquisition, True)) for acquisition in record.acquisitions)
        return [(acquisition, reasons) for acquisition, reasons in found if reasons is not None]

    def _has(self, bound: HasAcquisition, record: Described, wanted: bool) -> list[Reason] | None:
        fulfilling = self._fulfilling(bound.part, record)
        if bool(fulfilling) is not wanted:
            return None
        if not wanted:
            return [Reason(condition=text_of(negation(bound.condition)))]
        acquisition, reasons = fulfilling[0]
        found = reasons or [Reason(condition=text_of(bound.condition))]
        shown = {"id": acquisition.id, "label": acquisition.label}
        return [replace(reason, acquisition=shown, acquisitions=len(fulfilling)) for reason in found]

    def _count(self, bound: CountAcquisitions, record: Described, wanted: bool) -> list[Reason] | None:
        number = len(self._fulfilling(bound.part, record))
        if bound.holds(number) is not wanted:
            return None
        condition = bound.condition if wanted else negation(bound.condition)
        label = "1 acquisition" if number == 1 else f"{number} acquisitions"
        return [Reason(condition=text_of(condition), value=number, label=label)]


def label_of(statement: Statement, terms: Terms) -> str | None:
    """Return a value in words: the present label of its term, else the one it was mapped with, else itself."""
    if statement.term is not None:
        try:
            return terms.get(statement.term).label
        except (NotFoundError, InvalidRequestError):
            return statement.label or statement.original or statement.text
    if isinstance(statement.value, bool):
        return "true" if statement.value else "false"
    return statement.label or (str(statement.value) if statement.value is not None else None)
