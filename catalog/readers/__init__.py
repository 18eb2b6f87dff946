"""Readers: a tree of files in, documents of records out. One per way of laying out a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from catalog.readers.bids import read_bids
from catalog.readers.reading import Reading, ReadProblem, Terms
from catalog.tree import Tree
from ontology.errors import InvalidRequestError

__all__ = ["READERS", "ReadProblem", "Reading", "Terms", "read"]

READERS: Mapping[str, Callable[[Tree, Terms], Reading]] = {"bids": read_bids}
"""Name of a reader to the reader; ``auto`` tries them in this order."""


def read(tree: Tree, crosswalk: Terms, *, reader: str = "auto") -> Reading:
    """Return what the dataset in ``tree`` holds, with everything that could not be read or mapped.

    Args:
        tree: The files.
        crosswalk: Gives words their terms.
        reader: Name of the reader, or ``auto`` for the first that knows the layout.

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
    return chosen(tree, crosswalk)
