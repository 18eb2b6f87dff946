"""Records of others: complete NIDM-Results documents, run records of DataLad, and BIDS's GeneratedBy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ontology.errors import InvalidRequestError
from provenance import formats
from provenance.readers import read_foreign
from provenance.vocabulary import ACTIVITY, GENERATION, USAGE


@pytest.mark.parametrize(
    ("path", "software", "version"),
    [
        ("fsl_full_example001/nidm.ttl", {"nidmfsl", "FSL"}, "1.2.0"),
        ("spm_full_example001/example001_spm_results.ttl", {"spm_results_nidm", "SPM"}, "1.1.0"),
    ],
)
def test_a_complete_document_is_read_and_comes_back(
    shared_data: Path, path: str, software: set[str], version: str
) -> None:
    file = shared_data / "nidm-results" / "1.2.0" / path
    if not file.is_file():
        pytest.skip(f"nidm-results/1.2.0/{path} is not there")
    told = read_foreign(file.read_bytes(), file.name)
    assert told.kind == "nidm-results"
    assert told.summary["nidm_version"] == version
    assert {one["name"] for one in told.summary["software"]} == software
    assert {"contrast", "statistic", "mask", "excursion set"} <= {one["kind"] for one in told.summary["maps"]}
    assert len(told.summary["activities"]) >= 3
    for name in formats.FORMATS:
        assert formats.read(formats.write(told.document, name), name) == told.document, name


RECORD = {
    "cmd": "tool in.nii out.nii",
    "exit": 0,
    "dsid": "d",
    "inputs": ["in.nii"],
    "outputs": ["out.nii"],
    "pwd": ".",
}
MESSAGE = (
    "[DATALAD RUNCMD] Smooth\n\n=== Do not change lines below ===\n"
    f"{json.dumps(RECORD)}\n^^^ Do not change lines above ^^^\n"
)


def test_a_commit_message_of_datalad_is_a_run() -> None:
    told = read_foreign(MESSAGE.encode())
    assert told.kind == "datalad-run"
    assert told.summary["command"] == RECORD["cmd"]
    assert (told.summary["inputs"], told.summary["outputs"]) == (["in.nii"], ["out.nii"])
    assert {ACTIVITY, USAGE, GENERATION} <= {one.kind for one in told.document.statements}
    assert read_foreign(MESSAGE.encode()).document == told.document


def test_generated_by_names_the_software() -> None:
    described = {
        "Name": "fMRIPrep",
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": "24.1", "Container": {"Tag": "x"}}],
    }
    told = read_foreign(json.dumps(described).encode())
    assert told.kind == "generated-by"
    assert told.summary["software"] == [{"name": "fMRIPrep", "version": "24.1", "container": {"Tag": "x"}}]


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"{}x", MESSAGE.replace("{", "[").encode(), b'{"GeneratedBy": [{"Version": "1"}]}']
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        read_foreign(data)
