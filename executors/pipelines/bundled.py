"""The pipelines that ship: each a folder with ``descriptor.json`` and its scripts."""

from __future__ import annotations

from pathlib import Path

from ontology.errors import NotFoundError

FOLDER = Path(__file__).parent / "bundled"


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
