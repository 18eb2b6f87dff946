"""The term index: names, hierarchy, loading, and what happens when it is stale, shared or broken."""

import sqlite3
import subprocess
import sys
import threading

import pytest

from ontology import _index_file, starter
from ontology.errors import (
    AmbiguousError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    UnsupportedMediaTypeError,
)
from ontology.terms import TermIndex

OBO = "http://purl.obolibrary.org/obo/"
OPENING = (
    "import sys, pathlib; from ontology.terms import TermIndex; opened = TermIndex.open(pathlib.Path(sys.argv[1]))"
)
TOY = """format-version: 1.2
data-version: 1
ontology: toy

[Term]
id: TOY:1
name: thing

[Term]
id: TOY:2
name: left parent
is_a: TOY:1 ! thing

[Term]
id: TOY:3
name: right parent
is_a: TOY:1

[Term]
id: TOY:4
name: child
synonym: "kid" EXACT []
synonym: "offspring" RELATED []
xref: ICD10CM:Z99
alt_id: TOY:44
is_a: TOY:2
is_a: TOY:3

[Term]
id: TOY:5
name: old child
is_obsolete: true
replaced_by: TOY:4

[Term]
id: TOY:6
name: lost
is_obsolete: true

[Term]
id: TOY:7
name: unsure
is_obsolete: true
consider: TOY:2
consider: TOY:3
"""


def obo(*stanzas, ontology, version="1"):
    """Return an OBO document; each stanza is its lines, joined by bars."""
    terms = "".join("\n[Term]\n" + stanza.replace("|", "\n") + "\n" for stanza in stanzas)
    return f"data-version: {version}\nontology: {ontology}\n{terms}"


@pytest.fixture
def toy(index, source):
    index.load(source(TOY))
    return index


@pytest.mark.parametrize(
    "text",
    [
        "DOID:2377",
        "doid:2377",
        "DOID_2377",
        OBO + "DOID_2377",
        f"<{OBO}DOID_2377>",
        "https://purl.obolibrary.org/obo/DOID_2377",
        "multiple sclerosis",
        "  Multiple   SCLEROSIS ",
        "MS",
        "ICD10CM:G35",
        "icd-10-cm:G35",
        "MESH:D009103",
        "MSH:D009103",
        "http://id.nlm.nih.gov/mesh/D009103",
        "NCIT:C3243",
    ],
)
def test_a_term_answers_to_all_its_names(starter, text):
    resolution = starter.resolve(text)
    assert resolution.term.curie == "DOID:2377"
    assert resolution.notice is None


@pytest.mark.parametrize("text", ["DOID:2377", OBO + "DOID_2377", "doid:2377"])
def test_get_takes_iri_and_curie(starter, text):
    assert starter.get(text).label == "multiple sclerosis"


def test_get_does_not_take_labels(starter):
    with pytest.raises(NotFoundError):
        starter.get("multiple sclerosis")


def test_an_unknown_text_names_what_is_spelled_like_it(starter):
    with pytest.raises(NotFoundError) as caught:
        starter.resolve("multipel sclerosis")
    assert "multiple sclerosis" in caught.value.next_step()
    assert caught.value.params["near"][0] == "multiple sclerosis"


@pytest.mark.parametrize(
    "text", ["", "   ", '"', "' OR 1=1 --", "*", "a AND (", "\x00", "%", "née" * 1000, "NEAR(", "-", ":"]
)
def test_hostile_text_finds_nothing_and_breaks_nothing(starter, text):
    with pytest.raises(NotFoundError):
        starter.resolve(text)
    assert isinstance(starter.find(text), list)


def test_a_label_beats_a_synonym_and_that_a_cross_reference(index, source):
    index.load(
        source(
            obo(
                "id: TOY:1|name: alpha",
                'id: TOY:2|name: beta|synonym: "alpha" EXACT []',
                "id: TOY:3|name: gamma|xref: X:1",
                'id: TOY:4|name: delta|synonym: "X:1" RELATED []',
                ontology="toy",
            )
        )
    )
    assert index.resolve("alpha").term.curie == "TOY:1"
    assert index.resolve("X:1").term.curie == "TOY:4"


def test_several_equal_answers_are_an_error_with_candidates(index, source):
    index.load(
        source(
            obo('id: TOY:1|name: a|synonym: "x" EXACT []', 'id: TOY:2|name: b|synonym: "X" EXACT []', ontology="toy")
        )
    )
    with pytest.raises(AmbiguousError) as caught:
        index.resolve("x")
    assert caught.value.params["candidates"] == [
        {"curie": "TOY:1", "label": "a", "vocabulary": "toy"},
        {"curie": "TOY:2", "label": "b", "vocabulary": "toy"},
    ]
    assert index.resolve("x", within=[OBO + "TOY_2"]).term.curie == "TOY:2"


def test_several_parents_meet_in_one_ancestor(toy):
    child = toy.get("TOY:4")
    assert child.parents == (OBO + "TOY_2", OBO + "TOY_3")
    assert [t.curie for t in toy.parents("TOY:4")] == ["TOY:2", "TOY:3"]
    assert toy.ancestors("TOY:4") == {OBO + f"TOY_{n}" for n in (1, 2, 3)}
    assert toy.descendants("TOY:1") == {OBO + f"TOY_{n}" for n in (1, 2, 3, 4)}
    assert toy.descendants("TOY:4") == {OBO + "TOY_4"}
    assert [t.curie for t in toy.children("TOY:1")] == ["TOY:2", "TOY:3"]


def test_a_path_is_the_shortest_chain(toy, source):
    assert [t.curie for t in toy.path("TOY:4", "TOY:1")] in (["TOY:4", "TOY:2", "TOY:1"], ["TOY:4", "TOY:3", "TOY:1"])
    assert [t.curie for t in toy.path("TOY:4", "TOY:4")] == ["TOY:4"]
    assert toy.path("TOY:1", "TOY:4") == []
    with pytest.raises(NotFoundError):
        toy.path("TOY:4", "TOY:999")


def test_a_term_that_was_given_up_gives_way_to_its_replacement(toy):
    resolution = toy.resolve("old child")
    assert resolution.term.curie == "TOY:4"
    assert resolution.notice == "TOY:5 (old child) was given up; TOY:4 (child) replaces it"


def test_without_a_replacement_it_stays_and_says_so(toy):
    assert toy.resolve("lost").term.deprecated
    assert "nothing replaces it" in toy.resolve("lost").notice
    assert "consider TOY:2, TOY:3" in toy.resolve("TOY:7").notice


def test_replacements_in_a_circle_end(index, source):
    index.load(
        source(
            obo(
                "id: TOY:1|name: a|is_obsolete: true|replaced_by: TOY:2",
                "id: TOY:2|name: b|is_obsolete: true|replaced_by: TOY:1",
                ontology="toy",
            )
        )
    )
    assert index.resolve("a").term.deprecated


def test_a_merged_identifier_leads_to_the_term_that_took_it_up(toy):
    assert toy.get("TOY:44").curie == "TOY:4"
    assert toy.resolve("toy:44").term.curie == "TOY:4"


def test_a_cycle_is_reported_and_ends(index, source):
    report = index.load(
        source(
            obo(
                "id: TOY:1|name: a|is_a: TOY:2",
                "id: TOY:2|name: b|is_a: TOY:1",
                "id: TOY:3|name: c|is_a: TOY:2",
                ontology="toy",
            )
        )
    )
    assert report.problems == ("cycle: TOY:1, TOY:2 are each other's ancestors",)
    assert index.descendants("TOY:1") == {OBO + f"TOY_{n}" for n in (1, 2, 3)}
    assert index.ancestors("TOY:1") == {OBO + "TOY_2"}
    assert len(index.path("TOY:3", "TOY:1")) == 3


def test_parents_that_nobody_defines_are_reported_and_join_later(index, source):
    report = index.load(source(obo("id: TOY:1|name: a|is_a: BASE:1", ontology="toy")))
    assert report.problems == ("1 parents are defined by no loaded vocabulary: BASE:1",)
    assert index.get("TOY:1").parents == ()
    index.load(source(obo("id: BASE:1|name: base", ontology="base"), "base.obo"))
    assert index.get("TOY:1").parents == (OBO + "BASE_1",)


def test_what_is_loaded_has_the_first_word_over_the_starter(index, source):
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


def test_the_order_of_loading_does_not_matter(tmp_path, source):
    one = source(obo("id: X:1|name: first|is_a: X:2", "id: X:2|name: two", ontology="one"), "one.obo")
    two = source(obo("id: X:1|name: second", ontology="two"), "two.obo")
    digests = []
    for number, order in enumerate([(one, two), (two, one)]):
        with TermIndex.open(tmp_path / f"{number}.sqlite") as index:
            for path in order:
                index.load(path)
            digests.append((index.digest, index.get("X:1")))
    assert digests[0] == digests[1]


def test_the_digest_changes_with_what_is_loaded_and_only_then(index, source):
    path = source(TOY)
    empty = index.digest
    index.load(path)
    full = index.digest
    index.load(path)
    assert len(full) == 64
    assert full != empty
    assert index.digest == full


def test_a_new_version_replaces_the_old_one(toy, source):
    report = toy.load(source(obo("id: TOY:1|name: only", ontology="toy", version="2")))
    assert report.version == "2"
    assert [v["name"] for v in toy.vocabularies()] == ["sillage-starter", "toy"]
    with pytest.raises(NotFoundError):
        toy.get("TOY:4")


def test_a_report_says_what_was_loaded(index, source):
    report = index.load(source(TOY))
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


def test_a_load_that_fails_half_way_leaves_the_index_as_it_was(index, source, monkeypatch):
    before = index.digest

    def fail(*_):
        raise RuntimeError("in the middle")

    monkeypatch.setattr(_index_file, "_insert_terms", fail)
    with pytest.raises(RuntimeError):
        index.load(source(TOY))
    monkeypatch.undo()
    assert index.digest == before
    with pytest.raises(NotFoundError):
        index.get("TOY:1")


def test_find_completes_what_is_typed(starter):
    assert starter.find("multiple scl")[0].label == "multiple sclerosis"
    assert starter.find("scl mult")[0].label == "multiple sclerosis"
    assert starter.find("Alzh")[0].curie == "DOID:10652"
    assert starter.find("ms")[0].label == "multiple sclerosis"
    assert starter.find("DOID:2377")[0].label == "multiple sclerosis"
    assert "Parkinson's disease" in [t.label for t in starter.find("parkinson's")]
    assert len(starter.find("dis", limit=3)) == 3
    assert starter.find("x", limit=0) == []
    assert starter.find("d", limit=5)


def test_find_ignores_accents_and_puts_the_given_up_last(index, source):
    index.load(
        source(obo("id: TOY:1|name: maladie de Ménière", "id: TOY:2|name: maladie|is_obsolete: true", ontology="toy"))
    )
    assert index.find("meniere")[0].curie == "TOY:1"
    assert [t.curie for t in index.find("maladie")] == ["TOY:1", "TOY:2"]


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


def test_a_load_is_seen_by_every_open_index(index, source):
    with TermIndex.open(index.file) as other:
        digest = other.digest
        with pytest.raises(NotFoundError):
            other.get("TOY:4")
        index.load(source(TOY))
        assert other.get("TOY:4").label == "child"
        assert other.digest == index.digest != digest


def test_a_load_in_another_process_is_seen_here(index, source):
    path = source(TOY)
    code = OPENING + ".load(pathlib.Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, index.file, path], check=True, timeout=60)
    assert index.resolve("kid").term.curie == "TOY:4"


def test_several_processes_may_make_it_at_once(tmp_path):
    file = tmp_path / "new" / "terms.sqlite"
    code = f"{OPENING}.digest; sys.stdout.write(opened)"
    started = [
        subprocess.Popen([sys.executable, "-c", code, file], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    answers = {process.communicate(timeout=60)[0] for process in started}
    assert len(answers) == 1
    assert {process.returncode for process in started} == {0}
    assert not list(file.parent.glob(".*"))


def test_threads_read_while_another_loads(index, source):
    path = source(TOY)
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
    index.load(path)
    for thread in threads:
        thread.join()
    assert failures == []


def test_closing_twice_is_harmless(index):
    index.close()
    index.close()
