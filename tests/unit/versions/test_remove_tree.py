"""A folder is removed although a program that outlived its starter still writes into it for a moment."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest

from catalog.versions.dataset import remove_tree


def test_what_is_written_for_another_moment_is_removed_too(tmp_path: Path) -> None:
    folder = tmp_path / "left"
    (folder / "inner").mkdir(parents=True)
    until = time.monotonic() + 0.3

    def write() -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            try:
                (folder / "inner").mkdir(parents=True, exist_ok=True)
                (folder / "inner" / str(number)).touch()
            except OSError:
                continue

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.05)
    remove_tree(folder)
    writer.join()
    if folder.exists():
        remove_tree(folder)
    assert not folder.exists()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.versions.dataset._REMOVALS", 2)
    with pytest.raises(FileNotFoundError):
        remove_tree(tmp_path / "nothing")


def test_what_somebody_else_removes_at_the_same_time_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "left"
    (folder / "inner").mkdir(parents=True)
    real = shutil.rmtree

    def after_another(path: Path) -> None:
        real(path)
        real(path)

    monkeypatch.setattr(shutil, "rmtree", after_another)
    remove_tree(folder)
    assert not folder.exists()
