"""What of a record can be searched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.model import Record
from catalog.search.names import Level, canonical_name, fold, property_name, well_known
from catalog.search.projection import AcquisitionEntry, DatasetEntry, ParticipantEntry, Statement, project
from catalog.search.testing.leaves import is_like as is_like_by_trying
from catalog.search.value_tests import folded_pattern, is_like


def record(type: str, **document: Any) -> Record:
    return Record(id="urn:uuid:1", type=type, version=1, created="", modified="", sequence=0, document=document)


def said(entry: Any, name: str) -> list[Any]:
    return sorted((s.value for s in entry.statements if s.name == name), key=repr)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("MagneticFieldStrength", "magnetic_field_strength"),
        ("B0FieldIdentifier", "b0_field_identifier"),
        ("MRAcquisitionType", "mr_acquisition_type"),
        ("CogPOID", "cog_poid"),
        ("ManufacturersModelName", "manufacturers_model_name"),
        ("EchoTime1", "echo_time1"),
        ("AGE", "age"),
        ("dominant_hand", "dominant_hand"),
        ("Age at scan (years)", "age_at_scan_years"),
        ("BDI-II", "bdi_ii"),
        ("a.b", "a.b"),
        ("%", "_"),
    ],
)
def test_names_have_one_spelling(raw: str, name: str) -> None:
    assert property_name(raw) == name
    assert property_name(name) == name


def test_aliases_lead_to_the_long_names() -> None:
    assert canonical_name("acq", Level.ACQUISITION) == "acquisition"
    assert canonical_name("acq", Level.PARTICIPANT) == "acq"
    assert canonical_name("participant_id", Level.PARTICIPANT) == "label"
    assert {"age", "sex", "diagnosis"} <= well_known(Level.PARTICIPANT)
    assert {"suffix", "magnetic_field_strength"} <= well_known(Level.ACQUISITION)
    assert all(canonical_name(name, level) == name for level in Level for name in well_known(level))


def test_texts_are_compared_without_case_and_spacing() -> None:
    assert fold("  Straße\t X ") == fold("STRASSE x") == "strasse x"
    assert fold("e\u0301") == fold("É")


def test_a_participant_says_what_its_properties_and_sessions_say() -> None:
    values = [{"value": 34, "unit": "wk"}, {"value": None, "original": "n/a"}, {"value": " "}, "dirt", {"value": True}]
    entry = project(
        record(
            "Participant",
            label="sub-1",
            dataset="d",
            properties={"Age": values, "label": [{"value": "not the label"}], "x": "dirt"},
            sessions=[{"label": "ses-1", "properties": {"mood": [{"value": "good"}]}}, "dirt"],
        )
    )
    assert isinstance(entry, ParticipantEntry)
    assert (entry.label, entry.dataset) == ("sub-1", "d")
    assert said(entry, "age") == [pytest.approx(34 * 7 / 365.25), True]
    assert said(entry, "label") == []
    assert said(entry, "session") == ["ses-1"]
    (mood,) = (s for s in entry.statements if s.name == "mood")
    assert mood.session == "ses-1"


def test_an_acquisition_says_what_its_sidecar_says() -> None:
    entry = project(
        record(
            "Acquisition",
            label="sub-1_T1w",
            participant="p",
            suffix="T1w",
            derived=False,
            session=None,
            bids_entities={"sub": "1", "acq": "MPRAGE", "run": "01"},
            properties={"manufacturer": [{"value": "SIEMENS", "label": "Siemens"}]},
            metadata={
                "EchoTime": 0.03,
                "Manufacturer": "SIEMENS",
                "ImageType": ["A", "B", ["C", ["too deep"]]],
                "SliceTiming": list(range(100)),
                "Nothing": None,
                "Suffix": "not the suffix",
                "Deep": {"One": {"Two": [1, {"Three": "x"}]}},
                "Huge": 10**400,
                "Surrogate": "\ud800",
            },
        )
    )
    assert isinstance(entry, AcquisitionEntry)
    assert said(entry, "suffix") == ["T1w"]
    assert said(entry, "acquisition") == ["MPRAGE"]
    assert said(entry, "run") == [1]
    assert said(entry, "echo_time") == [0.03]
    assert said(entry, "image_type") == ["A", "B", "C"]
    assert said(entry, "deep.one.two") == [1]
    assert said(entry, "deep.one.two.three") == ["x"]
    assert said(entry, "surrogate") == ["?"]
    assert said(entry, "derived") == [False]
    assert [s.label for s in entry.statements if s.name == "manufacturer"] == ["Siemens"]
    names = {s.name for s in entry.statements}
    assert not names & {"slice_timing", "nothing", "session", "sub", "subject"}
    assert len(said(entry, "huge")) == 1


def test_a_dataset_says_its_names() -> None:
    title = Statement("dataset.title", "text", text="A study")
    named = DatasetEntry("urn:uuid:1", "ds1", "A study", frozenset({title}))
    assert project(record("Dataset", label="ds1", title="A study")) == named
    with pytest.raises(ValueError, match="Task"):
        project(record("Task"))


def test_the_forms_of_a_value() -> None:
    mapped = Statement("sex", "text", text="F", original="F ", term="http://x/Y", label="Female")
    assert mapped.forms() == {"f", "female", "http://x/y"}
    assert mapped.facet == "term:http://x/Y"
    assert Statement("run", "number", number=1.0, original="01").forms() == {"1", "01"}
    assert Statement("session", "text", text="ses-a").forms() == {"ses-a", "a"}
    assert Statement("derived", "boolean", number=1.0).forms() == {"true"}


@given(st.text(alphabet="ab%_\\é ", max_size=8), st.text(alphabet="ab_%é\\ ", max_size=8))
def test_like_means_what_trying_everything_means(pattern: str, text: str) -> None:
    folded = folded_pattern(pattern)
    assert is_like(fold(text), folded) == is_like_by_trying(fold(text), folded)


def test_like_takes_no_more_than_the_product_of_the_lengths() -> None:
    assert not is_like("a" * 4000, "%a" * 200 + "b")
