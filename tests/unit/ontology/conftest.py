"""An index with the starter vocabulary alone, and the folder of real ontologies where it is there."""

import os
from pathlib import Path

import pytest

from ontology.terms import TermIndex

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def starter(tmp_path_factory):
    with TermIndex.open(tmp_path_factory.mktemp("starter") / "terms.sqlite") as index:
        yield index


@pytest.fixture
def index(tmp_path):
    with TermIndex.open(tmp_path / "terms.sqlite") as index:
        yield index


@pytest.fixture(scope="session")
def ontologies():
    folder = Path(os.environ.get("SILLAGE_TEST_DATA", ROOT.parent / "shared" / "data")) / "ontologies"
    if not folder.is_dir():
        pytest.skip(f"no real ontologies: {folder} is missing (set SILLAGE_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def loaded(tmp_path_factory, ontologies):
    """Every real ontology beside the starter vocabulary."""
    with TermIndex.open(tmp_path_factory.mktemp("loaded") / "terms.sqlite") as index:
        index.reports = {path.name: index.load(path) for path in sorted(ontologies.iterdir())}
        yield index


@pytest.fixture
def source(tmp_path):
    """Writes a vocabulary file and returns its path."""

    def write(text, name="toy.obo"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write
