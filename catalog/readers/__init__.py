"""Readers: a tree of files in, documents of records out. One per way of laying out a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from catalog.readers.bids import check_bids, read_bids
from catalog.readers.reading import Reading, ReadProblem, Terms
from catalog.tree import Tree, TreeFile
from ontology.errors import InvalidRequestError

__all__ = ["READERS", "ReadProblem", "Reader", "Reading", "Terms", "read", "recognise"]


@dataclass(frozen=True, slots=True)
class Reader:
    """One way of laying out a dataset.

    Attributes:
        check: Raises, with what is missing, when a tree of these files is not laid out so.
        read: Returns what the dataset in a tree holds.
    """

    check: Callable[[Sequence[TreeFile]], None]
    read: Callable[[Tree, Terms], Reading]


READERS: Mapping[str, Reader] = {"bids": Reader(check_bids, read_bids)}
"""The readers by name; ``auto`` takes the first that knows the layout."""


def recognise(tree: Tree, *, reader: str = "auto") -> str:
    """Return the name of the reader for ``tree``, by the names of its files alone.

    Raises:
        InvalidRequestError: No such reader, or it does not know the layout; the error says what is missing.
    """
    if reader == "auto":
        reader = next(iter(READERS))
    chosen = READERS.get(reader)
    if chosen is None:
        known = ", ".join(("auto", *READERS))
        raise InvalidRequestError(
            f"there is no reader {reader!r}", field="reader", next_step=f"Choose one of: {known}."
        )
    chosen.check(tree.files())
    return reader


def read(tree: Tree, crosswalk: Terms, *, reader: str = "auto") -> Reading:
    """Return what the dataset in ``tree`` holds, with everything that could not be read or mapped.

    Args:
        tree: The files.
        crosswalk: Gives words their terms.
        reader: Name of the reader, or ``auto`` for the first that knows the layout.

    Raises:
        InvalidRequestError: As :func:`recognise`.
    """
    return READERS[recognise(tree, reader=reader)].read(tree, crosswalk)
