"""Saving outputs of a task in a DataLad dataset, against ``git annex add``, hashing alone, and an empty dataset.

    python -m benchmarks.small_files [--rounds N] [--quick] [--files N ...] [--annex N] [--earlier N ...] [--json]

``ours`` takes files that a task left in its folder into the dataset's annex and commits them with a run record:
branch, location logs, working tree and index, all of it durable. The executor has hashed them before, once, as it
collected them; ``ours, hashed too`` counts that reading as well. ``annex`` has git-annex do the same with the same
files moved into the working tree: ``git annex add`` and ``git commit``, which do not wait for the disk. ``floor`` reads
and hashes the bytes and does nothing else. Everything takes turns, each round in a dataset of its own; what was saved
is compared. Of more than ``--annex`` files git-annex is given so many, and its time is taken to grow in proportion.

With ``--earlier`` one output and the description of its run are saved at a time, in a dataset that has so many outputs
already: each in a folder of its own, a hundred to a folder from 100,000 on. They are made by ``git fast-import``, so
branches, trees, location logs and index are there, contents and working tree are not.

Nothing is deleted before the end: ext4 goes round inodes that were freed within the last minute, which would be paid by
whoever is measured next.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.measuring import Row, report
from catalog.versions.annex import link_target, location_log, sha256e_key
from catalog.versions.dataset import refresh_index
from catalog.versions.git import AUTHOR, MAIL, Repository, annex_environment, execute, program_path, require_success
from catalog.versions.git import open_repository as open_git
from catalog.versions.history import annex_uuid, head
from catalog.versions.objects import fingerprint
from catalog.versions.outputs import Output
from catalog.versions.store import DataStore

PASSES, GOAL = 1 / 10, 1 / 60
PER_FOLDER = 100
MOST_FOR_ANNEX = 10_000
SHARED_FOLDERS = 100_000

Taken = list[tuple[float, float]]
"""Seconds by the clock, and of processor time, children included, of each round."""


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

    def __init__(self, folder: Path, count: int, seed: int, for_annex: int) -> None:
        self.store = DataStore(folder / "store")
        self._folder, self._count, self._seed, self._for_annex = folder, count, seed, for_annex

    def _files(self, name: str, count: int | None = None) -> list[tuple[Path, str]]:
        return write_files(self._folder / name, count or self._count, self._seed)

    def floor(self) -> tuple[float, float]:
        """Read and hash."""
        files = self._files("floor")
        return timed(lambda: digest(files))

    def ours(self) -> tuple[tuple[float, float], tuple[float, float], Path]:
        """Save by the store: what saving took, what it took with the hashing, and where."""
        made = self.store.create_derivative(name="Small files", description={})
        files, outputs = self._files("ours"), []
        hashed = timed(lambda: outputs.extend(digest(files)))
        saved = timed(lambda: self.store.save_outputs(made.path, outputs, message="Save", run_record={"cmd": "true"}))
        return saved, (saved[0] + hashed[0], saved[1] + hashed[1]), made.path

    def annex(self) -> tuple[tuple[float, float], Path]:
        """Save by git-annex and git."""
        made = self.store.create_derivative(name="Small files", description={})
        count = min(self._count, self._for_annex)
        self._files("annex", count)
        for entry in (self._folder / "annex").iterdir():
            shutil.move(entry, made.path / entry.name)

        def save() -> None:
            annex(made.path, "add", "--quiet", "--jobs=cpus", ".")
            annex(made.path, "commit", "-q", "-m", "Save", program="git")

        seconds, processor = timed(save)
        return (seconds * self._count / count, processor * self._count / count), made.path


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that a call took, by the clock and of processor time, those of ended children included."""
    os.sync()
    before, began = _processor_time(), time.perf_counter()
    call()
    return time.perf_counter() - began, _processor_time() - before


def _processor_time() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def links(path: Path) -> dict[str, str]:
    """Return the annexed files of a dataset and what stands for them."""
    return {str(p.relative_to(path)): os.readlink(p) for p in path.glob("sub-*/**/*.tsv")}


def measure(folder: Path, count: int, rounds: int, for_annex: int) -> list[Row]:
    """Return the rows for one number of files."""
    taken: dict[str, Taken] = {"floor": [], "ours": [], "hashed": [], "annex": []}
    for number in range(rounds):
        turn = Round(folder / f"{count}-{number}", count, number, for_annex)
        if number % 2:
            (saved, whole, ours), (added, theirs) = turn.ours(), turn.annex()
        else:
            (added, theirs), (saved, whole, ours) = turn.annex(), turn.ours()
        for name, found in {"floor": turn.floor(), "ours": saved, "hashed": whole, "annex": added}.items():
            taken[name].append(found)
        made, expected = links(ours), links(theirs)
        if len(made) != count or any(made[path] != target for path, target in expected.items()):
            sys.exit("the two datasets differ")
    about = f"{count:,} files of 1 to 4 kB"
    if count > for_annex:
        about += f" (git-annex: {for_annex:,})"
    return [
        compared(f"{about}, saved", taken, "ours", "annex", "git annex add and commit", PASSES, GOAL),
        compared(f"{about}, hashed and saved", taken, "hashed", "annex", "git annex add and commit"),
        compared(f"{about}, hashed and saved", taken, "hashed", "floor", "hashing alone"),
    ]


def compared(measure: str, taken: dict[str, Taken], ours: str, other: str, against: str, *budget: float) -> Row:
    """Return a row of medians, with the least and the processor time of both in its note."""
    ms = {name: [[value * 1e3 for value in column] for column in zip(*taken[name], strict=True)] for name in taken}
    (wall, processor), (wall_other, processor_other) = ms[ours], ms[other]
    passes, goal = budget or (None, None)
    note = f"least {min(wall):.3g} and {min(wall_other):.3g} ms, processor time "
    note += f"{statistics.median(processor):.3g} and {statistics.median(processor_other):.3g} ms, "
    note += f"load {os.getloadavg()[0]:.0f}"
    return Row(
        measure=measure, ours=statistics.median(wall), against=against, other=statistics.median(wall_other), unit="ms",
        passes=passes, goal=goal, note=note,
    )  # fmt: skip


def fill(repository: Repository, count: int) -> None:
    """Put so many annexed files into a dataset, by one commit and one of the locations; the content is nowhere."""
    found = head(repository)
    tip = repository.git("rev-parse", "refs/heads/git-annex").decode().strip()
    log = b"%ds 1 %b\n" % (int(time.time()), annex_uuid(repository))
    shared = PER_FOLDER if count >= SHARED_FOLDERS else 1

    def paths() -> Iterator[tuple[str, str]]:
        for number in range(count):
            path = f"sub-{number // shared:06d}/sub-{number // shared:06d}_run-{number % shared}_stat.tsv"
            yield path, sha256e_key(path, sha256=hashlib.sha256(path.encode()).hexdigest(), size=100)

    def head_of(branch: str, parent: str) -> bytes:
        return f"commit {branch}\ncommitter {AUTHOR} <{MAIL}> 1 +0000\ndata 4\nfill\nfrom {parent}\n".encode()

    command = ["git", "--git-dir", str(repository.git_dir), "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        if process.stdin is None or found is None:
            sys.exit("there is nothing to fill")
        process.stdin.write(head_of("refs/heads/main", found[0]))
        for path, key in paths():
            target = os.fsencode(link_target(path, key))
            process.stdin.write(b"M 120000 inline %b\ndata %d\n%b\n" % (path.encode(), len(target), target))
        process.stdin.write(b"blob\nmark :1\ndata %d\n%b\n" % (len(log), log) + head_of("refs/heads/git-annex", tip))
        for log_path in sorted(location_log(key) for _, key in paths()):
            process.stdin.write(b"M 100644 :1 %b\n" % log_path.encode())
    if process.returncode:
        sys.exit("git fast-import failed")
    refresh_index(repository)


def earlier(folder: Path, counts: list[int], rounds: int) -> list[Row]:
    """Return the rows for one output more, in datasets with so many already; the first is what others are held to."""
    store = DataStore(folder / "earlier")
    paths = {}
    for count in counts:
        paths[count] = store.create_derivative(name="Results", description={}).path
        repository = open_git(paths[count])
        if count and repository is not None:
            fill(repository, count)
    staged = folder / "staged"
    staged.mkdir()
    taken: dict[str, Taken] = {str(count): [] for count in counts}
    for number in range(-2, rounds):
        for count in counts if number % 2 else counts[::-1]:
            place = staged / f"{count}-{number}"
            place.write_bytes(f"{count} {number}\n".encode() * 40)
            outputs = digest([(place, f"sub-x{number + 2:03d}/sub-x{number + 2:03d}_stat.tsv")])
            notes = {f"code/runs/{number + 2:02x}/{number + 2}.json": b'{"run": %d}\n' % number}
            took = timed(partial(_save_one, store, paths[count], outputs, notes))
            if number >= 0:
                taken[str(count)].append(took)
    first = counts[0]
    against = f"with {first:,}"
    return [compared(f"one output, {c:,} earlier ones", taken, str(c), str(first), against) for c in counts]


def _save_one(store: DataStore, path: Path, outputs: list[Output], notes: dict[str, bytes]) -> None:
    store.save_outputs(path, outputs, message="Save", run_record={"cmd": "true"}, notes=notes)


def _make_removable(root: Path) -> None:
    subprocess.run(["chmod", "-R", "u+w", str(root)], check=True)


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description="Many small outputs saved, against git-annex.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="see only that it works")
    parser.add_argument("--files", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--annex", type=int, default=MOST_FOR_ANNEX, help="files that git-annex is given at most")
    parser.add_argument("--earlier", type=int, nargs="*", default=[0, 1000, 10_000, 50_000])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    counts, before, rounds = asked.files, asked.earlier, asked.rounds
    if asked.quick:
        counts, before, rounds = [50], [0, 100], 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [row for count in counts for row in measure(folder, count, rounds, asked.annex)]
        rows += earlier(folder, before, 3 * rounds) if before else []
        _make_removable(folder)
    report("small_files", rows, as_json=asked.json)


if __name__ == "__main__":
    main()
