"""The pipelines that ship: each a folder with ``descriptor.json`` and its scripts.

Modules that several of them need lie once in the folder ``shared``. A pipeline is mounted alone, so it is
registered together with them.
"""

from __future__ import annotations

from pathlib import Path

from ontology.errors import NotFoundError

FOLDER = Path(__file__).parent / "bundled"
SHARED = FOLDER / "shared"


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
    folder = bundled_descriptor(name).parent
    found = [*SHARED.glob("*.py"), *(path for path in folder.iterdir() if path.is_file())]
    return {path.name: path.read_bytes() for path in sorted(found, key=lambda path: path.name)}
