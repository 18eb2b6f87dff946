"""The crosswalk: columns, cells and sidecars to values with terms, and nothing guessed."""

import json

import pytest

from ontology.crosswalk import Crosswalk, Value
from ontology.curies import expand
from ontology.terms import TermIndex

MALE = "http://purl.obolibrary.org/obo/PATO_0000384"
HEALTHY = "http://purl.obolibrary.org/obo/NCIT_C94342"


@pytest.fixture
def crosswalk(starter):
    return Crosswalk(starter)


@pytest.mark.parametrize(
    ("column", "prop"),
    [
        ("age", "age"),
        ("Age", "age"),
        ("age_years", "age"),
        ("AgeYears", "age"),
        ("Age (years)", "age"),
        ("age_at_first_scan_years", "age"),
        ("age_months", "age"),
        ("sex", "sex"),
        ("Gender", "sex"),
        ("dx", "diagnosis"),
        ("Diagnosis", "diagnosis"),
        ("group", "group"),
        ("dominant_hand", "handedness"),
        ("Species", "species"),
        ("strain", "strain"),
        ("strain_rrid", "strain_rrid"),
        ("MMSE", "mmse"),
        ("BatchID", "batch_id"),
        ("number_of_scans_before", "number_of_scans_before"),
        ("tool1_item1", "tool1_item1"),
        ("???", "???"),
        ("", ""),
    ],
)
def test_columns_have_one_name(crosswalk, column, prop):
    assert crosswalk.participant_property(column) == prop


def test_an_annotation_names_the_property(crosswalk):
    annotated = {"Annotations": {"IsAbout": {"TermURL": "nb:Diagnosis", "Label": "Diagnosis"}}}
    assert crosswalk.participant_property("pheno_group", description=annotated) == "diagnosis"
    assert crosswalk.participant_property("pheno_group") == "pheno_group"


@pytest.mark.parametrize(
    ("prop", "original", "value"),
    [
        ("age", "34", {"value": 34.0, "unit": "a"}),
        ("age", " 34.5 ", {"value": 34.5, "unit": "a"}),
        ("age", "89+", {"value": 89.0, "unit": "a"}),
        ("age", "about 30", {"value": "about 30"}),
        ("age", "30-35", {"value": "30-35"}),
        ("age", "n/a", {"value": None}),
        ("age", "", {"value": None}),
        ("age", "NaN", {"value": None}),
        ("sex", "M", {"value": "M", "term": MALE, "label": "male"}),
        ("sex", "male", {"value": "male", "term": MALE, "label": "male"}),
        ("sex", "M,", {"value": "M,"}),
        ("sex", "1", {"value": "1"}),
        ("diagnosis", "healthy", {"value": "healthy", "term": HEALTHY, "label": "healthy control"}),
        ("diagnosis", "something odd", {"value": "something odd"}),
        ("diagnosis", "brain", {"value": "brain"}),
        ("handedness", "100", {"value": 100.0}),
        ("weight", "21", {"value": 21.0}),
        ("weight", "-1e3", {"value": -1000.0}),
        ("participant_number", "007", {"value": "007"}),
        ("score", "1,5", {"value": "1,5"}),
        ("score", "inf", {"value": "inf"}),
        ("score", "0x10", {"value": "0x10"}),
        ("score", "1_000", {"value": "1_000"}),
        ("medicated", "TRUE", {"value": True}),
        ("medicated", "false", {"value": False}),
        ("note", "<script>alert(1)</script>", {"value": "<script>alert(1)</script>"}),
    ],
)
def test_cells_without_a_dictionary(crosswalk, prop, original, value):
    assert crosswalk.value(prop, original).to_json() == {"original": original, **value}


@pytest.mark.parametrize(
    ("prop", "text", "curie"),
    [
        ("diagnosis", "MS", "DOID:2377"),
        ("diagnosis", "Relapsing-Remitting Multiple Sclerosis", "DOID:2378"),
        ("diagnosis", "ICD10CM:G35", "DOID:2377"),
        ("diagnosis", "Alzheimer disease", "DOID:10652"),
        ("diagnosis", "PD", "DOID:14330"),
        ("diagnosis", "glioma", "DOID:3070"),
        ("diagnosis", "control", "NCIT:C94342"),
        ("group", "control", "sillage:control-group"),
        ("group", "patient", "sillage:patient-group"),
        ("group", "schizophrenia", "DOID:5419"),
        ("handedness", "left", "sillage:left-handed"),
        ("species", "rattus norvegicus", "NCBITaxon:10116"),
        ("species", "mouse", "NCBITaxon:10090"),
        ("species", "macaque", "NCBITaxon:9539"),
        ("strain", "C57BL/6J", "sillage:C57BL-6J"),
        ("sex", "F", "PATO:0000383"),
    ],
)
def test_values_find_their_terms_within_their_branch(crosswalk, starter, prop, text, curie):
    assert crosswalk.value(prop, text).term == starter.get(curie).iri


def test_a_data_dictionary_says_what_a_value_means(crosswalk):
    coded = {
        "Levels": {"0": "Male", "1": {"Description": "Female"}, "2": {"TermURL": "PATO:0001340"}, "9": "no answer"}
    }
    assert crosswalk.value("sex", "0", description=coded).label == "male"
    assert crosswalk.value("sex", "1", description=coded).label == "female"
    assert crosswalk.value("sex", "2", description=coded).label == "hermaphrodite"
    unmapped = crosswalk.value("sex", "9", description=coded)
    assert (unmapped.term, unmapped.label, unmapped.value) == (None, "no answer", "9")


def test_levels_of_any_column_give_labels(crosswalk):
    described = {"Levels": {"yes": "present", "no": "absent"}}
    assert crosswalk.value("idh", "yes", description=described).to_json() == {
        "value": "yes",
        "original": "yes",
        "label": "present",
    }


def test_a_term_url_beats_the_words_and_is_kept_when_the_index_lacks_it(crosswalk):
    described = {"Levels": {"A": {"Description": "Male", "TermURL": "http://purl.obolibrary.org/obo/PATO_0000383"}}}
    assert crosswalk.value("sex", "A", description=described).label == "female"
    foreign = {"Levels": {"A": {"Description": "Rare disease", "TermURL": "http://example.org/rare"}}}
    value = crosswalk.value("diagnosis", "A", description=foreign)
    assert (value.term, value.label) == ("http://example.org/rare", "Rare disease")


def test_other_peoples_identifiers_of_a_term_are_brought_to_ours(crosswalk):
    described = {
        "Levels": {"left": {"Description": "left", "TermURL": "http://purl.bioontology.org/ontology/SNOMEDCT/87683000"}}
    }
    assert crosswalk.value("handedness", "left", description=described).term == expand("sillage:left-handed")


@pytest.mark.parametrize(
    ("units", "original", "value", "unit"),
    [
        ("year", "30", 30.0, "a"),
        ("months", "18", 1.5, "a"),
        ("weeks", "8", 8 * 7 / 365.25, "a"),
        ("days", "365.25", 1.0, "a"),
        ("parsecs", "3", 3.0, "{parsecs}"),
    ],
)
def test_ages_are_in_years_where_that_can_be_said(crosswalk, units, original, value, unit):
    found = crosswalk.value("age", original, description={"Units": units})
    assert found.value == pytest.approx(value)
    assert found.unit == unit
    assert found.original == original


def test_units_become_ucum(crosswalk):
    assert crosswalk.value("weight", "70", description={"Units": "kilograms"}).unit == "kg"
    assert crosswalk.value("weight", "heavy", description={"Units": "kilograms"}).unit is None


def test_neurobagel_annotations(crosswalk):
    nb = "Annotations"
    age = {nb: {"Format": {"TermURL": "nb:FromEuro"}, "MissingValues": ["NA", "-1"]}}
    assert crosswalk.value("age", "34,1", description=age).value == 34.1
    assert crosswalk.value("age", "-1", description=age).value is None
    bounded = {nb: {"Format": {"TermURL": "nb:FromBounded"}}}
    assert crosswalk.value("age", "89+", description=bounded).value == 89.0
    iso = {"Units": "months", nb: {"Format": {"TermURL": "nb:FromISO8601"}}}
    assert crosswalk.value("age", "P30Y6M", description=iso).value == 30.5
    group = {nb: {"Levels": {"CTRL": {"TermURL": "ncit:C94342", "Label": "Healthy Control"}}}}
    assert crosswalk.value("diagnosis", "CTRL", description=group).term == HEALTHY


@pytest.mark.parametrize(
    "description",
    [
        {"Levels": None},
        {"Levels": ["a", "b"]},
        {"Levels": {"M": None, "F": 3}},
        {"Levels": {"M": {"TermURL": 7}}},
        {"Levels": {"M": {"TermURL": "  "}}},
        {"Units": 3},
        {"Annotations": "x"},
        {"Annotations": {"Levels": 1, "MissingValues": 2, "Format": [], "IsAbout": None}},
        {"Levels": {"M": {"TermURL": "not a curie"}}},
    ],
)
def test_a_broken_dictionary_breaks_nothing(crosswalk, description):
    assert crosswalk.value("sex", "M", description=description).original == "M"
    assert crosswalk.participant_property("sex", description=description) == "sex"


def test_categorical_and_diagnosis(crosswalk):
    assert [p for p in ("sex", "diagnosis", "species", "age", "group", "mmse") if crosswalk.categorical(p)] == [
        "sex",
        "diagnosis",
        "species",
    ]
    assert crosswalk.is_diagnosis(crosswalk.value("group", "MS"))
    assert crosswalk.is_diagnosis(crosswalk.value("group", "healthy control"))
    assert not crosswalk.is_diagnosis(crosswalk.value("group", "control"))
    assert not crosswalk.is_diagnosis(crosswalk.value("group", "unheard of"))


def test_source_and_session_are_kept_apart(crosswalk):
    one = crosswalk.value("age", "30", source="participants.tsv")
    two = crosswalk.value("age", "30", source="sessions.tsv", session="ses-1")
    assert (one.source, one.session, two.source, two.session) == ("participants.tsv", None, "sessions.tsv", "ses-1")
    assert two.to_json() == {"value": 30.0, "original": "30", "unit": "a", "source": "sessions.tsv", "session": "ses-1"}


SIDECAR = {
    "Manufacturer": "SIEMENS",
    "ManufacturersModelName": "TrioTim",
    "MagneticFieldStrength": 3,
    "RepetitionTime": 2.3,
    "EchoTime": [0.01, 0.02],
    "FlipAngle": "9",
    "BodyPartExamined": "BRAIN",
    "ScanningSequence": ["GR", "IR"],
    "SliceTiming": [0.0, 0.5],
}


def test_an_acquisition_is_described_by_name_and_sidecar(crosswalk, starter):
    found = crosswalk.acquisition("T1w", "anat", SIDECAR)
    assert {prop: [v.label for v in values] for prop, values in found.items() if values[0].term} == {
        "contrast": ["T1-weighted image"],
        "modality": ["Magnetic Resonance Imaging"],
        "manufacturer": ["Siemens Healthineers"],
        "manufacturers_model_name": ["Siemens Trio"],
        "anatomy": ["brain"],
    }
    assert found["magnetic_field_strength"] == [
        Value(value=3.0, original="3", unit="T", source="MagneticFieldStrength")
    ]
    assert found["flip_angle"][0].value == 9.0
    assert [v.value for v in found["scanning_sequence"]] == ["GR", "IR"]
    assert "echo_time" not in found
    assert found["contrast"][0].term in starter.descendants("nidm:T1Weighted")
    json.dumps({prop: [v.to_json() for v in values] for prop, values in found.items()}, allow_nan=False)


@pytest.mark.parametrize(
    ("given", "value", "unit"),
    [
        (3, 3.0, "T"),
        (2.89362, 2.89362, "T"),
        ("3T", 3.0, "T"),
        ("3 Tesla", 3.0, "T"),
        ("1.5", 1.5, "T"),
        ("3kg", "3kg", None),
        ("high", "high", None),
        (float("nan"), None, None),
        (float("inf"), None, None),
    ],
)
def test_field_strength_as_people_write_it(crosswalk, given, value, unit):
    found = crosswalk.acquisition("T1w", "anat", {"MagneticFieldStrength": given})["magnetic_field_strength"][0]
    assert (found.value, found.unit) == (value, unit)


@pytest.mark.parametrize("given", [None, True, [], {}, [3], {"a": 1}])
def test_what_is_no_number_is_left_out(crosswalk, given):
    assert "magnetic_field_strength" not in crosswalk.acquisition("T1w", "anat", {"MagneticFieldStrength": given})


@pytest.mark.parametrize(
    ("suffix", "datatype", "modality", "contrast"),
    [
        ("FLAIR", "anat", "nidm:MagneticResonanceImaging", "bids-suffix:FLAIR"),
        ("bold", "func", "nidm:MagneticResonanceImaging", "bids-suffix:bold"),
        ("dwi", "dwi", "nidm:MagneticResonanceImaging", "bids-suffix:dwi"),
        ("pet", "pet", "nidm:PositronEmissionTomography", None),
        ("eeg", "eeg", "nidm:Encephalography", None),
        ("SPIM", "micr", "bids-suffix:SPIM", None),
        ("events", "func", "nidm:MagneticResonanceImaging", None),
        ("nonsense", "nowhere", None, None),
    ],
)
def test_modality_and_contrast(crosswalk, starter, suffix, datatype, modality, contrast):
    found = crosswalk.acquisition(suffix, datatype, {})
    for prop, curie in (("modality", modality), ("contrast", contrast)):
        assert [v.term for v in found.get(prop, [])] == ([starter.get(curie).iri] if curie else [])


def test_a_model_that_is_not_known_keeps_its_name(crosswalk):
    value = crosswalk.acquisition("T1w", "anat", {"ManufacturersModelName": "Ultra 3000"})["manufacturers_model_name"][
        0
    ]
    assert value.to_json() == {"value": "Ultra 3000", "original": "Ultra 3000", "source": "ManufacturersModelName"}


def test_remembered_answers_are_not_shared(crosswalk):
    first = crosswalk.acquisition("T1w", "anat", SIDECAR)
    first["modality"].clear()
    first.pop("contrast")
    assert crosswalk.acquisition("T1w", "anat", SIDECAR)["modality"]
    assert crosswalk.acquisition("T1w", "anat", SIDECAR)["contrast"]


def test_sidecars_that_differ_only_in_which_member_holds_a_value(crosswalk):
    assert "repetition_time" in crosswalk.acquisition("T1w", "anat", {"RepetitionTime": 2})
    assert "repetition_time" not in crosswalk.acquisition("T1w", "anat", {"EchoTime": 2})
    assert crosswalk.acquisition("T1w", "anat", {"RepetitionTime": 1})["repetition_time"][0].original == "1"
    assert crosswalk.acquisition("T1w", "anat", {"RepetitionTime": 1.0})["repetition_time"][0].original == "1.0"
    assert "repetition_time" not in crosswalk.acquisition("T1w", "anat", {"RepetitionTime": True})


def test_loading_an_ontology_changes_what_is_mapped(tmp_path, obo):
    with TermIndex.open(tmp_path / "terms.sqlite") as index:
        crosswalk = Crosswalk(index)
        assert crosswalk.value("diagnosis", "new disease").term is None
        path = tmp_path / "doid.obo"
        path.write_text(obo("id: DOID:999999|name: new disease|is_a: DOID:4", ontology="doid"))
        index.load(path)
        assert crosswalk.value("diagnosis", "new disease").term == expand("DOID:999999")
