"""Write the reference case of t2-map anew: ``python make.py [FOLDER]``; without a folder, where this script lies."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "phantoms"))

from cases import PRESENT, Case, Output, write_case  # noqa: E402
from heads import Person, decay, save  # noqa: E402

PERSON = Person(seed=21, edge=28, mm=7.5)
TIMES = (0.015, 0.03, 0.045, 0.06, 0.075, 0.09)
FOLDER = "inputs/sub-ref/anat"
# The fit ends where a step changes nothing in seven digits; a voxel at a limit may fall to its other side.
MAP = {"kind": "array", "relative": 1e-3, "absolute": 2e-6, "mismatch_fraction": 0.002}
SPREAD = {"kind": "array", "relative": 2e-3, "absolute": 2e-4, "mismatch_fraction": 0.002}
MEASURES = {
    "kind": "json",
    "ignore": ["/GeneratedBy"],
    "default": {"relative": 1e-3, "absolute": 0.0},
    "members": {"/measures/unfitted_voxels": {"relative": 0.0, "absolute": 5}},
}


def make(folder: Path) -> None:
    """Write inputs, expected outputs and ``reference.json`` into a folder."""
    shutil.rmtree(folder / "inputs", ignore_errors=True)
    paths = []
    for number, time in enumerate(TIMES, start=1):
        path = folder / FOLDER / f"sub-ref_echo-{number}_MESE.nii.gz"
        save(path, decay(PERSON, time), mm=PERSON.mm)
        paths.append(f"{FOLDER}/{path.name}")
    outputs = {
        "T2map.nii.gz": MAP,
        "T2map.json": MEASURES,
        "M0map.nii.gz": {**MAP, "absolute": 0.1},
        "M0map.json": PRESENT,
        "desc-rsquared_MESE.nii.gz": SPREAD,
        "desc-residual_MESE.nii.gz": {**SPREAD, "absolute": 0.02},
        "desc-fit_dseg.nii.gz": {"kind": "labels", "dice": 0.99},
    }
    case = Case(
        pipeline="t2-map",
        label="A drawn head, six spin echoes",
        about="A head of ellipsoids whose tissues decay with T2 of 45, 72, 95 and 1800 ms, in Rician noise.",
        inputs={"images": paths},
        # Of a reference case only the files named as inputs are mounted, and no sidecars.
        parameters={"echo_times": list(TIMES)},
        outputs=[
            *(Output(path=f"out/sub-ref/anat/sub-ref_{name}", compare=how) for name, how in outputs.items()),
            Output(path="out/sub-ref.html", compare=PRESENT),
        ],
    )
    write_case(case, folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
