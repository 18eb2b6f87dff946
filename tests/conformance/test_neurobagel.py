"""An annotated phenotypic table, against the graph that Neurobagel's own tool derives from it and the same dataset.

Everything that the graph says of a session must be found here, and nothing beside it: age, sex, diagnosis and the
instruments with which somebody was assessed; and how many images of which contrast.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from catalog.readers import Reading, read
from catalog.readers.folder import FolderTree
from ontology.crosswalk import Crosswalk
from ontology.terms import TermIndex

Session = dict[str, Any]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TermIndex]:
    with TermIndex.open(tmp_path_factory.mktemp("terms") / "terms.sqlite") as opened:
        yield opened


@pytest.fixture(scope="module")
def graph(shared_data: Path) -> dict[str, Any]:
    path = shared_data / "neurobagel" / "example_synthetic_pheno-bids-derivatives.jsonld"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def reading(shared_data: Path, index: TermIndex, tmp_path_factory: pytest.TempPathFactory) -> Reading:
    root = tmp_path_factory.mktemp("annotated") / "synthetic"
    shutil.copytree(shared_data / "bids" / "synthetic", root, ignore=shutil.ignore_patterns("derivatives"))
    for ending in ("tsv", "json"):
        content = (shared_data / "neurobagel" / f"example_synthetic.{ending}").read_bytes()
        (root / f"participants.{ending}").write_bytes(content)
    return read(FolderTree(root), Crosswalk(index))


def meanings(items: Sequence[dict[str, Any]], index: TermIndex) -> set[str]:
    """Return the terms that identifiers of the graph (SNOMED CT, NCIt) are known by here."""
    return {index.resolve(item["identifier"]).term.iri for item in items}


def graph_sessions(graph: dict[str, Any], index: TermIndex) -> dict[tuple[str, str], Session]:
    """Return what the graph says of each session, with its identifiers as terms of ours."""
    found: dict[tuple[str, str], Session] = {}
    for subject in graph["hasSamples"]:
        for session in subject["hasSession"]:
            if session["schemaKey"] == "PhenotypicSession":
                sex = session.get("hasSex")
                found[subject["hasLabel"], session["hasLabel"]] = {
                    "age": session.get("hasAge"),
                    "sex": meanings([sex] if sex else [], index),
                    "diagnosis": meanings(session.get("hasDiagnosis", ()), index),
                    "assessment": meanings(session.get("hasAssessment", ()), index),
                }
    return found


def our_sessions(reading: Reading) -> dict[tuple[str, str], Session]:
    found: dict[tuple[str, str], Session] = {}
    for participant in reading.participants:
        for session in participant["sessions"]:
            said = session["properties"]
            age = said.get("age")
            found[participant["label"], session["label"]] = {
                "age": age[0]["value"] if age else None,
                **{
                    name: {value["term"] for value in said.get(name, ())} for name in ("sex", "diagnosis", "assessment")
                },
            }
    return found


def test_sessions_say_what_the_graph_says(graph: dict[str, Any], reading: Reading, index: TermIndex) -> None:
    expected = graph_sessions(graph, index)
    assert len(expected) == 10
    assert our_sessions(reading) == expected


def test_images_have_the_contrasts_of_the_graph(graph: dict[str, Any], reading: Reading, index: TermIndex) -> None:
    """The graph calls BOLD series ``nidm:FlowWeighted``; NIDM's own term for them is the one that is used here."""
    theirs = {"nidm:T1Weighted": "nidm:T1Weighted", "nidm:FlowWeighted": "nidm:BloodOxygenLevelDependentWeighted"}
    expected: Counter[tuple[str, str, str]] = Counter()
    for subject in graph["hasSamples"]:
        for session in subject["hasSession"]:
            for image in session.get("hasAcquisition", ()):
                contrast = theirs[image["hasContrastType"]["identifier"]]
                expected[subject["hasLabel"], session["hasLabel"], contrast] += 1
    found: Counter[tuple[str, str, str]] = Counter()
    for acquisition in reading.acquisitions:
        values = acquisition["properties"].get("contrast", ())
        for value, contrast in product(values, theirs.values()):
            if value["term"] in index.descendants(contrast):
                found[acquisition["participant"], acquisition["session"], contrast] += 1
    assert found == expected


def test_columns_keep_their_names_and_missing_codes_are_listed(reading: Reading) -> None:
    first = reading.participants[0]["properties"]
    assert [value["value"] for value in first["pheno_age"]] == [34.1, 35.3]
    assert [value["original"] for value in first["tool1_item1"]] == ["good", "bad"]
    listed = {(p.field, p.detail) for p in reading.problems if "was read as missing" in p.detail}
    assert listed == {
        ("pheno_age", "'NA' was read as missing, as the data dictionary says: 1 cell"),
        ("pheno_sex", "'missing' was read as missing, as the data dictionary says: 2 cells"),
        ("pheno_group", "'NA' was read as missing, as the data dictionary says: 1 cell"),
        ("tool1_item1", "'missing' was read as missing, as the data dictionary says: 1 cell"),
        ("tool1_item2", "'missing' was read as missing, as the data dictionary says: 2 cells"),
        ("tool2_item1", "'not completed' was read as missing, as the data dictionary says: 1 cell"),
    }
    assert not reading.unmapped
