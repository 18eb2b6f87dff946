"""From what strace(1) writes to the inputs that were opened.

strace writes every path in hexadecimal (``-xx``), so that no name can be mistaken for anything else, and shows
where a new descriptor leads (``-y``): absolute, links resolved, as the task itself sees it, so that relative paths,
folders that were changed into and links need not be followed again. A few lines of awk read that as it comes
through a pipe and keep what concerns the inputs; nothing else is ever written to disk.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from executors.model import TaskInput

MOST_WITHIN = 1000
"""So many files of one folder are listed."""

_CALLS = "open,openat,openat2,open_by_handle_at,execve,execveat,io_uring_setup"
OPTIONS = (
    "-D",
    "-f",
    "-y",
    "-xx",
    "-z",
    "--seccomp-bpf",
    "--string-limit=0",
    "--signal=!SIGCHLD",
    "--quiet=attach,personality,path-resolution,superseded,thread-execve",
    f"--trace={_CALLS}",
)
"""``-D``: the task's own process stays the child of its wrapper, and strace stands beside. ``-z``: successes only.

The text of arguments and of the environment is never read: ``--string-limit=0`` cuts all strings but paths. With
``-z`` a call during which another process was stopped comes as two lines, always one after the other: what was asked
ends with ``<unfinished ...>``, what came of it begins with ``)``.
"""

READER = r"""
function tell(path) { if (!(path in told)) { told[path]; print "opened", path; fflush() } }
function see(path,  up) {
  if (path in files) { tell(path); return 1 }
  for (up = path; folders && up != ""; up = substr(up, 1, RLENGTH - 4)) {
    if (up in within) {
      if (path in told) return 1
      if (within[up]++ < most) tell(path); else if (!(up in cut)) { cut[up]; print "cut", up; fflush() }
      return 1
    }
    if (!match(up, /.*\\x2f/)) break
  }
  return 0
}
FILENAME == ARGV[1] {
  if ($1 == "file") files[$2]
  else if ($1 == "name") names[$2]
  else if ($1 == "most") most = $2
  else { within[$2] = 0; folders = 1 }
  next
}
root == "" { root = $1 }
/<unfinished \.\.\.>$/ { begun = $0; sub(/ *<unfinished \.\.\.>$/, "", begun); lost++; next }
/^\)/ && begun != "" { $0 = begun $0; begun = ""; lost-- }
$2 == "+++" { if ($1 == root) ended = 1; next }
$2 ~ /^---/ || /O_PATH/ { next }
$2 ~ /^io_uring_setup/ { ring = 1; next }
{
  call = $2; sub(/\(.*/, "", call)
  asked = (split($0, part, "\"") > 2) ? part[2] : ""
  base = match(part[1], /<[^>]*>/) ? substr(part[1], RSTART + 1, RLENGTH - 2) : ""
  if (call == "open_by_handle_at") asked = ""
  else if (asked == "") asked = call == "execveat" ? base : ""
  else if (asked !~ /^\\x2f/ && base != "") asked = base "\\x2f" asked
  if (call ~ /^exec/) {
    if (see(asked) || asked ~ /^\\x2f/) next
    name = asked; sub(/.*\\x2f/, "", name)
    if (name in names) print "started", asked
    next
  }
  if (match($0, / = [0-9]+<[^>]*>/)) {
    path = substr($0, RSTART, RLENGTH - 1); sub(/^[^<]*</, "", path)
    if (!see(path) && asked != "") see(asked)
  } else lost++
}
END { print "end", ended + 0, ring + 0, lost + 0 }
"""
"""awk(1) as POSIX has it. Operands: the list that :func:`watch_list` returns, and the trace."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The paths by which each input is known to the one who watches: for each input, where it is seen to lie."""

    files: dict[bytes, list[str]] = field(default_factory=dict)
    folders: dict[bytes, list[str]] = field(default_factory=dict)


def watched(inputs: Sequence[TaskInput], places: Sequence[Sequence[str]]) -> Watched:
    """Return what to look for.

    Args:
        inputs: As they were given.
        places: For each input, the paths under which a descriptor of it may be seen.
    """
    found = Watched()
    for item, paths in zip(inputs, places, strict=True):
        kind = found.folders if item.host_path.is_dir() else found.files
        for path in paths:
            kind.setdefault(os.fsencode(path), []).append(item.id)
    return found


def watch_list(wanted: Watched) -> str:
    """Return what the reader is to look for, one path a line, in strace's hexadecimal."""
    lines = [f"most {MOST_WITHIN}"]
    lines += [f"file {_hexadecimal(path)}" for path in wanted.files]
    lines += [f"folder {_hexadecimal(path)}" for path in wanted.folders]
    names = {posixpath.basename(path) for path in wanted.files}
    lines += [f"name {_hexadecimal(name)}" for name in sorted(names)]
    return "\n".join(lines) + "\n"


@dataclass(slots=True)
class Seen:
    """What the reader kept of a trace.

    Attributes:
        opened: Ids of inputs.
        within: For folders, the files in them.
        unlisted: Folders of which not all files are listed.
        is_over: The pipe was closed: nothing more will come.
        saw_the_end: The first process was seen to end, so that strace lived at least as long.
        used_ring: io_uring(7) was used.
        lost: So many descriptors led nowhere that could be named.
    """

    opened: set[str] = field(default_factory=set)
    within: dict[str, list[str]] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    is_over: bool = False
    saw_the_end: bool = False
    used_ring: bool = False
    lost: int = 0


def read_trace(kept: Path, wanted: Watched) -> Seen:
    """Read what was kept of a trace so far."""
    seen = Seen()
    try:
        lines = kept.read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return seen
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "end" and len(numbers := rest.split()) == 3:
            seen.is_over, seen.saw_the_end = True, numbers[0] == "1"
            seen.used_ring, seen.lost = numbers[1] != "0", int(numbers[2])
        elif word in ("opened", "started", "cut"):
            _take(word, _plain(rest), wanted, seen)
    return seen


def _take(word: str, path: bytes, wanted: Watched, seen: Seen) -> None:
    if word == "started":
        ending = b"/" + os.path.normpath(path).lstrip(b"./")
        for known, ids in wanted.files.items():
            seen.opened.update(ids if known.endswith(ending) else ())
    elif path in wanted.files:
        seen.opened.update(wanted.files[path])
    else:
        for folder in _above(path):
            if folder in wanted.folders:
                _take_within(word, path, folder, wanted.folders[folder], seen)
                return


def _take_within(word: str, path: bytes, folder: bytes, ids: Sequence[str], seen: Seen) -> None:
    seen.opened.update(ids)
    for name in ids:
        listed = seen.within.setdefault(name, [])
        if word == "cut":
            seen.unlisted.add(name)
        elif path != folder:
            listed.append(os.fsdecode(os.path.relpath(path, folder)).encode(errors="replace").decode())


def _above(path: bytes) -> Iterator[bytes]:
    """Yield a path and every folder above it."""
    while len(path) > 1:
        yield path
        path = posixpath.dirname(path)


def _hexadecimal(path: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in path)


def _plain(text: str) -> bytes:
    try:
        return bytes.fromhex(text.replace("\\x", ""))
    except ValueError:
        return b""
