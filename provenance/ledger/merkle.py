"""The Merkle tree of the ledger: roots, audit paths and consistency proofs (RFC 9162, section 2.1).

Nothing here stores anything. A :class:`Frontier` folds leaves in as they come, in logarithmic space; the proofs
ask their caller for the roots of sub-ranges, so that a store can answer from what it keeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
BLOCK_BITS = 8
BLOCK = 1 << BLOCK_BITS
"""Leaves in a block: the smallest subtree whose root a store keeps."""
EMPTY_ROOT = hashlib.sha256().digest()

RangeRoot = Callable[[int, int], bytes]
"""Gives the root of the leaves from ``begin`` up to, without, ``end``."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 of 0x00 and the leaf (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 of 0x01 and both children (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(peaks: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees that stand side by side, largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


class Frontier:
    """The right edge of a growing tree: the roots of its perfect subtrees, largest first.

    Attributes:
        size: Leaves so far.
        peaks: One hash for each bit that is set in ``size``.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)

    @classmethod
    def from_bytes(cls, size: int, peaks: bytes) -> Frontier:
        """Read what :meth:`peak_bytes` wrote.

        Raises:
            ValueError: The number of peaks does not fit the size.
        """
        if size < 0 or len(peaks) != HASH_BYTES * size.bit_count():
            raise ValueError(f"{len(peaks)} bytes of peaks do not fit a tree of {size} leaves")
        return cls(size, (peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES)))

    def peak_bytes(self) -> bytes:
        """Return the peaks one after the other."""
        return b"".join(self.peaks)

    def extend(self, leaves: Iterable[bytes]) -> list[bytes]:
        """Append leaf hashes; return the roots of the blocks of :data:`BLOCK` leaves that this completed."""
        sha256, peaks, size = hashlib.sha256, self.peaks, self.size
        completed = []
        for carry in leaves:
            height, rest = 0, size
            while rest & 1:
                carry = sha256(b"\x01" + peaks.pop() + carry).digest()
                rest >>= 1
                height += 1
                if height == BLOCK_BITS:
                    completed.append(carry)
            peaks.append(carry)
            size += 1
        self.size = size
        return completed

    def root(self) -> bytes:
        """Return the root of the tree so far (RFC 9162, section 2.1.1)."""
        return fold(self.peaks)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes (RFC 9162, section 2.1.1)."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def range_root_of(leaves: Sequence[bytes]) -> RangeRoot:
    """Return a :data:`RangeRoot` over leaf hashes held in memory."""
    return lambda begin, end: root_of(leaves[begin:end])


def _split(size: int) -> int:
    """Return the largest power of two smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, root: RangeRoot) -> list[bytes]:
    """Return the audit path of leaf ``index`` in the tree of ``size`` leaves (RFC 9162, section 2.1.3.1).

    Raises:
        ValueError: The leaf is not in that tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(root(middle, end))
            end = middle
        else:
            path.append(root(begin, middle))
            begin = middle
    path.reverse()
    return path


def consistency_proof(first: int, second: int, root: RangeRoot) -> list[bytes]:
    """Return the proof that the tree of ``first`` leaves begins that of ``second`` (RFC 9162, section 2.1.4.1).

    Raises:
        ValueError: Not ``0 < first <= second``.
    """
    if not 0 < first <= second:
        raise ValueError(f"no consistency proof from {first} to {second} leaves")
    path: list[bytes] = []
    begin, end = 0, second
    while first != end:
        middle = begin + _split(end - begin)
        if first <= middle:
            path.append(root(middle, end))
            end = middle
        else:
            path.append(root(begin, middle))
            begin = middle
    if begin:
        path.append(root(begin, end))
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether ``proof`` shows that leaf hash ``leaf`` is at ``index`` (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            hashed = node_hash(sibling, hashed)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and hashed == root


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], *, first_root: bytes, second_root: bytes
) -> bool:
    """Tell whether ``proof`` shows that one tree begins the other (RFC 9162, section 2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    path = list(proof) if first & (first - 1) else [first_root, *proof]
    if not path:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and older == first_root and newer == second_root
