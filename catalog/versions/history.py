"""Writes commits with ``git fast-import``: data and location logs in one process, the index left out of it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from catalog.versions.annex import link_target, location_log
from catalog.versions.git import AUTHOR, MAIL, Repository, git_annex, require_success
from catalog.versions.git_tree import LINK, SUBMODULE, parse_batch
from ontology.errors import BackendUnavailableError

ANNEX_BRANCH = "refs/heads/git-annex"


@dataclass(frozen=True, slots=True)
class Blob:
    """What one path of a commit shall be: file content, the target of a symbolic link, or a subdataset's commit."""

    path: str
    mode: str
    data: bytes
    key: str | None = None

    @property
    def oid(self) -> str:
        """Name of the git object (SHA-1, which is what git uses here; not a measure of integrity of ours)."""
        return self.data.decode() if self.is_subdataset else blob_oid(self.data)

    @property
    def is_subdataset(self) -> bool:
        """Whether it is the commit of another dataset; the data are its name."""
        return self.mode == SUBMODULE


def blob_oid(data: bytes) -> str:
    """Return the name that git gives to a blob with this content."""
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()


def annexed(path: str, key: str) -> Blob:
    """Return the locked annexed file at ``path``: a symbolic link to its object."""
    return Blob(path, LINK, os.fsencode(link_target(path, key)), key)


def current_branch(repository: Repository) -> str:
    """Return the full name of the branch that is checked out.

    Raises:
        BackendUnavailableError: None is.
    """
    kind, _, name = (repository.git_dir / "HEAD").read_text().strip().partition(": ")
    if kind != "ref" or not name.startswith("refs/heads/"):
        raise BackendUnavailableError("the dataset has no branch checked out", next_step="Run in it: git checkout main")
    return name


def head(repository: Repository, reference: str = "HEAD") -> tuple[str, str] | None:
    """Return the commit and the tree that a reference means; None when it has no commit yet."""
    output = repository.try_git("rev-parse", f"{reference}^{{commit}}", f"{reference}^{{tree}}")
    lines = output.stdout.decode().split()
    return (lines[0], lines[1]) if output.status == 0 and len(lines) == 2 else None


def tip(repository: Repository) -> str | None:
    """Return the commit that is checked out; read from where git keeps it, which takes no process."""
    try:
        kind, _, name = (repository.git_dir / "HEAD").read_text().strip().partition(": ")
        said = (repository.common_dir / name).read_text().strip() if kind == "ref" else kind
        if len(said) in (40, 64) and set(said) <= set("0123456789abcdef"):
            return said
    except OSError:
        pass  # kept with others in one file
    found = head(repository)
    return found[0] if found is not None else None


def commit(
    repository: Repository,
    *,
    branch: str,
    parent: str | None,
    message: str,
    blobs: Iterable[Blob],
    removed: Collection[str] = (),
) -> str:
    """Commit ``blobs`` on top of ``parent`` and return the commit's name; the working tree is not touched.

    The locations are on disk before the commit that needs them, so that a crash between the two leaves only
    a location too many, of content that is indeed there.

    Raises:
        BackendUnavailableError: git failed, or somebody else committed to the branch meanwhile.
        StorageFullError: The disk is full.
    """
    listed = list(blobs)
    stream = [b"feature done\n"]
    stream += _locations(repository, sorted({blob.key for blob in listed if blob.key is not None}))
    stream += _commit_head(branch, message, parent, mark=True)
    stream += [b"D %b\n" % _quote(path) for path in removed]
    for blob in listed:
        if blob.is_subdataset:
            stream.append(b"M %b %b %b\n" % (SUBMODULE.encode(), blob.data, _quote(blob.path)))
            continue
        stream.append(b"M %b inline %b\n" % (blob.mode.encode(), _quote(blob.path)))
        stream.append(b"data %d\n%b\n" % (len(blob.data), blob.data))
    stream.append(b"\nget-mark :1\ndone\n")
    reply = repository.git("fast-import", "--quiet", "--date-format=raw", given=b"".join(stream))
    name = reply.decode().strip()
    if len(name) < 40:
        raise BackendUnavailableError("git fast-import did not name the commit that it made")
    return name


def _commit_head(branch: str, message: str, parent: str | None, *, mark: bool) -> list[bytes]:
    text = message.encode()
    lines = [b"commit %b\n" % branch.encode(), b"mark :1\n" if mark else b""]
    lines.append(f"committer {AUTHOR} <{MAIL}> {int(time.time())} +0000\n".encode())
    lines.append(b"data %d\n%b\n" % (len(text), text))
    if parent is not None:
        lines.append(b"from %b\n" % parent.encode())
    return lines


def _locations(repository: Repository, keys: Sequence[str]) -> list[bytes]:
    """Return the commit to the branch ``git-annex`` that says: the content of these keys is here."""
    if not keys:
        return []
    uuid = annex_uuid(repository)
    tip, known = _look_up(repository, keys)
    body: list[bytes] = []
    for key in keys:
        log = here_now(known.get(key), uuid)
        if log is not None:
            body.append(b"M 100644 inline %b\ndata %d\n%b\n" % (_quote(location_log(key)), len(log), log))
    if not body:
        return []
    return [*_commit_head(ANNEX_BRANCH, "update", tip, mark=False), *body, b"\ncheckpoint\n\n"]


def here_now(log: bytes | None, uuid: bytes) -> bytes | None:
    """Return a location log that says that a content is here (git-annex, "internals"); None where it says so already.

    Args:
        log: As it is; None where there is none.
        uuid: Of the repository.
    """
    lines = (log or b"").splitlines()
    if any(line.endswith(b" 1 " + uuid) for line in lines):
        return None
    return b"".join(line + b"\n" for line in lines if not line.endswith(uuid)) + b"%ds 1 %b\n" % (
        int(time.time()),
        uuid,
    )


def settle(repository: Repository) -> None:
    """Have git-annex commit what it may hold back."""
    journal = repository.annex / "journal"
    if journal.is_dir() and any(journal.iterdir()):
        require_success("git annex merge", git_annex(repository.path, "merge"))


def _look_up(repository: Repository, keys: Sequence[str]) -> tuple[str, Mapping[str, bytes]]:
    """Return the tip of the branch ``git-annex``, and those location logs that exist: usually none, for new content."""
    settle(repository)
    names = [ANNEX_BRANCH, *(f"{ANNEX_BRANCH}:{location_log(key)}" for key in keys)]
    given = "".join(f"{name}\n" for name in names).encode()
    lines = repository.git("cat-file", "--batch-check", "--buffer", given=given).split(b"\n")
    found: list[str | None] = []
    for _, line in zip(names, lines, strict=False):
        words = line.split(b" ")
        # Of a name with blanks that means nothing git says "NAME missing", which has as many words.
        there = len(words) == 3 and words[2].isdigit() and words[1] in (b"blob", b"commit")
        found.append(words[0].decode() if there else None)
    tip, *logs = found
    if tip is None:
        raise BackendUnavailableError("the dataset has no branch git-annex", next_step="Run: git annex init")
    return tip, _read_logs(repository, {key: oid for key, oid in zip(keys, logs, strict=True) if oid is not None})


def _read_logs(repository: Repository, oids: Mapping[str, str]) -> Mapping[str, bytes]:
    if not oids:
        return {}
    wanted = "".join(f"{oid}\n" for oid in sorted(set(oids.values()))).encode()
    contents = dict(parse_batch(repository.git("cat-file", "--batch", "--buffer", given=wanted)))
    return {key: contents[oid] for key, oid in oids.items()}


@lru_cache(maxsize=256)
def annex_uuid(repository: Repository) -> bytes:
    """Return the UUID by which git-annex knows this repository.

    Raises:
        BackendUnavailableError: It is not initialised.
    """
    return repository.git("config", "--local", "--get", "annex.uuid").strip()


def _quote(path: str) -> bytes:
    """Return a path as fast-import reads it: quoted as in C where a plain one could be misread."""
    raw = os.fsencode(path)
    if raw.startswith(b'"') or b"\n" in raw:
        escaped = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
        return b'"%b"' % escaped
    return raw


def write_working_tree(root: Path, blobs: Iterable[Blob]) -> None:
    """Write blobs as files and links below ``root``, which holds none of them yet.

    Raises:
        OSError: The disk refused.
    """
    made: set[str] = set()
    for blob in blobs:
        folder = blob.path.rpartition("/")[0]
        if folder not in made:
            (root / folder).mkdir(parents=True, exist_ok=True)
            made.add(folder)
        write_blob(root / blob.path, blob)


def write_blob(place: Path, blob: Blob) -> None:
    """Write one blob as a file or link at ``place``, where nothing is; a subdataset is an empty folder."""
    if blob.is_subdataset:
        place.mkdir(exist_ok=True)
    elif blob.mode == LINK:
        os.symlink(os.fsdecode(blob.data), place)
    else:
        place.write_bytes(blob.data)
        if blob.mode == "100755":
            place.chmod(0o755)
