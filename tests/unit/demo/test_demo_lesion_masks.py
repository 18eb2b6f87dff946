"""The masks that the synthetic study writes when it is asked for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

nibabel = pytest.importorskip("nibabel", reason="the extra `demo` is not installed")
pytest.importorskip("nilearn", reason="the extra `demo` is not installed")


def test_masks_lie_on_the_flair_and_are_empty_for_the_healthy(tmp_path: Path) -> None:
    from sillage.demo.study import make_study

    datasets = make_study(tmp_path, participants=(2, 2), voxel_mm=5.0, lesion_masks=True)
    for dataset, ill in zip(datasets, (["sub-02"], ["sub-101"]), strict=True):
        root = dataset / "derivatives" / "lesions"
        assert json.loads((root / "dataset_description.json").read_text())["DatasetType"] == "derivative"
        masks = sorted(root.rglob("*_desc-lesion_mask.nii.gz"))
        assert len(masks) == 2
        assert [path.name[: path.name.index("_")] for path in masks if nibabel.load(path).get_fdata().any()] == ill
        for path in masks:
            mask, label = nibabel.load(path), path.name[: path.name.index("_")]
            flair = nibabel.load(dataset / label / "anat" / f"{label}_FLAIR.nii.gz")
            assert mask.shape == flair.shape
            assert (mask.affine == flair.affine).all()
            said = json.loads((path.parent / f"{label}_desc-lesion_mask.json").read_text())
            assert said["SpatialReference"].endswith(f"{label}_FLAIR.nii.gz")
