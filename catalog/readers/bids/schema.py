"""The tables of the BIDS schema that the reader uses (compiled by :mod:`catalog.readers.bids.compile`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("schema.json")

_JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BidsSchema:
    """What counts as what in a BIDS dataset.

    Attributes:
        bids_version: Version of the specification that the tables state.
        entities: File-name key (``sub``) to the entity's name (``subject``).
        indexes: Keys whose values are numbers.
        datatypes: Folder names (``anat``, ``func``, ...).
        images: Datatype to suffix to extensions of images and recordings; a folder's ends in ``/``.
        extensions: Those of image formats under any suffix.
        beside: Suffix of tables and pictures that accompany recordings to the datatypes where they do.
        opaque: Top-level folders that BIDS says nothing about.
        metadata: Field of a sidecar to the Python types that its value may have.
    """

    bids_version: str
    entities: Mapping[str, str]
    indexes: frozenset[str]
    datatypes: frozenset[str]
    images: Mapping[str, Mapping[str, frozenset[str]]]
    extensions: frozenset[str]
    beside: Mapping[str, frozenset[str]]
    opaque: frozenset[str]
    metadata: Mapping[str, tuple[type, ...]]

    def is_image(self, datatype: str, suffix: str, extension: str) -> bool:
        """Tell whether a file of these is an image or recording, by rule."""
        return extension in self.images.get(datatype, {}).get(suffix, ())


@lru_cache(maxsize=1)
def load_schema() -> BidsSchema:
    """Return the compiled schema, read once."""
    compiled: dict[str, Any] = json.loads(SOURCE.read_text(encoding="utf-8"))
    images = {
        datatype: {suffix: frozenset(extensions) for suffix, extensions in suffixes.items()}
        for datatype, suffixes in compiled["images"].items()
    }
    return BidsSchema(
        bids_version=compiled["bids_version"],
        entities={key: entity["name"] for key, entity in compiled["entities"].items()},
        indexes=frozenset(key for key, entity in compiled["entities"].items() if entity["format"] == "index"),
        datatypes=frozenset(compiled["datatypes"]),
        images=images,
        extensions=frozenset(compiled["formats"]),
        beside={suffix: frozenset(datatypes) for suffix, datatypes in compiled["beside"].items()},
        opaque=frozenset(compiled["opaque"]),
        metadata={
            name: tuple(python for kind in kinds for python in _JSON_TYPES[kind])
            for name, kinds in compiled["metadata"].items()
        },
    )
