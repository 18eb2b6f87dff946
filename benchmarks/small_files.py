"""Saving many small outputs of one task in a DataLad dataset, against ``git annex add`` and against hashing alone.

    python -m benchmarks.small_files [--rounds N] [--quick] [--files N ...] [--json]

``ours`` takes files that a task left in its folder into the dataset's annex and commits them with a run record:
branch, location logs, working tree and index, all of it durable. The executor has hashed them before, once, as it
collected them; ``ours, hashed too`` counts that reading as well. ``annex`` has git-annex do the same with the same
files moved into the working tree: ``git annex add`` and ``git commit``. ``floor`` reads and hashes the bytes and does
nothing else. Everything takes turns, each round in a dataset of its own; what was saved is compared.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measuring import Row, medians, report
from catalog.versions.git import annex_environment, execute, program_path, require_success
from catalog.versions.objects import fingerprint
from catalog.versions.outputs import Output
from catalog.versions.store import DataStore

PASSES, GOAL = 1 / 10, 1 / 60
PER_FOLDER = 100


def write_files(folder: Path, count: int, seed: int) -> list[tuple[Path, str]]:
    """Write files of 1 to 4 kB as a task leaves them; return each with its path in the dataset."""
    found = []
    for number in range(count):
        path = f"sub-{number // PER_FOLDER:03d}/func/sub-{number // PER_FOLDER:03d}_run-{number % PER_FOLDER}_stat.tsv"
        place = folder / path
        if number % PER_FOLDER == 0:
            place.parent.mkdir(parents=True)
        block = hashlib.sha256(f"{seed}/{number}".encode()).hexdigest().encode()
        place.write_bytes(block * (16 + number % 48))
        found.append((place, path))
    return found


def digest(files: list[tuple[Path, str]]) -> list[Output]:
    """Hash files as the executor does when it collects them."""
    outputs = []
    for place, path in files:
        with open(place, "rb", buffering=0) as stream:
            seen = fingerprint(os.fstat(stream.fileno()))
            outputs.append(Output(place, path, hashlib.file_digest(stream, "sha256").hexdigest(), seen))
    return outputs


def annex(folder: Path, *arguments: str, program: str = "git-annex") -> None:
    """Run git-annex or git in a folder, as a person would."""
    done = execute([program_path(program), *arguments], cwd=folder, environment=annex_environment(folder))
    require_success(f"{program} {arguments[0]}", done)


class Round:
    """One round: the same files saved in every way, each in a dataset that is made before and not counted."""

    def __init__(self, folder: Path, count: int, seed: int) -> None:
        self.store = DataStore(folder / "store")
        self._folder, self._count, self._seed = folder, count, seed

    def _files(self, name: str) -> list[tuple[Path, str]]:
        return write_files(self._folder / name, self._count, self._seed)

    def floor(self) -> float:
        """Read and hash."""
        files = self._files("floor")
        return _timed(lambda: digest(files))

    def ours(self) -> tuple[float, float, Path]:
        """Save by the store: seconds without and with the hashing, and where."""
        made = self.store.create_derivative(name="Small files", description={})
        files = self._files("ours")
        began = time.perf_counter()
        outputs = digest(files)
        hashed = time.perf_counter()
        self.store.save_outputs(made.path, outputs, message="Save", run_record={"cmd": "true"})
        ended = time.perf_counter()
        return ended - hashed, ended - began, made.path

    def annex(self) -> tuple[float, Path]:
        """Save by git-annex and git."""
        made = self.store.create_derivative(name="Small files", description={})
        self._files("annex")
        for entry in (self._folder / "annex").iterdir():
            shutil.move(entry, made.path / entry.name)

        def save() -> None:
            annex(made.path, "add", "--quiet", "--jobs=cpus", ".")
            annex(made.path, "commit", "-q", "-m", "Save", program="git")

        return _timed(save), made.path


def _timed(call: Callable[[], object]) -> float:
    os.sync()
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def links(path: Path) -> dict[str, str]:
    """Return the annexed files of a dataset and what stands for them."""
    return {str(p.relative_to(path)): os.readlink(p) for p in path.glob("sub-*/**/*.tsv")}


def measure(count: int, rounds: int) -> list[Row]:
    """Return the rows for one number of files."""
    taken: dict[str, list[float]] = {"floor": [], "ours": [], "hashed": [], "annex": []}
    for number in range(rounds):
        with tempfile.TemporaryDirectory(dir=Path(tempfile.gettempdir())) as name:
            turn = Round(Path(name), count, number)
            steps = [lambda turn=turn: turn.ours(), lambda turn=turn: turn.annex()]
            results = [step() for step in (steps if number % 2 else steps[::-1])]
            (saved, whole, ours), (added, theirs) = sorted(results, key=len, reverse=True)
            taken["floor"].append(turn.floor())
            taken["ours"].append(saved)
            taken["hashed"].append(whole)
            taken["annex"].append(added)
            if links(ours) != links(theirs) or len(links(ours)) != count:
                sys.exit("the two datasets differ")
            _make_removable(Path(name))
    ms = {name: seconds * 1e3 for name, seconds in medians(taken).items()}
    about = f"{count:,} files of 1 to 4 kB"

    def row(measure: str, ours: str, against: str, other: str, *budget: float) -> Row:
        passes, goal = budget or (None, None)
        return Row(
            measure=f"{about}, {measure}", ours=ms[ours], against=against, other=ms[other], unit="ms",
            passes=passes, goal=goal, note=f"{ms[ours] / count * 1000:.0f} us a file",
        )  # fmt: skip

    return [
        row("saved", "ours", "git annex add and commit", "annex", PASSES, GOAL),
        row("hashed and saved", "hashed", "git annex add and commit", "annex"),
        row("hashed and saved", "hashed", "hashing alone", "floor"),
    ]


def _make_removable(root: Path) -> None:
    subprocess.run(["chmod", "-R", "u+w", str(root)], check=True)


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description="Many small outputs saved, against git-annex.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="see only that it works")
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    counts, rounds = ([50], 1) if asked.quick else (asked.files, asked.rounds)
    report("small_files", [row for count in counts for row in measure(count, rounds)], as_json=asked.json)


if __name__ == "__main__":
    main()
