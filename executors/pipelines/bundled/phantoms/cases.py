"""Write the reference case of a bundled pipeline: run it on the inputs, keep what it wrote as what is expected."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUNDLED = Path(__file__).parents[1]
FORMAT = "sillage-reference/1"
LICENCE = "Computed from formulae, nobody was imaged; CC0-1.0."


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One file that the pipeline must write, and how it is compared.

    Attributes:
        path: Below the working folder.
        compare: The comparison with its tolerance.
    """

    path: str
    compare: Mapping[str, Any]


PRESENT: Mapping[str, Any] = {"kind": "present"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A reference case but for its expected files.

    Attributes:
        pipeline: Name of the bundled pipeline.
        label: What to call it.
        about: How the inputs were made.
        inputs: Paths below the case's folder, by input.
        parameters: Values that are no files, by input.
        outputs: What is expected.
    """

    pipeline: str
    label: str
    about: str
    inputs: Mapping[str, Sequence[str]]
    parameters: Mapping[str, Any]
    outputs: Sequence[Output]


def write_case(case: Case, folder: Path) -> None:
    """Run the pipeline on the inputs that lie in a folder, and write ``reference.json`` and ``expected/`` there.

    Raises:
        subprocess.CalledProcessError: The pipeline did not succeed.
    """
    shutil.rmtree(folder / "expected", ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name) / "work"
        work.mkdir()
        # Where a certification mounts them: outputs that name their sources must not depend on this machine.
        mounted = Path(name) / "inputs" / "reference"
        shutil.copytree(folder / "inputs", mounted)
        subprocess.run(command_of(case, mounted), cwd=work, env=_environment(), check=True, stdout=subprocess.DEVNULL)
        expected = [_keep(output, work, folder) for output in case.outputs]
    told = {
        "format": FORMAT,
        "label": case.label,
        "about": f"{case.about} {LICENCE}",
        "inputs": case.inputs,
        "parameters": case.parameters,
        "expected": expected,
    }
    (folder / "reference.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _keep(output: Output, work: Path, folder: Path) -> dict[str, Any]:
    made = work / output.path
    if not made.is_file():
        raise FileNotFoundError(f"{output.path} was not written")
    told: dict[str, Any] = {"path": output.path, "compare": output.compare}
    if output.compare["kind"] != "present":
        file = Path("expected") / Path(output.path).relative_to("out")
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, folder / file)
        told = {"path": output.path, "file": str(file), "compare": output.compare}
    return told


def command_of(case: Case, mounted: Path, pipeline: Path | None = None) -> list[str]:
    """Return the command line of a case whose inputs are mounted; the pipeline's scripts may lie elsewhere."""
    descriptor = json.loads((BUNDLED / case.pipeline / "descriptor.json").read_text(encoding="utf-8"))
    flags = {item["id"]: item.get("command-line-flag") for item in descriptor["inputs"]}
    command = [sys.executable, str((pipeline or BUNDLED / case.pipeline) / "run.py")]
    for name, paths in case.inputs.items():
        command += [flags[name], *(str(mounted / Path(path).relative_to("inputs")) for path in paths)]
    for name, value in case.parameters.items():
        command += [flags[name], *(map(str, value) if isinstance(value, list) else [str(value)])]
    return command


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(BUNDLED / "shared")}
