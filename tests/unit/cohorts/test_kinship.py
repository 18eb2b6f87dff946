"""Kinship: which columns and edges say that people belong together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.backends.sqlite import SqliteRepository
from catalog.cohorts.kinship import kinship
from catalog.model import Commit, Put, Withdraw
from ontology.identifiers import new_iri
from ontology.namespaces import PART_OF


class Families:
    """Participants of two datasets in a real repository."""

    def __init__(self, folder: Path) -> None:
        self.repository = SqliteRepository.create(folder, name="test")
        self.datasets = [new_iri(), new_iri()]

    def add(self, label: str, dataset: int = 0, edges: list[tuple[str, str]] | None = None, **said: Any) -> str:
        iri = new_iri()
        properties = {name: [{"value": value}] for name, value in said.items()}
        document = {"label": label, "dataset": self.datasets[dataset], "properties": properties, "sessions": []}
        put = Put(
            id=iri,
            type="Participant",
            document=document,
            edges=[(PART_OF, self.datasets[dataset]), *(edges or [])],
        )
        self.repository.commit(Commit(principal="urn:uuid:me", action="test.write", changes=[put]))
        return iri

    def together(self, *people: str, by: list[str] | None = None) -> set[frozenset[str]]:
        found = kinship(people, self.repository, together=by)
        assert sorted(iri for group in found.groups for iri in group) == sorted(people)
        return {frozenset(group) for group in found.groups if len(group) > 1}


@pytest.fixture
def families(tmp_path: Path) -> Iterator[Families]:
    made = Families(tmp_path)
    yield made
    made.repository.close()


@pytest.mark.parametrize("name", ["family_id", "Family_ID", "familyId", "pedigree", "litter", "mother_id", "dam"])
def test_equal_values_in_one_dataset_keep_together(families: Families, name: str) -> None:
    one, two = families.add("sub-1", **{name: "F7"}), families.add("sub-2", **{name: "f7"})
    other = families.add("sub-1", dataset=1, **{name: "F7"})
    assert families.together(one, two, other) == {frozenset({one, two})}


@pytest.mark.parametrize("value", ["n/a", "0", 0, "none", "yes", True, "unknown", ""])
def test_what_says_nothing_about_kin_keeps_nobody_together(families: Families, value: Any) -> None:
    one, two = families.add("sub-1", family_id=value, twin=value), families.add("sub-2", family_id=value, twin=value)
    assert families.together(one, two) == set()


def test_relatives_are_found_by_label(families: Families) -> None:
    one = families.add("sub-01", siblings="sub-02; 03")
    two, three, four = families.add("sub-02"), families.add("sub-03"), families.add("sub-04", mother="01")
    elsewhere = families.add("sub-02", dataset=1)
    assert families.together(one, two, three, four, elsewhere) == {frozenset({one, two, three, four})}


def test_somebody_outside_connects_two_inside(families: Families) -> None:
    one, two = families.add("sub-1", sibling="sub-9"), families.add("sub-2", twin="sub-9")
    assert families.together(one, two) == {frozenset({one, two})}


def test_records_of_one_person_are_together_over_any_number_of_records(families: Families) -> None:
    person = families.add("person", dataset=1)
    again = families.add("again", dataset=1, edges=[("owl:sameAs", person)])
    one = families.add("sub-1", edges=[("prov:alternateOf", again)])
    two = families.add("sub-2", edges=[("prov:specializationOf", person)])
    three = families.add("sub-3")
    found = kinship([one, two, three], families.repository, together=[])
    assert set(found.groups) == {tuple(sorted((one, two))), (three,)}
    assert found.edges == 3


def test_a_global_identifier_holds_across_datasets(families: Families) -> None:
    one, two = families.add("sub-1", GUID="NDAR1"), families.add("sub-7", dataset=1, guid="ndar1")
    assert families.together(one, two, by=[]) == {frozenset({one, two})}


def test_other_properties_when_asked(families: Families) -> None:
    one, two = families.add("sub-1", site="Rennes", family="a"), families.add("sub-2", site="Rennes")
    three = families.add("sub-3", site="Lyon", family="a")
    assert families.together(one, two, three, by=["site"]) == {frozenset({one, two})}
    assert families.together(one, two, three) == {frozenset({one, three})}
    assert kinship([one, two], families.repository).properties == {"family": 1}


def test_whoever_was_withdrawn_says_nothing(families: Families) -> None:
    one, two = families.add("sub-1", family="a"), families.add("sub-2", family="a")
    families.repository.commit(Commit(principal="urn:uuid:me", action="test.write", changes=[Withdraw(id=one)]))
    assert families.together(one, two) == set()


def test_the_digest_says_who_belongs_together(families: Families) -> None:
    one, two = families.add("sub-1", family="a"), families.add("sub-2", family="a")
    known = kinship([one, two], families.repository)
    assert known.digest == kinship([two, one], families.repository).digest
    assert known.digest != kinship([one, two], families.repository, together=[]).digest
