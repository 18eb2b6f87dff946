"""A derivative that another tool made: its sources are BIDS objects, and no records of this catalogue."""

from __future__ import annotations

import json
from pathlib import Path

from sillage.client import Client

SOURCES = [{"URL": "../.."}, {"DOI": "doi:10.18112/openneuro.ds000001.v1.0.0"}, {"URL": "https://example.org/raw"}]


def test_a_foreign_derivative_is_registered_shown_and_published(client: Client, tmp_path: Path) -> None:
    root = tmp_path / "fmriprep"
    (root / "sub-01" / "anat").mkdir(parents=True)
    described = {
        "Name": "fMRIPrep outputs",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "License": "CC0",
        "Authors": ["Ada Lovelace"],
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.1.3"}],
        "SourceDatasets": SOURCES,
    }
    (root / "dataset_description.json").write_text(json.dumps(described))
    (root / "sub-01" / "anat" / "sub-01_desc-preproc_T1w.nii.gz").write_bytes(b"image")
    made = client.register_dataset(root)
    assert client.get(f"datasets/{made['id']}")["source_datasets"] == SOURCES
    assert client.find_cohort("derived(pipeline = 'fMRIPrep')")["count"] == 1
