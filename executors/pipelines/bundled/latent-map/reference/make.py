"""Write the reference case anew: ``python make.py [FOLDER]``; without a folder, where this script lies."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "phantoms"))

from cases import PRESENT, Case, Output, write_case  # noqa: E402
from heads import Person  # noqa: E402
from people import write_model, write_people  # noqa: E402

TAUGHT = 3
PEOPLE = [Person(seed=seed, edge=26, mm=8.0, lesions=4 * (seed > 53)) for seed in (51, 52, 53, 54)]
# Which patches are drawn hangs on every voxel's tissue, and t-SNE and UMAP on every digit: their tables are not
# compared. Where scans lie is a mean over hundreds of patches, and is.
SCANS = {
    "kind": "table",
    "default": {"relative": 0.0, "absolute": 0.0},
    "columns": {
        "patches": {"relative": 0.0, "absolute": 2.0},
        "pca1": {"relative": 0.02, "absolute": 0.005},
        "pca2": {"relative": 0.02, "absolute": 0.005},
        "distance": {"relative": 0.05, "absolute": 0.0},
    },
}
ABOUT = {
    "kind": "json",
    "ignore": ["/GeneratedBy", "/device", "/gpu", "/cuda", "/torch"],
    "default": {"relative": 0.0, "absolute": 0.0},
    "members": {"/explained_by_axes": {"relative": 0.1, "absolute": 0.01}, "/patches": {"relative": 0, "absolute": 4}},
}


def make(folder: Path) -> None:
    """Write inputs, expected outputs and ``reference.json`` into a folder."""
    shutil.rmtree(folder / "inputs", ignore_errors=True)
    paths = write_people(folder, PEOPLE)
    taught = {contrast: several[:TAUGHT] for contrast, several in paths.items()}
    write_model(folder, taught, folder / "inputs" / "model.npz")
    case = Case(
        pipeline="latent-map",
        label="Four drawn heads, three known to the model",
        about="Heads of ellipsoids with folded grey matter, the last with lesions, and a small model of the others.",
        inputs={"model": ["inputs/model.npz"], **paths},
        parameters={"points": 120, "seed": 1},
        outputs=[
            Output(path="out/latent-map_scans.tsv", compare=SCANS),
            Output(path="out/latent-map.json", compare=ABOUT),
            Output(path="out/latent-map_patches.tsv", compare=PRESENT),
            Output(path="out/latent-map.html", compare=PRESENT),
        ],
    )
    write_case(case, folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
