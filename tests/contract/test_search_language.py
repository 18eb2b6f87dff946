"""What the query language can ask of texts, times, results and datasets: the same of every search backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.model import Put
from catalog.search.index import Extent, SearchIndex
from catalog.search.query import parse
from catalog.search.testing import MemoryRepository
from catalog.search.testing.backends import BACKENDS
from catalog.search.testing.terms import OBO
from ontology.errors import InvalidRequestError
from tests.contract.search_world import OTHER, STUDY, acquisition, ids, image, participant, person, value

DERIVED = "urn:uuid:0000000d-0000-4000-8000-000000000003"


def dataset(iri: str, label: str, **document: Any) -> Put:
    return Put(id=iri, type="Dataset", document={"label": label, **document})


def result(number: int, of: int | None, path: str, **fields: Any) -> Put:
    document = {
        "label": f"result-{number:02}",
        "dataset": DERIVED,
        "participant": person(of) if of is not None else None,
        "files": [{"path": path}],
        **fields,
    }
    return Put(id=f"urn:uuid:0000000e-0000-4000-8000-{number:012}", type="Entity", document=document)


def measures(**said: Any) -> dict[str, Any]:
    return {name: [{"value": number}] for name, number in said.items()}


@pytest.fixture
def repository() -> MemoryRepository:
    """A motor study and a sleep study, with results of two pipelines on the first."""
    found = MemoryRepository()
    use = {"value": "general use", "term": OBO + "X_2", "label": "demyelinating disease"}
    tapping = {"description": "Finger tapping in the scanner", "keywords": ["hand", "Müller"], "license": "CC0"}
    tapping |= {"data_use": [use], "doi": "doi:10.1234/AbC", "published_as": ["10.5072/own"], "access_rights": "public"}
    qc = [{"Name": "image-qc", "Version": "v1.10.0"}]
    time, note = value("2020-03-01T10:00:00"), value("likes motor-cars")
    found.put(
        dataset(STUDY, "ds001", title="Motor cortex", **tapping),
        dataset(OTHER, "ds002", title="Sleep", license="CC BY 4.0", license_id="CC-BY-4.0", access_rights="restricted"),
        dataset(DERIVED, "qc of ds001", generated_by=qc),
        participant(1, sex=value("female"), age=value(31, unit="a"), note=note, scanned=value("2020")),
        participant(2, sex=value("male"), age=value(26, unit="wk"), scanned=value("2020-06-30T23:59:59Z")),
        participant(3, sex=value("male"), age=value("old"), scanned=value("2020-06 or later")),
        participant(4, dataset=OTHER, age=value(50, unit="a"), scanned=value("2021-01-01"), note=value("Night shift")),
        acquisition(1, 1, suffix="T1w", properties={"task": [value("finger tapping")], "acq_time": [time]}),
        acquisition(2, 2, suffix="T1w"),
        acquisition(3, 2, dataset=DERIVED, derived=True, suffix="T1w", measures=measures(SNRTotal=9)),
        acquisition(4, 4, dataset=OTHER, suffix="bold"),
        result(1, 1, "sub-01/anat/sub-01_desc-qc_T1w.json", suffix="T1w", measures=measures(SNRTotal=12.5, cjv=0.4)),
        result(2, 1, "sub-01.html"),
        result(3, None, "group.tsv", measures=measures(SNRTotal=99)),
    )
    return found


@pytest.fixture
def index(backend: str, tmp_path: Path, repository: MemoryRepository) -> Iterator[SearchIndex]:
    found = BACKENDS[backend](tmp_path)
    found.catch_up(repository)
    yield found
    found.close()


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("matches('motor')", [1, 2, 3]),
        ("matches('MOTOR cars')", [1]),
        ("matches('mot* fing* HAND')", [1, 2, 3]),
        ("matches('muller')", [1, 2, 3]),
        ("matches('mülle')", []),
        ("matches('night')", [4]),
        ("matches('tapping')", [1, 2, 3]),
        ("has(matches('finger'))", [1, 2]),
        ("has(matches(task, 'finger tapping'))", [1]),
        ("NOT matches('motor')", [4]),
        ("matches(note, 'cars')", [1]),
        ("matches(note, 'motor shift')", []),
        ("matches(dataset.title, 'sle*')", [4]),
        ("matches('motor') AND sex = 'male'", [2, 3]),
    ],
)
def test_words_are_found_wherever_they_stand(index: SearchIndex, text: str, expected: list[int]) -> None:
    assert ids(index, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("within(scanned, '2020')", [1, 2]),
        ("within(scanned, '2020-01-01/2020-06-30')", [1, 2]),
        ("within(scanned, '2020-06/2020-06')", [2]),
        ("within(scanned, '2020-06-30T23:59:59/..')", [2, 4]),
        ("within(scanned, '../2020-06')", [1, 2]),
        ("within(scanned, '2020-07/..')", [4]),
        ("NOT within(scanned, '../..')", None),
        ("has(within(acq_time, '2020-03-01T09/2020-03-01'))", None),
        ("has(within(acq_time, '2020-03-01T09:30/2020-03-01'))", [1]),
        ("within(age, 'P30Y/P50Y')", [1, 4]),
        ("within(age, 'P3M/P1Y')", [2]),
        ("within(age, '../P6M')", [2]),
        ("within(age, 'P50Y/..')", [4]),
        ("within(label, '2020')", []),
    ],
)
def test_times_and_ages_lie_within_intervals(index: SearchIndex, text: str, expected: list[int] | None) -> None:
    if expected is None:
        with pytest.raises(InvalidRequestError):
            parse(text)
        return
    assert ids(index, text) == expected


def test_a_duration_is_no_interval_of_what_has_no_unit_of_time(index: SearchIndex) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        index.find(parse("within(note, 'P1Y/P2Y')"), datasets=None)
    assert caught.value.field == "note"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("derived(measure('snr_total') > 9)", [1]),
        ("derived(measure('SNRTotal') >= 9)", [1, 2]),
        ("has(measure('snr_total') > 9 AND suffix = 'T1w')", [1]),
        ("derived(measure(cjv) < 1 AND pipeline = 'image-qc')", [1]),
        ("derived(measure('snr_total') IS NULL)", [1]),
        ("derived(version > '1.9')", [1, 2]),
        ("derived(version = '1.10')", [1, 2]),
        ("derived(version <> '1.10')", []),
        ("derived(version BETWEEN '1.10' AND '2')", [1, 2]),
        ("has(pipeline_version < '1.9')", []),
        ("has(pipeline_version IN ('0.1', '1.10.0'))", [1, 2]),
        ("has(pipeline_version IS NULL)", [1, 2, 4]),
        ("derived(result = 'html')", [1]),
        ("count(TRUE) = 1", [1, 4]),
        ("count(derived = TRUE) = 2", [1]),
        ("count(suffix = 'T1w') = 1", [1]),
        ("count(suffix = 'T1w') = 2", [2]),
        ("has(NOT suffix = 'T1w')", [4]),
        ("NOT derived(TRUE)", [3, 4]),
    ],
)
def test_results_are_found_by_what_made_them_and_what_they_say(
    index: SearchIndex, text: str, expected: list[int]
) -> None:
    assert ids(index, text) == expected


def test_a_version_is_compared_with_versions(index: SearchIndex) -> None:
    for text in ("derived(version > 'newest')", "derived(version > 1.9)"):
        with pytest.raises(InvalidRequestError) as caught:
            index.find(parse(text), datasets=None)
        assert caught.value.field == "pipeline_version"


def test_results_that_are_no_images_are_selected_when_asked_for(index: SearchIndex) -> None:
    assert index.select(parse("TRUE"), participant=person(1)) == [image(1)]
    assert len(index.select(parse("derived = TRUE"), participant=person(1))) == 2
    assert index.extent("measure.snr_total") == Extent(level="acquisition", low=9, high=99, whole=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dataset.title = 'MOTOR cortex'", [1, 2, 3]),
        ("dataset.description LIKE '%tapping%'", [1, 2, 3]),
        ("dataset.keyword = 'hand'", [1, 2, 3]),
        ("dataset.license = 'CC0'", [1, 2, 3]),
        ("dataset.license = 'CC0-1.0'", [1, 2, 3]),
        ("dataset.license = 'https://creativecommons.org/publicdomain/zero/1.0/'", [1, 2, 3]),
        ("dataset.license IN ('cc-by 4.0')", [4]),
        ("dataset.license <> 'CC0'", [4]),
        ("under(dataset.data_use, 'X:1')", [1, 2, 3]),
        ("dataset.data_use IS NULL", [4]),
        ("dataset.doi = '10.1234/ABC'", [1, 2, 3]),
        ("dataset.doi = 'doi:10.1234/abc'", [1, 2, 3]),
        ("dataset.doi = 'https://doi.org/10.5072/OWN'", [1, 2, 3]),
        ("dataset.access_rights = 'restricted'", [4]),
        ("has(dataset.access_rights = 'public' AND suffix = 'T1w')", [1, 2]),
    ],
)
def test_records_have_what_their_dataset_says(index: SearchIndex, text: str, expected: list[int]) -> None:
    assert ids(index, text) == expected


def test_what_datasets_say_is_counted_and_described_of_visible_ones_alone(index: SearchIndex) -> None:
    answer = index.find(parse("TRUE"), datasets=None, facets=["dataset.license", "dataset.data_use"])
    counts = {name: [(v.value, v.count) for v in values] for name, values in answer.facets.items()}
    assert counts == {"dataset.license": [("CC0-1.0", 3), ("CC-BY-4.0", 1)], "dataset.data_use": [("X:2", 3)]}
    infos = {info.name: info for info in index.properties(datasets={OTHER})}
    assert infos["dataset.license"].examples == ("'CC-BY-4.0'",)
    assert (infos["dataset.title"].level, infos["dataset.title"].count) == ("participant", 1)
    assert "dataset.doi" not in infos


def test_an_explanation_says_where_each_word_was_found(index: SearchIndex) -> None:
    (hit,) = index.find(parse("matches('cars tapping')"), datasets=None, explain=True).items
    found = [(r.condition, r.property, r.value) for r in hit.explanation]
    assert found == [
        ("matches('cars')", "note", "likes motor-cars"),
        ("matches('tapping')", "dataset.description", "Finger tapping in the scanner"),
    ]
    absent = index.find(parse("NOT matches('motor')"), datasets=None, explain=True).items[0].explanation
    assert [(r.condition, r.property) for r in absent] == [("NOT matches('motor')", None)]


@pytest.mark.parametrize("name", ["id", "label", "dataset"])
def test_names_are_no_texts_to_look_for_words_in(index: SearchIndex, name: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        index.find(parse(f"matches({name}, 'x')"), datasets=None)
    assert caught.value.field == name
    assert "LIKE" in (caught.value.next_step() or "")


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("sex = 'femal'", "nobody's sex is 'femal'; did you mean 'female'?"),
        ("sex IN ('male', 'femal')", "nobody's sex is 'femal'; did you mean 'female'?"),
        ("has(suffix = 'T1')", "no acquisition's suffix is 'T1'; did you mean 'T1w'?"),
        ("dataset.title = 'Motor corteks'", "no dataset's title is 'Motor corteks'; did you mean 'Motor cortex'?"),
        ("dataset = 'ds01'", "no dataset's dataset is 'ds01'; did you mean 'ds001'?"),
    ],
)
def test_a_slip_of_the_pen_is_noticed(index: SearchIndex, text: str, notice: str) -> None:
    assert index.find(parse(text), datasets=None).notices == (notice,)


@pytest.mark.parametrize("text", ["sex = 'female'", "sex = 'x'", "age = '3'", "sex = 'disease'", "note = 'true'"])
def test_what_is_no_slip_gets_no_notice(index: SearchIndex, text: str) -> None:
    assert index.find(parse(text), datasets=None).notices == ()


def test_nobody_is_told_of_values_that_they_may_not_see(index: SearchIndex) -> None:
    assert index.find(parse("note = 'Nigth shift'"), datasets=None).notices
    assert index.find(parse("note = 'Nigth shift'"), datasets={STUDY}).notices == ()


def test_a_term_that_was_given_up_is_followed_in_comparisons_too(
    index: SearchIndex, repository: MemoryRepository
) -> None:
    repository.put(
        participant(8, diagnosis=value("MS", term=OBO + "X_4")), participant(9, diagnosis=value("x", term=OBO + "X_6"))
    )
    index.catch_up(repository)
    for text in ("diagnosis = 'disseminated sclerosis'", "diagnosis = 'X:6'", "diagnosis IN ('X:6')"):
        answer = index.find(parse(text), datasets=None)
        assert [hit.label for hit in answer.items] == ["sub-08", "sub-09"]
        assert answer.notices == ("X:6 was given up",)


def test_conditions_are_counted_side_by_side(index: SearchIndex) -> None:
    conditions = [parse(text) for text in ("sex = 'male'", "has(suffix = 'T1w')", "TRUE", "FALSE")]
    assert index.count_each(parse("dataset = 'ds001'"), conditions, datasets=None) == (2, 2, 3, 0)
    assert index.count_each(parse("TRUE"), [], datasets=None) == ()
    assert index.count_each(parse("TRUE"), conditions[:1], datasets={OTHER}) == (0,)


def test_what_a_dataset_says_follows_its_revisions(index: SearchIndex, repository: MemoryRepository) -> None:
    repository.put(dataset(STUDY, "ds001", title="Renamed"))
    repository.withdraw("urn:uuid:0000000e-0000-4000-8000-000000000001")
    index.catch_up(repository)
    assert ids(index, "matches('cortex')") == []
    assert ids(index, "dataset.title = 'renamed'") == [1, 2, 3]
    assert ids(index, "derived(measure('snr_total') > 9)") == []
    assert list(index.check(repository)) == []
