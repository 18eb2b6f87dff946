"""A catalogue named by a relative path is the same catalogue: what is handed to other processes is absolute."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.catalogue import create, open_catalogue


def test_a_catalogue_opened_by_a_relative_path_knows_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "lab")
    monkeypatch.chdir(tmp_path)
    catalogue = open_catalogue(Path("lab"))
    try:
        assert catalogue.directory == (tmp_path / "lab").resolve()
        assert catalogue.store.root.is_absolute()
    finally:
        catalogue.close()
