"""The reader of a trace, over every awk that is here, on lines as strace writes them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executors.model import TaskInput
from executors.observation.trace import READER, Seen, read_trace, watch_list, watched

AWKS = [words for words in (["mawk"], ["gawk"], ["original-awk"], ["busybox", "awk"]) if shutil.which(words[0])]


def hexadecimal(path: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in path)


def opened(pid: int, path: bytes, *, asked: bytes = b"x", flags: str = "O_RDONLY", base: bytes = b"/work") -> str:
    place = hexadecimal(path)
    return f'{pid} openat(AT_FDCWD<{hexadecimal(base)}>, "{hexadecimal(asked)}", {flags}) = 3<{place}>'


BEGIN = f'7 execve("{hexadecimal(b"/usr/bin/bwrap")}", [...], 0x7ffd /* 2 vars */) = 0'
END = "7 +++ exited with 0 +++"


def read(tmp_path: Path, awk: list[str], lines: list[str], files: tuple[str, ...] = ("/inputs/a",)) -> Seen:
    inputs = [TaskInput(id=path.rpartition("/")[2], host_path=tmp_path / "none", path=path) for path in files]
    wanted = watched(inputs, [(path,) for path in files])
    (tmp_path / "list").write_text(watch_list(wanted))
    (tmp_path / "trace").write_text("".join(f"{line}\n" for line in lines))
    with open(tmp_path / "opened", "wb") as kept:
        subprocess.run([*awk, READER, tmp_path / "list", tmp_path / "trace"], stdout=kept, check=True, timeout=60)
    return read_trace(tmp_path / "opened", wanted)


@pytest.fixture(params=AWKS, ids=" ".join)
def awk(request: pytest.FixtureRequest) -> list[str]:
    words: list[str] = request.param
    return words


def test_lines_of_strace(tmp_path: Path, awk: list[str]) -> None:
    files = tuple(f"/inputs/{name}" for name in ("a", "b", "c", "d", "e", "f", "g", "h"))
    lines = [
        BEGIN,
        opened(8, b"/inputs/a"),
        f'8 open("{hexadecimal(b"b")}", O_RDONLY|O_CLOEXEC) = 12<{hexadecimal(b"/inputs/b")}>',
        f'9 openat2(AT_FDCWD<{hexadecimal(b"/")}>, "{hexadecimal(b"c")}", {{flags=O_RDONLY, resolve=0}}, 24) = '
        f"3<{hexadecimal(b'/inputs/c')}>",
        opened(9, b"/inputs/d", flags="O_RDONLY|O_PATH"),
        f'9 execveat(5<{hexadecimal(b"/inputs/e")}>, "", [...], 0x7f /* 0 vars */, AT_EMPTY_PATH) = 0',
        f'9 execve("{hexadecimal(b"/inputs/f")}", [...], 0x7f /* 0 vars */) = 0',
        f'9 execveat(5<{hexadecimal(b"/inputs")}>, "{hexadecimal(b"g")}", [...], 0x7f /* 0 vars */, 0) = 0',
        f'9 execve("{hexadecimal(b"./h")}", [...], 0x7f /* 0 vars */) = 0',
        "8 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---",
        opened(8, b"/inputs/a") + "(deleted)",
        "8 +++ killed by SIGKILL +++",
        END,
    ]
    seen = read(tmp_path, awk, lines, files)
    assert seen.opened == set("abcefgh")
    assert (seen.is_over, seen.saw_the_end, seen.used_ring, seen.lost) == (True, True, False, 0)


def test_what_makes_it_incomplete(tmp_path: Path, awk: list[str]) -> None:
    unnamed = f'8 openat(AT_FDCWD, "{hexadecimal(b"/x")}", O_RDONLY) = 3'
    ring = "8 io_uring_setup(4, {flags=0, sq_thread_cpu=0, sq_thread_idle=0}) = 3<anon_inode:[io_uring]>"
    seen = read(tmp_path, awk, [BEGIN, unnamed, ring, "8 +++ exited with 0 +++"])
    assert (seen.is_over, seen.saw_the_end, seen.used_ring, seen.lost) == (True, False, True, 1)


def test_calls_that_another_process_interrupts(tmp_path: Path, awk: list[str]) -> None:
    begun = f'8 openat(AT_FDCWD<{hexadecimal(b"/work")}>, "{hexadecimal(b"/inputs/a")}", O_RDONLY <unfinished ...>'
    ended = f")                                       = 3<{hexadecimal(b'/inputs/a')}>"
    seen = read(tmp_path, awk, [BEGIN, begun, ended, opened(9, b"/dev/null"), END])
    assert (seen.opened, seen.saw_the_end, seen.lost) == ({"a"}, True, 0)
    started = [f'8 execve("{hexadecimal(b"/inputs/a")}", [...], 0x7f /* 0 vars */ <unfinished ...>', ")  = 0"]
    seen = read(tmp_path, awk, [BEGIN, *started, opened(9, b"/dev/null"), END])
    assert (seen.opened, seen.lost) == ({"a"}, 0)
    seen = read(tmp_path, awk, [BEGIN, begun, opened(9, b"/dev/null"), END])
    assert (seen.opened, seen.lost) == (set(), 1)


def test_nothing_at_all(tmp_path: Path, awk: list[str]) -> None:
    seen = read(tmp_path, awk, [])
    assert (seen.is_over, seen.saw_the_end, seen.opened) == (True, False, set())


def test_names_in_text_are_not_taken_for_paths(tmp_path: Path, awk: list[str]) -> None:
    liar = b'/work/"/inputs/a" = 3</inputs/a> O_PATH io_uring_setup'
    seen = read(tmp_path, awk, [BEGIN, opened(8, liar, asked=liar), END])
    assert (seen.opened, seen.used_ring) == (set(), False)


def test_trace_that_is_cut_or_spoilt(tmp_path: Path) -> None:
    wanted = watched((), ())
    kept = tmp_path / "opened"
    assert read_trace(kept, wanted).is_over is False
    for content in (b"end", b"end 1 0", b"opened zz\nend 1\n", b"\xff\xfe\nopened \\x2", b"opened \nstarted \ncut \n"):
        kept.write_bytes(content)
        seen = read_trace(kept, wanted)
        assert (seen.is_over, seen.opened) == (False, set())


@settings(max_examples=25)
@given(
    st.binary(min_size=1, max_size=30).filter(
        lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
    )
)
def test_any_name_is_found_again(tmp_path_factory: pytest.TempPathFactory, name: bytes) -> None:
    path = os.fsdecode(b"/inputs/" + name)
    folder = tmp_path_factory.mktemp("any")
    seen = read(
        folder, AWKS[0], [BEGIN, opened(8, b"/inputs/" + name), opened(8, b"/inputs/" + name + b"x"), END], (path,)
    )
    assert len(seen.opened) == 1
    assert seen.saw_the_end
