"""Write the reference case anew: ``python make.py [FOLDER]``; without a folder, where this script lies."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "phantoms"))

from cases import PRESENT, Case, Output, write_case  # noqa: E402
from heads import Person  # noqa: E402
from people import write_model, write_people  # noqa: E402

HEALTHY = [Person(seed=seed, edge=32, mm=6.5) for seed in (41, 42, 43)]
ILL = Person(seed=44, edge=32, mm=6.5, lesions=4)
# z-scores are written with two decimals; a voxel whose tissue flips is judged by another spread.
MAP = {"kind": "array", "relative": 0.01, "absolute": 0.03, "mismatch_fraction": 0.005}
MEASURES = {
    "kind": "json",
    "ignore": ["/GeneratedBy", "/device", "/gpu", "/cuda", "/torch"],
    "default": {"relative": 0.05, "absolute": 2.0},
    "members": {"/threshold": {"relative": 0.0, "absolute": 0.0}},
}


def make(folder: Path) -> None:
    """Write inputs, expected outputs and ``reference.json`` into a folder."""
    shutil.rmtree(folder / "inputs", ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        write_model(Path(name), write_people(Path(name), HEALTHY), folder / "inputs" / "model.npz")
    stem = "out/sub-01/anat/sub-01_desc-anomaly_FLAIR"
    case = Case(
        pipeline="anomaly-autoencoder",
        label="A drawn head with four lesions",
        about="A head of ellipsoids with bright lesions in its white matter, and a small model of three without.",
        inputs={"model": ["inputs/model.npz"], **write_people(folder, [ILL])},
        parameters={"threshold": 1.5},
        outputs=[
            Output(path=f"{stem}.nii.gz", compare=MAP),
            Output(path=f"{stem}.json", compare=MEASURES),
            Output(path="out/sub-01/figures/sub-01_desc-anomaly_FLAIR.png", compare=PRESENT),
            Output(path="out/sub-01.html", compare=PRESENT),
        ],
    )
    write_case(case, folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
