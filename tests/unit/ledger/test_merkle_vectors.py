"""Merkle trees against the reference vectors of Certificate Transparency (RFC 9162, section 2.1)."""

from __future__ import annotations

import hashlib

import pytest

from provenance.ledger.merkle import (
    BLOCK,
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    range_root_of,
    root_of,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [
    leaf_hash(bytes.fromhex(leaf))
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSION = [
    (0, 8, [A, B, C]),
    (5, 8, [D, E, ROOTS[4].hex()]),
    (2, 3, [ROOTS[2].hex()]),
    (1, 5, [ROOTS[1].hex(), B, D]),
    (0, 1, []),
]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, [A, B, C]),
    (6, 8, [F, E, ROOTS[4].hex()]),
    (2, 5, [B, D]),
]


@pytest.mark.parametrize("size", range(9))
def test_roots(size: int) -> None:
    assert root_of(LEAVES[:size]) == ROOTS[size]


def test_the_frontier_has_the_same_roots_leaf_by_leaf() -> None:
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT == ROOTS[0]
    for size, leaf in enumerate(LEAVES, 1):
        assert frontier.extend([leaf]) == []
        assert (frontier.size, frontier.root()) == (size, ROOTS[size])
        frontier = Frontier.from_bytes(size, frontier.peak_bytes())


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_inclusion_proofs(index: int, size: int, path: list[str]) -> None:
    proof = inclusion_proof(index, size, range_root_of(LEAVES))
    assert [hashed.hex() for hashed in proof] == path
    assert verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize(("first", "second", "path"), CONSISTENCY)
def test_consistency_proofs(first: int, second: int, path: list[str]) -> None:
    proof = consistency_proof(first, second, range_root_of(LEAVES))
    assert [hashed.hex() for hashed in proof] == path
    assert verify_consistency(first, second, proof, first_root=ROOTS[first], second_root=ROOTS[second])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 8), (8, 8)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_proof(index, size, range_root_of(LEAVES))
    assert not verify_inclusion(LEAVES[0], index, size, [], ROOTS[1])


@pytest.mark.parametrize(("first", "second"), [(0, 8), (3, 2), (-1, 2)])
def test_trees_in_the_wrong_order_have_no_proof(first: int, second: int) -> None:
    with pytest.raises(ValueError, match="no consistency proof"):
        consistency_proof(first, second, range_root_of(LEAVES))
    assert not verify_consistency(first, second, [], first_root=ROOTS[0], second_root=ROOTS[8])


def test_a_proof_that_is_too_long_or_too_short_is_refused() -> None:
    proof = inclusion_proof(0, 8, range_root_of(LEAVES))
    assert not verify_inclusion(LEAVES[0], 0, 8, proof[:-1], ROOTS[8])
    assert not verify_inclusion(LEAVES[0], 0, 8, [*proof, ROOTS[1]], ROOTS[8])
    proof = consistency_proof(6, 8, range_root_of(LEAVES))
    for wrong in (proof[:-1], [*proof, ROOTS[1]], []):
        assert not verify_consistency(6, 8, wrong, first_root=ROOTS[6], second_root=ROOTS[8])
    assert not verify_consistency(8, 8, [ROOTS[1]], first_root=ROOTS[8], second_root=ROOTS[8])
    assert not verify_consistency(8, 8, [], first_root=ROOTS[7], second_root=ROOTS[8])


def test_whole_blocks_are_reported_once() -> None:
    leaves = [hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(3 * BLOCK + 5)]
    frontier = Frontier()
    completed = frontier.extend(leaves[:100]) + frontier.extend(leaves[100:600]) + frontier.extend(leaves[600:])
    assert completed == [root_of(leaves[at : at + BLOCK]) for at in (0, BLOCK, 2 * BLOCK)]
    assert frontier.root() == root_of(leaves)


@pytest.mark.parametrize(("size", "peaks"), [(1, b""), (0, b"x" * 32), (3, b"x" * 32), (2, b"x" * 31), (-1, b"")])
def test_a_frontier_that_does_not_fit_its_size_is_refused(size: int, peaks: bytes) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Frontier.from_bytes(size, peaks)
