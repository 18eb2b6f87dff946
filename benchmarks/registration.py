"""Registration of a BIDS dataset that is a DataLad dataset, against pybids and bids2table.

Each measurement runs in a process of its own, so that nobody profits from a cache that an earlier one filled;
imports are not counted. Rounds alternate. Printed: medians and their ratios, in time and in processor time (which
says more on a busy machine), and whether the answers agree (participants, images, members of metadata).

    python -m benchmarks.registration [--participants 244] [--rounds 5] [--pybids-rounds 1] [--sidecars full]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bids_study import Study

Answer = dict[str, Any]
PRINCIPAL = "urn:uuid:00000000-0000-4000-8000-000000000001"


def measure_sillage(data: Path, scratch: Path) -> Answer:
    """Read, map, plan and commit durably; then look at the unchanged dataset again."""
    from catalog.backends.sqlite import SqliteRepository
    from catalog.readers import read
    from catalog.readers.collection import collection_paused
    from catalog.registration import VersionInfo, is_current, plan
    from catalog.versions.store import DataStore
    from ontology.crosswalk import Crosswalk
    from ontology.terms import TermIndex

    repository = SqliteRepository.create(scratch / "catalogue", name="benchmark")
    store = DataStore(scratch / "store")
    crosswalk = Crosswalk(TermIndex.open(scratch / "terms.sqlite"))
    start, cpu = time.perf_counter(), _cpu()
    with collection_paused():
        versioned = store.take_in(data)
        taken = time.perf_counter()
        tree = store.tree(versioned.path, versioned.commit)
        reading = read(tree, crosswalk)
        done = time.perf_counter()
        version = VersionInfo(commit=versioned.commit, tree=versioned.tree_hash, datalad_id=versioned.datalad_id)
        made = plan(repository, reading=reading, version=version, principal=PRINCIPAL)
        repository.commit(made.commit)
    end, cpu = time.perf_counter(), _cpu() - cpu
    again = time.perf_counter()
    unchanged = is_current(repository, made.dataset, _version(store.take_in(data)))
    again = time.perf_counter() - again
    return {
        "seconds": end - start,
        "cpu": cpu,
        "stages": {"take in": taken - start, "read": done - taken, "plan and commit": end - done},
        "again": again,
        "unchanged": unchanged,
        "participants": made.counts.participants,
        "files": made.counts.files,
        "images": sum(file["role"] == "image" for a in reading.acquisitions for file in a["files"]),
        "members": sum(len(a["metadata"]) for a in reading.acquisitions),
    }


def _cpu() -> float:
    """Return processor time of this process and of those it has waited for (git)."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _version(versioned: Any) -> Any:
    from catalog.registration import VersionInfo

    return VersionInfo(tree=versioned.tree_hash)


def measure_bids2table(data: Path, scratch: Path) -> Answer:
    """Index, and load the metadata of every file of the index."""
    from bids2table import get_arrow_schema, index_dataset, load_bids_metadata

    get_arrow_schema()  # loads the BIDS schema, which counts as importing
    start, cpu = time.perf_counter(), _cpu()
    rows = index_dataset(data).select(["root", "path", "sub", "ext"]).to_pylist()
    metadata = [load_bids_metadata(f"{row['root']}/{row['path']}") for row in rows]
    end, cpu = time.perf_counter(), _cpu() - cpu
    images = [found for row, found in zip(rows, metadata, strict=True) if row["ext"].startswith(".nii")]
    return {
        "seconds": end - start,
        "cpu": cpu,
        "participants": len({row["sub"] for row in rows}),
        "images": len(images),
        "members": sum(map(len, images)),
    }


def measure_pybids(data: Path, scratch: Path) -> Answer:
    """Index with metadata, into the database in memory that is the default."""
    import warnings

    warnings.simplefilter("ignore")
    from bids import BIDSLayout

    start, cpu = time.perf_counter(), _cpu()
    layout = BIDSLayout(data, validate=False)
    end, cpu = time.perf_counter(), _cpu() - cpu
    images = [file for file in layout.get_files().values() if file.filename.endswith((".nii", ".nii.gz"))]
    return {
        "seconds": end - start,
        "cpu": cpu,
        "participants": len(layout.get_subjects()),
        "files": len(layout.get_files()),
        "images": len(images),
        "members": sum(len(file.get_metadata()) for file in images),
    }


def measure_walk(data: Path, scratch: Path) -> Answer:
    """Walk and stat every file: what looking for a change costs at least."""
    start, cpu = time.perf_counter(), _cpu()
    files = 0
    for folder, folders, names in os.walk(data):
        folders[:] = [name for name in folders if name not in (".git", ".datalad")]
        for name in names:
            os.lstat(os.path.join(folder, name))
            files += 1
    return {"seconds": time.perf_counter() - start, "cpu": _cpu() - cpu, "files": files}


MEASURES: dict[str, Callable[[Path, Path], Answer]] = {
    "sillage": measure_sillage,
    "bids2table": measure_bids2table,
    "walk": measure_walk,
    "pybids": measure_pybids,
}


def run(name: str, data: Path, scratch: Path) -> Answer:
    """Measure once, in a fresh process."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    command = [sys.executable, "-m", "benchmarks.registration", "--measure", name, str(data), str(scratch)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600)
    answer: Answer = json.loads(done.stdout)
    return answer


def report(answers: dict[str, list[Answer]], files: int) -> None:
    medians, busy = (
        {name: statistics.median(a[unit] for a in found) for name, found in answers.items() if found}
        for unit in ("seconds", "cpu")
    )
    print(f"{'':12} {'seconds':>9} {'files/s':>9} {'ratio':>7} {'CPU s':>9} {'ratio':>7}  rounds")
    for name, seconds in medians.items():
        print(
            f"{name:12} {seconds:9.2f} {files / seconds:9.0f} {seconds / medians['sillage']:6.1f}x"
            f" {busy[name]:9.2f} {busy[name] / busy['sillage']:6.1f}x  {len(answers[name])}"
        )
    stages = answers["sillage"][0]["stages"]
    print("stages of the first round: " + ", ".join(f"{name} {value:.2f}" for name, value in stages.items()))
    again = statistics.median(a["again"] for a in answers["sillage"])
    print(f"unchanged dataset looked at again: {again:.3f} s, {again / medians['walk']:.2f} of walk and stat")
    assert all(a["unchanged"] for a in answers["sillage"])
    for what in ("participants", "images", "members", "files"):
        said = {name: found[0].get(what) for name, found in answers.items() if found and what in found[0]}
        print(f"{what}: {said} {'agree' if len(set(said.values())) == 1 else 'DIFFER'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=244)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pybids-rounds", type=int, default=1)
    parser.add_argument("--sidecars", choices=["full", "shared"], default="full")
    parser.add_argument("--measure", nargs=3, metavar=("NAME", "DATA", "SCRATCH"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        name, data, scratch = chosen.measure
        print(json.dumps(MEASURES[name](Path(data), Path(scratch))))
        return
    with tempfile.TemporaryDirectory() as folder:
        study = Study(Path(folder) / "study", chosen.participants, shared=chosen.sidecars == "shared")
        study.write()
        print(f"{study.files} files, {chosen.participants} participants, sidecars: {chosen.sidecars}", flush=True)
        answers: dict[str, list[Answer]] = {name: [] for name in MEASURES}
        for number in range(chosen.rounds):
            order = list(MEASURES) if number % 2 == 0 else list(reversed(MEASURES))
            for name in order:
                if name != "pybids" or number < chosen.pybids_rounds:
                    answers[name].append(run(name, Path(folder) / "study", Path(folder) / "scratch"))
        report(answers, study.files)


if __name__ == "__main__":
    main()
