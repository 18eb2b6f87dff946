"""Laws of the Merkle tree, over trees of every small size and random large ones (RFC 9162, section 2.1)."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ontology.canonical import canonical_json
from provenance.ledger.entry import Entry
from provenance.ledger.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    range_root_of,
    root_of,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(1200)]
ROOT = range_root_of(LEAVES)
SIZES = st.integers(1, len(LEAVES))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition of the standard, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


@given(SIZES)
def test_the_root_is_the_one_of_the_definition(size: int) -> None:
    assert root_of(LEAVES[:size]) == naive_root(LEAVES[:size])


@given(st.lists(st.integers(0, 400), max_size=3))
def test_it_does_not_matter_how_leaves_are_batched(batches: list[int]) -> None:
    frontier, at = Frontier(), 0
    for count in batches:
        frontier.extend(LEAVES[at : at + count])
        at += count
    assert (frontier.size, frontier.root()) == (at, naive_root(LEAVES[:at]))


@given(SIZES, st.data())
def test_an_inclusion_proof_holds_for_its_leaf_alone(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(index, size, ROOT), naive_root(LEAVES[:size])
    assert verify_inclusion(LEAVES[index], index, size, proof, root)
    assert len(proof) <= (size - 1).bit_length()
    other = data.draw(st.integers(0, size - 1))
    assert verify_inclusion(LEAVES[other], index, size, proof, root) == (other == index)
    assert verify_inclusion(LEAVES[index], other, size, proof, root) == (other == index)
    assert not verify_inclusion(LEAVES[index], index, size, proof, LEAVES[0] if size > 1 else b"")


@given(SIZES, SIZES, st.data())
def test_a_consistency_proof_holds_for_its_trees_alone(one: int, two: int, data: st.DataObject) -> None:
    first, second = sorted((one, two))
    roots = naive_root(LEAVES[:first]), naive_root(LEAVES[:second])
    proof = consistency_proof(first, second, ROOT)
    assert verify_consistency(first, second, proof, first_root=roots[0], second_root=roots[1])
    forged = naive_root([*LEAVES[: first - 1], b"forged".ljust(32)])
    assert not verify_consistency(first, second, proof, first_root=forged, second_root=roots[1])
    assert not verify_consistency(first, second, proof, first_root=roots[0], second_root=forged)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        broken = [*proof[:at], bytes(32), *proof[at + 1 :]]
        assert not verify_consistency(first, second, broken, first_root=roots[0], second_root=roots[1])


@given(
    st.builds(
        Entry,
        sequence=st.integers(0, 2**53 - 1),
        time=TEXTS,
        principal=TEXTS,
        action=TEXTS,
        subject=TEXTS,
        version=st.none() | st.integers(1, 2**53 - 1),
        reason=st.none() | TEXTS,
        body_digest=st.none() | TEXTS,
    )
)
def test_the_leaf_is_canonical_json(entry: Entry) -> None:
    members = {name: getattr(entry, name) for name in Entry.__slots__}
    assert entry.canonical() == canonical_json({k: v for k, v in members.items() if v is not None})
    assert replace(entry, sequence=entry.sequence + 1).leaf_hash() != entry.leaf_hash()
