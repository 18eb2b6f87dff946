"""Write the reference case of segment-lesions-evaluate anew: ``python make.py [FOLDER]``; by default where it lies."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "phantoms"))

import nibabel  # noqa: E402
import numpy as np  # noqa: E402
from cases import Case, Output, write_case  # noqa: E402
from heads import save  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

SHAPE = (26, 24, 20)
# Slices thicker than the rest: distances depend on it.
SPACING = np.array([1.5, 1.0, 3.0])
# Counts are exact; distances are sums of 32-bit numbers.
EXACT = {"relative": 1e-5, "absolute": 1e-5}
Ball = tuple[tuple[float, float, float], float]
KNOWN: dict[str, list[Ball]] = {
    "ref1": [((14, 8, 20), 5.0), ((28, 16, 40), 4.0), ((10, 18, 45), 3.5)],
    "ref2": [((20, 12, 30), 6.0)],
    "ref3": [],
    "ref4": [],
}
FOUND: dict[str, list[Ball]] = {
    "ref1": [((15, 8, 21), 4.5), ((27, 15, 41), 4.5), ((30, 5, 10), 3.5)],
    "ref2": [],
    "ref3": [((20, 12, 30), 4.0)],
    "ref4": [],
}


def balls(wanted: list[Ball]) -> NDArray[np.uint8]:
    """Return a mask of balls given in millimetres."""
    x, y, z = np.meshgrid(*(np.arange(n) * mm for n, mm in zip(SHAPE, SPACING, strict=True)), indexing="ij")
    mask = np.zeros(SHAPE, dtype=np.uint8)
    for (a, b, c), radius in wanted:
        mask[(x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 <= radius**2] = 1
    return mask


def make(folder: Path) -> None:
    """Write inputs, expected outputs and ``reference.json`` into a folder."""
    shutil.rmtree(folder / "inputs", ignore_errors=True)
    paths: dict[str, list[str]] = {"masks": [], "references": []}
    for kind, drawn, name in (("masks", FOUND, "label-lesion"), ("references", KNOWN, "desc-lesion")):
        for label, wanted in drawn.items():
            path = f"inputs/{kind}/sub-{label}/anat/sub-{label}_{name}_mask.nii.gz"
            save(folder / path, balls(wanted), mm=1.0)
            _set_spacing(folder / path)
            paths[kind].append(path)
    case = Case(
        pipeline="segment-lesions-evaluate",
        label="Balls against balls: common, missing, too many, none",
        about="Masks of balls on voxels of 1.5 x 1 x 3 mm; in one scan the mask is empty, in one the reference, "
        "in one both.",
        inputs=paths,
        parameters={},
        outputs=[
            Output(path="out/evaluation.tsv", compare={"kind": "table", "columns": {}, "default": EXACT}),
            Output(path="out/evaluation.json", compare={"kind": "json", "default": EXACT, "ignore": ["/GeneratedBy"]}),
        ],
    )
    write_case(case, folder)


def _set_spacing(path: Path) -> None:
    image = nibabel.load(path)
    data = np.asarray(image.dataobj)
    path.unlink()
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = -SPACING * (np.array(data.shape) - 1) / 2
    written = nibabel.Nifti1Image(data, affine)
    written.header.set_xyzt_units("mm", "sec")
    import gzip

    path.write_bytes(gzip.compress(written.to_bytes(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
