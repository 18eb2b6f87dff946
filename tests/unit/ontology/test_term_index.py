"""The term index: names, hierarchy, terms that were given up, search."""

import pytest

from ontology.errors import AmbiguousError, NotFoundError

OBO = "http://purl.obolibrary.org/obo/"


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
    "text",
    [
        "",
        "   ",
        '"',
        "' OR 1=1 --",
        "*",
        "a AND (",
        "\x00",
        "%",
        pytest.param("née" * 1000, id="accents"),
        "NEAR(",
        "-",
        ":",
        "\ud800",
        pytest.param("x" * 100_000, id="long"),
    ],
)
def test_hostile_text_finds_nothing_and_breaks_nothing(starter, text):
    with pytest.raises(NotFoundError):
        starter.resolve(text)
    assert isinstance(starter.find(text), list)


def test_a_label_beats_a_synonym_and_that_a_cross_reference(index, source, obo):
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


def test_several_equal_answers_are_an_error_with_candidates(index, source, obo):
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


def test_replacements_in_a_circle_end(index, source, obo):
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


def test_a_cycle_is_reported_and_ends(index, source, obo):
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


def test_parents_that_nobody_defines_are_reported_and_join_later(index, source, obo):
    report = index.load(source(obo("id: TOY:1|name: a|is_a: BASE:1", ontology="toy")))
    assert report.problems == ("1 parents are defined by no loaded vocabulary: BASE:1",)
    assert index.get("TOY:1").parents == ()
    index.load(source(obo("id: BASE:1|name: base", ontology="base"), "base.obo"))
    assert index.get("TOY:1").parents == (OBO + "BASE_1",)


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


def test_find_ignores_accents_and_puts_the_given_up_last(index, source, obo):
    index.load(
        source(obo("id: TOY:1|name: maladie de Ménière", "id: TOY:2|name: maladie|is_obsolete: true", ontology="toy"))
    )
    assert index.find("meniere")[0].curie == "TOY:1"
    assert [t.curie for t in index.find("maladie")] == ["TOY:1", "TOY:2"]


def test_match_is_resolve_without_the_advice(toy):
    assert toy.match("kid").curie == "TOY:4"
    assert toy.match("old child").curie == "TOY:4"
    assert toy.match("old child", within=["TOY:1"]).curie == "TOY:4"  # judged by what replaces it
    assert toy.match("kid", within=["DOID:4"]) is None
    assert toy.match("no such thing") is None


def test_a_message_does_not_repeat_a_book(starter):
    with pytest.raises(NotFoundError) as caught:
        starter.resolve("x" * 100_000)
    assert len(caught.value.detail) < 200
