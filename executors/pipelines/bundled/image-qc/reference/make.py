"""Write the reference case of image-qc anew: ``python make.py [FOLDER]``; without a folder, where this script lies."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "phantoms"))

from cases import PRESENT, Case, Output, write_case  # noqa: E402
from heads import Person, save, scan  # noqa: E402

PERSON = Person(seed=11)
# Another processor sums in another order: a voxel on a threshold may change its class, no more.
MEASURES = {
    "kind": "json",
    "ignore": ["/GeneratedBy"],
    "default": {"relative": 0.005, "absolute": 0.0},
    "members": {
        f"/measures/{name}": {"relative": 0.02, "absolute": 0.0005}
        for name in ("qi1", "ghost_i", "ghost_j", "ghost_k", "artefact")
    },
}


def make(folder: Path) -> None:
    """Write inputs, expected outputs and ``reference.json`` into a folder."""
    shutil.rmtree(folder / "inputs", ignore_errors=True)
    paths = [f"inputs/sub-ref/anat/sub-ref_{suffix}.nii.gz" for suffix in ("T1w", "FLAIR")]
    # The FLAIR has a ghost of 4 %, so that this measure is tried away from zero too.
    save(folder / paths[0], scan(PERSON, "T1w"), mm=PERSON.mm)
    save(folder / paths[1], scan(PERSON, "FLAIR", ghost=0.04), mm=PERSON.mm)
    case = Case(
        pipeline="image-qc",
        label="A drawn head, T1w and FLAIR",
        about="A head of ellipsoids with folded grey matter, a receive field and Rician noise; the FLAIR has a ghost.",
        inputs={"images": paths},
        parameters={},
        outputs=[
            Output(path="out/sub-ref/anat/sub-ref_desc-qc_T1w.json", compare=MEASURES),
            Output(path="out/sub-ref/anat/sub-ref_desc-qc_FLAIR.json", compare=MEASURES),
            Output(path="out/sub-ref.html", compare=PRESENT),
        ],
    )
    write_case(case, folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
