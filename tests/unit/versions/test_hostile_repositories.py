"""A dataset from elsewhere must not get anything run, nor anything read outside of it."""

import os
import subprocess
from pathlib import Path

import pytest

from catalog.versions.store import DataStore
from ontology.errors import InvalidRequestError, NotFoundError


@pytest.fixture
def hostile(tmp_path: Path, run) -> Path:
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "README").write_text("x\n")
    (folder / "data.bin").write_bytes(b"data")
    (folder / ".gitattributes").write_text("* filter=evil diff=evil\n")
    run(folder, "git", "init", "-q")
    run(folder, "git-annex", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-q", "-m", "x")
    return folder


def test_no_program_that_the_repository_names_is_run(store: DataStore, hostile: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    sprung = tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\necho $0 $@ >> {sprung}\ncat\n")
    trap.chmod(0o755)
    hooks = hostile / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-index-change", "reference-transaction", "pre-commit", "post-checkout", "fsmonitor-watchman"):
        (hooks / hook).write_bytes(trap.read_bytes())
        (hooks / hook).chmod(0o755)
    config = hostile / ".git" / "config"
    config.write_text(
        config.read_text()
        + f"""
[core]
    fsmonitor = {trap}
    hooksPath = {hooks}
    sshCommand = {trap}
    pager = {trap}
    editor = {trap}
    gitProxy = {trap}
    alternateRefsCommand = {trap}
[filter "evil"]
    clean = {trap}
    smudge = {trap}
    process = {trap}
    required = true
[filter "annex"]
    clean = {trap}
    process = {trap}
[diff "evil"]
    command = {trap}
    textconv = {trap}
[gpg]
    program = {trap}
[log]
    showSignature = true
[alias]
    ls-tree = !{trap}
[remote "origin"]
    url = ext::{trap}
    promisor = true
    partialclonefilter = blob:none
[extensions]
    partialClone = origin
[credential]
    helper = {trap}
"""
    )
    for name in ("README", "data.bin"):
        os.utime(hostile / name)
    (hostile / "README").write_text("changed\n")
    taken = store.take_in(hostile)
    tree = store.tree(hostile, taken.commit)
    assert tree.read_many(f.path for f in tree.files())
    store.releases(hostile)
    store.locate(hostile, taken.commit, "README")
    list(store.check(hostile, commit=taken.commit))
    assert {p.where for p in taken.problems} == {"README"}
    assert not sprung.exists(), sprung.read_text()
    subprocess.run(
        ["git", "-c", "safe.directory=*", "status"], cwd=hostile, capture_output=True, timeout=240, check=False
    )
    assert sprung.exists(), "the trap itself does not work"


def test_links_and_keys_do_not_lead_out(store: DataStore, hostile: Path, tmp_path: Path, run) -> None:
    (tmp_path / "secret").write_text("secret")
    for name, target in {
        "etc": "/etc/passwd",
        "up": "../secret",
        "annexlike": "../secret/annex/objects/../../../secret",
        "deep": ".git/annex/objects/../../../../secret",
        "config": ".git/config",
        "circle": "circle",
    }.items():
        (hostile / name).symlink_to(target)
    run(hostile, "git", "-c", "core.hooksPath=/dev/null", "add", "-A")
    run(hostile, "git", "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "links")
    taken = store.take_in(hostile)
    tree = store.tree(hostile, taken.commit)
    shown = {file.path: file for file in tree.files()}
    for name in ("etc", "up", "annexlike", "deep", "config", "circle"):
        assert shown[name].link
        assert not shown[name].present
        with pytest.raises((InvalidRequestError, NotFoundError)):
            tree.read(name)
        with pytest.raises((InvalidRequestError, NotFoundError)):
            store.locate(hostile, taken.commit, name)


def test_an_annex_object_that_is_a_link_is_not_followed(store: DataStore, bids: Path) -> None:
    taken = store.take_in(bids)
    place = store.locate(taken.path, taken.commit, "participants.tsv")
    place.parent.chmod(0o755)
    place.unlink()
    place.symlink_to("/etc/passwd")
    with pytest.raises(NotFoundError):
        store.locate(taken.path, taken.commit, "participants.tsv")
    with pytest.raises(NotFoundError):
        store.tree(taken.path, taken.commit).read("participants.tsv")


def test_a_broken_git_folder_is_not_taken_for_the_repository_above(
    store: DataStore, hostile: Path, tmp_path: Path
) -> None:
    inner = hostile / "inner"
    (inner / ".git").mkdir(parents=True)
    (inner / "README").write_text("inner")
    assert store.kind(inner) == "folder"


def test_a_repository_of_another_user_is_read(store: DataStore, hostile: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    for path in [hostile, *hostile.rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    taken = store.take_in(hostile)
    assert store.tree(hostile, taken.commit).read("data.bin") == b"data"


def test_content_is_not_fetched_by_a_program_that_the_repository_names(
    store: DataStore, bids: Path, tmp_path: Path, run
) -> None:
    taken = store.take_in(bids)
    run(tmp_path, "git", "clone", "-q", str(taken.path), "clone")
    clone = tmp_path / "clone"
    run(clone, "git", "config", "remote.origin.annex-cost-command", f"touch {tmp_path}/sprung")
    with pytest.raises(InvalidRequestError, match="names a program"):
        store.fetch(clone, ["participants.tsv"], timeout_s=240)
    run(clone, "git", "config", "--unset", "remote.origin.annex-cost-command")
    hook = clone / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    hook.chmod(0o755)
    assert store.fetch(clone, ["participants.tsv"], timeout_s=240).complete
    assert not (tmp_path / "sprung").exists()
