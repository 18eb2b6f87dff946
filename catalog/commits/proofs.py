"""Proofs about the stored ledger, from the roots of complete blocks and the entries of the last one."""

from __future__ import annotations

from collections.abc import Iterable

from ontology.errors import IntegrityError, InvalidRequestError, NotFoundError
from provenance.ledger import merkle
from provenance.ledger.merkle import BLOCK, Frontier, RangeRoot, fold


def inclusion(sequence: int, tree_size: int | None, present: int, roots: RangeRoot) -> list[bytes]:
    """Return the audit path of an entry in a tree, of the ledger of ``present`` entries.

    Raises:
        NotFoundError: It is not in that tree.
    """
    tree_size = present if tree_size is None else tree_size
    if not 0 <= sequence < tree_size <= present:
        raise NotFoundError(
            f"entry {sequence} is not in a ledger of {min(tree_size, present)} entries", field="sequence"
        )
    return merkle.inclusion_proof(sequence, tree_size, roots)


def consistency(first: int, second: int | None, present: int, roots: RangeRoot) -> list[bytes]:
    """Return the proof that an earlier ledger begins a later one.

    Raises:
        InvalidRequestError: Not ``0 < first <= second <= present``.
    """
    second = present if second is None else second
    if not 0 < first <= second <= present:
        raise InvalidRequestError(
            f"from {first} to {second} is no range of a ledger of {present} entries", field="first"
        )
    return merkle.consistency_proof(first, second, roots)


def range_root(begin: int, end: int, *, blocks: Iterable[bytes], leaves: Iterable[bytes]) -> bytes:
    """Return the root of a range from its whole blocks and the leaves behind them.

    Raises:
        IntegrityError: An entry or block of the range is missing.
    """
    front, rest = Frontier(), Frontier()
    whole = (end - begin) // BLOCK
    if whole:
        front.extend(blocks)
    rest.extend(leaves)
    if front.size != whole or rest.size != end - begin - whole * BLOCK:
        raise IntegrityError(f"entries between {begin} and {end} are missing from the ledger")
    return fold([*front.peaks, *rest.peaks])
