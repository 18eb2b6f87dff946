"""Finding records by their own IRI or label, which no column holds."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from catalog.search.embedded.column import Array
from catalog.search.embedded.segment import Records
from ontology.identifiers import URN, is_record_iri

_SPACE = np.frombuffer(b" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f", np.uint8)


def labelled(records: Records, among: Array, name: str, forms: Collection[str]) -> Array:
    """Return places in ``among`` (rows in order) of records whose ``id`` or ``label`` may equal a folded text.

    All that do are there; what else is there is to be looked at.
    """
    if name == "id":
        iris = {form if form.startswith(URN) else URN + form for form in forms}
        rows = [row for iri in iris if is_record_iri(iri) and (row := records.find(iri)) is not None]
        return np.flatnonzero(np.isin(among, rows))
    spelled = {other for form in forms for other in (form, "sub-" + form, form.removeprefix("sub-"))}
    if not _plain(records):
        return np.arange(len(among))
    sizes = {len(form) for form in spelled if form.isascii()}
    starts = np.where(among > 0, records.label_ends[np.maximum(among, 1) - 1], 0) if len(among) else among
    lengths = records.label_ends[among] - starts
    found = [_equal(records, starts, lengths, size, spelled) for size in sizes]
    return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)


def _equal(records: Records, starts: Array, lengths: Array, size: int, spelled: Collection[str]) -> Array:
    """Return the places of the labels of one length that equal one of some texts, capitals aside."""
    places = np.flatnonzero(lengths == size)
    if not size or not len(places):
        return places
    letters = records.labels[starts[places, None] + np.arange(size)]
    letters = np.where((letters >= 65) & (letters <= 90), letters + 32, letters).astype(np.uint8)
    texts = np.ascontiguousarray(letters).view(f"S{size}").ravel()
    return places[np.isin(texts, [form.encode() for form in spelled if len(form) == size and form.isascii()])]


def _plain(records: Records) -> bool:
    """Tell whether all labels are ASCII without white space, so that folding changes capitals alone."""
    return bool((records.labels < 128).all()) and not bool(np.isin(records.labels, _SPACE).any())
