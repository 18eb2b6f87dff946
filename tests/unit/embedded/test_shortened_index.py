"""Files of the embedded index that are cut short, at rest and while they are mapped: an error, never a killed process.

A process that touches a mapped page behind the end of its file gets SIGBUS. So all of this happens in a process of its
own, whose end is looked at.
"""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.model import Put
from catalog.search.embedded import EmbeddedIndex
from catalog.search.query import parse
from catalog.search.testing import MemoryRepository, SmallTerms

PREPARED = """
import shutil, sys
from pathlib import Path
from catalog.model import Put
from catalog.search.embedded import EmbeddedIndex
from catalog.search.query import parse
from catalog.search.testing import MemoryRepository, SmallTerms
from ontology.errors import IntegrityError

root = Path(sys.argv[1])
repository = MemoryRepository()
for number in range(300):
    iri = f"urn:uuid:{number:08x}-0000-4000-8000-00000000000a"
    said = {"age": [{"value": number}], "site": [{"value": f"site {number % 7}"}]}
    repository.put(Put(id=iri, type="Participant", document={"label": f"sub-{number}", "properties": said}))

def count(index, text="age > 3 AND site <> 'site 3'"):
    return index.find(parse(text), datasets=None, facets=("site",)).count

def opened(folder):
    index = EmbeddedIndex.open(folder, SmallTerms(), fresh_records=20)
    index.catch_up(repository)
    return index

def whole(index):
    index.catch_up(repository)
    assert count(index) == right, count(index)
    assert list(index.check(repository)) == []

first = opened(root / "whole")
right = count(first)
first.close()

def shorten(path, size):
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(size)
"""

AT_REST = """
done = 0
names = [p.relative_to(root / "whole") for p in sorted((root / "whole").rglob("*")) if p.is_file()]
for name in names:
    size = (root / "whole" / name).stat().st_size
    for length in sorted({0, 1, 8, 24, size // 3, size // 2, size - 64, size - 1} & set(range(size))):
        print("cutting", name.suffix, "of", size, "to", length, flush=True)
        shutil.copytree(root / "whole", root / "cut")
        shorten(root / "cut" / name, length)
        index = EmbeddedIndex.open(root / "cut", SmallTerms(), fresh_records=20)
        try:
            count(index)
        except IntegrityError as error:
            assert "reindex" in (error.next_step() or ""), error
        whole(index)
        index.close()
        shutil.rmtree(root / "cut")
        done += 1
print("done", done)
"""

WHILE_MAPPED = """
done = 0
for used in (False, True):
    for part in (0.0, 0.3, 0.9):
        shutil.copytree(root / "whole", root / "cut")
        index = opened(root / "cut")
        count(index, "age > 3" if used else "TRUE")
        segments = [p for p in (root / "cut").rglob("*.segment")]
        assert segments
        for path in segments:
            print("cutting", path.name, "to", part, "used" if used else "unused", flush=True)
            shorten(path, int(path.stat().st_size * part))
        try:
            count(index)
        except IntegrityError as error:
            assert "cut short" in error.detail, error.detail
            assert "reindex" in (error.next_step() or ""), error
            done += 1
        whole(index)
        index.close()
        shutil.rmtree(root / "cut")
print("done", done)
"""


@pytest.mark.parametrize(("script", "least"), [(AT_REST, 15), (WHILE_MAPPED, 6)], ids=["at rest", "while mapped"])
def test_a_file_that_was_cut_short_is_an_error_and_the_index_is_made_anew(
    tmp_path: Path, script: str, least: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PREPARED + script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, (done.returncode, told, done.stderr[-2000:])
    assert int(told[0].removeprefix("done ")) >= least


def _person(number: int) -> Put:
    iri = f"urn:uuid:{number:08x}-0000-4000-8000-00000000000a"
    return Put(id=iri, type="Participant", document={"label": f"sub-{number}", "properties": {}})


def test_a_segment_cannot_be_written_once_it_is_there(tmp_path: Path) -> None:
    index = EmbeddedIndex.open(tmp_path / "search", SmallTerms(), fresh_records=1)
    repository = MemoryRepository()
    repository.put(*(_person(number) for number in range(5)))
    index.catch_up(repository)
    assert index.find(parse("TRUE"), datasets=None).count == 5
    (segment,) = (tmp_path / "search").rglob("*.segment")
    assert stat.S_IMODE(segment.stat().st_mode) == 0o400
    index.close()
