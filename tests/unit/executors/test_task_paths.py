"""Paths: output templates, links in working folders, and rewriting without a sandbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from executors.attempts.outputs import OutputRefusedError, inside, remove_mount_points
from executors.check import is_clean
from executors.rewrite import PathMap
from executors.templates import relative, template_pattern


@pytest.mark.parametrize(
    ("template", "path", "matches"),
    [
        ("*.json", "a.json", True),
        ("*.json", "d/a.json", False),
        ("**/*.json", "a.json", True),
        ("**/*.json", "d/e/a.json", True),
        ("d/**", "d/e/f", True),
        ("a?.txt", "ab.txt", True),
        ("a?.txt", "a/.txt", False),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("[!ab].txt", "c.txt", True),
        ("a[!x]b", "a/b", False),
        ("[[]x].txt", "[x].txt", True),
        ("[*].txt", "*.txt", True),
        ("[*].txt", "a.txt", False),
        ("a.b", "axb", False),
        ("line\nbreak*", "line\nbreak.txt", True),
    ],
)
def test_templates(template: str, path: str, matches: bool) -> None:
    assert bool(template_pattern(template).fullmatch(path)) is matches


@pytest.mark.parametrize("path", ["/work/out/a", "out/a", "out//a", "./out/a"])
def test_outputs_are_relative_to_the_working_folder(path: str) -> None:
    assert relative(path, "/work") == "out/a"


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "out/../../a", "/workshop/a"])
def test_outputs_outside_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        relative(path, "/work")


@pytest.mark.parametrize("path", ["", "/", "a", "/a/", "/a/../b", "/a//b", "/a/./b", "/a\0b"])
def test_unclean_paths(path: str) -> None:
    assert not is_clean(path)


def test_links_are_resolved_as_the_task_saw_them(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/f").write_text("x")
    os.symlink("/work/a", tmp_path / "absolute")
    os.symlink("../a/b", tmp_path / "a/up")
    assert inside("absolute/b/f", "/work", tmp_path) == tmp_path / "a/b/f"
    assert inside("a/up/f", "/work", tmp_path) == tmp_path / "a/b/f"


@pytest.mark.parametrize("target", ["/", "/etc", "..", "a/../../x", "/workshop", "loop"])
def test_links_out_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "work/a").mkdir(parents=True)
    os.symlink(target, tmp_path / "work/loop")
    with pytest.raises(OutputRefusedError):
        inside("loop/passwd", "/work", tmp_path / "work")


def test_mount_points_are_removed_and_files_kept(tmp_path: Path) -> None:
    (tmp_path / "main/venv").mkdir(parents=True)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").touch()
    (tmp_path / "kept/deep").mkdir(parents=True)
    (tmp_path / "kept/result").write_text("x")
    remove_mount_points([tmp_path / "main/venv", tmp_path / "in/file", tmp_path / "kept/deep"], tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["kept", "kept/result"]


@pytest.mark.parametrize(
    ("word", "rewritten"),
    [
        ("/work", "/host/w"),
        ("/work/a", "/host/w/a"),
        ("--out=/work/a", "--out=/host/w/a"),
        ("cat </inputs/a.txt >/work/b", "cat </data/x >/host/w/b"),
        ("/inputs/a.txt.bak", "/inputs/a.txt.bak"),
        ("/workshop", "/workshop"),
        ("x/work", "x/work"),
        ("a:/work:/inputs/a.txt", "a:/host/w:/data/x"),
        ("plain", "plain"),
    ],
)
def test_rewriting(word: str, rewritten: str) -> None:
    assert PathMap({"/work": "/host/w", "/inputs/a.txt": "/data/x"}).rewrite(word) == rewritten


def test_longer_paths_win() -> None:
    places = PathMap({"/env": "/venv", "/env/lib/own": "/own"})
    assert places.rewrite("/env/lib/own/x:/env/lib") == "/own/x:/venv/lib"
    assert PathMap({}).rewrite("/env") == "/env"
