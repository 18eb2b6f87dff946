"""The index: its mapping, its settings, and how its generations are named.

``sillage-<name>`` is an alias of the generation that answers, ``sillage-<name>-0001`` and so on. Each generation has a
second alias by which it is written, so that a write to one that was removed fails instead of making an index.
"""

from __future__ import annotations

import re
from typing import Any, Final

from catalog.search.elasticsearch.encoding import FACET_FIELDS, LOOKED_UP
from ontology.errors import InvalidRequestError

FORMAT: Final = "1"
"""Changes whenever the mapping or what is written changes; an index of another format is rebuilt."""

STAMP: Final = "stamp"
PREFIX: Final = "sillage-"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")

_TERM: Final = {"type": "keyword", "doc_values": False}
_SORT: Final = {"type": "keyword", "index": False}
_BOTH: Final = {"type": "keyword"}
_KEPT: Final = {"type": "object", "enabled": False}


def _filed() -> dict[str, Any]:
    """Return the fields of what a record says; ``present`` and ``shown`` are counted, the others looked up."""
    looked_up = dict.fromkeys(LOOKED_UP, _TERM)
    shown = {f"s{number:02}": _BOTH for number in range(FACET_FIELDS)}
    return {"present": _BOTH, **looked_up, "shown": {"type": "object", "properties": shown}}


_FIELDS: Final = ("present", *LOOKED_UP, "shown")

MAPPINGS: Final[dict[str, Any]] = {
    "dynamic": "strict",
    # What is filed can be made again from what is said, which is kept; so it is not kept twice.
    "_source": {"excludes": [*_FIELDS, *(f"acquisitions.{field}" for field in _FIELDS), "home", "label"]},
    "properties": {
        "kind": _TERM,
        "key": _BOTH,
        "live": {"type": "boolean", "doc_values": False},
        "dataset": _BOTH,
        "home": _SORT,
        "label": _SORT,
        "said": _KEPT,
        "state": _KEPT,
        **_filed(),
        "acquisitions": {
            "type": "nested",
            "properties": {"iri": _TERM, "dataset": _BOTH, "said": _KEPT, **_filed()},
        },
    },
}


def settings(shards: int) -> dict[str, Any]:
    """Return the settings of an index.

    It is refreshed when a batch is complete, and at no other time: nobody sees half of one. A second server, where
    there is one, keeps a copy.
    """
    return {
        "index": {
            "number_of_shards": shards,
            "auto_expand_replicas": "0-1",
            "refresh_interval": "-1",
            "codec": "best_compression",
            "mapping": {"nested_objects": {"limit": 1_000_000}},
        }
    }


class Names:
    """The names of one catalogue's index."""

    def __init__(self, name: str) -> None:
        """Check a name.

        Raises:
            InvalidRequestError: Elasticsearch would not take it.
        """
        if not _NAME.fullmatch(name):
            raise InvalidRequestError(
                f"{name!r} cannot name a search index",
                field="name",
                next_step="Use at most 100 lower-case letters, digits, '-', '_' and '.', the first a letter or digit.",
            )
        self.alias = PREFIX + name
        self._generation = re.compile(re.escape(self.alias) + r"-(\d{4,9})")

    def generation(self, index: str) -> int | None:
        """Return the number of one of our generations; None for another's index."""
        found = self._generation.fullmatch(index)
        return int(found[1]) if found else None

    def index(self, generation: int) -> str:
        """Return the name of a generation."""
        return f"{self.alias}-{generation:04}"


def writing(index: str) -> str:
    """Return the alias by which a generation is written."""
    return f"{index}-write"
