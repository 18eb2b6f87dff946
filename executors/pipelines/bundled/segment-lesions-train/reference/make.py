"""Write the reference case of segment-lesions-train anew: ``python make.py [FOLDER]``; by default where it lies."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "phantoms"))

from cases import Case, Output, write_case  # noqa: E402
from lesions import person, save_scan  # noqa: E402

PEOPLE = {"ref1": person(21, 6), "ref2": person(22, 8), "ref3": person(23, 0)}
# Small, so that rounding has few steps to grow in: it is the software that is tried, not the model.
PARAMETERS = {"epochs": 2, "patches": 4, "width": 2, "voxel_mm": 5, "seed": 1}
# Other processors sum in another order. With the vector instructions held down to SSE4 (``phantoms/vary.py``) no weight
# moved by more than 3.2e-6, and no number of the record by more than 1.1e-5 of itself; these allow ninety times as much
# and more, because ARM processors, GPUs and other versions of the libraries were not tried.
WEIGHTS = {"kind": "array", "relative": 1e-3, "absolute": 1e-3, "mismatch_fraction": 0.0}
RECORD = {
    "kind": "json",
    "default": {"relative": 1e-3, "absolute": 1e-3},
    "ignore": ["/GeneratedBy", "/device", "/gpu", "/cuda", "/torch", "/determinism"],
}


def make(folder: Path) -> None:
    """Write inputs, expected outputs and ``reference.json`` into a folder."""
    shutil.rmtree(folder / "inputs", ignore_errors=True)
    paths = [save_scan(folder, label, somebody, mask=True) for label, somebody in PEOPLE.items()]
    case = Case(
        pipeline="segment-lesions-train",
        label="Two epochs on three drawn heads, two of them with lesions",
        about="Heads of ellipsoids with folded grey matter, bright blobs in the white matter, and masks of these.",
        inputs={
            "t1w": [found["T1w"] for found in paths],
            "flair": [found["FLAIR"] for found in paths],
            "lesions": [found["mask"] for found in paths],
        },
        parameters=PARAMETERS,
        outputs=[
            Output(path="out/model.npz", compare=WEIGHTS),
            Output(path="out/training.json", compare=RECORD),
        ],
    )
    write_case(case, folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
