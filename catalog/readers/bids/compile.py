"""Boil the BIDS schema down to what the reader needs, as ``schema.json`` beside this module.

The schema of ``bidsschematools`` is large; reading a dataset needs a few tables of it, which are kept as
package data so that the library is not needed (or loaded) at run time. After an update of the library run
``python -m catalog.readers.bids.compile``; a test fails while the two differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("schema.json")

_SIDE = frozenset({".json", ".bval", ".bvec"})
_BESIDE = frozenset(
    {
        ("meg", "calibration"),
        ("meg", "crosstalk"),
        ("meg", "headshape"),
        ("meg", "markers"),
        ("perf", "aslcontext"),
        ("perf", "asllabeling"),
        ("pet", "blood"),
    }
)
_BESIDE_FILES = frozenset({"channels", "events", "photo", "task"})
"""Rule files, and single rules, whose files accompany a recording and are none themselves."""


def compile_schema() -> dict[str, Any]:
    """Return the compiled tables, from the schema of the installed ``bidsschematools``."""
    from bidsschematools.schema import load_schema

    schema = load_schema().to_dict()
    objects, rules = schema["objects"], schema["rules"]
    return {
        "bids_version": schema["bids_version"],
        "schema_version": schema["schema_version"],
        "entities": {
            objects["entities"][name]["name"]: {"name": name, "format": objects["entities"][name]["format"]}
            for name in rules["entities"]
        },
        "datatypes": sorted(d["value"] for d in objects["datatypes"].values() if d["value"] != "phenotype"),
        "images": _images(rules["files"]["raw"]),
        "formats": _formats(rules["files"]),
        "beside": _beside(rules["files"]["raw"]),
        "opaque": [*sorted(n for n, d in rules["directories"]["raw"].items() if d.get("opaque")), "rawbids"],
        "metadata": _metadata_types(objects["metadata"]),
    }


def _images(raw: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return datatype to suffix to extensions of the files that are images or recordings themselves."""
    found: dict[str, dict[str, set[str]]] = {}
    for file, group in raw.items():
        for rule_name, rule in group.items():
            if _is_beside(file, rule_name):
                continue
            for datatype in rule["datatypes"]:
                for suffix in rule["suffixes"]:
                    found.setdefault(datatype, {}).setdefault(suffix, set()).update(set(rule["extensions"]) - _SIDE)
    return {d: {s: sorted(found[d][s]) for s in sorted(found[d])} for d in sorted(found)}


def _is_beside(file: str, rule_name: str) -> bool:
    return file in _BESIDE_FILES or (file, rule_name) in _BESIDE


def _beside(raw: dict[str, Any]) -> dict[str, list[str]]:
    """Return suffix to datatypes of files that accompany recordings under a suffix of their own."""
    found: dict[str, set[str]] = {}
    for file, group in raw.items():
        for rule_name, rule in group.items():
            if _is_beside(file, rule_name):
                for suffix in rule["suffixes"]:
                    found.setdefault(suffix, set()).update(rule["datatypes"])
    return {suffix: sorted(found[suffix]) for suffix in sorted(found) if suffix != "meg"}


def _formats(files: dict[str, Any]) -> list[str]:
    """Return the extensions that are images whatever the suffix: those of derived images and of slides.

    The others need their suffix: a ``.tsv`` may be a recording or a table beside one, a ``.png`` a photo.
    """
    raw = {e for suffixes in _images(files["raw"]).values() for found in suffixes.values() for e in found}
    derived = {e for rule in files["deriv"]["imaging"].values() for e in rule["extensions"]}
    return sorted({e for e in raw if e.startswith(".ome.")} | derived - _SIDE - {".tsv"})


def _metadata_types(metadata: dict[str, Any]) -> dict[str, list[str]]:
    """Return the JSON types that the schema allows for each metadata field."""
    found: dict[str, set[str]] = {}
    for entry in metadata.values():
        found.setdefault(entry["name"], set()).update(_types(entry))
    return {name: sorted(found[name]) for name in sorted(found) if found[name]}


def _types(entry: dict[str, Any]) -> set[str]:
    if "anyOf" in entry:
        return {kind for choice in entry["anyOf"] for kind in _types(choice)}
    return {entry["type"]} if "type" in entry else set()


def main() -> None:
    """Write ``schema.json``."""
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in compile_schema().items()]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
