"""The search contract: cohort queries answered with counts, facets and explanations.

An index is a projection of the ledger: it can be thrown away and rebuilt, and says which entry it covers. Every
backend passes ``tests/contract/test_search.py`` unchanged, with results identical to the SQL form's. Methods are
synchronous and safe to call from several threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from catalog.model import Problem
from catalog.repository import Repository
from catalog.search.conditions import all_of
from catalog.search.query import Query
from ontology.term_model import Resolution, Term


class Terms(Protocol):
    """What search asks of :class:`ontology.terms.TermIndex`."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that the index says."""

    def get(self, ref: str) -> Term:
        """Return the term with this IRI or CURIE, or raise NotFoundError."""

    def resolve(self, text: str, *, within: Collection[str] = ()) -> Resolution:
        """Return the term that a text means, at or below one of some, or raise NotFoundError or AmbiguousError."""

    def find(self, text: str, *, limit: int = 20) -> list[Term]:
        """Return terms as somebody types."""

    def descendants(self, iri: str) -> frozenset[str]:
        """Return the IRIs of a term and of all terms below it."""

    def path(self, descendant: str, ancestor: str) -> list[Term]:
        """Return the shortest chain of is-a axioms from one term up to another, both included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCapabilities:
    """What a backend declares; each is tested both ways."""

    persistent: bool
    several_processes: bool
    supports_full_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why one condition holds for a participant.

    Attributes:
        condition: The condition as CQL2 text.
        property: The property that it asks about; None where it asks about acquisitions as such.
        value: The value that matched; for ``count`` the number; None where the absence of a value matched.
        original: The text found in the source.
        unit: UCUM code of ``original``.
        label: The value's term in words, or the value.
        term: IRI of the value's term.
        source: File that says so.
        session: Session to which the value belongs.
        chain: For ``under``: ``{curie, label}`` from the value's term up to the one asked for.
        acquisition: ``{id, label}`` of the acquisition whose value it is.
        acquisitions: How many acquisitions of the participant fulfil the surrounding ``has``.
    """

    condition: str
    property: str | None = None
    value: str | int | float | bool | None = None
    original: str | None = None
    unit: str | None = None
    label: str | None = None
    term: str | None = None
    source: str | None = None
    session: str | None = None
    chain: tuple[Mapping[str, str], ...] = ()
    acquisition: Mapping[str, str] | None = None
    acquisitions: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the reason as it goes over the wire; optional members without a value are left out."""
        members: dict[str, Any] = {"condition": self.condition, "property": self.property, "value": self.value}
        optional = ("original", "unit", "label", "term", "source", "session", "acquisition", "acquisitions")
        members |= {name: value for name in optional if (value := getattr(self, name)) is not None}
        if self.chain:
            members["chain"] = [dict(step) for step in self.chain]
        return members


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A participant that fulfils the query; ``explanation`` is empty unless it was asked for."""

    id: str
    label: str
    dataset: str | None
    explanation: tuple[Reason, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the hit as it goes over the wire."""
        return {
            "id": self.id,
            "label": self.label,
            "dataset": self.dataset,
            "explanation": [reason.to_json() for reason in self.explanation],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetValue:
    """One value of a facet: ``property = value`` asks for it; ``count`` participants of the answer have it."""

    value: str | int | float | bool
    label: str
    count: int

    def to_json(self) -> dict[str, Any]:
        """Return the value as it goes over the wire."""
        return {"value": self.value, "label": self.label, "count": self.count}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One page of an answer, with the count and facets of the whole of it.

    Attributes:
        count: How many participants fulfil the query.
        items: This page of them, by dataset, label and IRI.
        facets: Property to its values, most frequent first.
        next: Cursor of the next page, or None.
        notices: What the person who asked should know about how the query was understood.
        advice: Of a query that nobody fulfils, which conditions nobody can, and what is near to them.
    """

    count: int
    items: tuple[Hit, ...]
    facets: Mapping[str, tuple[FacetValue, ...]] = field(default_factory=dict)
    next: str | None = None
    notices: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the answer as it goes over the wire."""
        return {
            "count": self.count,
            "items": [hit.to_json() for hit in self.items],
            "facets": {name: [value.to_json() for value in values] for name, values in self.facets.items()},
            "next": self.next,
            "notices": [*self.notices, *self.advice],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyInfo:
    """A property that can be asked about.

    Attributes:
        name: As it is written in a query.
        level: ``participant``, or ``acquisition`` (within ``has`` and ``count``).
        kinds: Of its values: ``number``, ``text``, ``boolean``; ``term`` where some are mapped to terms.
        count: How many participants or acquisitions have a value of it.
        examples: Some of its values, as a query may give them.
    """

    name: str
    level: str
    kinds: tuple[str, ...]
    count: int
    examples: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the property as it goes over the wire."""
        return {
            "name": self.name,
            "level": self.level,
            "kinds": list(self.kinds),
            "count": self.count,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The range of a property's numbers, in the unit in which they are compared; ``whole``: none has a fraction."""

    level: str
    low: float
    high: float
    whole: bool


class SearchIndex(ABC):
    """Cohort search over one catalogue. ``datasets`` everywhere: only records of these; None for all."""

    capabilities: ClassVar[SearchCapabilities]

    @property
    @abstractmethod
    def applied(self) -> int:
        """Sequence number of the ledger entry up to which the index covers the repository; -1 when empty."""

    @property
    def engine_version(self) -> str | None:
        """Version of the software that searches, as it says itself; None where there is nothing to say.

        Raises:
            BackendUnavailableError: It is away.
        """
        return None

    @abstractmethod
    def catch_up(self, repository: Repository) -> int:
        """Apply what was written since; return :attr:`applied`. Called before each question.

        An index that is broken, or covers another history than the repository's, rebuilds itself.

        Raises:
            BackendUnavailableError: Another process holds the index for too long, or its service is away.
            StorageFullError: The disk is full; the index is as it was.
        """

    @abstractmethod
    def find(
        self,
        query: Query,
        *,
        datasets: Collection[str] | None,
        facets: Sequence[str] = (),
        explain: bool = False,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Answer:
        """Answer a query.

        Args:
            query: From :func:`catalog.search.query.parse`.
            datasets: Only participants and acquisitions of these datasets exist; None for all.
            facets: Properties to count the whole answer by.
            explain: Whether each hit says why it is one.
            cursor: The ``next`` of the page before, of the same query.
            limit: Hits per page (1 to 1000).

        Raises:
            InvalidRequestError: A property or term is not known (``params['candidates']`` has what is spelled
                like it), or the cursor or limit is not one of ours.
            AmbiguousError: A term means several things.
            BackendUnavailableError: The index is away.
        """

    @abstractmethod
    def members(self, query: Query, *, datasets: Collection[str] | None) -> list[str]:
        """Return the IRIs of all participants that fulfil a query, sorted.

        Raises:
            InvalidRequestError: As for :meth:`find`.
            AmbiguousError: A term means several things.
        """

    @abstractmethod
    def select(self, query: Query, *, participant: str, datasets: Collection[str] | None = None) -> list[str]:
        """Return the IRIs of those acquisitions of a participant that fulfil a condition, by label.

        Args:
            query: A condition on one acquisition: what may stand within ``has``.
            participant: IRI of the participant.
            datasets: Only acquisitions of these datasets exist; None for all.

        Raises:
            InvalidRequestError: As for :meth:`find`; or the condition is not about an acquisition.
            AmbiguousError: A term means several things.
        """

    def count_each(
        self, query: Query, conditions: Sequence[Query], *, datasets: Collection[str] | None
    ) -> tuple[int, ...]:
        """Return, for each of some conditions, how many of the hits of a query fulfil it as well.

        Raises:
            InvalidRequestError: As for :meth:`find`.
            AmbiguousError: A term means several things.
        """
        both = (Query(all_of((query.root, condition.root))) for condition in conditions)
        return tuple(self.find(each, datasets=datasets, limit=1).count for each in both)

    @abstractmethod
    def extent(self, name: str, *, datasets: Collection[str] | None = None) -> Extent | None:
        """Return the range of a property's visible numbers; None where it has none.

        A name that is known of participants is theirs; otherwise it is looked for among acquisitions.
        """

    @abstractmethod
    def properties(self, *, datasets: Collection[str] | None = None) -> list[PropertyInfo]:
        """Return every property that has values, participants' first, then by name."""

    @abstractmethod
    def facet_properties(self, *, datasets: Collection[str] | None = None) -> list[PropertyInfo]:
        """Return the properties that divide participants into few groups, the most complete first."""

    @abstractmethod
    def rebuild(self, repository: Repository) -> int:
        """Make the index anew from the repository, all or nothing; return :attr:`applied`.

        Raises:
            BackendUnavailableError: As for :meth:`catch_up`.
        """

    @abstractmethod
    def check(self, repository: Repository) -> Iterator[Problem]:
        """Yield every difference between the index and one that would be built now."""

    def scrub(self) -> None:
        """Make sure that what was withdrawn is in no file of the index any more; for the end of a withdrawal.

        Nothing that was withdrawn can be asked from the next :meth:`catch_up` on. Where a backend's files keep names
        of such records for a while, this writes them anew.

        Raises:
            StorageFullError: There is no room for a second copy; nothing was changed.
            BackendUnavailableError: The index is held by others for too long, or away.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Release files and connections; harmless to repeat."""
