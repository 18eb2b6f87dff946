"""Loading: all or nothing, who has the first word, and an index that is stale, shared or broken."""

import contextlib
import sqlite3
import subprocess
import sys
import threading

import pytest

from ontology import _index_file, starter
from ontology.errors import (
    BackendUnavailableError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    StorageFullError,
    UnsupportedMediaTypeError,
)
from ontology.terms import TermIndex

OBO = "http://purl.obolibrary.org/obo/"
OPENING = (
    "import sys, pathlib; from ontology.terms import TermIndex; opened = TermIndex.open(pathlib.Path(sys.argv[1]))"
)


def test_what_is_loaded_has_the_first_word_over_the_starter(index, source, obo):
    before = index.get("DOID:2377")
    index.load(
        source(obo("id: DOID:2377|name: sclerosis, multiple|is_a: TOY:9", "id: TOY:9|name: nine", ontology="doid"))
    )
    after = index.get("DOID:2377")
    assert (before.label, before.vocabulary) == ("multiple sclerosis", "sillage-starter")
    assert (after.label, after.vocabulary) == ("sclerosis, multiple", "doid")
    assert set(after.parents) == {*before.parents, OBO + "TOY_9"}
    assert index.resolve("multiple sclerosis").term == after
    assert "MS" in after.synonyms


def test_the_order_of_loading_does_not_matter(tmp_path, source, obo):
    one = source(obo("id: X:1|name: first|is_a: X:2", "id: X:2|name: two", ontology="one"), "one.obo")
    two = source(obo("id: X:1|name: second", ontology="two"), "two.obo")
    digests = []
    for number, order in enumerate([(one, two), (two, one)]):
        with TermIndex.open(tmp_path / f"{number}.sqlite") as index:
            for path in order:
                index.load(path)
            digests.append((index.digest, index.get("X:1")))
    assert digests[0] == digests[1]


def test_the_digest_changes_with_what_is_loaded_and_only_then(index, toy_path):
    empty = index.digest
    index.load(toy_path)
    full = index.digest
    index.load(toy_path)
    assert len(full) == 64
    assert full != empty
    assert index.digest == full


def test_a_new_version_replaces_the_old_one(toy, source, obo):
    report = toy.load(source(obo("id: TOY:1|name: only", ontology="toy", version="2")))
    assert report.version == "2"
    assert [v["name"] for v in toy.vocabularies()] == ["sillage-starter", "toy"]
    with pytest.raises(NotFoundError):
        toy.get("TOY:4")


def test_a_report_says_what_was_loaded(index, toy_path):
    report = index.load(toy_path)
    assert (report.name, report.version, report.format, report.terms, report.deprecated) == ("toy", "1", "obo", 7, 3)
    assert len(report.digest) == 64
    facts = index.vocabularies()[-1]
    assert facts["digest"] == report.digest
    assert facts["terms"] == 7


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ('format-version: 1.2\nontology: x\n\n[Term]\nid: X:1\nname: a\ndef: "no end', InvalidRequestError),
        ("format-version: 1.2\n[Term\nid: X:1\n", InvalidRequestError),
        ("ontology: x\n", InvalidRequestError),
        (b"\xff\xfe\x00rubbish", UnsupportedMediaTypeError),
        ("", UnsupportedMediaTypeError),
        ("<html><body/></html>", UnsupportedMediaTypeError),
    ],
)
def test_a_broken_file_loads_nothing(index, source, content, error):
    before = index.digest
    with pytest.raises(error):
        index.load(source(content))
    assert index.digest == before
    assert len(index.vocabularies()) == 1


def test_a_file_that_is_not_there(index, tmp_path):
    with pytest.raises(NotFoundError):
        index.load(tmp_path / "absent.obo")
    with pytest.raises(InvalidRequestError):
        index.load(tmp_path)


def test_a_load_that_fails_half_way_leaves_the_index_as_it_was(index, toy_path, monkeypatch):
    before = index.digest

    def fail(*_):
        raise RuntimeError("in the middle")

    monkeypatch.setattr(_index_file, "_insert_terms", fail)
    with pytest.raises(RuntimeError):
        index.load(toy_path)
    monkeypatch.undo()
    assert index.digest == before
    with pytest.raises(NotFoundError):
        index.get("TOY:1")


def test_an_index_of_another_format_is_rebuilt_with_what_was_loaded(toy, monkeypatch):
    file = toy.file
    digest = toy.digest
    toy.close()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 999")
        db.execute("DROP TABLE closure")
    db.close()
    with TermIndex.open(file) as again:
        assert again.digest == digest
        assert again.descendants("TOY:1") == {OBO + f"TOY_{n}" for n in (1, 2, 3, 4)}


def test_an_index_with_another_starter_is_rebuilt_with_what_was_loaded(toy, monkeypatch, tmp_path):
    file = toy.file
    (tmp_path / "starter").mkdir()
    (tmp_path / "starter" / "only.tsv").write_text("term\tlabel\tparents\tsynonyms\txrefs\nNEW:1\tbrand new\t\t\t\n")
    monkeypatch.setattr(starter, "_FOLDER", tmp_path / "starter")
    starter.starter_digest.cache_clear()
    try:
        with TermIndex.open(file) as again:
            assert again.get("NEW:1").label == "brand new"
            assert again.get("TOY:4").label == "child"
            with pytest.raises(NotFoundError):
                again.get("DOID:2377")
        assert toy.get("NEW:1").label == "brand new"  # the one that was open all along sees it too
    finally:
        starter.starter_digest.cache_clear()


def test_a_file_that_is_no_index_is_left_alone_and_named(tmp_path):
    file = tmp_path / "terms.sqlite"
    file.write_bytes(b"this is no database at all, but long enough to be taken for one" * 20)
    before = file.read_bytes()
    with pytest.raises(IntegrityError) as caught:
        TermIndex.open(file)
    assert "Move the file away" in caught.value.next_step()
    assert file.read_bytes() == before


def test_a_load_is_seen_by_every_open_index(index, toy_path):
    with TermIndex.open(index.file) as other:
        digest = other.digest
        with pytest.raises(NotFoundError):
            other.get("TOY:4")
        index.load(toy_path)
        assert other.get("TOY:4").label == "child"
        assert other.digest == index.digest != digest


def test_a_load_in_another_process_is_seen_here(index, toy_path):
    code = OPENING + ".load(pathlib.Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, index.file, toy_path], check=True, timeout=240)
    assert index.resolve("kid").term.curie == "TOY:4"


def test_several_processes_may_make_it_at_once(tmp_path):
    file = tmp_path / "new" / "terms.sqlite"
    code = f"{OPENING}.digest; sys.stdout.write(opened)"
    started = [
        subprocess.Popen([sys.executable, "-c", code, file], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    answers = {process.communicate(timeout=240)[0] for process in started}
    assert len(answers) == 1
    assert {process.returncode for process in started} == {0}
    assert not list(file.parent.glob(".*"))


def test_threads_read_while_another_loads(index, toy_path):
    failures = []

    def read():
        try:
            for _ in range(200):
                assert index.resolve("MS").term.curie == "DOID:2377"
                assert len(index.descendants("DOID:3213")) > 5
        except BaseException as error:  # a thread must hand its failure over
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    index.load(toy_path)
    for thread in threads:
        thread.join()
    assert failures == []


def test_closing_twice_is_harmless(index):
    digest, file = index.digest, index.file
    index.close()
    index.close()
    with TermIndex.open(file) as again:
        assert again.digest == digest


@pytest.mark.parametrize(
    ("failure", "error"),
    [("database or disk is full", StorageFullError), ("database is locked", BackendUnavailableError)],
)
def test_a_full_or_locked_disk_changes_nothing(index, toy_path, monkeypatch, failure, error):
    before = index.digest

    def fail(*_):
        raise sqlite3.OperationalError(failure)

    monkeypatch.setattr(_index_file, "_insert_terms", fail)
    with pytest.raises(error):
        index.load(toy_path)
    assert index.digest == before


def test_a_process_killed_while_loading_leaves_the_old_index_or_the_new(index, source, obo):
    before = index.digest
    stanzas = [f"id: BIG:{n}|name: term {n}|is_a: BIG:{n // 2}" for n in range(1, 3000)]
    path = source(obo(*stanzas, ontology="big"), "big.obo")
    seen = set()
    for delay in (0.1, 0.3, 0.5, 0.8):
        process = subprocess.Popen(
            [sys.executable, "-c", OPENING + ".load(pathlib.Path(sys.argv[2]))", index.file, path]
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        process.kill()
        process.wait()
        with TermIndex.open(index.file) as again:
            seen.add(again.digest)
            assert again.get("DOID:2377").label == "multiple sclerosis"
            assert len(again.vocabularies()) == (1 if again.digest == before else 2)
    index.load(path)
    assert seen <= {before, index.digest}
