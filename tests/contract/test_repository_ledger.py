"""The repository contract, over every backend: entries, proofs, checkpoints."""

from __future__ import annotations

import hashlib
import json

import pytest

from catalog.backends.testing import ME, YOU, clean, dataset, do
from catalog.model import (
    Note,
    Put,
)
from catalog.repository import Repository
from ontology.canonical import canonical_json
from ontology.errors import (
    InvalidRequestError,
    NotFoundError,
)
from ontology.identifiers import new_iri
from ontology.namespaces import USED
from provenance.ledger.checkpoint import Checkpoint
from provenance.ledger.keys import VerifierKey
from provenance.ledger.merkle import verify_consistency, verify_inclusion


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
