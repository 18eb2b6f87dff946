"""The repository contract, over every backend: aliases, references, files and listings."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from catalog.backends.testing import clean, dataset, do, listed, participant
from catalog.model import (
    Edge,
    Note,
    Put,
    Withdraw,
)
from catalog.repository import Repository
from ontology.errors import (
    AmbiguousError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
)
from ontology.identifiers import content_iri, last_part, new_iri
from ontology.namespaces import PART_OF, USED

# Aliases and references -------------------------------------------------------------------------------------


def test_aliases_are_unique_and_replaced(repository: Repository) -> None:
    one, two = new_iri(), new_iri()
    do(repository, Put(id=one, type="Agent", document={}, aliases=["orcid:1", "x", "x"]))
    assert repository.find_alias("x") == one
    with pytest.raises(ConflictError):
        do(repository, Put(id=two, type="Agent", document={}, aliases=["x"]))
    do(repository, Put(id=one, type="Agent", document={}, aliases=["orcid:1"]))
    assert repository.find_alias("x") is None
    do(repository, Put(id=two, type="Agent", document={}, aliases=["x"]))
    assert (repository.find_alias("x"), repository.find_alias("orcid:1")) == (two, one)
    assert clean(repository)


def test_an_alias_can_move_within_a_commit(repository: Repository) -> None:
    one, two = new_iri(), new_iri()
    do(repository, Put(id=one, type="Agent", document={}, aliases=["x", "y"]))
    do(
        repository,
        Put(id=one, type="Agent", document={}, aliases=["y"]),
        Put(id=two, type="Agent", document={}, aliases=["x"]),
    )
    assert (repository.find_alias("x"), repository.find_alias("y")) == (two, one)
    assert clean(repository)


def test_resolving_references(repository: Repository) -> None:
    content = hashlib.sha256(b"brain").hexdigest()
    file = listed("sub-01/anat/a.nii.gz", b"brain")
    put = Put(
        id="urn:uuid:aaaa1111-0000-4000-8000-000000000000",
        type="Dataset",
        document={"files": [file]},
        aliases=["doi:10.1/x"],
    )
    near = Put(id="urn:uuid:aaaa2222-0000-4000-8000-000000000000", type="Dataset", document={})
    do(repository, put, near)
    for reference in (put.id, "doi:10.1/x", "aaaa1", "AAAA1111-", "urn:uuid:aaaa11", last_part(put.id)):
        assert repository.resolve(reference) == put.id
    for reference in (file["id"], content, content_iri(content), last_part(file["id"])):
        assert repository.resolve(reference) == file["id"]
    with pytest.raises(AmbiguousError) as caught:
        repository.resolve("aaaa")
    assert caught.value.params["candidates"] == [put.id, near.id]
    for reference in ("aaa", "", "nothing", "bbbbbbbb", "urn:uuid:", "%", "a' OR 1=1 --", "0" * 64, "ni:///sha-256;x"):
        with pytest.raises(NotFoundError):
            repository.resolve(reference)


def test_a_name_that_only_edges_know_does_not_resolve(repository: Repository) -> None:
    target = new_iri()
    do(repository, Put(id=new_iri(), type="Task", document={}, edges=[(USED, target)]))
    with pytest.raises(NotFoundError):
        repository.resolve(target)
    with pytest.raises(NotFoundError):
        repository.get(target)


def test_content_in_two_places_is_ambiguous(repository: Repository) -> None:
    one, two = listed("a", b"same"), listed("b", b"same")
    do(repository, dataset(files=[one]), dataset(files=[two]))
    sha256 = hashlib.sha256(b"same").hexdigest()
    with pytest.raises(AmbiguousError):
        repository.resolve(sha256)
    assert {file.id for file in repository.files_by_sha256(sha256)} == {one["id"], two["id"]}
    assert repository.files_by_sha256("0" * 64) == []


# Files ------------------------------------------------------------------------------------------------------


def test_files_are_nodes(repository: Repository) -> None:
    file = listed("anat/sub-01_T1w.nii.gz", b"x", media_type="application/gzip")
    ds = dataset()
    acquisition = Put(id=new_iri(), type="Acquisition", document={"label": "T1w", "dataset": ds.id, "files": [file]})
    do(repository, ds, acquisition)
    record = repository.get(file["id"])
    assert (record.type, record.version, record.withdrawn) == ("File", 1, False)
    expected = {k: v for k, v in file.items() if k != "id"}
    assert record.document == {**expected, "part_of": acquisition.id, "dataset": ds.id}
    assert record.dataset == ds.id
    assert repository.edges_from([file["id"]]) == [Edge(file["id"], PART_OF, acquisition.id)]
    assert repository.edges_to([acquisition.id]) == [Edge(file["id"], PART_OF, acquisition.id)]


def test_a_file_that_is_listed_no_more_stays_traceable(repository: Repository) -> None:
    old, new = listed("a.nii", b"old"), listed("a.nii", b"new")
    iri, task = new_iri(), new_iri()
    do(repository, Put(id=iri, type="Acquisition", document={"files": [old]}))
    do(repository, Put(id=task, type="Task", document={}, edges=[(USED, old["id"])]))
    do(repository, Put(id=iri, type="Acquisition", document={"files": [new]}))
    assert [n.id for n in repository.lineage(task, direction="up").nodes] == [task, old["id"], iri]
    assert repository.get(old["id"]).document["path"] == "a.nii"
    assert repository.get(new["id"]).version == 2
    assert clean(repository)


def test_a_file_belongs_to_one_record(repository: Repository) -> None:
    file = listed("a.nii")
    first = dataset(files=[file])
    do(repository, first)
    with pytest.raises(ConflictError):
        do(repository, dataset(files=[file]))
    with pytest.raises(ConflictError):
        do(repository, Put(id=file["id"], type="Dataset", document={}))
    with pytest.raises(ConflictError):
        do(repository, dataset(files=[{"id": first.id}]))
    assert clean(repository)


# Listing ----------------------------------------------------------------------------------------------------


def test_listing_pages_in_order_of_creation(repository: Repository) -> None:
    made = [dataset(str(n)) for n in range(25)]
    for start in range(0, 25, 5):
        do(repository, *made[start : start + 5])
    do(repository, Put(id=made[3].id, type="Dataset", document={"label": "revised"}))
    seen: list[str] = []
    cursor = None
    while True:
        page = repository.list_records("Dataset", cursor=cursor, limit=7)
        assert page.total == 25
        seen += [record.id for record in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [put.id for put in made]
    assert [record.id for record in repository.iterate("Dataset")] == seen
    assert repository.list_records("Participant").total == 0


def test_the_last_page_has_no_next(repository: Repository) -> None:
    do(repository, dataset(), dataset())
    assert repository.list_records("Dataset", limit=2).next is None
    page = repository.list_records("Dataset", limit=1)
    assert page.next is not None
    assert repository.list_records("Dataset", limit=1, cursor=page.next).next is None


def test_listing_by_dataset_and_by_part(repository: Repository) -> None:
    one, two = dataset("one"), dataset("two")
    of_one = [participant(one.id, f"sub-{n}") for n in range(3)]
    of_two = [participant(two.id)]
    free = Put(id=new_iri(), type="Participant", document={})
    do(repository, one, two, *of_one, *of_two, free)

    def ids(**conditions: Any) -> list[str]:
        page = repository.list_records("Participant", **conditions)
        assert page.total == len(page.items)
        return [record.id for record in page.items]

    assert ids(datasets=[one.id]) == ids(part_of=one.id) == [p.id for p in of_one]
    assert ids(datasets=[one.id, two.id]) == [p.id for p in (*of_one, *of_two)]
    assert ids(datasets=[one.id], part_of=two.id) == []
    assert ids(datasets=[]) == ids(part_of=new_iri()) == []
    assert len(ids()) == 5
    page = repository.list_records("Participant", part_of=one.id, limit=2)
    assert (page.total, len(page.items)) == (3, 2)
    rest = repository.list_records("Participant", part_of=one.id, limit=2, cursor=page.next)
    assert [r.id for r in rest.items] == [of_one[2].id]
    assert rest.total == 3
    assert [r.id for r in repository.list_records("Dataset", datasets=[one.id]).items] == [one.id]


def test_a_record_that_was_pointed_at_before_it_came(repository: Repository) -> None:
    late, early = dataset("late"), dataset("early")
    do(repository, participant(late.id))
    do(repository, early)
    do(repository, late)
    assert [record.id for record in repository.list_records("Dataset").items] == [early.id, late.id]
    assert repository.list_records("Participant", part_of=late.id).total == 1
    assert repository.list_records("Participant", datasets=[late.id]).total == 1
    assert clean(repository)


@pytest.mark.parametrize("cursor", ["x", "-1", "", "1 OR 1", "9" * 40, "²"])
def test_a_foreign_cursor_is_refused(repository: Repository, cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        repository.list_records("Dataset", cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_bounds_is_refused(repository: Repository, limit: int) -> None:
    with pytest.raises(InvalidRequestError):
        repository.list_records("Dataset", limit=limit)


def test_records_since_gives_each_record_once(repository: Repository) -> None:
    one, two, three = dataset("1"), dataset("2"), dataset("3")
    do(repository, one, two, three)
    do(repository, Note(subject=one.id), Put(id=one.id, type="Dataset", document={"label": "1b"}))
    do(repository, Withdraw(id=two.id))
    everything = repository.records_since(-1)
    assert [record.id for record in everything] == [three.id, one.id, two.id]
    assert [record.withdrawn for record in everything] == [False, False, True]
    assert [record.id for record in repository.records_since(2)] == [one.id, two.id]
    assert repository.records_since(repository.sequence) == []
    assert [record.id for record in repository.records_since(-1, limit=1)] == [three.id]
