"""Cohorts: frozen answers, and what has changed since."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.backends.sqlite import SqliteRepository
from catalog.cohorts import CohortDiff, CohortDraft, cohort_digest, diff, freeze
from catalog.model import Commit, Erase, Put, Withdraw
from catalog.search.query import parse
from catalog.search.sqlite import SqlIndex
from catalog.search.testing import SmallTerms
from ontology.errors import ConflictError, InvalidRequestError
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM, HAD_MEMBER, PART_OF

WOMEN = "sex = 'F' AND has(suffix = 'T1w')"


class Catalogue:
    """Two datasets with three and one women, an image each, in a real repository."""

    def __init__(self, folder: Path) -> None:
        self.repository = SqliteRepository.create(folder, name="test")
        self.index = SqlIndex.open(folder / "search.sqlite", SmallTerms())
        self.datasets = [new_iri(), new_iri()]
        self.commit(*(Put(id=d, type="Dataset", document={"label": f"ds{i}"}) for i, d in enumerate(self.datasets)))
        self.people = sorted(new_iri() for _ in range(4))
        for number, iri in enumerate(self.people):
            self.person(iri, "F", self.datasets[number == 3])
        self.images = {iri: self.image(iri) for iri in self.people}

    def commit(self, *changes: Any) -> None:
        self.repository.commit(Commit(principal="urn:uuid:me", action="test.write", changes=changes))

    def person(self, iri: str, sex: str, dataset: str) -> None:
        document = {"label": "sub-x", "dataset": dataset, "properties": {"sex": [{"value": sex}]}, "sessions": []}
        self.commit(Put(id=iri, type="Participant", document=document, edges=[(PART_OF, dataset)]))

    def image(self, person: str, suffix: str = "T1w", *, derived: bool = False, iri: str | None = None) -> str:
        iri = iri or new_iri()
        document = {
            "label": f"sub-x_{suffix}",
            "dataset": self.datasets[0],
            "participant": person,
            "suffix": suffix,
            "derived": derived,
        }
        self.commit(Put(id=iri, type="Acquisition", document=document, edges=[(DERIVED_FROM, person)]))
        return iri

    def freeze(self, text: str = WOMEN, **options: Any) -> CohortDraft:
        options = {"datasets": None, "terms_digest": "t" * 64, **options}
        return freeze(parse(text), self.index, repository=self.repository, **options)

    def diff(self, draft: CohortDraft, datasets: set[str] | None = None) -> CohortDiff:
        return diff(draft.document, self.index, self.repository, datasets)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    found = Catalogue(tmp_path)
    yield found
    found.index.close()
    found.repository.close()


def test_a_cohort_states_query_ontology_sequence_and_members(catalogue: Catalogue) -> None:
    draft = catalogue.freeze(label="Women")
    document = draft.document
    assert document["label"] == "Women"
    assert document["query"] == WOMEN
    assert parse(WOMEN).json == document["query_json"]
    assert document["ontology"] == "t" * 64
    assert document["sequence"] == catalogue.repository.sequence
    assert document["count"] == len(document["members"]) == 4
    assert [member["participant"] for member in document["members"]] == catalogue.people
    assert {member["version"] for member in document["members"]} == {1}
    assert document["members"][3]["dataset"] == catalogue.datasets[1]
    assert draft.edges == [(HAD_MEMBER, iri) for iri in catalogue.people]
    assert catalogue.freeze().document["label"] == WOMEN


def test_the_same_answer_has_the_same_digest_whenever_it_is_frozen(catalogue: Catalogue) -> None:
    first = catalogue.freeze().document
    catalogue.person(new_iri(), "M", catalogue.datasets[0])
    catalogue.image(catalogue.people[0], "mask", derived=True)
    again = catalogue.freeze().document
    assert again["digest"] == first["digest"] == cohort_digest(WOMEN, "t" * 64, first["members"])
    assert again["sequence"] > first["sequence"]
    assert catalogue.freeze(terms_digest="u" * 64).document["digest"] != first["digest"]
    assert catalogue.freeze("sex = 'F'").document["digest"] != first["digest"]
    catalogue.image(catalogue.people[0], "FLAIR")
    assert catalogue.freeze().document["digest"] != first["digest"]


def test_only_what_may_be_seen_is_frozen(catalogue: Catalogue) -> None:
    document = catalogue.freeze(datasets={catalogue.datasets[0]}).document
    assert [member["participant"] for member in document["members"]] == catalogue.people[:3]


def test_a_cohort_of_nobody_is_empty(catalogue: Catalogue) -> None:
    assert catalogue.freeze("sex = 'X'").document["members"] == []


def test_nothing_has_changed(catalogue: Catalogue) -> None:
    draft = catalogue.freeze()
    catalogue.image(catalogue.people[0], "mask", derived=True)
    assert catalogue.diff(draft) == CohortDiff()


def test_diff_says_who_came_and_who_went_and_why(catalogue: Catalogue) -> None:
    draft = catalogue.freeze()
    first, second, third, fourth = catalogue.people
    new = new_iri()
    catalogue.person(new, "F", catalogue.datasets[0])
    catalogue.image(new)
    catalogue.person(first, "M", catalogue.datasets[0])
    catalogue.image(second, "FLAIR")
    catalogue.image(second, "T1w", iri=catalogue.images[second])
    catalogue.commit(Withdraw(id=catalogue.images[third]))
    catalogue.commit(Withdraw(id=fourth))
    found = catalogue.diff(draft)
    assert found.added == (new,)
    assert found.removed == tuple(sorted([first, third]))
    assert found.withdrawn == (fourth,)
    assert found.query_now_error is None
    changed = {change["participant"]: change for change in found.changed}
    assert changed[first] == {"participant": first, "was": 1, "now": 2, "what": ["property sex"]}
    assert changed[second]["what"] == ["acquisition sub-x_FLAIR added"]
    assert changed[third]["what"] == ["acquisition sub-x_T1w withdrawn"]
    assert set(changed) == {first, second, third}


def test_a_version_that_was_erased_is_no_obstacle(catalogue: Catalogue) -> None:
    draft = catalogue.freeze()
    catalogue.commit(Erase(id=catalogue.people[0]))
    assert catalogue.diff(draft).withdrawn == (catalogue.people[0],)


def test_diff_tells_nothing_of_what_may_not_be_seen(catalogue: Catalogue) -> None:
    draft = catalogue.freeze()
    catalogue.commit(Withdraw(id=catalogue.people[3]))
    assert catalogue.diff(draft, {catalogue.datasets[0]}) == CohortDiff()
    assert catalogue.diff(draft, set()) == CohortDiff()


def test_a_query_that_cannot_be_asked_any_more_is_said(catalogue: Catalogue) -> None:
    draft = catalogue.freeze()
    broken = {**draft.document, "query": "nosuchproperty = 3"}
    found = diff(broken, catalogue.index, catalogue.repository, None)
    assert "nosuchproperty" in (found.query_now_error or "")
    assert (found.added, found.removed) == ((), ())


def test_an_unknown_property_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(InvalidRequestError):
        catalogue.freeze("nosuchproperty = 3")


def test_a_cohort_is_read_from_one_state_of_the_catalogue(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes between the answer and the reading of its members, twice; then for ever."""
    asked = catalogue.index.members
    times = [2]

    def disturbed(*arguments: Any, **options: Any) -> list[str]:
        found = asked(*arguments, **options)
        if times[0] > 0:
            times[0] -= 1
            catalogue.commit(Withdraw(id=catalogue.people[times[0]]))
            catalogue.person(new_iri(), "M", catalogue.datasets[0])
        return found

    monkeypatch.setattr(catalogue.index, "members", disturbed)
    document = catalogue.freeze().document
    assert [member["participant"] for member in document["members"]] == catalogue.people[2:]
    assert document["sequence"] == catalogue.repository.sequence
    times[0] = 1000
    monkeypatch.setattr(catalogue, "people", [new_iri() for _ in range(1000)])
    monkeypatch.setattr(
        catalogue.index, "members", lambda *a, **o: catalogue.person(new_iri(), "M", "d") or asked(*a, **o)
    )
    with pytest.raises(ConflictError):
        catalogue.freeze()
