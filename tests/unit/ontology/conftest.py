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


TOY = """format-version: 1.2
data-version: 1
ontology: toy

[Term]
id: TOY:1
name: thing

[Term]
id: TOY:2
name: left parent
is_a: TOY:1 ! thing

[Term]
id: TOY:3
name: right parent
is_a: TOY:1

[Term]
id: TOY:4
name: child
synonym: "kid" EXACT []
synonym: "offspring" RELATED []
xref: ICD10CM:Z99
alt_id: TOY:44
is_a: TOY:2
is_a: TOY:3

[Term]
id: TOY:5
name: old child
is_obsolete: true
replaced_by: TOY:4

[Term]
id: TOY:6
name: lost
is_obsolete: true

[Term]
id: TOY:7
name: unsure
is_obsolete: true
consider: TOY:2
consider: TOY:3
"""


@pytest.fixture(scope="session")
def obo():
    """Makes an OBO document of stanzas, each its lines joined by bars."""

    def document(*stanzas, ontology, version="1"):
        terms = "".join("\n[Term]\n" + stanza.replace("|", "\n") + "\n" for stanza in stanzas)
        return f"data-version: {version}\nontology: {ontology}\n{terms}"

    return document


@pytest.fixture
def toy_path(source):
    return source(TOY)


@pytest.fixture
def toy(index, toy_path):
    index.load(toy_path)
    return index
