"""Columns through their data dictionaries, end to end: what participants say after a dataset was read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from catalog.readers import Reading, read
from catalog.readers.folder import FolderTree
from catalog.search.units import comparable
from ontology.crosswalk import Crosswalk

T1W = {"sub-01/anat/sub-01_T1w.nii.gz": b"", "sub-02/anat/sub-02_T1w.nii.gz": b""}


@pytest.fixture
def reading(write: Any, crosswalk: Crosswalk) -> Any:
    def of(files: dict[str, str | bytes]) -> Reading:
        return read(FolderTree(write({**T1W, **files})), crosswalk)

    return of


def properties(found: Reading, participant: int = 0) -> dict[str, list[dict[str, Any]]]:
    said: dict[str, list[dict[str, Any]]] = found.participants[participant]["properties"]
    return said


def test_a_column_is_found_under_its_name_and_the_shared_one(reading: Any) -> None:
    found = reading(
        {
            "participants.tsv": "participant_id\talter_monate\ngeschl\n".replace("\ngeschl", "\tgeschl")
            + "sub-01\t30\tw\nsub-02\t-9\tx\n",
            "participants.json": json.dumps(
                {
                    "alter_monate": {
                        "TermURL": "http://purl.obolibrary.org/obo/PATO_0000011",
                        "Units": "months",
                        "Levels": {"-9": "missing"},
                    },
                    "geschl": {
                        "TermURL": "PATO:0000047",
                        "Levels": {"w": {"Description": "weiblich", "TermURL": "PATO:0000383"}},
                    },
                }
            ),
        }
    )
    one, two = properties(found), properties(found, 1)
    assert (one["age"][0]["value"], one["age"][0]["unit"], one["age"][0]["original"]) == (2.5, "a", "30")
    assert (one["alter_monate"][0]["value"], one["alter_monate"][0]["unit"]) == (30, "mo")
    assert one["sex"][0]["label"] == one["geschl"][0]["label"] == "female"
    assert "age" not in two
    assert two["sex"][0]["value"] == "x"
    assert [(p.field, p.detail) for p in found.problems] == [
        ("geschl", "'x' found no term; it is kept as text"),
        ("alter_monate", "'-9' was read as missing, as the data dictionary says: 1 cell"),
    ]
    assert found.unmapped == {"sex": {"x": 1}}


def test_a_cell_may_hold_several_values(reading: Any) -> None:
    found = reading(
        {
            "participants.tsv": "participant_id\tdx\nsub-01\tADHD;ASD\nsub-02\tADHD; n/a\n",
            "participants.json": '{"dx": {"Delimiter": ";"}}',
        }
    )
    assert [value["original"] for value in properties(found)["diagnosis"]] == ["ADHD", "ASD"]
    assert len(properties(found, 1)["diagnosis"]) == 1


def test_a_phenotype_table_is_an_assessment_of_those_who_have_a_value(reading: Any) -> None:
    found = reading(
        {
            "phenotype/mmse.tsv": "participant_id\tdate\ttotal\tsex\nsub-01\t2020-01-01\t28\tF\nsub-02\tn/a\tn/a\tM\n",
            "phenotype/ace.tsv": "participant_id\tq1\nsub-01\t0\n",
            "phenotype/ace.json": '{"MeasurementToolMetadata": {"Description": "Adverse childhood experiences"}}',
            "phenotype/demographics.tsv": "participant_id\trace\nsub-02\t3\n",
        }
    )
    one, two = properties(found), properties(found, 1)
    assert [value["value"] for value in one["assessment"]] == ["ace", "Mini-Mental State Examination"]
    assert "assessment" not in two
    assert one["mmse_total"][0]["value"] == one["mmse"][0]["value"] == 28
    assert found.unmapped == {"assessment": {"ace": 1}}


def test_numbers_are_compared_in_one_unit(reading: Any) -> None:
    found = reading(
        {
            "participants.tsv": "participant_id\tweight\theight_in\nsub-01\t25\t71\nsub-02\t0.03\tn/a\n",
            "participants.json": '{"weight": {"Units": "g"}}',
        }
    )
    weight, height = properties(found)["weight"][0], properties(found)["height"][0]
    assert (weight["value"], weight["unit"]) == (25, "g")
    assert comparable("weight", weight["value"], weight["unit"]) == 0.025
    assert comparable("height", height["value"], height["unit"]) == pytest.approx(180.34)
    assert comparable("reaction_time", 500, "ms") == 500
    assert comparable("weight", 3, "{stones}") == 3


def test_genetic_data_are_said_of_those_who_have_them(reading: Any) -> None:
    files = {
        "participants.tsv": "participant_id\tgenetic_id\nsub-01\tg7\nsub-02\tn/a\n",
        "genetic_info.json": '{"GeneticLevel": ["Genomic"], "AnalyticalApproach": "SNP Genotypes", "SampleOrigin": 3}',
        "dataset_description.json": '{"Name": "G", "BIDSVersion": "1.10.0", "Genetics": {"Dataset": "https://x.org"}}',
    }
    found = reading(files)
    assert found.dataset["genetics"] == {
        "dataset": ["https://x.org"],
        "level": ["Genomic"],
        "approach": ["SNP Genotypes"],
    }
    assert properties(found)["genetic_data"][0]["value"] is True
    assert properties(found)["genetic_level"][0]["value"] == "Genomic"
    assert "genetic_data" not in properties(found, 1)
    everybody = reading({**files, "participants.tsv": "participant_id\nsub-01\nsub-02\n"})
    assert all("genetic_data" in participant["properties"] for participant in everybody.participants)


def test_the_dataset_says_how_it_may_be_used_and_what_was_imaged(reading: Any) -> None:
    said = {
        "Name": "U",
        "BIDSVersion": "1.10.0",
        "License": "Creative Commons Attribution 4.0",
        "DataUse": ["DUO:0000006", {"TermURL": "http://purl.obolibrary.org/obo/DUO_0000018"}, "be nice", 7],
    }
    found = reading(
        {
            "dataset_description.json": json.dumps(said),
            "participants.tsv": "participant_id\tspecies\nsub-01\tmouse\nsub-02\tMus musculus\n",
        }
    )
    assert (found.dataset["license"], found.dataset["license_id"]) == (said["License"], "CC-BY-4.0")
    assert [value.get("label") for value in found.dataset["data_use"]] == [
        "health or medical or biomedical research",
        "not for profit, non commercial use only",
        None,
    ]
    assert [value["label"] for value in found.dataset["species"]] == ["Mus musculus"]
    assert [p.detail for p in found.problems if p.field == "DataUse"] == [
        "'be nice' found no term; it is kept as text",
        "holds what is neither text nor an object with a TermURL; it was left out",
    ]


def test_tracer_task_and_species_have_terms(reading: Any) -> None:
    found = reading(
        {
            "sub-01/pet/sub-01_pet.nii.gz": b"",
            "sub-01/pet/sub-01_pet.json": '{"TracerName": "FDG", "TracerRadionuclide": "F18"}',
            "sub-01/func/sub-01_task-lineBisection_bold.nii.gz": b"",
        }
    )
    said = {name: value for a in found.acquisitions for name, value in a["properties"].items()}
    assert said["tracer_radionuclide"][0]["label"] == "fluorine-18"
    assert said["task"][0]["label"] == "line bisection"
