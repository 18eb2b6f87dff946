"""What the tests of readers share: the real crosswalk, and datasets written from a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ontology.crosswalk import Crosswalk
from ontology.terms import TermIndex

DESCRIPTION = '{"Name": "A study", "BIDSVersion": "1.10.0"}'

Write = Callable[[dict[str, str | bytes]], Path]


@pytest.fixture(scope="session")
def crosswalk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crosswalk]:
    with TermIndex.open(tmp_path_factory.mktemp("terms") / "terms.sqlite") as index:
        yield Crosswalk(index)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files into a folder; a description is added unless one is given."""

    def written(files: dict[str, str | bytes]) -> Path:
        root = tmp_path / "data"
        for path, content in {"dataset_description.json": DESCRIPTION, **files}.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return written
