"""The contract of :class:`catalog.repository.Repository`, over every backend."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from catalog.model import (
    Change,
    Commit,
    Committed,
    Durability,
    Edge,
    Erase,
    MustBeAbsent,
    MustBeAt,
    Note,
    Put,
    Requirement,
    Withdraw,
)
from catalog.repository import Repository
from ontology.canonical import canonical_json
from ontology.errors import (
    AmbiguousError,
    BackendUnavailableError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    RequirementFailedError,
    UnsupportedError,
    WithdrawnError,
)
from ontology.identifiers import content_iri, last_part, new_iri
from ontology.namespaces import ASSOCIATED_WITH, DERIVED_FROM, GENERATED_BY, PART_OF, USED
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.keys import VerifierKey
from provenance.ledger.merkle import verify_consistency, verify_inclusion

ME = "urn:uuid:00000000-0000-4000-8000-000000000001"
YOU = "urn:uuid:00000000-0000-4000-8000-000000000002"


def do(repository: Repository, *changes: Change, need: tuple[Requirement, ...] = (), **members: Any) -> Committed:
    return repository.commit(
        Commit(**{"principal": ME, "action": "test.write", **members}, changes=changes, requirements=need)
    )


def dataset(label: str = "a dataset", **members: Any) -> Put:
    return Put(id=new_iri(), type="Dataset", document={"label": label, **members})


def participant(of: str, label: str = "sub-01", **members: Any) -> Put:
    return Put(
        id=new_iri(),
        type="Participant",
        document={"label": label, "dataset": of, **members},
        edges=[(PART_OF, of)],
    )


def listed(path: str, content: bytes | None = None, **members: Any) -> dict[str, Any]:
    sha256 = None if content is None else hashlib.sha256(content).hexdigest()
    return {"id": new_iri(), "path": path, "sha256": sha256, "size": 3, "role": "image", **members}


def clean(repository: Repository) -> bool:
    return list(repository.check()) == []


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


# Withdrawal and erasure -------------------------------------------------------------------------------------


def test_withdrawal_leaves_a_tombstone(repository: Repository) -> None:
    ds, file = dataset(), listed("secret.nii", b"x")
    put = participant(ds.id, "sub-secret", files=[file])
    do(repository, ds, Put(id=put.id, type=put.type, document=put.document, edges=put.edges, aliases=["alias"]))
    do(repository, Withdraw(id=put.id, document={"label": "withdrawn"}, reason="asked for"))
    record = repository.get(put.id)
    assert (record.version, record.withdrawn, record.type) == (2, True, "Participant")
    assert record.document["label"] == "withdrawn"
    assert record.dataset == ds.id, "a tombstone stays under the grants of its dataset"
    assert repository.list_records("Participant").total == 0
    assert repository.get(put.id, version=1).document == put.document
    assert repository.find_alias("alias") == put.id
    withdrawn = repository.get(file["id"])
    assert withdrawn.withdrawn
    assert withdrawn.document == {"part_of": put.id, "dataset": ds.id}
    assert repository.files_by_sha256(hashlib.sha256(b"x").hexdigest()) == []
    assert clean(repository)


def test_a_withdrawn_record_can_come_back(repository: Repository) -> None:
    put = dataset(files=[listed("a", b"a")])
    do(repository, put)
    do(repository, Withdraw(id=put.id))
    do(repository, Withdraw(id=put.id, document={"label": "again"}))
    do(repository, put)
    assert repository.get(put.id).version == 4
    assert not repository.get(put.id).withdrawn
    assert repository.list_records("Dataset").total == 1
    assert clean(repository)


def test_erasure_destroys_bodies_and_keeps_the_chain(repository: Repository) -> None:
    ds = dataset()
    put = participant(ds.id, "sub-secret", properties={"age": [{"value": 34}]}, files=[listed("f")])
    do(repository, ds, Put(id=put.id, type=put.type, document=put.document, edges=put.edges, aliases=["alias"]))
    do(repository, Put(id=put.id, type=put.type, document={**put.document, "x": 1}, edges=put.edges))
    result = Put(id=new_iri(), type="Entity", document={}, edges=[(DERIVED_FROM, put.id)])
    do(repository, result)
    before = Checkpoint.open(repository.checkpoint(), VerifierKey.parse(repository.verifier_key()))
    kept = repository.checkpoint()
    do(repository, Erase(id=put.id, document={"label": "erased"}, reason="consent withdrawn"))
    assert repository.body(1) is None
    assert repository.body(2) is None
    assert repository.get(put.id).document == {"label": "erased", "dataset": ds.id}
    assert repository.get(put.id).withdrawn
    assert repository.find_alias("alias") is None
    with pytest.raises(WithdrawnError):
        repository.get(put.id, version=1)
    versions = repository.versions(put.id)
    assert [v.document for v in versions[:2]] == [{}, {}]
    assert all(v.withdrawn for v in versions)
    assert {n.id for n in repository.lineage(put.id, direction="down").nodes} > {put.id, result.id}
    assert list(repository.check(checkpoint=kept)) == []
    after = Checkpoint.open(repository.checkpoint(), VerifierKey.parse(repository.verifier_key()))
    proof = repository.consistency_proof(before.size, after.size)
    assert verify_consistency(before.size, after.size, proof, first_root=before.root, second_root=after.root)


def test_what_was_erased_cannot_come_back(repository: Repository) -> None:
    put = dataset()
    do(repository, put)
    do(repository, Erase(id=put.id))
    with pytest.raises(ConflictError):
        do(repository, put)
    do(repository, Withdraw(id=put.id, document={"label": "said otherwise"}))
    do(repository, Erase(id=put.id, document={"label": "and again"}))
    assert repository.get(put.id).document == {"label": "and again"}
    assert clean(repository)


def test_a_record_made_and_erased_in_one_commit(repository: Repository) -> None:
    put = dataset(files=[listed("a", b"a")])
    do(repository, put, Erase(id=put.id))
    assert repository.get(put.id).withdrawn
    assert repository.body(0) is None
    assert clean(repository)


def test_a_file_that_was_pointed_at_comes_and_is_withdrawn_in_one_commit(repository: Repository) -> None:
    file, iri, task = listed("a", b"a"), new_iri(), new_iri()
    do(repository, Put(id=task, type="Task", document={}, edges=[(USED, file["id"])]))
    do(repository, Put(id=iri, type="Entity", document={"files": [file]}), Withdraw(id=iri))
    assert repository.get(file["id"]).withdrawn
    assert [n.id for n in repository.lineage(task, direction="up").nodes] == [task, file["id"], iri]
    assert clean(repository)


def test_a_tombstone_lists_no_files(repository: Repository) -> None:
    put = dataset()
    do(repository, put)
    with pytest.raises(InvalidRequestError):
        do(repository, Withdraw(id=put.id, document={"files": [listed("a")]}))


# Edges and lineage ------------------------------------------------------------------------------------------


def chain(repository: Repository, length: int) -> list[str]:
    names = [new_iri() for _ in range(length)]
    pairs = zip(names[1:], names, strict=False)
    first = Put(id=names[0], type="Entity", document={"label": "0"})
    rest = [Put(id=name, type="Entity", document={}, edges=[(DERIVED_FROM, before)]) for name, before in pairs]
    do(repository, first, *rest)
    return names


def test_edges_are_replaced_with_the_version(repository: Repository) -> None:
    iri = new_iri()
    do(repository, Put(id=iri, type="Task", document={}, edges=[(USED, "urn:a"), (USED, "urn:b"), (USED, "urn:a")]))
    do(repository, Put(id=iri, type="Task", document={}, edges=[(USED, "urn:b"), ("x:own", "urn:c")]))
    assert set(repository.edges_from([iri])) == {Edge(iri, USED, "urn:b"), Edge(iri, "x:own", "urn:c")}
    assert repository.edges_from([iri], ["x:own"]) == [Edge(iri, "x:own", "urn:c")]
    assert repository.edges_to(["urn:a"]) == []
    assert repository.edges_to(["urn:b", "urn:c"], [USED]) == [Edge(iri, USED, "urn:b")]
    assert repository.edges_from([]) == repository.edges_to([]) == []
    assert clean(repository)


def test_lineage_counts_a_diamond_once(repository: Repository) -> None:
    top, left, right, longer, bottom = (new_iri() for _ in range(5))
    do(
        repository,
        Put(id=top, type="Entity", document={"label": "top"}),
        Put(id=left, type="Entity", document={}, edges=[(DERIVED_FROM, top)]),
        Put(id=right, type="Entity", document={}, edges=[(DERIVED_FROM, top)]),
        Put(id=longer, type="Entity", document={}, edges=[(DERIVED_FROM, right)]),
        Put(
            id=bottom,
            type="Entity",
            document={},
            edges=[(DERIVED_FROM, left), (DERIVED_FROM, longer), (USED, left), (ASSOCIATED_WITH, "urn:agent")],
        ),
    )
    up = repository.lineage(bottom, direction="up")
    assert {node.id: node.depth for node in up.nodes} == {bottom: 0, left: 1, longer: 1, right: 2, top: 2}
    assert len(up.nodes) == 5
    assert len(up.edges) == len(set(up.edges)) == 6
    assert not up.truncated
    down = repository.lineage(top, direction="down")
    assert {node.id: node.depth for node in down.nodes} == {top: 0, left: 1, right: 1, longer: 2, bottom: 2}
    assert set(down.edges) == set(up.edges)
    assert down.nodes[0].label == "top"
    assert down.nodes[1].label == last_part(down.nodes[1].id)


def test_lineage_is_cut_by_depth_and_limit(repository: Repository) -> None:
    names = chain(repository, 6)
    cut = repository.lineage(names[-1], direction="up", depth=2)
    assert [node.id for node in cut.nodes] == names[:-4:-1]
    assert cut.truncated
    assert len(cut.edges) == 2
    whole = repository.lineage(names[-1], direction="up", depth=5)
    assert len(whole.nodes) == 6
    assert not whole.truncated
    limited = repository.lineage(names[0], direction="down", limit=3)
    assert [node.id for node in limited.nodes] == names[:3]
    assert limited.truncated
    assert not repository.lineage(names[0], direction="down", limit=6).truncated
    alone = repository.lineage(names[0], direction="down", depth=0)
    assert ([node.id for node in alone.nodes], alone.truncated) == ([names[0]], True)
    assert not repository.lineage(names[-1], direction="down", depth=0).truncated


def test_lineage_of_a_long_chain(repository: Repository) -> None:
    names = chain(repository, 2_000)
    down = repository.lineage(names[0], direction="down")
    assert [node.id for node in down.nodes] == names
    assert down.nodes[-1].depth == 1_999


def test_lineage_names_what_is_not_registered(repository: Repository) -> None:
    file = listed("a/b_T1w.nii.gz")
    task = Put(id=new_iri(), type="Task", document={"label": "run"}, edges=[(USED, file["id"]), (USED, "https://x/y")])
    do(repository, dataset("ds", files=[file]), task)
    found = {node.label: node.type for node in repository.lineage(task.id, direction="up").nodes}
    assert found == {"run": "Task", "b_T1w.nii.gz": "File", "y": "External", "ds": "Dataset"}
    assert [n.label for n in repository.lineage("https://x/y", direction="down").nodes] == ["y", "run"]


@pytest.mark.parametrize(
    "wrong", [{"direction": "left"}, {"direction": "up", "depth": -1}, {"direction": "up", "limit": 0}]
)
def test_lineage_refuses_nonsense(repository: Repository, wrong: dict[str, Any]) -> None:
    names = chain(repository, 1)
    with pytest.raises(InvalidRequestError):
        repository.lineage(names[0], **wrong)


def test_cycles_are_refused(repository: Repository) -> None:
    names = chain(repository, 4)
    with pytest.raises(ConflictError):
        do(repository, Put(id=names[0], type="Entity", document={}, edges=[(DERIVED_FROM, names[3])]))
    with pytest.raises(ConflictError):
        do(repository, Put(id=names[0], type="Entity", document={}, edges=[(USED, names[0])]))
    a, b = new_iri(), new_iri()
    with pytest.raises(ConflictError):
        do(
            repository,
            Put(id=a, type="Entity", document={}, edges=[(DERIVED_FROM, b)]),
            Put(id=b, type="Entity", document={}, edges=[(DERIVED_FROM, a)]),
        )
    do(repository, Put(id=a, type="Entity", document={}, edges=[(ASSOCIATED_WITH, a)]))
    assert clean(repository)


def test_a_cycle_through_a_file_is_refused(repository: Repository) -> None:
    task, entity, file = new_iri(), new_iri(), listed("out.nii")
    do(repository, Put(id=task, type="Task", document={}, edges=[(USED, file["id"])]))
    with pytest.raises(ConflictError):
        do(
            repository,
            Put(id=entity, type="Entity", document={"files": [file]}, edges=[(GENERATED_BY, task)]),
        )
    assert clean(repository)


def test_a_cycle_through_a_name_that_waited_for_its_record_is_refused(repository: Repository) -> None:
    late, early = new_iri(), new_iri()
    do(repository, Put(id=early, type="Entity", document={}, edges=[(DERIVED_FROM, late)]))
    with pytest.raises(ConflictError):
        do(repository, Put(id=late, type="Entity", document={}, edges=[(DERIVED_FROM, early)]))
    do(repository, Put(id=late, type="Entity", document={}))
    assert [n.id for n in repository.lineage(late, direction="down").nodes] == [late, early]
    assert clean(repository)


def test_an_edge_that_turns_round_within_a_commit_is_no_cycle(repository: Repository) -> None:
    a, b = chain(repository, 2)
    do(
        repository,
        Put(id=b, type="Entity", document={}),
        Put(id=a, type="Entity", document={}, edges=[(DERIVED_FROM, b)]),
    )
    assert repository.edges_from([a, b]) == [Edge(a, DERIVED_FROM, b)]
    assert clean(repository)


# The ledger -------------------------------------------------------------------------------------------------


def test_each_change_is_an_entry(repository: Repository) -> None:
    put = dataset()
    done = do(
        repository,
        put,
        Note(subject="urn:x", body={"seen": 1}, action="dataset.read", reason="audit"),
        Note(subject="urn:y"),
        action="dataset.register",
        reason="because",
    )
    assert (done.first, done.last, repository.sequence) == (0, 2, 2)
    first, second, third = repository.entries().items
    assert (first.action, first.subject, first.version, first.reason) == ("dataset.register", put.id, 1, "because")
    assert (second.action, second.version, second.reason) == ("dataset.read", None, "audit")
    assert third.body_digest is None
    assert repository.body(2) is None
    assert {first.time, second.time, third.time} == {done.time}
    assert {first.principal, second.principal} == {ME}


def test_bodies_are_salted_and_canonical(repository: Repository) -> None:
    put = Put(id=new_iri(), type="Task", document={"b": 1, "a": "é"}, edges=[(USED, "urn:x")], aliases=["n"])
    do(repository, put, Note(subject="urn:x", body={"same": 1}), Note(subject="urn:x", body={"same": 1}))
    entries = repository.entries().items
    stored = [repository.body(n) for n in range(3)]
    for entry, body in zip(entries, stored, strict=True):
        assert body is not None
        assert len(body.salt) == 16
        assert hashlib.sha256(body.salt + body.body).hexdigest() == entry.body_digest
        assert canonical_json(json.loads(body.body)) == body.body
    assert stored[0] is not None
    assert json.loads(stored[0].body) == {
        "id": put.id,
        "type": "Task",
        "version": 1,
        "document": {"b": 1, "a": "é"},
        "edges": [[USED, "urn:x"]],
        "aliases": ["n"],
    }
    assert entries[1].body_digest != entries[2].body_digest
    with pytest.raises(NotFoundError):
        repository.body(3)
    with pytest.raises(NotFoundError):
        repository.body(-1)


def test_entries_are_filtered_and_paged(repository: Repository) -> None:
    for n in range(10):
        noun = "dataset" if n % 2 else "datasetx"
        do(repository, Note(subject=f"urn:s:{n % 3}"), action=f"{noun}.read", principal=ME if n < 5 else YOU)
    assert repository.entries(action="dataset.read").total == 5
    assert repository.entries(action="dataset.*").total == 5
    assert repository.entries(action="dataset").total == 0
    assert [e.sequence for e in repository.entries(subject="urn:s:1").items] == [1, 4, 7]
    assert repository.entries(principal=YOU, action="datasetx.*").total == 2
    page = repository.entries(limit=4, principal=ME)
    assert ([e.sequence for e in page.items], page.total, page.next) == ([0, 1, 2, 3], 5, "3")
    assert page.next is not None
    rest = repository.entries(after=int(page.next), limit=4, principal=ME)
    assert ([e.sequence for e in rest.items], rest.total, rest.next) == ([4], 5, None)
    with pytest.raises(InvalidRequestError):
        repository.entries(limit=0)


def test_times_never_go_back(repository: Repository) -> None:
    for _ in range(20):
        do(repository, Note(subject="urn:x"))
    times = [entry.time for entry in repository.entries().items]
    assert times == sorted(times)


def test_every_proof_holds_against_the_signed_head(repository: Repository) -> None:
    key = VerifierKey.parse(repository.verifier_key())
    heads = []
    for n in range(12):
        do(repository, *(Note(subject=f"urn:{n}:{m}") for m in range(n % 4 + 1)))
        heads.append(Checkpoint.open(repository.checkpoint(), key))
    assert heads[-1].size == repository.sequence + 1
    assert len({head.origin for head in heads}) == 1
    leaves = [entry.leaf_hash() for entry in repository.entries(limit=1000).items]
    for head in heads:
        for index in range(head.size):
            proof = repository.inclusion_proof(index, head.size)
            assert verify_inclusion(leaves[index], index, head.size, proof, head.root)
        for later in heads[heads.index(head) :]:
            proof = repository.consistency_proof(head.size, later.size)
            assert verify_consistency(head.size, later.size, proof, first_root=head.root, second_root=later.root)
    last = heads[-1].size
    assert repository.inclusion_proof(0) == repository.inclusion_proof(0, last)
    with pytest.raises(NotFoundError):
        repository.inclusion_proof(last)
    with pytest.raises(NotFoundError):
        repository.inclusion_proof(5, 5)
    for first, second in ((0, last), (3, 2), (1, last + 1)):
        with pytest.raises(InvalidRequestError):
            repository.consistency_proof(first, second)


def test_proofs_across_whole_blocks(repository: Repository) -> None:
    key = VerifierKey.parse(repository.verifier_key())
    for count in (255, 1, 1, 300, 700):
        do(repository, *(Note(subject="urn:x") for _ in range(count)))
    head = Checkpoint.open(repository.checkpoint(), key)
    leaves = [entry.leaf_hash() for entry in repository.entries(limit=10_000).items]
    assert head.size == len(leaves) == 1257
    for index in (0, 255, 256, 257, 511, 512, 1023, 1024, 1256):
        assert verify_inclusion(leaves[index], index, head.size, repository.inclusion_proof(index), head.root)
    assert clean(repository)


def test_a_checkpoint_kept_elsewhere_is_compared(repository: Repository) -> None:
    do(repository, dataset())
    kept = repository.checkpoint()
    do(repository, dataset(), dataset())
    assert list(repository.check(checkpoint=kept)) == []
    assert list(repository.check(checkpoint=repository.checkpoint())) == []
    assert list(repository.check(checkpoint=kept.replace("\n1\n", "\n2\n"))) != []
    assert list(repository.check(checkpoint="nonsense")) != []


# Sharing, backup, closing -----------------------------------------------------------------------------------


def test_a_commit_is_seen_by_every_handle(store: Any) -> None:
    one, two = store.open(), store.open()
    if not one.capabilities.several_processes:
        pytest.skip("the backend does not declare several_processes")
    put = dataset()
    do(one, put)
    assert two.get(put.id) == one.get(put.id)
    do(two, Put(id=put.id, type="Dataset", document={"label": "by two"}))
    assert one.get(put.id).version == 2
    assert one.sequence == two.sequence == 1
    assert one.verifier_key() == two.verifier_key()


def test_everything_is_there_after_reopening(store: Any) -> None:
    one = store.open()
    put = dataset(files=[listed("a", b"a")])
    do(one, put)
    do(one, Note(subject=put.id), durability=Durability.PROCESS)
    checkpoint = one.checkpoint()
    one.close()
    two = store.open()
    assert two.get(put.id).document == put.document
    assert two.checkpoint() == checkpoint
    assert clean(two)


def test_threads_commit_and_read_at_once(repository: Repository) -> None:
    ds = dataset()
    do(repository, ds)
    stop = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not stop.is_set():
            page = repository.list_records("Participant", part_of=ds.id, limit=1000)
            assert page.total == len(page.items)
            seen.append(page.total)

    def write(n: int) -> list[str]:
        made = [participant(ds.id, f"sub-{n}-{m}") for m in range(5)]
        for put in made:
            do(repository, put, durability=Durability.FULL if n % 2 else Durability.PROCESS)
        return [put.id for put in made]

    with ThreadPoolExecutor(17) as pool:
        reader = pool.submit(read)
        written = [iri for made in pool.map(write, range(16)) for iri in made]
        stop.set()
        reader.result()
    assert seen == sorted(seen)
    assert {record.id for record in repository.iterate("Participant")} == set(written)
    assert [entry.sequence for entry in repository.entries(limit=1000).items] == list(range(81))
    assert clean(repository)


def test_a_failing_commit_does_not_harm_those_beside_it(repository: Repository) -> None:
    do(repository, Put(id=new_iri(), type="Agent", document={}, aliases=["taken"]))

    def write(n: int) -> bool:
        aliases = ["taken"] if n % 3 == 0 else [f"free-{n}"]
        try:
            do(repository, Put(id=new_iri(), type="Agent", document={"n": n}, aliases=aliases))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(write, range(90))) == [n % 3 != 0 for n in range(90)]
    assert repository.list_records("Agent", limit=1000).total == 61
    assert clean(repository)


def test_backup_as_declared(repository: Repository, tmp_path: Path) -> None:
    target = tmp_path / "backup.sqlite"
    do(repository, dataset())
    if not repository.capabilities.supports_backup:
        with pytest.raises(UnsupportedError):
            repository.backup(target)
        return
    repository.backup(target)
    assert target.stat().st_size > 0
    with pytest.raises(ConflictError):
        repository.backup(target)


def test_closing_twice_is_harmless_and_use_after_it_is_refused(repository: Repository) -> None:
    repository.close()
    repository.close()
    with pytest.raises(BackendUnavailableError):
        do(repository, dataset())
    with pytest.raises(BackendUnavailableError):
        repository.get(new_iri())


@pytest.mark.parametrize("hostile", ["'; DROP TABLE entry; --", '"', "\u2028", "𝔘", "a\\b", "%_", " ", "{}", "\x7f"])
def test_hostile_strings_are_only_strings(repository: Repository, hostile: str) -> None:
    iri = f"urn:x:{hostile}"
    file = {**listed(f"p/{hostile}"), "id": f"urn:f:{hostile}"}
    do(
        repository,
        Put(
            id=iri,
            type=f"T{hostile}",
            document={"label": hostile, hostile: hostile, "files": [file]},
            edges=[(f"x:{hostile}", f"urn:t:{hostile}")],
            aliases=[f"a:{hostile}"],
        ),
        action=f"a.{hostile}",
        principal=f"p:{hostile}",
        reason=hostile,
    )
    assert repository.get(iri).document["label"] == hostile
    assert repository.get(file["id"]).document["path"] == f"p/{hostile}"
    assert repository.find_alias(f"a:{hostile}") == iri
    assert repository.edges_from([iri]) == [Edge(iri, f"x:{hostile}", f"urn:t:{hostile}")]
    assert repository.list_records(f"T{hostile}").total == 1
    assert repository.entries(action=f"a.{hostile}", principal=f"p:{hostile}", subject=iri).total == 1
    assert clean(repository)
