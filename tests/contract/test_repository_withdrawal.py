"""The repository contract, over every backend: withdrawal and erasure."""

from __future__ import annotations

import hashlib

import pytest

from catalog.backends.testing import clean, dataset, do, listed, participant
from catalog.model import (
    Erase,
    Put,
    Withdraw,
)
from catalog.repository import Repository
from ontology.errors import (
    ConflictError,
    InvalidRequestError,
    WithdrawnError,
)
from ontology.identifiers import new_iri
from ontology.namespaces import DERIVED_FROM, USED
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.keys import VerifierKey
from provenance.ledger.merkle import verify_consistency


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
