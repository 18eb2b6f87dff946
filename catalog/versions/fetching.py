"""Gets annexed content from elsewhere, within a time limit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from catalog.model import Problem
from catalog.versions.annex import find_object
from catalog.versions.git import Repository, git_annex
from catalog.versions.git_tree import GitTree
from catalog.versions.history import head
from catalog.versions.model import FetchReport
from ontology.errors import BackendUnavailableError, InvalidRequestError, NotFoundError

_PROGRAM = re.compile(
    r"^(?:annex\..*|remote\..*\.annex-.*)(?:command|hook|shell)$|^remote\..*\.(?:vcs|uploadpack|receivepack)$",
    re.IGNORECASE | re.DOTALL,
)


def fetch_content(repository: Repository, relpaths: Sequence[str], *, timeout_s: float) -> FetchReport:
    """Get the content of ``relpaths`` at HEAD; see :meth:`catalog.versions.store.DataStore.fetch`."""
    found = head(repository)
    if found is None:
        raise NotFoundError(f"{repository.path} has no commit", field="path")
    tree = GitTree(repository.path, found[0])
    keys = {path: key.name for path in relpaths if (key := tree.resolve(path).key) is not None}
    objects = str(repository.annex / "objects")
    absent = {path: name for path, name in keys.items() if find_object(objects, name) is None}
    reason = _get(repository, sorted(set(absent.values())), timeout_s) if absent else ""
    failed = [
        Problem(path, reason or "no remote that can be reached has it")
        for path, name in absent.items()
        if find_object(objects, name) is None
    ]
    missing = {problem.where for problem in failed}
    return FetchReport(here=[path for path in relpaths if path not in missing], failed=failed)


def _get(repository: Repository, keys: Sequence[str], timeout_s: float) -> str:
    """Run ``git annex get`` on keys and return why it did not get everything; empty when it did."""
    if not repository.annex.is_dir() and repository.try_git("config", "annex.uuid").status:
        listed = repository.git("for-each-ref", "refs/heads/git-annex", "refs/remotes/*/git-annex")
        if not listed.strip():
            raise InvalidRequestError(f"{repository.path} has no annex to get content from", field="path")
    _refuse_programs(repository)
    given = "".join(f"{name}\n" for name in keys).encode()
    try:
        output = git_annex(
            repository.path,
            "get",
            "--batch-keys",
            "--quiet",
            "--jobs=1",
            given=given,
            time_limit_s=timeout_s,
            online=True,
        )
    except BackendUnavailableError as error:
        return error.detail
    return output.complaint if output.status else ""


def _refuse_programs(repository: Repository) -> None:
    """Refuse a repository whose configuration would have git-annex run a program of its choosing."""
    listed = repository.git("config", "--list", "-z", "--name-only").decode(errors="replace").split("\0")
    named = sorted(name for name in listed if _PROGRAM.search(name))
    if named:
        raise InvalidRequestError(
            f"{repository.path} names a program to run in its configuration: {named[0]}",
            field="path",
            next_step="Get the content yourself if you trust it: datalad get",
        )
