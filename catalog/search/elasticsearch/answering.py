"""Answering one question from one generation of the index: hits, pages, facets, counts, explanations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from catalog.search.advice import advice
from catalog.search.binding import BoundQuery
from catalog.search.documents import ParticipantDocument
from catalog.search.elasticsearch.documents import read_person
from catalog.search.elasticsearch.encoding import MAX_TERM, clipped
from catalog.search.elasticsearch.facets import facet_of
from catalog.search.elasticsearch.queries import Query
from catalog.search.elasticsearch.scope import Scope
from catalog.search.elasticsearch.translation import participants
from catalog.search.explanation import Described, Explainer, asks_acquisitions, describe
from catalog.search.facets import FacetCount, cut_notices, facet_values
from catalog.search.index import Answer, FacetValue, Hit, Terms
from catalog.search.names import Level
from catalog.search.paging import Position, cursor_after
from catalog.search.projection import AcquisitionEntry, ParticipantEntry
from catalog.search.query import Query as Asked

_PAGE: Final = 10_000
_KEEP: Final = "2m"
_ORDER: Final = ["home", "label", "key"]


class Answering:
    """One bound query in one scope."""

    def __init__(self, scope: Scope, bound: BoundQuery, terms: Terms) -> None:
        self.scope = scope
        self.bound = bound
        self.terms = terms
        self.query: Query = participants(bound.root, scope)

    def answer(
        self, asked: Asked, *, facets: Sequence[str], explain: bool, after: Position | None, limit: int
    ) -> Answer:
        """Return one page of the answer, with the count and facets of the whole.

        Raises:
            InvalidRequestError: A facet is not known, or divides nobody.
        """
        wanted = {name: facet_of(self.scope, name) for name in dict.fromkeys(facets)}
        body: dict[str, Any] = {
            "query": self.query,
            "size": limit + 1,
            "sort": _ORDER,
            "track_total_hits": True,
            **({"_source": ["said", "acquisitions"]} if explain else {"_source": False, "stored_fields": "_none_"}),
        }
        if after is not None:
            body["search_after"] = [clipped(part) for part in after]
        if wanted:
            body["aggs"] = {f"facet{number}": facet.aggregation for number, facet in enumerate(wanted.values())}
        found = self.scope.vocabulary.search(body)
        hits, notices = found["hits"]["hits"], list[str]()
        page = hits[:limit]
        at = self._positions(page)
        answers = [found["aggregations"][f"facet{number}"] for number in range(len(wanted))]
        counted = {
            name: self._shown(name, facet.counts(said, self.query), notices)
            for (name, facet), said in zip(wanted.items(), answers, strict=True)
        }
        return Answer(
            count=found["hits"]["total"]["value"],
            items=tuple(self._hits(page, at, explain=explain)),
            facets=counted,
            next=cursor_after(at[-1], asked) if len(hits) > limit else None,
            notices=(*self.bound.notices, *notices),
            advice=self._advice(found["hits"]["total"]["value"]),
        )

    def _advice(self, count: int) -> tuple[str, ...]:
        return () if count else advice(self.bound.root, terms=self.terms, in_use=self.scope.in_use())

    def _shown(self, name: str, counts: Collection[FacetCount], notices: list[str]) -> tuple[FacetValue, ...]:
        notices += cut_notices(name, len(counts))
        return facet_values(counts, self.terms)

    def _positions(self, page: Sequence[Any]) -> list[Position]:
        """Return the places of hits; what is too long to be sorted by is read from the documents."""
        found = [Position(*hit["sort"]) for hit in page]
        cut = [at.iri for at in found if any(len(part) >= MAX_TERM // 4 for part in at)]
        if not cut:
            return found
        query = {"bool": {"filter": [{"terms": {"key": cut}}, _PERSON]}}
        hits = self.scope.vocabulary.search({"query": query, "size": len(cut), "_source": ["said"]})["hits"]["hits"]
        entries = (read_person(hit["_source"]).participant for hit in hits)
        whole = {clipped(entry.id): entry for entry in entries if entry is not None}
        return [
            Position(entry.dataset or "", entry.label, entry.id) if (entry := whole.get(at.iri)) else at for at in found
        ]

    def _hits(self, page: Sequence[Any], places: Sequence[Position], *, explain: bool) -> Iterator[Hit]:
        """Yield the hits of a page, each with its explanation when asked."""
        explainer = Explainer(self.bound.root, self.terms)
        images = asks_acquisitions(self.bound.root)
        for hit, at in zip(page, places, strict=True):
            reasons = None
            if explain:
                participant = described(self.scope, read_person(hit["_source"]), acquisitions=images)
                reasons = explainer.explain(participant)
            yield Hit(id=at.iri, label=at.label, dataset=at.dataset or None, explanation=reasons or ())

    def count_each(self, conditions: Sequence[BoundQuery]) -> tuple[int, ...]:
        """Return how many hits fulfil each of some conditions as well."""
        if not conditions:
            return ()
        filters = [participants(condition.root, self.scope) for condition in conditions]
        aggs = {"each": {"filters": {"filters": filters}}}
        found = self.scope.vocabulary.search({"query": self.query, "size": 0, "aggs": aggs})
        return tuple(bucket["doc_count"] for bucket in found["aggregations"]["each"]["buckets"])

    def members(self) -> list[str]:
        """Return the IRIs of all hits, sorted; many are read from one point in time, in the index's own order."""
        found, more = self._keys({"sort": ["_doc"]}, f"/{self.scope.vocabulary.stamp.index}/_search")
        return sorted(self._all_members() if more else found)

    def _all_members(self) -> list[str]:
        server, index = self.scope.vocabulary.server, self.scope.vocabulary.stamp.index
        point = server.ask("POST", f"/{index}/_pit", keep_alive=_KEEP)["id"]
        found: list[str] = []
        try:
            more: list[Any] | None = []
            while more is not None:
                page: dict[str, Any] = {"sort": ["_shard_doc"], "pit": {"id": point, "keep_alive": _KEEP}}
                keys, more = self._keys(page | ({"search_after": more} if more else {}), "/_search")
                found += keys
            return found
        finally:
            server.ask("DELETE", "/_pit", {"id": point})

    def _keys(self, page: dict[str, Any], path: str) -> tuple[list[str], list[Any] | None]:
        """Return the IRIs of one page of hits, and where the next one begins, if there is one."""
        body = page | {"query": self.query, "size": _PAGE, "track_total_hits": False, "_source": False}
        body |= {"docvalue_fields": ["key"], "stored_fields": "_none_"}  # so that no document has to be unpacked
        answer = self.scope.vocabulary.server.ask("POST", path, body, filter_path=_NEEDED)
        hits = answer.get("hits", {}).get("hits", [])
        return [hit["fields"]["key"][0] for hit in hits], hits[-1]["sort"] if len(hits) == _PAGE else None


_NEEDED: Final = "hits.hits.fields.key,hits.hits.sort"


def select(scope: Scope, bound: BoundQuery, participant: str, terms: Terms) -> list[str]:
    """Return those visible acquisitions of a participant that fulfil a condition, by label and IRI."""
    body = {"query": {"bool": {"filter": [{"term": {"key": clipped(participant)}}, {"term": {"live": True}}, _PERSON]}}}
    hits = scope.vocabulary.search(body | {"size": 1, "_source": ["said", "acquisitions"]})["hits"]["hits"]
    if not hits:
        return []
    explainer = Explainer(bound.root, terms)
    found = described(scope, read_person(hits[0]["_source"]), acquisitions=True)
    return [image.id for image in found.acquisitions if explainer.explain(image) is not None]


_PERSON: Final[Query] = {"term": {"kind": "person"}}


def described(scope: Scope, document: ParticipantDocument, *, acquisitions: bool) -> Described:
    """Return a participant as explanations read it, with those of its acquisitions that may be seen."""
    entry = document.participant
    if entry is None:
        raise ValueError(f"{document.key} is nobody")
    seen = [image for image in document.acquisitions.values() if _may_be_seen(scope, image)] if acquisitions else []
    images = sorted(seen, key=lambda image: (image.label, image.id))
    nested = tuple(_described(scope, image, Level.ACQUISITION) for image in images)
    return _described(scope, entry, Level.PARTICIPANT, nested)


def _described(
    scope: Scope, entry: ParticipantEntry | AcquisitionEntry, level: Level, nested: Sequence[Described] = ()
) -> Described:
    dataset = scope.visible.get(entry.dataset or "")
    return describe(entry.id, entry.label, entry.statements, level=level, dataset=dataset, acquisitions=nested)


def _may_be_seen(scope: Scope, image: AcquisitionEntry) -> bool:
    return image.dataset in scope.visible if image.dataset is not None else scope.sees_all
