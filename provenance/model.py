"""The PROV data model (PROV-DM): documents, bundles and the statements made in them.

Everything that other packages need is importable from here::

    document = ProvDocument({"ex": "http://example.org/"})
    document.activity("ex:qc", start="2026-11-21T10:00:00Z")
    document.entity("ex:report", {"prov:label": "Report"})
    document.was_generated_by("ex:report", "ex:qc")
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from ontology.errors import InvalidRequestError
from provenance import vocabulary as v
from provenance.statements import Attributes, Statement, Statements
from provenance.values import Identifier, Literal, Value, normal_time, value_of

__all__ = [
    "Attributes",
    "Bundle",
    "Identifier",
    "Literal",
    "ProvDocument",
    "Statement",
    "Value",
    "normal_time",
    "value_of",
]

Time = datetime | str
"""An ``xsd:dateTime``, as text or as a datetime."""


class _Builder(Statements):
    """The builder methods, one for each kind of statement of PROV-DM section 5.

    All of them take CURIEs or IRIs for identifiers, return the statement, and raise InvalidRequestError for what
    PROV-DM does not allow.
    """

    __slots__ = ()

    def entity(self, id: str, attributes: Attributes | None = None) -> Statement:
        """State an entity (5.1.1)."""
        return self.state(v.ENTITY, id, (), attributes)

    def activity(
        self, id: str, attributes: Attributes | None = None, *, start: Time | None = None, end: Time | None = None
    ) -> Statement:
        """State an activity and when it ran (5.1.2)."""
        return self.state(v.ACTIVITY, id, (start, end), attributes)

    def agent(self, id: str, attributes: Attributes | None = None) -> Statement:
        """State an agent (5.3.1)."""
        return self.state(v.AGENT, id, (), attributes)

    def was_generated_by(
        self,
        entity: str,
        activity: str | None = None,
        *,
        time: Time | None = None,
        id: str | None = None,
        attributes: Attributes | None = None,
    ) -> Statement:
        """State a generation (5.1.3)."""
        return self.state(v.GENERATION, id, (entity, activity, time), attributes)

    def used(
        self,
        activity: str,
        entity: str | None = None,
        *,
        time: Time | None = None,
        id: str | None = None,
        attributes: Attributes | None = None,
    ) -> Statement:
        """State a usage (5.1.4)."""
        return self.state(v.USAGE, id, (activity, entity, time), attributes)

    def was_informed_by(
        self, informed: str, informant: str, *, id: str | None = None, attributes: Attributes | None = None
    ) -> Statement:
        """State a communication (5.1.5)."""
        return self.state(v.COMMUNICATION, id, (informed, informant), attributes)

    def was_started_by(
        self,
        activity: str,
        trigger: str | None = None,
        *,
        starter: str | None = None,
        time: Time | None = None,
        id: str | None = None,
        attributes: Attributes | None = None,
    ) -> Statement:
        """State a start (5.1.6)."""
        return self.state(v.START, id, (activity, trigger, starter, time), attributes)

    def was_ended_by(
        self,
        activity: str,
        trigger: str | None = None,
        *,
        ender: str | None = None,
        time: Time | None = None,
        id: str | None = None,
        attributes: Attributes | None = None,
    ) -> Statement:
        """State an end (5.1.7)."""
        return self.state(v.END, id, (activity, trigger, ender, time), attributes)

    def was_invalidated_by(
        self,
        entity: str,
        activity: str | None = None,
        *,
        time: Time | None = None,
        id: str | None = None,
        attributes: Attributes | None = None,
    ) -> Statement:
        """State an invalidation (5.1.8)."""
        return self.state(v.INVALIDATION, id, (entity, activity, time), attributes)

    def was_derived_from(
        self,
        generated: str,
        used: str,
        *,
        activity: str | None = None,
        generation: str | None = None,
        usage: str | None = None,
        id: str | None = None,
        attributes: Attributes | None = None,
    ) -> Statement:
        """State a derivation (5.2.1)."""
        return self.state(v.DERIVATION, id, (generated, used, activity, generation, usage), attributes)

    def was_revision_of(
        self, generated: str, used: str, *, id: str | None = None, attributes: Attributes | None = None
    ) -> Statement:
        """State a revision: a derivation of type ``prov:Revision`` (5.2.2)."""
        return self._subtype(v.REVISION, id, (generated, used), attributes)

    def was_quoted_from(
        self, generated: str, used: str, *, id: str | None = None, attributes: Attributes | None = None
    ) -> Statement:
        """State a quotation: a derivation of type ``prov:Quotation`` (5.2.3)."""
        return self._subtype(v.QUOTATION, id, (generated, used), attributes)

    def had_primary_source(
        self, generated: str, used: str, *, id: str | None = None, attributes: Attributes | None = None
    ) -> Statement:
        """State a primary source: a derivation of type ``prov:PrimarySource`` (5.2.4)."""
        return self._subtype(v.PRIMARY_SOURCE, id, (generated, used), attributes)

    def was_attributed_to(
        self, entity: str, agent: str, *, id: str | None = None, attributes: Attributes | None = None
    ) -> Statement:
        """State an attribution (5.3.2)."""
        return self.state(v.ATTRIBUTION, id, (entity, agent), attributes)

    def was_associated_with(
        self,
        activity: str,
        agent: str | None = None,
        *,
        plan: str | None = None,
        id: str | None = None,
        attributes: Attributes | None = None,
    ) -> Statement:
        """State an association, with the plan that was followed (5.3.3)."""
        return self.state(v.ASSOCIATION, id, (activity, agent, plan), attributes)

    def acted_on_behalf_of(
        self,
        delegate: str,
        responsible: str,
        *,
        activity: str | None = None,
        id: str | None = None,
        attributes: Attributes | None = None,
    ) -> Statement:
        """State a delegation (5.3.4)."""
        return self.state(v.DELEGATION, id, (delegate, responsible, activity), attributes)

    def was_influenced_by(
        self, influencee: str, influencer: str, *, id: str | None = None, attributes: Attributes | None = None
    ) -> Statement:
        """State an influence (5.3.5)."""
        return self.state(v.INFLUENCE, id, (influencee, influencer), attributes)

    def specialization_of(self, specific: str, general: str) -> Statement:
        """State a specialization (5.5.1)."""
        return self.state(v.SPECIALIZATION, None, (specific, general))

    def alternate_of(self, first: str, second: str) -> Statement:
        """State that two entities are alternates (5.5.2)."""
        return self.state(v.ALTERNATE, None, (first, second))

    def had_member(self, collection: str, entity: str) -> Statement:
        """State a membership in a collection (5.6.2)."""
        return self.state(v.MEMBERSHIP, None, (collection, entity))

    def mention_of(self, specific: str, general: str, bundle: str) -> Statement:
        """State a mention of an entity as described in a bundle (PROV-LINKS 3.1)."""
        return self.state(v.MENTION, None, (specific, general, bundle))

    def _subtype(self, subtype: str, id: str | None, pair: tuple[str, str], attributes: Attributes | None) -> Statement:
        more = list(self._pairs(attributes)) if attributes else []
        return self.state(v.DERIVATION, id, pair, [*more, (Identifier(v.TYPE), Identifier(subtype))])


class Bundle(_Builder):
    """A named set of statements (PROV-DM 5.4.1); it shares the namespaces of its document."""

    __slots__ = ("id",)

    def __init__(self, id: Identifier, namespaces: dict[str, str]) -> None:
        super().__init__(namespaces)
        self.id = id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bundle):
            return NotImplemented
        return self.id == other.id and self._same_statements(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Bundle {self.id}: {len(self.statements)} statements>"


class ProvDocument(_Builder):
    """A PROV document: statements and bundles under shared namespaces.

    Two documents are equal when they say the same: the same set of statements, and bundles of the same names
    with the same sets of statements. Order and prefixes play no part.

    Args:
        namespaces: Prefixes and their IRIs; the empty prefix is the default namespace.
        statements: Statements to start with.

    Raises:
        InvalidRequestError: A namespace is no IRI, or redefines ``prov`` or ``xsd``.
    """

    __slots__ = ("_bundles",)

    def __init__(self, namespaces: Mapping[str, str] | None = None, statements: Iterable[Statement] = ()) -> None:
        super().__init__({})
        self._bundles: dict[Identifier, Bundle] = {}
        for prefix, iri in (namespaces or {}).items():
            self.declare(prefix, iri)
        for statement in statements:
            self.add(statement)

    @property
    def bundles(self) -> Mapping[Identifier, Bundle]:
        """The bundles by identifier."""
        return self._bundles

    def declare(self, prefix: str, iri: str) -> None:
        """Bind a prefix; the empty prefix is the default namespace.

        Raises:
            InvalidRequestError: ``iri`` is no IRI, or ``prefix`` is ``prov`` or ``xsd`` and means something else.
        """
        Identifier(iri)
        if ":" in prefix or v.BUILT_IN.get(prefix, iri) != iri:
            raise InvalidRequestError(f"the prefix {prefix!r} cannot mean {iri}", field="prefix")
        self.namespaces[prefix] = iri

    def bundle(self, id: str) -> Bundle:
        """Return the bundle of this name, made if it is not there yet."""
        name = self.name(id)
        if name not in self._bundles:
            self._bundles[name] = Bundle(name, self.namespaces)
        return self._bundles[name]

    def union(self, other: ProvDocument) -> ProvDocument:
        """Return what either document says; bundles of one name become one.

        Prefixes of this document win where the two differ.
        """
        both = ProvDocument({**other.namespaces, **self.namespaces})
        for document in (self, other):
            for statement in document.statements:
                both.add(statement)
            for bundle in document.bundles.values():
                target = both.bundle(bundle.id)
                for statement in bundle.statements:
                    target.add(statement)
        return both

    def __or__(self, other: ProvDocument) -> ProvDocument:
        return self.union(other)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProvDocument):
            return NotImplemented
        return self._same_statements(other) and self._bundles == other._bundles

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<ProvDocument: {len(self.statements)} statements, {len(self._bundles)} bundles>"
