"""Run reference cases as another processor would, and tell how far the outputs move: ``python vary.py [PIPELINE ...]``.

``old processor`` holds NumPy, OpenBLAS, MKL, oneDNN, PyTorch and numba down to the instructions of 2008 (SSE4), so that
sums are taken in another order; ``two threads`` lets those libraries use two that take the number from the environment.
What is printed stands in ``docs/reference/pipelines.md``, and tolerances are set from it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cases import BUNDLED, Case, command_of

from executors.comparison import compare
from executors.pipelines.bundled import bundled_files, list_bundled

WAYS: Mapping[str, Mapping[str, str]] = {
    "as it is": {},
    "old processor": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL",
        "OPENBLAS_CORETYPE": "Nehalem",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "ATEN_CPU_CAPABILITY": "default",
        "NUMBA_CPU_NAME": "nehalem",
    },
    "two threads": {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
}


def vary(name: str) -> None:
    """Run one pipeline's case in each way, and print every comparison."""
    folder = BUNDLED / name / "reference"
    told = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
    case = Case(
        pipeline=name,
        label="",
        about="",
        inputs=told["inputs"],
        parameters=told["parameters"],
        outputs=[],
    )
    for way, environment in WAYS.items():
        with tempfile.TemporaryDirectory() as place:
            work, began = Path(place), time.monotonic()
            (work / "pipeline").mkdir()
            for path, content in bundled_files(name).items():
                (work / "pipeline" / path).write_bytes(content)
            (work / "inputs").mkdir()
            (work / "inputs" / "reference").symlink_to(folder / "inputs")
            command = command_of(case, work / "inputs" / "reference", work / "pipeline")
            given = {"PATH": os.environ["PATH"], **environment}
            done = subprocess.run(command, cwd=work, env=given, stdout=subprocess.DEVNULL, check=False)
            print(f"{name}, {way}: exit code {done.returncode}, {time.monotonic() - began:.0f} s", flush=True)
            for wanted in told["expected"]:
                _tell(wanted, work / wanted["path"], folder)


def _tell(wanted: Mapping[str, Any], found: Path, folder: Path) -> None:
    if wanted["compare"]["kind"] == "present":
        return
    verdict = compare(wanted["compare"], found, folder / wanted["file"])
    print(f"  {'passed' if verdict.passed else 'FAILED'} {wanted['path']}: {verdict.detail} {dict(verdict.numbers)}")


if __name__ == "__main__":
    for asked in sys.argv[1:] or list_bundled():
        vary(asked)
