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
from people import write_people  # noqa: E402

PEOPLE = [Person(seed=seed, edge=26, mm=8.0) for seed in (31, 32, 33, 34, 35)]
# Rounding grows while a network learns, so weights of two processors are not compared: what was learnt is.
LEARNT = {
    "kind": "json",
    "ignore": ["/GeneratedBy", "/device", "/gpu", "/cuda", "/torch"],
    "default": {"relative": 0.0, "absolute": 0.0},
    "members": {
        "/loss": {"relative": 0.05, "absolute": 0.0},
        "/normal_spread": {"relative": 0.1, "absolute": 0.0},
    },
}


def make(folder: Path) -> None:
    """Write inputs, expected outputs and ``reference.json`` into a folder."""
    shutil.rmtree(folder / "inputs", ignore_errors=True)
    case = Case(
        pipeline="anomaly-autoencoder-train",
        label="Five drawn heads, the siamese form",
        about="Heads of ellipsoids with folded grey matter, T1w and FLAIR; every one differs in size and folds.",
        inputs=write_people(folder, PEOPLE),
        parameters={"form": "siamese", "epochs": 3, "seed": 1},
        outputs=[Output(path="out/training.json", compare=LEARNT), Output(path="out/model.npz", compare=PRESENT)],
    )
    write_case(case, folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
