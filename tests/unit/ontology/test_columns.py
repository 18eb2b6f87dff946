"""What columns are: their own name, the name that datasets share, the instrument that they belong to."""

import pytest

from ontology.columns import score_name
from ontology.crosswalk import Crosswalk


@pytest.fixture(scope="module")
def crosswalk(starter):
    return Crosswalk(starter)


def annotated(term, **more):
    return {"Annotations": {"IsAbout": {"TermURL": term, **more}}}


def item_of(term, **more):
    part = {"TermURL": term, **more}
    return {"Annotations": {"IsAbout": {"TermURL": "nb:Assessment"}, "IsPartOf": part}}


@pytest.mark.parametrize(
    ("header", "description", "name", "meanings"),
    [
        ("age", None, "age", ()),
        ("gender", None, "sex", ()),
        ("pheno_sex", annotated("nb:Sex"), "pheno_sex", ("sex",)),
        ("alter", {"TermURL": "http://purl.obolibrary.org/obo/PATO_0000011"}, "alter", ("age",)),
        ("poids", {"TermURL": "http://snomed.info/id/27113001"}, "poids", ("weight",)),
        ("sex", {"TermURL": "http://purl.obolibrary.org/obo/PATO_0001894"}, "sex", ()),
        ("age_months", None, "age_months", ("age",)),
        ("weight_kg", None, "weight", ()),
        ("MMSE", None, "mmse", ()),
        ("MMSE_total", None, "mmse_total", ("mmse",)),
        ("mini_mental_state_examination", None, "mini_mental_state_examination", ("mmse",)),
        ("MoCA", None, "moca", ()),
        ("cog", {"TermURL": "SNOMEDCT:859351000000102"}, "cog", ("moca",)),
        ("tumour", {"TermURL": "DOID:3070"}, "tumour", ("brain_glioma",)),
        ("x", annotated("http://example.org/no/such", Label="Reaction Time"), "x", ("reaction_time",)),
        ("x", annotated("http://example.org/no/such"), "x", ()),
        ("bdi", None, "bdi", ()),
        ("aq", None, "aq", ()),
    ],
)
def test_a_column_keeps_its_name_and_gets_those_that_datasets_share(crosswalk, header, description, name, meanings):
    found = crosswalk.column(header, description=description)
    assert found.name == name
    if header != "tumour":
        assert found.meanings == meanings
    else:
        assert len(found.meanings) == 1
    assert found.property == (found.meanings[0] if found.meanings else name)


@pytest.mark.parametrize(
    ("header", "description", "term"),
    [
        ("mmse_total", None, "sillage:mmse"),
        ("panas_cheerful", None, "sillage:panas"),
        ("stai_state_1", None, "sillage:stai"),
        ("handedness", {"LongName": "Edinburgh Handedness Inventory"}, "nidm:EdinburghHandnessTest"),
        ("item1", item_of("sillage:moca"), "sillage:moca"),
        ("bai", None, None),
        ("cdr_1", None, None),
        ("assessment_date", None, None),
        ("CCPT_avg_succ_RT", None, None),
    ],
)
def test_instruments_are_recognised_where_their_name_leaves_no_doubt(crosswalk, starter, header, description, term):
    instrument = crosswalk.column(header, description=description).instrument
    assert (instrument.term.curie if instrument else None) == term


def test_an_instrument_that_no_vocabulary_has_keeps_its_name(crosswalk):
    described = item_of("cogatlas:zzz", Label="Odd test")
    column = crosswalk.column("item1", description=described)
    assert (column.instrument.text, column.instrument.term, column.meanings) == ("Odd test", None, ())


def test_a_table_is_named_after_its_instrument(crosswalk):
    table = crosswalk.instrument("bdi", {})
    assert table.term.curie == "sillage:bdi"
    assert crosswalk.column("bdi_total", table=table).meanings == ("bdi",)
    assert crosswalk.column("bdi_item3", table=table).instrument is table
    assert crosswalk.column("sex", table=table).instrument is None
    by_url = crosswalk.instrument("questionnaire_2", {"TermURL": "SNOMEDCT:859351000000102"})
    assert by_url.term.curie == "sillage:moca"
    assert crosswalk.instrument("q", {"Description": "Beck Anxiety Inventory"}).term.curie == "sillage:bai"
    assert crosswalk.instrument("ace", {}).term is None


def test_names_of_scores(starter):
    assert score_name(starter.get("sillage:mds-updrs")) == "mds_updrs"
    assert score_name(starter.get("nidm:PositiveAndNegativeSyndromeScale")) == "panss"
    assert score_name(starter.get("nidm:TrailsA")) == "trails_a"


@pytest.mark.parametrize(
    ("description", "text", "missing"),
    [
        ({"Levels": {"-999": "missing", "1": "yes"}}, "-999", True),
        ({"Levels": {"9": "Not collected."}}, "9", True),
        ({"Levels": {"9": "Unknown"}}, "9", False),
        ({"Annotations": {"MissingValues": ["not completed"]}}, "not completed", True),
        ({"MissingValues": [-1]}, "-1", True),
        ({}, "n/a", False),
    ],
)
def test_codes_for_nothing_are_missing(crosswalk, description, text, missing):
    assert crosswalk.declared_missing(text, description) is missing
    assert (crosswalk.value("score", text, description=description).value is None) is (missing or text == "n/a")


def test_the_format_of_a_column_can_say_that_numbers_are_words(crosswalk):
    assert crosswalk.value("batch", "12", description={"Format": "label"}).value == "12"
    assert crosswalk.value("batch", "12", description={"Format": "integer"}).value == 12


@pytest.mark.parametrize(
    "text", ["control", "Controls", "HC", "healthy", "TD", "typically developing", "TDC", "NC", "CN", "Neurotypical"]
)
def test_the_healthy_are_found_whatever_they_are_called(crosswalk, starter, text):
    term = crosswalk.value("diagnosis", text).term
    assert term in starter.descendants("NCIT:C94342")


def test_a_control_group_need_not_be_healthy(crosswalk, starter):
    assert crosswalk.value("group", "control").term == starter.get("sillage:control-group").iri
    assert crosswalk.is_diagnosis(crosswalk.value("group", "TD"))


@pytest.mark.parametrize(
    ("name", "metadata", "term"),
    [
        ("rest", {}, "sillage:resting-state"),
        ("restEyesOpen", {}, "sillage:rest-eyes-open"),
        ("rest", {"CogAtlasID": "https://www.cognitiveatlas.org/task/id/trm_4c8a834779883/"}, "sillage:rest-eyes-open"),
        ("nback", {}, "sillage:n-back"),
        ("balloonanalogrisktask", {}, "sillage:balloon-analog-risk"),
        ("stroop+blackbg", {}, "sillage:stroop-task"),
        ("01", {"TaskName": "line bisection"}, "sillage:line-bisection"),
        ("somethingnew", {"TaskName": ["x"], "CogAtlasID": 3}, None),
    ],
)
def test_tasks_by_label_name_and_cognitive_atlas(crosswalk, starter, name, metadata, term):
    value = crosswalk.task(name, metadata)
    assert value.term == (starter.get(term).iri if term else None)
    assert value.value == value.original == name


@pytest.mark.parametrize("text", ["C11", "C-11", "11C", "[11C]", "carbon-11", "Carbon 11"])
def test_radionuclides_as_people_write_them(crosswalk, starter, text):
    (value,) = crosswalk.acquisition("pet", "pet", {"TracerRadionuclide": text})["tracer_radionuclide"]
    assert value.term == starter.get("sillage:carbon-11").iri


def test_units_of_the_sidecar_stay_with_the_number(crosswalk):
    said = {"InjectedRadioactivity": 10, "InjectedRadioactivityUnits": "mCi", "InjectedMass": 2}
    found = crosswalk.acquisition("pet", "pet", said)
    assert (found["injected_radioactivity"][0].value, found["injected_radioactivity"][0].unit) == (10, "mCi")
    assert found["injected_mass"][0].unit is None
