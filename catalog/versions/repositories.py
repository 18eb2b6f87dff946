"""Reads repositories that others made: what they are, what they hold at HEAD, their releases, what is not committed."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from catalog.model import Problem
from catalog.versions.dataset import datalad_id
from catalog.versions.git import Repository, open_repository
from catalog.versions.git_tree import GitTree
from catalog.versions.history import head
from catalog.versions.model import Release, Versioned
from ontology.errors import InvalidRequestError

_NAMED = 20
_FILTER = re.compile(r"filter\.(.+)\.(clean|smudge|process|required)", re.IGNORECASE | re.DOTALL)


def kind_of(source: Path) -> str:
    """Return ``datalad``, ``annex``, ``git`` or ``folder``."""
    repository = open_repository(source)
    if repository is None:
        return "folder"
    found = head(repository)
    if found is not None and datalad_id(repository, found[0]) is not None:
        return "datalad"
    listed = repository.git("for-each-ref", "--format=%(refname)", "refs/heads/git-annex", "refs/remotes/*/git-annex")
    return "annex" if listed.strip() or (repository.annex / "objects").is_dir() else "git"


_ELSEWHERE = ".elsewhere"
_PUBLIC = re.compile(r"https?://[^@/\s]+/\S*")


def point_at(root: Path, path: Path, name: str) -> str:
    """Have a link in a store's folder lead to a dataset that lies elsewhere; return its path below the folder.

    Raises:
        OSError: The disk refused.
    """
    link = root / _ELSEWHERE / name
    if not link.is_symlink() or Path(os.readlink(link)) != path.absolute():
        link.parent.mkdir(exist_ok=True)
        fresh = link.with_name(f"{name}.{uuid.uuid4().hex}")
        fresh.symlink_to(path.absolute())
        fresh.replace(link)
    return f"{_ELSEWHERE}/{name}"


@lru_cache(maxsize=256)
def public_url(repository: Repository) -> str | None:
    """Return where a repository was cloned from, if that is a web address without an account in it."""
    found = (
        repository.try_git("config", "--local", "--get", "remote.origin.url").stdout.decode(errors="replace").strip()
    )
    return found if _PUBLIC.fullmatch(found) else None


def refer_to(repository: Repository, *, in_store: bool) -> Versioned:
    """Return a repository at its HEAD, nothing in it changed.

    Raises:
        InvalidRequestError: It has no commit.
    """
    found = head(repository)
    if found is None:
        raise InvalidRequestError(
            f"{repository.path} is a git repository without a commit", field="path", next_step="Commit, then try again."
        )
    return Versioned(
        path=repository.path,
        datalad_id=datalad_id(repository, found[0]),
        commit=found[0],
        tree_hash=found[1],
        in_store=in_store,
        problems=() if in_store else tuple(_not_in_version(repository, found[0])),
    )


def releases_of(repository: Repository) -> list[Release]:
    """Return the tags that mean a commit, oldest commit first, then by name with numbers in numeric order."""
    form = "%(refname:strip=2)%00%(objecttype)%00%(objectname)%00%(committerdate:unix)"
    form += "%00%(*objecttype)%00%(*objectname)%00%(*committerdate:unix)"
    found: list[tuple[int, list[tuple[int, str]], Release]] = []
    for line in repository.git("for-each-ref", f"--format={form}", "refs/tags").decode(errors="replace").splitlines():
        name, kind, oid, seconds, peeled_kind, peeled, peeled_seconds = line.split("\0")
        if kind == "tag":
            kind, oid, seconds = peeled_kind, peeled, peeled_seconds
        if kind == "commit":
            when = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            found.append((int(seconds), _natural(name), Release(name=name, commit=oid, date=when)))
    return [release for _, _, release in sorted(found, key=lambda item: item[:2])]


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _not_in_version(repository: Repository, commit: str) -> list[Problem]:
    tree = GitTree(repository.path, commit)
    problems = [Problem(path, "a subdataset: register it by itself") for path in tree.submodules()]
    for file in tree.files():
        if file.link and file.size is None:
            problems.append(Problem(file.path, "a link that leads nowhere within the dataset: its content is not read"))
    if repository.git_dir != repository.path:
        changed = sorted(_changed(repository, tree))
        problems += [Problem(path, "not committed: no part of this version") for path in changed[:_NAMED]]
        if len(changed) > _NAMED:
            problems.append(Problem(".", f"{len(changed) - _NAMED} more changes are not committed"))
    return problems


def _changed(repository: Repository, tree: GitTree) -> set[str]:
    """Return the paths that differ between HEAD, index and working tree, untracked ones included.

    Filters would be programs of the dataset's choosing, so they are blanked out, and files whose time stamps
    git does not know are compared here.
    """
    config = _blank_filters(repository)
    common = ("--ignore-submodules=all", "--name-only", "-z")
    staged = repository.try_git("diff-index", "--cached", *common, tree.commit, config=config)
    touched = repository.try_git("diff-files", *common, config=config)
    fresh = repository.try_git("ls-files", "-z", "--others", "--exclude-standard", config=config)
    changed = set(_names(staged.stdout)) | set(_names(fresh.stdout))
    return changed | {path for path in _names(touched.stdout) if not _is_as_committed(repository.path, path, tree)}


def _blank_filters(repository: Repository) -> dict[str, str]:
    listed = repository.try_git("config", "--list", "-z", "--name-only").stdout
    drivers = {found[1] for name in _names(listed) if (found := _FILTER.fullmatch(name))}
    blank: dict[str, str] = {}
    for driver in drivers:
        blank |= {f"filter.{driver}.{verb}": "" for verb in ("clean", "smudge", "process")}
        blank[f"filter.{driver}.required"] = "false"
    return blank


def _is_as_committed(root: Path, path: str, tree: GitTree) -> bool:
    entry = tree.entries.get(path)
    if entry is None:
        return False
    place = root / path
    try:
        if place.is_symlink():
            content = os.fsencode(os.readlink(place))
        elif entry.key is not None and place.stat().st_size == entry.key.size:
            return True
        elif place.stat().st_size != entry.size:
            return False
        else:
            content = place.read_bytes()
    except OSError:
        return False
    digest = hashlib.new("sha1" if len(entry.oid) == 40 else "sha256", usedforsecurity=False)
    digest.update(b"blob %d\0" % len(content) + content)
    return digest.hexdigest() == entry.oid


def _names(output: bytes) -> list[str]:
    return [os.fsdecode(name) for name in output.split(b"\0") if name]
