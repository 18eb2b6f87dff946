"""The house: arrows point down, rooms stay small, heavy things come in by one door each."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ontology", "provenance", "catalog", "executors", "api", "sillage")
FILE_LINES, FUNCTION_LINES = 400, 50
# What each heavy library may be imported by; pipelines that ship are programs of their own.
DOORS = {
    "fastapi": ("api/", "sillage/in_process.py"),
    "starlette": ("api/",),
    "datalad": ("catalog/versions/",),
    "boutiques": ("executors/pipelines/boutiques_library.py",),
    "torch": (),
    "bids": (),
    "nilearn": ("sillage/demo/",),
    "rdflib": ("ontology/readers/", "provenance/formats/"),
    "neo4j": ("catalog/backends/neo4j/",),
    "cql2": ("catalog/search/",),
    "elasticsearch": ("catalog/search/elasticsearch/connection.py",),
    "sqlite3": (
        *("catalog/backends/sqlite/", "ontology/"),
        *("catalog/search/sqlite/", "catalog/search/embedded/"),
        *("catalog/search/index_file.py", "catalog/search/index_tables.py"),
    ),
}
BACKENDS = (
    *("catalog.backends.neo4j", "catalog.backends.sqlite"),
    *("catalog.search.elasticsearch", "catalog.search.embedded", "catalog.search.sqlite"),
)


def sources() -> Iterator[tuple[str, ast.Module, str]]:
    """Yield path, tree and text of every module of the packages."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "bundled" not in path.parts:
                text = path.read_text()
                yield path.relative_to(ROOT).as_posix(), ast.parse(text), text


def test_arrows_point_down() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_files_and_functions_stay_small() -> None:
    large = [path for path, _, text in sources() if text.count("\n") > FILE_LINES]
    long = [
        f"{path}:{node.name}"
        for path, tree, _ in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    ]
    assert (large, long) == ([], [])


def test_heavy_libraries_come_in_by_their_own_door() -> None:
    wrong = []
    for path, tree, _ in sources():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                doors = DOORS.get(name.split(".")[0])
                if doors is not None and not path.startswith(doors):
                    wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_no_backend_imports_another() -> None:
    wrong = []
    for path, tree, _ in sources():
        own = {name for name in BACKENDS if path.startswith(name.replace(".", "/") + "/")}
        others = tuple(name for name in BACKENDS if own and name not in own)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(others):
                wrong.append(f"{path} imports {node.module}")
    assert wrong == []


def test_the_environment_is_read_in_few_places() -> None:
    allowed = ("api/settings.py", "sillage/", "executors/", "catalog/versions/")
    wrong = [path for path, _, text in sources() if "os.environ" in text and not path.startswith(allowed)]
    assert wrong == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "helpers", "common", "manager", "misc"}
    assert [path for path, _, _ in sources() if Path(path).stem in empty] == []


def test_every_package_is_typed() -> None:
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").exists()] == []


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("sillage", {"fastapi", "numpy", "sqlite3", "pydantic", "api", "catalog", "provenance", "executors"}),
        ("sillage.cli", {"fastapi", "numpy", "pydantic", "api", "catalog", "provenance", "executors"}),
        ("api.app", {"torch", "datalad", "rdflib", "nibabel", "boutiques", "bidsschematools", "nilearn", "matplotlib"}),
    ],
)
def test_front_doors_open_fast(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()


def test_public_names_are_documented() -> None:
    bare = [
        f"{path}:{node.name}"
        for path, tree, _ in sources()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert bare == []
