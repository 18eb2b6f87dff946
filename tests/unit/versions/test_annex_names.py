import hashlib
from pathlib import Path

import pytest

from catalog.versions.annex import (
    hash_dirs,
    key_extension,
    key_of_link,
    key_of_pointer,
    link_target,
    location_log,
    parse_key,
    sha256e_key,
)

NAMES = ["a.nii.gz", "a.b.c.tsv", "x.toolong.gz", "README", ".bidsignore", "a b.gz", "d.e/f", "é.gz", "a..gz", "a."]


@pytest.mark.parametrize("name", NAMES)
def test_a_key_is_named_as_git_annex_names_it(name: str, tmp_path: Path, run) -> None:
    run(tmp_path, "git", "init", "-q")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"content")
    theirs = run(tmp_path, "git-annex", "calckey", "--backend=SHA256E", name).strip()
    assert sha256e_key(name, sha256=hashlib.sha256(b"content").hexdigest(), size=7) == theirs


def test_hash_folders_are_those_of_git_annex(tmp_path: Path, run) -> None:
    run(tmp_path, "git", "init", "-q")
    run(tmp_path, "git-annex", "init", "-q")
    for number in range(5):
        key = sha256e_key("x.nii.gz", sha256=hashlib.sha256(bytes([number])).hexdigest(), size=1)
        shown = run(tmp_path, "git-annex", "examinekey", key, "--format=${hashdirmixed} ${hashdirlower}")
        mixed, lower = hash_dirs(key)
        assert shown == f"{mixed}/ {lower}/"


def test_keys_say_size_and_digest_where_they_have_them() -> None:
    digest = "a" * 64
    found = parse_key(f"SHA256E-s12--{digest}.nii.gz")
    assert found is not None
    assert (found.size, found.sha256) == (12, digest)
    md5 = parse_key("MD5E-s5663237--4608ffbd6b78ce3a325eb338fa556589.nii.gz")
    assert md5 is not None
    assert (md5.size, md5.sha256) == (5663237, None)
    url = parse_key("URL--http&c%%example.org%x")
    assert url is not None
    assert (url.size, url.sha256) == (None, None)
    chunked = parse_key(f"SHA256-s100-S10-C2--{digest}")
    assert chunked is not None
    assert chunked.size == 100


@pytest.mark.parametrize(
    "target", ["../x", "/etc/passwd", "annex/objects", "a/annex/objects/x/y", "../.git/annex/objects/"]
)
def test_other_links_are_no_pointers(target: str) -> None:
    assert key_of_link(target) is None


def test_pointers_are_read_back() -> None:
    key = sha256e_key("x.nii", sha256="b" * 64, size=3)
    assert key_of_link(link_target("sub-01/anat/x.nii", key)) == parse_key(key)
    assert link_target("sub-01/anat/x.nii", key).startswith("../../.git/annex/objects/")
    assert key_of_pointer(f"/annex/objects/{key}\n".encode()) == parse_key(key)
    assert key_of_pointer(b'{"a": "/annex/objects/x"}') is None
    assert location_log(key).endswith(f"/{key}.log")


def test_extensions_are_at_most_two_and_short() -> None:
    assert key_extension("sub-01/a.nii.gz") == ".nii.gz"
    assert key_extension("a.json") == ".json"
    assert key_extension("a.jsonl") == ""
    assert key_extension("sub.01/noext") == ""
