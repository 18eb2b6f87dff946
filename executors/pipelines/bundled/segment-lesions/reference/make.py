"""Write the reference case of segment-lesions anew: ``python make.py [FOLDER]``; by default where it lies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "phantoms"))

from cases import BUNDLED, PRESENT, Case, Output, write_case  # noqa: E402
from lesions import person, save_scan  # noqa: E402

# Other processors sum in another order. With the vector instructions held down to SSE4 (``phantoms/vary.py``) nothing
# moved; five times the last digit of a probability is allowed, and that a voxel on the threshold changes sides.
PROBABILITIES = {"kind": "array", "relative": 0.0, "absolute": 0.005, "mismatch_fraction": 0.0}
MASK = {"kind": "labels", "dice": 0.99, "labels": [1]}
MEASURES = {
    "kind": "json",
    "default": {"relative": 0.02, "absolute": 0.0},
    "members": {"/measures/lesion_count": {"relative": 0.0, "absolute": 1.0}},
    "ignore": ["/GeneratedBy", "/lesions", "/device", "/gpu", "/cuda", "/torch", "/determinism"],
}


def make(folder: Path) -> None:
    """Write inputs, expected outputs and ``reference.json`` into a folder."""
    shutil.rmtree(folder / "inputs", ignore_errors=True)
    paths = save_scan(folder, "ref", person(31, 8), mask=False)
    _train(folder / "inputs" / "model.npz")
    stem = "out/sub-ref/anat/sub-ref_label-lesion"
    case = Case(
        pipeline="segment-lesions",
        label="A drawn head with lesions",
        about="A head of ellipsoids with bright blobs in the white matter; the model was trained on six others.",
        inputs={"model": ["inputs/model.npz"], "t1w": [paths["T1w"]], "flair": [paths["FLAIR"]]},
        parameters={},
        outputs=[
            Output(path=f"{stem}_probseg.nii.gz", compare=PROBABILITIES),
            Output(path=f"{stem}_mask.nii.gz", compare=MASK),
            Output(path=f"{stem}_mask.json", compare=MEASURES),
            Output(path="out/sub-ref.html", compare=PRESENT),
        ],
    )
    write_case(case, folder)


def _train(target: Path) -> None:
    """Train a model that is small and finds something."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        paths = [save_scan(work, f"t{k}", person(40 + k, 8), mask=True) for k in range(6)]
        command = [sys.executable, str(BUNDLED / "segment-lesions-train" / "run.py")]
        for flag, kind in (("--t1w", "T1w"), ("--flair", "FLAIR"), ("--lesions", "mask")):
            command += [flag, *(str(work / found[kind]) for found in paths)]
        command += ["--voxel-mm", "5", "--width", "4", "--epochs", "30", "--patches", "32"]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(BUNDLED / "shared")}
        subprocess.run(command, cwd=work, env=environment, check=True, stdout=subprocess.DEVNULL)
        shutil.copyfile(work / "out" / "model.npz", target)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
