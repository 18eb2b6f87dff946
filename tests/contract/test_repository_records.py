"""The repository contract, over every backend: what is put comes back, version by version."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog.backends.testing import clean, dataset, do, listed, participant
from catalog.model import (
    Change,
    Edge,
    Erase,
    MustBeAbsent,
    MustBeAt,
    Note,
    Put,
    Withdraw,
)
from catalog.repository import Repository
from ontology.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    RequirementFailedError,
)
from ontology.identifiers import new_iri
from ontology.namespaces import USED

# Records ----------------------------------------------------------------------------------------------------


def test_an_empty_repository_is_clean(repository: Repository) -> None:
    assert repository.sequence == -1
    assert repository.list_records("Dataset").items == []
    assert repository.list_records("Dataset").total == 0
    assert repository.entries().items == []
    assert repository.records_since(-1) == []
    assert clean(repository)


def test_a_record_comes_back_as_it_was_put(repository: Repository) -> None:
    put = dataset(title="Ä title\nwith \U0001f9e0", creators=[{"name": "Ann"}], number=1.5, nothing=None, flag=True)
    done = do(repository, put)
    record = repository.get(put.id)
    assert record.document == put.document
    assert (record.id, record.type, record.version, record.withdrawn) == (put.id, "Dataset", 1, False)
    assert record.created == record.modified == done.time
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record.created)
    assert (done.first, done.last, record.sequence) == (0, 0, 0)
    assert done.versions == {put.id: 1}


def test_a_second_put_makes_a_second_version(repository: Repository) -> None:
    first = dataset("one")
    made = do(repository, first)
    do(repository, Put(id=first.id, type="Dataset", document={"label": "two"}))
    record = repository.get(first.id)
    assert (record.version, record.document["label"], record.created) == (2, "two", made.time)
    assert record.modified >= record.created
    assert repository.get(first.id, version=1).document["label"] == "one"
    assert [v.document["label"] for v in repository.versions(first.id)] == ["one", "two"]
    assert [v.version for v in repository.versions(first.id)] == [1, 2]
    assert clean(repository)


def test_several_versions_in_one_commit(repository: Repository) -> None:
    iri = new_iri()
    done = do(
        repository,
        *(Put(id=iri, type="Task", document={"label": str(n)}, edges=[(USED, f"urn:x:{n}")]) for n in range(5)),
    )
    assert done.versions == {iri: 5}
    assert [v.document["label"] for v in repository.versions(iri)] == ["0", "1", "2", "3", "4"]
    assert repository.edges_from([iri]) == [Edge(iri, USED, "urn:x:4")]
    assert clean(repository)


def test_what_is_not_there_is_not_found(repository: Repository) -> None:
    put = dataset()
    do(repository, put)
    with pytest.raises(NotFoundError):
        repository.get(new_iri())
    with pytest.raises(NotFoundError):
        repository.get(put.id, version=2)
    with pytest.raises(NotFoundError):
        repository.get(put.id, version=0)
    with pytest.raises(NotFoundError):
        repository.versions(new_iri())
    with pytest.raises(NotFoundError):
        do(repository, Withdraw(id=new_iri()))
    with pytest.raises(NotFoundError):
        do(repository, Erase(id=new_iri()))
    with pytest.raises(NotFoundError):
        repository.lineage(new_iri(), direction="up")
    assert repository.sequence == 0


def test_get_many_passes_over_what_is_missing(repository: Repository) -> None:
    file = listed("a.nii", b"a")
    one, two = dataset(files=[file]), dataset()
    do(repository, one, two)
    found = repository.get_many([one.id, two.id, file["id"], new_iri()])
    assert set(found) == {one.id, two.id, file["id"]}
    assert found[one.id] == repository.get(one.id)
    assert found[file["id"]] == repository.get(file["id"])
    assert repository.get_many([]) == {}


def test_the_type_of_a_record_stays(repository: Repository) -> None:
    put = dataset()
    do(repository, put)
    with pytest.raises(ConflictError) as caught:
        do(repository, Put(id=put.id, type="Task", document={}))
    assert caught.value.field == "type"


@pytest.mark.parametrize(
    "change",
    [
        Put(id="", type="Dataset", document={}),
        Put(id=new_iri(), type="", document={}),
        Put(id=new_iri(), type="File", document={}),
        Put(id=new_iri(), type="Dataset", document={"x": float("nan")}),
        Put(id=new_iri(), type="Dataset", document={"x": "\ud800"}),
        Put(id=new_iri(), type="Dataset", document={}, edges=[("", "urn:x")]),
        Put(id=new_iri(), type="Dataset", document={"files": [{"path": "no id"}]}),
        Put(id=new_iri(), type="Dataset", document={"files": ["not an object"]}),
        Put(id=new_iri(), type="Dataset", document={"files": [{"id": "urn:x"}, {"id": "urn:x"}]}),
        Put(id=new_iri(), type="Dataset", document={"files": [{"id": "urn:x", "sha256": 5}]}),
        Put(id=new_iri(), type="Dataset", document={}, reason="\udcff"),
        Put(id="urn:x\0", type="Dataset", document={}),
        Put(id=new_iri(), type="Dataset", document={}, aliases=["a\0"]),
        Put(id=new_iri(), type="Dataset", document={}, edges=[("x:y", "urn:\0")]),
        Put(id=new_iri(), type="Dataset", document={"dataset": ""}),
        Put(id=new_iri(), type="Dataset", document={"files": [{"id": ""}]}),
        Note(subject=""),
        Note(subject="urn:x", action="\udcff"),
    ],
)
def test_what_cannot_be_written_down_is_refused(repository: Repository, change: Change) -> None:
    with pytest.raises(InvalidRequestError):
        do(repository, change)
    assert repository.sequence == -1


def test_a_commit_without_changes_is_refused(repository: Repository) -> None:
    with pytest.raises(InvalidRequestError):
        do(repository)


# Requirements -----------------------------------------------------------------------------------------------


def test_requirements_hold_or_nothing_happens(repository: Repository) -> None:
    put, other = dataset(), dataset()
    do(repository, put, need=(MustBeAbsent(put.id),))
    again = Put(id=put.id, type="Dataset", document={"label": "again"})
    for requirement in (MustBeAbsent(put.id), MustBeAt(put.id, 2), MustBeAt(other.id, 1)):
        with pytest.raises(RequirementFailedError):
            do(repository, other, again, need=(requirement,))
    assert repository.get(put.id).version == 1
    with pytest.raises(NotFoundError):
        repository.get(other.id)
    do(repository, again, need=(MustBeAt(put.id, 1), MustBeAbsent(other.id)))
    assert repository.get(put.id).version == 2
    assert clean(repository)


def test_a_failure_in_the_middle_leaves_nothing(repository: Repository) -> None:
    good, file = dataset(), listed("x")
    with pytest.raises(ConflictError):
        do(
            repository,
            Put(id=good.id, type="Dataset", document={"files": [file]}, aliases=["a"], edges=[(USED, "urn:new")]),
            Put(id=good.id, type="Task", document={}),
        )
    assert repository.sequence == -1
    assert repository.find_alias("a") is None
    assert repository.edges_to(["urn:new"]) == []
    do(repository, Put(id=new_iri(), type="Dataset", document={}, aliases=["a"]))
    assert clean(repository)


def test_of_many_writers_of_one_version_one_wins(repository: Repository) -> None:
    put = dataset()
    do(repository, put)

    def revise(n: int) -> bool:
        change = Put(id=put.id, type="Dataset", document={"label": str(n)})
        try:
            do(repository, change, need=(MustBeAt(put.id, 1),))
        except RequirementFailedError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(revise, range(64))) == 1
    assert repository.get(put.id).version == 2
    assert clean(repository)


def test_a_refused_commit_of_a_name_that_was_pointed_at_leaves_nothing(repository: Repository) -> None:
    late = dataset("late")
    do(repository, participant(late.id))
    for _ in range(2):
        with pytest.raises(ConflictError):
            do(repository, late, Put(id=late.id, type="Task", document={}))
    do(repository, late, dataset("another"))
    assert [record.id for record in repository.list_records("Dataset", limit=1).items] == [late.id]
    assert clean(repository)
