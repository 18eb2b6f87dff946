"""Statements that records are one person, over every backend: what they connect, and what becomes of them."""

from __future__ import annotations

from catalog.backends.testing import ME, clean, dataset, do, participant
from catalog.cohorts.identity import (
    TYPE,
    Identity,
    Statement,
    alias_of,
    as_seen_from,
    links_about,
    other_end,
    retracted,
)
from catalog.cohorts.kinship import kinship
from catalog.leakage.people import identity_path, ties_of
from catalog.model import Erase, Put, Withdraw
from catalog.repository import Repository
from ontology.identifiers import new_iri

NOW = "2026-01-02T03:04:05Z"


def people(repository: Repository, number: int) -> list[str]:
    """Commit a participant in each of some datasets, and return their names."""
    made = []
    for _ in range(number):
        of = dataset()
        person = participant(of.id)
        do(repository, of, person)
        made.append(person.id)
    return made


def stated(
    repository: Repository, first: str, second: str, relation: Identity = Identity.ALTERNATE, basis: str = "a list"
) -> Put:
    return Statement(
        first=repository.get(first),
        second=repository.get(second),
        relation=relation,
        basis=basis,
        by=ME,
        time=NOW,
    ).put(new_iri())


def test_a_statement_is_found_from_both_ends_and_by_the_pair(repository: Repository) -> None:
    one, two, three = people(repository, 3)
    link = stated(repository, one, two, Identity.SPECIALIZATION)
    do(repository, link)
    for asked in ([one], [two], [one, two, three]):
        assert [found.id for found in links_about(asked, repository)] == [link.id]
    assert list(links_about([three], repository)) == []
    found = repository.get(link.id)
    assert (found.type, other_end(found, one), other_end(found, two)) == (TYPE, two, one)
    assert (as_seen_from(found, one), as_seen_from(found, two)) == ("source", "derivative")
    assert repository.find_alias(alias_of(two, one)) == link.id
    assert found.document["datasets"] == sorted({str(repository.get(iri).dataset) for iri in (one, two)})
    assert clean(repository)


def test_records_are_one_person_over_any_number_of_statements(repository: Repository) -> None:
    one, two, three, four = people(repository, 4)
    do(
        repository,
        stated(repository, one, two),
        stated(repository, three, two, Identity.SPECIALIZATION),
    )
    found = kinship([one, three, four], repository, together=[])
    assert set(found.groups) == {tuple(sorted((one, three))), (four,)}
    assert found.edges == 2
    ties = ties_of([one, three, four], repository)
    assert ties[one].person == ties[three].person
    assert not ties[one].person & ties[four].person
    assert identity_path(three, one, repository) == [three, two, one]
    assert identity_path(four, one, repository) == [one]


def test_statements_in_a_ring_end(repository: Repository) -> None:
    ring = people(repository, 4)
    do(repository, *(stated(repository, ring[at], ring[at - 1]) for at in range(4)))
    assert kinship(ring, repository, together=[]).groups == (tuple(sorted(ring)),)
    assert len(identity_path(ring[0], ring[2], repository)) == 3
    assert identity_path(ring[0], ring[1], repository) == [ring[0], ring[1]]


def test_what_is_taken_back_connects_nobody_and_is_still_told(repository: Repository) -> None:
    one, two = people(repository, 2)
    link = stated(repository, one, two)
    do(repository, link)
    do(repository, retracted(repository.get(link.id), time=NOW, by=ME, reason="a mistake"))
    assert list(links_about([one, two], repository)) == []
    assert kinship([one, two], repository, together=[]).groups == tuple(sorted([(one,), (two,)]))
    assert repository.find_alias(alias_of(one, two)) == link.id
    before, after = repository.versions(link.id)
    assert (before.document["retracted"], after.document["retracted"]["reason"]) == (None, "a mistake")
    assert after.document["participants"] == [one, two]
    assert clean(repository)


def test_a_withdrawn_participant_is_still_the_same_person(repository: Repository) -> None:
    one, two = people(repository, 2)
    link = stated(repository, one, two)
    do(repository, link)
    do(repository, Withdraw(id=two, document={"label": "withdrawn"}))
    assert [found.id for found in links_about([one], repository)] == [link.id]
    assert ties_of([one], repository)[one].person >= {one, two}
    assert clean(repository)


def test_erasing_somebody_leaves_no_word_of_him_but_his_name_in_the_statement(repository: Repository) -> None:
    one, two = people(repository, 2)
    link = stated(repository, one, two, basis="told by his sister")
    do(repository, link)
    do(repository, Erase(id=two))
    assert ties_of([one], repository)[one].person >= {one, two}, "edges of what was erased stay, as lineage needs them"
    do(repository, Erase(id=link.id, document={"label": "erased"}))
    sequences = [entry.sequence for entry in repository.entries(subject=link.id).items]
    assert repository.body(sequences[0]) is None
    assert all("sister" not in str(version.document) for version in repository.versions(link.id))
    assert clean(repository)
