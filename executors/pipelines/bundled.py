"""The pipelines that ship: each a folder with ``descriptor.json`` and its scripts.

Modules that several of them need lie once in the folder ``shared``. A pipeline is mounted alone, so it is
registered together with those that it imports: a module that it does not need never changes its digest.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ontology.errors import NotFoundError

FOLDER = Path(__file__).parent / "bundled"
SHARED = FOLDER / "shared"
REFERENCE = "reference"
REFERENCE_FILE = "reference.json"
REFERENCE_PARTS = ("inputs", "expected")


def list_bundled() -> list[str]:
    """Return the names of the pipelines that ship, sorted."""
    return sorted(path.parent.name for path in FOLDER.glob("*/descriptor.json"))


def bundled_descriptor(name: str) -> Path:
    """Return the path of a shipped pipeline's descriptor; its scripts lie beside it.

    Raises:
        NotFoundError: No pipeline of that name ships.
    """
    names = list_bundled()
    if name not in names:
        raise NotFoundError(
            f"No pipeline {name!r} ships with Sillage.",
            field="pipeline",
            next_step=f"Choose one of: {', '.join(names)}.",
            params={"names": names},
        )
    return FOLDER / name / "descriptor.json"


def bundled_files(name: str) -> dict[str, bytes]:
    """Return the files of a shipped pipeline by relative path, the shared modules among them.

    Raises:
        NotFoundError: No pipeline of that name ships.
    """
    own = [path for path in bundled_descriptor(name).parent.iterdir() if path.is_file()]
    found = [*own, *_shared_by(path for path in own if path.suffix == ".py")]
    return {path.name: path.read_bytes() for path in sorted(found, key=lambda path: path.name)}


def bundled_reference(name: str) -> tuple[Any, dict[str, bytes]] | None:
    """Return the reference case of a shipped pipeline: ``reference.json``, and its files by relative path.

    Returns:
        None when it has none.

    Raises:
        NotFoundError: No pipeline of that name ships.
    """
    folder = bundled_descriptor(name).parent / REFERENCE
    if not (folder / REFERENCE_FILE).is_file():
        return None
    files = [path for part in REFERENCE_PARTS for path in sorted((folder / part).rglob("*")) if path.is_file()]
    document = json.loads((folder / REFERENCE_FILE).read_bytes())
    return document, {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _shared_by(scripts: Iterable[Path]) -> set[Path]:
    """Return the shared modules that scripts import, and those that these import in turn."""
    found: set[Path] = set()
    waiting = list(scripts)
    while waiting:
        for module in _imports(waiting.pop()):
            path = SHARED / f"{module}.py"
            if path.is_file() and path not in found:
                found.add(path)
                waiting.append(path)
    return found


def _imports(script: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(script.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names
