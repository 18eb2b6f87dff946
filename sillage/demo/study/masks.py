"""Write the lesions that were drawn as a BIDS derivative: the truth that a clinic does not have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sillage.demo.study.people import Person
from sillage.demo.study.sites import Site

FOLDER = Path("derivatives") / "lesions"
# A voxel is lesion when the lesion weighs at least as much in its signal as the tissue around it.
HALF = np.float32(0.5)


def describe_masks(folder: Path, site: Site) -> None:
    """Write the description of the masks' dataset (BIDS 1.10, derivatives).

    Raises:
        OSError: It cannot be written.
    """
    root = folder / FOLDER
    root.mkdir(parents=True, exist_ok=True)
    described: dict[str, object] = {
        "Name": f"Known lesions of the {site.title}",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "License": "Free use with the notice in README.md",
        "Authors": ["Sillage Demonstration Study", site.institution],
        "GeneratedBy": [{"Name": "sillage.demo.study"}],
        "SourceDatasets": [{"URL": "../.."}],
    }
    _write_json(root / "dataset_description.json", described)
    notice = (folder / "README.md").read_text(encoding="utf-8")
    (root / "README.md").write_text(notice, encoding="utf-8")


def mask_path(folder: Path, person: Person) -> Path:
    """Return where the mask of a person lies, with its sidecar beside it; its folder is made where it is missing.

    It is drawn on the FLAIR image, as people do; on the T1w image of those who have no FLAIR.

    Raises:
        OSError: The folder cannot be made.
    """
    anat = folder / FOLDER / f"sub-{person.label}" / "anat"
    anat.mkdir(parents=True, exist_ok=True)
    path = anat / f"sub-{person.label}_desc-lesion_mask.nii.gz"
    suffix = "FLAIR" if person.has_flair else "T1w"
    source = f"bids:raw:sub-{person.label}/anat/sub-{person.label}_{suffix}.nii.gz"
    _write_json(anat / f"sub-{person.label}_desc-lesion_mask.json", {"Type": "Lesion", "SpatialReference": source})
    return path


def lesion_voxels(weight: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return one where a voxel is lesion; the healthy have none."""
    return (weight >= HALF).astype(np.int16)


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
