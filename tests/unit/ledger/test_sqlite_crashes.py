"""``kill -9`` at any moment: what was acknowledged is there, what was not is there wholly or not at all.

``SILLAGE_TEST_CRASHES`` sets the number of kills (30 unless told), ``SILLAGE_TEST_SEED`` the moments.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from catalog.backends.sqlite import SqliteRepository
from ontology.errors import SillageError

WRITER = Path(__file__).with_name("sqlite_writer.py")
CRASHES = int(os.environ.get("SILLAGE_TEST_CRASHES", "30"))
SEED = int(os.environ.get("SILLAGE_TEST_SEED", "9162"))


class Writer:
    """A process that writes until it is killed or done; what it acknowledged goes to a file."""

    def __init__(self, directory: Path, most: int = 1_000_000) -> None:
        self._output = directory.with_name(f"{uuid.uuid4()}.out")
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(WRITER), str(directory), str(most)],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while not self._output.read_bytes().startswith(b"ready\n"):
            assert self._process.poll() is None, self._output.read_text()
            time.sleep(0.001)

    def await_acknowledged(self, commits: int) -> None:
        """Wait until so many of its commits are acknowledged."""
        while self._output.read_bytes().count(b"\n") <= commits:
            assert self._process.poll() is None, self._output.read_text()
            time.sleep(0.001)

    def kill(self) -> list[list[str]]:
        """Kill it; return the lines that it finished: its acknowledged commits."""
        self._process.send_signal(signal.SIGKILL)
        assert self._process.wait() == -signal.SIGKILL
        return self._lines()

    def finish(self) -> list[list[str]]:
        """Wait until it has done all that it was told to."""
        assert self._process.wait(timeout=240) == 0, self._output.read_text()
        return self._lines()

    def _lines(self) -> list[list[str]]:
        return [line.split() for line in self._output.read_text().split("\n")[1:-1]]


def verify(directory: Path, acknowledged: list[list[str]]) -> int:
    repository = SqliteRepository.open(directory)
    try:
        assert list(repository.check()) == []
        size = repository.sequence + 1
        for first, last, iri, version, group in acknowledged:
            assert int(last) < size
            record = repository.get(iri)
            assert record.version >= int(version)
            entries = repository.entries(after=int(first) - 1, limit=int(last) - int(first) + 1).items
            assert entries[0].subject == iri
            assert len({entry.time for entry in entries}) == 1
            if int(version) == 1:
                parts = repository.list_records("Part", datasets=[group], limit=1).total
                assert parts == len(entries) - 2
        return size
    finally:
        repository.close()


@pytest.mark.timeout(300 + 20 * CRASHES)
def test_no_acknowledged_commit_is_lost(tmp_path: Path) -> None:
    directory, chance = tmp_path / "catalog", random.Random(SEED)
    SqliteRepository.create(directory, name="crashes").close()
    acknowledged: list[list[str]] = []
    size = 0
    for _ in range(CRASHES):
        writer = Writer(directory)
        writer.await_acknowledged(chance.randrange(4))
        time.sleep(chance.expovariate(1 / 0.01))
        written = writer.kill()
        acknowledged += written
        grown = verify(directory, written)
        assert grown >= size
        size = grown
    assert verify(directory, acknowledged) == size
    assert size > CRASHES


@pytest.mark.timeout(300)
def test_one_of_two_writers_is_killed_and_the_other_goes_on(tmp_path: Path) -> None:
    directory, chance = tmp_path / "catalog", random.Random(SEED)
    SqliteRepository.create(directory, name="sillage/two-writers").close()
    survivor = Writer(directory, 200)
    acknowledged: list[list[str]] = []
    for _ in range(3):
        victim = Writer(directory)
        time.sleep(chance.uniform(0.01, 0.1))
        acknowledged += victim.kill()
    lines = survivor.finish()
    assert len(lines) == 200
    verify(directory, acknowledged + lines)


@pytest.mark.timeout(300)
def test_two_writers_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "catalog"
    SqliteRepository.create(directory, name="sillage/two-writers").close()
    writers = [Writer(directory, 100) for _ in range(2)]
    lines = [line for writer in writers for line in writer.finish()]
    assert len(lines) == 200
    assert len({first for first, *_ in lines}) == 200
    size = verify(directory, lines)
    assert size == sum(int(last) - int(first) + 1 for first, last, *_ in lines)


@pytest.mark.timeout(300)
def test_a_catalogue_killed_while_it_was_made_can_be_made_again(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    code = (
        "import sys; from pathlib import Path; from catalog.backends.sqlite import SqliteRepository;"
        "print('ready', flush=True); SqliteRepository.create(Path(sys.argv[1]), name='x')"
    )
    for turn in range(8):
        directory = tmp_path / str(turn)
        process = subprocess.Popen([sys.executable, "-c", code, str(directory)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.06))
        process.kill()
        process.communicate()
        try:
            repository = SqliteRepository.open(directory)
        except SillageError:
            repository = SqliteRepository.create(directory, name="x")
        assert list(repository.check()) == []
        repository.close()
        shutil.rmtree(directory)
