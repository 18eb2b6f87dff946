import pytest
from lxml import etree

from catalog.doi.metadata import Related, datacite_metadata
from catalog.doi.validate import check_metadata, is_orcid
from catalog.doi.xml import datacite_xml
from ontology.errors import ValidationFailedError

DOI = "10.5072/4k7m2-x0q42"
NS = {"d": "http://datacite.org/schema/kernel-4"}
DATASET = {
    "id": "urn:uuid:6b1c1f3a-0f8e-4d3e-9a52-3d6f0f6f3c11",
    "type": "Dataset",
    "version": 4,
    "created": "2026-11-20T08:00:00Z",
    "modified": "2026-11-21T08:00:00Z",
    "label": "small",
    "title": "Balloon task",
    "license": "CCO license",
    "creators": [
        {"name": "Curie, Marie", "orcid": "0000-0002-1825-0097"},
        {"name": "Imaging Centre", "ror": "043kfff89"},
    ],
    "keywords": ["MRI", {"label": "multiple sclerosis", "term": "http://purl.obolibrary.org/obo/DOID_2377"}],
    "bids_version": "1.8.0",
    "doi": "doi:10.18112/OpenNeuro.ds000001.v1.0.0",
    "participants": 16,
    "files": 135,
    "bytes": 748_123,
    "description": "Sixteen participants.",
}


def make(subject: dict, **changes: object) -> dict:
    given = {"doi": DOI, "publisher": "A laboratory", "url": None, "year": 2026, "related": [], **changes}
    return datacite_metadata(subject, **given)


def test_a_dataset_is_described() -> None:
    made = make(DATASET, url="https://catalogue.example/doi/x")
    assert made["doi"] == DOI
    assert made["types"] == {"resourceTypeGeneral": "Dataset", "resourceType": "Imaging dataset"}
    person, organisation = made["creators"]
    assert (person["givenName"], person["familyName"], person["nameType"]) == ("Marie", "Curie", "Personal")
    assert person["nameIdentifiers"][0]["nameIdentifier"] == "https://orcid.org/0000-0002-1825-0097"
    assert organisation["nameType"] == "Organizational"
    assert organisation["nameIdentifiers"][0]["nameIdentifierScheme"] == "ROR"
    assert made["rightsList"] == [{"rights": "CCO license"}]
    assert made["subjects"][1]["valueUri"] == "http://purl.obolibrary.org/obo/DOID_2377"
    assert made["subjects"][1]["subjectScheme"] == "DOID"
    assert made["sizes"] == ["748.1 kB", "16 participants", "135 files"]
    assert made["formats"] == ["BIDS 1.8.0"]
    assert {(d["dateType"], d["date"]) for d in made["dates"]} == {
        ("Issued", "2026"),
        ("Submitted", "2026-11-20"),
        ("Updated", "2026-11-21"),
    }
    assert made["relatedIdentifiers"] == [
        {
            "relatedIdentifier": "10.18112/openneuro.ds000001.v1.0.0",
            "relatedIdentifierType": "DOI",
            "relationType": "IsVariantFormOf",
        }
    ]
    assert made["url"] == "https://catalogue.example/doi/x"


@pytest.mark.parametrize(
    ("change", "general", "words"),
    [
        ({"type": "DatasetVersion", "name": "1.0.0"}, "Dataset", "Imaging dataset"),
        ({"type": "Dataset", "dataset_type": "derivative"}, "Dataset", "Derived imaging dataset"),
        ({"type": "Cohort", "query": "age > 3", "count": 26}, "Collection", "Cohort of participants"),
        ({"type": "PipelineVersion", "semver": "1.2.0"}, "Workflow", "Pipeline"),
    ],
)
def test_each_kind_of_record_has_its_resource_type(change: dict, general: str, words: str) -> None:
    made = make({**DATASET, **change})
    assert made["types"] == {"resourceTypeGeneral": general, "resourceType": words}


def test_versions_are_those_of_the_thing() -> None:
    assert make({**DATASET, "type": "DatasetVersion", "name": "1.0.0"})["version"] == "1.0.0"
    assert make({**DATASET, "type": "PipelineVersion", "semver": "2.1.0"})["version"] == "2.1.0"
    assert "version" not in make(DATASET)


def test_a_cohort_says_how_it_was_selected() -> None:
    made = make({**DATASET, "type": "Cohort", "query": "age > 3", "count": 26, "digest": "ab" * 32})
    methods = [d["description"] for d in made["descriptions"] if d["descriptionType"] == "Methods"]
    assert methods == ["Selected by the CQL2 query: age > 3"]
    assert "26 participants" in made["sizes"]
    assert {"alternateIdentifier": "ab" * 32, "alternateIdentifierType": "SHA-256"} in made["alternateIdentifiers"]
    assert {d["dateType"] for d in made["dates"]} == {"Issued", "Created", "Updated"}


def test_every_missing_property_is_named() -> None:
    with pytest.raises(ValidationFailedError) as caught:
        make({"type": "Task"}, doi="nonsense", publisher=" ", year=26)
    fields = [problem["field"] for problem in caught.value.params["problems"]]
    assert fields == ["doi", "creators", "titles", "publisher", "publicationYear", "types.resourceTypeGeneral"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"creators": [{"name": "A", "orcid": "0000-0002-1825-0098"}]}, "creators[0].nameIdentifiers[0]"),
        ({"creators": [{"name": "A", "ror": "nonsense"}]}, "creators[0].nameIdentifiers[0]"),
        ({"creators": [{"name": " "}]}, "creators[0].name"),
        ({"created": "yesterday"}, "dates[1].date"),
        ({"keywords": [{"label": "x", "term": "no iri"}]}, "subjects[0].valueUri"),
    ],
)
def test_wrong_values_are_named(change: dict, field: str) -> None:
    with pytest.raises(ValidationFailedError) as caught:
        make({**DATASET, **change})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("related", "part"),
    [
        (Related(identifier="10.1234/x", kind="PMCID", relation="IsPartOf"), "relatedIdentifierType"),
        (Related(identifier="10.1234/x", kind="DOI", relation="Contains"), "relationType"),
        (Related(identifier="10.1234/x", kind="DOI", relation="Other"), "relationTypeInformation"),
        (Related(identifier="x", kind="DOI", relation="IsPartOf"), "relatedIdentifier"),
        (Related(identifier="10.1234/x", kind="DOI", relation="IsPartOf", resource_type="Data"), "resourceTypeGeneral"),
    ],
)
def test_relations_come_from_the_controlled_lists(related: Related, part: str) -> None:
    with pytest.raises(ValidationFailedError) as caught:
        make(DATASET, related=[related])
    assert caught.value.field == f"relatedIdentifiers[0].{part}"


def test_a_doi_that_is_none_is_not_repeated() -> None:
    assert "relatedIdentifiers" not in make({**DATASET, "doi": "TBD"})


def test_names_are_not_split_by_guessing() -> None:
    made = make({**DATASET, "creators": ["Martineau Jean-Louis", {"name": "Poldrack, R., Jr."}]})
    assert made["creators"] == [{"name": "Martineau Jean-Louis"}, {"name": "Poldrack, R., Jr."}]


def test_orcid_check_digits() -> None:
    assert is_orcid("https://orcid.org/0000-0002-1694-233X")
    assert is_orcid("https://orcid.org/0000-0002-1825-0097")
    assert not is_orcid("https://orcid.org/0000-0002-1825-0090")
    assert not is_orcid("0000-0002-1825-0097")


def test_hostile_text_becomes_text() -> None:
    hostile = "<script>alert(1)</script> & \x00\x0b\ud800 ]]> é"
    made = make({**DATASET, "title": hostile, "description": hostile, "license": hostile})
    root = etree.fromstring(datacite_xml(made))
    assert root.findtext("d:titles/d:title", namespaces=NS) == "<script>alert(1)</script> &  ]]> é"


def test_the_xml_is_the_same_every_time() -> None:
    made = make(DATASET)
    reordered = dict(reversed(made.items()))
    assert datacite_xml(made) == datacite_xml(reordered)


def test_what_was_made_has_no_fault() -> None:
    assert list(check_metadata(make(DATASET))) == []
