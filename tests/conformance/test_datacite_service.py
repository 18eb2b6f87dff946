"""The client of DataCite's REST API against a service that checks every request.

The service keeps DOIs and their states as DataCite documents them, and refuses what is not JSON:API, not
authenticated, or not valid by the XML schema of kernel 4.7 where that is at hand.
"""

import base64
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from catalog.doi.metadata import Related, datacite_metadata
from catalog.doi.registrar import DataCiteRegistrar
from catalog.doi.xml import datacite_xml
from ontology.errors import (
    BackendUnavailableError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    ValidationFailedError,
)

ROOT = Path(os.environ.get("SILLAGE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
XSD = ROOT / "schemas" / "datacite" / "kernel-4.7" / "metadata.xsd"
PREFIX = "10.70123"
MEDIA = "application/vnd.api+json"
NS = "{http://datacite.org/schema/kernel-4}"
AFTER = {"publish": "findable", "register": "registered", "hide": "registered"}

BASE = {
    "id": "urn:uuid:6b1c1f3a-0f8e-4d3e-9a52-3d6f0f6f3c11",
    "created": "2026-11-20T08:00:00Z",
    "modified": "2026-11-21T08:00:00Z",
    "title": "Balloon & <task>",
    "license": "CC0",
    "creators": [{"name": "Curie, Marie", "orcid": "0000-0002-1825-0097"}, "Imaging Centre"],
    "keywords": ["MRI", {"label": "multiple sclerosis", "term": "http://purl.obolibrary.org/obo/DOID_2377"}],
    "bids_version": "1.8.0",
    "participants": 16,
    "bytes": 12,
    "description": "Sixteen participants.",
}
KINDS: dict[str, dict[str, Any]] = {
    "Dataset": {},
    "DatasetVersion": {"name": "1.0.0", "commit": "ab" * 20, "files": [{"media_type": "text/tab-separated-values"}]},
    "Cohort": {"query": "age > 3 AND sex = 'F'", "count": 26, "digest": "ab" * 32, "version": 1},
    "PipelineVersion": {"semver": "1.0.0", "environment": {"kind": "image", "digest": "sha256:" + "ab" * 32}},
}
RELATED = [
    Related(identifier="10.18112/openneuro.ds000001.v1.0.0", kind="DOI", relation="IsDerivedFrom"),
    Related(identifier="urn:uuid:6b1c1f3a-0f8e-4d3e-9a52-3d6f0f6f3c12", kind="URN", relation="IsVersionOf"),
    Related(identifier="https://example.org/x", kind="URL", relation="References", resource_type="JournalArticle"),
    Related(identifier="10.1234/z", kind="DOI", relation="Other", information="shares its control group"),
]


@pytest.fixture(scope="session")
def schema() -> etree.XMLSchema:
    if not XSD.is_file():
        pytest.skip(f"no {XSD}: set SILLAGE_TEST_DATA to the folder of test data")
    return etree.XMLSchema(etree.parse(str(XSD)))


LOST, NEVER = -1, -2
"""Statuses of a script: the connection breaks in place of an answer; it stays open, and no answer comes."""


class Service(ThreadingHTTPServer):
    """Keeps DOIs; ``script`` says what to answer to the next requests instead of serving them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.dois: dict[str, dict[str, Any]] = {}
        self.owners: dict[str, str] = {}
        self.script: list[tuple[int, dict[str, Any], bool]] = []
        self.requests: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.closing = threading.Event()
        self.schema: etree.XMLSchema | None = etree.XMLSchema(etree.parse(str(XSD))) if XSD.is_file() else None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(self._body())

    def do_PUT(self) -> None:
        self._serve(self._body())

    def _body(self) -> dict[str, Any]:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._expect(self.headers["Content-Type"] == MEDIA, "content type")
        self._expect(set(body) == {"data"} and body["data"]["type"] == "dois", "JSON:API document")
        return body["data"]["attributes"]

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.server.faults.append(what)

    def _serve(self, attributes: dict[str, Any] | None) -> None:
        self.server.requests.append((self.command, self.path))
        self._expect(self.headers["Accept"] == MEDIA, "accept")
        if self.headers["Authorization"] != "Basic " + base64.b64encode(b"LAB.REPO:secret").decode():
            self._answer(401, {"errors": [{"status": "401", "title": "Bad credentials."}]})
            return
        status, body, performed = self.server.script.pop(0) if self.server.script else (0, {}, True)
        if performed:
            real = self._perform(attributes)
        if status == LOST:
            self.close_connection = True
        elif status == NEVER:
            self.server.closing.wait()
            self.close_connection = True
        elif status:
            self._answer(status, body)
        else:
            self._answer(*real)

    def _perform(self, attributes: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        name = (attributes or {}).get("doi") or self.path.removeprefix("/dois/")
        known = self.server.dois.get(name)
        if attributes is None:
            return (
                (404, {"errors": [{"status": "404", "title": "Not found"}]}) if known is None else self._show(200, name)
            )
        self._expect(self.path == ("/dois" if self.command == "POST" else f"/dois/{name}"), "path")
        if self.command == "POST" and known is not None:
            return 422, {"errors": [{"source": "doi", "title": "This DOI has already been taken"}]}
        if "xml" in attributes:
            self._check_xml(name, base64.b64decode(attributes["xml"], validate=True))
        event = attributes.get("event")
        if event == "publish" and not attributes.get("url"):
            return 422, {"errors": [{"source": "url", "title": "Can't be blank"}]}
        state = (known or {}).get("state", "draft")
        state = AFTER[event] if event in ("publish", "register") or (event and state != "draft") else state
        self.server.dois[name] = {**(known or {}), **attributes, "state": state}
        self.server.owners.setdefault(name, "lab.repo")
        return self._show(200 if known else 201, name)

    def _show(self, status: int, name: str) -> tuple[int, dict[str, Any]]:
        attributes = {"doi": name, "state": self.server.dois[name]["state"]}
        client = {"data": {"id": self.server.owners[name], "type": "clients"}}
        return status, {
            "data": {"id": name, "type": "dois", "attributes": attributes, "relationships": {"client": client}}
        }

    def _check_xml(self, name: str, document: bytes) -> None:
        root = etree.fromstring(document)
        self._expect(root.findtext(f"{NS}identifier") == name, "identifier")
        if self.server.schema is not None and not self.server.schema.validate(root):
            self.server.faults.append(str(self.server.schema.error_log))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", MEDIA)
        if status == 429:
            self.send_header("Retry-After", "3")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()
        assert server.faults == []


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def registrar(service: Service, waits: list[float]) -> DataCiteRegistrar:
    return DataCiteRegistrar(service.url, "LAB.REPO", "secret", PREFIX, timeout_s=90, sleep=waits.append)


def describe(doi: str, kind: str = "Dataset", related: list[Related] = RELATED) -> dict[str, Any]:
    subject = {**BASE, "type": kind, **KINDS[kind]}
    return datacite_metadata(subject, doi=doi, publisher="A laboratory", url=None, year=2026, related=related)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_record_is_valid_by_the_schema(kind: str, schema: etree.XMLSchema) -> None:
    schema.assertValid(etree.fromstring(datacite_xml(describe(f"{PREFIX}/abc", kind))))


@pytest.mark.parametrize("name", ["Relation", "Resource", "RelatedIdentifier", "Date", "Description", "Name"])
def test_our_controlled_lists_are_those_of_the_schema(name: str, schema: etree.XMLSchema) -> None:
    from catalog.doi import controlled

    ours = {
        "Relation": controlled.RELATIONS,
        "Resource": controlled.RESOURCE_TYPES,
        "RelatedIdentifier": controlled.IDENTIFIER_TYPES,
        "Date": controlled.DATE_TYPES,
        "Description": controlled.DESCRIPTION_TYPES,
        "Name": controlled.NAME_TYPES,
    }[name]
    file = {"Relation": "relationType", "Resource": "resourceType", "RelatedIdentifier": "relatedIdentifierType"}.get(
        name, f"{name.lower()}Type"
    )
    listed = etree.parse(str(XSD.parent / "include" / f"datacite-{file}-v4.xsd"))
    values = {e.get("value") for e in listed.iter("{http://www.w3.org/2001/XMLSchema}enumeration")}
    assert ours == values


def test_the_life_of_a_doi(service: Service, registrar: DataCiteRegistrar) -> None:
    doi = registrar.new_doi()
    reserved = registrar.reserve(describe(doi), doi=doi)
    assert (reserved.state, reserved.resolvable) == ("draft", False)
    again = registrar.reserve(describe(doi, "Cohort"), doi=doi)
    assert again == reserved
    assert b"Collection" in base64.b64decode(service.dois[doi]["xml"])
    published = registrar.publish(doi, url="https://lab.example/doi/x", metadata=describe(doi))
    assert (published.state, published.resolvable) == ("findable", True)
    assert service.dois[doi]["url"] == "https://lab.example/doi/x"
    assert registrar.reserve(describe(doi), doi=doi).state == "findable"
    assert registrar.publish(doi, url="https://lab.example/doi/y", metadata=describe(doi)).state == "findable"
    hidden = registrar.hide(doi)
    assert (hidden.state, hidden.resolvable) == ("registered", True)
    assert registrar.hide(doi) == hidden


def test_a_doi_of_somebody_else_is_left_alone(service: Service, registrar: DataCiteRegistrar) -> None:
    doi = registrar.new_doi()
    service.dois[doi] = {"state": "draft"}
    service.owners[doi] = "other.repo"
    with pytest.raises(ConflictError, match="another repository"):
        registrar.reserve(describe(doi), doi=doi)
    assert service.dois[doi] == {"state": "draft"}


def test_hiding_what_is_not_there(registrar: DataCiteRegistrar) -> None:
    with pytest.raises(NotFoundError):
        registrar.hide(registrar.new_doi())


def test_a_draft_stays_a_draft_when_hidden(registrar: DataCiteRegistrar) -> None:
    doi = registrar.new_doi()
    registrar.reserve(describe(doi), doi=doi)
    assert registrar.hide(doi).state == "draft"


def test_publishing_needs_an_address(service: Service, registrar: DataCiteRegistrar) -> None:
    doi = registrar.new_doi()
    with pytest.raises(ConflictError, match="no public address"):
        registrar.publish(doi, url=None, metadata=describe(doi))
    assert service.requests == []


def test_refused_metadata_name_their_field(service: Service, registrar: DataCiteRegistrar) -> None:
    doi = registrar.new_doi()
    service.script = [(422, {"errors": [{"source": "creators", "title": "Missing child element(s)."}]}, False)]
    with pytest.raises(ValidationFailedError, match="Missing child") as caught:
        registrar.reserve(describe(doi), doi=doi)
    assert caught.value.field == "creators"
    service.script = [(422, {"errors": [{"source": {"pointer": "/data/attributes/url"}, "title": "Bad"}]}, False)]
    with pytest.raises(ValidationFailedError) as caught:
        registrar.reserve(describe(doi), doi=doi)
    assert caught.value.field == "url"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_passing_failure_is_tried_again(
    status: int, service: Service, registrar: DataCiteRegistrar, waits: list[float]
) -> None:
    doi = registrar.new_doi()
    service.script = [(status, {}, False)] * 2
    assert registrar.reserve(describe(doi), doi=doi).state == "draft"
    assert waits == ([3.0, 6.0] if status == 429 else [0.5, 1.0])


def test_a_service_that_refuses_for_long_is_away(
    service: Service, registrar: DataCiteRegistrar, waits: list[float]
) -> None:
    service.script = [(503, {}, False)] * 10
    doi = registrar.new_doi()
    with pytest.raises(BackendUnavailableError, match="503"):
        registrar.reserve(describe(doi), doi=doi)
    assert len(service.requests) == 4
    assert len(waits) == 3


def test_a_service_that_fails_for_long_leaves_the_outcome_open(service: Service, registrar: DataCiteRegistrar) -> None:
    service.script = [(500, {}, False)] * 10
    doi = registrar.new_doi()
    with pytest.raises(OutcomeUnknownError):
        registrar.publish(doi, url="https://lab.example", metadata=describe(doi))


def test_an_answer_that_is_lost_is_made_good(service: Service, registrar: DataCiteRegistrar) -> None:
    doi = registrar.new_doi()
    service.script = [(LOST, {}, True)]
    assert registrar.reserve(describe(doi), doi=doi).state == "draft"
    assert [method for method, _ in service.requests] == ["POST", "POST", "GET", "PUT"]


def test_answers_that_never_come_leave_the_outcome_open(service: Service, registrar: DataCiteRegistrar) -> None:
    doi = registrar.new_doi()
    service.script = [(LOST, {}, False)] * 4
    with pytest.raises(OutcomeUnknownError, match="not known"):
        registrar.reserve(describe(doi), doi=doi)
    service.script = [(LOST, {}, False)] * 4
    with pytest.raises(BackendUnavailableError):
        registrar.hide(doi)


def test_a_service_that_does_not_answer_is_waited_for_so_long_and_no_longer(service: Service) -> None:
    hasty = DataCiteRegistrar(service.url, "LAB.REPO", "secret", PREFIX, timeout_s=0.2, sleep=lambda _: None)
    service.script = [(NEVER, {}, False)] * 4
    doi = hasty.new_doi()
    with pytest.raises((OutcomeUnknownError, BackendUnavailableError), match="Timeout"):
        hasty.reserve(describe(doi), doi=doi)


def test_nobody_at_the_address_is_away() -> None:
    registrar = DataCiteRegistrar("http://127.0.0.1:9", "LAB.REPO", "secret", PREFIX, sleep=lambda _: None)
    doi = registrar.new_doi()
    with pytest.raises(BackendUnavailableError, match="cannot be reached"):
        registrar.reserve(describe(doi), doi=doi)


def test_wrong_credentials_are_said_to_be_wrong(service: Service) -> None:
    registrar = DataCiteRegistrar(service.url, "LAB.REPO", "wrong", PREFIX)
    doi = registrar.new_doi()
    with pytest.raises(BackendUnavailableError, match="refuses this account") as caught:
        registrar.reserve(describe(doi), doi=doi)
    assert "wrong" not in str(caught.value)


def test_an_answer_that_is_no_json_is_not_believed(service: Service, registrar: DataCiteRegistrar) -> None:
    service.script = [(200, {"data": {"attributes": {"state": "odd"}}}, False)]
    doi = registrar.new_doi()
    with pytest.raises(OutcomeUnknownError):
        registrar.reserve(describe(doi), doi=doi)


def test_passwords_do_not_travel_in_the_clear() -> None:
    with pytest.raises(InvalidRequestError, match="https"):
        DataCiteRegistrar("http://api.datacite.org", "LAB.REPO", "secret", PREFIX)
    assert DataCiteRegistrar("https://api.datacite.org", "LAB.REPO", "secret", PREFIX)


def test_the_test_service_of_datacite_does_not_resolve(service: Service) -> None:
    registrar = DataCiteRegistrar(service.url, "LAB.REPO", "secret", "10.5072", timeout_s=90)
    doi = registrar.new_doi()
    assert not registrar.publish(doi, url="https://lab.example", metadata=describe(doi)).resolvable
