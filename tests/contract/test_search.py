"""The contract of :class:`catalog.search.index.SearchIndex`: every backend passes it unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.model import Commit, Note, Put
from catalog.search.index import SearchIndex
from catalog.search.query import parse
from catalog.search.testing import MemoryRepository
from catalog.search.testing.backends import BACKENDS, Opener
from catalog.search.testing.terms import OBO
from ontology.errors import AmbiguousError, BackendUnavailableError, InvalidRequestError
from tests.contract.search_world import OTHER, STUDY, acquisition, ids, image, participant, person, two_studies, value


@pytest.fixture
def repository() -> MemoryRepository:
    return two_studies()


@pytest.fixture(params=sorted(BACKENDS))
def opener(request: pytest.FixtureRequest) -> Opener:
    return BACKENDS[request.param]


@pytest.fixture
def index(opener: Opener, tmp_path: Path, repository: MemoryRepository) -> Iterator[SearchIndex]:
    found = opener(tmp_path)
    found.catch_up(repository)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TRUE", [1, 2, 3, 4]),
        ("sex = 'F'", [1]),
        ("sex = 'Female'", [1]),
        ("sex = 'X:8'", [1]),
        (f"sex = '{OBO}X_8'", [1]),
        ("sex = 'boys'", [2, 3, 4]),
        ("SEX IN ('F', 'boys')", [1, 2, 3, 4]),
        ("gender = 'F'", [1]),
        ("sex <> 'F'", [2, 3, 4]),
        ("age > 31", [2, 4]),
        ("age BETWEEN 31 AND 40", [1, 4]),
        ("age = '31'", [1]),
        ("age IS NULL", [3]),
        ("age IS NOT NULL AND NOT age < 50", [2]),
        ("NOT age < 50", [2, 3]),
        ("diagnosis LIKE 'con%'", [2]),
        ("under(diagnosis, 'X:1')", [1]),
        ("under(diagnosis, 'autoimmune disease')", [1]),
        ("NOT under(diagnosis, 'disease')", [2, 3, 4]),
        ("has(suffix = 't1W' AND magnetic_field_strength >= 3)", [1, 4]),
        ("has(suffix = 'T1w') AND has(MagneticFieldStrength = 7)", [2]),
        ("NOT has(suffix = 'FLAIR')", [3, 4]),
        ("has(NOT suffix = 'FLAIR')", [1, 2, 4]),
        ("count(suffix = 'FLAIR') < 1", [3, 4]),
        ("count(suffix = 'T1w') BETWEEN 0 AND 3", [1, 2, 3, 4]),
        ("label = 'sub-02' OR label = '03'", [2, 3]),
        ("participant_id LIKE '%3'", [3]),
        ("dataset = 'ds002'", [4]),
        ("dataset = 'a study'", [1, 2, 3]),
        (f"dataset <> '{STUDY}'", [4]),
        (f"id = '{person(2)}'", [2]),
        ("height IS NULL", [1, 2, 3, 4]),
    ],
)
def test_answers(index: SearchIndex, text: str, expected: list[int]) -> None:
    assert ids(index, text) == expected


def test_what_is_in_other_datasets_does_not_exist(index: SearchIndex) -> None:
    assert ids(index, "TRUE", {STUDY}) == [1, 2, 3]
    assert ids(index, "has(suffix = 'FLAIR')", {STUDY}) == [1]
    assert ids(index, "count(TRUE) = 1", {STUDY}) == [2]
    assert ids(index, "TRUE", set()) == []
    assert ids(index, "dataset = 'ds002'", {STUDY}) == []
    facets = index.find(parse("TRUE"), datasets={STUDY}, facets=["suffix", "dataset"]).facets
    assert [(v.value, v.count) for v in facets["suffix"]] == [("T1w", 2), ("FLAIR", 1)]
    assert [(v.label, v.count) for v in facets["dataset"]] == [("ds001", 3)]


def test_a_property_that_only_others_have_is_unknown_to_those_who_may_not_see_it(index: SearchIndex) -> None:
    assert ids(index, "secret_score = 7") == [4]
    with pytest.raises(InvalidRequestError):
        index.find(parse("secret_score = 7"), datasets={STUDY})
    assert "secret_score" not in {info.name for info in index.properties(datasets={STUDY})}
    assert "secret_score" in {info.name for info in index.properties()}


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("nosuchproperty = 3", "nosuchproperty", "Properties of participants here"),
        ("dianosis = 'x'", "dianosis", "diagnosis"),
        ("suffix = 'T1w'", "suffix", "has(suffix"),
        ("has(age > 3)", "age", "outside has()"),
        ("has(sufix = 'T1w')", "sufix", "suffix"),
        ("under(diagnosis, 'no such term at all')", "diagnosis", ""),
    ],
)
def test_what_is_not_known_is_refused_by_name(index: SearchIndex, text: str, field: str, says: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        index.find(parse(text), datasets=None)
    assert caught.value.field == field
    assert says in (caught.value.next_step() or "")


def test_an_empty_catalogue_knows_the_customary_properties(opener: Opener, tmp_path: Path) -> None:
    index = opener(tmp_path)
    assert index.applied == -1
    assert index.catch_up(MemoryRepository()) == -1
    text = "age > 3 AND under(diagnosis, 'disease') AND has(suffix = 'T1w' AND magnetic_field_strength > 1)"
    assert index.find(parse(text), datasets=None, facets=["sex", "suffix"]).count == 0
    with pytest.raises(InvalidRequestError):
        index.find(parse("nosuchproperty = 3"), datasets=None)
    assert index.properties() == []


def test_a_term_that_means_several_things_is_an_error_in_under_and_a_notice_elsewhere(index: SearchIndex) -> None:
    with pytest.raises(AmbiguousError) as caught:
        index.find(parse("under(diagnosis, 'cold')"), datasets=None)
    assert len(caught.value.params["candidates"]) == 2
    assert caught.value.field == "diagnosis"
    found = index.find(parse("diagnosis = 'cold'"), datasets=None)
    assert found.count == 0
    assert "several things" in found.notices[0]


def test_a_term_that_was_given_up_is_followed_with_a_notice(index: SearchIndex, repository: MemoryRepository) -> None:
    repository.put(participant(9, diagnosis=value("old", term=OBO + "X_6")))
    index.catch_up(repository)
    found = index.find(parse("under(diagnosis, 'disseminated sclerosis')"), datasets=None, explain=True)
    assert [hit.label for hit in found.items] == ["sub-01", "sub-09"]
    assert found.notices == ("X:6 was given up",)
    assert [step["curie"] for step in found.items[1].explanation[0].chain] == ["X:4"]


def test_explanations_name_value_axioms_and_acquisition(index: SearchIndex) -> None:
    text = "under(diagnosis, 'X:1') AND age < 50 AND has(suffix = 'FLAIR' AND magnetic_field_strength > 1)"
    (hit,) = index.find(parse(text), datasets=None, explain=True).items
    term, age, suffix, tesla = (reason.to_json() for reason in hit.explanation)
    assert term["condition"] == "under(diagnosis, 'X:1')"
    assert (term["value"], term["original"], term["source"]) == ("MS", "MS", "participants.tsv")
    assert [step["label"] for step in term["chain"]] == [
        "relapsing multiple sclerosis",
        "multiple sclerosis",
        "demyelinating disease",
        "disease",
    ]
    assert (age["property"], age["value"], age["unit"]) == ("age", 31, "a")
    assert suffix["acquisition"] == tesla["acquisition"] == {"id": image(2), "label": "image-02"}
    assert tesla["value"] == 3


def test_every_condition_that_holds_has_a_reason(index: SearchIndex) -> None:
    text = "NOT has(suffix = 'bold') AND age IS NOT NULL AND NOT sex = 'F' AND count(TRUE) >= 1 AND height IS NULL"
    for hit in index.find(parse(text), datasets=None, explain=True).items:
        assert [reason.condition for reason in hit.explanation] == text.split(" AND ")
    assert index.find(parse(text), datasets=None).items[0].explanation == ()


def test_facets_count_the_whole_answer_and_their_values_can_be_asked_for(index: SearchIndex) -> None:
    found = index.find(parse("TRUE"), datasets=None, facets=["sex", "diagnosis", "suffix", "age"], limit=1)
    assert [(v.value, v.label, v.count) for v in found.facets["sex"]] == [("X:7", "male", 3), ("X:8", "female", 1)]
    assert [(v.label, v.count) for v in found.facets["suffix"]] == [("T1w", 3), ("FLAIR", 2)]
    assert {v.value for v in found.facets["age"]} == {31, 40, 52}
    for one in found.facets["sex"]:
        assert index.find(parse(f"sex = '{one.value}'"), datasets=None).count == one.count
    assert found.facets["diagnosis"][0].count == 1


@pytest.mark.parametrize("name", ["nosuchproperty", "label", "id"])
def test_a_facet_that_divides_nobody_is_refused(index: SearchIndex, name: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        index.find(parse("TRUE"), datasets=None, facets=[name])
    assert caught.value.field == name


def test_pages_follow_each_other_by_dataset_and_label(index: SearchIndex) -> None:
    seen, cursor = list[tuple[str | None, str]](), None
    for _ in range(4):
        page = index.find(parse("TRUE"), datasets=None, cursor=cursor, limit=1)
        assert (page.count, len(page.items)) == (4, 1)
        seen += [(hit.dataset, hit.label) for hit in page.items]
        cursor = page.next
    assert cursor is None
    assert seen == sorted(set(seen))


def test_a_cursor_of_another_query_or_of_nobody_is_refused(index: SearchIndex) -> None:
    cursor = index.find(parse("TRUE"), datasets=None, limit=1).next
    assert cursor is not None
    for query, wrong in (("sex = 'F'", cursor), ("TRUE", cursor[:-3]), ("TRUE", "é"), ("TRUE", ""), ("TRUE", "W10")):
        with pytest.raises(InvalidRequestError) as caught:
            index.find(parse(query), datasets=None, cursor=wrong)
        assert caught.value.field == "cursor"


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_1_to_1000_hits(index: SearchIndex, limit: int) -> None:
    with pytest.raises(InvalidRequestError):
        index.find(parse("TRUE"), datasets=None, limit=limit)


def test_a_write_is_seen_by_the_next_question(index: SearchIndex, repository: MemoryRepository) -> None:
    repository.put(participant(1, sex=value("M"), age=value(99)))
    repository.withdraw(person(2), image(5))
    assert index.catch_up(repository) == repository.sequence == index.applied
    assert ids(index, "TRUE") == [1, 3, 4]
    assert ids(index, "age = 99") == [1]
    assert ids(index, "under(diagnosis, 'disease')") == []
    assert ids(index, "has(suffix = 'T1w')") == [1]
    assert list(index.check(repository)) == []


def test_an_acquisition_may_come_before_its_participant(index: SearchIndex, repository: MemoryRepository) -> None:
    repository.put(acquisition(50, 50, suffix="dwi"))
    index.catch_up(repository)
    assert ids(index, "has(suffix = 'dwi')") == []
    repository.put(participant(50))
    index.catch_up(repository)
    assert ids(index, "has(suffix = 'dwi')") == [50]


def test_what_belongs_to_a_withdrawn_dataset_is_gone(index: SearchIndex, repository: MemoryRepository) -> None:
    repository.withdraw(OTHER)
    index.catch_up(repository)
    assert ids(index, "TRUE") == [1, 2, 3]
    assert ids(index, "has(suffix = 'FLAIR')") == [1]
    assert "secret_score" not in {info.name for info in index.properties()}


def test_entries_that_change_no_record_are_covered_too(index: SearchIndex, repository: MemoryRepository) -> None:
    repository.commit(Commit(principal="urn:uuid:x", action="cohort.query", changes=[Note(subject="urn:uuid:c")]))
    assert index.catch_up(repository) == repository.sequence


def test_acquisitions_of_one_participant_are_selected(index: SearchIndex) -> None:
    assert index.select(parse("suffix = 'T1w'"), participant=person(1)) == [image(1)]
    assert index.select(parse("TRUE"), participant=person(1)) == [image(1), image(2)]
    assert index.select(parse("suffix = 'FLAIR'"), participant=person(2), datasets={STUDY}) == []
    assert index.select(parse("TRUE"), participant=person(99)) == []
    for text in ("has(suffix = 'T1w')", "count(TRUE) > 1", "age > 3", "nosuchproperty = 3"):
        with pytest.raises(InvalidRequestError):
            index.select(parse(text), participant=person(1))


def test_properties_are_described(index: SearchIndex) -> None:
    infos = {info.name: info for info in index.properties()}
    assert (infos["age"].level, infos["age"].kinds, infos["age"].count) == ("participant", ("number",), 3)
    assert infos["sex"].kinds == ("term", "text")
    assert infos["sex"].examples == ("'X:7'", "'X:8'")
    assert infos["suffix"].level == "acquisition"
    assert infos["suffix"].count == 6
    assert [info.name for info in index.facet_properties()][:1] == ["sex"]
    restricted = {info.name: info for info in index.properties(datasets={OTHER})}
    assert restricted["sex"].examples == ("'X:7'",)
    assert restricted["suffix"].count == 2


def test_derived_acquisitions_are_found_by_what_generated_them(
    index: SearchIndex, repository: MemoryRepository
) -> None:
    made = "urn:uuid:0000000d-0000-4000-8000-000000000003"
    generated_by = [{"Name": "image-qc", "Version": "1.2.0"}]
    repository.put(
        Put(id=made, type="Dataset", document={"label": "qc of ds001", "generated_by": generated_by}),
        acquisition(70, 1, dataset=made, derived=True, suffix="mask"),
    )
    index.catch_up(repository)
    assert ids(index, "has(derived = TRUE AND pipeline = 'image-qc' AND pipeline_version = '1.2.0')") == [1]
    assert ids(index, "has(pipeline = 'image-qc')", {STUDY, OTHER}) == []
    (facet,) = index.find(parse("TRUE"), datasets=None, facets=["pipeline"]).facets["pipeline"]
    assert (facet.value, facet.count) == ("image-qc", 1)
    infos = {info.name: info for info in index.properties()}
    assert (infos["pipeline"].count, infos["pipeline"].examples) == (1, ("'image-qc'",))
    with pytest.raises(InvalidRequestError):
        index.find(parse("pipeline = 'image-qc'"), datasets=None)


def test_an_index_can_be_rebuilt_at_any_time(index: SearchIndex, repository: MemoryRepository) -> None:
    repository.withdraw(person(1))
    assert index.rebuild(repository) == repository.sequence == index.applied
    assert ids(index, "TRUE") == [2, 3, 4]
    assert list(index.check(repository)) == []


@pytest.mark.parametrize("text", ["x'); DROP TABLE participant; --", "%' OR '1'='1", '"', "\\", "\x00", "☃", "a\nb"])
def test_hostile_texts_are_only_texts(index: SearchIndex, repository: MemoryRepository, text: str) -> None:
    repository.put(participant(66, sex=value(text)))
    index.catch_up(repository)
    literal = text.replace("'", "''")
    assert ids(index, f"sex = '{literal}'") == [66]
    assert ids(index, f"sex LIKE '{literal}'") in ([], [66])
    assert ids(index, "TRUE") == [1, 2, 3, 4, 66]


def test_several_threads_may_ask_and_write(index: SearchIndex, repository: MemoryRepository) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def work(number: int) -> int:
        repository.put(participant(1000 + number, age=value(60)))
        index.catch_up(repository)
        return index.find(parse(f"label = 'sub-{1000 + number}'"), datasets=None, explain=True, facets=["age"]).count

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(40))) == [1] * 40
    assert list(index.check(repository)) == []


def test_a_closed_index_says_so(opener: Opener, tmp_path: Path) -> None:
    index = opener(tmp_path)
    index.close()
    index.close()
    with pytest.raises(BackendUnavailableError):
        index.find(parse("TRUE"), datasets=None)


def test_a_persistent_index_goes_on_where_it_was(
    opener: Opener, index: SearchIndex, tmp_path: Path, repository: MemoryRepository
) -> None:
    if not index.capabilities.persistent:
        pytest.skip("this backend keeps nothing: it is built anew on opening")
    again = opener(tmp_path)
    assert again.applied == repository.sequence
    assert ids(again, "TRUE") == [1, 2, 3, 4]
    if index.capabilities.several_processes:
        repository.put(participant(77))
        again.catch_up(repository)
        assert ids(index, "TRUE") == [1, 2, 3, 4, 77]
    again.close()
